//! Where the gateway's own file lets data travel unprotected.

use super::super::gateway::{
    Gateway, HttpCredential, HttpUpstream, ListenerTls, SecretSource, Upstream, UpstreamTls,
};
use super::super::load::stays_here;
use super::super::secret::permissions_problem;
use super::{Warning, overall};

/// Remarks on the gateway's own file.
pub fn gateway(gateway: &Gateway) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |what: String| warnings.push(overall(what));
    let callers = [Some(gateway.postgres_listen), gateway.http_listen];
    for address in callers.into_iter().flatten() {
        if address.ip().is_loopback() {
            continue;
        }
        if !gateway.tls_required {
            warn(format!(
                "[tls] required = false: callers may send data to {address} in plain text"
            ));
        }
        if matches!(gateway.tls, ListenerTls::SelfSigned { .. }) {
            let what = "[tls] names no certificate: a self-signed one is shown to other machines, which cannot check it";
            warn(what.to_owned());
        }
    }
    if let Some(observe) = gateway
        .observe_listen
        .filter(|address| !address.ip().is_loopback())
    {
        warn(format!(
            "[listen] observe: metrics are shown to whoever reaches {observe}"
        ));
    }
    for resource in &gateway.resources {
        let name = &resource.name;
        let upstream = match &resource.upstream {
            Upstream::Postgres(upstream) => upstream,
            Upstream::Http(upstream) => {
                warnings.extend(http(name, upstream));
                continue;
            }
        };
        let mut warn = |what: String| warnings.push(overall(what));
        match upstream.tls {
            UpstreamTls::Disable if !stays_here(&upstream.host) => {
                warn(format!(
                    "resource \"{name}\": allow-plaintext sends its password and all data in plain text"
                ));
            }
            UpstreamTls::VerifyCa => {
                let what = "tls = \"verify-ca\" takes the certificate of any host that the authority vouches for";
                warn(format!("resource \"{name}\": {what}"));
            }
            _ => {}
        }
        warnings.extend(
            upstream
                .password
                .as_ref()
                .and_then(|from| secret(name, from)),
        );
    }
    warnings
}

fn http(name: &str, upstream: &HttpUpstream) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if !upstream.tls && !stays_here(&upstream.host) {
        let what = "allow-plaintext sends its credential and all data in plain text";
        warnings.push(overall(format!("resource \"{name}\": {what}")));
    }
    let from = upstream
        .credential
        .as_ref()
        .map(|credential| match credential {
            HttpCredential::Bearer(from)
            | HttpCredential::Basic { password: from, .. }
            | HttpCredential::Header { value: from, .. } => from,
        });
    warnings.extend(from.and_then(|from| secret(name, from)));
    warnings
}

/// A secret's file that cannot be read, or that others can.
fn secret(name: &str, from: &SecretSource) -> Option<Warning> {
    let SecretSource::File(path) = from else {
        return None;
    };
    let what = match std::fs::metadata(path) {
        Err(e) => format!("the password file {} cannot be read: {e}", path.display()),
        Ok(_) => permissions_problem(path)?,
    };
    Some(overall(format!("resource \"{name}\": {what}")))
}
