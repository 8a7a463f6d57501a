//! Closes tables: a statement that touches one is denied, and so is one that cannot be judged.

use almoner_plugin_sdk::prelude::*;

/// What operators set, in the policy's `[plugin.settings]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Tables that nobody may touch, without their schema.
    pub closed_tables: Vec<String>,
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
            .description("Closes tables.")
            .message("closed", "{table} is closed")
            .message("unreadable", "the statement cannot be judged")
    }

    fn configure(settings: Settings) -> Result<Self, Vec<SettingsError>> {
        let unnamed = |(at, _): (usize, &String)| {
            SettingsError::new(format!("/closed_tables/{at}"), "a table has a name")
        };
        let tables = settings.closed_tables.iter().enumerate();
        let mistakes: Vec<_> = tables.filter(|(_, table)| table.is_empty()).map(unnamed).collect();
        if mistakes.is_empty() { Ok(Self { settings }) } else { Err(mistakes) }
    }
}

impl Guard for Skeleton {
    fn inspect(&self, _: &CallContext, op: &Operation) -> Result<Verdict, Failure> {
        // What cannot be read may touch anything. Never allow what you could not judge.
        let unreadable = Verdict::Deny(Reason::new("unreadable"));
        let Ok(statement) = facts::sql(op) else {
            return Ok(unreadable);
        };
        if !statement.opaque_reasons.is_empty() {
            return Ok(unreadable);
        }
        let closed = |relation: &&facts::Relation| self.settings.closed_tables.contains(&relation.name);
        Ok(match statement.relations.iter().find(closed) {
            Some(relation) => Verdict::Deny(Reason::new("closed").arg("table", &relation.name)),
            None => Verdict::Allow,
        })
    }
}

export!(Guard, Skeleton);

#[cfg(test)]
mod tests {
    use super::*;

    /// What the gateway says about `SELECT * FROM table`.
    fn select_from(table: &str) -> Operation {
        let facts = r#"{"kind": "select", "verb": "SELECT", "functions": [], "has_where": null, "read_only": true,
            "relations": [{"schema": null, "name": "TABLE", "access": "read"}], "unfiltered_writes": [],
            "columns": {"read": [], "predicate": [], "written": []}, "limit": {"kind": "none"}, "outputs": ["star"],
            "returns_rows": true, "locking": false, "opaque_reasons": [], "session_effects": [], "copy": null}"#;
        Operation {
            facts_schema: facts::SQL_SCHEMA.into(),
            facts: facts.replace("TABLE", table),
            ..Operation::default()
        }
    }

    fn verdict(op: &Operation) -> Verdict {
        let settings = Settings { closed_tables: vec!["payroll".into()] };
        let plugin = Skeleton::configure(settings).expect("the settings are right");
        plugin.inspect(&CallContext::default(), op).expect("it judges")
    }

    #[test]
    fn a_closed_table_is_denied_and_another_is_not() {
        assert!(matches!(verdict(&select_from("payroll")), Verdict::Deny(reason) if reason.code == "closed"));
        assert_eq!(verdict(&select_from("wards")), Verdict::Allow);
    }

    #[test]
    fn what_cannot_be_read_is_denied() {
        let malformed = Operation { facts: "{}".into(), ..select_from("wards") };
        for op in [Operation::default(), malformed] {
            assert!(matches!(verdict(&op), Verdict::Deny(reason) if reason.code == "unreadable"));
        }
    }
}
