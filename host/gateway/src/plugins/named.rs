//! What a rule's detectors say of fields by their names, kept for as long as the generation lives.
//!
//! Every session asks the same of the same columns, and a detector's first answer takes a new instance. Names
//! and types are all that detectors are shown here, and they have no clock and no memory, so one answer does
//! for everybody. What is kept holds nothing of any row; a failure is never kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use almoner_sandbox::{DetectorFailure, DetectorSet, Field, FieldFinding};

/// Results whose answers are kept; when there are more, it begins anew. An application has some hundred.
const RESULTS_MAX: usize = 1_024;
/// Fields of a result whose answer is kept: wider ones are rare, and would let callers fill the memory.
const FIELDS_MAX: usize = 64;

/// Answers by resource, protocol and fields.
#[derive(Default)]
pub struct NamedFields {
    known: Mutex<HashMap<Key, Arc<[FieldFinding]>>>,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    resource: String,
    protocol: String,
    fields: Arc<[Field]>,
}

/// What was found, and the calls that it took: none where the answer was kept.
pub struct Named {
    /// The findings of all detectors.
    pub findings: Arc<[FieldFinding]>,
    /// Detectors that were called, by their index in the rule, and how long each took.
    pub calls: Vec<(u32, Duration)>,
    /// Those that failed; what they should have read is among the findings.
    pub failures: Vec<DetectorFailure>,
}

impl NamedFields {
    /// What the detectors find in these names, asked once.
    pub async fn classify(
        &self,
        detectors: &DetectorSet,
        resource: &str,
        protocol: &str,
        fields: &Arc<[Field]>,
    ) -> Named {
        let key = Key {
            resource: resource.to_owned(),
            protocol: protocol.to_owned(),
            fields: Arc::clone(fields),
        };
        if let Some(known) = self.lock().get(&key) {
            return Named {
                findings: Arc::clone(known),
                calls: Vec::new(),
                failures: Vec::new(),
            };
        }
        let outcome = detectors.classify(resource, protocol, fields).await;
        let findings: Arc<[FieldFinding]> = outcome.findings.into();
        if outcome.failures.is_empty() && fields.len() <= FIELDS_MAX {
            let mut known = self.lock();
            if known.len() >= RESULTS_MAX {
                known.clear();
            }
            known.insert(key, Arc::clone(&findings));
        }
        Named {
            findings,
            calls: outcome.calls,
            failures: outcome.failures,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<[FieldFinding]>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
