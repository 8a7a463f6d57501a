//! `almoner.toml`: as written to as meant.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::super::gateway::{Gateway, Limits, ListenerTls};
use super::super::problem::Problem;
use super::super::written::at::At;
use super::super::written::gateway as written;
use super::super::written::read::{Entry, Reader};
use super::super::written::units::Size;
use super::check::{bounded, kib, mib, ms, seconds};
use super::resource::all_resources;

const SECTIONS: [&str; 7] = [
    "listen", "tls", "data", "policies", "users", "limits", "resource",
];
/// What fits into a Unix socket's address on Linux (`sun_path`), less the closing zero.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Everything the file says, with paths made absolute from `folder`.
pub(super) fn meant(file: &str, text: &str, folder: &Path) -> Result<Gateway, Vec<Problem>> {
    let mut reader = Reader::new(file, text);
    let gateway = reader
        .document()
        .map(|document| read(&mut reader, document, folder));
    let problems = reader.into_problems();
    match gateway {
        Some(gateway) if problems.is_empty() => Ok(gateway),
        _ => Err(problems),
    }
}

fn read<'a>(reader: &mut Reader<'a>, mut document: DeTable<'a>, folder: &Path) -> Gateway {
    let listen = reader.section::<written::Listen>(&mut document, "listen");
    let tls = reader.section::<written::Tls>(&mut document, "tls");
    let data = reader.section::<written::Data>(&mut document, "data").value;
    let policies = reader.section::<written::Policies>(&mut document, "policies");
    let users = reader.section::<written::Users>(&mut document, "users");
    let limits_written = reader.section::<written::Limits>(&mut document, "limits");
    let resources = reader.entries::<written::Resource>(&mut document, "resource");
    reader.finish_document(&document, &SECTIONS);

    let dir = absolute(folder, data.dir.as_ref(), "data");
    let (postgres_listen, http_listen, observe_listen) = addresses(reader, &listen.value);
    let (about, kept) = ("[data]: \"response_bodies\"", data.response_bodies.as_ref());
    let response_bodies = bounded(reader, about, kept, mib(1), Size(0)..=mib(1024));
    let (about, reserve) = ("[data]: \"reserve\"", data.reserve.as_ref());
    let reserve = bounded(reader, about, reserve, mib(256), mib(16)..=mib(1 << 20));
    let callers = [Some(postgres_listen), http_listen].into_iter().flatten();
    let beyond_this_machine = callers
        .into_iter()
        .any(|address| !address.ip().is_loopback());
    let tls_required = tls.value.required.as_ref();
    Gateway {
        postgres_listen,
        http_listen,
        tls: certificate(reader, &tls, folder, &dir),
        tls_required: tls_required.map_or(beyond_this_machine, |at| at.value),
        observe_listen,
        admin_socket: admin_socket(reader, listen.value.admin.as_ref(), folder),
        audit_dir: dir.join("audit"),
        anchor_file: absolute(folder, data.anchor.as_ref(), dir.join("anchor")),
        audit_reserve_bytes: reserve.0,
        response_body_bytes_max: response_bodies.0,
        policy_dir: absolute(folder, policies.value.dir.as_ref(), "policies"),
        users_file: absolute(folder, users.value.file.as_ref(), "users.toml"),
        keys_file: dir.join("keys"),
        cache_dir: dir.join("cache"),
        limits: limits(reader, &limits_written.value),
        resources: all_resources(reader, &resources, folder, http_listen.is_some()),
    }
}

/// What is written, or the default, from the file's folder.
fn absolute(folder: &Path, written: Option<&At<PathBuf>>, default: impl AsRef<Path>) -> PathBuf {
    folder.join(written.map_or(default.as_ref(), |at| at.value.as_path()))
}

/// Where PostgreSQL and HTTP callers connect, and whoever observes.
fn addresses(
    reader: &mut Reader<'_>,
    listen: &written::Listen,
) -> (SocketAddr, Option<SocketAddr>, Option<SocketAddr>) {
    let postgres = address(reader, "postgres", listen.postgres.as_ref());
    let postgres = postgres.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 6432)));
    let http = address(reader, "http", listen.http.as_ref());
    let observe = address(reader, "observe", listen.observe.as_ref());
    let mut taken = vec![("postgres", postgres)];
    for (key, address, written) in [
        ("http", http, &listen.http),
        ("observe", observe, &listen.observe),
    ] {
        let (Some(address), Some(written)) = (address, written) else {
            continue;
        };
        if let Some((other, _)) = taken.iter().find(|(_, other)| *other == address) {
            let what = format!("[listen]: \"{key}\" is the address of \"{other}\": {address}");
            reader.report(&written.span, what, "Give it a port of its own.");
        }
        taken.push((key, address));
    }
    (postgres, http, observe)
}

fn admin_socket(reader: &mut Reader<'_>, written: Option<&At<PathBuf>>, folder: &Path) -> PathBuf {
    let path = absolute(folder, written, "run/admin.sock");
    let length = path.as_os_str().len();
    if length > SOCKET_PATH_BYTES_MAX {
        let span = written.map_or(0..0, |at| at.span.clone());
        let what = format!(
            "[listen]: the path of the admin socket has {length} bytes, more than the \
             {SOCKET_PATH_BYTES_MAX} that sockets allow"
        );
        let remedy = "Choose a shorter one: admin = \"/run/almoner/admin.sock\".";
        reader.report(&span, what, remedy);
    }
    path
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

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use super::super::super::gateway::UpstreamTls;
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
        let upstream = gateway.resources[0].postgres().unwrap();
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
            "12: resource \"a\": \"postgres\" or \"http\" is missing.",
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
