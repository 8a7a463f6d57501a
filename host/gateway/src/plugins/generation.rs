//! A generation: a policy set whose plugins are loaded, tested and configured. Immutable. Built whole off
//! the hot path; on any failure there is none, and the one in force stays.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use almoner_sandbox::golden::Vectors;
use almoner_sandbox::{
    ApprovalPlugin, CallLimits, Configured, DetectorPlugin, DetectorSet, Grant, GuardPlugin, Host,
    Plugin, World,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::builtin::builtin_component;
use super::named::NamedFields;
use super::word_sets::{self, SetInfo};
use crate::config::policy::{Place, PluginSource, PluginUse, PolicySet, Rule};
use crate::config::problem::{Problem, shown};
use crate::identity::principal::Principal;
use crate::policy::hex;

/// A component file larger than this is not read.
const COMPONENT_BYTES_MAX: u64 = 64 << 20;

/// Golden vectors that do not hold and are named in one message.
const MISMATCHES_SHOWN_MAX: usize = 5;

/// A policy set in force: rules with their plugins ready to be called.
pub struct Generation {
    /// Grows by one with each activation, also across restarts.
    pub number: u64,
    /// SHA-256 over the policy's digest and the digests of plugins, settings, word sets and golden vectors, hex.
    pub digest: String,
    /// What it was built from.
    pub set: PolicySet,
    /// Plugins by the names rules use.
    pub plugins: Vec<PluginInfo>,
    rules: Vec<RuleRuntime>,
    plugins_by_rule: HashMap<String, Value>,
    kinds: Vec<String>,
}

/// A rule with its plugins.
pub struct RuleRuntime {
    /// As meant.
    pub rule: Rule,
    /// By name, in order.
    pub guards: Vec<(String, GuardPlugin)>,
    /// By name, in order.
    pub approvals: Vec<(String, ApprovalPlugin)>,
    /// All detectors of the rule as one.
    pub detectors: Option<DetectorSet>,
    /// What they say of names.
    pub named: NamedFields,
}

/// A plugin as status and records show it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PluginInfo {
    /// Name used by rules.
    pub name: String,
    /// The name its manifest gives it.
    pub component: String,
    /// The version its manifest gives it.
    pub version: String,
    /// `guard`, `approval`, `detector`, `transformer`.
    pub world: String,
    /// SHA-256 of the source `.wasm`, hex.
    pub sha256: String,
    /// SHA-256 of the settings, hex.
    pub settings_sha256: String,
    /// The words it may ask for.
    pub sets: Vec<SetInfo>,
}

/// Why a policy set cannot become a generation. Names files, plugins and rules, never settings' values.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A component could not be read.
    #[error("{place}: plugin {name:?}: cannot read {path}: {error}")]
    Read {
        /// Where it is named.
        place: Place,
        /// Its name.
        name: String,
        /// Its file.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is not the one the policy names.
    #[error(
        "{place}: plugin {name:?}: {path} has SHA-256 {found}, the policy says {expected}. Check who changed the file, then correct `sha256`"
    )]
    Digest {
        /// Where it is named.
        place: Place,
        /// Its name.
        name: String,
        /// Its file.
        path: String,
        /// As written in the policy.
        expected: String,
        /// Of the file.
        found: String,
    },
    /// The component cannot be used.
    #[error("{place}: plugin {name:?}: {why}")]
    Plugin {
        /// Where it is named.
        place: Place,
        /// Its name.
        name: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// A rule uses a plugin as something it is not.
    #[error("{place}: rule {rule:?} uses {plugin:?} as a {wanted}, but it is a {world}")]
    World {
        /// Where the rule is.
        place: Place,
        /// The rule.
        rule: String,
        /// The plugin.
        plugin: String,
        /// What it is used as.
        wanted: &'static str,
        /// What it is.
        world: String,
    },
}

