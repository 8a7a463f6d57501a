//! Asks for approval when many rows leave, and at once for what cannot be judged.

use almoner_plugin_sdk::prelude::*;

/// What operators set, in the policy's `[plugin.settings]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Rows that may leave without approval.
    pub rows: u64,
    /// Who approves, besides those that the rule asks for.
    pub group: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rows: 100, group: "managers".into() }
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
            .description("Asks for approval when many rows leave.")
            .message("rows", "the response has reached {rows} rows")
            .message("unreadable", "the statement cannot be judged")
    }

    fn configure(settings: Settings) -> Result<Self, Vec<SettingsError>> {
        let mut mistakes = Vec::new();
        if settings.rows == 0 {
            mistakes.push(SettingsError::new("/rows", "at least 1: deny with a guard instead"));
        }
        if settings.group.is_empty() {
            mistakes.push(SettingsError::new("/group", "a group has a name"));
        }
        if mistakes.is_empty() { Ok(Self { settings }) } else { Err(mistakes) }
    }
}

impl Skeleton {
    fn needed(&self, reason: Reason) -> Answer {
        Answer::needed(Assessment::new(50, reason).approved_by(&self.settings.group, 1))
    }
}

impl Approval for Skeleton {
    fn assess(&self, _: &CallContext, op: &Operation, rows_so_far: u64) -> Result<Answer, Failure> {
        // What cannot be read may be anything: people look at it first. Never let pass what you could not judge.
        let readable = facts::sql(op).is_ok_and(|statement| statement.opaque_reasons.is_empty());
        if !readable {
            return Ok(self.needed(Reason::new("unreadable")));
        }
        if rows_so_far < self.settings.rows {
            return Ok(Answer::not_needed().recheck_at(self.settings.rows));
        }
        Ok(self.needed(Reason::new("rows").arg("rows", rows_so_far.to_string())))
    }
}

export!(Approval, Skeleton);

#[cfg(test)]
mod tests {
    use super::*;

    /// What the gateway says about `SELECT * FROM wards`.
    fn select() -> Operation {
        let facts = r#"{"kind": "select", "verb": "SELECT", "functions": [], "has_where": null, "read_only": true,
            "relations": [{"schema": null, "name": "wards", "access": "read"}], "unfiltered_writes": [],
            "columns": {"read": [], "predicate": [], "written": []}, "limit": {"kind": "none"}, "outputs": ["star"],
            "returns_rows": true, "locking": false, "opaque_reasons": [], "session_effects": [], "copy": null}"#;
        Operation {
            facts_schema: facts::SQL_SCHEMA.into(),
            facts: facts.into(),
            ..Operation::default()
        }
    }

    fn answer(op: &Operation, rows_so_far: u64) -> Answer {
        let plugin = Skeleton::configure(Settings::default()).expect("the settings are right");
        plugin.assess(&CallContext::default(), op, rows_so_far).expect("it judges")
    }

    #[test]
    fn the_hundredth_row_needs_approval_and_none_before() {
        assert_eq!(answer(&select(), 0), Answer::not_needed().recheck_at(100));
        let need = answer(&select(), 100).need.expect("approval is needed");
        assert_eq!((need.reasons[0].code.as_str(), need.all_of[0].group.as_str()), ("rows", "managers"));
    }

    #[test]
    fn what_cannot_be_read_needs_approval_at_once() {
        let malformed = Operation { facts: "{}".into(), ..select() };
        for op in [Operation::default(), malformed] {
            let need = answer(&op, 0).need.expect("approval is needed");
            assert_eq!(need.reasons[0].code, "unreadable");
        }
    }
}
