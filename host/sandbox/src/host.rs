//! The host: loads plugins, binds them to settings, and holds what their calls share.
//!
//! It never decides what a plugin may do beyond the contract; the operator's [`Grant`] does.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::cache::Cache;
use crate::configured::{Bound, Configured, Grant, SettingsErrors};
use crate::digest::Digest;
use crate::engine::{self, Capacity};
use crate::gate::Gate;
use crate::host_functions::{Guest, PseudonymKey, linker};
use crate::plugin::{LoadError, Plugin, adopt, check_source};
use crate::selftest::{self, SelfTestFailed};
use crate::threads::Threads;
use crate::warm::WarmSlots;

/// Fewest threads for calls that are not sure to be short, see `gate.rs`. They are idle as long as plugins
/// are quick; eight give each plugin two places, so that three that spin leave two to the others.
pub const THREADS_MIN: usize = 8;

/// What a host is made with.
#[derive(Clone, Debug)]
pub struct HostSettings {
    /// How much of everything may exist at once.
    pub capacity: Capacity,
    /// Dedicated threads: by default two per core, at least [`THREADS_MIN`].
    pub threads: usize,
    /// Folder for compiled code, for this user alone (0700). `None`: compile at every start.
    pub cache: Option<PathBuf>,
    /// Key of the pseudonyms that transformers may ask for. `None`: asking is a failure.
    pub pseudonyms: Option<PseudonymKey>,
}

impl Default for HostSettings {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = THREADS_MIN.max(cores.saturating_mul(2));
        Self {
            capacity: Capacity::default(),
            threads,
            cache: None,
            pseudonyms: None,
        }
    }
}

/// Why there is no host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The engine could not be made.
    #[error(
        "the plugin engine cannot start: {0}; its address space is capacity.instances times 4 GiB, check `ulimit -v`"
    )]
    Engine(wasmtime::Error),
    /// No threads.
    #[error("the threads for plugin calls cannot start: {0}")]
    Threads(#[source] std::io::Error),
    /// The folder for compiled code is not usable.
    #[error("the folder for compiled plugins cannot be used: {0}")]
    Cache(#[source] std::io::Error),
    /// The limits do not hold on this machine.
    #[error(transparent)]
    SelfTest(#[from] SelfTestFailed),
}

/// Loads and binds plugins. Cloning shares it.
#[derive(Clone)]
pub struct Host(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    engine: Engine,
    linker: Linker<Guest>,
    cache: Option<Cache>,
    catalog: Mutex<HashMap<Digest, Weak<Plugin>>>,
    pub(crate) threads: Threads,
    pub(crate) pseudonyms: Option<PseudonymKey>,
    pub(crate) warm: Arc<WarmSlots>,
}

impl Host {
    /// Starts the engine and proves that its limits hold.
    pub fn new(settings: HostSettings) -> Result<Self, HostError> {
        let engine = engine::start(&settings.capacity).map_err(HostError::Engine)?;
        let cache = settings
            .cache
            .as_deref()
            .map(|folder| Cache::open(folder, &engine));
        let host = Self(Arc::new(Inner {
            linker: linker(&engine).map_err(HostError::Engine)?,
            cache: cache.transpose().map_err(HostError::Cache)?,
            catalog: Mutex::default(),
            threads: Threads::start(settings.threads).map_err(HostError::Threads)?,
            pseudonyms: settings.pseudonyms,
            warm: WarmSlots::new(settings.capacity.instances),
            engine,
        }));
        selftest::run(&host)?;
        Ok(host)
    }

    /// Makes a plugin of a component, or finds it if the same bytes are loaded already. Compiling takes
    /// seconds: call it off the runtime's workers.
    pub fn load(&self, wasm: &[u8]) -> Result<Arc<Plugin>, LoadError> {
        let digest = Digest::of(wasm);
        if let Some(plugin) = self.find(&digest) {
            return Ok(plugin);
        }
        check_source(wasm)?;
        let component = self.compiled(wasm, &digest)?;
        let gate = Gate::new(self.0.threads.count);
        let plugin = Arc::new(adopt(&self.0.linker, &component, digest, gate)?);
        let mut catalog = self
            .0
            .catalog
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        catalog.retain(|_, plugin| plugin.strong_count() > 0);
        catalog.insert(digest, Arc::downgrade(&plugin));
        Ok(plugin)
    }

    /// Binds a plugin to settings and to what the operator grants it. The plugin validates the settings in
    /// a throw-away instance. An interpreter takes milliseconds for it: call it off the runtime's workers.
    pub fn configure(
        &self,
        plugin: &Arc<Plugin>,
        settings: &serde_json::Value,
        grant: Grant,
    ) -> Result<Configured, SettingsErrors> {
        Bound::new(self, plugin, settings, grant).and_then(Configured::of)
    }

    /// Plugins alive: those of the policy set in force, and of older ones that an exchange still uses.
    pub fn plugins_alive(&self) -> usize {
        let catalog = self
            .0
            .catalog
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        catalog
            .values()
            .filter(|plugin| plugin.strong_count() > 0)
            .count()
    }

    fn find(&self, digest: &Digest) -> Option<Arc<Plugin>> {
        let catalog = self
            .0
            .catalog
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        catalog.get(digest).and_then(Weak::upgrade)
    }

    fn compiled(&self, wasm: &[u8], digest: &Digest) -> Result<Component, LoadError> {
        let Inner { engine, cache, .. } = self.0.as_ref();
        if let Some(component) = cache.as_ref().and_then(|cache| cache.load(engine, digest)) {
            return Ok(component);
        }
        let component = Component::from_binary(engine, wasm)
            .map_err(|error| LoadError::Invalid(format!("{error:#}")))?;
        if let Some(Err(error)) = cache.as_ref().map(|cache| cache.store(digest, &component)) {
            tracing::warn!(plugin = %digest, %error, "compiled code could not be kept; the next start compiles again");
        }
        Ok(component)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("plugins_alive", &self.plugins_alive())
            .finish_non_exhaustive()
    }
}
