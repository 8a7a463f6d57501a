//! A policy file as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::At;
use super::settings::Settings;
use super::units::{Size, Span};

/// One file of the policy folder. All `*.toml` files of the folder are merged in the order of their names.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct PolicyFile {
    /// Plugins with their settings, under the names that rules use.
    pub plugin: Option<Vec<At<Plugin>>>,
    /// Who may use which resource, and what is asked of each exchange. The first that matches decides;
    /// where none matches, access is denied.
    pub rule: Option<Vec<At<Rule>>>,
    /// Which columns hold what.
    pub column: Option<Vec<At<Column>>>,
    /// Which fields of documents (JSON, forms) hold what.
    pub field: Option<Vec<At<Field>>>,
    /// What is done to each kind of identifier. The first that matches wins, then the built-in defaults.
    pub treatment: Option<Vec<At<TreatmentChoice>>>,
}

/// One plugin with one set of settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Plugin {
    /// The name rules use; unique in the folder.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// "builtin:phi", "builtin:sql-guard", "builtin:http-guard", "builtin:bulk-export", or "file:PATH" of a
    /// component, relative to the policy folder.
    #[serde(rename = "use")]
    #[schemars(required, regex(pattern = "^(builtin|file):.+$"))]
    pub source: Option<At<String>>,
    /// SHA-256 the file must have, in hex; required with "file:".
    #[schemars(regex(pattern = "^[0-9a-fA-F]{64}$"))]
    pub sha256: Option<At<String>>,
    /// Longest a call may take, waiting included. Default: 500ms.
    pub deadline: Option<At<Span>>,
    /// Most memory an instance may use. Default: 64 MiB.
    pub memory: Option<At<Size>>,
    /// The plugin's own settings.
    pub settings: Option<At<Settings>>,
    /// Files of words that the plugin may ask for, by the names it asks by.
    pub sets: Option<At<BTreeMap<String, At<WordSet>>>>,
}

/// A file of words, one a line; blank lines and those that begin with # are skipped.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { file = \"words.txt\", sha256 = \"…\" }"
)]
pub struct WordSet {
    /// The file, relative to the policy folder.
    #[schemars(required)]
    pub file: Option<At<String>>,
    /// SHA-256 the file must have, in hex. Without it, the file counts as it is when the policy is read.
    #[schemars(regex(pattern = "^[0-9a-fA-F]{64}$"))]
    pub sha256: Option<At<String>>,
}

/// Who may use which resource, and what is asked of each exchange.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Rule {
    /// Unique name; records and denials name it.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// Resources it is about; * stands for any run of characters.
    #[schemars(required)]
    pub resources: Option<At<Vec<At<String>>>>,
    /// The caller is in at least one of these groups; "*" matches everyone.
    #[schemars(required)]
    pub groups: Option<At<Vec<At<String>>>>,
    /// false: matching callers are refused, whatever follows. Default: true.
    pub allow: Option<At<bool>>,
    /// Guards, by plugin name, all asked. Required unless allow = false; [] asks none on purpose.
    pub guards: Option<At<Vec<At<String>>>>,
    /// Approval plugins, by name, all asked. Default: none.
    pub approvals: Option<At<Vec<At<String>>>>,
    /// Detectors, by name; their findings add up. Required unless allow = false or detect = false.
    pub detectors: Option<At<Vec<At<String>>>>,
    /// Language and region the detectors expect, BCP 47. Default: en-US.
    pub locale: Option<At<String>>,
    /// What happens to statements whose effects the grammar cannot tell. Default: deny.
    pub opaque: Option<At<Opaque>>,
    /// Functions outside pg_catalog known to be harmless reads, as schema.name; * stands for any run of characters.
    pub known_functions: Option<At<Vec<At<String>>>>,
    /// Treatment of columns of sensitive relations whose origin cannot be proven. Default: redact.
    pub unproven: Option<At<Treatment>>,
    /// false: only tagged columns are masked, nothing is looked for in the content. Default: true.
    pub detect: Option<At<bool>>,
    /// Media types of HTTP replies that pass unmasked, such as image/png. Default: none; what cannot be masked is refused.
    pub unmasked_types: Option<At<Vec<At<String>>>>,
    /// Least confidence of a finding that is masked, 0 to 100. Default: 50.
    #[schemars(range(min = 0, max = 100))]
    pub confidence_min: Option<At<u64>>,
    /// Rows before an approval threshold go out as they come, or not before the decision. Default: until-threshold.
    pub release: Option<At<Release>>,
    /// The fewest approvers that any approval under this rule needs, and how long it waits for them.
    pub approval: Option<At<Approval>>,
}

