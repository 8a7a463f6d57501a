//! Builds the plugins of a Cargo workspace for `wasm32-unknown-unknown` and writes them as components.
//!
//! The same source gives the same bytes wherever it is checked out: paths are remapped, one codegen unit, stripped.
//! A file is written only when its contents change, so that a gateway that watches the folder sees real changes only.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

const TARGET: &str = "wasm32-unknown-unknown";

/// Another compiler for guests, for machines whose toolchain lacks the target's standard library: it must have the
/// library's sources (`rust-src`), and the library is then built along.
const GUEST_RUSTC: &str = "ALMONER_GUEST_RUSTC";

/// What to build.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// Root of the workspace, where its `Cargo.toml` is.
    pub workspace: PathBuf,
    /// Where cargo keeps its products. Guests are built in `guest-build` below it, apart from the host's, so that
    /// neither waits for the other's lock.
    pub target_dir: PathBuf,
    /// Where the components go.
    pub out: PathBuf,
    /// Only these packages; all plugins if empty.
    pub packages: Vec<String>,
}

/// One component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Name of the package.
    pub name: String,
    /// The component's file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: usize,
    /// Whether the file was written; false if it held these bytes already.
    pub changed: bool,
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Cargo is missing or could not be started.
    #[error("starting {program}: {source}")]
    Start {
        /// What was started.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Cargo's description of the workspace was not understood.
    #[error("reading `cargo metadata` of {workspace}: {detail}")]
    Metadata {
        /// The workspace.
        workspace: PathBuf,
        /// What was wrong.
        detail: String,
    },
    /// A package that was asked for is no plugin.
    #[error("{0} is not a plugin of this workspace (a plugin has crate-type \"cdylib\")")]
    NoSuchPlugin(String),
    /// The compiler said no; it has printed why.
    #[error(
        "cargo could not build the plugins; is the target there? `rustup target add {TARGET}`, or set {GUEST_RUSTC}"
    )]
    Cargo,
    /// A file could not be read or written.
    #[error("{what} {path}: {source}")]
    File {
        /// "reading", "writing".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The module is not a plugin.
    #[error("{name}: {source}")]
    Module {
        /// The package.
        name: String,
        /// Why.
        source: crate::Error,
    },
}

/// Builds the plugins of a workspace and writes `NAME.wasm` for each, with the golden vectors that lie beside its
/// source, if any, as `NAME.golden.json`.
///
/// # Errors
/// See [`BuildError`]. Components that were written before the failure stay; each is whole.
pub fn build_workspace_guests(request: &BuildRequest) -> Result<Vec<Built>, BuildError> {
    let plugins = plugins(request)?;
    let build_dir = request.target_dir.join("guest-build");
    cargo_build(request, plugins.keys(), &build_dir)?;
    fs::create_dir_all(&request.out).map_err(file_error("creating", &request.out))?;
    let modules = build_dir.join(TARGET).join("guest");
    let mut built = Vec::new();
    for (name, Source { library, folder }) in plugins {
        let module = modules.join(format!("{library}.wasm"));
        let core = fs::read(&module).map_err(file_error("reading", &module))?;
        let component = crate::componentize(&core).map_err(|source| BuildError::Module {
            name: name.clone(),
            source,
        })?;
        let path = request.out.join(format!("{name}.wasm"));
        let golden = folder.join(format!("{name}.golden.json"));
        if let Ok(vectors) = fs::read(&golden) {
            write_if_changed(&path.with_extension("golden.json"), &vectors)?;
        }
        let changed = write_if_changed(&path, &component)?;
        built.push(Built {
            name,
            path,
            bytes: component.len(),
            changed,
        });
    }
    Ok(built)
}

/// Where a plugin comes from.
#[derive(Debug, PartialEq, Eq)]
struct Source {
    /// Name of its library.
    library: String,
    /// Folder of its `Cargo.toml`.
    folder: PathBuf,
}

