//! `almoner.toml`: as written to as meant.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::super::gateway::{
    Gateway, Limits, ListenerTls, PostgresUpstream, Resource, SecretSource, UpstreamTls,
};
use super::super::problem::Problem;
use super::super::written::at::At;
use super::super::written::gateway as written;
use super::super::written::read::{Entry, Reader};
use super::super::written::units::Size;
use super::check::{bounded, kib, mib, ms, name, required, seconds};

const SECTIONS: [&str; 7] = [
    "listen", "tls", "data", "policies", "users", "limits", "resource",
];
/// What fits into a Unix socket's address on Linux (`sun_path`), less the closing zero.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Everything the file says, with paths made absolute from `folder`.
pub(super) fn meant(file: &str, text: &str, folder: &Path) -> Result<Gateway, Vec<Problem>> {
    let mut reader = Reader::new(file, text);
    let gateway = reader.document().map(|mut document| {
        let listen = reader
            .section::<written::Listen>(&mut document, "listen")
            .value;
        let tls = reader.section::<written::Tls>(&mut document, "tls");
        let data = reader.section::<written::Data>(&mut document, "data").value;
        let policies = reader
            .section::<written::Policies>(&mut document, "policies")
            .value;
        let users = reader
            .section::<written::Users>(&mut document, "users")
            .value;
        let limits_written = reader
            .section::<written::Limits>(&mut document, "limits")
            .value;
        let resources = reader.entries::<written::Resource>(&mut document, "resource");
        reader.finish_document(&document, &SECTIONS);

        let path = |written: Option<&At<PathBuf>>, default: &str| {
            folder.join(written.map_or(Path::new(default), |at| at.value.as_path()))
        };
        let postgres_listen = address(&mut reader, "postgres", listen.postgres.as_ref());
        let postgres_listen = postgres_listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 6432)));
        let observe_listen = address(&mut reader, "observe", listen.observe.as_ref());
        if let (Some(observe), Some(written)) = (observe_listen, &listen.observe)
            && observe == postgres_listen
        {
            let what = format!("[listen]: \"observe\" is the address of \"postgres\": {observe}");
            reader.report(&written.span, what, "Give it a port of its own.");
        }
        let admin_socket = path(listen.admin.as_ref(), "run/admin.sock");
        let socket_length = admin_socket.as_os_str().len();
        if socket_length > SOCKET_PATH_BYTES_MAX {
            let span = listen.admin.as_ref().map_or(0..0, |at| at.span.clone());
            let what = format!(
                "[listen]: the path of the admin socket has {socket_length} bytes, more than the \
                 {SOCKET_PATH_BYTES_MAX} that sockets allow"
            );
            reader.report(
                &span,
                what,
                "Choose a shorter one: admin = \"/run/almoner/admin.sock\".",
            );
        }
        let dir = path(data.dir.as_ref(), "data");
        let response_bodies = bounded(
            &mut reader,
            "[data]: \"response_bodies\"",
            data.response_bodies.as_ref(),
            mib(1),
            Size(0)..=mib(1024),
        );
        let reserve = bounded(
            &mut reader,
            "[data]: \"reserve\"",
            data.reserve.as_ref(),
            mib(256),
            mib(16)..=mib(1 << 20),
        );
        Gateway {
            postgres_listen,
            tls: certificate(&mut reader, &tls, folder, &dir),
            tls_required: tls
                .value
                .required
                .as_ref()
                .map_or(!postgres_listen.ip().is_loopback(), |at| at.value),
            observe_listen,
            admin_socket,
            audit_dir: dir.join("audit"),
            anchor_file: data
                .anchor
                .map_or(dir.join("anchor"), |at| folder.join(at.value)),
            audit_reserve_bytes: reserve.0,
            response_body_bytes_max: response_bodies.0,
            policy_dir: path(policies.dir.as_ref(), "policies"),
            users_file: path(users.file.as_ref(), "users.toml"),
            keys_file: dir.join("keys"),
            cache_dir: dir.join("cache"),
            limits: limits(&mut reader, &limits_written),
            resources: all_resources(&mut reader, &resources, folder),
        }
    });
    let problems = reader.into_problems();
    match gateway {
        Some(gateway) if problems.is_empty() => Ok(gateway),
        _ => Err(problems),
    }
}

