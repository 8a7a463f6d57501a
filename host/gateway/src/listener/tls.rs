//! TLS on both sides: the certificate shown to callers, and how far an upstream's is checked.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};

use crate::config::gateway::{ListenerTls, Upstream, UpstreamTls};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read or written.
    #[error("TLS: {doing} {path}: {why}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Certificate and key do not go together, or are of no use.
    #[error("TLS: the certificate in {path} cannot be used: {error}")]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        error: Error,
    },
    /// No self-signed certificate could be made.
    #[error("TLS: a self-signed certificate could not be made: {0}")]
    SelfSigned(#[from] rcgen::Error),
    /// Nothing to trust.
    #[error("TLS: no certificate authority in {0}; name a PEM bundle with `ca`")]
    NoAuthority(String),
}

/// What callers are shown: the settings, and the leaf certificate (DER) for channel binding.
pub struct Shown {
    /// For the acceptor.
    pub config: Arc<ServerConfig>,
    /// The leaf.
    pub certificate: Vec<u8>,
}

/// Settings for callers' connections.
pub fn for_callers(from: &ListenerTls, alpn: &[&[u8]]) -> Result<Shown, TlsError> {
    let (certificate, key) = match from {
        ListenerTls::Files { certificate, key } => (certificate.clone(), key.clone()),
        ListenerTls::SelfSigned { dir } => self_signed(dir)?,
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(&certificate, error))?;
    let private = PrivateKeyDer::from_pem_file(&key).map_err(|error| unreadable(&key, error))?;
    let leaf = chain.first().map(|leaf| leaf.to_vec()).unwrap_or_default();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain, private))
        .map_err(|error| TlsError::Certificate {
            path: certificate,
            error,
        })?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Shown {
        config: Arc::new(config),
        certificate: leaf,
    })
}

/// Settings for one upstream; `None` for plain text.
pub fn for_upstream(upstream: &Upstream) -> Result<Option<Arc<ClientConfig>>, TlsError> {
    match upstream {
        Upstream::Postgres(upstream) => checked(upstream.tls, upstream.ca_file.as_deref(), &[]),
        Upstream::Http(upstream) => {
            let tls = if upstream.tls {
                UpstreamTls::VerifyFull
            } else {
                UpstreamTls::Disable
            };
            checked(tls, upstream.ca_file.as_deref(), &[b"h2", b"http/1.1"])
        }
    }
}

fn checked(
    tls: UpstreamTls,
    ca_file: Option<&Path>,
    alpn: &[&[u8]],
) -> Result<Option<Arc<ClientConfig>>, TlsError> {
    if tls == UpstreamTls::Disable {
        return Ok(None);
    }
    let roots = Arc::new(roots(ca_file)?);
    let provider = Arc::new(ring::default_provider());
    let failed = |why: String| TlsError::File {
        doing: "trusting",
        path: ca_file.map(Path::to_path_buf).unwrap_or_default(),
        why,
    };
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|error| failed(error.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    let mut config = if tls == UpstreamTls::VerifyCa {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ChainOnly(verifier)))
            .with_no_client_auth()
    } else {
        builder.with_webpki_verifier(verifier).with_no_client_auth()
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Some(Arc::new(config)))
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            for certificate in
                CertificateDer::pem_file_iter(path).map_err(|error| unreadable(path, error))?
            {
                let certificate = certificate.map_err(|error| unreadable(path, error))?;
                roots
                    .add(certificate)
                    .map_err(|error| TlsError::Certificate {
                        path: path.to_owned(),
                        error,
                    })?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        let place = ca_file.map_or_else(
            || "the system's trust store".to_owned(),
            |path| path.display().to_string(),
        );
        return Err(TlsError::NoAuthority(place));
    }
    Ok(roots)
}

/// Made once and kept, so that callers who pinned it see the same.
fn self_signed(dir: &Path) -> Result<(PathBuf, PathBuf), TlsError> {
    let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    fs::create_dir_all(dir).map_err(|error| unwritable(dir, &error))?;
    write(&key, made.signing_key.serialize_pem().as_bytes(), 0o600)?;
    write(&certificate, made.cert.pem().as_bytes(), 0o644)?;
    Ok((certificate, key))
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), TlsError> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> TlsError {
    TlsError::File {
        doing: "writing",
        path: path.to_owned(),
        why: error.to_string(),
    }
}

fn unreadable(path: &Path, error: rustls::pki_types::pem::Error) -> TlsError {
    TlsError::File {
        doing: "reading",
        path: path.to_owned(),
        why: error.to_string(),
    }
}

/// `verify-ca`: the chain and its dates are checked, the name is not.
#[derive(Debug)]
struct ChainOnly(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for ChainOnly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self
            .0
            .verify_server_cert(end_entity, intermediates, name, ocsp, now)
        {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
