//! From the JSON that an operator wrote to a plugin's settings, with the place of every mistake.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_path_to_error::{Path, Segment};

/// A mistake in the settings and where it is. The message names settings, never data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsError {
    /// JSON pointer (RFC 6901) of the setting; empty for the whole.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl SettingsError {
    /// A mistake at `pointer`.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            message: message.into(),
        }
    }
}

/// For plugins that have nothing to set. Any setting is then a mistake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// Reads settings. Empty text and `null` stand for the defaults.
///
/// # Errors
/// The first mistake, with the pointer of the setting it is in.
///
/// ```
/// use almoner_plugin_sdk::{parse_settings, prelude::*};
/// #[derive(Debug, Default, Deserialize, JsonSchema)]
/// #[serde(default, deny_unknown_fields)]
/// struct Settings { tables: Vec<String> }
///
/// let wrong = parse_settings::<Settings>(r#"{"tables": ["a", 2]}"#).unwrap_err();
/// assert_eq!(wrong[0].pointer, "/tables/1");
/// ```
pub fn parse_settings<T: DeserializeOwned + Default>(json: &str) -> Result<T, Vec<SettingsError>> {
    if json.trim().is_empty() || json.trim() == "null" {
        return Ok(T::default());
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    let settings = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        vec![SettingsError::new(pointer, error.into_inner().to_string())]
    })?;
    reader
        .end()
        .map_err(|error| vec![SettingsError::new("", error.to_string())])?;
    Ok(settings)
}

/// The JSON Schema (2020-12) of settings, as text.
pub fn settings_schema<T: JsonSchema>() -> String {
    let schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<T>();
    schema.as_value().to_string()
}

/// `tables[1].name` as `/tables/1/name`, with `~` and `/` escaped.
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            // The variant's name is not part of the document's path; an unknown segment ends what can be said.
            Segment::Enum { .. } => {}
            Segment::Unknown => break,
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Default, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Settings {
        limits: BTreeMap<String, u32>,
    }

    #[test]
    fn a_mistake_is_reported_where_it_is() {
        let wrong = parse_settings::<Settings>(r#"{"limits": {"a/b": "many"}}"#).unwrap_err();
        assert_eq!(wrong[0].pointer, "/limits/a~1b");
        let wrong = parse_settings::<Settings>(r#"{"limit": {}}"#).unwrap_err();
        assert!(wrong[0].message.contains("unknown field `limit`"));
    }

    #[test]
    fn trailing_text_is_a_mistake() {
        assert!(parse_settings::<Settings>("{} {}").is_err());
    }

    #[test]
    fn nothing_written_means_the_defaults() {
        assert!(parse_settings::<Settings>("").unwrap().limits.is_empty());
        assert!(
            parse_settings::<Settings>(" null ")
                .unwrap()
                .limits
                .is_empty()
        );
        assert!(parse_settings::<NoSettings>(r#"{"a": 1}"#).is_err());
    }

    #[test]
    fn the_schema_closes_the_object() {
        let schema: serde_json::Value =
            serde_json::from_str(&settings_schema::<Settings>()).unwrap();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
    }
}
