//! What a component must be to become a plugin: UTF-8 strings only, imports from a short list, exactly one
//! of the four policy interfaces exported.
//!
//! Deny by default: what is not known is refused by its name, before any of its code runs.

use wasmparser::{CanonicalFunction, CanonicalOption, Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex};

use crate::host_functions::{OFFERED, PACKAGE, VERSION, VERSION_TRACK};
use crate::plugin::{LoadError, World};

/// Where the contract's functions are in a component.
pub(crate) struct Exports {
    pub(crate) describe: ComponentExportIndex,
    pub(crate) settings_schema: ComponentExportIndex,
    pub(crate) configure: ComponentExportIndex,
    pub(crate) policy: PolicyExports,
}

/// The functions of the one policy interface.
#[derive(Clone, Copy)]
pub(crate) enum PolicyExports {
    Guard {
        inspect: ComponentExportIndex,
    },
    Approval {
        assess: ComponentExportIndex,
    },
    Detector {
        declare: ComponentExportIndex,
        classify: ComponentExportIndex,
        detect: ComponentExportIndex,
    },
    Transformer {
        transform: ComponentExportIndex,
    },
}

impl PolicyExports {
    pub(crate) fn world(&self) -> World {
        match self {
            Self::Guard { .. } => World::Guard,
            Self::Approval { .. } => World::Approval,
            Self::Detector { .. } => World::Detector,
            Self::Transformer { .. } => World::Transformer,
        }
    }
}

/// Refuses strings in other encodings: transcoding is where runtimes have had holes, and no known toolchain
/// needs it.
pub(crate) fn check_encoding(wasm: &[u8]) -> Result<(), LoadError> {
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::ComponentCanonicalSection(section) = payload.map_err(not_a_component)? else {
            continue;
        };
        for function in section {
            let options = match function.map_err(not_a_component)? {
                CanonicalFunction::Lift { options, .. }
                | CanonicalFunction::Lower { options, .. } => options,
                _ => continue,
            };
            let foreign = |option: &CanonicalOption| {
                matches!(
                    option,
                    CanonicalOption::UTF16 | CanonicalOption::CompactUTF16
                )
            };
            if options.iter().any(foreign) {
                return Err(LoadError::Encoding);
            }
        }
    }
    Ok(())
}

fn not_a_component(error: wasmparser::BinaryReaderError) -> LoadError {
    LoadError::Invalid(error.to_string())
}

/// Refuses the first import that the host does not offer. Returns the names of all.
pub(crate) fn check_imports(
    engine: &Engine,
    component: &Component,
) -> Result<Vec<String>, LoadError> {
    let mut names = Vec::new();
    for (name, import) in component.component_type().imports(engine) {
        let refused = || LoadError::Import(name.to_owned());
        let interface = offered(name).ok_or_else(refused)?;
        let ComponentItem::ComponentInstance(instance) = import.ty else {
            return Err(refused());
        };
        let functions = instance
            .exports(engine)
            .any(|(_, item)| !matches!(item.ty, ComponentItem::Type(_)));
        if interface == "types" && functions {
            return Err(refused());
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn offered(import: &str) -> Option<&'static str> {
    let (interface, version) = import.strip_prefix(PACKAGE)?.split_once('@')?;
    let offered = OFFERED.into_iter().find(|name| *name == interface)?;
    version.starts_with(VERSION_TRACK).then_some(offered)
}

/// Finds the contract's functions, and which of the four worlds this is.
pub(crate) fn exports(component: &Component) -> Result<Exports, LoadError> {
    let lifecycle = Interface::find(component, "lifecycle").ok_or(LoadError::NoLifecycle)?;
    Ok(Exports {
        describe: lifecycle.function("describe")?,
        settings_schema: lifecycle.function("settings-schema")?,
        configure: lifecycle.function("configure")?,
        policy: policy(component)?,
    })
}

fn policy(component: &Component) -> Result<PolicyExports, LoadError> {
    let find = |name| Interface::find(component, name);
    match (
        find("guard"),
        find("approval"),
        find("detector"),
        find("transformer"),
    ) {
        (Some(guard), None, None, None) => Ok(PolicyExports::Guard {
            inspect: guard.function("inspect")?,
        }),
        (None, Some(approval), None, None) => Ok(PolicyExports::Approval {
            assess: approval.function("assess")?,
        }),
        (None, None, Some(detector), None) => Ok(PolicyExports::Detector {
            declare: detector.function("declare")?,
            classify: detector.function("classify")?,
            detect: detector.function("detect")?,
        }),
        (None, None, None, Some(transformer)) => Ok(PolicyExports::Transformer {
            transform: transformer.function("transform")?,
        }),
        _ => Err(LoadError::World),
    }
}

struct Interface<'a> {
    component: &'a Component,
    name: &'static str,
    index: ComponentExportIndex,
}

impl<'a> Interface<'a> {
    fn find(component: &'a Component, name: &'static str) -> Option<Self> {
        let index =
            component.get_export_index(None, format!("{PACKAGE}{name}@{VERSION}").as_str())?;
        Some(Self {
            component,
            name,
            index,
        })
    }

    fn function(&self, function: &'static str) -> Result<ComponentExportIndex, LoadError> {
        self.component
            .get_export_index(Some(&self.index), function)
            .ok_or(LoadError::Function {
                interface: self.name,
                function,
            })
    }
}
