//! What is refused before it becomes a plugin, and what the cache of compiled code accepts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use almoner_componentize::testing::{self, Guest, Pattern, StringEncoding, detector, guard};
use almoner_sandbox::{
    Capacity, Configured, Grant, Host, HostError, HostSettings, LoadError, ManifestError,
    SettingsErrors, World,
};
use serde_json::json;

fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| Host::new(HostSettings::default()).expect("the self-test passes"))
}

fn with_cache(folder: &Path) -> Result<Host, HostError> {
    // Small: several hosts live at once in this test.
    let capacity = Capacity {
        instances: 16,
        ..Capacity::default()
    };
    Host::new(HostSettings {
        cache: Some(folder.to_owned()),
        capacity,
        ..HostSettings::default()
    })
}

/// A folder that only this user can enter.
fn private() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    folder
}

const ALLOW: &str = "(i32.const 64)";

#[test]
fn a_plugin_is_known_by_the_digest_of_its_source() {
    let wasm = guard(ALLOW);
    let plugin = host().load(&wasm).unwrap();
    assert_eq!(*plugin.digest(), almoner_sandbox::Digest::of(&wasm));
    assert_eq!(
        (plugin.world(), plugin.manifest().name.as_str()),
        (World::Guard, "test")
    );
    assert!(
        Arc::ptr_eq(&plugin, &host().load(&wasm).unwrap()),
        "the same bytes are loaded once"
    );
}

#[test]
fn an_import_that_is_not_offered_is_refused_by_its_name() {
    let wasm = wat::parse_str(
        r#"(component
            (import "wasi:clocks/wall-clock@0.2.0" (instance
              (export "resolution" (func (result u64))))))"#,
    )
    .unwrap();
    let error = host().load(&wasm).unwrap_err();
    assert!(
        matches!(&error, LoadError::Import(name) if name == "wasi:clocks/wall-clock@0.2.0"),
        "{error}"
    );
}

#[test]
fn an_interface_of_the_contract_with_a_function_it_does_not_have_is_refused() {
    let wasm = wat::parse_str(
        r#"(component (import "almoner:plugin/types@0.1.0" (instance (export "read" (func)))))"#,
    )
    .unwrap();
    assert!(matches!(host().load(&wasm), Err(LoadError::Import(_))));
}

#[test]
fn strings_in_utf16_are_refused() {
    let core = r#"(module (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
        (func (export "almoner:plugin/lifecycle@0.1.0#describe") (result i32) (i32.const 64))
        (func (export "almoner:plugin/lifecycle@0.1.0#settings-schema") (result i32) (i32.const 64))
        (func (export "almoner:plugin/lifecycle@0.1.0#configure") (param i32 i32) (result i32) (i32.const 64))
        (func (export "almoner:plugin/guard@0.1.0#inspect") (param i32) (result i32) (i32.const 64)))"#;
    let wasm = testing::encoded(core, "guard-plugin", StringEncoding::UTF16);
    assert!(matches!(host().load(&wasm), Err(LoadError::Encoding)));
}

#[test]
fn what_is_no_component_or_exports_no_policy_is_refused() {
    assert!(matches!(
        host().load(b"\0asm\x01\0\0\0"),
        Err(LoadError::Invalid(_))
    ));
    assert!(matches!(host().load(b"hello"), Err(LoadError::Invalid(_))));
    let empty = wat::parse_str("(component)").unwrap();
    assert!(matches!(host().load(&empty), Err(LoadError::NoLifecycle)));
}

#[test]
fn a_plugin_that_asks_for_too_long_a_span_is_refused() {
    let wasm = Guest::new("guard-plugin")
        .max_span(1000)
        .function("guard", "inspect", "(param i32) (result i32)", ALLOW)
        .build();
    let error = host().load(&wasm).unwrap_err();
    assert!(
        matches!(error, LoadError::Manifest(ManifestError::Span)),
        "{error}"
    );
}

#[test]
fn a_plugin_that_traps_when_asked_who_it_is_is_refused() {
    let wasm = testing::component(
        r#"(module (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
        (func (export "almoner:plugin/lifecycle@0.1.0#describe") (result i32) (unreachable))
        (func (export "almoner:plugin/lifecycle@0.1.0#settings-schema") (result i32) (i32.const 64))
        (func (export "almoner:plugin/lifecycle@0.1.0#configure") (param i32 i32) (result i32) (i32.const 64))
        (func (export "almoner:plugin/guard@0.1.0#inspect") (param i32) (result i32) (i32.const 64)))"#,
        "guard-plugin",
    );
    assert!(matches!(host().load(&wasm), Err(LoadError::Describe(_))));
}

