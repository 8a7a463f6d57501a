//! What golden vectors expect, and how an answer differs from it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::input::Answered;
use crate::configured::SettingsErrors;
use crate::detectors::{FieldOutcome, Outcome};
use crate::failure::Failure;
use crate::types::{Answer, Assessment, Finding, Reason, Verdict};

/// A finding that nobody expected fails a case from this confidence on, the one from which rules mask
/// where they do not say otherwise: a detector may report its doubts.
const UNEXPECTED_CONFIDENCE_MIN: u8 = 50;

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Expect {
    Verdict(ExpectVerdict),
    Failure(ExpectFailure),
    Findings(ExpectFindings),
    Fields(ExpectFields),
    Values(ExpectValues),
    SettingsErrors(ExpectSettingsErrors),
    // Last: everything else has a member that it cannot have.
    Need(ExpectNeed),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectVerdict {
    verdict: String,
    code: Option<String>,
    text: Option<String>,
    need: Option<Need>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectFailure {
    failure: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectFindings {
    findings: Vec<ExpectFinding>,
    #[serde(default)]
    others: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectFinding {
    cell: u32,
    text: String,
    kind: String,
    #[serde(default)]
    confidence_min: u8,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectFields {
    fields: Vec<ExpectField>,
    #[serde(default)]
    others: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectField {
    field: u32,
    kind: String,
    #[serde(default)]
    confidence_min: u8,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectValues {
    values: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectSettingsErrors {
    settings_errors: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectNeed {
    // Not defaulted: `{}` expects nothing and is a mistake.
    #[serde(deserialize_with = "Option::deserialize")]
    need: Option<Need>,
    recheck_at_rows: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Need {
    codes: Option<Vec<String>>,
    groups: Option<BTreeMap<String, u8>>,
    risk_min: Option<u8>,
    max_rows: Option<u64>,
    ttl_seconds: Option<u32>,
}

impl Expect {
    /// `None`: as expected.
    pub(super) fn mismatch(&self, answer: Option<Answered>) -> Option<String> {
        match (self, answer) {
            (Self::SettingsErrors(_), _) => {
                Some("the settings were expected to be refused and are accepted".into())
            }
            (_, None) => Some("the case asks nothing that a plugin of this kind answers".into()),
            (_, Some(Answered::Patterns(error))) => Some(error.to_string()),
            (Self::Verdict(expect), Some(Answered::Verdict(Ok(verdict)))) => {
                expect.mismatch(&verdict)
            }
            (Self::Need(expect), Some(Answered::Answer(Ok(answer)))) => expect.mismatch(&answer),
            (Self::Findings(expect), Some(Answered::Findings(outcome, cells)))
                if outcome.failures.is_empty() =>
            {
                expect.mismatch(&outcome, &cells)
            }
            (Self::Fields(expect), Some(Answered::Fields(outcome)))
                if outcome.failures.is_empty() =>
            {
                expect.mismatch(&outcome)
            }
            (Self::Values(expect), Some(Answered::Values(Ok(values)))) => (values != expect.values)
                .then(|| format!("expected {:?}, answered {values:?}", expect.values)),
            (Self::Failure(expect), Some(answer)) => {
                let class = answer
                    .failure()
                    .map_or("an answer", |failure| failure.class());
                (class != expect.failure)
                    .then(|| format!("expected failure {}, got {class}", expect.failure))
            }
            (_, Some(answer)) => Some(match answer.failure() {
                Some(failure) => format!("the plugin failed: {failure}"),
                None => "the expectation does not fit the question".to_owned(),
            }),
        }
    }

    pub(super) fn mismatch_of_settings(&self, errors: &SettingsErrors) -> Option<String> {
        let (Self::SettingsErrors(expect), SettingsErrors::Refused(refused)) = (self, errors)
        else {
            return Some(errors.to_string());
        };
        let pointers: Vec<&str> = refused.iter().map(|error| error.pointer.as_str()).collect();
        (pointers != expect.settings_errors).then(|| {
            format!(
                "expected errors at {:?}, got {pointers:?}",
                expect.settings_errors
            )
        })
    }
}

impl Answered {
    fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Verdict(answer) => answer.as_ref().err(),
            Self::Answer(answer) => answer.as_ref().err(),
            Self::Values(answer) => answer.as_ref().err(),
            Self::Findings(outcome, _) => outcome.failures.first().map(|failed| &failed.failure),
            Self::Fields(outcome) => outcome.failures.first().map(|failed| &failed.failure),
            Self::Patterns(_) => None,
        }
    }
}

impl ExpectVerdict {
    fn mismatch(&self, verdict: &Verdict) -> Option<String> {
        let (name, codes, body) = match verdict {
            Verdict::Allow => ("allow", vec![], None),
            Verdict::Deny(reason) => ("deny", vec![reason], None),
            Verdict::Hold(assessment) => ("hold", assessment.reasons.iter().collect(), None),
            Verdict::Rewrite { body, reason } => ("rewrite", vec![reason], Some(body)),
        };
        let has_code = |code: &String| codes.iter().any(|reason| reason.code == *code);
        if name != self.verdict || !self.code.as_ref().is_none_or(has_code) {
            let codes: Vec<&str> = codes.iter().map(|reason| reason.code.as_str()).collect();
            return Some(format!(
                "expected {} {:?}, answered {name} {codes:?}",
                self.verdict, self.code
            ));
        }
        if self.text.is_some() && self.text.as_ref() != body {
            return Some(format!(
                "expected the text {:?}, answered {body:?}",
                self.text
            ));
        }
        match (&self.need, verdict) {
            (Some(need), Verdict::Hold(assessment)) => need.mismatch(assessment),
            _ => None,
        }
    }
}

impl ExpectNeed {
    fn mismatch(&self, answer: &Answer) -> Option<String> {
        if self.recheck_at_rows.is_some() && self.recheck_at_rows != answer.recheck_at_rows {
            let (expected, answered) = (self.recheck_at_rows, answer.recheck_at_rows);
            return Some(format!(
                "expected to be asked again at {expected:?} rows, answered {answered:?}"
            ));
        }
        match (&self.need, &answer.need) {
            (None, None) => None,
            (Some(expect), Some(need)) => expect.mismatch(need),
            (None, Some(need)) => Some(format!("expected no need, answered {need:?}")),
            (Some(expect), None) => Some(format!("expected {expect:?}, answered no need")),
        }
    }
}

impl Need {
    fn mismatch(&self, need: &Assessment) -> Option<String> {
        let code = |reason: &Reason| reason.code.clone();
        let codes: Vec<String> = need.reasons.iter().map(code).collect();
        let groups: BTreeMap<_, _> = need
            .all_of
            .iter()
            .map(|r| (r.group.clone(), r.count))
            .collect();
        let same = self.codes.as_ref().is_none_or(|expect| *expect == codes)
            && self.groups.as_ref().is_none_or(|expect| *expect == groups)
            && self.risk_min.is_none_or(|least| need.risk >= least)
            && self
                .max_rows
                .is_none_or(|expect| need.max_rows == Some(expect))
            && self
                .ttl_seconds
                .is_none_or(|expect| need.ttl_seconds == expect);
        (!same).then(|| format!("expected {self:?}, answered {need:?}"))
    }
}

impl ExpectFindings {
    fn mismatch(&self, outcome: &Outcome, cells: &[String]) -> Option<String> {
        let text = |finding: &Finding| {
            let cell = cells
                .get(finding.cell as usize)
                .map(String::as_str)
                .unwrap_or_default();
            cell.get(finding.start as usize..finding.end as usize)
                .unwrap_or_default()
                .to_owned()
        };
        let fits = |expect: &ExpectFinding, found: &Finding| {
            expect.cell == found.cell
                && *expect.kind == *found.kind
                && found.confidence >= expect.confidence_min
                && expect.text == text(found)
        };
        let found = &outcome.findings;
        if let Some(missing) = self
            .findings
            .iter()
            .find(|expect| !found.iter().any(|f| fits(expect, f)))
        {
            let all: Vec<_> = found
                .iter()
                .map(|f| (f.cell, text(f), &f.kind, f.confidence))
                .collect();
            return Some(format!("expected {missing:?}, found {all:?}"));
        }
        let expected = |found: &Finding| self.findings.iter().any(|expect| fits(expect, found));
        let within = |inner: &Finding| {
            let holds = |outer: &&Finding| {
                outer.cell == inner.cell && outer.start <= inner.start && inner.end <= outer.end
            };
            found.iter().filter(holds).any(expected)
        };
        let other = found
            .iter()
            .filter(|found| found.confidence >= UNEXPECTED_CONFIDENCE_MIN)
            .find(|found| !self.others && !expected(found) && !within(found))?;
        Some(format!(
            "found {:?} of kind {} in cell {}, which is not expected",
            text(other),
            other.kind,
            other.cell
        ))
    }
}

impl ExpectFields {
    fn mismatch(&self, outcome: &FieldOutcome) -> Option<String> {
        let found = |expect: &ExpectField| {
            let fits = |field: u32, kind: &str| field == expect.field && *kind == expect.kind;
            outcome
                .findings
                .iter()
                .any(|f| fits(f.field, &f.kind) && f.confidence >= expect.confidence_min)
        };
        if let Some(missing) = self.fields.iter().find(|expect| !found(expect)) {
            return Some(format!(
                "expected {missing:?}, found {:?}",
                outcome.findings
            ));
        }
        let fits = |field, kind: &str| {
            self.fields
                .iter()
                .any(|e| e.field == field && e.kind == kind)
        };
        let other = outcome
            .findings
            .iter()
            .find(|f| !self.others && !fits(f.field, &f.kind))?;
        Some(format!(
            "field {} is found to be {}, which is not expected",
            other.field, other.kind
        ))
    }
}
