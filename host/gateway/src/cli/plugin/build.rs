//! `almoner plugin build`: a core module or a whole package to a component that imports nothing but the contract.
//!
//! Runs no code of the plugin. The component goes into the current folder unless told otherwise, and never over the
//! module it was made of.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use almoner_componentize::{BuildError, build_package, componentize, write_component};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::super::output::{Colour, Exit, Output};
use super::super::when::thousands;
use super::read;
use crate::policy::hex;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Golden vectors that lie beside the module or in the package, as NAME.golden.json, come along.\n\n\
                  Exit codes: 0 built, 1 the source is no plugin or does not compile, 2 usage."
)]
pub struct Args {
    /// A core module, built for wasm32-unknown-unknown
    #[arg(
        value_name = "FILE.wasm",
        required_unless_present = "package",
        conflicts_with = "package"
    )]
    pub file: Option<PathBuf>,
    /// Build the Cargo package in this folder instead
    #[arg(long, short, value_name = "DIR")]
    pub package: Option<PathBuf>,
    /// File or existing folder for the component [default: NAME.wasm in the current folder]
    #[arg(long, short, value_name = "OUT")]
    pub out: Option<PathBuf>,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    file: PathBuf,
    bytes: usize,
    sha256: String,
    golden: Option<PathBuf>,
    /// False if the file held these bytes already.
    changed: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args, output: &Output) -> Exit {
    let made = match (&args.file, &args.package) {
        (Some(file), _) => of_module(file, args.out.as_deref()),
        (None, Some(package)) => of_package(package, args.out.as_deref()),
        // The command line's rules leave no such case.
        (None, None) => Err((Exit::USAGE, "name a module or a package".to_owned())),
    };
    match made {
        Ok(made) => {
            output.json(&made);
            print(&made, output);
            Exit::OK
        }
        Err((exit, why)) => {
            output.error(why);
            exit
        }
    }
}

/// What was made, or how the command ends and what the user is told.
type Outcome = Result<Made, (Exit, String)>;

fn of_module(file: &Path, out: Option<&Path>) -> Outcome {
    let usage = |why: String| (Exit::USAGE, why);
    let stem = file.file_stem().unwrap_or(OsStr::new("plugin"));
    let stem = stem.to_string_lossy();
    // Cargo names libraries with underscores where packages have hyphens; golden vectors go by the package.
    let name = stem.replace('_', "-");
    let core = read(file).map_err(usage)?;
    let target = target(out, &name);
    if same_file(file, &target) {
        return Err(usage(format!(
            "{} would be written over; say where the component goes with -o",
            file.display()
        )));
    }
    let component = componentize(&core)
        .map_err(|error| (Exit::FAILED, format!("{}: {error}", file.display())))?;
    let beside = |name: &str| file.with_file_name(format!("{name}.golden.json"));
    let golden = Some(beside(&stem)).filter(|golden| golden.exists());
    write(target, &component, &golden.unwrap_or_else(|| beside(&name)))
}

/// Cargo says on standard error what it does.
fn of_package(package: &Path, out: Option<&Path>) -> Outcome {
    let built = build_package(package).map_err(|error| {
        let exit = match error {
            BuildError::NoPackage(_) | BuildError::Metadata { .. } | BuildError::File { .. } => {
                Exit::USAGE
            }
            _ => Exit::FAILED,
        };
        (exit, error.to_string())
    })?;
    write(target(out, &built.name), &built.component, &built.golden)
}

fn target(out: Option<&Path>, name: &str) -> PathBuf {
    let file = format!("{name}.wasm");
    match out {
        Some(out) if out.is_dir() => out.join(file),
        Some(out) => out.to_owned(),
        None => file.into(),
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    real(one).is_some_and(|one| real(other) == Some(one))
}

fn write(target: PathBuf, component: &[u8], golden: &Path) -> Outcome {
    let (golden, changed) = write_component(&target, component, golden)
        .map_err(|error| (Exit::FAILED, error.to_string()))?;
    Ok(Made {
        file: target,
        bytes: component.len(),
        sha256: hex(&Sha256::digest(component)),
        golden,
        changed,
    })
}

fn print(made: &Made, output: &Output) {
    let state = if made.changed { "written" } else { "unchanged" };
    let file = made.file.display().to_string();
    let bytes = thousands(made.bytes as u64);
    output.line(format_args!(
        "{}  {bytes} bytes, {state}",
        output.paint(Colour::Bold, &file)
    ));
    output.line(format_args!("sha256  {}", made.sha256));
    match &made.golden {
        Some(golden) => output.line(format_args!("golden  {}", golden.display())),
        None => output.line("golden  none: nothing holds it to its answers"),
    }
    output.line(format_args!("next    almoner plugin check {file}"));
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use super::super::super::output::Captured;
    use super::*;

    fn built(args: &Args, json: bool) -> (Exit, String, String) {
        let (out, err) = (Captured::default(), Captured::default());
        let exit = run(args, &Output::to(json, out.clone(), err.clone()));
        (exit, out.text(), err.text())
    }

    fn of(file: &Path) -> Args {
        Args {
            file: Some(file.to_owned()),
            package: None,
            out: None,
        }
    }

    #[test]
    fn what_is_no_plugin_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.wasm");
        let out = dir.path().join("b.wasm");
        let args = Args {
            out: Some(out.clone()),
            ..of(&file)
        };
        let (exit, _, err) = built(&args, false);
        assert_eq!(exit, Exit::USAGE, "{err}");
        for (bytes, says) in [
            (b"#!/bin/sh".as_slice(), "build for wasm32-unknown-unknown"),
            (b"\0asm\x0d\0\x01\0", "a component already"),
            (b"\0asm\x01\0\0\0", "almoner_plugin_sdk::export!"),
        ] {
            std::fs::write(&file, bytes).unwrap();
            let (exit, _, err) = built(&args, false);
            assert_eq!(exit, Exit::FAILED);
            assert!(err.contains(says), "{err}");
        }
        assert!(!out.exists());
    }

    #[test]
    fn a_module_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.wasm");
        std::fs::write(&file, b"\0asm\x01\0\0\0").unwrap();
        for out in [file.clone(), dir.path().to_owned()] {
            let args = Args {
                out: Some(out),
                ..of(&file)
            };
            let (exit, _, err) = built(&args, false);
            assert_eq!(exit, Exit::USAGE);
            assert!(err.contains("written over"), "{err}");
        }
    }

    #[test]
    fn a_folder_without_a_package_is_a_usage_error() {
        let dir = tempfile::tempdir().unwrap();
        let args = Args {
            file: None,
            package: Some(dir.path().to_owned()),
            out: None,
        };
        let (exit, _, err) = built(&args, false);
        assert_eq!(exit, Exit::USAGE, "{err}");
    }
}
