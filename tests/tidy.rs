//! The rules of the house that no compiler checks: which folder may name what, how long files and functions
//! are, that documents lead somewhere. It reads sources as text, builds nothing and needs no dependency.
//!
//! Lengths are ratchets: what is too long today is listed with its length, and may only become shorter.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

#[path = "tidy/source.rs"]
mod source;

use std::fs;

use source::{code_of, files, functions, has_folder, has_name, links_of, root, sources};

/// Lines of a file that a reader can be asked to hold in mind; most should have half of it.
const FILE_LINES_MAX: usize = 600;
/// Lines of a function; most should have a fifth of it.
const FUNCTION_LINES_MAX: usize = 90;
/// A listed length that is further than this above the real one is to be lowered.
const RATCHET_SLACK: usize = 40;

/// Files that are longer, with the lines they may have.
const LONG_FILES: &[(&str, usize)] = &[];

/// Functions that are longer, with the lines they may have.
const LONG_FUNCTIONS: &[(&str, &str, usize)] = &[
    ("host/gateway/src/serve/mod.rs", "run", 130),
    ("host/stage/src/clinic/script.rs", "write", 100),
    ("plugins/phi/src/places/facility.rs", "facility", 99),
];

#[test]
fn the_codecs_know_no_runtime_no_log_and_no_clock() {
    let mut found = names_in(
        "host/wire/src",
        &["tokio", "tracing", "std::time", "std::net", "std::fs"],
    );
    found.extend(dependencies_in("host/wire", &["tokio", "tracing", "log"]));
    assert_none("host/wire is a function of bytes", found);
}

#[test]
fn the_ledger_knows_no_runtime_no_store_and_no_clock() {
    let mut found = names_in(
        "host/ledger/src",
        &[
            "tokio",
            "tracing",
            "rocksdb",
            "std::fs",
            "std::net",
            "SystemTime",
            "Instant",
        ],
    );
    found.extend(dependencies_in(
        "host/ledger",
        &["tokio", "tracing", "rocksdb"],
    ));
    assert_none(
        "an auditor can build host/ledger alone, and it is a function of its arguments",
        found,
    );
}

#[test]
fn policy_names_no_protocol() {
    let mut found = names_in(
        "host/gateway/src/policy",
        &["protocols", "almoner_wire", "almoner_sql"],
    );
    found.extend(names_in(
        "host/gateway/src/approvals",
        &["protocols", "almoner_wire", "almoner_sql"],
    ));
    assert_none(
        "protocols show policy actions and parts; it never asks which protocol",
        found,
    );
}

#[test]
fn protocols_name_neither_plugins_nor_the_audit_trail() {
    let found = names_in(
        "host/gateway/src/protocols",
        &[
            "crate::plugins",
            "almoner_audit",
            "almoner_ledger",
            "crate::approvals",
            "crate::admin",
        ],
    );
    assert_none(
        "protocols reach plugins, approvals and records through policy alone",
        found,
    );
}

#[test]
fn what_is_named_by_one_crate_is_named_by_no_other() {
    let walls = [
        ("rocksdb", &["host/audit/", "benches/"] as &[&str]),
        ("wasmtime", &["host/sandbox/"]),
        ("pg_query", &["host/sql/"]),
        ("wit_component", &["host/componentize/"]),
    ];
    let mut found = Vec::new();
    for (name, allowed) in walls {
        let outside = |path: &str| !allowed.iter().any(|folder| path.starts_with(folder));
        for (path, text) in sources("", "rs") {
            if outside(&path) && has_name(&code_of(&text), name) {
                found.push(format!("{path} names {name}"));
            }
        }
        let package = name.replace('_', "-");
        for (path, text) in sources("", "toml") {
            // The root manifest fixes versions; naming a version there uses nothing.
            let is_manifest = path.ends_with("/Cargo.toml");
            if is_manifest && outside(&path) && depends_on(&text, &[&package, name]) {
                found.push(format!("{path} depends on {package}"));
            }
        }
    }
    assert_none(
        "one crate holds each of these, so that its rules are held in one place",
        found,
    );
}

