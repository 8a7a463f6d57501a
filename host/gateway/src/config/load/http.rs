//! HTTP resources of `almoner.toml`: where they are, how callers choose them, what the gateway shows there.

use std::path::Path;

use hyper::Uri;

use super::super::gateway::{
    HttpCredential, HttpRoute, HttpUpstream, Resource, SecretSource, Upstream,
};
use super::super::written::at::At;
use super::super::written::gateway as written;
use super::super::written::read::{Entry, Reader};
use super::check::required;
use super::resource::{secret, stays_here};

/// Headers that the gateway writes itself, so no credential can go by their name.
const OWN_HEADERS: [&str; 6] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "accept-encoding",
    "content-type",
];

/// The `http` table of a resource.
pub(super) fn upstream(
    reader: &mut Reader<'_>,
    entry: &Entry<written::Resource>,
    about: &str,
    resource: &str,
    at: &At<written::Http>,
    folder: &Path,
) -> Option<HttpUpstream> {
    let written = &at.value;
    let inner = Entry {
        value: (),
        span: at.span.clone(),
        dropped: match entry.dropped.iter().any(|key| key == "http") {
            true => vec!["url".to_owned()],
            false => Vec::new(),
        },
    };
    let remedy = "Say where it is: url = \"https://fhir.internal/r4\".";
    let url = required(reader, &inner, about, "url", &written.url, remedy);
    let location = url.and_then(|at| {
        let location = location(&at.value);
        if location.is_none() {
            let what = format!("{about}: \"url\" is not https://host:port/path");
            let remedy = "Leave out accounts, queries and fragments; a path has plain segments.";
            reader.report(&at.span, what, remedy);
        }
        Some((at, location?))
    });
    let route = route(reader, about, resource, written);
    let credential = written
        .credential
        .as_ref()
        .and_then(|at| credential(reader, about, at, folder));
    let (at, location) = location?;
    let allowed = written.allow_plaintext.as_ref().is_some_and(|at| at.value);
    if !location.tls && !stays_here(&location.host) && !allowed {
        let what = format!(
            "{about}: http:// would send the credential and all data to {} in plain text",
            location.host
        );
        let remedy =
            "Use https:// with ca = \"…\"; on a closed network say allow-plaintext = true.";
        reader.report(&at.span, what, remedy);
    }
    Some(HttpUpstream {
        tls: location.tls,
        host: location.host,
        port: location.port,
        base: location.base,
        route: route?,
        credential,
        ca_file: written.ca.as_ref().map(|at| folder.join(&at.value)),
    })
}

/// Reports a route that an earlier resource has.
pub(super) fn check_route(
    reader: &mut Reader<'_>,
    about: &str,
    earlier: &[Resource],
    upstream: &Upstream,
    written: &written::Resource,
) {
    let (Upstream::Http(upstream), Some(at)) = (upstream, &written.http) else {
        return;
    };
    let same = |other: &&Resource| {
        other
            .http()
            .is_some_and(|other| other.route == upstream.route)
    };
    if let Some(other) = earlier.iter().find(same) {
        let (HttpRoute::Host(route) | HttpRoute::Prefix(route)) = &upstream.route;
        let what = format!(
            "{about}: callers of \"{route}\" reach resource \"{}\"",
            other.name
        );
        reader.report(&at.span, what, "Give it a host or prefix of its own.");
    }
}

struct Location {
    tls: bool,
    host: String,
    port: u16,
    base: String,
}

fn location(url: &str) -> Option<Location> {
    let uri: Uri = url.parse().ok()?;
    let tls = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let authority = uri.authority()?;
    let base = uri.path().trim_end_matches('/');
    let fits = !authority.as_str().contains('@')
        && uri.query().is_none()
        && !url.contains('#')
        && (base.is_empty() || plain_path(base));
    fits.then(|| Location {
        tls,
        host: authority
            .host()
            .trim_matches(['[', ']'])
            .to_ascii_lowercase(),
        port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
        base: base.to_owned(),
    })
}

/// Segments of letters, digits and harmless signs: nothing that two readers could read differently.
fn plain_path(path: &str) -> bool {
    let segment = |segment: &str| {
        !segment.is_empty()
            && !segment.starts_with('.')
            && segment
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~'))
    };
    path.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(segment))
}

