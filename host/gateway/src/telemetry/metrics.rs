//! Metrics as typed handles, registered once and kept by whoever counts: a call is one atomic addition,
//! never a lookup by name. The types decide which labels exist, so no label can hold a value of traffic.
//!
//! Handles bind to the recorder that is installed when they are registered: [`install`] first. Without one
//! they count nothing, which is what unit tests and one-shot commands want.

use std::collections::HashMap;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::approvals::{State, What};

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
/// Kinds of findings that get a counter of their own; further ones count as `other`. Kinds are declared by
/// policies and plugins, so a set with more is a mistake that must not grow the exposition without bound.
pub const KINDS_MAX: usize = 256;

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

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let through as it was.
    Allow,
    /// Let through after policy changed it.
    Rewrite,
    /// Refused by policy or by an approver.
    Deny,
    /// The upstream or the gateway could not do it.
    Error,
    /// The caller went away or cancelled.
    Abandoned,
}

impl Verdict {
    const ALL: [(Self, &str); 5] = [
        (Self::Allow, "allow"),
        (Self::Rewrite, "rewrite"),
        (Self::Deny, "deny"),
        (Self::Error, "error"),
        (Self::Abandoned, "abandoned"),
    ];
}

/// A part of an exchange's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Guards judge.
    Guard,
    /// Approval plugins judge; waiting for people is `almoner_approval_wait_seconds`.
    Approve,
    /// The intent's record becomes durable.
    Intent,
    /// The upstream works.
    Upstream,
    /// Findings are made and masked.
    Mask,
    /// The record of a part becomes durable.
    Record,
    /// A part is written to the caller.
    Release,
}

impl Phase {
    const ALL: [(Self, &str); 7] = [
        (Self::Guard, "guard"),
        (Self::Approve, "approve"),
        (Self::Intent, "intent"),
        (Self::Upstream, "upstream"),
        (Self::Mask, "mask"),
        (Self::Record, "record"),
        (Self::Release, "release"),
    ];
}

/// Where a login failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The PostgreSQL listener.
    Postgres,
    /// An approver at the admin API.
    Admin,
}

impl Door {
    const ALL: [(Self, &str); 2] = [(Self::Postgres, "postgres"), (Self::Admin, "admin")];

    /// As records and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Admin => "admin",
        }
    }
}

/// What is counted for one resource. The name is the configuration's.
#[derive(Clone)]
pub struct ResourceMetrics {
    exchanges: Vec<Counter>,
    sessions: Gauge,
}

impl ResourceMetrics {
    /// Handles for a configured resource.
    pub fn register(resource: &str) -> Self {
        let resource = resource.to_owned();
        Self {
            exchanges: Verdict::ALL
                .iter()
                .map(|(_, verdict)| counter!("almoner_exchanges_total", "resource" => resource.clone(), "verdict" => *verdict))
                .collect(),
            sessions: gauge!("almoner_sessions", "resource" => resource),
        }
    }

    /// One exchange ended.
    pub fn exchange(&self, verdict: Verdict) {
        bump(&self.exchanges, verdict as usize);
    }

    /// One session began; it counts until the guard is dropped.
    pub fn session(&self) -> SessionCount {
        self.sessions.increment(1);
        SessionCount(self.sessions.clone())
    }
}

/// One live session in the gauge.
#[must_use = "the session counts for as long as this lives"]
pub struct SessionCount(Gauge);

impl Drop for SessionCount {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// Time spent in each phase.
#[derive(Clone)]
pub struct PhaseMetrics(Vec<Histogram>);

impl PhaseMetrics {
    /// Handles for all phases.
    pub fn register() -> Self {
        Self(
            Phase::ALL
                .iter()
                .map(|(_, phase)| histogram!("almoner_phase_seconds", "phase" => *phase))
                .collect(),
        )
    }

    /// So much time went into a phase.
    pub fn spent(&self, phase: Phase, took: Duration) {
        if let Some(histogram) = self.0.get(phase as usize) {
            histogram.record(took);
        }
    }
}

/// Findings that were masked, for the kinds of one policy generation.
#[derive(Clone)]
pub struct FindingMetrics {
    kinds: HashMap<String, Counter>,
    other: Counter,
}

impl FindingMetrics {
    /// Handles for the kinds that policy and plugins declare.
    pub fn register<'a>(kinds: impl IntoIterator<Item = &'a str>) -> Self {
        let of = |kind: String| counter!("almoner_masked_findings_total", "kind" => kind);
        let mut known = HashMap::new();
        for kind in kinds {
            if known.len() < KINDS_MAX && !known.contains_key(kind) {
                known.insert(kind.to_owned(), of(kind.to_owned()));
            }
        }
        Self {
            kinds: known,
            other: of("other".into()),
        }
    }

    /// So many findings of a kind were masked.
    pub fn masked(&self, kind: &str, count: u64) {
        self.kinds.get(kind).unwrap_or(&self.other).increment(count);
    }
}

