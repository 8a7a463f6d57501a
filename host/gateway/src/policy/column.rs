//! Decides, per column of a response, what happens to its cells. Protocols say what they know of a column
//! ([`ColumnFacts`]); tags, treatments and the detectors' reading of names decide ([`Masking`]).
//! Where it is unsure it masks; nothing here sees a cell.

use std::sync::Arc;

use almoner_sandbox::Field;

use super::failed::DetectorCalls;
use super::known::Known;
use super::mask::Part;
use super::standing::Standing;
use crate::config::policy::{ColumnTag, Rule, Treatment, TreatmentChoice};

/// Kind of a cell whose origin cannot be proven.
pub(super) const UNPROVEN: &str = "phi.unproven";
/// Kind of a cell of bytes nobody can search.
const BINARY: &str = "phi.binary";

/// What a protocol knows of a column of a response.
#[derive(Clone, Debug)]
pub struct ColumnFacts {
    /// Container, path, type, as detectors see it.
    pub field: Field,
    /// Where its values come from.
    pub provenance: Provenance,
    /// Whether its cells can be searched as text.
    pub text: bool,
    /// Bytes that no detector reads (images, `bytea`).
    pub binary: bool,
    /// What the type alone says it is (`inet`: `phi.ip`).
    pub kind_of_type: Option<&'static str>,
}

/// Where a column's values come from, as far as proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// A column the policy tags.
    Tagged {
        /// Its kind.
        kind: Arc<str>,
        /// The tag's own treatment.
        treatment: Option<Treatment>,
    },
    /// A known column that no tag names.
    Proven,
    /// Computed without showing a value: counts, constants, plans.
    Harmless,
    /// It may hold anything of a sensitive relation.
    Unproven,
}

/// What happens to the cells of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Shown.
    Keep,
    /// Every value treated as of this kind.
    Treat {
        /// The kind, for tags and counts.
        kind: Arc<str>,
        /// What is done.
        treatment: Treatment,
    },
    /// Searched, findings treated.
    Detect,
}

/// A column's decision with the field that detectors see.
#[derive(Clone, Debug)]
pub struct ColumnMask {
    /// Index into [`Masking::fields`] of columns that are searched.
    pub field: u32,
    /// What happens.
    pub decision: Decision,
}

/// What happens to each column of one result, under one generation, for one caller.
#[derive(Clone, Debug)]
pub struct Masking {
    /// Per column.
    pub columns: Vec<ColumnMask>,
    /// Per column, for the detectors.
    pub fields: Arc<[Field]>,
    /// The generation it was decided under.
    pub generation: u64,
    /// Least confidence of a finding that counts.
    pub confidence_min: u8,
    pub(super) treatments: Treatments,
    /// What treated cells of the reply hold, to be found again in its text.
    pub(super) known: Option<Arc<Known>>,
}

impl Masking {
    /// The same for a reply that is there as a whole, so that values of its treated cells are masked in its
    /// text too, wherever they stand.
    #[must_use]
    pub fn knowing<P: Part>(mut self, reply: &[P]) -> Self {
        self.known = Some(Arc::new(Known::gather(&self, reply)));
        self
    }

    /// Of what has no columns. A cell in it would be one that no description covers.
    fn of_nothing(standing: &Standing) -> Self {
        Self {
            columns: Vec::new(),
            fields: Arc::default(),
            generation: standing.generation(),
            confidence_min: standing.runtime().rule.confidence_min,
            treatments: Treatments(Arc::default()),
            known: None,
        }
    }
}

/// Which treatment a kind gets, for the groups of one caller.
#[derive(Clone, Debug)]
pub(super) struct Treatments(Arc<[(TreatmentChoice, bool)]>);

impl Treatments {
    pub(super) fn new(choices: &[TreatmentChoice], groups: &[String]) -> Self {
        let for_caller = |choice: &TreatmentChoice| {
            choice.groups.is_empty()
                || choice
                    .groups
                    .iter()
                    .any(|glob| groups.iter().any(|group| glob.matches(group)))
        };
        Self(
            choices
                .iter()
                .map(|choice| (choice.clone(), for_caller(choice)))
                .collect(),
        )
    }

