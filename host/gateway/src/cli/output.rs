//! What commands print, in one place: sentences and tables for people, one JSON document for programs
//! (`--json`). Colours appear only on a terminal, and never when `NO_COLOR` is set.
//!
//! What others wrote (statements, names, reasons) passes `clean`, so that no escape sequence in it
//! reaches the reader's terminal. A reader that closes the pipe early (`| head`) is no error.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// How a command ended. `audit verify` has further codes of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// Done, and the answer is yes.
    pub const OK: Self = Self(0);
    /// Refused, not found, or not possible at the moment.
    pub const FAILED: Self = Self(1);
    /// The command line or a configuration file is wrong.
    pub const USAGE: Self = Self(2);
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

/// Where a command's words go.
pub struct Output {
    json: bool,
    colour: bool,
    out: RefCell<Box<dyn Write>>,
    err: RefCell<Box<dyn Write>>,
}

impl Output {
    /// Standard output and standard error.
    pub fn standard(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            json,
            colour: wanted && std::io::stdout().is_terminal() && std::io::stderr().is_terminal(),
            out: RefCell::new(Box::new(std::io::stdout())),
            err: RefCell::new(Box::new(std::io::stderr())),
        }
    }

    /// To writers of the caller's choice, without colours; for tests.
    pub fn to(json: bool, out: impl Write + 'static, err: impl Write + 'static) -> Self {
        Self {
            json,
            colour: false,
            out: RefCell::new(Box::new(out)),
            err: RefCell::new(Box::new(err)),
        }
    }

    /// Whether the reader is a program: then a command prints one JSON document and no sentences.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// One line of the answer, on standard output; nothing under `--json`.
    pub fn line(&self, text: impl Display) {
        if !self.json {
            self.put(&self.out, format_args!("{text}\n"));
        }
    }

    /// The answer for programs, on standard output; nothing without `--json`.
    pub fn json(&self, value: &impl serde::Serialize) {
        if self.json {
            match serde_json::to_string_pretty(value) {
                Ok(text) => self.put(&self.out, format_args!("{text}\n")),
                Err(e) => self.error(format_args!("the answer cannot be written as JSON: {e}")),
            }
        }
    }

    /// Text as it is, whoever reads it: schemas, exports.
    pub fn raw(&self, text: &str) {
        self.put(&self.out, format_args!("{text}"));
    }

    /// A remark beside the answer, on standard error.
    pub fn note(&self, text: impl Display) {
        self.put(&self.err, format_args!("{text}\n"));
    }

    /// Something that works and should not stay so, on standard error.
    pub fn warn(&self, text: impl Display) {
        let label = self.paint(Colour::Yellow, "warning:");
        self.put(&self.err, format_args!("{label} {text}\n"));
    }

    /// Why the command did not do what was asked, on standard error.
    pub fn error(&self, text: impl Display) {
        let label = self.paint(Colour::Red, "error:");
        self.put(&self.err, format_args!("{label} {text}\n"));
    }

    /// A table; nothing under `--json`.
    pub fn table(&self, table: &Table) {
        if !self.json {
            for (nr, line) in table.lines().enumerate() {
                let line = line.trim_end();
                let line = if nr == 0 {
                    self.paint(Colour::Dim, line)
                } else {
                    line.to_owned()
                };
                self.put(&self.out, format_args!("{line}\n"));
            }
        }
    }

    /// The text, cleaned, in a colour where colours are shown.
    pub fn paint(&self, colour: Colour, text: &str) -> String {
        let text = clean(text);
        if self.colour {
            format!("\x1b[{}m{text}\x1b[0m", colour.code())
        } else {
            text.into_owned()
        }
    }

    fn put(&self, to: &RefCell<Box<dyn Write>>, text: std::fmt::Arguments<'_>) {
        // A closed pipe is the reader's choice; there is nobody left to tell.
        let mut to = to.borrow_mut();
        let _ = to.write_fmt(text).and_then(|()| to.flush());
    }
}

/// The few colours in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Refusals, failures.
    Red,
    /// All is well.
    Green,
    /// Warnings, waiting.
    Yellow,
    /// Headings and what matters less.
    Dim,
    /// Names to look at.
    Bold,
}

impl Colour {
    fn code(self) -> u8 {
        match self {
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Dim => 2,
            Self::Bold => 1,
        }
    }
}

/// Rows under headings, columns as wide as their widest cell.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings and no rows.
    pub fn new(headings: &[&str]) -> Self {
        Self {
            rows: vec![headings.iter().map(|h| h.to_uppercase()).collect()],
        }
    }

    /// Adds a row; cells are cleaned and kept on one line.
    pub fn row<C: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = C>) {
        let one_line = |cell: C| clean(cell.as_ref()).replace(['\n', '\t'], " ");
        self.rows.push(cells.into_iter().map(one_line).collect());
    }

    /// Whether no row was added.
    pub fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|c| c.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..columns)
            .map(|column| width(column).unwrap_or(0))
            .collect();
        self.rows.iter().map(move |row| {
            row.iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}  "))
                .collect::<String>()
        })
    }
}

/// The text with control characters other than newline and tab, and the characters that reorder a
/// line on the screen, made visible.
pub fn clean(text: &str) -> Cow<'_, str> {
    let bad = |c: char| (c.is_control() && c != '\n' && c != '\t') || is_reordering(c);
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|c| {
                if bad(c) {
                    c.escape_unicode().to_string()
                } else {
                    c.to_string()
                }
            })
            .collect(),
    )
}

/// Unicode's directional controls: with them a text can look like another one.
fn is_reordering(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A writer whose text can be read back; for tests of commands.
#[derive(Clone, Default)]
pub struct Captured(std::rc::Rc<RefCell<Vec<u8>>>);

impl Captured {
    /// All that was written.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_of_others_do_not_reach_the_terminal() {
        assert_eq!(clean("a\x1b[2Jb\nc"), "a\\u{1b}[2Jb\nc");
        assert_eq!(clean("drop\u{202e}elbat"), "drop\\u{202e}elbat");
        assert!(matches!(clean("plain é text"), Cow::Borrowed(_)));
    }

    #[test]
    fn columns_line_up_and_cells_stay_on_one_line() {
        let mut table = Table::new(&["id", "who"]);
        table.row(["1234", "nurse\njoy"]);
        let lines: Vec<String> = table.lines().collect();
        assert_eq!(lines, ["ID    WHO        ", "1234  nurse joy  "]);
    }

    #[test]
    fn a_program_gets_the_document_and_no_sentences() {
        let (out, err) = (Captured::default(), Captured::default());
        let output = Output::to(true, out.clone(), err.clone());
        output.line("3 rules");
        output.json(&serde_json::json!({"rules": 3}));
        output.warn("beware");
        assert_eq!(out.text(), "{\n  \"rules\": 3\n}\n");
        assert_eq!(err.text(), "warning: beware\n");
    }
}
