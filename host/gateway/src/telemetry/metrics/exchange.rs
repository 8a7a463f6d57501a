//! What is counted for each exchange: how it ended, where its time went, what was masked, what plugins did.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::bump;

/// Kinds of findings that get a counter of their own; further ones count as `other`. Kinds are declared by
/// policies and plugins, so a set with more is a mistake that must not grow the exposition without bound.
pub const KINDS_MAX: usize = 256;

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
    pub(super) const ALL: [(Self, &str); 5] = [
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
    pub(super) const ALL: [(Self, &str); 7] = [
        (Self::Guard, "guard"),
        (Self::Approve, "approve"),
        (Self::Intent, "intent"),
        (Self::Upstream, "upstream"),
        (Self::Mask, "mask"),
        (Self::Record, "record"),
        (Self::Release, "release"),
    ];
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
pub struct PhaseMetrics(Arc<[Histogram]>);

/// A phase under way.
#[must_use = "a phase that does not end is not counted"]
pub struct Timer {
    histogram: Option<Histogram>,
    began: Instant,
}

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

    /// A phase begins.
    pub fn begin(&self, phase: Phase) -> Timer {
        Timer {
            histogram: self.0.get(phase as usize).cloned(),
            began: Instant::now(),
        }
    }
}

impl Timer {
    /// It is over.
    pub fn end(self) {
        if let Some(histogram) = self.histogram {
            histogram.record(self.began.elapsed());
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
    remembered: Counter,
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
            remembered: of("remembered"),
            failed: failures.iter().map(|class| (*class, of(class))).collect(),
            other: of("other"),
            seconds: histogram!("almoner_plugin_call_seconds", "plugin" => plugin.clone()),
        }
    }

    /// A call was spared: the plugin had answered an equal question before.
    pub fn remembered(&self) {
        self.remembered.increment(1);
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
