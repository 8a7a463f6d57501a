//! Takes a password from the terminal, without showing it, or from standard input.

use std::fs::File;
use std::io::{BufRead, BufReader, Error, Read, Write};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

use crate::config::secret::Secret;

/// Shortest password taken. It is checked against guessing by whoever gets hold of a verifier, at some
/// hundred thousand guesses a second and core.
const PASSWORD_CHARS_MIN: usize = 12;
/// What Ctrl-C sends.
const INTERRUPT: u8 = 0x03;
/// Longest line read.
const PASSWORD_BYTES_MAX: u64 = 1024;

/// Asks twice at the terminal.
pub(super) fn typed() -> std::io::Result<Secret> {
    let open = || File::options().read(true).write(true).open("/dev/tty");
    let no_terminal = |_| {
        Error::other(
            "there is no terminal to type a password at; use --password-stdin or --generate",
        )
    };
    let mut terminal = open().map_err(no_terminal)?;
    let hidden = Hidden::on(&terminal)?;
    let mut reader = BufReader::new(terminal.try_clone()?);
    let mut ask = |question: &str| -> std::io::Result<Secret> {
        terminal.write_all(question.as_bytes())?;
        let answer = line(&mut reader);
        // The reader's own newline was not shown.
        terminal.write_all(b"\n")?;
        answer
    };
    let first = ask("Password: ")?;
    acceptable(&first)?;
    let second = ask("Once more: ")?;
    drop(hidden);
    if first != second {
        return Err(Error::other(
            "the two passwords differ; nothing was changed",
        ));
    }
    Ok(first)
}

/// Asks once at the terminal, for a password that exists already: whether it is right shows when it is used.
pub(super) fn once(question: &str) -> std::io::Result<Secret> {
    let no_terminal = |_| {
        Error::other(
            "there is no terminal to type a password at; use --password-file or $ALMONER_PASSWORD",
        )
    };
    let mut terminal = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(no_terminal)?;
    let _hidden = Hidden::on(&terminal)?;
    terminal.write_all(question.as_bytes())?;
    let answer = line(&mut BufReader::new(terminal.try_clone()?));
    terminal.write_all(b"\n")?;
    answer
}

/// Takes the first line of standard input.
pub(super) fn from_stdin() -> std::io::Result<Secret> {
    let password = line(&mut std::io::stdin().lock())?;
    acceptable(&password)?;
    Ok(password)
}

fn line(reader: &mut impl BufRead) -> std::io::Result<Secret> {
    let mut bytes = Vec::new();
    for byte in reader.take(PASSWORD_BYTES_MAX + 1).bytes() {
        match byte? {
            b'\n' => break,
            INTERRUPT => return Err(Error::other("given up; nothing was changed")),
            byte => bytes.push(byte),
        }
    }
    if bytes.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(Error::other(format!(
            "a password has at most {PASSWORD_BYTES_MAX} bytes"
        )));
    }
    let text =
        String::from_utf8(bytes).map_err(|_| Error::other("the password is not UTF-8 text"))?;
    Ok(Secret::new(text.strip_suffix('\r').unwrap_or(&text)))
}

fn acceptable(password: &Secret) -> std::io::Result<()> {
    let chars = password.expose().chars().count();
    if chars < PASSWORD_CHARS_MIN {
        let why =
            format!("a password has at least {PASSWORD_CHARS_MIN} characters, this one {chars}");
        return Err(Error::other(why));
    }
    if password.expose().contains(char::is_control) {
        return Err(Error::other("a password has no control characters"));
    }
    Ok(())
}

/// The terminal does not show what is typed, until this is dropped.
struct Hidden {
    terminal: File,
    before: Termios,
}

impl Hidden {
    fn on(terminal: &File) -> std::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // An interrupt would end the process and leave the terminal silent: it ends the line instead.
        silent.local_modes.remove(LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        let hidden = Self {
            terminal: terminal.try_clone()?,
            before,
        };
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(hidden)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // There is nothing to do about a terminal that is gone.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    fn taken(input: &str) -> std::io::Result<Secret> {
        let password = line(&mut input.as_bytes())?;
        acceptable(&password).map(|()| password)
    }

    #[test]
    fn one_line_is_the_password_and_blanks_belong_to_it() {
        assert_eq!(
            taken(" correct horse \r\nmore").unwrap().expose(),
            " correct horse "
        );
        assert_eq!(
            taken("no newline at all").unwrap().expose(),
            "no newline at all"
        );
    }

    #[test]
    fn short_long_and_unprintable_passwords_are_refused() {
        assert!(
            taken("elevenchars\n")
                .unwrap_err()
                .to_string()
                .contains("at least 12")
        );
        assert!(
            taken(&"x".repeat(2000))
                .unwrap_err()
                .to_string()
                .contains("at most 1024")
        );
        assert!(
            taken("twelve\tcharacters\n")
                .unwrap_err()
                .to_string()
                .contains("control")
        );
    }
}
