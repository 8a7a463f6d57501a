//! The standard plugins as they were built for the gateway.

use std::path::PathBuf;

use anyhow::Context;

/// A plugin's component, from `$ALMONER_GUESTS` or `guests` in the target folder that holds this program.
pub(crate) fn read(name: &str) -> anyhow::Result<Vec<u8>> {
    let file = folder()?.join(format!("{name}.wasm"));
    std::fs::read(&file)
        .with_context(|| format!("reading {}: build it with `./dev guests`", file.display()))
}

fn folder() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("ALMONER_GUESTS") {
        return Ok(named.into());
    }
    let own = std::env::current_exe().context("finding this program's own file")?;
    // <target>/<profile>/almoner-bench
    let target = own
        .ancestors()
        .nth(2)
        .context("this program lies in a target folder")?;
    Ok(target.join("guests"))
}