impl BuildError {
    /// As the reader of the policy folder would name it.
    fn problem(&self, dir: &Path) -> Problem {
        let place = match self {
            Self::Read { place, .. }
            | Self::Digest { place, .. }
            | Self::Plugin { place, .. }
            | Self::World { place, .. } => place,
        };
        let what = self.to_string();
        let what = what.strip_prefix(&format!("{place}: ")).unwrap_or(&what);
        Problem {
            place: Place {
                file: shown(&dir.join(&place.file)),
                line: place.line,
            },
            column: 0,
            what: what.to_owned(),
            remedy: String::new(),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Builds generations and keeps what they share: compiled components, by digest.
pub struct Builder {
    host: Host,
    loaded: HashMap<String, Arc<Plugin>>,
    /// Golden vectors that held for the components, limits and word sets of the last generation. They hold
    /// again, and `phi`'s alone take a second.
    held: HashSet<[u8; 32]>,
}

impl Builder {
    /// With the sandbox that runs the plugins.
    pub fn new(host: Host) -> Self {
        Self {
            host,
            loaded: HashMap::new(),
            held: HashSet::new(),
        }
    }

    /// Builds the whole generation. Blocks for as long as compiling takes: call it off the runtime's
    /// workers.
    pub fn build(&mut self, set: PolicySet, number: u64) -> Result<Generation, BuildError> {
        let mut hasher = Sha256::new();
        hasher.update(set.digest.as_bytes());
        let mut configured: HashMap<String, Configured> = HashMap::new();
        let mut plugins = Vec::new();
        let mut kept = HashMap::new();
        let mut held = HashSet::new();
        let mut kinds = Vec::new();
        for wanted in &set.plugins {
            let (wasm, golden) = fetch(wanted)?;
            let plugin = self.load(wanted, &wasm)?;
            kept.insert(hex(&Sha256::digest(&wasm)), Arc::clone(&plugin));
            let sets = word_sets::mount(wanted)?;
            let grant = Grant {
                limits: limits(&plugin, wanted.deadline, wanted.memory_bytes_max),
                words: sets.words,
            };
            let vectors = trial(&wasm, golden.as_deref(), &grant.limits, &sets.about);
            if !self.held.contains(&vectors) {
                self.check_golden(wanted, &plugin, golden.as_deref(), &grant)?;
            }
            held.insert(vectors);
            let ready = self
                .host
                .configure(&plugin, &wanted.settings, grant)
                .map_err(|errors| failed(wanted, errors.to_string()))?;
            let info = info(wanted, &plugin, sets.about);
            for set in &info.sets {
                hasher.update(format!("{}\0{}\0", set.name, set.sha256));
            }
            for part in [&info.name, &info.sha256, &info.settings_sha256] {
                hasher.update(part.as_bytes());
                hasher.update([0]);
            }
            hasher.update(Sha256::digest(golden.unwrap_or_default()));
            kinds.extend(plugin.manifest().emits.iter().map(ToString::to_string));
            plugins.push(info);
            configured.insert(wanted.name.clone(), ready);
        }
        let rules: Vec<RuleRuntime> = set
            .rules
            .iter()
            .map(|rule| self.rule(rule, &configured, &plugins))
            .collect::<Result<_, _>>()?;
        let plugins_by_rule = rules
            .iter()
            .map(|runtime| {
                (
                    runtime.rule.name.clone(),
                    consulted(&runtime.rule, &plugins),
                )
            })
            .collect();
        // Components that no generation names any more are forgotten.
        self.loaded = kept;
        self.held = held;
        Ok(Generation {
            number,
            digest: hex(&hasher.finalize()),
            set,
            plugins,
            rules,
            plugins_by_rule,
            kinds,
        })
    }

    /// Builds the whole generation, or says all that is wrong with it: a build ends at its first failure,
    /// each plugin by itself shows the others. `dir` is the policy folder.
    pub fn build_or_explain(
        &mut self,
        set: &PolicySet,
        number: u64,
        dir: &Path,
    ) -> Result<Generation, Vec<Problem>> {
        let first = match self.build(set.clone(), number) {
            Ok(generation) => return Ok(generation),
            Err(first) => first,
        };
        // What a part of the set does not name is still worth keeping.
        let (loaded, held) = (self.loaded.clone(), self.held.clone());
        let alone = set.plugins.iter().filter_map(|plugin| {
            let set = PolicySet {
                plugins: vec![plugin.clone()],
                rules: Vec::new(),
                ..set.clone()
            };
            self.build(set, number).err()
        });
        let mut errors: Vec<BuildError> = alone.collect();
        (self.loaded, self.held) = (loaded, held);
        if errors.is_empty() {
            errors.push(first);
        }
        Err(errors.iter().map(|error| error.problem(dir)).collect())
    }

    fn load(&mut self, wanted: &PluginUse, wasm: &[u8]) -> Result<Arc<Plugin>, BuildError> {
        let digest = hex(&Sha256::digest(wasm));
        if let Some(plugin) = self.loaded.get(&digest) {
            return Ok(Arc::clone(plugin));
        }
        let plugin = self
            .host
            .load(wasm)
            .map_err(|error| failed(wanted, error.to_string()))?;
        self.loaded.insert(digest, Arc::clone(&plugin));
        Ok(plugin)
    }

    fn check_golden(
        &self,
        wanted: &PluginUse,
        plugin: &Arc<Plugin>,
        golden: Option<&[u8]>,
        grant: &Grant,
    ) -> Result<(), BuildError> {
        let Some(golden) = golden else {
            return Ok(());
        };
        let vectors = Vectors::parse(golden)
            .map_err(|error| failed(wanted, format!("its golden vectors: {error}")))?;
        let mismatches = vectors.run(&self.host, plugin, grant);
        if mismatches.is_empty() {
            return Ok(());
        }
        // Vectors hold synthetic values of the plugin's author only, so they may be shown.
        let names: Vec<String> = mismatches
            .iter()
            .take(MISMATCHES_SHOWN_MAX)
            .map(|mismatch| format!("{} ({})", mismatch.case, mismatch.what))
            .collect();
        Err(failed(
            wanted,
            format!("its golden vectors do not hold: {}", names.join("; ")),
        ))
    }

    fn rule(
        &self,
        rule: &Rule,
        configured: &HashMap<String, Configured>,
        plugins: &[PluginInfo],
    ) -> Result<RuleRuntime, BuildError> {
        let wrong = |plugin: &String, wanted| BuildError::World {
            place: rule.place.clone(),
            rule: rule.name.clone(),
            plugin: plugin.clone(),
            wanted,
            world: plugins
                .iter()
                .find(|info| info.name == *plugin)
                .map_or_else(|| "missing plugin".to_owned(), |info| info.world.clone()),
        };
        let guards = rule
            .guards
            .iter()
            .map(|name| match configured.get(name) {
                Some(Configured::Guard(guard)) => Ok((name.clone(), guard.clone())),
                _ => Err(wrong(name, "guard")),
            })
            .collect::<Result<_, _>>()?;
        let approvals = rule
            .approvals
            .iter()
            .map(|name| match configured.get(name) {
                Some(Configured::Approval(approval)) => Ok((name.clone(), approval.clone())),
                _ => Err(wrong(name, "approval")),
            })
            .collect::<Result<_, _>>()?;
        let detectors: Vec<DetectorPlugin> = rule
            .detectors
            .iter()
            .map(|name| match configured.get(name) {
                Some(Configured::Detector(detector)) => Ok(detector.clone()),
                _ => Err(wrong(name, "detector")),
            })
            .collect::<Result<_, _>>()?;
        let detectors = if detectors.is_empty() {
            None
        } else {
            let set =
                DetectorSet::new(&self.host, detectors).map_err(|error| BuildError::Plugin {
                    place: rule.place.clone(),
                    name: rule.detectors.join(", "),
                    why: error.to_string(),
                })?;
            Some(set)
        };
        Ok(RuleRuntime {
            rule: rule.clone(),
            guards,
            approvals,
            detectors,
            named: NamedFields::default(),
        })
    }
}

impl Generation {
    /// The rule that decides for this principal and resource, if one lets them in at all.
    pub fn rule_for(&self, principal: &Principal, resource: &str) -> Option<usize> {
        self.rules
            .iter()
            .position(|runtime| {
                let rule = &runtime.rule;
                rule.resources.iter().any(|glob| glob.matches(resource))
                    && rule.groups.iter().any(|glob| {
                        glob.as_str() == "*"
                            || principal.groups.iter().any(|group| glob.matches(group))
                    })
            })
            .filter(|index| self.rule(*index).rule.allow)
    }

    /// A rule by the index [`Generation::rule_for`] gave.
    #[expect(
        clippy::indexing_slicing,
        reason = "indices come from rule_for of the same immutable generation"
    )]
    pub fn rule(&self, index: usize) -> &RuleRuntime {
        &self.rules[index]
    }

    /// Kinds that its detectors can name.
    pub fn kinds(&self) -> &[String] {
        &self.kinds
    }

    /// The plugins a rule consults, by name and digest, for records.
    pub fn plugins_of(&self, rule: &str) -> Option<&Value> {
        self.plugins_by_rule.get(rule)
    }
}

fn consulted(rule: &Rule, plugins: &[PluginInfo]) -> Value {
    let names = rule
        .guards
        .iter()
        .chain(&rule.approvals)
        .chain(&rule.detectors);
    names
        .filter_map(|name| plugins.iter().find(|info| info.name == *name))
        .map(|info| json!(format!("{}@{}", info.name, info.sha256)))
        .collect()
}

/// Everything that the outcome of golden vectors rests on, which bring their own settings.
fn trial(wasm: &[u8], golden: Option<&[u8]>, limits: &CallLimits, sets: &[SetInfo]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(Sha256::digest(wasm));
    // No vectors hold to nothing; an empty file holds to nothing that could be read.
    hasher.update([u8::from(golden.is_some())]);
    hasher.update(Sha256::digest(golden.unwrap_or_default()));
    hasher.update(format!("{limits:?}"));
    for set in sets {
        hasher.update(format!("\0{}\0{}", set.name, set.sha256));
    }
    hasher.finalize().into()
}

/// The component's bytes and its golden vectors. A file without vectors beside it has none to hold to.
fn fetch(wanted: &PluginUse) -> Result<(Vec<u8>, Option<Vec<u8>>), BuildError> {
    match &wanted.source {
        PluginSource::Builtin(name) => builtin_component(name)
            .map(|(wasm, golden)| (wasm.to_vec(), Some(golden.to_vec())))
            .ok_or_else(|| failed(wanted, format!("there is no builtin plugin {name:?}"))),
        PluginSource::File { path, sha256 } => {
            let wasm = read_bounded(wanted, path)?;
            let found = hex(&Sha256::digest(&wasm));
            if found != *sha256 {
                return Err(BuildError::Digest {
                    place: wanted.place.clone(),
                    name: wanted.name.clone(),
                    path: path.display().to_string(),
                    expected: sha256.clone(),
                    found,
                });
            }
            let golden = path.with_extension("golden.json");
            let golden = golden
                .exists()
                .then(|| read_bounded(wanted, &golden))
                .transpose()?;
            Ok((wasm, golden))
        }
    }
}

fn read_bounded(wanted: &PluginUse, path: &Path) -> Result<Vec<u8>, BuildError> {
    let unreadable = |error| BuildError::Read {
        place: wanted.place.clone(),
        name: wanted.name.clone(),
        path: path.display().to_string(),
        error,
    };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > COMPONENT_BYTES_MAX {
        return Err(failed(
            wanted,
            format!(
                "{} is larger than {COMPONENT_BYTES_MAX} bytes",
                path.display()
            ),
        ));
    }
    std::fs::read(path).map_err(unreadable)
}

/// What a call of a plugin may use under a policy that allows it this time and memory.
pub fn limits(plugin: &Plugin, deadline: Duration, memory_bytes_max: usize) -> CallLimits {
    let usual = match plugin.world() {
        World::Detector => CallLimits::detector(),
        _ => CallLimits::default(),
    };
    CallLimits {
        deadline: deadline.max(Duration::from_millis(1)),
        memory_bytes: memory_bytes_max,
        ..usual
    }
}

fn info(wanted: &PluginUse, plugin: &Plugin, sets: Vec<SetInfo>) -> PluginInfo {
    let manifest = plugin.manifest();
    PluginInfo {
        name: wanted.name.clone(),
        component: manifest.name.clone(),
        version: manifest.version.clone(),
        world: plugin.world().to_string(),
        sha256: plugin.digest().to_string(),
        settings_sha256: hex(&Sha256::digest(wanted.settings.to_string())),
        sets,
    }
}

fn failed(wanted: &PluginUse, why: String) -> BuildError {
    BuildError::Plugin {
        place: wanted.place.clone(),
        name: wanted.name.clone(),
        why,
    }
}