fn route(
    reader: &mut Reader<'_>,
    about: &str,
    resource: &str,
    written: &written::Http,
) -> Option<HttpRoute> {
    match (&written.host, &written.prefix) {
        (Some(host), None) => {
            let name = host.value.to_ascii_lowercase();
            let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
            let fits = !name.is_empty() && name.chars().all(letter);
            if !fits {
                let what = format!("{about}: \"host\" is not a host name");
                reader.report(
                    &host.span,
                    what,
                    "Write it without port: host = \"fhir.example\".",
                );
            }
            fits.then_some(HttpRoute::Host(name))
        }
        (None, Some(prefix)) => {
            let fits = plain_path(&prefix.value);
            if !fits {
                let what = format!("{about}: \"prefix\" is not the beginning of a path");
                let remedy =
                    "It begins with a slash and does not end with one: prefix = \"/fhir\".";
                reader.report(&prefix.span, what, remedy);
            }
            fits.then(|| HttpRoute::Prefix(prefix.value.clone()))
        }
        (None, None) => Some(HttpRoute::Prefix(format!("/{resource}"))),
        (Some(_), Some(prefix)) => {
            let what = format!("{about} has both \"host\" and \"prefix\"");
            reader.report(&prefix.span, what, "Choose one.");
            None
        }
    }
}

fn credential(
    reader: &mut Reader<'_>,
    about: &str,
    at: &At<written::Credential>,
    folder: &Path,
) -> Option<HttpCredential> {
    let remedy = "Give one of bearer = {…}, basic = {…} and header = {…}.";
    match (&at.value.bearer, &at.value.basic, &at.value.header) {
        (Some(token), None, None) => {
            secret(reader, about, "bearer", token, folder).map(HttpCredential::Bearer)
        }
        (None, Some(basic), None) => {
            let password = source(
                reader,
                about,
                "password",
                &basic.value.password,
                basic,
                folder,
            );
            let user = basic.value.user.as_ref().filter(|user| {
                !user.value.is_empty() && !user.value.contains(|c: char| c == ':' || c.is_control())
            });
            if user.is_none() {
                let what = format!("{about}: \"basic\" has no usable \"user\"");
                reader.report(
                    &basic.span,
                    what,
                    "Name the gateway's account there, without a colon.",
                );
            }
            Some(HttpCredential::Basic {
                user: user?.value.clone(),
                password: password?,
            })
        }
        (None, None, Some(header)) => {
            let value = source(reader, about, "value", &header.value.value, header, folder);
            let name = header
                .value
                .name
                .as_ref()
                .map(|name| name.value.to_ascii_lowercase());
            let name = name.filter(|name| {
                hyper::header::HeaderName::from_bytes(name.as_bytes()).is_ok()
                    && !OWN_HEADERS.contains(&name.as_str())
            });
            if name.is_none() {
                let what = format!("{about}: \"header\" has no usable \"name\"");
                reader.report(&header.span, what, "Name a header such as X-Api-Key.");
            }
            Some(HttpCredential::Header {
                name: name?,
                value: value?,
            })
        }
        _ => {
            let what = format!("{about}: \"credential\" needs exactly one form");
            reader.report(&at.span, what, remedy);
            None
        }
    }
}

