//! Builds every plugin of the workspace and writes the components.
//!
//! `almoner-guests [--out DIR] [PACKAGE…]`; without `--out` they go to `guests` in cargo's target folder.
//! Run it as `cargo run -p almoner-componentize --bin almoner-guests`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to its terminal"
)]

use std::{path::PathBuf, process::ExitCode};

use almoner_componentize::{BuildRequest, build_workspace_guests};

const USAGE: &str = "usage: almoner-guests [--out DIR] [PACKAGE…]";

fn main() -> ExitCode {
    let Some(request) = request(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match build_workspace_guests(&request) {
        Ok(built) => {
            for guest in built {
                let state = if guest.changed {
                    "written"
                } else {
                    "unchanged"
                };
                println!("{} {} bytes, {state}", guest.path.display(), guest.bytes);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("almoner-guests: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `None` if the arguments make no sense.
fn request(mut args: impl Iterator<Item = String>) -> Option<BuildRequest> {
    let workspace = workspace();
    let target_dir = std::env::var_os("CARGO_TARGET_DIR")
        .map(PathBuf::from)
        .unwrap_or_else(|| workspace.join("target"));
    let mut request = BuildRequest {
        out: target_dir.join("guests"),
        workspace,
        target_dir,
        packages: Vec::new(),
    };
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--out" => request.out = args.next()?.into(),
            flag if flag.starts_with('-') => return None,
            package => request.packages.push(package.to_owned()),
        }
    }
    // Cargo runs in the workspace; relative paths are the caller's.
    let here = std::env::current_dir().ok()?;
    request.out = here.join(request.out);
    request.target_dir = here.join(request.target_dir);
    Some(request)
}

/// The workspace that cargo runs this binary from, or the folder one is in. Not the one it was compiled in:
/// clones may share a target folder.
fn workspace() -> PathBuf {
    let root = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(PathBuf::new, |package| PathBuf::from(package).join("../.."));
    root.canonicalize().unwrap_or(root)
}