/// By name of the package, every member that makes a cdylib (or those that were asked for).
fn plugins(request: &BuildRequest) -> Result<BTreeMap<String, Source>, BuildError> {
    let metadata_error = |detail: String| BuildError::Metadata {
        workspace: request.workspace.clone(),
        detail,
    };
    let output = Command::new(cargo())
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(&request.workspace)
        .stderr(Stdio::inherit())
        .output()
        .map_err(start_error)?;
    if !output.status.success() {
        return Err(metadata_error("cargo failed; it has said why".into()));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| metadata_error(error.to_string()))?;
    let mut plugins: BTreeMap<String, Source> = members(&metadata).collect();
    if let Some(missing) = (request.packages.iter()).find(|name| !plugins.contains_key(*name)) {
        return Err(BuildError::NoSuchPlugin(missing.clone()));
    }
    if !request.packages.is_empty() {
        plugins.retain(|name, _| request.packages.contains(name));
    }
    Ok(plugins)
}

/// Every member with a cdylib.
fn members(metadata: &Value) -> impl Iterator<Item = (String, Source)> {
    let list = |value: &Value, key: &str| -> Vec<Value> {
        value
            .get(key)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    list(metadata, "packages")
        .into_iter()
        .filter_map(move |package| {
            let library = list(&package, "targets")
                .into_iter()
                .find(|target| list(target, "crate_types").contains(&Value::from("cdylib")))?;
            let name = package.get("name")?.as_str()?.to_owned();
            let library = library.get("name")?.as_str()?.replace('-', "_");
            let manifest = Path::new(package.get("manifest_path")?.as_str()?);
            let folder = manifest.parent()?.to_owned();
            Some((name, Source { library, folder }))
        })
}

fn cargo_build<'a>(
    request: &BuildRequest,
    packages: impl Iterator<Item = &'a String>,
    build_dir: &Path,
) -> Result<(), BuildError> {
    let mut command = Command::new(cargo());
    command
        .current_dir(&request.workspace)
        .args(["build", "--lib", "--profile", "guest", "--target", TARGET])
        .arg("--target-dir")
        .arg(build_dir)
        // What the caller's environment says about host builds must not reach the guests.
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(&request.workspace));
    for package in packages {
        command.args(["--package", package]);
    }
    if let Some(rustc) = std::env::var_os(GUEST_RUSTC) {
        command
            .env("RUSTC", rustc)
            .env("RUSTC_BOOTSTRAP", "1")
            .arg("-Zbuild-std=std,panic_abort");
    }
    let status = command.status().map_err(start_error)?;
    if status.success() {
        Ok(())
    } else {
        Err(BuildError::Cargo)
    }
}

/// Paths of this machine stay out of the component, in cargo's encoding (separated by 0x1f).
fn rustflags(workspace: &Path) -> OsString {
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let mut flags = OsString::from("--remap-path-prefix=");
    flags.push(workspace);
    flags.push("=/plugin");
    if let Some(cargo_home) = cargo_home {
        flags.push("\x1f--remap-path-prefix=");
        flags.push(cargo_home);
        flags.push("=/cargo");
    }
    flags
}

/// The cargo that runs us, if one does.
fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Replaces the file in one step, so that no reader sees half a component.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<bool, BuildError> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(false);
    }
    let staged = path.with_extension("wasm.part");
    fs::write(&staged, bytes).map_err(file_error("writing", &staged))?;
    fs::rename(&staged, path).map_err(file_error("writing", path))?;
    Ok(true)
}

fn start_error(source: io::Error) -> BuildError {
    BuildError::Start {
        program: cargo().to_string_lossy().into_owned(),
        source,
    }
}

fn file_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BuildError {
    let path = path.to_owned();
    move |source| BuildError::File { what, path, source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    #[test]
    fn members_without_a_cdylib_are_no_plugins() {
        let metadata = serde_json::json!({"packages": [
            {"name": "sql-guard", "manifest_path": "/w/plugins/sql-guard/Cargo.toml", "targets": [{"name": "sql_guard", "crate_types": ["cdylib", "rlib"]}]},
            {"name": "almoner-wire", "manifest_path": "/w/host/wire/Cargo.toml", "targets": [{"name": "almoner_wire", "crate_types": ["lib"]}]},
        ]});
        let found: Vec<_> = members(&metadata).collect();
        let source = Source {
            library: "sql_guard".into(),
            folder: "/w/plugins/sql-guard".into(),
        };
        assert_eq!(found, [("sql-guard".to_owned(), source)]);
    }

    #[test]
    fn an_unchanged_component_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wasm");
        assert!(write_if_changed(&path, b"one").unwrap());
        assert!(!write_if_changed(&path, b"one").unwrap());
        assert!(write_if_changed(&path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }
}
