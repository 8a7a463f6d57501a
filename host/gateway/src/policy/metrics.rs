//! The pipeline's counters, by the handles that telemetry registers. No label holds anything of an
//! exchange but the names its configuration gives.

use std::collections::HashMap;
use std::time::Duration;

use almoner_sandbox::{Failure, Told};
use arc_swap::ArcSwap;

use super::column::UNPROVEN;
use super::failed::DetectorCalls;
use super::mask::Counts;
use crate::plugins::Generation;
use crate::telemetry::metrics::{
    Door, DoorMetrics, FindingMetrics, Phase, PhaseMetrics, PluginMetrics, PolicyMetrics,
    ResourceMetrics, SessionCount, Verdict,
};

/// What the pipeline counts.
pub struct Metrics {
    resources: HashMap<String, ResourceMetrics>,
    phases: PhaseMetrics,
    findings: ArcSwap<FindingMetrics>,
    plugins: ArcSwap<HashMap<String, PluginMetrics>>,
    policy: PolicyMetrics,
    doors: DoorMetrics,
}

impl Metrics {
    /// Registers for these resources.
    pub fn register<'a>(resources: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            resources: resources
                .into_iter()
                .map(|name| (name.to_owned(), ResourceMetrics::register(name)))
                .collect(),
            phases: PhaseMetrics::register(),
            findings: ArcSwap::from_pointee(FindingMetrics::register([])),
            plugins: ArcSwap::default(),
            policy: PolicyMetrics::register(),
            doors: DoorMetrics::register(),
        }
    }

    /// A login failed.
    pub fn login_failed(&self) {
        self.doors.login_failed(Door::Postgres);
    }

    /// An upstream's notification was dropped.
    pub fn notification_dropped(&self) {
        self.doors.notification_dropped();
    }

    /// A connection was refused because there are too many.
    pub fn connection_refused(&self) {
        self.doors.connection_refused();
    }

    /// A policy was refused.
    pub fn policy_refused(&self) {
        self.policy.refused();
    }

    pub(super) fn activated(&self, generation: &Generation) {
        let tagged = generation.set.columns.iter().map(|tag| tag.kind.as_str());
        let kinds = tagged
            .chain(generation.kinds().iter().map(String::as_str))
            .chain([UNPROVEN, "phi.unverified", "phi.binary", "phi.ip"]);
        self.findings.store(FindingMetrics::register(kinds).into());
        let plugins = generation.plugins.iter().map(|info| {
            let plugin = PluginMetrics::register(&info.name, &Failure::CLASSES);
            (info.name.clone(), plugin)
        });
        // Exchanges under way may still call those of the generation before.
        let mut known = HashMap::clone(&self.plugins.load());
        known.extend(plugins);
        self.plugins.store(known.into());
        self.policy.activated(generation.number);
    }

    pub(super) fn session(&self, resource: &str) -> Option<SessionCount> {
        self.resources.get(resource).map(ResourceMetrics::session)
    }

    pub(super) fn exchange(&self, resource: &str, verdict: Verdict) {
        if let Some(resource) = self.resources.get(resource) {
            resource.exchange(verdict);
        }
    }

    pub(super) fn phase(&self, phase: Phase, took: Duration) {
        self.phases.spent(phase, took);
    }

    pub(super) fn phases(&self) -> &PhaseMetrics {
        &self.phases
    }

    /// A plugin, by the policy's name for it, was called.
    pub(super) fn plugin(&self, name: &str, failure: Option<&Failure>, took: Duration) {
        if let Some(plugin) = self.plugins.load().get(name) {
            plugin.call(failure.map(Failure::class), took);
        }
    }

    /// A plugin, by the policy's name for it, was asked.
    pub(super) fn told<T>(&self, name: &str, told: &Told<T>, took: Duration) {
        if !told.remembered {
            return self.plugin(name, told.answer.as_ref().err(), took);
        }
        if let Some(plugin) = self.plugins.load().get(name) {
            plugin.remembered();
        }
    }

    /// The detectors of these names were called.
    pub(super) fn detectors(&self, names: &[String], calls: &DetectorCalls) {
        for (detector, took) in &calls.calls {
            let failed = calls
                .failures
                .iter()
                .find(|failed| failed.detector == *detector);
            if let Some(name) = names.get(*detector as usize) {
                self.plugin(name, failed.map(|failed| &failed.failure), *took);
            }
        }
    }

    pub(super) fn findings(&self, counts: &Counts) {
        if counts.is_empty() {
            return;
        }
        let findings = self.findings.load();
        for (kind, count) in counts {
            findings.masked(kind, *count);
        }
    }
}
