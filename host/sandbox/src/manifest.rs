//! What a plugin says about itself, once checked. Everything later is held against it: reasons must use
//! its codes, findings its kinds, spans its unit.

use std::collections::HashMap;
use std::sync::Arc;

use crate::raw;
pub use crate::units::OffsetUnit;

/// Bytes of a name, a version, a kind, a message's code.
const NAME_BYTES_MAX: usize = 64;
/// Bytes of the description.
const DESCRIPTION_BYTES_MAX: usize = 1024;
/// Bytes of a message's template: one sentence.
const TEMPLATE_BYTES_MAX: usize = 512;
/// Kinds and messages a plugin may declare.
const DECLARATIONS_MAX: usize = 256;
/// Longest span a plugin may ask a stream to hold back for, in its own unit.
pub const SPAN_MAX: u32 = 256;

/// A plugin's description of itself.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Letters, digits, '-', '_' and '.'.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// One paragraph for operators.
    pub description: String,
    /// Kinds its findings may name, by index.
    pub emits: Vec<Arc<str>>,
    /// Template of each message, by code.
    pub messages: HashMap<String, String>,
    /// How it counts.
    pub offsets: OffsetUnit,
    /// Longest match it can report, in that unit; at most [`SPAN_MAX`].
    pub max_span: u32,
}

/// Why a manifest is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// A name or code is empty, too long, or has other characters than letters, digits and `-_./`.
    #[error("the manifest's {0} is not a name of 1 to 64 letters, digits and '-_./'")]
    NotAName(&'static str),
    /// A text is too long or has control characters.
    #[error("the manifest's {0} is too long or has control characters")]
    BadText(&'static str),
    /// A list is too long.
    #[error("the manifest declares more than {DECLARATIONS_MAX} {0}")]
    TooMany(&'static str),
    /// A code or kind is declared twice.
    #[error("the manifest declares one of its {0} twice")]
    Twice(&'static str),
    /// `max-span` is over the cap of streams.
    #[error(
        "the manifest's max-span is over {SPAN_MAX}: streams are held back no longer than that"
    )]
    Span,
}

impl Manifest {
    pub(crate) fn check(raw: raw::Manifest) -> Result<Self, ManifestError> {
        let raw::Manifest {
            name,
            version,
            description,
            emits,
            messages,
            offsets,
            max_span,
        } = raw;
        if max_span > SPAN_MAX {
            return Err(ManifestError::Span);
        }
        Ok(Self {
            name: named("name", name)?,
            version: text("version", version, NAME_BYTES_MAX)?,
            description: text("description", description, DESCRIPTION_BYTES_MAX)?,
            emits: kinds(emits)?,
            messages: templates(messages)?,
            offsets: offsets.into(),
            max_span,
        })
    }
}

fn kinds(emits: Vec<String>) -> Result<Vec<Arc<str>>, ManifestError> {
    if emits.len() > DECLARATIONS_MAX {
        return Err(ManifestError::TooMany("kinds"));
    }
    emits
        .into_iter()
        .map(|kind| Ok(named("kind", kind)?.into()))
        .collect()
}

fn templates(messages: Vec<raw::Message>) -> Result<HashMap<String, String>, ManifestError> {
    if messages.len() > DECLARATIONS_MAX {
        return Err(ManifestError::TooMany("messages"));
    }
    let mut templates = HashMap::with_capacity(messages.len());
    for raw::Message { code, template } in messages {
        let template = text("template", template, TEMPLATE_BYTES_MAX)?;
        if templates.insert(named("code", code)?, template).is_some() {
            return Err(ManifestError::Twice("messages"));
        }
    }
    Ok(templates)
}

fn named(what: &'static str, name: String) -> Result<String, ManifestError> {
    if is_name(&name) {
        Ok(name)
    } else {
        Err(ManifestError::NotAName(what))
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

fn text(what: &'static str, text: String, bytes_max: usize) -> Result<String, ManifestError> {
    if text.len() > bytes_max || text.chars().any(char::is_control) {
        return Err(ManifestError::BadText(what));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]

    use super::*;

    fn raw() -> raw::Manifest {
        raw::Manifest {
            name: "phi".into(),
            version: "1.0.0".into(),
            description: "Finds things.".into(),
            emits: vec!["phi.ssn".into()],
            messages: vec![raw::Message {
                code: "x.y".into(),
                template: "About {table}.".into(),
            }],
            offsets: raw::OffsetUnit::Utf8Bytes,
            max_span: 64,
        }
    }

    #[test]
    fn a_plain_manifest_is_taken_as_it_is() {
        let manifest = Manifest::check(raw()).unwrap();
        assert_eq!(manifest.name, "phi");
        assert_eq!(
            manifest.messages.get("x.y").map(String::as_str),
            Some("About {table}.")
        );
    }

    #[test]
    fn a_name_with_a_space_or_none_at_all_is_refused() {
        for name in ["", "a b", "ä", &"x".repeat(65)] {
            let error = Manifest::check(raw::Manifest {
                name: name.into(),
                ..raw()
            })
            .unwrap_err();
            assert_eq!(error, ManifestError::NotAName("name"));
        }
    }

    #[test]
    fn a_span_over_the_cap_of_streams_is_refused() {
        let error = Manifest::check(raw::Manifest {
            max_span: SPAN_MAX + 1,
            ..raw()
        })
        .unwrap_err();
        assert_eq!(error, ManifestError::Span);
    }

    #[test]
    fn a_code_declared_twice_is_refused() {
        let message = || raw::Message {
            code: "x.y".into(),
            template: String::new(),
        };
        let error = Manifest::check(raw::Manifest {
            messages: vec![message(), message()],
            ..raw()
        });
        assert_eq!(error.unwrap_err(), ManifestError::Twice("messages"));
    }

    #[test]
    fn a_template_with_a_line_break_is_refused() {
        let messages = vec![raw::Message {
            code: "x".into(),
            template: "a\nb".into(),
        }];
        let error = Manifest::check(raw::Manifest { messages, ..raw() }).unwrap_err();
        assert_eq!(error, ManifestError::BadText("template"));
    }
}
