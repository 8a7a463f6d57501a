//! Transformers: replace spans that were already found, where the built-in treatments do not serve.

use serde::{Deserialize, Serialize};

use crate::{CallContext, Failure, Plugin};

/// Replaces values that were found. It never sees the rows they came from.
pub trait Transformer: Plugin {
    /// As many values as were given, in their order, each valid for its declared type.
    ///
    /// # Errors
    /// After a failure, or an answer of another length, the gateway redacts all of them.
    fn transform(&self, ctx: &CallContext, values: &[Found]) -> Result<Vec<String>, Failure>;
}

/// One value that was found.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Found {
    /// "phi.mrn", …
    pub kind: String,
    /// The value itself.
    pub value: String,
    /// Where it stood: column, JSON path.
    pub path: String,
    /// Type of the column or element.
    pub declared_type: String,
    /// Keyed token of the person or record the value belongs to, if known.
    pub entity: Option<String>,
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Found({} at {}, <{} bytes>)",
            self.kind,
            self.path,
            self.value.len()
        )
    }
}
