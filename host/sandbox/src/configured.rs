//! A plugin bound to settings and to what the operator grants it: the thing that is called.
//!
//! Settings were accepted by the plugin itself before any exchange sees it. A refusal later, in a fresh
//! instance, is a failure like any other.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::approval::ApprovalPlugin;
use crate::busy::Busy;
use crate::component::PolicyExports;
use crate::detector::DetectorPlugin;
use crate::digest::Digest;
use crate::failure::Failure;
use crate::gate::SLICE;
use crate::guard::GuardPlugin;
use crate::host::Host;
use crate::host_functions::Guest;
use crate::instance::Instance;
use crate::limits::CallLimits;
use crate::plugin::{Plugin, SETUP_TIME};
use crate::raw;
use crate::transformer::TransformerPlugin;
use crate::unread::Unread;
use crate::words::WordSets;

/// Size of the settings as JSON text.
const SETTINGS_BYTES_MAX: usize = 1024 * 1024;
/// Errors shown of one refusal.
const ERRORS_MAX: usize = 32;
/// Characters shown of each.
const ERROR_CHARS_MAX: usize = 512;

/// What an operator grants a plugin.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// What each call may use.
    pub limits: CallLimits,
    /// Word sets it may ask.
    pub words: WordSets,
}

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// JSON pointer (RFC 6901) into the settings.
    pub pointer: String,
    /// The plugin's words, for the operator who wrote the settings.
    pub message: String,
}