/// The fewest approvers that any approval needs; also asked for when an approval plugin fails.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { group = \"managers\", count = 1, ttl = \"15m\" }"
)]
pub struct Approval {
    /// Group of the approvers. Default: approvers.
    pub group: Option<At<String>>,
    /// How many different people of it. Default: 1.
    #[schemars(range(min = 1, max = 9))]
    pub count: Option<At<u64>>,
    /// An approval not decided by then expires. Default: 15m.
    pub ttl: Option<At<Span>>,
}

/// What to do with a statement that cannot be judged by its text.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Opaque {
    /// Refused.
    Deny,
    /// Needs approval.
    Hold,
    /// Left to the guards; everything it returns counts as sensitive.
    Allow,
}

/// When rows before an approval threshold go out.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Release {
    /// As they come; the stream pauses at the threshold.
    UntilThreshold,
    /// None before the decision, or before the end shows that none is needed.
    AfterDecision,
}

/// Says that columns hold a kind of identifier.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Column {
    /// schema.relation.column or relation.column (schema public); * stands for any run of characters.
    /// As in SQL, names count as lower case unless quoted.
    #[schemars(required)]
    pub column: Option<At<String>>,
    /// Resource it is about; * stands for any run of characters. Default: *.
    pub resource: Option<At<String>>,
    /// What the column holds: phi.ssn, phi.mrn, …
    #[schemars(required)]
    pub kind: Option<At<String>>,
    /// Instead of what is done to the kind elsewhere.
    pub treatment: Option<At<Treatment>>,
}

/// Says that fields of documents hold a kind of identifier: exactly one of path and name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Field {
    /// Where the fields are: patients[].name.family, or from the resource type on in FHIR: Patient.name[].family.
    /// * stands for any run of characters.
    pub path: Option<At<String>>,
    /// What the fields are called, wherever they are, in any case; * stands for any run of characters.
    pub name: Option<At<String>>,
    /// Resource it is about; * stands for any run of characters. Default: *.
    pub resource: Option<At<String>>,
    /// What the fields hold: phi.ssn, phi.mrn, …
    #[schemars(required)]
    pub kind: Option<At<String>>,
    /// Instead of what is done to the kind elsewhere.
    pub treatment: Option<At<Treatment>>,
}

/// What is done to a kind, for whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct TreatmentChoice {
    /// Kinds of identifier; * stands for any run of characters: phi.*
    #[schemars(required)]
    pub kind: Option<At<String>>,
    /// Groups it is for. Default: everyone.
    pub groups: Option<At<Vec<At<String>>>>,
    /// What is done.
    #[serde(rename = "use")]
    #[schemars(required)]
    pub treatment: Option<At<Treatment>>,
}

/// What replaces a value.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Treatment {
    /// A tag that names the kind: [SSN].
    Redact,
    /// All but the last four letters or digits hidden.
    Last4,
    /// SQL NULL.
    Null,
    /// Dates keep their year.
    Year,
    /// ZIP codes keep three digits, where enough people live there.
    Zip3,
    /// A keyed token, the same for the same value within a resource.
    Pseudonym,
    /// Shown as it is.
    Keep,
}
