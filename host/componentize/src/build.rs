//! Builds the plugins of a Cargo workspace, or one package anywhere, and writes them as components.
//!
//! Each comes with its golden vectors. A file is written only when its contents change, so that a gateway that watches
//! the folder sees real changes only.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::cargo;

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
    /// Its golden vectors, if it has any.
    pub golden: Option<PathBuf>,
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
    /// A folder that was asked for is no package.
    #[error("{0} is not the folder of a Cargo package (it has no Cargo.toml with a [package])")]
    NoPackage(PathBuf),
    /// The compiler said no; it has printed why.
    #[error(
        "cargo could not build the plugins and has said why; if it lacks the target: `rustup target add {target}`, \
         or set {rustc}", target = cargo::TARGET, rustc = cargo::GUEST_RUSTC
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

/// A component, not written anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Name of the package.
    pub name: String,
    /// The component.
    pub component: Vec<u8>,
    /// Where golden vectors lie beside its source, if it has any.
    pub golden: PathBuf,
}

/// Builds the plugins of a workspace and writes `NAME.wasm` for each, with the golden vectors that lie beside its
/// source, if any, as `NAME.golden.json`.
///
/// # Errors
/// See [`BuildError`]. Components that were written before the failure stay; each is whole.
pub fn build_workspace_guests(request: &BuildRequest) -> Result<Vec<Built>, BuildError> {
    let plugins = plugins(request)?;
    let compiled = compile(&request.workspace, &request.target_dir, plugins)?;
    fs::create_dir_all(&request.out).map_err(file_error("creating", &request.out))?;
    compiled
        .into_iter()
        .map(|plugin| {
            let path = request.out.join(format!("{}.wasm", plugin.name));
            let (golden, changed) = write_component(&path, &plugin.component, &plugin.golden)?;
            Ok(Built {
                name: plugin.name,
                path,
                bytes: plugin.component.len(),
                golden,
                changed,
            })
        })
        .collect()
}

/// Builds the plugin whose `Cargo.toml` is in `folder`, and writes nothing but cargo's products.
///
/// # Errors
/// See [`BuildError`].
pub fn build_package(folder: &Path) -> Result<Compiled, BuildError> {
    let folder = fs::canonicalize(folder).map_err(file_error("opening", folder))?;
    let metadata = cargo::metadata(&folder)?;
    let path = |key: &str| metadata.get(key).and_then(Value::as_str).map(PathBuf::from);
    let (Some(workspace), Some(target_dir), Some(name)) = (
        path("workspace_root"),
        path("target_directory"),
        package_in(&metadata, &folder),
    ) else {
        return Err(BuildError::NoPackage(folder));
    };
    let plugins = members(&metadata).filter(|(member, _)| *member == name);
    let compiled = compile(&workspace, &target_dir, plugins.collect())?;
    compiled
        .into_iter()
        .next()
        .ok_or(BuildError::NoSuchPlugin(name))
}

fn compile(
    workspace: &Path,
    target_dir: &Path,
    plugins: BTreeMap<String, Source>,
) -> Result<Vec<Compiled>, BuildError> {
    if plugins.is_empty() {
        return Ok(Vec::new());
    }
    let build_dir = target_dir.join("guest-build");
    cargo::build(workspace, plugins.keys(), &build_dir)?;
    let modules = build_dir.join(cargo::TARGET).join(cargo::PROFILE);
    plugins
        .into_iter()
        .map(|(name, Source { library, folder })| {
            let module = modules.join(format!("{library}.wasm"));
            let core = fs::read(&module).map_err(file_error("reading", &module))?;
            let component = crate::componentize(&core).map_err(|source| BuildError::Module {
                name: name.clone(),
                source,
            })?;
            let golden = folder.join(format!("{name}.golden.json"));
            Ok(Compiled {
                name,
                component,
                golden,
            })
        })
        .collect()
}

/// Writes a component, and beside it the golden vectors that lie in `golden`, if there are any. Returns where the
/// vectors are, and whether the component is another one than before.
///
/// # Errors
/// When a file cannot be written.
pub fn write_component(
    path: &Path,
    component: &[u8],
    golden: &Path,
) -> Result<(Option<PathBuf>, bool), BuildError> {
    // The vectors first: a gateway that meets the new component holds it to the new ones.
    let beside = match fs::read(golden) {
        Ok(vectors) => {
            let beside = path.with_extension("golden.json");
            write_if_changed(&beside, &vectors)?;
            Some(beside)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(file_error("reading", golden)(error)),
    };
    Ok((beside, write_if_changed(path, component)?))
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
    let metadata = cargo::metadata(&request.workspace)?;
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

/// The package whose manifest is in `folder`.
fn package_in(metadata: &Value, folder: &Path) -> Option<String> {
    let packages = metadata.get("packages")?.as_array()?;
    let text = |package: &Value, key: &str| Some(package.get(key)?.as_str()?.to_owned());
    packages.iter().find_map(|package| {
        let manifest = PathBuf::from(text(package, "manifest_path")?);
        (manifest.parent() == Some(folder)).then(|| text(package, "name"))?
    })
}

/// Replaces the file in one step, so that no reader sees half a component.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<bool, BuildError> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(false);
    }
    // Of this process alone: two that build at once must not rename each other's file away.
    let staged = path.with_extension(format!("{}.part", std::process::id()));
    fs::write(&staged, bytes).map_err(file_error("writing", &staged))?;
    fs::rename(&staged, path).map_err(file_error("writing", path))?;
    Ok(true)
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
