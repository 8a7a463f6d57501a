//! Calls cargo to describe a workspace and to compile its plugins for `wasm32-unknown-unknown`.
//!
//! The same source gives the same bytes wherever it is checked out and wherever its products go: paths are remapped,
//! one codegen unit, stripped, whatever profiles the workspace has. Nothing of the caller's own flags reaches a guest.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::BuildError;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Name of the profile that plugins are built with. It is given on the command line, so that a package needs none.
pub(crate) const PROFILE: &str = "guest";

/// What the profile says: fast code, and as few things as possible that could differ from one build to another.
const PROFILE_SETTINGS: [&str; 7] = [
    "inherits=\"release\"",
    "opt-level=3",
    "lto=\"fat\"",
    "codegen-units=1",
    "panic=\"abort\"",
    "strip=true",
    "debug=false",
];

/// Another compiler for guests, for machines whose toolchain lacks the target's standard library: it must have the
/// library's sources (`rust-src`), and the library is then built along.
pub(crate) const GUEST_RUSTC: &str = "ALMONER_GUEST_RUSTC";

/// What cargo says about the workspace around a folder, without its dependencies.
pub(crate) fn metadata(folder: &Path) -> Result<Value, BuildError> {
    let failed = |detail: String| BuildError::Metadata {
        workspace: folder.to_owned(),
        detail,
    };
    let output = Command::new(program())
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .map_err(start_error)?;
    if !output.status.success() {
        return Err(failed("cargo failed; it has said why".into()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}

/// Compiles packages of a workspace; modules are then in `TARGET/PROFILE` below `build_dir`.
pub(crate) fn build<'a>(
    workspace: &Path,
    packages: impl Iterator<Item = &'a String>,
    build_dir: &Path,
) -> Result<(), BuildError> {
    let mut command = Command::new(program());
    command
        .current_dir(workspace)
        .args(["build", "--lib", "--profile", PROFILE, "--target", TARGET])
        .arg("--target-dir")
        .arg(build_dir)
        // What the caller's environment says about host builds must not reach the guests.
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(workspace, build_dir))
        // Standard output is the caller's, who may print one JSON document there.
        .stdout(Stdio::null());
    for setting in PROFILE_SETTINGS {
        command.args(["--config", &format!("profile.{PROFILE}.{setting}")]);
    }
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

/// Paths of this machine stay out of the component, in cargo's encoding (separated by 0x1f). Of several prefixes
/// that fit, the compiler takes the last: the products may lie within the workspace.
fn rustflags(workspace: &Path, build_dir: &Path) -> OsString {
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let prefixes = [
        Some((workspace, "/plugin")),
        cargo_home.as_deref().map(|home| (home, "/cargo")),
        Some((build_dir, "/target")),
    ];
    let mut flags = OsString::new();
    for (from, to) in prefixes.into_iter().flatten() {
        if !flags.is_empty() {
            flags.push("\x1f");
        }
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    }
    flags
}

/// The cargo that runs us, if one does.
fn program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn start_error(source: std::io::Error) -> BuildError {
    BuildError::Start {
        program: program().to_string_lossy().into_owned(),
        source,
    }
}
