//! A caller's standing: the generation in force with the rule that applies to them. What a protocol may
//! know of the policy, and all it may know.

use std::sync::Arc;

use almoner_sandbox::DetectorSession;

use super::treatment::Pseudonyms;
use crate::config::policy::{ColumnTag, FieldTag, Glob};
use crate::plugins::{Generation, RuleRuntime};

/// The generation and rule that apply to one exchange.
#[derive(Clone)]
pub struct Standing {
    pub(super) generation: Arc<Generation>,
    pub(super) rule: usize,
    pub(super) pseudonyms: Arc<Pseudonyms>,
    pub(super) this_year: i32,
}

impl Standing {
    /// The generation's number.
    pub fn generation(&self) -> u64 {
        self.generation.number
    }

    /// What the policy says of columns.
    pub fn columns(&self) -> &[ColumnTag] {
        &self.generation.set.columns
    }

    /// What the policy says of fields of documents.
    pub fn fields(&self) -> &[FieldTag] {
        &self.generation.set.fields
    }

    /// Media types of replies that pass unmasked, because the rule says so.
    pub fn unmasked_types(&self) -> &[String] {
        &self.runtime().rule.unmasked_types
    }

    /// Functions outside the server's own that are known to be harmless reads.
    pub fn known_functions(&self) -> &[Glob] {
        &self.runtime().rule.known_functions
    }

    /// The keys with which a protocol makes typed pseudonyms.
    pub fn pseudonyms(&self) -> &Pseudonyms {
        &self.pseudonyms
    }

    /// The year, for treatments of dates.
    pub fn this_year(&self) -> i32 {
        self.this_year
    }

    pub(super) fn runtime(&self) -> &RuleRuntime {
        self.generation.rule(self.rule)
    }
}

/// A session's own warm detectors, made anew for each generation and never shared.
#[derive(Default)]
pub struct Searcher(Option<(u64, DetectorSession)>);

impl Searcher {
    pub(super) fn for_standing(&mut self, standing: &Standing) -> Option<&mut DetectorSession> {
        let generation = standing.generation();
        if self
            .0
            .as_ref()
            .is_none_or(|(made_for, _)| *made_for != generation)
        {
            self.0 = standing
                .runtime()
                .detectors
                .as_ref()
                .map(|detectors| (generation, detectors.session()));
        }
        self.0.as_mut().map(|(_, detectors)| detectors)
    }
}
