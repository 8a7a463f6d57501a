//! `almoner plugin new`: a crate that builds, passes its tests and its golden vectors, and refuses what it cannot read.
//!
//! It brings the SDK along, so that an author needs this binary and a Rust toolchain, and nothing else of ours. It never
//! writes into a folder that is there already.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::output::{Colour, Exit, Output};

/// The sources of the SDK and the contract, by path.
const SDK: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// Folder of the new crate that the SDK goes into.
const SDK_FOLDER: &str = "almoner";

/// Where the crate ends and files of builds begin.
const IGNORED: &str = "target/\n";

/// Longest name: a manifest takes no longer one.
const NAME_CHARS_MAX: usize = 64;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 written, 1 the folder is there already or cannot be written, 2 usage."
)]
pub struct Args {
    /// Name of the plugin and its folder: lower-case letters, digits and hyphens
    #[arg(value_name = "NAME", value_parser = name)]
    pub name: String,
    /// What it is to do
    #[arg(long, short, value_enum)]
    pub world: Kind,
    /// Folder to make the plugin's folder in
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub parent: PathBuf,
    /// Use the SDK in this folder instead of a copy: relative to the plugin's folder, or absolute
    #[arg(long, value_name = "DIR")]
    pub sdk: Option<String>,
}

/// Kinds of plugin that there is a beginning for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Allows, denies or holds each statement
    Guard,
    /// Says when people must approve
    Approval,
    /// Finds what must be masked
    Detector,
}

impl Kind {
    /// Source and golden vectors.
    fn skeleton(self) -> (&'static str, &'static str) {
        match self {
            Self::Guard => (
                include_str!("skeleton/guard.rs"),
                include_str!("skeleton/guard.golden.json"),
            ),
            Self::Approval => (
                include_str!("skeleton/approval.rs"),
                include_str!("skeleton/approval.golden.json"),
            ),
            Self::Detector => (
                include_str!("skeleton/detector.rs"),
                include_str!("skeleton/detector.golden.json"),
            ),
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &Args, output: &Output) -> Exit {
    let folder = args.parent.join(&args.name);
    match write(args, &folder) {
        Ok(files) => {
            output.json(&json!({ "folder": folder, "files": files }));
            print(args, &folder, output);
            Exit::OK
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            output.error(format_args!(
                "{} is there already; choose another name or remove it",
                folder.display()
            ));
            Exit::FAILED
        }
        Err(error) => {
            output.error(format_args!("writing {}: {error}", folder.display()));
            Exit::FAILED
        }
    }
}

/// Returns the author's own files.
fn write(args: &Args, folder: &Path) -> std::io::Result<Vec<String>> {
    let (source, golden) = args.world.skeleton();
    let sdk = match &args.sdk {
        Some(sdk) => sdk.clone(),
        None => format!("{SDK_FOLDER}/plugin-sdk"),
    };
    let fill = |text: &str| {
        text.replace("skeleton-name", &args.name)
            .replace("skeleton-sdk", &sdk)
            .replace("Skeleton", &type_name(&args.name))
    };
    let own = [
        (
            "Cargo.toml".to_owned(),
            fill(include_str!("skeleton/manifest.toml")),
        ),
        (".gitignore".to_owned(), IGNORED.to_owned()),
        ("src/lib.rs".to_owned(), fill(source)),
        (format!("{}.golden.json", args.name), golden.to_owned()),
    ];
    // Fails if it exists: nothing of anybody's is written over.
    fs::create_dir(folder)?;
    for (name, text) in &own {
        put(&folder.join(name), text)?;
    }
    if args.sdk.is_none() {
        for (name, text) in SDK {
            put(&folder.join(SDK_FOLDER).join(name), text)?;
        }
    }
    Ok(own.into_iter().map(|(name, _)| name).collect())
}

fn put(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text)
}

fn print(args: &Args, folder: &Path, output: &Output) {
    let (name, shown) = (&args.name, folder.display());
    let kind = format!("{:?}", args.world).to_lowercase();
    output.line(format_args!(
        "made {shown}: a {kind} that builds. What to do next:"
    ));
    let steps = [
        (format!("$EDITOR {shown}/src/lib.rs"), "what it decides"),
        (format!("(cd {shown} && cargo test)"), "its logic, natively"),
        (
            format!("almoner plugin build --package {shown}"),
            "the component, with its golden vectors",
        ),
        (
            format!("almoner plugin check {name}.wasm"),
            "what the gateway will hold it to",
        ),
    ];
    for (command, why) in &steps {
        output.line(format_args!(
            "  {command:<44}  {}",
            output.paint(Colour::Dim, why)
        ));
    }
}

/// A name that cargo, the manifest, files and policies all take.
fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(fits)
        && !text.ends_with('-')
        && !text.contains("--")
        && text.len() <= NAME_CHARS_MAX;
    if good {
        Ok(text.to_owned())
    } else {
        Err(
            "a name is lower-case letters, digits and single hyphens, and begins with a letter"
                .to_owned(),
        )
    }
}

