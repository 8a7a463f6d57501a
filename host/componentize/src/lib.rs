//! Turns the core module that `rustc` makes for `wasm32-unknown-unknown` into a component.
//!
//! A plugin can reach exactly what the contract offers: a module that imports anything else is refused here, with
//! the name of the import, before any gateway sees it. (The gateway's linker refuses it again.)
//! The only crate that names wit-component. It never runs guest code.

mod build;
mod cargo;
#[cfg(feature = "testing")]
pub mod testing;

pub use build::{
    BuildError, BuildRequest, Built, Compiled, build_package, build_workspace_guests,
    write_component,
};

use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// Interfaces of this package are the contract; its version is checked by the gateway.
const CONTRACT: &str = "almoner:plugin/";

/// The largest core module that is taken. A Rust plugin is below 2 MiB; generous room for tables of names.
const MODULE_BYTES_MAX: usize = 64 << 20;

/// Why a module is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Larger than 64 MiB.
    #[error(
        "the module has {bytes} bytes, more than {MODULE_BYTES_MAX}: build with --release and strip"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not a core WebAssembly module.
    #[error("this is not a core WebAssembly module ({0}): build for wasm32-unknown-unknown")]
    NotAModule(String),
    /// Already a component, or a module that holds one.
    #[error("this is a component already: it needs no further step")]
    IsComponent,
    /// It imports what no plugin may import.
    #[error(
        "the plugin imports {}, which is not part of the plugin contract: \
         plugins have no clock, randomness, files or network; remove what needs it",
        .0.join(", ")
    )]
    ForeignImports(
        /// `module#name` of each.
        Vec<String>,
    ),
    /// It carries no description of its world.
    #[error(
        "the module does not say which plugin world it implements: call almoner_plugin_sdk::export! once ({0})"
    )]
    NotAPlugin(String),
}

/// Makes a component of a core module. The same bytes in give the same bytes out.
///
/// # Errors
/// See [`Error`]; each says what the author can do.
pub fn componentize(core_wasm: &[u8]) -> Result<Vec<u8>, Error> {
    if core_wasm.len() > MODULE_BYTES_MAX {
        return Err(Error::TooLarge {
            bytes: core_wasm.len(),
        });
    }
    let foreign = foreign_imports(core_wasm)?;
    if !foreign.is_empty() {
        return Err(Error::ForeignImports(foreign));
    }
    if !describes_a_world(core_wasm)? {
        return Err(Error::NotAPlugin(
            "it has no component-type section".to_owned(),
        ));
    }
    let component = ComponentEncoder::default()
        .validate(true)
        .module(core_wasm)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| Error::NotAPlugin(format!("{error:#}")))?;
    Ok(component)
}

/// Whether the module carries the description of a world that binding generators leave in it.
fn describes_a_world(core_wasm: &[u8]) -> Result<bool, Error> {
    for payload in Parser::new(0).parse_all(core_wasm) {
        let payload = payload.map_err(|error| Error::NotAModule(error.to_string()))?;
        if let Payload::CustomSection(section) = payload
            && section.name().starts_with("component-type")
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Imports of the module that are outside the contract, as `module#name`, in the module's order.
fn foreign_imports(core_wasm: &[u8]) -> Result<Vec<String>, Error> {
    let not_a_module = |error: wasmparser::BinaryReaderError| Error::NotAModule(error.to_string());
    if Parser::is_component(core_wasm) {
        return Err(Error::IsComponent);
    }
    let mut foreign = Vec::new();
    for payload in Parser::new(0).parse_all(core_wasm) {
        let Payload::ImportSection(section) = payload.map_err(not_a_module)? else {
            continue;
        };
        for import in section.into_imports() {
            let import = import.map_err(not_a_module)?;
            if !import.module.starts_with(CONTRACT) {
                foreign.push(format!("{}#{}", import.module, import.name));
            }
        }
    }
    Ok(foreign)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    /// `(module (import "env" "time" (func)))` in bytes.
    const IMPORTS_TIME: &[u8] = &[
        0, b'a', b's', b'm', 1, 0, 0, 0, // magic, version 1
        1, 4, 1, 0x60, 0, 0, // one type: () -> ()
        2, 12, 1, 3, b'e', b'n', b'v', 4, b't', b'i', b'm', b'e', 0, 0, // env.time
    ];

    #[test]
    fn an_import_outside_the_contract_is_refused_by_name() {
        let refused = componentize(IMPORTS_TIME).unwrap_err();
        assert!(matches!(&refused, Error::ForeignImports(names) if names == &["env#time"]));
        assert!(refused.to_string().contains("env#time"));
    }

    #[test]
    fn a_module_without_a_world_is_not_a_plugin() {
        let empty = IMPORTS_TIME.get(..8).unwrap();
        assert!(matches!(componentize(empty), Err(Error::NotAPlugin(_))));
    }

    #[test]
    fn what_is_not_wasm_is_refused() {
        assert!(matches!(
            componentize(b"#!/bin/sh"),
            Err(Error::NotAModule(_))
        ));
        assert!(matches!(componentize(b""), Err(Error::NotAModule(_))));
    }

    #[test]
    fn a_component_is_not_wrapped_again() {
        let component = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
        assert!(matches!(componentize(&component), Err(Error::IsComponent)));
    }
}