/// Why a plugin cannot be bound to these settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsErrors {
    /// The plugin refuses the settings.
    #[error("the plugin refuses its settings: {}", list(.0))]
    Refused(Vec<SettingsError>),
    /// The settings are too large.
    #[error("the settings are larger than {} KiB", SETTINGS_BYTES_MAX / 1024)]
    TooLarge,
    /// The plugin did not survive being asked.
    #[error("the plugin could not validate its settings: {0}")]
    Failed(#[from] Failure),
    /// A declared pattern cannot be used.
    #[error(transparent)]
    Pattern(#[from] crate::pattern::PatternError),
}

fn list(errors: &[SettingsError]) -> String {
    let one = |error: &SettingsError| format!("{}: {}", error.pointer, error.message);
    errors.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// A plugin ready to be called, by its world.
#[derive(Clone, Debug)]
pub enum Configured {
    /// Judges actions.
    Guard(GuardPlugin),
    /// Judges whether approval is needed.
    Approval(ApprovalPlugin),
    /// Finds what must be masked.
    Detector(DetectorPlugin),
    /// Replaces what was found.
    Transformer(TransformerPlugin),
}

impl Configured {
    pub(crate) fn of(bound: Bound) -> Result<Self, SettingsErrors> {
        Ok(match bound.plugin().code().policy {
            PolicyExports::Guard { inspect } => Self::Guard(GuardPlugin::new(bound, inspect)),
            PolicyExports::Approval { assess } => {
                Self::Approval(ApprovalPlugin::new(bound, assess))
            }
            PolicyExports::Transformer { transform } => {
                Self::Transformer(TransformerPlugin { bound, transform })
            }
            PolicyExports::Detector { .. } => Self::Detector(DetectorPlugin::new(bound)?),
        })
    }

    /// The plugin.
    pub fn plugin(&self) -> &Arc<Plugin> {
        self.bound().plugin()
    }

    /// Of the settings as JSON text with sorted keys.
    pub fn settings_digest(&self) -> &Digest {
        self.bound().settings_digest()
    }

    /// What it said it never looks at.
    pub fn unread(&self) -> Unread {
        self.bound().unread()
    }

    fn bound(&self) -> &Bound {
        match self {
            Self::Guard(guard) => guard.bound(),
            Self::Approval(approval) => approval.bound(),
            Self::Detector(detector) => &detector.bound,
            Self::Transformer(transformer) => &transformer.bound,
        }
    }
}

/// What all four have in common.
#[derive(Clone)]
pub(crate) struct Bound(Arc<Binding>);

struct Binding {
    host: Host,
    plugin: Arc<Plugin>,
    settings: String,
    settings_digest: Digest,
    grant: Grant,
    unread: Unread,
}

impl Bound {
    pub(crate) fn new(
        host: &Host,
        plugin: &Arc<Plugin>,
        settings: &serde_json::Value,
        grant: Grant,
    ) -> Result<Self, SettingsErrors> {
        let settings = settings.to_string();
        if settings.len() > SETTINGS_BYTES_MAX {
            return Err(SettingsErrors::TooLarge);
        }
        let mut binding = Binding {
            host: host.clone(),
            plugin: Arc::clone(plugin),
            settings_digest: Digest::of(settings.as_bytes()),
            settings,
            grant,
            unread: Unread::default(),
        };
        let (_, unread) = binding.configured(SETUP_TIME)??;
        binding.unread = unread;
        Ok(Self(Arc::new(binding)))
    }

    pub(crate) fn plugin(&self) -> &Arc<Plugin> {
        &self.0.plugin
    }

    pub(crate) fn host(&self) -> &Host {
        &self.0.host
    }

    pub(crate) fn settings_digest(&self) -> &Digest {
        &self.0.settings_digest
    }

    pub(crate) fn limits(&self) -> &CallLimits {
        &self.0.grant.limits
    }

    /// What it said it never looks at.
    pub(crate) fn unread(&self) -> Unread {
        self.0.unread
    }

    /// A fresh instance with its settings; `time` is for everything until [`Instance::begin`].
    pub(crate) fn fresh(&self, time: Duration) -> Result<Instance, Failure> {
        match self.0.configured(time)? {
            Ok((instance, _)) => Ok(instance),
            Err(_) => Err(Failure::Settings),
        }
    }

    /// Runs a call that needs no state but a fresh instance: here if the plugin is quick, else, or again if
    /// it turns out not to be, on the threads. `there` makes the call that owns its input.
    pub(crate) async fn run<T, F>(
        &self,
        input_bytes: usize,
        here: impl FnOnce(Duration) -> Result<T, Failure>,
        there: impl FnOnce() -> F,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(Duration) -> Result<T, Failure> + Send + 'static,
    {
        let (gate, deadline) = (&self.plugin().gate, self.limits().deadline);
        let inline = gate.inline(input_bytes);
        if inline {
            match here(SLICE.min(deadline)) {
                Err(Failure::Deadline) => {}
                answer => return answer,
            }
        }
        let call = there();
        let timed = move |time| {
            let busy = Busy::begin();
            (call(time), busy.spent())
        };
        let ran = self.host().0.threads.run(gate, deadline, timed).await;
        // The second run is the same as the first, and says whose fault it was that the first overran. One that
        // found no place says nothing.
        let busy = match &ran {
            Ok((_, busy)) => Some(*busy),
            Err(Failure::Deadline) => Some(Duration::MAX),
            Err(_) => None,
        };
        match busy {
            Some(busy) if inline => gate.overran(busy),
            Some(busy) => gate.took(busy),
            None => {}
        }
        ran?.0
    }

    /// Runs a call on the threads whatever the plugin's record, and leaves the record alone: for calls that
    /// are known to be slow and rare.
    pub(crate) async fn run_away<T: Send + 'static>(
        &self,
        call: impl FnOnce(Duration) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (gate, deadline) = (&self.plugin().gate, self.limits().deadline);
        self.host().0.threads.run(gate, deadline, call).await?
    }
}

impl Binding {
    fn configured(
        &self,
        time: Duration,
    ) -> Result<Result<(Instance, Unread), SettingsErrors>, Failure> {
        let Binding {
            host,
            plugin,
            settings,
            grant,
            ..
        } = self;
        let speaker = Arc::clone(&plugin.speaker);
        let guest = Guest::new(
            &grant.limits,
            speaker,
            grant.words.clone(),
            host.0.pseudonyms.clone(),
        );
        let code = plugin.code();
        let mut instance = Instance::new(&code.pre, guest, &grant.limits, time)?;
        type Outcome = (Result<raw::Unread, Vec<raw::SettingsError>>,);
        let (outcome,): Outcome = instance.call(&code.configure, (settings.as_str(),))?;
        Ok(outcome
            .map(|unread| (instance, Unread::from(unread)))
            .map_err(|errors| SettingsErrors::Refused(readable(errors))))
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("plugin", &self.0.plugin)
            .field("settings", &self.0.settings_digest)
            .finish_non_exhaustive()
    }
}

fn readable(errors: Vec<raw::SettingsError>) -> Vec<SettingsError> {
    let plain = |text: String| {
        text.chars()
            .filter(|c| !c.is_control())
            .take(ERROR_CHARS_MAX)
            .collect()
    };
    let one = |raw::SettingsError { pointer, message }| SettingsError {
        pointer: plain(pointer),
        message: plain(message),
    };
    errors.into_iter().take(ERRORS_MAX).map(one).collect()
}