    pub(super) fn of(&self, kind: &str) -> Treatment {
        self.0
            .iter()
            .find(|(choice, applies)| *applies && choice.kind.matches(kind))
            .map_or_else(|| default_treatment(kind), |(choice, _)| choice.treatment)
    }
}

/// What Safe Harbor keeps of a kind where no treatment is chosen.
fn default_treatment(kind: &str) -> Treatment {
    let is = |name: &str| {
        kind.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if is("phi.date") {
        Treatment::Year
    } else if is("phi.zip") {
        Treatment::Zip3
    } else if is(BINARY) {
        Treatment::Null
    } else {
        Treatment::Redact
    }
}

/// Decides all columns of a result. `classify` of the rule's detectors is asked about the columns whose
/// names may tell something; a detector that fails has its columns masked.
pub(super) async fn decide(
    standing: &Standing,
    groups: &[String],
    resource: &str,
    protocol: &str,
    facts: &[ColumnFacts],
) -> (Masking, DetectorCalls) {
    let mut calls = DetectorCalls::default();
    if facts.is_empty() {
        return (Masking::of_nothing(standing), calls);
    }
    let treatments = Treatments::new(&standing.generation.set.treatments, groups);
    let fields: Arc<[Field]> = facts.iter().map(|column| column.field.clone()).collect();
    let runtime = standing.runtime();
    let mut named: Vec<Option<Arc<str>>> = vec![None; facts.len()];
    let searches = runtime.rule.detect
        && facts
            .iter()
            .any(|column| column.provenance == Provenance::Proven);
    if searches && let Some(detectors) = &runtime.detectors {
        let said = runtime
            .named
            .classify(detectors, resource, protocol, &fields)
            .await;
        calls = DetectorCalls {
            calls: said.calls,
            failures: said.failures,
        };
        for finding in said.findings.iter() {
            if finding.confidence >= runtime.rule.confidence_min
                && let Some(slot) = named.get_mut(finding.field as usize)
            {
                slot.get_or_insert_with(|| Arc::clone(&finding.kind));
            }
        }
    }
    let columns = facts
        .iter()
        .zip(named)
        .enumerate()
        .map(|(index, (column, named))| ColumnMask {
            field: u32::try_from(index).unwrap_or(u32::MAX),
            decision: decide_one(&runtime.rule, &treatments, column, named),
        })
        .collect();
    let masking = Masking {
        columns,
        fields,
        generation: standing.generation(),
        confidence_min: runtime.rule.confidence_min,
        treatments,
        known: None,
    };
    (masking, calls)
}

fn decide_one(
    rule: &Rule,
    treatments: &Treatments,
    column: &ColumnFacts,
    named: Option<Arc<str>>,
) -> Decision {
    let treat = |kind: Arc<str>, treatment: Treatment| match treatment {
        Treatment::Keep => Decision::Keep,
        treatment => Decision::Treat { kind, treatment },
    };
    let search = |text: bool| {
        if text && rule.detect {
            Decision::Detect
        } else {
            Decision::Keep
        }
    };
    match &column.provenance {
        Provenance::Tagged { kind, treatment } => treat(
            Arc::clone(kind),
            treatment.unwrap_or_else(|| treatments.of(kind)),
        ),
        Provenance::Unproven => treat(UNPROVEN.into(), rule.unproven),
        Provenance::Harmless => search(column.text),
        Provenance::Proven => {
            if let Some(kind) = named.or(column.kind_of_type.map(Into::into)) {
                let treatment = treatments.of(&kind);
                treat(kind, treatment)
            } else if column.binary {
                treat(BINARY.into(), treatments.of(BINARY))
            } else {
                search(column.text)
            }
        }
    }
}

/// The tag of a column, if the policy gives it one: the first that fits.
pub fn tag_of<'a>(
    tags: &'a [ColumnTag],
    resource: &str,
    schema: &str,
    relation: &str,
    column: &str,
) -> Option<&'a ColumnTag> {
    tags.iter().find(|tag| {
        tag.resource.matches(resource)
            && tag.schema.matches(schema)
            && tag.relation.matches(relation)
            && tag.column.matches(column)
    })
}
