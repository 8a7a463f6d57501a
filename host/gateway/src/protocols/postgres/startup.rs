//! What a caller's startup packet asks for: who, which resource, which run-time parameters. Parameters that
//! could change whose rights apply or how text is read are refused by name; unknown ones, too.

use almoner_wire::postgres::startup::{MAJOR, MINOR_NEWEST};
use bytes::Bytes;

/// Media type of recorded replies: the messages as the caller got them.
pub const MEDIA: &str = "application/vnd.almoner.postgres-messages";

/// Run-time parameters that pass to the server as they are.
const HARMLESS: [&str; 12] = [
    "application_name",
    "bytea_output",
    "datestyle",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "lock_timeout",
    "statement_timeout",
    "timezone",
    "transaction_timeout",
];
/// Encodings in which this gateway can read what it judges.
const ENCODINGS: [&str; 4] = ["utf8", "utf-8", "unicode", "sql_ascii"];
/// `options` is split into words; a caller needs a few.
const OPTION_WORDS_MAX: usize = 64;

/// A startup packet, understood.
pub(super) struct Wanted {
    pub(super) user: String,
    pub(super) database: String,
    /// For the server.
    pub(super) options: Vec<(Bytes, Bytes)>,
    /// The search path is not the resource's own: unqualified names prove nothing.
    pub(super) names_uncertain: bool,
    /// Protocol options nobody here knows, and whether a newer version was asked for.
    pub(super) negotiate: Option<(u32, Vec<Bytes>)>,
    /// 3.2 knows longer cancel keys.
    pub(super) long_key: bool,
}

/// Why a startup packet is refused; words for the caller.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartupRefused {
    #[error("no user name in the startup packet")]
    NoUser,
    #[error("{0} in the startup packet is not UTF-8")]
    NotUtf8(&'static str),
    #[error("replication connections are not carried")]
    Replication,
    #[error("client_encoding must be UTF8; set PGCLIENTENCODING=UTF8")]
    Encoding,
    #[error("the startup parameter \"{0}\" is not carried; remove it from the connection string")]
    Parameter(String),
    #[error("the startup parameter \"options\" can only hold -c name=value")]
    Options,
}

pub(super) fn understand(
    minor: u16,
    params: Vec<(Bytes, Bytes)>,
) -> Result<Wanted, StartupRefused> {
    let mut wanted = Wanted {
        user: String::new(),
        database: String::new(),
        options: Vec::new(),
        names_uncertain: false,
        negotiate: None,
        long_key: minor >= 2,
    };
    let mut unknown = Vec::new();
    for (name, value) in params {
        let utf8 = |bytes: &Bytes, what| {
            std::str::from_utf8(bytes)
                .map(str::to_owned)
                .map_err(|_| StartupRefused::NotUtf8(what))
        };
        let key = utf8(&name, "a parameter's name")?.to_ascii_lowercase();
        let text = utf8(&value, "a parameter's value")?;
        match key.as_str() {
            "user" => wanted.user = text,
            "database" => wanted.database = text,
            "replication" => {
                if !matches!(
                    text.to_ascii_lowercase().as_str(),
                    "false" | "off" | "no" | "0"
                ) {
                    return Err(StartupRefused::Replication);
                }
            }
            "options" => {
                for (name, value) in split_options(&text)? {
                    wanted.parameter(&name, value)?;
                }
            }
            key if key.starts_with("_pq_.") => unknown.push(name),
            key => wanted.parameter(key, text)?,
        }
    }
    if wanted.user.is_empty() {
        return Err(StartupRefused::NoUser);
    }
    if wanted.database.is_empty() {
        wanted.database.clone_from(&wanted.user);
    }
    if minor > MINOR_NEWEST || !unknown.is_empty() {
        // Servers send the whole number, and libpq refuses anything else, whatever the documentation says.
        let version = (u32::from(MAJOR) << 16) | u32::from(MINOR_NEWEST.min(minor));
        wanted.negotiate = Some((version, unknown));
    }
    Ok(wanted)
}

impl Wanted {
    fn parameter(&mut self, name: &str, value: String) -> Result<(), StartupRefused> {
        let name = name.to_ascii_lowercase();
        if name == "client_encoding" {
            let value = value.trim_matches(['\'', '"']).to_ascii_lowercase();
            if !ENCODINGS.contains(&value.as_str()) {
                return Err(StartupRefused::Encoding);
            }
            self.options.push((
                Bytes::from_static(b"client_encoding"),
                Bytes::from_static(b"UTF8"),
            ));
            return Ok(());
        }
        if name == "search_path" {
            self.names_uncertain = true;
        } else if !HARMLESS.contains(&name.as_str()) {
            let shown = name
                .chars()
                .filter(|c| c.is_ascii_graphic())
                .take(63)
                .collect();
            return Err(StartupRefused::Parameter(shown));
        }
        self.options.push((Bytes::from(name), Bytes::from(value)));
        Ok(())
    }
}

/// `-c name=value` and `--name=value`, words split at spaces, a backslash taking the next character as it
/// is: the server's own rules.
fn split_options(text: &str) -> Result<Vec<(String, String)>, StartupRefused> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.extend(chars.next()),
            c if c.is_ascii_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    if words.len() > OPTION_WORDS_MAX {
        return Err(StartupRefused::Options);
    }
    let mut settings = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let setting = if word == "-c" {
            words.next().ok_or(StartupRefused::Options)?
        } else if let Some(setting) = word.strip_prefix("--").or(word.strip_prefix("-c")) {
            setting.to_owned()
        } else {
            return Err(StartupRefused::Options);
        };
        let (name, value) = setting.split_once('=').ok_or(StartupRefused::Options)?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    fn ask(params: &[(&'static str, &'static str)]) -> Result<Wanted, StartupRefused> {
        let params = params
            .iter()
            .map(|(name, value)| (Bytes::from(*name), Bytes::from(*value)))
            .collect();
        understand(0, params)
    }

    #[test]
    fn parameters_that_change_rights_or_reading_are_refused() {
        for (name, value) in [
            ("replication", "database"),
            ("role", "postgres"),
            ("options", "-c session_authorization=postgres"),
            ("options", "-c standard_conforming_strings=off"),
            ("options", "--role=postgres"),
            ("options", "-d 5"),
            ("client_encoding", "SJIS"),
            ("options", "-c client_encoding=big5"),
            ("made_up", "1"),
        ] {
            assert!(
                ask(&[("user", "ann"), (name, value)]).is_err(),
                "{name}={value}"
            );
        }
    }

    #[test]
    fn harmless_parameters_pass_and_a_search_path_makes_names_uncertain() {
        let wanted = ask(&[
            ("user", "ann"),
            ("options", "-c statement_timeout=5s --timezone=UTC"),
            ("client_encoding", "'utf-8'"),
            ("replication", "false"),
        ])
        .unwrap();
        assert_eq!(wanted.database, "ann");
        assert_eq!(wanted.options.len(), 3);
        assert!(!wanted.names_uncertain);
        assert!(
            ask(&[("user", "a"), ("search_path", "x")])
                .unwrap()
                .names_uncertain
        );
    }
}