/// Calls of one plugin. The name is the policy's.
#[derive(Clone)]
pub struct PluginMetrics {
    answered: Counter,
    failed: Vec<(&'static str, Counter)>,
    other: Counter,
    seconds: Histogram,
}

impl PluginMetrics {
    /// Handles for a plugin and the classes in which its calls can fail.
    pub fn register(plugin: &str, failures: &[&'static str]) -> Self {
        let plugin = plugin.to_owned();
        let of = |outcome: &'static str| counter!("almoner_plugin_calls_total", "plugin" => plugin.clone(), "outcome" => outcome);
        Self {
            answered: of("ok"),
            failed: failures.iter().map(|class| (*class, of(class))).collect(),
            other: of("other"),
            seconds: histogram!("almoner_plugin_call_seconds", "plugin" => plugin.clone()),
        }
    }

    /// One call answered, or failed in this class.
    pub fn call(&self, failure: Option<&'static str>, took: Duration) {
        self.seconds.record(took);
        let Some(class) = failure else {
            return self.answered.increment(1);
        };
        let known = self.failed.iter().find(|(known, _)| *known == class);
        known
            .map_or(&self.other, |(_, counter)| counter)
            .increment(1);
    }
}

/// Requests for approval.
#[derive(Clone)]
pub struct ApprovalMetrics {
    asked: Counter,
    refused: Counter,
    ended: Vec<(State, Counter)>,
    pending: Gauge,
    wait: Histogram,
}

impl ApprovalMetrics {
    /// Handles for the one desk of this process.
    pub fn register() -> Self {
        let of = |outcome: &'static str| counter!("almoner_approvals_total", "outcome" => outcome);
        let ends = [
            State::Approved,
            State::Denied,
            State::Expired,
            State::Withdrawn,
        ];
        Self {
            asked: of("asked"),
            refused: of("refused"),
            ended: ends
                .into_iter()
                .map(|state| (state, of(state.as_str())))
                .collect(),
            pending: gauge!("almoner_approvals_pending"),
            wait: histogram!("almoner_approval_wait_seconds"),
        }
    }

    /// A request was made, or somebody tried to decide who may not.
    pub fn step(&self, what: &What) {
        match what {
            What::Asked { .. } => self.asked.increment(1),
            What::Refused { .. } => self.refused.increment(1),
            What::Approved { .. }
            | What::Denied { .. }
            | What::Expired
            | What::Withdrawn { .. } => {}
        }
    }

    /// A request ended after this long.
    pub fn ended(&self, state: State, waited: Duration) {
        if let Some((_, counter)) = self.ended.iter().find(|(known, _)| *known == state) {
            counter.increment(1);
        }
        self.wait.record(waited);
    }

    /// So many wait.
    pub fn pending(&self, count: usize) {
        self.pending.set(count as f64);
    }
}

/// The audit trail, as its status says at each scrape.
#[derive(Clone)]
pub struct AuditMetrics {
    queue: Gauge,
    seq: Gauge,
    unsigned: Gauge,
    disk_free: Gauge,
    healthy: Gauge,
}

impl AuditMetrics {
    /// Handles for the one trail of this process.
    pub fn register() -> Self {
        Self {
            queue: gauge!("almoner_audit_queue"),
            seq: gauge!("almoner_audit_seq"),
            unsigned: gauge!("almoner_audit_unsigned_records"),
            disk_free: gauge!("almoner_audit_disk_free_bytes"),
            healthy: gauge!("almoner_audit_healthy"),
        }
    }

    /// Takes over what the trail says of itself.
    pub fn observe(&self, status: &almoner_audit::Status) {
        self.queue.set(status.waiting as f64);
        self.seq.set(status.durable_seq as f64);
        self.unsigned
            .set((status.durable_seq + 1).saturating_sub(status.signed_size) as f64);
        self.disk_free.set(status.disk_free_bytes as f64);
        self.healthy.set(f64::from(u8::from(
            status.failed.is_none() && !status.disk_full,
        )));
    }
}

/// Policy generations.
#[derive(Clone)]
pub struct PolicyMetrics {
    generation: Gauge,
    activated: Counter,
    refused: Counter,
}

impl PolicyMetrics {
    /// Handles for the one policy of this process.
    pub fn register() -> Self {
        let of =
            |outcome: &'static str| counter!("almoner_policy_reloads_total", "outcome" => outcome);
        Self {
            generation: gauge!("almoner_policy_generation"),
            activated: of("activated"),
            refused: of("refused"),
        }
    }

    /// A generation took over.
    pub fn activated(&self, generation: u64) {
        self.generation.set(generation as f64);
        self.activated.increment(1);
    }

    /// A generation was refused; the one before it stays.
    pub fn refused(&self) {
        self.refused.increment(1);
    }
}

/// Who could not come in, and what could not be told.
#[derive(Clone)]
pub struct DoorMetrics {
    failures: Vec<Counter>,
    notifications_dropped: Counter,
    connections_refused: Counter,
}

impl DoorMetrics {
    /// Handles for all doors.
    pub fn register() -> Self {
        Self {
            failures: Door::ALL
                .iter()
                .map(|(_, door)| counter!("almoner_login_failures_total", "door" => *door))
                .collect(),
            notifications_dropped: counter!("almoner_notifications_dropped_total"),
            connections_refused: counter!("almoner_connections_refused_total"),
        }
    }

    /// A login failed.
    pub fn login_failed(&self, door: Door) {
        bump(&self.failures, door as usize);
    }

    /// An upstream's notification was not passed on.
    pub fn notification_dropped(&self) {
        self.notifications_dropped.increment(1);
    }

    /// A connection was refused because there are too many.
    pub fn connection_refused(&self) {
        self.connections_refused.increment(1);
    }
}

fn bump(counters: &[Counter], at: usize) {
    if let Some(counter) = counters.get(at) {
        counter.increment(1);
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
        "Calls of plugins by outcome; all but ok were treated closed"
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
        "almoner_approval_wait_seconds",
        "Time from asking for approval to its end"
    );
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
            std::mem::forget(resource.session());
            drop(session);
            resource.exchange(Verdict::Deny);
            PhaseMetrics::register().spent(Phase::Mask, Duration::from_micros(80));
            let plugin = PluginMetrics::register("phi", &["trap"]);
            plugin.call(None, Duration::from_micros(4));
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
