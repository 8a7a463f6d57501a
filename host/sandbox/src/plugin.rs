//! A plugin: a component that was compiled, checked against the contract and asked who it is.
//!
//! Its identity is the digest of its source, never of compiled code. Compiled code lives as long as the
//! last `Arc` to the plugin.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Component, InstancePre, Linker};

use crate::component::{Exports, PolicyExports, check_encoding, check_imports, exports};
use crate::digest::Digest;
use crate::failure::Failure;
use crate::gate::Gate;
use crate::host_functions::{Guest, Speaker};
use crate::instance::Instance;
use crate::limits::CallLimits;
use crate::manifest::{Manifest, ManifestError};
use crate::raw;
use crate::types::{CallContext, Found, Operation};
use crate::words::WordSets;

/// Size of a component. Python's with its standard library is 18 MiB.
pub const WASM_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Size of a settings schema.
const SCHEMA_BYTES_MAX: usize = 256 * 1024;
/// Time for `describe`, `settings-schema` and validation. Not on the path of an exchange; an interpreter's
/// first breath takes milliseconds.
pub(crate) const SETUP_TIME: Duration = Duration::from_secs(5);

/// Which of the four kinds of plugin it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum World {
    /// Allows, denies, holds or rewrites an action.
    Guard,
    /// Says whether approval is needed.
    Approval,
    /// Finds what must be masked.
    Detector,
    /// Replaces what was found.
    Transformer,
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guard => "guard",
            Self::Approval => "approval",
            Self::Detector => "detector",
            Self::Transformer => "transformer",
        })
    }
}

/// Why a component is not a plugin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Larger than [`WASM_BYTES_MAX`].
    #[error("the component is larger than {} MiB", WASM_BYTES_MAX / (1024 * 1024))]
    TooLarge,
    /// Not a component, or one that this engine cannot compile.
    #[error("not a valid component: {0}; build it with `almoner plugin build`")]
    Invalid(String),
    /// Strings in UTF-16.
    #[error(
        "the component passes strings in another encoding than UTF-8; build it with string-encoding=utf8"
    )]
    Encoding,
    /// An import that is not offered.
    #[error("the component imports {0}, which plugins cannot have; build it without WASI")]
    Import(String),
    /// The `lifecycle` interface is missing.
    #[error(
        "the component does not export almoner:plugin/lifecycle; build it against the published WIT"
    )]
    NoLifecycle,
    /// None of the four policy interfaces, or more than one.
    #[error("the component must export exactly one of guard, approval, detector and transformer")]
    World,
    /// A function of the contract is missing.
    #[error("the component's {interface} interface has no function {function}")]
    Function {
        /// The interface.
        interface: &'static str,
        /// The function.
        function: &'static str,
    },
    /// Names are right, types are not.
    #[error(
        "the component's types differ from the contract's: {0}; build it against the published WIT"
    )]
    Types(String),
    /// It did not survive being asked who it is.
    #[error("the plugin could not be asked who it is: {0}")]
    Describe(#[source] Failure),
    /// What it said about itself is refused.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The schema is not JSON, or too large.
    #[error("the plugin's settings schema is not JSON or larger than {} KiB", SCHEMA_BYTES_MAX / 1024)]
    Schema,
}

/// Compiled code and where its functions are.
pub(crate) struct Code {
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) configure: wasmtime::component::ComponentExportIndex,
    pub(crate) policy: PolicyExports,
}

/// A component that may be called.
pub struct Plugin {
    digest: Digest,
    manifest: Manifest,
    imports: Vec<String>,
    settings_schema: String,
    code: Code,
    pub(crate) speaker: Arc<Speaker>,
    pub(crate) gate: Gate,
}

impl Plugin {
    /// Of the source `.wasm`.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What it says about itself, checked.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The interfaces of the contract that it imports.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Which kind of plugin it is.
    pub fn world(&self) -> World {
        self.code.policy.world()
    }

