//! What is wrong with a configuration: where, what, and what to do about it. A reader collects all
//! problems of a folder, so that one round of editing mends them all.
//!
//! No problem ever quotes a value that may be a secret.

use std::fmt;
use std::path::Path;

use super::policy::Place;

/// Problems listed for one folder. A file of another format would otherwise yield thousands.
pub const PROBLEMS_LISTED_MAX: usize = 100;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// File (as the reader would name it from where the process runs) and line, 1-based; 0 if it is
    /// about the file as a whole.
    pub place: Place,
    /// Column, 1-based, in characters; 0 if unknown.
    pub column: usize,
    /// What is wrong, without a full stop at the end.
    pub what: String,
    /// What to do, a sentence; empty if the first half says it all.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.place.file)?;
        if self.place.line > 0 {
            write!(f, "{}:", self.place.line)?;
        }
        write!(f, " {}.", self.what)?;
        if !self.remedy.is_empty() {
            write!(f, " {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a file or folder; never empty. Prints one problem a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nr, problem) in self.0.iter().take(PROBLEMS_LISTED_MAX).enumerate() {
            if nr > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        match self.0.len().saturating_sub(PROBLEMS_LISTED_MAX) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more problems"),
        }
    }
}

/// Byte offsets of line starts, to turn spans into lines and columns.
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0)
            .chain(newlines.map(|(at, _)| at + 1))
            .collect();
        Self { text, starts }
    }

    /// Line and column of a byte offset, both 1-based, the column in characters.
    pub(crate) fn locate(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let column = self
            .text
            .get(start..offset)
            .map_or(0, |before| before.chars().count());
        (line, column + 1)
    }
}

/// A path as the reader would write it: relative if it lies below the folder the process runs in.
pub(crate) fn shown(path: &Path) -> String {
    let here = std::env::current_dir()
        .ok()
        .filter(|dir| dir.parent().is_some());
    let shorter = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    match shorter {
        Some(short) if !short.as_os_str().is_empty() => short.display().to_string(),
        _ => path.display().to_string(),
    }
}

/// `Did you mean "sql-guard"?` if a candidate is close to what was written, else what there is.
pub(crate) fn suggestion<'c>(
    written: &str,
    candidates: impl IntoIterator<Item = &'c str>,
    none: &str,
) -> String {
    let mut all: Vec<&str> = candidates.into_iter().collect();
    all.sort_unstable();
    all.dedup();
    // One slip in three characters is still the same word; more is another word.
    let near = |c: &&str| distance(&written.to_lowercase(), &c.to_lowercase());
    let slips_max = written.chars().count().div_ceil(3).min(3);
    let best = all
        .iter()
        .map(|c| (near(c), *c))
        .filter(|(slips, _)| *slips <= slips_max)
        .min();
    match best {
        Some((_, best)) => format!("Did you mean \"{best}\"?"),
        None if all.is_empty() => none.to_owned(),
        None => format!("There is {}.", list(&all)),
    }
}

/// `"a", "b" and "c"`; long lists are cut.
pub(crate) fn list(names: &[&str]) -> String {
    const SHOWN_MAX: usize = 20;
    let quoted: Vec<String> = names
        .iter()
        .take(SHOWN_MAX)
        .map(|n| format!("\"{n}\""))
        .collect();
    match (quoted.split_last(), names.len().saturating_sub(SHOWN_MAX)) {
        (None, _) => "none".to_owned(),
        (Some(_), more @ 1..) => format!("{} and {more} more", quoted.join(", ")),
        (Some((last, [])), 0) => last.clone(),
        (Some((last, first)), 0) => format!("{} and {last}", first.join(", ")),
    }
}

/// Edits (insert, delete, replace, swap of neighbours) between two short words.
fn distance(a: &str, b: &str) -> usize {
    // Names are at most 128 characters; the bound keeps the quadratic cost small whatever is written.
    const CHARS_MAX: usize = 128;
    let (a, b): (Vec<char>, Vec<char>) = (
        a.chars().take(CHARS_MAX).collect(),
        b.chars().take(CHARS_MAX).collect(),
    );
    let mut above_previous: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let get = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut best = (get(&previous, j + 1) + 1)
                .min(get(&row, j) + 1)
                .min(get(&previous, j) + usize::from(x != y));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(get(&above_previous, j - 1) + 1);
            }
            row.push(best);
        }
        above_previous = std::mem::replace(&mut previous, row);
    }
    previous.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use super::*;

    #[test]
    fn a_problem_reads_as_file_line_what_and_remedy() {
        let problem = Problem {
            place: Place {
                file: "policies/10-clinic.toml".into(),
                line: 12,
            },
            column: 12,
            what: "rule \"nurses\": guard \"sql-gaurd\" is not defined".into(),
            remedy: suggestion("sql-gaurd", ["phi", "sql-guard"], ""),
        };
        assert_eq!(
            problem.to_string(),
            "policies/10-clinic.toml:12: rule \"nurses\": guard \"sql-gaurd\" is not defined. \
             Did you mean \"sql-guard\"?"
        );
    }

    #[test]
    fn a_suggestion_is_near_or_lists_what_there_is() {
        assert_eq!(
            suggestion("Nurses", ["nurses"], ""),
            "Did you mean \"nurses\"?"
        );
        assert_eq!(
            suggestion("x", ["phi", "sql"], ""),
            "There is \"phi\" and \"sql\"."
        );
        assert_eq!(suggestion("x", [], "Define one."), "Define one.");
        assert_eq!(distance("gaurd", "guard"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn offsets_become_lines_and_columns_in_characters() {
        let lines = Lines::of("a = 1\né = 2\n");
        assert_eq!(lines.locate(0), (1, 1));
        assert_eq!(lines.locate(6), (2, 1));
        assert_eq!(lines.locate(9), (2, 3));
        assert_eq!(lines.locate(13), (3, 1));
        assert_eq!(Lines::of("").locate(0), (1, 1));
    }

    #[test]
    fn a_long_list_of_problems_is_cut_and_says_so() {
        let one = Problem {
            place: Place::default(),
            column: 0,
            what: "x".into(),
            remedy: "".into(),
        };
        let text = ConfigErrors(vec![one; PROBLEMS_LISTED_MAX + 3]).to_string();
        assert!(text.ends_with("and 3 more problems"), "{text}");
        assert_eq!(text.lines().count(), PROBLEMS_LISTED_MAX + 1);
    }
}
