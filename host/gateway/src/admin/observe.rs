//! For monitors, over plain HTTP: is the process alive, does it take exchanges, what did it count.
//!
//! Answers tell states and numbers, nothing about anybody. Bind it where only monitors can reach it.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use super::status::not_ready;
use super::{Console, accept};
use crate::telemetry::metrics::{AuditMetrics, Exposition};

struct Observed {
    console: Arc<dyn Console>,
    exposition: Exposition,
    audit: AuditMetrics,
}

/// Answers `/healthz`, `/readyz` and `/metrics` until `stop` resolves.
pub async fn serve(
    listener: TcpListener,
    console: Arc<dyn Console>,
    exposition: Exposition,
    stop: impl Future<Output = ()>,
) {
    let observed = Arc::new(Observed {
        console,
        exposition,
        audit: AuditMetrics::register(),
    });
    let router = Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(observed);
    accept::run(&listener, router, stop).await;
}

/// 200 if exchanges are taken; otherwise 503 and why, a line for each reason.
async fn ready(State(observed): State<Arc<Observed>>) -> impl IntoResponse {
    let why = not_ready(
        &observed.console.overview(),
        &observed.console.audit().status(),
    );
    if why.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, why.join("\n") + "\n")
    }
}

async fn metrics(State(observed): State<Arc<Observed>>) -> impl IntoResponse {
    observed.audit.observe(&observed.console.audit().status());
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        observed.exposition.render(),
    )
}
