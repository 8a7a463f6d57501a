//! A policy set, as meant: what the TOML files of the policy folder say once every name in them is
//! resolved. Immutable; the `plugins` module turns it into a running generation.

use std::path::PathBuf;
use std::time::Duration;

/// All policy files of the folder, merged in the order of their names.
#[derive(Clone, Debug)]
pub struct PolicySet {
    /// SHA-256 over names and contents of the files, hex.
    pub digest: String,
    /// Plugins with their settings, by the name rules use.
    pub plugins: Vec<PluginUse>,
    /// First match (resource, groups) decides; no match: access denied.
    pub rules: Vec<Rule>,
    /// Which columns hold what.
    pub columns: Vec<ColumnTag>,
    /// Which fields of documents hold what.
    pub fields: Vec<FieldTag>,
    /// What is done to each kind; first match wins, then the built-in defaults.
    pub treatments: Vec<TreatmentChoice>,
}

/// Longest a call takes where the policy does not say. Guards answer in microseconds; a machine with more to do than
/// cores must not turn that into a denial.
pub const PLUGIN_DEADLINE: Duration = Duration::from_millis(500);
/// Memory of an instance where the policy does not say: enough for an interpreter.
pub const PLUGIN_MEMORY_BYTES_MAX: u64 = 64 << 20;

/// One plugin with one set of settings.
#[derive(Clone, Debug)]
pub struct PluginUse {
    /// Name used by rules; unique in the set.
    pub name: String,
    /// Which component.
    pub source: PluginSource,
    /// Settings, checked against the plugin's own schema when the generation is built.
    pub settings: serde_json::Value,
    /// Longest a call may take, waiting included.
    pub deadline: Duration,
    /// Linear memory of an instance, bytes.
    pub memory_bytes_max: usize,
    /// Words it may ask for.
    pub sets: Vec<WordSetUse>,
    /// File and line of the entry, for messages.
    pub place: Place,
}

/// A file of words that a plugin may ask for: whether a word is in it, and nothing else.
#[derive(Clone, Debug)]
pub struct WordSetUse {
    /// Name by which the plugin asks.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Expected digest of the file, lower-case hex, if it is pinned.
    pub sha256: Option<String>,
    /// File and line of the entry, for messages.
    pub place: Place,
}

/// Where a component comes from.
#[derive(Clone, Debug)]
pub enum PluginSource {
    /// Carried by the binary: `phi`, `sql-guard`, `http-guard`, `bulk-export`.
    Builtin(String),
    /// A file with the SHA-256 it must have, hex.
    File {
        /// Path of the `.wasm` component.
        path: PathBuf,
        /// Expected digest of the file, lower-case hex.
        sha256: String,
    },
}

/// Who may use which resource, and what is asked of each exchange.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Unique name; records and denials name it.
    pub name: String,
    /// Resources it is about (`*` globs).
    pub resources: Vec<Glob>,
    /// The caller is in at least one of these groups (`*` matches everyone).
    pub groups: Vec<Glob>,
    /// `false`: matching callers are refused, whatever follows.
    pub allow: bool,
    /// Guards, by plugin name, all asked.
    pub guards: Vec<String>,
    /// Approval plugins, by name, all asked.
    pub approvals: Vec<String>,
    /// Detectors, by name; their findings add up.
    pub detectors: Vec<String>,
    /// BCP 47, for the detectors.
    pub locale: String,
    /// What happens to statements whose effects the grammar cannot tell.
    pub opaque: Opaque,
    /// Functions outside `pg_catalog` that are known to be harmless reads (`schema.name`, globs).
    pub known_functions: Vec<Glob>,
    /// Columns of sensitive relations whose origin cannot be proven.
    pub unproven: Treatment,
    /// `false`: only tagged columns are masked, no content detection. Loud in `almoner check`.
    pub detect: bool,
    /// Media types of replies that pass unmasked (`image/png`), lower case. Loud in `almoner check`.
    pub unmasked_types: Vec<String>,
    /// Least confidence (0–100) of a finding that is masked.
    pub confidence_min: u8,
    /// Rows past the threshold of an approval: pause there, or hold all rows back until decided.
    pub release: Release,
    /// Asked for when an approval plugin fails; also the fewest that any approval needs.
    pub strictest_approval: Requirement,
    /// An approval not decided by then expires.
    pub approval_ttl: Duration,
    /// File and line of the entry.
    pub place: Place,
}