fn address(reader: &mut Reader<'_>, key: &str, written: Option<&At<String>>) -> Option<SocketAddr> {
    let written = written?;
    let parsed = written.value.parse();
    if parsed.is_err() {
        let what = format!(
            "[listen]: \"{key}\": \"{}\" is not an address and port",
            written.value
        );
        reader.report(
            &written.span,
            what,
            "Write \"127.0.0.1:6432\", \"0.0.0.0:6432\" or \"[::]:6432\".",
        );
    }
    parsed.ok()
}

fn certificate(
    reader: &mut Reader<'_>,
    tls: &Entry<written::Tls>,
    folder: &Path,
    data: &Path,
) -> ListenerTls {
    let self_signed = || ListenerTls::SelfSigned {
        dir: data.join("tls"),
    };
    match (&tls.value.certificate, &tls.value.key) {
        (Some(certificate), Some(key)) => ListenerTls::Files {
            certificate: folder.join(&certificate.value),
            key: folder.join(&key.value),
        },
        (None, None) => self_signed(),
        (one, other) => {
            let span = one
                .as_ref()
                .or(other.as_ref())
                .map_or(0..0, |at| at.span.clone());
            let dropped = ["certificate", "key"]
                .iter()
                .any(|key| tls.dropped.iter().any(|d| d == key));
            if !dropped {
                let missing = if one.is_some() { "key" } else { "certificate" };
                let remedy = "Give both, or neither for a self-signed certificate.";
                reader.report(&span, format!("[tls]: \"{missing}\" is missing"), remedy);
            }
            self_signed()
        }
    }
}

fn limits(reader: &mut Reader<'_>, written: &written::Limits) -> Limits {
    let handshake = written.handshake.as_ref();
    let handshake = bounded(
        reader,
        "[limits]: \"handshake\"",
        handshake,
        seconds(10),
        seconds(1)..=seconds(300),
    );
    let message = written.message.as_ref();
    let message = bounded(
        reader,
        "[limits]: \"message\"",
        message,
        mib(16),
        kib(64)..=mib(1024),
    );
    let row = bounded(
        reader,
        "[limits]: \"row\"",
        written.row.as_ref(),
        mib(8),
        kib(64)..=mib(1024),
    );
    if let (true, Some(at)) = (
        row > message,
        written.row.as_ref().or(written.message.as_ref()),
    ) {
        let what = format!("[limits]: \"row\" ({row}) is more than \"message\" ({message})");
        reader.report(
            &at.span,
            what,
            "A row travels in one message: raise \"message\" or lower \"row\".",
        );
    }
    let idle = written.idle.as_ref();
    let idle = bounded(
        reader,
        "[limits]: \"idle\"",
        idle,
        seconds(1800),
        seconds(1)..=seconds(7 * 86_400),
    );
    let drain = written.drain.as_ref();
    let drain = bounded(
        reader,
        "[limits]: \"drain\"",
        drain,
        seconds(30),
        seconds(0)..=seconds(600),
    );
    let connect = written.upstream_connect.as_ref();
    let connect = bounded(
        reader,
        "[limits]: \"upstream_connect\"",
        connect,
        seconds(10),
        ms(100)..=seconds(120),
    );
    let sessions = written.sessions.as_ref();
    let sessions = bounded(
        reader,
        "[limits]: \"sessions\"",
        sessions,
        1000,
        1..=100_000,
    );
    let logins = written.failed_logins_recorded_per_minute.as_ref();
    let about = "[limits]: \"failed_logins_recorded_per_minute\"";
    let logins = bounded(reader, about, logins, 30, 1..=10_000);
    Limits {
        // The bounds above fit; saturation is for platforms with small words.
        sessions_max: usize::try_from(sessions).unwrap_or(usize::MAX),
        handshake: handshake.0,
        message_bytes_max: usize::try_from(message.0).unwrap_or(usize::MAX),
        row_bytes_max: usize::try_from(row.0).unwrap_or(usize::MAX),
        idle: idle.0,
        drain: drain.0,
        upstream_connect: connect.0,
        failed_logins_recorded_per_minute: u32::try_from(logins).unwrap_or(u32::MAX),
    }
}

fn all_resources(
    reader: &mut Reader<'_>,
    written: &[Entry<written::Resource>],
    folder: &Path,
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
            "Callers use it as the database name.",
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
        let remedy = "Say where it is: postgres = { host = \"db.internal\", user = \"almoner\" }.";
        let postgres = &entry.value.postgres;
        if let Some(at) = required(reader, entry, &about, "postgres", postgres, remedy)
            && let Some(upstream) = upstream(reader, entry, &about, &name, at, folder)
        {
            resources.push(Resource { name, upstream });
        }
    }
    resources
}