fn source<T>(
    reader: &mut Reader<'_>,
    about: &str,
    key: &str,
    written: &Option<At<written::Secret>>,
    around: &At<T>,
    folder: &Path,
) -> Option<SecretSource> {
    match written {
        Some(at) => secret(reader, about, key, at, folder),
        None => {
            let what = format!("{about}: \"{key}\" is missing");
            reader.report(
                &around.span,
                what,
                "Say where it is fetched from: { file = \"…\" }.",
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

    fn read(text: &str) -> Result<Gateway, Vec<String>> {
        let text = format!("listen.http = \"127.0.0.1:8443\"\n{text}");
        meant("almoner.toml", &text, Path::new("/etc/almoner"))
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn with(rest: &str) -> Result<HttpUpstream, Vec<String>> {
        read(&format!(
            "[[resource]]\nname = \"fhir\"\n[resource.http]\n{rest}\n"
        ))
        .map(|gateway| gateway.resources[0].http().unwrap().clone())
    }

    #[test]
    fn a_url_is_all_one_must_write() {
        let upstream = with("url = \"https://FHIR.internal/r4/\"").unwrap();
        assert!(upstream.tls);
        assert_eq!(
            (upstream.host.as_str(), upstream.port),
            ("fhir.internal", 443)
        );
        assert_eq!(upstream.base, "/r4");
        assert_eq!(upstream.route, HttpRoute::Prefix("/fhir".into()));
        assert_eq!(upstream.credential, None);
    }

    #[test]
    fn a_url_that_could_be_read_in_two_ways_is_refused() {
        for url in [
            "fhir.internal",
            "ftp://x",
            "https://",
            "https://me@x/",
            "https://x/?a=b",
            "https://x/../y",
            "https://x//y",
            "https://x/%2e",
        ] {
            assert!(with(&format!("url = \"{url}\"")).is_err(), "{url}");
        }
    }

    #[test]
    fn plain_text_to_another_machine_must_be_said_out_loud() {
        assert!(with("url = \"http://127.0.0.1:8080\"").is_ok());
        let refused = with("url = \"http://fhir\"").unwrap_err();
        assert!(
            refused[0].contains("http:// would send the credential"),
            "{refused:?}"
        );
        assert!(with("url = \"http://fhir\"\nallow-plaintext = true").is_ok());
    }

    #[test]
    fn a_credential_has_exactly_one_form_and_never_a_value() {
        let bearer =
            with("url = \"https://x\"\ncredential = { bearer = { file = \"t\" } }").unwrap();
        let expected = HttpCredential::Bearer(SecretSource::File("/etc/almoner/t".into()));
        assert_eq!(bearer.credential, Some(expected));
        let header = "credential = { header = { name = \"X-Api-Key\", value = { env = \"K\" } } }";
        let header = with(&format!("url = \"https://x\"\n{header}")).unwrap();
        assert!(
            matches!(header.credential, Some(HttpCredential::Header { name, .. }) if name == "x-api-key")
        );
        for wrong in [
            "credential = {}",
            "credential = { basic = { user = \"a\" } }",
            "credential = { basic = { user = \"a:b\", password = { env = \"P\" } } }",
            "credential = { header = { name = \"Host\", value = { env = \"P\" } } }",
            "credential = { bearer = { env = \"A\" }, basic = { user = \"a\", password = { env = \"P\" } } }",
        ] {
            assert!(
                with(&format!("url = \"https://x\"\n{wrong}")).is_err(),
                "{wrong}"
            );
        }
        let refused =
            with("url = \"https://x\"\ncredential = { bearer = \"hunter2\" }").unwrap_err();
        assert!(!refused.concat().contains("hunter2"), "{refused:?}");
    }

    #[test]
    fn two_resources_cannot_be_reached_by_the_same_way() {
        let two = |a: &str, b: &str| {
            read(&format!(
                "[[resource]]\nname = \"a\"\nhttp = {{ url = \"https://x\", {a} }}\n\
                 [[resource]]\nname = \"b\"\nhttp = {{ url = \"https://y\", {b} }}\n"
            ))
        };
        assert!(two("host = \"x.example\"", "host = \"y.example\"").is_ok());
        assert!(two("prefix = \"/a\"", "prefix = \"/a/b\"").is_ok());
        let refused = two("host = \"x.example\"", "host = \"X.example\"").unwrap_err();
        assert!(refused[0].contains("reach resource \"a\""), "{refused:?}");
        assert!(two("prefix = \"/a/\"", "host = \"y\"").is_err());
        assert!(two("host = \"x\", prefix = \"/x\"", "host = \"y\"").is_err());
    }

    #[test]
    fn a_resource_for_callers_who_cannot_connect_is_a_mistake() {
        let text = "[[resource]]\nname = \"fhir\"\nhttp = { url = \"https://x\" }\n";
        let refused = meant("almoner.toml", text, Path::new("/etc")).unwrap_err();
        assert!(refused[0].to_string().contains("nothing listens for them"));
    }
}
