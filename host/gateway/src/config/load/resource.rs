//! Resources of `almoner.toml`: where they are, the account used there, and how far they are trusted.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use super::super::gateway::{PostgresUpstream, Resource, SecretSource, Upstream, UpstreamTls};
use super::super::written::at::At;
use super::super::written::gateway as written;
use super::super::written::read::{Entry, Reader};
use super::check::{bounded, name, required};
use super::http;

/// All `[[resource]]` entries; at least one.
pub(super) fn all_resources(
    reader: &mut Reader<'_>,
    written: &[Entry<written::Resource>],
    folder: &Path,
    http_listens: bool,
) -> Vec<Resource> {
    if written.is_empty() {
        let remedy = "Add [[resource]] with a name and postgres = { host = …, user = … }.";
        reader.report(
            &(0..0),
            "no resource is defined, so there is nothing to guard",
            remedy,
        );
    }
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    let mut resources = Vec::new();
    for entry in written {
        let at = &entry.value.name;
        let at = required(
            reader,
            entry,
            "resource",
            "name",
            at,
            "Rules name it, and PostgreSQL callers use it as the database name.",
        );
        let Some((at, name)) = at.and_then(|at| Some((at, name(reader, "resource", at)?))) else {
            continue;
        };
        let line = reader.line(&at.span);
        if let Some(first) = lines.insert(name.clone(), line) {
            let what = format!("resource \"{name}\" is defined twice, first in line {first}");
            reader.report(&at.span, what, "Rename one of them.");
        }
        let about = format!("resource \"{name}\"");
        let upstream = match (&entry.value.postgres, &entry.value.http) {
            (Some(at), None) => {
                postgres(reader, entry, &about, &name, at, folder).map(Upstream::Postgres)
            }
            (None, Some(at)) => {
                if !http_listens {
                    let what = format!("{about} is for HTTP callers, and nothing listens for them");
                    reader.report(&at.span, what, "Add [listen] http = \"127.0.0.1:8443\".");
                }
                http::upstream(reader, entry, &about, &name, at, folder).map(Upstream::Http)
            }
            (Some(_), Some(at)) => {
                let what = format!("{about} has both \"postgres\" and \"http\"");
                reader.report(&at.span, what, "Make two resources of it.");
                None
            }
            (None, None) => {
                if !entry
                    .dropped
                    .iter()
                    .any(|key| key == "postgres" || key == "http")
                {
                    let what = format!("{about}: \"postgres\" or \"http\" is missing");
                    let remedy = "Say where it is: postgres = { host = \"db.internal\", user = \"almoner\" }.";
                    reader.report(&entry.span, what, remedy);
                }
                None
            }
        };
        if let Some(upstream) = upstream {
            http::check_route(reader, &about, &resources, &upstream, &entry.value);
            resources.push(Resource { name, upstream });
        }
    }
    resources
}

fn postgres(
    reader: &mut Reader<'_>,
    entry: &Entry<written::Resource>,
    about: &str,
    resource: &str,
    at: &At<written::Postgres>,
    folder: &Path,
) -> Option<PostgresUpstream> {
    let written = &at.value;
    // What was dropped from the inner table is in the entry's list by its outermost key.
    let inner = Entry {
        value: (),
        span: at.span.clone(),
        dropped: match entry.dropped.iter().any(|key| key == "postgres") {
            true => vec!["host".to_owned(), "user".to_owned()],
            false => Vec::new(),
        },
    };
    let host_remedy = "Name the server: host = \"db.internal\".";
    let host = required(reader, &inner, about, "host", &written.host, host_remedy);
    let user_remedy = "Name the gateway's account there: user = \"almoner\".";
    let user = required(reader, &inner, about, "user", &written.user, user_remedy);
    for text in [host, user, written.database.as_ref()]
        .into_iter()
        .flatten()
    {
        // PostgreSQL's start-up message ends strings with a zero byte.
        if text.value.is_empty() || text.value.contains(char::is_control) {
            reader.report(
                &text.span,
                format!("{about}: {:?} is not a name", text.value),
                "",
            );
        }
    }
    let port = bounded(
        reader,
        &format!("{about}: \"port\""),
        written.port.as_ref(),
        5432,
        1..=65_535,
    );
    let password = written
        .password
        .as_ref()
        .and_then(|at| secret(reader, about, "password", at, folder));
    let (host, user) = (host?, user?);
    Some(PostgresUpstream {
        host: host.value.clone(),
        port: u16::try_from(port).ok()?,
        database: written
            .database
            .as_ref()
            .map_or(resource, |at| &at.value)
            .to_owned(),
        user: user.value.clone(),
        password,
        tls: upstream_tls(reader, about, &host.value, written),
        ca_file: written.ca.as_ref().map(|at| folder.join(&at.value)),
    })
}

