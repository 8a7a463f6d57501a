//! Runs a plugin's component the way the gateway does: the same sandbox, the same limits, the same checks on what it
//! answers. Native unit tests show that the logic is right; this shows that the component is taken and keeps to its
//! limits. It needs no gateway and no network.
//!
//! ```no_run
//! use almoner_plugin_testkit::{Kit, KitError};
//! # fn main() -> Result<(), KitError> {
//! let kit = Kit::new()?;
//! let badge = kit.load("target/guests/badge.wasm")?;
//! badge.golden("plugins/badge/badge.golden.json")?;
//! let found = badge.find(&serde_json::json!({}), &["badge B-123456"])?;
//! assert_eq!(found[0].text, "B-123456");
//! # Ok(()) }
//! ```

mod rate;

use std::{fs, io, path::Path, path::PathBuf, sync::Arc};

use almoner_sandbox::{
    Batch, CallContext, CallLimits, Configured, DetectorSession, DetectorSet, Direction, Field,
    Grant, Host, HostSettings, Manifest, Plugin,
    golden::{GoldenError, Mismatch, Vectors},
};
use serde_json::Value;

pub use rate::Rate;

/// The sandbox, started and self-tested.
#[derive(Debug)]
pub struct Kit(Host);

/// A plugin, compiled and described.
#[derive(Debug)]
pub struct Guest {
    host: Host,
    plugin: Arc<Plugin>,
}

/// A finding with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Index of the text.
    pub cell: u32,
    /// What was found.
    pub text: String,
    /// Name of its kind.
    pub kind: String,
    /// 0 to 100.
    pub confidence: u8,
}

/// What went wrong. Messages show settings and synthetic values of the tests, so keep real data out of them.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// The sandbox does not work on this machine.
    #[error("starting the sandbox: {0}")]
    Host(String),
    /// A file could not be read.
    #[error("reading {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The gateway would not take the component.
    #[error("{path} is refused: {why}")]
    Refused {
        /// The component.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The plugin refused its settings, or failed over them.
    #[error("the settings are refused: {0}")]
    Settings(String),
    /// Not a file of golden vectors.
    #[error("{path}: {source}")]
    Golden {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: GoldenError,
    },
    /// The plugin answers otherwise than its golden vectors say.
    #[error("{} golden vectors do not hold:\n{}", .0.len(), shown(.0))]
    Mismatches(Vec<Mismatch>),
    /// A detector was asked for, and this is something else.
    #[error("this plugin is no detector")]
    NotADetector,
    /// The detector trapped, missed its deadline, or lied.
    #[error("the detector failed: {0}")]
    Failed(String),
}

impl Kit {
    /// Starts the sandbox with the gateway's default settings.
    ///
    /// # Errors
    /// When the sandbox's self-test fails on this machine.
    pub fn new() -> Result<Self, KitError> {
        let host = Host::new(HostSettings::default());
        host.map(Self)
            .map_err(|error| KitError::Host(error.to_string()))
    }

    /// Compiles a component and asks it who it is.
    ///
    /// # Errors
    /// When the file cannot be read, or the gateway would not take it.
    pub fn load(&self, wasm: impl AsRef<Path>) -> Result<Guest, KitError> {
        let path = wasm.as_ref();
        let plugin = self
            .0
            .load(&read(path)?)
            .map_err(|error| KitError::Refused {
                path: path.to_owned(),
                why: error.to_string(),
            })?;
        Ok(Guest {
            host: self.0.clone(),
            plugin,
        })
    }
}

impl Guest {
    /// What the plugin says about itself.
    pub fn manifest(&self) -> &Manifest {
        self.plugin.manifest()
    }

    /// JSON Schema of its settings.
    pub fn settings_schema(&self) -> &str {
        self.plugin.settings_schema()
    }

    /// The plugin with settings, for asking it by the sandbox's own means.
    ///
    /// # Errors
    /// When it refuses them.
    pub fn configure(&self, settings: &Value) -> Result<Configured, KitError> {
        let grant = Grant {
            limits: CallLimits::detector(),
            ..Grant::default()
        };
        self.host
            .configure(&self.plugin, settings, grant)
            .map_err(|errors| KitError::Settings(errors.to_string()))
    }

    /// Runs golden vectors, as the gateway does before it activates the plugin; says how many held.
    ///
    /// # Errors
    /// [`KitError::Mismatches`] with each vector that does not hold.
    pub fn golden(&self, vectors: impl AsRef<Path>) -> Result<usize, KitError> {
        let path = vectors.as_ref();
        let vectors = Vectors::parse(&read(path)?).map_err(|source| KitError::Golden {
            path: path.to_owned(),
            source,
        })?;
        let mismatches = vectors.run(&self.host, &self.plugin, &Grant::default());
        if mismatches.is_empty() {
            Ok(vectors.len())
        } else {
            Err(KitError::Mismatches(mismatches))
        }
    }

    /// What a detector finds in texts, each a record of its own.
    ///
    /// # Errors
    /// When it is no detector, refuses the settings, or fails.
    pub fn find<T: AsRef<str>>(
        &self,
        settings: &Value,
        texts: &[T],
    ) -> Result<Vec<Found>, KitError> {
        let (set, mut session) = self.session(settings)?;
        let batch = batch(texts);
        let outcome = session.find_blocking(&CallContext::default(), &batch);
        drop(set);
        if let Some(failed) = outcome.failures.first() {
            return Err(KitError::Failed(failed.failure.to_string()));
        }
        let named = |finding: &almoner_sandbox::Finding| {
            let text = texts.get(finding.cell as usize)?.as_ref();
            Some(Found {
                cell: finding.cell,
                text: text
                    .get(finding.start as usize..finding.end as usize)?
                    .to_owned(),
                kind: finding.kind.to_string(),
                confidence: finding.confidence,
            })
        };
        Ok(outcome.findings.iter().filter_map(named).collect())
    }

    /// How fast a detector is in a warm session over these texts, native patterns included.
    ///
    /// # Errors
    /// As [`Guest::find`].
    pub fn rate<T: AsRef<str>>(&self, settings: &Value, texts: &[T]) -> Result<Rate, KitError> {
        let (_set, mut session) = self.session(settings)?;
        rate::measure(&mut session, texts)
    }

    fn session(&self, settings: &Value) -> Result<(DetectorSet, DetectorSession), KitError> {
        let Configured::Detector(detector) = self.configure(settings)? else {
            return Err(KitError::NotADetector);
        };
        let set = DetectorSet::new(&self.host, vec![detector])
            .map_err(|error| KitError::Settings(error.to_string()))?;
        let session = set.session();
        Ok((set, session))
    }
}

fn batch<'t, T: AsRef<str>>(texts: &'t [T]) -> Batch<'t> {
    let mut batch = Batch::new(Direction::Response, vec![Field::default()]);
    for (row, text) in (0..).zip(texts) {
        batch.push(text.as_ref(), 0, row);
    }
    batch
}

fn read(path: &Path) -> Result<Vec<u8>, KitError> {
    fs::read(path).map_err(|source| KitError::File {
        path: path.to_owned(),
        source,
    })
}

fn shown(mismatches: &[Mismatch]) -> String {
    let lines = mismatches
        .iter()
        .map(|m| format!("  {}: {}", m.case, m.what));
    lines.collect::<Vec<_>>().join("\n")
}
