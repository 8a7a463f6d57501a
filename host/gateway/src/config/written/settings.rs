//! A plugin's settings: any TOML table, handed to the plugin as JSON. What may stand in it is the
//! plugin's business (`settings-schema` in the plugin contract), checked when the generation is built.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The table, as a JSON object. Dates and times become strings.
#[derive(Clone, Debug, Default)]
pub struct Settings(pub Map<String, Value>);

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = toml::Table::deserialize(deserializer)?;
        object(table).map(Self).map_err(D::Error::custom)
    }
}

fn object(table: toml::Table) -> Result<Map<String, Value>, String> {
    table
        .into_iter()
        .map(|(key, value)| Ok((key.clone(), json(&key, value)?)))
        .collect()
}

fn json(key: &str, value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => serde_json::Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| format!("\"{key}\" is {number}, which settings cannot carry"))?,
        toml::Value::Boolean(yes) => Value::Bool(yes),
        toml::Value::Datetime(when) => Value::String(when.to_string()),
        toml::Value::Array(items) => items
            .into_iter()
            .map(|item| json(key, item))
            .collect::<Result<_, _>>()?,
        toml::Value::Table(table) => Value::Object(object(table)?),
    })
}

impl JsonSchema for Settings {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Settings".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    #[test]
    fn settings_keep_their_types_and_dates_become_strings() {
        let text = "rows = 100\nratio = 0.5\nsince = 2024-01-31\nnames = [\"a\", \"b\"]\n[deep]\nyes = true\n";
        let settings: Settings = toml::from_str(text).unwrap();
        let expected = serde_json::json!({
            "rows": 100, "ratio": 0.5, "since": "2024-01-31", "names": ["a", "b"], "deep": {"yes": true}
        });
        assert_eq!(Value::Object(settings.0), expected);
    }

    #[test]
    fn a_number_that_json_cannot_carry_is_refused() {
        let refused = toml::from_str::<Settings>("ratio = inf").unwrap_err();
        assert!(refused.message().contains("\"ratio\" is inf"), "{refused}");
    }
}
