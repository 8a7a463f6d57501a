//! The committed self-test component is what its source says.
#![allow(clippy::unwrap_used, reason = "tests state what they expect")]

use std::fs;
use std::path::Path;

use almoner_componentize::testing;

/// `ALMONER_REGENERATE=1 cargo test -p almoner-sandbox --test selftest_component` writes it anew.
#[test]
fn the_committed_component_is_made_from_its_source() {
    let folder = Path::new("selftest");
    let source = fs::read_to_string(folder.join("hostile.wat")).unwrap();
    let made = testing::component(&source, "guard-plugin");
    let committed = folder.join("hostile.wasm");
    if std::env::var_os("ALMONER_REGENERATE").is_some() {
        fs::write(&committed, &made).unwrap();
    }
    assert!(
        fs::read(&committed).unwrap() == made,
        "selftest/hostile.wasm is not what hostile.wat makes"
    );
}
