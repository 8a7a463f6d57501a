//! What is asked for on the command line.

use std::time::Duration;

/// What to measure, and for how long.
pub(crate) struct Options {
    only: Vec<String>,
    quick: bool,
    clients: Option<u32>,
    seconds: Option<u64>,
}

impl Options {
    /// Reads the arguments; an error is the text to show.
    pub(crate) fn parse(
        mut arguments: impl Iterator<Item = String>,
        parts: &[&str],
    ) -> Result<Self, String> {
        let usage = || {
            format!(
                "usage: almoner-bench [--quick] [--only {}]… [--clients N] [--seconds N]",
                parts.join("|")
            )
        };
        let mut options = Self {
            only: Vec::new(),
            quick: false,
            clients: None,
            seconds: None,
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--only" => match arguments.next() {
                    Some(name) if parts.contains(&name.as_str()) => options.only.push(name),
                    _ => return Err(usage()),
                },
                "--clients" => options.clients = Some(number(arguments.next()).ok_or_else(usage)?),
                "--seconds" => options.seconds = Some(number(arguments.next()).ok_or_else(usage)?),
                _ => return Err(usage()),
            }
        }
        Ok(options)
    }

    /// Whether this part is to be measured.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// What is compared is measured in turns, so many of each: the machine's mood then meets all alike.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }

    /// One turn. Sixty-four logins take a second of a busy machine, and are part of it.
    pub(crate) fn turn(&self) -> Duration {
        let usual = if self.quick { 2 } else { 4 };
        Duration::from_secs(self.seconds.unwrap_or(usual))
    }

    /// Whether reads by so many clients are to be measured.
    pub(crate) fn wants_clients(&self, clients: u32) -> bool {
        self.clients.is_none_or(|only| only == clients)
    }

    /// Calls that are timed one by one.
    pub(crate) fn calls(&self) -> usize {
        if self.quick { 2_000 } else { 20_000 }
    }
}

fn number<T: std::str::FromStr>(argument: Option<String>) -> Option<T> {
    argument?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        let arguments = line.split_whitespace().map(str::to_owned);
        Options::parse(arguments, &["postgres", "audit"])
    }

    #[test]
    fn without_only_everything_is_measured() {
        let options = parse("--quick").expect("options");
        assert!(options.wants("postgres") && options.wants("audit"));
        let options = parse("--only audit").expect("options");
        assert!(!options.wants("postgres") && options.wants("audit"));
    }

    #[test]
    fn a_part_that_is_none_is_refused_with_the_names_there_are() {
        for line in ["--only audits", "--only", "--fast"] {
            let usage = parse(line).err().expect("a refusal");
            assert!(usage.contains("postgres|audit"), "{usage}");
        }
    }
}
