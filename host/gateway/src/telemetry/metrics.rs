//! Metrics as typed handles, registered once and kept by whoever counts: a call is one atomic addition,
//! never a lookup by name. The types decide which labels exist, so no label can hold a value of traffic.
//!
//! Handles bind to the recorder that is installed when they are registered: [`install`] first. Without one
//! they count nothing, which is what unit tests and one-shot commands want.

mod exchange;
mod gateway;

use std::time::Duration;

pub use exchange::{
    FindingMetrics, KINDS_MAX, Phase, PhaseMetrics, PluginMetrics, ResourceMetrics, SessionCount,
    Timer, Verdict,
};
pub use gateway::{ApprovalMetrics, AuditMetrics, Door, DoorMetrics, PolicyMetrics, SyncMetrics};
use metrics::Counter;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// How often the exporter folds what handles gathered, so that histograms hold no more than this long of samples.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// Bounds of durations within the gateway, seconds: from a warm plugin call to an upstream that gives up.
const SECONDS: [f64; 14] = [
    0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0,
    5.0, 30.0,
];
/// Bounds of waits for people, seconds: from "was looking at it" to the longest that a request may wait.
const PATIENCE_SECONDS: [f64; 9] = [
    5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0,
];
/// Renders what was counted, for `/metrics`.
#[derive(Clone, Debug)]
pub struct Exposition(Option<PrometheusHandle>);

/// The metrics cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A fault in this file's constants.
    #[error("setting up metrics: {0}")]
    Build(#[from] BuildError),
    /// Something else in this process counts already.
    #[error("setting up metrics: a recorder is installed already")]
    Installed,
}

/// Installs the recorder for this process. Handles registered before it count nothing.
pub fn install() -> Result<Exposition, MetricsError> {
    let recorder = builder()?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| MetricsError::Installed)?;
    describe();
    Ok(Exposition(Some(handle)))
}

impl Exposition {
    /// Of a process that counts nothing.
    pub fn none() -> Self {
        Self(None)
    }

    /// The Prometheus text format.
    pub fn render(&self) -> String {
        self.0
            .as_ref()
            .map(PrometheusHandle::render)
            .unwrap_or_default()
    }

    /// Keeps the exporter's memory bounded; runs for as long as the gateway does.
    pub async fn upkeep(self) {
        let mut every = tokio::time::interval(UPKEEP_EVERY);
        loop {
            every.tick().await;
            if let Some(handle) = &self.0 {
                handle.run_upkeep();
            }
        }
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets(&SECONDS)?
        .set_buckets_for_metric(
            Matcher::Full("almoner_approval_wait_seconds".into()),
            &PATIENCE_SECONDS,
        )
}

/// Help texts, one for each name.
fn describe() {
    use metrics::{
        describe_counter as counter, describe_gauge as gauge, describe_histogram as histogram,
    };
    counter!("almoner_exchanges_total", "Exchanges by how they ended");
    counter!(
        "almoner_masked_findings_total",
        "Findings that were masked, by kind"
    );
    counter!(
        "almoner_approvals_total",
        "Requests for approval: asked, refused attempts to decide, and how they ended"
    );
    counter!(
        "almoner_plugin_calls_total",
        "Calls of plugins by outcome: ok, remembered (answered before, and spared), or a class of failure, which was treated closed"
    );
    counter!(
        "almoner_policy_reloads_total",
        "Policy generations activated and refused"
    );
    counter!(
        "almoner_login_failures_total",
        "Logins that failed, by door"
    );
    counter!(
        "almoner_notifications_dropped_total",
        "Notifications of upstreams that were not passed on"
    );
    counter!(
        "almoner_connections_refused_total",
        "Connections refused because there were too many"
    );
    gauge!("almoner_approvals_pending", "Requests that wait for people");
    gauge!("almoner_sessions", "Live sessions");
    gauge!("almoner_audit_queue", "Records that wait to become durable");
    gauge!(
        "almoner_audit_seq",
        "Sequence number of the last durable record"
    );
    gauge!(
        "almoner_audit_unsigned_records",
        "Durable records that no signed checkpoint covers yet"
    );
    gauge!(
        "almoner_audit_disk_free_bytes",
        "Bytes free on the disk of the audit trail"
    );
    gauge!(
        "almoner_audit_healthy",
        "1 while the audit trail takes records"
    );
    gauge!(
        "almoner_policy_generation",
        "The policy generation that new exchanges see"
    );
    histogram!(
        "almoner_phase_seconds",
        "Time that exchanges spend in each phase"
    );
    histogram!(
        "almoner_plugin_call_seconds",
        "Time of plugin calls, waiting included"
    );
    histogram!(
        "almoner_audit_sync_seconds",
        "Time of one synced write of the audit trail, with all records that it held"
    );
    histogram!(
        "almoner_approval_wait_seconds",
        "Time from asking for approval to its end"
    );
}

fn bump(counters: &[Counter], at: usize) {
    if let Some(counter) = counters.get(at) {
        counter.increment(1);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    fn rendered(counted: impl FnOnce()) -> String {
        let recorder = builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            describe();
            counted();
        });
        recorder.handle().render()
    }