fn upstream(
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
        .and_then(|at| secret(reader, about, at, folder));
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

fn secret(
    reader: &mut Reader<'_>,
    about: &str,
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
                format!("{about}: \"password\" does not say where from"),
                remedy,
            );
            None
        }
        _ => {
            reader.report(
                &at.span,
                format!("{about}: \"password\" has more than one source"),
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
    use super::*;
    use std::time::Duration;

    const SMALL: &str =
        "[[resource]]\nname = \"ehr\"\npostgres = { host = \"db\", user = \"almoner\" }\n";

    fn read(text: &str) -> Result<Gateway, Vec<String>> {
        meant("almoner.toml", text, Path::new("/etc/almoner"))
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_resource_is_all_one_must_write() {
        let gateway = read(SMALL).unwrap();
        assert_eq!(gateway.postgres_listen.to_string(), "127.0.0.1:6432");
        assert_eq!(gateway.observe_listen, None);
        assert!(!gateway.tls_required);
        assert!(
            matches!(&gateway.tls, ListenerTls::SelfSigned { dir } if dir == Path::new("/etc/almoner/data/tls"))
        );
        assert_eq!(
            gateway.admin_socket,
            Path::new("/etc/almoner/run/admin.sock")
        );
        assert_eq!(gateway.anchor_file, Path::new("/etc/almoner/data/anchor"));
        assert_eq!(gateway.audit_reserve_bytes, 256 << 20);
        assert_eq!(gateway.limits.idle, Duration::from_secs(1800));
        let upstream = &gateway.resources[0].upstream;
        assert_eq!((upstream.port, upstream.database.as_str()), (5432, "ehr"));
        assert_eq!(upstream.tls, UpstreamTls::VerifyFull);
    }

    #[test]
    fn tls_is_required_as_soon_as_others_can_connect() {
        assert!(
            read(&format!("listen.postgres = \"0.0.0.0:6432\"\n{SMALL}"))
                .unwrap()
                .tls_required
        );
        let text = format!("listen.postgres = \"0.0.0.0:6432\"\ntls.required = false\n{SMALL}");
        assert!(!read(&text).unwrap().tls_required);
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
                .upstream
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
            .map(|gateway| gateway.resources[0].upstream.password.clone().unwrap())
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

    #[test]
    fn all_that_is_wrong_is_reported_at_once() {
        let text = "[listen]\npostgres = \"localhost\"\n[tls]\nkey = \"k.pem\"\n[limits]\nsessions = 0\nrow = \"32 MiB\"\n\
                    idle = \"100d\"\n[resources]\n[[resource]]\nname = \"e h r\"\n[[resource]]\nname = \"a\"\n\
                    [[resource]]\nname = \"a\"\npostgres = { hots = \"x\" }\n";
        let refused = read(text).unwrap_err();
        let expected = [
            "2: [listen]: \"postgres\": \"localhost\" is not an address and port.",
            "4: [tls]: \"certificate\" is missing.",
            "6: [limits]: \"sessions\": 0 is out of bounds. It is 1 to 100000.",
            "7: [limits]: \"row\" (32 MiB) is more than \"message\" (16 MiB).",
            "8: [limits]: \"idle\": 100d is out of bounds. It is 1s to 7d.",
            "9: unknown section \"resources\". Did you mean \"resource\"?",
            "11: resource: \"e h r\" is not a name.",
            "12: resource \"a\": \"postgres\" is missing.",
            "15: resource \"a\" is defined twice, first in line 13.",
            "16: resource \"a\": unknown key \"hots\". Did you mean \"host\"?",
        ];
        assert_eq!(refused.len(), expected.len(), "{refused:#?}");
        for (refused, expected) in refused.iter().zip(expected) {
            assert!(
                refused.starts_with(&format!("almoner.toml:{expected}")),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_socket_path_that_no_socket_can_have_is_refused_early() {
        let long = "x".repeat(SOCKET_PATH_BYTES_MAX);
        let refused = read(&format!("listen.admin = \"{long}\"\n{SMALL}")).unwrap_err();
        assert!(
            refused[0].contains("admin socket has 120 bytes"),
            "{refused:?}"
        );
    }
}
