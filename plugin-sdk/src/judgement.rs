//! For plugins whose settings say what is allowed, held and denied: the words of such settings, and the
//! strictest of many answers. The same words mean the same in every plugin's settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Assessment, Reason, Requirement, SettingsError, Verdict};

/// Reasons that one answer carries at most; the gateway takes sixteen.
const REASONS_MAX: usize = 8;
/// Highest risk.
const RISK_MAX: u8 = 100;

/// What happens, from mild to strict.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It may run.
    Allow,
    /// It may run once approved.
    Hold,
    /// It may not run.
    #[default]
    Deny,
}

/// So many members of a group.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approvers {
    /// The group.
    pub group: String,
    /// How many of it.
    #[serde(default = "one")]
    pub count: u8,
}

fn one() -> u8 {
    1
}

impl Approvers {
    /// As the gateway is told of them.
    pub fn requirements(all: &[Self]) -> Vec<Requirement> {
        let requirement = |one: &Self| Requirement {
            group: one.group.clone(),
            count: one.count,
        };
        all.iter().map(requirement).collect()
    }

    /// What has the right shape but cannot be meant. `at`: the JSON pointer of the list.
    pub fn mistakes(all: &[Self], at: &str) -> Vec<SettingsError> {
        let mut mistakes = Vec::new();
        for (index, approvers) in all.iter().enumerate() {
            if approvers.group.is_empty() {
                let at = format!("{at}/{index}/group");
                mistakes.push(SettingsError::new(at, "name a group"));
            }
            if approvers.count == 0 {
                let at = format!("{at}/{index}/count");
                mistakes.push(SettingsError::new(at, "at least one must approve"));
            }
        }
        mistakes
    }
}

/// What approval takes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HoldSettings {
    /// Every one of these groups must approve; empty leaves it to the rule.
    pub all_of: Vec<Approvers>,
    /// How long a request stands, in seconds; 0 leaves it to the rule.
    pub ttl_seconds: u32,
    /// 0 to 100, shown to approvers.
    pub risk: u8,
}

impl Default for HoldSettings {
    fn default() -> Self {
        Self {
            all_of: Vec::new(),
            ttl_seconds: 0,
            risk: 50,
        }
    }
}

impl HoldSettings {
    /// What has the right shape but cannot be meant. `at`: the JSON pointer of these settings.
    pub fn mistakes(&self, at: &str) -> Vec<SettingsError> {
        let mut mistakes = Vec::new();
        if self.risk > RISK_MAX {
            mistakes.push(SettingsError::new(format!("{at}/risk"), "risk is 0 to 100"));
        }
        mistakes.extend(Approvers::mistakes(&self.all_of, &format!("{at}/all_of")));
        mistakes
    }
}

/// The strictest answer so far and the reasons for it.
///
/// ```
/// use almoner_plugin_sdk::{Reason, Verdict, judgement::{Action, HoldSettings, Judgement}};
/// let mut judgement = Judgement::default();
/// judgement.add(Action::Allow, || Reason::new("read"));
/// judgement.add(Action::Hold, || Reason::new("export"));
/// assert!(matches!(judgement.verdict(&HoldSettings::default()), Verdict::Hold(_)));
/// ```
#[derive(Debug, Default)]
pub struct Judgement {
    deny: Vec<Reason>,
    hold: Vec<Reason>,
}

impl Judgement {
    /// One more answer, with its reason unless it allows.
    pub fn add(&mut self, action: Action, reason: impl FnOnce() -> Reason) {
        let reasons = match action {
            Action::Allow => return,
            Action::Hold => &mut self.hold,
            Action::Deny => &mut self.deny,
        };
        if reasons.len() < REASONS_MAX {
            reasons.push(reason());
        }
    }

    /// The first reason to deny; else all that there are to hold, under `hold`; else it is allowed.
    pub fn verdict(self, hold: &HoldSettings) -> Verdict {
        if let Some(reason) = self.deny.into_iter().next() {
            return Verdict::Deny(reason);
        }
        if self.hold.is_empty() {
            return Verdict::Allow;
        }
        Verdict::Hold(Assessment {
            risk: hold.risk,
            reasons: self.hold,
            all_of: Approvers::requirements(&hold.all_of),
            ttl_seconds: hold.ttl_seconds,
            max_rows: None,
        })
    }
}
