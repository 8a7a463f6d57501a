//! `almoner plugin`: from `new` to a live session that obeys what was written, with a real compiler in between.
//!
//! Dependencies come from where this build got them; no test asks a registry.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use almoner_tests::{World, binary};
use serde_json::Value;

use crate::json;

/// A policy is obeyed within a second; a busy machine compiles more slowly.
const OBEYED: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(15);

/// What a command said.
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(command: &mut Command) -> Said {
    let output = command
        .env("NO_COLOR", "1")
        .env("CARGO_NET_OFFLINE", "true")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Said {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn almoner(folder: &Path, target: &Path, arguments: &[&str]) -> Said {
    run(Command::new(binary::almoner().unwrap())
        .args(arguments)
        .env("CARGO_TARGET_DIR", target)
        .current_dir(folder))
}

/// Cargo's products for all plugins of these tests, kept between runs.
fn target() -> PathBuf {
    let almoner = binary::almoner().unwrap();
    almoner.ancestors().nth(2).unwrap().join("plugin-tests")
}

/// Makes a plugin, with the versions of dependencies that this repository has.
fn new(folder: &Path, name: &str, world: &str) -> PathBuf {
    let made = almoner(
        folder,
        &target(),
        &["plugin", "new", name, "--world", world],
    );
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let plugin = folder.join(name);
    let lock = Path::new("../Cargo.lock");
    std::fs::copy(lock, plugin.join("Cargo.lock")).unwrap();
    plugin
}

/// Builds it and returns what was said about the component.
fn build(folder: &Path, target: &Path, name: &str) -> Value {
    let built = almoner(
        folder,
        target,
        &["plugin", "build", "--package", name, "--json"],
    );
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    json(&built.stdout)
}

#[test]
fn what_new_makes_passes_its_own_tests_is_built_and_would_be_taken() {
    let folder = tempfile::tempdir().unwrap();
    for world in ["guard", "approval", "detector"] {
        let name = format!("our-{world}");
        let plugin = new(folder.path(), &name, world);
        let tested = run(Command::new("cargo")
            .args(["test", "--quiet"])
            .env("CARGO_TARGET_DIR", target())
            .current_dir(&plugin));
        assert_eq!(tested.code, Some(0), "{}{}", tested.stdout, tested.stderr);
        assert!(tested.stdout.contains("2 passed"), "{}", tested.stdout);

        let built = build(folder.path(), &target(), &name);
        let file = format!("{name}.wasm");
        let checked = almoner(
            folder.path(),
            &target(),
            &["plugin", "check", &file, "--json"],
        );
        assert_eq!(
            checked.code,
            Some(0),
            "{}{}",
            checked.stdout,
            checked.stderr
        );
        let report = json(&checked.stdout);
        assert_eq!(
            (&report["world"], &report["sha256"]),
            (&world.into(), &built["sha256"])
        );
        assert!(report["golden"]["cases"].as_u64().unwrap() >= 3, "{report}");
        assert_eq!(report["golden"]["mismatches"].as_array().unwrap().len(), 0);
    }
}

#[test]
fn a_module_is_made_a_component_and_a_vector_that_does_not_hold_is_named() {
    let folder = tempfile::tempdir().unwrap();
    new(folder.path(), "our-guard", "guard");
    let built = build(folder.path(), &target(), "our-guard");
    // The module that cargo made on the way, as an author who calls cargo alone would have it.
    let modules = target().join("guest-build/wasm32-unknown-unknown/guest");
    std::fs::copy(
        modules.join("our_guard.wasm"),
        folder.path().join("our_guard.wasm"),
    )
    .unwrap();
    std::fs::write(
        folder.path().join("our-guard.golden.json"),
        r#"{"cases": [{"name": "all is allowed", "guard": {"verb": "SELECT"}, "expect": {"verdict": "allow"}}]}"#,
    )
    .unwrap();
    std::fs::create_dir(folder.path().join("out")).unwrap();
    let made = almoner(
        folder.path(),
        &target(),
        &["plugin", "build", "our_guard.wasm", "-o", "out", "--json"],
    );
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert_eq!(json(&made.stdout)["sha256"], built["sha256"]);
    let checked = almoner(
        folder.path(),
        &target(),
        &["plugin", "check", "out/our-guard.wasm"],
    );
    assert_eq!(checked.code, Some(1), "{}", checked.stdout);
    assert!(
        checked.stdout.contains("all is allowed"),
        "{}",
        checked.stdout
    );
    assert!(
        checked.stdout.contains("would not take it"),
        "{}",
        checked.stdout
    );
}

#[test]
fn the_same_source_gives_the_same_component_wherever_it_lies() {
    let one = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let deeper = other.path().join("some/where/else");
    std::fs::create_dir_all(&deeper).unwrap();
    new(one.path(), "our-detector", "detector");
    new(&deeper, "our-detector", "detector");
    let first = build(one.path(), &target(), "our-detector");
    // Nothing is shared with the first, the products of dependencies included.
    let second = build(&deeper, &other.path().join("products"), "our-detector");
    assert_eq!(first["sha256"], second["sha256"]);
    let component = std::fs::read(deeper.join("our-detector.wasm")).unwrap();
    let home = std::env::var("HOME").unwrap();
    for path in [other.path().to_str().unwrap(), &home] {
        let path = path.as_bytes();
        assert!(!component.windows(path.len()).any(|window| window == path));
    }
}

#[test]
fn a_live_session_obeys_a_plugin_that_was_just_written() {
    let folder = tempfile::tempdir().unwrap();
    new(folder.path(), "our-guard", "guard");
    let built = build(folder.path(), &target(), "our-guard");
    let world = World::start().unwrap();
    let mut session = world
        .gateway
        .psql("ward-assistant", "clinic")
        .session()
        .unwrap();
    let count = "select count(*) as results from lab_results;";
    let before = session.ask(count, LIMIT).unwrap();
    assert!(!before.contains("ERROR"), "{before}");

    let plugins = world.gateway.policy_folder().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    for file in ["our-guard.wasm", "our-guard.golden.json"] {
        std::fs::copy(folder.path().join(file), plugins.join(file)).unwrap();
    }
    let digest = built["sha256"].as_str().unwrap();
    let policy = format!(
        "[[plugin]]\nname = \"closed\"\nuse = \"file:plugins/our-guard.wasm\"\nsha256 = \"{digest}\"\n\
         [plugin.settings]\nclosed_tables = [\"lab_results\"]\n"
    );
    world.gateway.save_policy("15-ours.toml", &policy).unwrap();
    let rules = include_str!("../../host/gateway/src/demo/clinic/20-rules.toml");
    let rules = rules.replace(
        "guards = [\"sql-guard\"]",
        "guards = [\"sql-guard\", \"closed\"]",
    );
    world.gateway.save_policy("20-rules.toml", &rules).unwrap();

    let since = Instant::now();
    let denied = loop {
        let answer = session.ask(count, LIMIT).unwrap();
        if answer.contains("ERROR") {
            break answer;
        }
        assert!(
            since.elapsed() < OBEYED,
            "{answer}\n{}",
            world.gateway.log()
        );
        std::thread::sleep(Duration::from_millis(200));
    };
    assert!(denied.contains("lab_results is closed"), "{denied}");
    let still = session.ask("select count(*) from notes;", LIMIT).unwrap();
    assert!(!still.contains("ERROR"), "{still}");

    let listed = world
        .gateway
        .almoner(&["plugin", "list", "--json"], &[])
        .unwrap();
    let in_force = json(&listed.stdout);
    let ours = in_force.as_array().unwrap().iter();
    let ours = ours
        .clone()
        .find(|plugin| plugin["name"] == "closed")
        .unwrap();
    assert_eq!(
        (&ours["component"], &ours["world"], &ours["sha256"]),
        (&"our-guard".into(), &"guard".into(), &built["sha256"])
    );
    let of_folder = world
        .gateway
        .almoner(&["plugin", "list", "--policies", "policies", "--json"], &[])
        .unwrap();
    assert_eq!(json(&of_folder.stdout), in_force, "{of_folder:?}");
    let table = world.gateway.almoner(&["plugin", "list"], &[]).unwrap();
    let row = table.stdout.lines().find(|line| line.starts_with("closed"));
    assert!(row.unwrap().contains(&digest[..12]), "{table:?}");
}

#[test]
fn a_plugin_that_reaches_for_the_outside_is_refused_by_the_name_of_what_it_wants() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = new(folder.path(), "our-guard", "guard");
    let source = plugin.join("src/lib.rs");
    let text = std::fs::read_to_string(&source).unwrap();
    let greedy = format!(
        "{text}\n#[cfg(target_arch = \"wasm32\")]\n#[link(wasm_import_module = \"env\")]\nunsafe extern \"C\" {{\n    \
         fn clock() -> i64;\n}}\n#[cfg(target_arch = \"wasm32\")]\n#[unsafe(no_mangle)]\npub extern \"C\" fn leak() -> i64 {{\n    \
         unsafe {{ clock() }}\n}}\n"
    );
    std::fs::write(&source, greedy).unwrap();
    let refused = almoner(
        folder.path(),
        &target(),
        &["plugin", "build", "--package", "our-guard"],
    );
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("env#clock"), "{}", refused.stderr);
    assert!(!folder.path().join("our-guard.wasm").exists());
}

