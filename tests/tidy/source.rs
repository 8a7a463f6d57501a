//! Sources as the rules read them: files by path, text without its words, functions with their lengths.
//! It reads just enough Rust and Markdown to tell code from what is said about it.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the repository lies. Tests run in the folder of their package; a path fixed when they were
/// compiled would be that of another clone with the same target folder.
pub(crate) fn root() -> PathBuf {
    std::env::current_dir()
        .unwrap()
        .parent()
        .unwrap()
        .to_owned()
}

/// Files below `folder`, as paths from the root with `/`, in order. What is built, and what belongs to
/// version control, is left out.
pub(crate) fn files(folder: &str) -> Vec<String> {
    let mut paths = Vec::new();
    gather(&root().join(folder), &mut paths);
    paths.sort();
    assert!(
        !paths.is_empty(),
        "{folder:?} holds no files: the search is broken"
    );
    paths
}

fn gather(folder: &Path, paths: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            if !["target", ".git", "corpus", "artifacts", "coverage"].contains(&name.as_str()) {
                gather(&entry.path(), paths);
            }
        } else if kind.is_file() {
            let path = entry.path();
            let path = path.strip_prefix(root()).unwrap().to_str().unwrap();
            paths.push(path.replace('\\', "/"));
        }
    }
}

/// Path and text of every file below `folder` with this extension.
pub(crate) fn sources(folder: &str, extension: &str) -> Vec<(String, String)> {
    let suffix = format!(".{extension}");
    let found: Vec<_> = files(folder)
        .into_iter()
        .filter(|path| path.ends_with(&suffix))
        .map(|path| {
            let text = fs::read_to_string(root().join(&path)).unwrap();
            (path, text)
        })
        .collect();
    assert!(
        !found.is_empty(),
        "{folder:?} holds no .{extension}: the search is broken"
    );
    found
}

/// Whether `name` stands in `code` as a whole path or word.
pub(crate) fn has_name(code: &str, name: &str) -> bool {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(name).any(|(at, _)| {
        !word(code[..at].chars().next_back()) && !word(code[at + name.len()..].chars().next())
    })
}

/// Whether a line names a folder at the root, and not a longer word or a folder in another.
pub(crate) fn has_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + folder.len()..].chars().next();
        !before.is_some_and(|c| c.is_alphanumeric() || "_-.}>/".contains(c))
            && !after.is_some_and(|c| c.is_alphanumeric() || "_-".contains(c))
    })
}

/// The text with comments and literals blanked: as many lines, and nothing but code in them.
pub(crate) fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        if end > at {
            let lines = bytes[at..end].iter().filter(|byte| **byte == b'\n').count();
            code.push(' ');
            code.extend(std::iter::repeat_n('\n', lines));
            at = end;
        } else {
            code.push(if bytes[at].is_ascii() {
                char::from(bytes[at])
            } else {
                '?'
            });
            at += 1;
        }
    }
    code
}

/// Where the comment or literal that begins at `at` ends; `at` where none begins.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let in_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if rest.starts_with(b"//") {
        return at
            + rest
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return at + comment_length(rest);
    }
    if rest[0] == b'"' {
        return at + quoted_length(rest, b'"');
    }
    if rest[0] == b'\'' {
        let escaped = rest.get(1) == Some(&b'\\');
        let closed = rest.iter().skip(2).take(4).position(|byte| *byte == b'\'');
        // A lifetime has no closing quote close by; `'a, 'b` has one, behind more than one letter.
        let single = closed.is_some_and(|length| length == 0 || !rest[1].is_ascii());
        return if escaped || single {
            at + quoted_length(rest, b'\'')
        } else {
            at
        };
    }
    if !in_word && (rest[0] == b'r' || rest.starts_with(b"br")) {
        let hashes_from = if rest[0] == b'b' { 2 } else { 1 };
        let hashes = rest[hashes_from..]
            .iter()
            .take_while(|byte| **byte == b'#')
            .count();
        if rest.get(hashes_from + hashes) == Some(&b'"') {
            let close: Vec<u8> = std::iter::once(b'"')
                .chain(std::iter::repeat_n(b'#', hashes))
                .collect();
            let body = hashes_from + hashes + 1;
            let length = rest[body..]
                .windows(close.len())
                .position(|window| window == close);
            return at + length.map_or(rest.len(), |length| body + length + close.len());
        }
    }
    at
}

fn comment_length(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match rest.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Functions with a body: name, and lines from `fn` to the closing brace.
pub(crate) fn functions(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let in_word = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let name: String = code[at + 3..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        if in_word || name.is_empty() {
            continue;
        }
        if let Some(length) = body_end(&code[at..]) {
            found.push((name, code[at..at + length].lines().count()));
        }
    }
    found
}

/// Where the function that begins here ends; `None` for one without a body.
fn body_end(code: &str) -> Option<usize> {
    let (mut braces, mut others) = (0_i32, 0_i32);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => others += 1,
            ')' | ']' => others -= 1,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 && others == 0 {
                    return Some(at + 1);
                }
            }
            ';' if braces == 0 && others == 0 => return None,
            _ => {}
        }
        if braces < 0 || others < 0 {
            return None;
        }
    }
    None
}

/// Targets of links to files, outside of code.
pub(crate) fn links_of(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // Every second piece between backticks is code.
        let prose: Vec<&str> = line.split('`').collect();
        let whole = prose
            .iter()
            .enumerate()
            .map(|(index, piece)| if index % 2 == 1 { "code" } else { piece })
            .collect::<String>();
        for (at, _) in whole.match_indices("](") {
            let target: String = whole[at + 2..]
                .chars()
                .take_while(|c| *c != ')' && *c != ' ')
                .collect();
            let outside = target.contains("://") || target.starts_with("mailto:");
            if !outside && !target.is_empty() {
                links.push(target);
            }
        }
    }
    links
}
