//! Who a plugin is: name, version, the kinds it may report and the messages it may cause.

use serde::{Deserialize, Serialize};

/// Longest match a plugin reports unless it says otherwise, in bytes: what the gateway re-feeds across the seams of
/// a stream. Long enough for a postal address, short enough to hold back on a stream.
const MAX_SPAN_BYTES: u32 = 128;

/// Who a plugin is. Built once, independent of settings.
///
/// ```
/// use almoner_plugin_sdk::Manifest;
/// let manifest = Manifest::new("badge", "1.0.0")
///     .description("Finds staff badge numbers.")
///     .emits(["phi.id.badge"])
///     .message("denied", "{table} is closed to {subject}");
/// assert_eq!(manifest.emits, ["phi.id.badge"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Short name, as in file names: `sql-guard`.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// One sentence for operators.
    pub description: String,
    /// Kinds that findings may name, by index.
    pub emits: Vec<String>,
    /// Codes that reasons and log events may name.
    pub messages: Vec<Message>,
    /// How the plugin counts offsets. Rust counts bytes.
    pub offsets: OffsetUnit,
    /// Longest match it can report.
    pub max_span: u32,
}

/// A code and what the gateway says for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What [`crate::Reason`] names.
    pub code: String,
    /// `{table}` and the like stand for the reason's args.
    pub template: String,
}

/// Unit of span offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OffsetUnit {
    /// Bytes of UTF-8: what Rust's string indices are.
    #[default]
    Utf8Bytes,
    /// UTF-16 code units.
    Utf16Units,
    /// Unicode scalar values.
    CodePoints,
}

impl Manifest {
    /// A manifest without kinds and messages.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            description: String::new(),
            emits: Vec::new(),
            messages: Vec::new(),
            offsets: OffsetUnit::Utf8Bytes,
            max_span: MAX_SPAN_BYTES,
        }
    }

    /// One sentence for operators.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// Kinds that findings may name; their order gives their index.
    #[must_use]
    pub fn emits<K: Into<String>>(mut self, kinds: impl IntoIterator<Item = K>) -> Self {
        self.emits.extend(kinds.into_iter().map(Into::into));
        self
    }

    /// A code that reasons may name, and its template.
    #[must_use]
    pub fn message(mut self, code: impl Into<String>, template: impl Into<String>) -> Self {
        self.messages.push(Message {
            code: code.into(),
            template: template.into(),
        });
        self
    }

    /// Longest match the plugin can report, in bytes.
    #[must_use]
    pub fn max_span(mut self, bytes: u32) -> Self {
        self.max_span = bytes;
        self
    }
}
