//! Where the gateway's own file lets data travel unprotected.

use super::super::gateway::{Gateway, ListenerTls, SecretSource, UpstreamTls};
use super::super::load::stays_here;
use super::super::secret::permissions_problem;
use super::{Warning, overall};

/// Remarks on the gateway's own file.
pub fn gateway(gateway: &Gateway) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |what: String| warnings.push(overall(what));
    let address = gateway.postgres_listen;
    if !address.ip().is_loopback() {
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
        let (name, upstream) = (&resource.name, &resource.upstream);
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
        if let Some(SecretSource::File(path)) = &upstream.password {
            if let Err(e) = std::fs::metadata(path) {
                warn(format!(
                    "resource \"{name}\": the password file {} cannot be read: {e}",
                    path.display()
                ));
            } else if let Some(problem) = permissions_problem(path) {
                warn(format!("resource \"{name}\": {problem}"));
            }
        }
    }
    warnings
}