#[test]
fn words_of_a_mounted_file_are_asked_and_a_pinned_file_that_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = new(folder.path(), "our-guard", "guard");
    let source = plugin.join("src/lib.rs");
    let text = std::fs::read_to_string(&source).unwrap();
    let asks = "lookup::contains(\"closed\", std::slice::from_ref(&relation.name)) == [true]";
    let asking = text.replace("self.settings.closed_tables.contains(&relation.name)", asks);
    assert_ne!(text, asking);
    std::fs::write(&source, asking).unwrap();
    let built = build(folder.path(), &target(), "our-guard");
    std::fs::write(folder.path().join("closed.txt"), "# tables\npayroll\n").unwrap();

    let check = |more: &[&str]| {
        let arguments = [&["plugin", "check", "our-guard.wasm"], more].concat();
        almoner(folder.path(), &target(), &arguments)
    };
    let without = check(&[]);
    assert_eq!(without.code, Some(1), "{}", without.stdout);
    let with = check(&["--set", "closed=closed.txt"]);
    assert_eq!(with.code, Some(0), "{}{}", with.stdout, with.stderr);

    let policies = folder.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    for file in ["our-guard.wasm", "our-guard.golden.json", "closed.txt"] {
        std::fs::copy(folder.path().join(file), policies.join(file)).unwrap();
    }
    let digest = built["sha256"].as_str().unwrap();
    let policy = |pin: &str| {
        format!(
            "[[plugin]]\nname = \"closed\"\nuse = \"file:our-guard.wasm\"\nsha256 = \"{digest}\"\n\
             [plugin.sets]\nclosed = {{ file = \"closed.txt\"{pin} }}\n"
        )
    };
    let list = || {
        let arguments = ["plugin", "list", "--policies", "policies", "--json"];
        almoner(folder.path(), &target(), &arguments)
    };
    let generation = || {
        let listed = almoner(
            folder.path(),
            &target(),
            &["plugin", "list", "--policies", "policies"],
        );
        assert_eq!(listed.code, Some(0), "{}", listed.stderr);
        listed.stdout.lines().next().unwrap().to_owned()
    };
    std::fs::write(policies.join("10.toml"), policy("")).unwrap();
    let first = generation();
    let sets = &json(&list().stdout)[0]["sets"];
    assert_eq!(sets[0]["name"], "closed");
    assert_eq!(sets[0]["words"], 1);
    let pin = format!(", sha256 = \"{}\"", sets[0]["sha256"].as_str().unwrap());

    // The words are part of what the generation's digest covers.
    std::fs::write(policies.join("closed.txt"), "payroll\nrosters\n").unwrap();
    assert_ne!(generation(), first);
    std::fs::write(policies.join("10.toml"), policy(&pin)).unwrap();
    let refused = almoner(
        folder.path(),
        &target(),
        &["check", "--policies", "policies"],
    );
    assert_eq!(refused.code, Some(2), "{}", refused.stdout);
    assert!(
        refused
            .stderr
            .contains("10.toml:6: plugin \"closed\": word set \"closed\": ")
            && refused.stderr.contains("the policy says"),
        "{}",
        refused.stderr
    );
    std::fs::remove_file(policies.join("closed.txt")).unwrap();
    let gone = list();
    assert_eq!(gone.code, Some(1));
    assert!(gone.stderr.contains("cannot read"), "{}", gone.stderr);
}