/// `our-numbers` is the type `OurNumbers`; never one that the source has already.
fn type_name(name: &str) -> String {
    let capital = |word: &str| {
        let mut chars = word.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    };
    let name: String = name.split('-').map(capital).collect();
    // Every name that the SDK's prelude or a skeleton brings is one word, but for the few of two.
    let taken = SDK.iter().any(|(_, text)| {
        ["struct", "trait", "enum"]
            .iter()
            .any(|item| text.contains(&format!("pub {item} {name}")))
    });
    match taken || ["Settings", "Deserialize", "JsonSchema"].contains(&name.as_str()) {
        true => format!("{name}Plugin"),
        false => name,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::super::super::output::Captured;
    use super::*;

    fn made(parent: &Path, world: Kind, sdk: Option<&str>) -> (Exit, String) {
        let args = Args {
            name: "our-numbers".into(),
            world,
            parent: parent.to_owned(),
            sdk: sdk.map(Into::into),
        };
        let err = Captured::default();
        let exit = run(&args, &Output::to(false, Captured::default(), err.clone()));
        (exit, err.text())
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        for world in [Kind::Guard, Kind::Approval, Kind::Detector] {
            let dir = tempfile::tempdir().unwrap();
            assert_eq!(made(dir.path(), world, None).0, Exit::OK);
            let folder = dir.path().join("our-numbers");
            for file in ["Cargo.toml", "src/lib.rs", "our-numbers.golden.json"] {
                let text = fs::read_to_string(folder.join(file)).unwrap();
                assert!(!text.to_lowercase().contains("skeleton"), "{file}: {text}");
            }
            let source = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
            assert!(source.contains("OurNumbers);"), "{source}");
            for file in [
                "plugin-sdk/Cargo.toml",
                "plugin-sdk/src/lib.rs",
                "wit/worlds.wit",
            ] {
                assert!(folder.join(SDK_FOLDER).join(file).exists(), "{file}");
            }
        }
    }

    #[test]
    fn a_folder_that_is_there_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("our-numbers")).unwrap();
        let (exit, err) = made(dir.path(), Kind::Guard, None);
        assert_eq!(exit, Exit::FAILED);
        assert!(err.contains("is there already"), "{err}");
        assert_eq!(
            fs::read_dir(dir.path().join("our-numbers"))
                .unwrap()
                .count(),
            0
        );
    }

    #[test]
    fn an_sdk_elsewhere_is_named_and_not_copied() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(made(dir.path(), Kind::Guard, Some("../sdk")).0, Exit::OK);
        let folder = dir.path().join("our-numbers");
        assert!(!folder.join(SDK_FOLDER).exists());
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert_eq!(manifest.matches("path = \"../sdk\"").count(), 2);
    }

    #[test]
    fn the_type_is_named_after_the_plugin_and_after_nothing_else() {
        for (name, expected) in [
            ("our-numbers", "OurNumbers"),
            ("guard", "GuardPlugin"),
            ("settings", "SettingsPlugin"),
            ("call-context", "CallContextPlugin"),
        ] {
            assert_eq!(type_name(name), expected);
        }
    }

    #[test]
    fn names_are_what_cargo_manifests_and_files_all_take() {
        for good in ["a", "our-numbers", "b2"] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "2b", "../x", "é"] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
