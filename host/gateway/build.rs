//! Finds the standard plugins, which are built before the gateway and carried by it.

use std::env;
use std::path::{Path, PathBuf};

fn main() -> Result<(), String> {
    println!("cargo:rerun-if-env-changed=ALMONER_GUESTS");
    let guests = guests_dir().ok_or("no target folder around OUT_DIR")?;
    for name in ["phi", "sql-guard", "bulk-export"] {
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