fn upstream_tls(
    reader: &mut Reader<'_>,
    about: &str,
    host: &str,
    written: &written::Postgres,
) -> UpstreamTls {
    let socket = host.starts_with('/');
    let Some(at) = &written.tls else {
        return if socket {
            UpstreamTls::Disable
        } else {
            UpstreamTls::VerifyFull
        };
    };
    let allowed = written.allow_plaintext.as_ref().is_some_and(|at| at.value);
    match at.value {
        written::UpstreamTls::Disable => {
            if !stays_here(host) && !allowed {
                let what = format!(
                    "{about}: tls = \"disable\" would send the password and all data to {host} in plain text"
                );
                let remedy = "Use \"verify-full\" with ca = \"…\"; on a closed network say allow-plaintext = true.";
                reader.report(&at.span, what, remedy);
            }
            UpstreamTls::Disable
        }
        _ if socket => {
            let what = format!("{about}: a Unix socket has no TLS");
            reader.report(&at.span, what, "Remove tls, or name a host.");
            UpstreamTls::Disable
        }
        written::UpstreamTls::VerifyCa => UpstreamTls::VerifyCa,
        written::UpstreamTls::VerifyFull => UpstreamTls::VerifyFull,
    }
}

/// Whether a connection to this host never leaves the machine.
pub(crate) fn stays_here(host: &str) -> bool {
    host.starts_with('/')
        || host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Where a secret comes from: exactly one source.
pub(super) fn secret(
    reader: &mut Reader<'_>,
    about: &str,
    key: &str,
    at: &At<written::Secret>,
    folder: &Path,
) -> Option<SecretSource> {
    let remedy = "Give one of file = \"…\", env = \"…\" and command = [\"…\"].";
    match (&at.value.file, &at.value.env, &at.value.command) {
        (Some(file), None, None) => Some(SecretSource::File(folder.join(&file.value))),
        (None, Some(env), None) if !env.value.is_empty() && !env.value.contains(['=', '\0']) => {
            Some(SecretSource::Env(env.value.clone()))
        }
        (None, Some(env), None) => {
            reader.report(
                &env.span,
                format!("{about}: \"env\" is not the name of a variable"),
                "",
            );
            None
        }
        (None, None, Some(command)) if command.value.first().is_some_and(|p| !p.is_empty()) => {
            Some(SecretSource::Command(command.value.clone()))
        }
        (None, None, Some(command)) => {
            let remedy = "Begin with the program: command = [\"/usr/bin/pass\", \"ehr\"].";
            reader.report(
                &command.span,
                format!("{about}: \"command\" is empty"),
                remedy,
            );
            None
        }
        (None, None, None) => {
            reader.report(
                &at.span,
                format!("{about}: \"{key}\" does not say where from"),
                remedy,
            );
            None
        }
        _ => {
            reader.report(
                &at.span,
                format!("{about}: \"{key}\" has more than one source"),
                remedy,
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use super::super::super::gateway::Gateway;
    use super::super::gateway::meant;
    use super::*;

    const SMALL: &str =
        "[[resource]]\nname = \"ehr\"\npostgres = { host = \"db\", user = \"almoner\" }\n";

    fn read(text: &str) -> Result<Gateway, Vec<String>> {
        meant("almoner.toml", text, Path::new("/etc/almoner"))
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn plain_text_to_another_machine_must_be_said_out_loud() {
        let with = |rest: &str| {
            read(&format!(
                "[[resource]]\nname = \"ehr\"\n[resource.postgres]\nuser = \"a\"\n{rest}"
            ))
        };
        assert!(with("host = \"127.0.0.1\"\ntls = \"disable\"\n").is_ok());
        assert!(with("host = \"db\"\ntls = \"disable\"\nallow-plaintext = true\n").is_ok());
        let refused = with("host = \"db\"\ntls = \"disable\"\n").unwrap_err();
        assert!(
            refused[0]
                .starts_with("almoner.toml:6: resource \"ehr\": tls = \"disable\" would send")
        );
        assert_eq!(
            with("host = \"/run/postgresql\"\n").unwrap().resources[0]
                .postgres()
                .unwrap()
                .tls,
            UpstreamTls::Disable
        );
    }

    #[test]
    fn a_secret_has_exactly_one_source() {
        let with = |password: &str| {
            read(&SMALL.replace(
                "\"almoner\"",
                &format!("\"almoner\", password = {password}"),
            ))
            .map(|gateway| {
                gateway.resources[0]
                    .postgres()
                    .unwrap()
                    .password
                    .clone()
                    .unwrap()
            })
        };
        let file = SecretSource::File("/etc/almoner/ehr.pw".into());
        assert_eq!(with("{ file = \"ehr.pw\" }").unwrap(), file);
        assert_eq!(
            with("{ env = \"PW\" }").unwrap(),
            SecretSource::Env("PW".into())
        );
        assert!(with("{ command = [\"pass\", \"ehr\"] }").is_ok());
        assert!(
            with("{ file = \"a\", env = \"b\" }").unwrap_err()[0].contains("more than one source")
        );
        assert!(with("{}").unwrap_err()[0].contains("does not say where from"));
        assert!(with("{ command = [] }").unwrap_err()[0].contains("\"command\" is empty"));
        let refused = with("\"hunter2\"").unwrap_err();
        assert!(
            refused[0].contains("expected a table such as { file ="),
            "{refused:?}"
        );
        assert!(!refused.concat().contains("hunter2"));
    }
}
