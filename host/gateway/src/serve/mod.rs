//! The running gateway: everything is built, checked and opened in order, and only then does a socket
//! listen. Whatever cannot be built keeps it from serving; whatever fails later stops it.

mod console;
mod keys;
mod reload;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use almoner_audit::{Audit, OnSync, OpenError, Options};
use almoner_sandbox::{Capacity, Host, HostError, HostSettings};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::admin::{self, Console};
use crate::approvals::{Approvals, AuditRecorder, Limits as ApprovalLimits};
use crate::config::gateway::{Gateway, Limits};
use crate::config::load;
use crate::config::problem::ConfigErrors;
use crate::identity::mock_secret;
use crate::identity::users::Users;
use crate::listener;
use crate::listener::tls::{self, TlsError};
use crate::plugins::{BuildError, Builder, KeyFile, KeyFileError};
use crate::policy::{Metrics, Parts, Pipeline};
use crate::protocols::{http, postgres};
use crate::telemetry::metrics::{Exposition, MetricsError, SyncMetrics};

use console::Running;

/// Name under which the audit trail signs when nothing else is configured.
const LOG_NAME: &str = "almoner";
/// Warm detector instances are one per session and detector; rules use a few detectors each.
const INSTANCES_PER_SESSION: u32 = 2;
/// Instances for guards and approvals, which live as long as a call.
const INSTANCES_FOR_CALLS: u32 = 64;
/// Address space is reserved per instance (4 GiB), so there is an end to it.
const INSTANCES_MAX: u32 = 4_096;

