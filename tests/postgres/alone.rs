//! Tests that drive many processes and take the machine for themselves (see `.config/nextest.toml`).

use std::process::{Command, Stdio};

use almoner_tests::binary;

#[test]
fn the_demo_tells_its_story_to_the_end_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    // Run by root, PostgreSQL uses another account, which must be able to enter.
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let output = Command::new(binary::almoner().unwrap())
        .args(["demo", "--once"])
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let story = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{}\n{story}\n{errors}",
        output.status
    );
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}
