//! The voice of the demo: headings, short sentences, commands as one would type them, and what they
//! printed. Colours and pauses only where a person watches.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{DemoError, Result};
use crate::cli::output::clean;

/// Width of prose. Tables and records are as wide as they are.
const WIDTH: usize = 96;
/// A breath between scenes, for somebody who reads along.
const BREATH: Duration = Duration::from_millis(1200);

const HEADING: &str = "1;36";
const COMMAND: &str = "1";
const GOOD: &str = "32";
const DIM: &str = "2";
const BAD: &str = "31";

/// Prints the story.
#[derive(Clone, Debug)]
pub(super) struct Narrator {
    colour: bool,
    stop: Arc<AtomicBool>,
}

impl Narrator {
    /// To standard output; `stop` ends the story at its next line.
    pub(super) fn to_terminal(stop: Arc<AtomicBool>) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colour: !plain && std::io::stdout().is_terminal(),
            stop,
        }
    }

    /// A heading with a rule under it.
    pub(super) fn heading(&self, text: &str) -> Result<()> {
        self.breathe();
        let rule = "─".repeat(text.chars().count());
        self.put(&format!(
            "\n{}\n{}\n",
            self.paint(HEADING, text),
            self.paint(DIM, &rule)
        ))
    }

    /// A paragraph.
    pub(super) fn say(&self, text: &str) -> Result<()> {
        self.put(&format!("\n{}\n", wrap(text, WIDTH).join("\n")))
    }

    /// A command, as one would type it.
    pub(super) fn command(&self, text: &str) -> Result<()> {
        self.put(&format!(
            "\n{} {}\n",
            self.paint(DIM, "$"),
            self.paint(COMMAND, text)
        ))
    }

    /// A line typed into an open session.
    pub(super) fn typed(&self, text: &str) -> Result<()> {
        self.put(&format!(
            "\n{} {}\n",
            self.paint(DIM, "clinic=>"),
            self.paint(COMMAND, text)
        ))
    }

    /// What a command printed, as it is but for what would move the cursor.
    pub(super) fn printed(&self, text: &str) -> Result<()> {
        let lines: Vec<String> = clean(text)
            .lines()
            .map(|line| format!("  {}\n", line.trim_end()))
            .collect();
        self.put(lines.concat().trim_end_matches(['\n', ' ']))?;
        self.put("\n")
    }

    /// What the reader has just seen, in a line.
    pub(super) fn mark(&self, text: &str) -> Result<()> {
        let lines = wrap(text, WIDTH - 2);
        let painted: Vec<String> = lines.iter().map(|line| self.paint(GOOD, line)).collect();
        self.put(&format!(
            "\n{} {}\n",
            self.paint(GOOD, "→"),
            painted.join("\n  ")
        ))
    }

    /// A remark that is not part of the story.
    pub(super) fn aside(&self, text: &str) {
        // A reader who is gone misses nothing that matters.
        let _ = write!(std::io::stdout(), "\n{}\n", self.paint(DIM, text));
    }

    /// Why the story ended early, on standard error.
    pub(super) fn complain(&self, text: &str) {
        let _ = writeln!(
            std::io::stderr(),
            "\n{} {text}",
            self.paint(BAD, "almoner demo:")
        );
    }

    fn put(&self, text: &str) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(DemoError::Interrupted);
        }
        let mut out = std::io::stdout();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        written.map_err(|source| DemoError::Io {
            doing: "telling the story",
            source,
        })
    }

    fn breathe(&self) {
        if std::io::stdout().is_terminal() {
            std::thread::sleep(BREATH);
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Lines of at most `width` characters, broken between words.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_broken_between_words_only() {
        assert_eq!(wrap("one  two\n three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable", 3), ["unbreakable"]);
    }
}