#[test]
fn a_refusal_of_settings_comes_with_pointers() {
    let mut guest = Guest::new("guard-plugin");
    let pointer = guest.string("/max");
    let message = guest.string("must be\npositive");
    let errors = testing::list(guest.put(&[pointer, message].concat()), 1);
    let answer = guest.put(&[&[1, 0, 0, 0][..], &errors].concat());
    let wasm = guest
        .returns("lifecycle", "configure", "(param i32 i32)", answer)
        .function("guard", "inspect", "(param i32) (result i32)", ALLOW)
        .build();
    let plugin = host().load(&wasm).unwrap();
    let errors = host()
        .configure(&plugin, &json!({"max": -1}), Grant::default())
        .unwrap_err();
    let SettingsErrors::Refused(errors) = errors else {
        panic!("{errors}")
    };
    assert_eq!(
        (errors[0].pointer.as_str(), errors[0].message.as_str()),
        ("/max", "must bepositive")
    );
}

#[test]
fn patterns_that_cannot_be_used_are_refused_when_the_detector_is_configured() {
    let candidate = Pattern {
        role: 1,
        ..Pattern::finding("x+")
    };
    let kind = Pattern {
        kind: 9,
        ..Pattern::finding("x+")
    };
    let cases = [
        (Pattern::finding("(unclosed"), 0, "pattern 0 cannot be used"),
        (Pattern::finding("x*"), 0, "matches the empty string"),
        (
            Pattern::finding(r"(?:\w{1,500}){1,500}"),
            0,
            "pattern 0 cannot be used",
        ),
        (candidate, 2, "nothing would confirm it"),
        (kind, 0, "does not declare"),
    ];
    for (pattern, appetite, expected) in cases {
        let wasm = detector(Guest::new("detector-plugin"), &[pattern], appetite, &[], "");
        let plugin = host().load(&wasm).unwrap();
        let error = host()
            .configure(&plugin, &json!({}), Grant::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_plugin_and_its_code_are_gone_with_the_last_reference() {
    let folder = private();
    let host = with_cache(folder.path()).unwrap();
    assert_eq!(host.plugins_alive(), 0, "the self-test left a plugin alive");
    for _ in 0..20 {
        let plugin = host.load(&guard("(nop) (nop) (i32.const 64)")).unwrap();
        let configured = host
            .configure(&plugin, &json!({}), Grant::default())
            .unwrap();
        assert!(matches!(configured, Configured::Guard(_)));
        assert_eq!(host.plugins_alive(), 1);
    }
    assert_eq!(host.plugins_alive(), 0);
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "code")
        })
        .collect()
}

#[test]
fn compiled_code_is_kept_and_loaded_again() {
    let folder = private();
    let wasm = guard(ALLOW);
    with_cache(folder.path()).unwrap().load(&wasm).unwrap();
    let written = entries(folder.path());
    assert_eq!(written.len(), 2, "the self-test's component and this one");
    let changed = |path: &PathBuf| fs::metadata(path).unwrap().modified().unwrap();
    let times: Vec<_> = written.iter().map(changed).collect();
    with_cache(folder.path()).unwrap().load(&wasm).unwrap();
    assert_eq!(
        written.iter().map(changed).collect::<Vec<_>>(),
        times,
        "nothing was compiled again"
    );
}

#[test]
fn an_entry_that_was_changed_is_compiled_again() {
    let folder = private();
    let wasm = guard(ALLOW);
    with_cache(folder.path()).unwrap().load(&wasm).unwrap();
    let originals: Vec<_> = entries(folder.path())
        .iter()
        .map(|path| fs::read(path).unwrap())
        .collect();
    for path in entries(folder.path()) {
        let mut entry = fs::read(&path).unwrap();
        let middle = entry.len() / 2;
        entry[middle] ^= 1;
        fs::write(&path, entry).unwrap();
    }
    with_cache(folder.path()).unwrap().load(&wasm).unwrap();
    let again: Vec<_> = entries(folder.path())
        .iter()
        .map(|path| fs::read(path).unwrap())
        .collect();
    assert!(again == originals, "the entries are whole again");
}

#[test]
fn an_entry_of_another_key_is_compiled_again() {
    let (ours, theirs) = (private(), private());
    let wasm = guard(ALLOW);
    with_cache(theirs.path()).unwrap().load(&wasm).unwrap();
    with_cache(ours.path()).unwrap().load(&wasm).unwrap();
    for path in entries(theirs.path()) {
        let place = ours.path().join(path.file_name().unwrap());
        fs::copy(&path, &place).unwrap();
        let planted = fs::read(&place).unwrap();
        with_cache(ours.path()).unwrap().load(&wasm).unwrap();
        assert!(
            fs::read(&place).unwrap() != planted,
            "the planted entry was not used"
        );
    }
}

#[test]
fn a_folder_open_to_others_is_refused() {
    let folder = private();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(
        with_cache(folder.path()),
        Err(HostError::Cache(_))
    ));
}
