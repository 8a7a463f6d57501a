//! The published JSON Schemas of both documents, made from the types as written, so that editors can
//! complete and check them. A test keeps `docs/schemas/` equal to what this makes.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use super::written::{gateway, policy};

/// Schema of `almoner.toml`.
pub fn config() -> Value {
    schema::<gateway::Config>("Almoner configuration")
}

/// Schema of a policy file.
pub fn policy() -> Value {
    schema::<policy::PolicyFile>("Almoner policy file")
}

fn schema<T: JsonSchema>(title: &str) -> Value {
    let settings = SchemaSettings::draft2020_12();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    let mut schema = schema.to_value();
    without_null(&mut schema);
    schema
}

/// TOML has no null: what may be left out is optional, not nullable.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|one| one != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    object.insert("type".to_owned(), one);
                }
            }
            if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|one| one != "null"));
                if let [Value::Object(one)] = choices.as_slice() {
                    let one = one.clone();
                    object.remove("anyOf");
                    object.extend(one);
                }
            }
            object.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        reason = "tests state what they expect"
    )]
    use std::path::Path;

    use super::*;

    fn is_published(schema: &Value, name: &str) {
        let path = Path::new("../../docs/schemas").join(name);
        let text = format!("{schema:#}\n");
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let published =
            std::fs::read_to_string(&path).expect("run the tests with UPDATE_SCHEMAS=1");
        assert!(
            published == text,
            "docs/schemas/{name} is stale: run the tests with UPDATE_SCHEMAS=1"
        );
    }

    #[test]
    fn the_published_schemas_are_those_of_this_version() {
        is_published(&config(), "almoner-config.json");
        is_published(&policy(), "almoner-policy.json");
    }

    #[test]
    fn a_schema_requires_what_the_reader_requires_and_knows_no_null() {
        let policy = policy();
        let rule = policy.pointer("/$defs/Rule").unwrap();
        assert_eq!(
            rule.pointer("/required").unwrap(),
            &serde_json::json!(["name", "resources", "groups"])
        );
        assert_eq!(
            rule.pointer("/additionalProperties"),
            Some(&Value::Bool(false))
        );
        assert_eq!(rule.pointer("/properties/detect/type").unwrap(), "boolean");
        assert!(
            !policy.to_string().contains("null\"]") && !config().to_string().contains("\"null\"]")
        );
    }
}
