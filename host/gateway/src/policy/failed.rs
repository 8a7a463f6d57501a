//! Plugins that failed during one exchange, for its record: which, and in what class. Never what a plugin
//! said, and never what it was asked.

use std::collections::BTreeMap;
use std::time::Duration;

use almoner_sandbox::{DetectorFailure, Failure};
use serde_json::{Map, Value};

/// Detectors that were called, and those of them that failed, by their index in the rule.
#[derive(Default)]
pub(super) struct DetectorCalls {
    pub(super) calls: Vec<(u32, Duration)>,
    pub(super) failures: Vec<DetectorFailure>,
}

/// How often each plugin failed in each class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Failed(BTreeMap<(String, &'static str), u64>);

impl Failed {
    /// One call failed.
    pub(super) fn one(plugin: &str, failure: &Failure) -> Self {
        let mut failed = Self::default();
        failed.add(plugin, failure);
        failed
    }

    pub(super) fn add(&mut self, plugin: &str, failure: &Failure) {
        let class = (plugin.to_owned(), failure.class());
        *self.0.entry(class).or_default() += 1;
    }

    /// Adds the failures of detectors, by the names that the rule gives them.
    pub(super) fn add_detectors(&mut self, names: &[String], failures: &[DetectorFailure]) {
        for DetectorFailure { detector, failure } in failures {
            if let Some(name) = names.get(*detector as usize) {
                tracing::warn!(plugin = %name, %failure, "a detector failed; what it should have searched is masked whole");
                self.add(name, failure);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As records have it: `{"plugin": {"class": count}}`.
    pub(super) fn shown(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        for ((plugin, class), count) in &self.0 {
            let classes = shown
                .entry(plugin.as_str())
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(classes) = classes {
                classes.insert((*class).to_owned(), Value::from(*count));
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_plugin_and_class() {
        let mut failed = Failed::one("phi", &Failure::Deadline);
        failed.add("phi", &Failure::Trap("unreachable"));
        let of = |detector| DetectorFailure {
            detector,
            failure: Failure::Deadline,
        };
        failed.add_detectors(&["phi".to_owned()], &[of(0), of(7)]);
        let shown = Value::Object(failed.shown());
        assert_eq!(
            shown,
            serde_json::json!({"phi": {"deadline": 2, "trap": 1}})
        );
    }
}