    /// JSON Schema of its settings, as JSON text.
    pub fn settings_schema(&self) -> &str {
        &self.settings_schema
    }

    pub(crate) fn code(&self) -> &Code {
        &self.code
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.manifest.name)
            .field("world", &self.world())
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// Checks what can be checked without running anything.
pub(crate) fn check_source(wasm: &[u8]) -> Result<(), LoadError> {
    if wasm.len() > WASM_BYTES_MAX {
        return Err(LoadError::TooLarge);
    }
    check_encoding(wasm)
}

/// Makes a plugin of compiled code: checks imports and exports, then asks it who it is.
pub(crate) fn adopt(
    linker: &Linker<Guest>,
    component: &Component,
    digest: Digest,
    gate: Gate,
) -> Result<Plugin, LoadError> {
    let imports = check_imports(linker.engine(), component)?;
    let Exports {
        describe,
        settings_schema,
        configure,
        policy,
    } = exports(component)?;
    let types = |error: wasmtime::Error| LoadError::Types(format!("{error:#}"));
    let code = Code {
        pre: linker.instantiate_pre(component).map_err(types)?,
        configure,
        policy,
    };

    let limits = CallLimits::default();
    let unnamed = Arc::new(Speaker {
        name: String::new(),
        digest: digest.to_string(),
        codes: Default::default(),
    });
    let guest = Guest::new(&limits, unnamed, WordSets::default(), None);
    let mut instance =
        Instance::new(&code.pre, guest, &limits, SETUP_TIME).map_err(LoadError::Describe)?;
    check_types(&mut instance, &code, &describe, &settings_schema).map_err(types)?;

    let (raw,): (raw::Manifest,) = instance.call(&describe, ()).map_err(LoadError::Describe)?;
    let manifest = Manifest::check(raw)?;
    let (settings_schema,): (String,) = instance
        .call(&settings_schema, ())
        .map_err(LoadError::Describe)?;
    check_schema(&settings_schema)?;

    let speaker = Arc::new(Speaker {
        name: manifest.name.clone(),
        digest: digest.to_string(),
        codes: manifest.messages.keys().cloned().collect(),
    });
    Ok(Plugin {
        digest,
        manifest,
        imports,
        settings_schema,
        code,
        speaker,
        gate,
    })
}

fn check_schema(schema: &str) -> Result<(), LoadError> {
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(schema).is_ok();
    if is_json && schema.len() <= SCHEMA_BYTES_MAX {
        Ok(())
    } else {
        Err(LoadError::Schema)
    }
}

type Answer<T> = (Result<T, raw::Failure>,);

fn check_types(
    instance: &mut Instance,
    code: &Code,
    describe: &wasmtime::component::ComponentExportIndex,
    settings_schema: &wasmtime::component::ComponentExportIndex,
) -> wasmtime::Result<()> {
    instance.check::<(), (raw::Manifest,)>(describe)?;
    instance.check::<(), (String,)>(settings_schema)?;
    instance.check::<(&str,), (Result<raw::Unread, Vec<raw::SettingsError>>,)>(&code.configure)?;
    match &code.policy {
        PolicyExports::Guard { inspect } => {
            instance.check::<(&CallContext, &Operation), Answer<raw::Verdict>>(inspect)
        }
        PolicyExports::Approval { assess } => {
            instance.check::<(&CallContext, &Operation, u64), Answer<raw::Answer>>(assess)
        }
        PolicyExports::Detector {
            declare,
            classify,
            detect,
        } => {
            instance.check::<(), (raw::Declaration,)>(declare)?;
            instance
                .check::<(&str, &str, &[crate::types::Field]), Answer<Vec<raw::FieldFinding>>>(
                    classify,
                )?;
            instance.check::<(&CallContext, raw::Batch<'_>), Answer<Vec<raw::Finding>>>(detect)
        }
        PolicyExports::Transformer { transform } => {
            instance.check::<(&CallContext, &[Found]), Answer<Vec<String>>>(transform)
        }
    }
}