    #[test]
    fn labels_stand_where_their_enums_say() {
        let at = |all: &[usize]| all.iter().enumerate().all(|(place, index)| place == *index);
        assert!(at(&Verdict::ALL.map(|(verdict, _)| verdict as usize)));
        assert!(at(&Phase::ALL.map(|(phase, _)| phase as usize)));
        assert!(at(&Door::ALL.map(|(door, _)| door as usize)));
    }

    #[test]
    fn what_was_counted_is_rendered_with_its_labels() {
        let text = rendered(|| {
            let resource = ResourceMetrics::register("ehr");
            let session = resource.session();
            // A session that has not ended when the text is rendered.
            Box::leak(Box::new(resource.session()));
            drop(session);
            resource.exchange(Verdict::Deny);
            PhaseMetrics::register().spent(Phase::Mask, Duration::from_micros(80));
            let plugin = PluginMetrics::register("phi", &["trap"]);
            plugin.call(None, Duration::from_micros(4));
            plugin.remembered();
            plugin.call(Some("trap"), Duration::from_micros(4));
            plugin.call(Some("unheard-of"), Duration::from_micros(4));
            DoorMetrics::register().login_failed(Door::Admin);
        });
        for line in [
            "almoner_sessions{resource=\"ehr\"} 1",
            "almoner_exchanges_total{resource=\"ehr\",verdict=\"deny\"} 1",
            "almoner_exchanges_total{resource=\"ehr\",verdict=\"allow\"} 0",
            "almoner_phase_seconds_bucket{phase=\"mask\",le=\"0.00005\"} 0",
            "almoner_phase_seconds_bucket{phase=\"mask\",le=\"0.0001\"} 1",
            "almoner_plugin_calls_total{plugin=\"phi\",outcome=\"ok\"} 1",
            "almoner_plugin_calls_total{plugin=\"phi\",outcome=\"remembered\"} 1",
            "almoner_plugin_calls_total{plugin=\"phi\",outcome=\"trap\"} 1",
            "almoner_plugin_calls_total{plugin=\"phi\",outcome=\"other\"} 1",
            "almoner_login_failures_total{door=\"admin\"} 1",
            "almoner_login_failures_total{door=\"postgres\"} 0",
        ] {
            assert!(
                text.lines().any(|have| have == line),
                "{line} is not in\n{text}"
            );
        }
    }

    #[test]
    fn an_undeclared_kind_is_counted_without_its_name() {
        let text = rendered(|| {
            let findings = FindingMetrics::register(["phi.ssn"]);
            findings.masked("phi.ssn", 3);
            findings.masked("4111-1111", 2);
        });
        assert!(
            text.contains("almoner_masked_findings_total{kind=\"phi.ssn\"} 3"),
            "{text}"
        );
        assert!(
            text.contains("almoner_masked_findings_total{kind=\"other\"} 2"),
            "{text}"
        );
        assert!(!text.contains("4111"), "{text}");
    }

    #[test]
    fn kinds_beyond_the_bound_share_one_counter() {
        let kinds: Vec<String> = (0..KINDS_MAX + 50).map(|nr| format!("k{nr}")).collect();
        let text = rendered(|| {
            let findings = FindingMetrics::register(kinds.iter().map(String::as_str));
            kinds.iter().for_each(|kind| findings.masked(kind, 1));
        });
        assert_eq!(
            text.matches("almoner_masked_findings_total{").count(),
            KINDS_MAX + 1
        );
        assert!(text.contains("{kind=\"other\"} 50"), "{text}");
    }
}