#[test]
fn every_source_file_says_first_why_it_exists() {
    let mut found = Vec::new();
    for (path, text) in sources("", "rs") {
        if !text.starts_with("//!") {
            found.push(path);
        }
    }
    assert_none(
        "files begin with `//!`: why they exist and what they never do",
        found,
    );
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold_in_mind() {
    let mut found = Vec::new();
    let mut listed: Vec<&str> = Vec::new();
    for (path, text) in sources("", "rs") {
        let lines = text.lines().count();
        match LONG_FILES.iter().find(|(long, _)| *long == path) {
            Some((long, most)) => {
                listed.push(long);
                found.extend(ratchet(&path, lines, *most, FILE_LINES_MAX));
            }
            None if lines > FILE_LINES_MAX => {
                found.push(format!(
                    "{path} has {lines} lines, more than {FILE_LINES_MAX}: split it"
                ));
            }
            None => {}
        }
    }
    for (path, _) in LONG_FILES {
        if !listed.contains(path) {
            found.push(format!("{path} is gone: take it off the list"));
        }
    }
    assert_none("one noun or verb per file", found);
}

#[test]
fn no_function_is_longer_than_a_screen_or_two() {
    let mut found = Vec::new();
    let mut listed = Vec::new();
    for (path, text) in sources("", "rs") {
        // A table of cases is as long as there are cases.
        if path.contains("tests/") || path.ends_with("tests.rs") {
            continue;
        }
        for (name, lines) in functions(&code_of(&text)) {
            let entry = LONG_FUNCTIONS
                .iter()
                .find(|(file, function, _)| *file == path && *function == name);
            match entry {
                Some((file, function, most)) => {
                    listed.push((*file, *function));
                    found.extend(ratchet(&format!("{path}: fn {name}"), lines, *most, FUNCTION_LINES_MAX));
                }
                None if lines > FUNCTION_LINES_MAX => found.push(format!(
                    "{path}: fn {name} has {lines} lines, more than {FUNCTION_LINES_MAX}: give its steps names"
                )),
                None => {}
            }
        }
    }
    for (file, function, _) in LONG_FUNCTIONS {
        if !listed.contains(&(*file, *function)) {
            found.push(format!(
                "{file}: fn {function} is gone: take it off the list"
            ));
        }
    }
    assert_none("branches in the parent, work in the leaves", found);
}

#[test]
fn links_between_documents_lead_to_files() {
    let root = root();
    let mut found = Vec::new();
    let mut links = 0;
    for (path, text) in sources("", "md") {
        let folder = root.join(&path).parent().unwrap().to_owned();
        for target in links_of(&text) {
            links += 1;
            let file = target.split('#').next().unwrap();
            if !file.is_empty() && !folder.join(file).exists() {
                found.push(format!("{path} links to {target}, which is not there"));
            }
        }
    }
    assert!(
        links > 20,
        "only {links} links were found: the search is broken"
    );
    assert_none("a document that leads nowhere is worse than none", found);
}

#[test]
fn nothing_speaks_of_the_machine_it_was_made_on() {
    // In two pieces, so that this file passes its own test.
    let folder = concat!("/", "work");
    let mut found = Vec::new();
    for path in files("") {
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            continue;
        };
        for (number, line) in (1..).zip(text.lines()) {
            if has_folder(line, folder) {
                found.push(format!("{path}:{number} names {folder}"));
            }
        }
    }
    assert_none("the repository is the same wherever it lies", found);
}

