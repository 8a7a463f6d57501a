//! The binary under test.

use std::path::PathBuf;

use anyhow::{Context, bail};

/// `$ALMONER_BIN`, or the binary of the same build as this test.
pub fn almoner() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("ALMONER_BIN") {
        return Ok(PathBuf::from(named));
    }
    // <target>/debug/deps/<test>
    let test = std::env::current_exe().context("finding this test's own file")?;
    let binary = test
        .ancestors()
        .nth(2)
        .context("a test lies in the target folder")?
        .join("almoner");
    if !binary.is_file() {
        bail!(
            "{} is missing: run the tests with `./dev test`, or build it with `./dev build`",
            binary.display()
        );
    }
    Ok(binary)
}

/// A folder for what test processes may share, such as fresh database clusters.
pub fn cache() -> Option<PathBuf> {
    Some(almoner().ok()?.ancestors().nth(2)?.join("stage"))
}
