//! What operators can set, and what holds when they set nothing.

use almoner_plugin_sdk::SettingsError;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Kind;

/// Settings of the PHI detector.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How far doubt goes.
    pub profile: Profile,
    /// Findings below this confidence (1 to 100) are not reported. Unset, the profile decides: balanced 50, strict 30.
    pub threshold: Option<u8>,
    /// Only these kinds, such as `phi.ssn`; empty for all but those that `off` names.
    pub only: Vec<String>,
    /// Not these kinds.
    pub off: Vec<String>,
    /// Words that are never names here: local terms, products, wards. In any case.
    pub allow: Vec<String>,
    /// Report fields whose names say that they hold notes as `phi.note`, so that all of their text is treated. Unset,
    /// notes are read like any text and only what identifies somebody is found in them.
    pub whole_notes: bool,
}

/// How far doubt goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// What is likely an identifier. Notes stay readable.
    #[default]
    Balanced,
    /// Also what may be one: every capitalised word that no list knows to be harmless, names in lower case, relative
    /// dates, opaque tokens. Expect clinical words to be masked too.
    Strict,
}

/// A confidence that separates likely from possible.
const BALANCED_THRESHOLD: u8 = 50;
const STRICT_THRESHOLD: u8 = 30;

impl Settings {
    /// Findings below this are dropped.
    pub fn threshold(&self) -> u8 {
        self.threshold.unwrap_or(match self.profile {
            Profile::Balanced => BALANCED_THRESHOLD,
            Profile::Strict => STRICT_THRESHOLD,
        })
    }

    /// Whether findings of this kind are reported.
    pub fn reports(&self, kind: Kind) -> bool {
        let named = |list: &[String]| list.iter().any(|name| covers(name, kind));
        (self.only.is_empty() || named(&self.only)) && !named(&self.off)
    }

    /// What has the right shape but cannot be meant.
    pub(crate) fn mistakes(&self) -> Vec<SettingsError> {
        let mut mistakes = Vec::new();
        if self.threshold.is_some_and(|t| t == 0 || t > 100) {
            mistakes.push(SettingsError::new("/threshold", "between 1 and 100"));
        }
        for (list, names) in [("only", &self.only), ("off", &self.off)] {
            for (index, name) in names.iter().enumerate() {
                if !Kind::ALL.iter().any(|kind| covers(name, *kind)) {
                    let message = "no kind of this detector; its manifest lists them";
                    mistakes.push(SettingsError::new(format!("/{list}/{index}"), message));
                }
            }
        }
        mistakes
    }
}

/// `phi.date` covers `phi.date.birth` as well.
fn covers(name: &str, kind: Kind) -> bool {
    kind.name()
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_covers_those_below_it() {
        let off = Settings {
            off: vec!["phi.date".into()],
            ..Settings::default()
        };
        assert!(!off.reports(Kind::Date) && !off.reports(Kind::BirthDate));
        assert!(off.reports(Kind::Device));
        let only = Settings {
            only: vec!["phi.ssn".into()],
            ..Settings::default()
        };
        assert!(only.reports(Kind::Ssn) && !only.reports(Kind::Name));
    }

    #[test]
    fn a_kind_that_does_not_exist_is_a_mistake() {
        let settings = Settings {
            off: vec!["phi.snn".into()],
            ..Settings::default()
        };
        assert_eq!(settings.mistakes().len(), 1);
    }
}