#[test]
fn packages_come_from_their_public_registries() {
    const PUBLIC: &str = "registry+https://github.com/rust-lang/crates.io-index";
    // Settings that send a package manager elsewhere.
    let elsewhere = [
        "replace-with",
        "index-url",
        "extra-index-url",
        "registry-url",
        "--index",
        "--registry",
        "GOPROXY",
        "CARGO_REGISTRIES",
    ];
    let mut found = Vec::new();
    for path in files("") {
        let name = path.rsplit('/').next().unwrap();
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            continue;
        };
        if name == "Cargo.lock" {
            let strangers = text
                .lines()
                .filter_map(|line| line.strip_prefix("source = "))
                .filter(|source| source.trim_matches('"') != PUBLIC);
            found.extend(strangers.map(|source| format!("{path} takes a package from {source}")));
        }
        let configures = [
            "dev",
            "justfile",
            "run",
            "config.toml",
            "pip.conf",
            ".npmrc",
        ]
        .contains(&name)
            || name.ends_with(".yml");
        if configures && !path.ends_with(".rs") {
            for setting in elsewhere {
                if text.contains(setting) {
                    found.push(format!("{path} says {setting}"));
                }
            }
        }
    }
    assert_none("whoever clones this has no other registry", found);
}

#[test]
fn the_search_tells_code_from_words_about_it() {
    let text = "//! tokio\nuse a::tokio_postgres; /* tokio /* tokio */ */ let s = \"tokio\"; let c = '\"'; let r = r#\"tokio\"#;\nfn f<'a>() { g(); }\n";
    let code = code_of(text);
    assert!(!has_name(&code, "tokio"), "{code}");
    assert!(has_name(&code, "tokio_postgres"), "{code}");
    assert_eq!(code.lines().count(), text.lines().count());
    assert_eq!(functions(&code), [("f".to_owned(), 1)]);
    let long = format!(
        "fn long(\n    a: u8,\n) {{\n{}}}\nfn declared();\n",
        "    x();\n".repeat(5)
    );
    assert_eq!(functions(&code_of(&long)), [("long".to_owned(), 9)]);
    assert_eq!(
        links_of("[a](b.md) `[c](d)`\n```\n[e](f)\n```\n[g](https://x)"),
        ["b.md"]
    );
    let folder = concat!("/", "work");
    assert!(has_folder(&format!("in {folder}/x"), folder));
    assert!(!has_folder("net/workspace and frame/works", folder));
    assert!(depends_on(
        "[dependencies]\nrocksdb.workspace = true\n",
        &["rocksdb"]
    ));
    assert!(!depends_on(
        "# rocksdb\nother = \"rocksdb\"\n",
        &["rocksdb"]
    ));
    assert!(!depends_on(
        "[dev-dependencies]\nrocksdb = \"1\"\n",
        &["rocksdb"]
    ));
}

/// Where code below `folder` names any of `names`.
fn names_in(folder: &str, names: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources(folder, "rs") {
        let code = code_of(&text);
        for name in names.iter().filter(|name| has_name(&code, name)) {
            found.push(format!("{path} names {name}"));
        }
    }
    found
}

/// Which of `names` the crate in `folder` is built with.
fn dependencies_in(folder: &str, names: &[&str]) -> Vec<String> {
    let manifest = format!("{folder}/Cargo.toml");
    let text = fs::read_to_string(root().join(&manifest)).unwrap();
    names
        .iter()
        .filter(|name| depends_on(&text, &[name]))
        .map(|name| format!("{manifest} depends on {name}"))
        .collect()
}

/// Whether a manifest depends on any of `names`, but for its tests.
fn depends_on(manifest: &str, names: &[&str]) -> bool {
    let mut for_tests = false;
    manifest.lines().any(|line| {
        if line.starts_with('[') {
            for_tests = line.starts_with("[dev-dependencies");
        }
        let key = line.split(['=', '.', ' ']).next().unwrap_or_default();
        !for_tests && names.contains(&key)
    })
}

fn ratchet(what: &str, lines: usize, most: usize, limit: usize) -> Option<String> {
    if lines > most {
        Some(format!(
            "{what} has {lines} lines, and may have {most}: it may only become shorter"
        ))
    } else if lines <= limit {
        Some(format!("{what} has {lines} lines: take it off the list"))
    } else if most - lines > RATCHET_SLACK {
        Some(format!(
            "{what} has {lines} lines: lower its entry of {most}"
        ))
    } else {
        None
    }
}

fn assert_none(rule: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}