/// Why the gateway does not serve, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A configuration is wrong.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// The plugins of the policy cannot be used.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The sandbox cannot start.
    #[error(transparent)]
    Sandbox(#[from] HostError),
    /// The evidence cannot be opened.
    #[error(transparent)]
    Audit(#[from] OpenError),
    /// The evidence store failed while serving.
    #[error("the audit trail failed, and nothing is served unrecorded: {0}")]
    Unrecorded(#[from] almoner_audit::AuditError),
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Keys of pseudonyms.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// A socket cannot be opened.
    #[error("listening on {address}: {error}")]
    Listen {
        /// Which.
        address: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The admin socket cannot be opened.
    #[error(transparent)]
    AdminSocket(#[from] admin::socket::SocketError),
    /// Metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// A file of the data folder cannot be read or written.
    #[error("{doing} {path}: {error}")]
    Data {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
}

/// Serves until `stop` resolves, then drains. `started` is called once, when callers can connect.
pub async fn run(
    config: Gateway,
    exposition: Exposition,
    started: impl FnOnce(&Gateway),
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    prepare_folders(&config)?;
    let users = open_users(&config)?;
    let host = start_sandbox(&config)?;
    let audit = open_audit(&config).await?;
    let policy = load::policies(&config.policy_dir)?;
    let digest = policy.digest.clone();
    let first = next_generation(&audit).await;
    let (builder, generation) = tokio::task::spawn_blocking(move || {
        let mut builder = Builder::new(host);
        let generation = builder.build(policy, first)?;
        Ok::<_, BuildError>((builder, generation))
    })
    .await
    .map_err(|_| ServeError::Data {
        doing: "building",
        path: "the policy".to_owned(),
        error: std::io::Error::other("it panicked"),
    })??;

    let pseudonyms = KeyFile::open(&config.keys_file)?.pseudonyms()?;
    let approvals = Approvals::new(ApprovalLimits::default(), AuditRecorder::new(audit.clone()));
    let pipeline = Pipeline::open(Parts {
        generation,
        approvals,
        audit: audit.clone(),
        users: Arc::clone(&users),
        pseudonyms,
        metrics: Metrics::register(names(&config)),
        response_body_bytes_max: config.response_body_bytes_max,
    })
    .await?;

    let (drain, draining) = watch::channel(false);
    let shown = tls::for_callers(&config.tls, &[postgres::ALPN])?;
    let upstream_tls = upstream_tls(&config)?;
    let shared = postgres::Shared::new(
        Arc::clone(&pipeline),
        Arc::clone(&users),
        config.limits.clone(),
        &config.resources,
        |resource| upstream_tls.get(&resource.name).cloned().flatten(),
        shown.config,
        &shown.certificate,
        config.tls_required,
        draining.clone(),
    );
    for catalogs in shared.catalogs() {
        tokio::spawn(catalogs.keep_fresh());
    }
    let http = open_http(&config, &pipeline, &users, &upstream_tls, &draining).await?;
    keys::follow(&config.keys_file, &pipeline);
    let running = Arc::new(Running::new(
        &config,
        Arc::clone(&pipeline),
        users,
        draining.clone(),
    ));
    let _watching = reload::watch(
        &config,
        &digest,
        builder,
        Arc::clone(&pipeline),
        Arc::clone(&running),
    )?;

    let console: Arc<dyn Console> = running;
    let socket = admin::socket::AdminSocket::bind(&config.admin_socket)?;
    let admin = tokio::spawn(admin::serve(
        socket,
        Arc::clone(&console),
        drained(&draining),
    ));
    let observe = match config.observe_listen {
        None => None,
        Some(address) => {
            let listener = listen(address).await?;
            tokio::spawn(exposition.clone().upkeep());
            Some(tokio::spawn(admin::observe::serve(
                listener,
                console,
                exposition,
                drained(&draining),
            )))
        }
    };
    let listener = listen(config.postgres_listen).await?;
    started(&config);

    let (limits, metrics) = (&config.limits, Arc::clone(&pipeline));
    let serving_http = serve_http(http, limits, draining.clone(), Arc::clone(&pipeline));
    let serving_postgres = listener::serve(
        listener,
        limits.sessions_max,
        limits.drain,
        draining,
        move |socket, peer, place| postgres::serve(Arc::clone(&shared), socket, peer, place),
        move || metrics.metrics().connection_refused(),
    );
    let serving = async { tokio::join!(serving_postgres, serving_http) };
    tokio::pin!(serving);
    let failed = tokio::select! {
        _ = &mut serving => None,
        () = stop => None,
        error = audit.fatal() => Some(error),
    };
    // Nobody is listening for it only if everything has ended already.
    let _ = drain.send(true);
    if let Some(error) = failed {
        return Err(ServeError::Unrecorded(error));
    }
    serving.await;
    let _ = admin.await;
    if let Some(observe) = observe {
        let _ = observe.await;
    }
    audit.close().await?;
    Ok(())
}

/// What TLS is spoken with each upstream; `None` for plain text.
type UpstreamTls = HashMap<String, Option<Arc<rustls::ClientConfig>>>;

fn upstream_tls(config: &Gateway) -> Result<UpstreamTls, TlsError> {
    config
        .resources
        .iter()
        .map(|resource| {
            Ok((
                resource.name.clone(),
                tls::for_upstream(&resource.upstream)?,
            ))
        })
        .collect()
}

/// The socket for HTTP callers, if there is an address for them.
async fn open_http(
    config: &Gateway,
    pipeline: &Arc<Pipeline>,
    users: &Arc<Users>,
    upstream_tls: &UpstreamTls,
    draining: &watch::Receiver<bool>,
) -> Result<Option<(Arc<http::Shared>, TcpListener)>, ServeError> {
    let Some(address) = config.http_listen else {
        return Ok(None);
    };
    let shown = tls::for_callers(&config.tls, &http::ALPN)?;
    let shared = http::Shared::new(
        Arc::clone(pipeline),
        Arc::clone(users),
        config.limits.clone(),
        &config.resources,
        |resource| upstream_tls.get(&resource.name).cloned().flatten(),
        shown.config,
        config.tls_required,
        draining.clone(),
    );
    Ok(Some((shared, listen(address).await?)))
}

/// Serves HTTP callers, if there is an address for them.
async fn serve_http(
    http: Option<(Arc<http::Shared>, TcpListener)>,
    limits: &Limits,
    draining: watch::Receiver<bool>,
    pipeline: Arc<Pipeline>,
) {
    let Some((shared, listener)) = http else {
        return;
    };
    let all = Arc::clone(&shared);
    listener::serve(
        listener,
        limits.sessions_max,
        limits.drain,
        draining,
        move |socket, peer, place| http::serve(Arc::clone(&shared), socket, peer, place),
        move || pipeline.metrics().connection_refused(),
    )
    .await;
    all.give_up().await;
}

fn drained(draining: &watch::Receiver<bool>) -> impl Future<Output = ()> + Send + use<> {
    let mut draining = draining.clone();
    async move {
        let _ = draining.wait_for(|draining| *draining).await;
    }
}

async fn listen(address: std::net::SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| ServeError::Listen {
            address: address.to_string(),
            error,
        })
}

fn names(config: &Gateway) -> impl Iterator<Item = &str> {
    config
        .resources
        .iter()
        .map(|resource| resource.name.as_str())
}

fn prepare_folders(config: &Gateway) -> Result<(), ServeError> {
    use std::os::unix::fs::DirBuilderExt;
    let parents = [
        Some(config.audit_dir.as_path()),
        Some(config.cache_dir.as_path()),
        config.anchor_file.parent(),
        config.keys_file.parent(),
        config.admin_socket.parent(),
    ];
    for dir in parents.into_iter().flatten() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| data("making the folder", dir, error))?;
    }
    Ok(())
}

fn open_users(config: &Gateway) -> Result<Arc<Users>, ServeError> {
    let path = config.keys_file.with_file_name("login-secret");
    let secret =
        mock_secret::open(&path).map_err(|error| data("reading or making", &path, error))?;
    Ok(Arc::new(Users::open(&config.users_file, secret)?))
}

fn start_sandbox(config: &Gateway) -> Result<Host, ServeError> {
    let sessions = u32::try_from(config.limits.sessions_max).unwrap_or(INSTANCES_MAX);
    let instances = sessions
        .saturating_mul(INSTANCES_PER_SESSION)
        .saturating_add(INSTANCES_FOR_CALLS)
        .min(INSTANCES_MAX);
    Ok(Host::new(HostSettings {
        capacity: Capacity {
            instances,
            ..Capacity::default()
        },
        cache: Some(config.cache_dir.clone()),
        ..HostSettings::default()
    })?)
}

async fn open_audit(config: &Gateway) -> Result<Audit, ServeError> {
    let dir = config.audit_dir.clone();
    let synced = SyncMetrics::register();
    let options = Options {
        reserve_bytes: config.audit_reserve_bytes,
        anchor: Some(config.anchor_file.clone()),
        on_sync: Some(OnSync(Arc::new(move |took| synced.synced(took)))),
        ..Options::new(LOG_NAME)
    };
    tokio::task::spawn_blocking(move || Audit::open(&dir, options))
        .await
        .map_err(|_| ServeError::Data {
            doing: "opening",
            path: "the audit trail".to_owned(),
            error: std::io::Error::other("it panicked"),
        })?
        .map_err(ServeError::from)
}

fn data(doing: &'static str, path: &Path, error: std::io::Error) -> ServeError {
    ServeError::Data {
        doing,
        path: path.display().to_string(),
        error,
    }
}

/// Generations are numbered on across restarts: one above the last on record.
async fn next_generation(audit: &Audit) -> u64 {
    let reader = audit.reader();
    let last = tokio::task::spawn_blocking(move || reload::last_generation(&reader)).await;
    last.ok().flatten().unwrap_or(0) + 1
}
