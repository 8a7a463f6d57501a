//! Finds what the gateway carries: the standard plugins, which are built before it, and the sources of the plugin SDK,
//! which `almoner plugin new` writes out.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), String> {
    plugins()?;
    sdk().map_err(|error| format!("the plugin SDK's sources: {error}"))
}

fn plugins() -> Result<(), String> {
    println!("cargo:rerun-if-env-changed=ALMONER_GUESTS");
    let guests = guests_dir().ok_or("no target folder around OUT_DIR")?;
    for name in ["phi", "sql-guard", "http-guard", "bulk-export"] {
        let wasm = guests.join(format!("{name}.wasm"));
        println!("cargo:rerun-if-changed={}", wasm.display());
        if !wasm.is_file() {
            return Err(format!(
                "{} is missing: build the standard plugins first with `./dev guests`",
                wasm.display()
            ));
        }
    }
    println!("cargo:rustc-env=ALMONER_GUESTS={}", guests.display());
    Ok(())
}

/// `$ALMONER_GUESTS`, or `guests` in the target folder that holds this build.
fn guests_dir() -> Option<PathBuf> {
    if let Some(dir) = env::var_os("ALMONER_GUESTS") {
        return Some(PathBuf::from(dir));
    }
    let out_dir = PathBuf::from(env::var_os("OUT_DIR")?);
    // <target>/<profile>/build/<package>/out
    out_dir
        .ancestors()
        .nth(4)
        .map(Path::new)
        .map(|target| target.join("guests"))
}

/// Writes `sdk.rs`: path and text of every file that a plugin is built against.
fn sdk() -> std::io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../..");
    let root = root.canonicalize()?;
    let mut files = vec![
        root.join("plugin-sdk/Cargo.toml"),
        root.join("plugin-sdk/README.md"),
        root.join("LICENSE"),
    ];
    for folder in ["plugin-sdk/src", "wit"] {
        println!("cargo:rerun-if-changed={}", root.join(folder).display());
        collect(&root.join(folder), &mut files)?;
    }
    // The order of a folder's entries is the file system's; the binary's contents must not be.
    files.sort();
    let mut text = String::from("&[\n");
    for file in &files {
        println!("cargo:rerun-if-changed={}", file.display());
        let name = file.strip_prefix(&root).unwrap_or(file);
        let _ = writeln!(text, "    ({name:?}, include_str!({file:?})),");
    }
    text.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("sdk.rs"), text)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "rs" || e == "wit") {
            files.push(path);
        }
    }
    Ok(())
}
