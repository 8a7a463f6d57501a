//! Finds record numbers: a prefix in use, a hyphen, seven digits.

use almoner_plugin_sdk::prelude::*;

/// Index of the one kind that [`Plugin::manifest`] emits.
const RECORD_NUMBER: u32 = 0;
/// The gateway masks from 50 on unless a rule says otherwise.
const CONFIDENCE: u8 = 95;

/// What operators set, in the policy's `[plugin.settings]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Prefixes of record numbers in use.
    pub prefixes: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { prefixes: vec!["AB".into(), "ZX".into()] }
    }
}

/// The plugin, configured.
#[derive(Debug)]
pub struct Skeleton {
    settings: Settings,
}

impl Plugin for Skeleton {
    type Settings = Settings;

    fn manifest() -> Manifest {
        Manifest::new("skeleton-name", env!("CARGO_PKG_VERSION"))
            .description("Finds record numbers.")
            .emits(["phi.id.record"])
            .message("misplaced", "a match lies outside its text")
    }

    fn configure(settings: Settings) -> Result<Self, Vec<SettingsError>> {
        let two_letters = |prefix: &str| prefix.len() == 2 && prefix.bytes().all(|b| b.is_ascii_uppercase());
        let wrong = |(at, _): (usize, &String)| SettingsError::new(format!("/prefixes/{at}"), "two capital letters");
        let prefixes = settings.prefixes.iter().enumerate();
        let mistakes: Vec<_> = prefixes.filter(|(_, prefix)| !two_letters(prefix)).map(wrong).collect();
        if mistakes.is_empty() { Ok(Self { settings }) } else { Err(mistakes) }
    }
}

impl Detector for Skeleton {
    /// The gateway looks for the shape, natively, and only cells that have it come to `detect`.
    fn declare(&self) -> Declaration {
        Declaration::patterns([Pattern::candidate(r"(?-u:\b)[A-Z]{2}-[0-9]{7}(?-u:\b)", RECORD_NUMBER)])
    }

    fn detect(&self, _: &CallContext, batch: &Batch) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        for hit in &batch.hits {
            // A failure has every cell of the batch masked. An empty answer would show them.
            let text = batch.text(hit).ok_or_else(|| Failure::UnsupportedInput(Reason::new("misplaced")))?;
            if self.settings.prefixes.iter().any(|prefix| text.starts_with(prefix.as_str())) {
                let Hit { cell, start, end, .. } = *hit;
                findings.push(Finding { cell, start, end, kind: RECORD_NUMBER, confidence: CONFIDENCE });
            }
        }
        Ok(findings)
    }
}

export!(Detector, Skeleton);

#[cfg(test)]
mod tests {
    use almoner_plugin_sdk::emulate::Stand;

    use super::*;

    #[test]
    fn a_record_number_is_found_and_a_part_number_is_not() {
        let plugin = Skeleton::configure(Settings::default()).expect("the settings are right");
        let stand = Stand::new(plugin).expect("the pattern is one");
        let found = stand.find(&["see AB-1234567", "part QQ-1234567"], 50).expect("it answers");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].text.as_str(), found[0].kind.as_str()), ("AB-1234567", "phi.id.record"));
    }

    #[test]
    fn a_match_that_does_not_fit_its_text_is_a_failure() {
        let plugin = Skeleton::configure(Settings::default()).expect("the settings are right");
        let batch = Batch {
            cells: vec!["short".into()],
            hits: vec![Hit { cell: 0, start: 2, end: 40, pattern: 0 }],
            ..Batch::default()
        };
        assert!(plugin.detect(&CallContext::default(), &batch).is_err());
    }
}