/// Longest that a rule lets an exchange wait for people: the caller's connection is held open meanwhile, and what
/// waits lives in memory. A policy that asks for more is refused rather than cut short.
pub const APPROVAL_TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What to do with a statement that cannot be judged by its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opaque {
    /// Refused. The default.
    Deny,
    /// Needs approval (the rule's strictest).
    Hold,
    /// Left to the guards; everything it returns counts as sensitive.
    Allow,
}

/// When rows before an approval threshold go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// As they come; the stream pauses at the threshold.
    UntilThreshold,
    /// None before the decision, or before the end shows that none is needed.
    AfterDecision,
}

/// So many different people of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Group of the approvers.
    pub group: String,
    /// How many of them.
    pub count: u8,
}

/// Says that columns hold a kind of identifier.
#[derive(Clone, Debug)]
pub struct ColumnTag {
    /// Resources (`*` globs).
    pub resource: Glob,
    /// Schema (`*` globs; `public` if not written).
    pub schema: Glob,
    /// Relation (`*` globs).
    pub relation: Glob,
    /// Column (`*` globs).
    pub column: Glob,
    /// `phi.ssn`, …
    pub kind: String,
    /// Instead of what the kind says.
    pub treatment: Option<Treatment>,
    /// File and line of the entry.
    pub place: Place,
}

/// Says that fields of documents hold a kind of identifier.
#[derive(Clone, Debug)]
pub struct FieldTag {
    /// Resources (`*` globs).
    pub resource: Glob,
    /// Which fields.
    pub fields: FieldNames,
    /// `phi.ssn`, …
    pub kind: String,
    /// Instead of what the kind says.
    pub treatment: Option<Treatment>,
    /// File and line of the entry.
    pub place: Place,
}

/// How a tag names fields.
#[derive(Clone, Debug)]
pub enum FieldNames {
    /// By where they are: `Patient.name[].family` (`*` globs).
    Path(Glob),
    /// By their own name, wherever they are and in any case (`*` globs, lower case).
    Name(Glob),
}

impl FieldTag {
    /// Whether a field of a resource is meant, by its path and its own name.
    pub fn fits(&self, resource: &str, path: &str, name: &str) -> bool {
        self.resource.matches(resource)
            && match &self.fields {
                FieldNames::Path(glob) => glob.matches(path),
                FieldNames::Name(glob) => glob.matches(&name.to_ascii_lowercase()),
            }
    }
}

/// What is done to a kind, for whom.
#[derive(Clone, Debug)]
pub struct TreatmentChoice {
    /// Kinds (`phi.*`).
    pub kind: Glob,
    /// Groups it is for; empty: everyone.
    pub groups: Vec<Glob>,
    /// The treatment.
    pub treatment: Treatment,
    /// File and line of the entry.
    pub place: Place,
}

/// What replaces a value. On a typed column each yields a valid value of that type, or NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Treatment {
    /// `[ssn]`: a tag that names the kind.
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

/// File and line, 1-based, for messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// File name within the policy folder.
    pub file: String,
    /// Line of the entry; 0 if unknown.
    pub line: usize,
}

/// A name pattern in which `*` stands for any run of characters. Case-sensitive; nothing else is special.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob(String);

impl Glob {
    /// Takes the pattern as written.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `name` fits. Linear in practice: the two-pointer match backtracks only to the last `*`.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut p, mut n) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p + 1, n));
                    p += 1;
                }
                Some(c) if name.get(n) == Some(c) => {
                    p += 1;
                    n += 1;
                }
                _ => match star {
                    Some((after, from)) => {
                        star = Some((after, from + 1));
                        p = after;
                        n = from + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern.iter().skip(p).all(|c| *c == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_whole_names_only() {
        assert!(Glob::new("*").matches(""));
        assert!(Glob::new("pat*_v?").matches("patients_v?"));
        assert!(Glob::new("*.ssn").matches("patients.ssn"));
        assert!(!Glob::new("ssn").matches("ssn2"));
        assert!(!Glob::new("a*b").matches("abc"));
        assert!(Glob::new("a*b*c").matches("aXbXbc"));
    }
}
