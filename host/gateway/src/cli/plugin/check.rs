//! `almoner plugin check`: holds one component to everything the gateway holds it to before it lets it decide anything.
//!
//! Its code runs in the gateway's own sandbox, under the limits that hold where a policy sets none. Nothing is kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use almoner_sandbox::golden::Vectors;
use almoner_sandbox::{Grant, Host, OffsetUnit, Plugin, SettingsErrors, WordSets};
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::output::{Colour, Exit, Output, clean};
use super::super::when::thousands;
use super::super::workshop;
use super::read;
use crate::config::policy::{PLUGIN_DEADLINE, PLUGIN_MEMORY_BYTES_MAX};
use crate::plugins::{limits, read_words};

/// Golden vectors that do not hold and are shown to people; a program gets all of them.
const MISMATCHES_SHOWN_MAX: usize = 20;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 the gateway would take it, 1 it would not, 2 usage: a file cannot be read, or holds \
                  something else."
)]
pub struct Args {
    /// The component
    #[arg(value_name = "FILE.wasm")]
    pub file: PathBuf,
    /// Settings to try: a JSON object, or a file with one (.json) or with a table (.toml)
    #[arg(long, short, value_name = "JSON|FILE")]
    pub settings: Option<String>,
    /// Golden vectors to run [default: NAME.golden.json beside the component, if it is there]
    #[arg(long, short, value_name = "FILE")]
    pub golden: Option<PathBuf>,
    /// A file of words that the plugin may ask for by this name; may be given several times
    #[arg(long = "set", value_name = "NAME=FILE", value_parser = set)]
    pub sets: Vec<(String, PathBuf)>,
}

/// What was found. Members are only ever added.
#[derive(Default, Serialize)]
struct Report {
    ok: bool,
    file: PathBuf,
    bytes: usize,
    sha256: Option<String>,
    world: Option<String>,
    imports: Vec<String>,
    manifest: Option<Value>,
    settings_schema: Option<Value>,
    /// `accepted`, `refused`; `needed` where none were given and it takes none by default.
    settings: Option<&'static str>,
    golden: Option<Golden>,
    problems: Vec<String>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Golden {
    file: PathBuf,
    cases: usize,
    mismatches: Vec<Mismatched>,
}

#[derive(Serialize)]
struct Mismatched {
    case: String,
    what: String,
}

/// Runs the command.
pub(super) fn run(args: &Args, output: &Output) -> Exit {
    let mut report = Report {
        file: args.file.clone(),
        ..Report::default()
    };
    let exit = match check(args, &mut report) {
        Ok(()) if report.problems.is_empty() => {
            report.ok = true;
            Exit::OK
        }
        Ok(()) => Exit::FAILED,
        Err(why) => {
            output.error(why);
            return Exit::USAGE;
        }
    };
    output.json(&report);
    if !output.is_json() {
        print(&report, output);
    }
    exit
}

/// Problems of the plugin go into the report; an error is the caller's.
fn check(args: &Args, report: &mut Report) -> Result<(), String> {
    let wasm = read(&args.file)?;
    let settings = args.settings.as_deref().map(settings).transpose()?;
    let vectors = golden(args)?;
    let words = words(&args.sets)?;
    report.bytes = wasm.len();
    let host = match workshop::host() {
        Ok(host) => host,
        Err(error) => {
            report.problems.push(error.to_string());
            return Ok(());
        }
    };
    let plugin = match host.load(&wasm) {
        Ok(plugin) => plugin,
        Err(error) => {
            report.problems.push(error.to_string());
            return Ok(());
        }
    };
    describe(&plugin, report);
    let grant = Grant {
        limits: limits(
            &plugin,
            PLUGIN_DEADLINE,
            usize::try_from(PLUGIN_MEMORY_BYTES_MAX).unwrap_or(usize::MAX),
        ),
        words,
    };
    configure(&host, &plugin, settings, &grant, report);
    match vectors {
        Some((file, vectors)) => run_golden(&host, &plugin, file, &vectors, &grant, report),
        None => report
            .warnings
            .push("there are no golden vectors: nothing holds it to its answers".to_owned()),
    }
    Ok(())
}

fn describe(plugin: &Plugin, report: &mut Report) {
    report.sha256 = Some(plugin.digest().to_string());
    report.world = Some(plugin.world().to_string());
    report.imports = plugin.imports().to_vec();
    let manifest = plugin.manifest();
    let mut messages: Vec<_> = manifest.messages.iter().collect();
    messages.sort();
    let messages: Map<String, Value> = messages
        .into_iter()
        .map(|(code, template)| (code.clone(), template.clone().into()))
        .collect();
    report.manifest = Some(serde_json::json!({
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "emits": manifest.emits.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "messages": messages,
        "offsets": match manifest.offsets {
            OffsetUnit::Utf8Bytes => "utf8-bytes",
            OffsetUnit::Utf16Units => "utf16-units",
            OffsetUnit::CodePoints => "code-points",
        },
        "max_span": manifest.max_span,
    }));
    // The sandbox has seen that it is JSON.
    report.settings_schema = serde_json::from_str(plugin.settings_schema()).ok();
}

fn configure(
    host: &Host,
    plugin: &Arc<Plugin>,
    settings: Option<Value>,
    grant: &Grant,
    report: &mut Report,
) {
    let given = settings.is_some();
    let settings = settings.unwrap_or_else(|| Value::Object(Map::new()));
    let word = match host.configure(plugin, &settings, grant.clone()) {
        Ok(_) => "accepted",
        Err(SettingsErrors::Refused(errors)) if !given => {
            let places: Vec<String> = errors
                .iter()
                .map(|error| format!("{}: {}", error.pointer, error.message))
                .collect();
            report.warnings.push(format!(
                "it takes no empty settings; try yours with --settings ({})",
                places.join("; ")
            ));
            "needed"
        }
        Err(SettingsErrors::Refused(errors)) => {
            for error in errors {
                let what = format!("settings: {}: {}", error.pointer, error.message);
                report.problems.push(what);
            }
            "refused"
        }
        Err(other) => {
            report.problems.push(format!("settings: {other}"));
            "refused"
        }
    };
    report.settings = Some(word);
}

fn run_golden(
    host: &Host,
    plugin: &Arc<Plugin>,
    file: PathBuf,
    vectors: &Vectors,
    grant: &Grant,
    report: &mut Report,
) {
    let mismatches: Vec<Mismatched> = vectors
        .run(host, plugin, grant)
        .into_iter()
        .map(|mismatch| Mismatched {
            case: mismatch.case,
            what: mismatch.what,
        })
        .collect();
    if !mismatches.is_empty() {
        let count = mismatches.len();
        let verb = if count == 1 { "does" } else { "do" };
        report.problems.push(format!(
            "{count} of {} golden vectors {verb} not hold",
            vectors.len()
        ));
    }
    report.golden = Some(Golden {
        file,
        cases: vectors.len(),
        mismatches,
    });
}

/// The vectors that were named, or those beside the component.
fn golden(args: &Args) -> Result<Option<(PathBuf, Vectors)>, String> {
    let file = match &args.golden {
        Some(file) => file.clone(),
        None => {
            let beside = args.file.with_extension("golden.json");
            if !beside.exists() {
                return Ok(None);
            }
            beside
        }
    };
    let vectors =
        Vectors::parse(&read(&file)?).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Some((file, vectors)))
}

fn set(given: &str) -> Result<(String, PathBuf), String> {
    match given.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), file.into()))
        }
        _ => Err("write NAME=FILE".to_owned()),
    }
}

fn words(sets: &[(String, PathBuf)]) -> Result<WordSets, String> {
    let read = |(name, file): &(String, PathBuf)| Ok((name.clone(), read_words(file)?.0));
    let sets: Vec<_> = sets.iter().map(read).collect::<Result<_, String>>()?;
    Ok(WordSets::new(sets))
}

/// Settings as given on the command line, or in a file.
fn settings(given: &str) -> Result<Value, String> {
    let inline = given.trim_start().starts_with('{');
    let parsed = if inline {
        serde_json::from_str(given).map_err(|error| format!("--settings: {error}"))
    } else {
        let file = Path::new(given);
        let text = String::from_utf8(read(file)?)
            .map_err(|_| format!("{} is not UTF-8 text", file.display()))?;
        let wrong = |error: String| format!("{}: {error}", file.display());
        match file.extension().is_some_and(|ending| ending == "toml") {
            true => toml::from_str(&text).map_err(|error| wrong(error.to_string())),
            false => serde_json::from_str(&text).map_err(|error| wrong(error.to_string())),
        }
    }?;
    match parsed {
        Value::Object(_) => Ok(parsed),
        _ => Err("settings are a JSON object such as {\"rows\": 500}".to_owned()),
    }
}

fn print(report: &Report, output: &Output) {
    for problem in &report.problems {
        output.error(clean(problem));
    }
    for warning in &report.warnings {
        output.warn(clean(warning));
    }
    let say = |name: &str, text: &str| {
        if !text.is_empty() {
            output.line(format_args!("{name:<10}{}", clean(text)));
        }
    };
    let size = format!("{} bytes", thousands(report.bytes as u64));
    say("file", &format!("{}, {size}", report.file.display()));
    say("sha256", report.sha256.as_deref().unwrap_or_default());
    if let Some(manifest) = &report.manifest {
        let text = |key: &str| {
            manifest
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let world = report.world.as_deref().unwrap_or_default();
        say(
            "plugin",
            &format!("{} {}, a {world}", text("name"), text("version")),
        );
        say("", text("description"));
        say("imports", &or_none(&report.imports));
        let kinds = manifest.get("emits").and_then(Value::as_array);
        let kinds = kinds.into_iter().flatten().filter_map(Value::as_str);
        say("emits", &kinds.collect::<Vec<_>>().join(", "));
    }
    if let Some(state) = report.settings {
        let known = properties(report.settings_schema.as_ref());
        say(
            "settings",
            &format!("{state}; it knows {}", or_none(&known)),
        );
    }
    if let Some(golden) = &report.golden {
        let held = golden.cases - golden.mismatches.len();
        say("golden", &format!("{held} of {} hold", golden.cases));
        for mismatch in golden.mismatches.iter().take(MISMATCHES_SHOWN_MAX) {
            say("", &format!("{}: {}", mismatch.case, mismatch.what));
        }
        if golden.mismatches.len() > MISMATCHES_SHOWN_MAX {
            say("", "and more; --json lists them all");
        }
    }
    if report.ok {
        output.line(output.paint(Colour::Green, "the gateway would take it"));
    } else {
        output.line(output.paint(Colour::Red, "the gateway would not take it"));
    }
}

fn or_none(names: &[String]) -> String {
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

/// Names of the settings that a schema describes.
fn properties(schema: Option<&Value>) -> Vec<String> {
    let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
    properties
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use super::super::super::output::Captured;
    use super::*;
    use crate::plugins::builtin_component;

    /// A folder with a standard plugin and its vectors.
    fn standard(name: &str) -> (tempfile::TempDir, Args) {
        let dir = tempfile::tempdir().unwrap();
        let (wasm, golden) = builtin_component(name).unwrap();
        let file = dir.path().join(format!("{name}.wasm"));
        std::fs::write(&file, wasm).unwrap();
        std::fs::write(file.with_extension("golden.json"), golden).unwrap();
        let args = Args {
            file,
            settings: None,
            golden: None,
            sets: Vec::new(),
        };
        (dir, args)
    }

    fn checked(args: &Args) -> (Exit, Value, String) {
        let (out, err) = (Captured::default(), Captured::default());
        let exit = run(args, &Output::to(true, out.clone(), err.clone()));
        let report = serde_json::from_str(&out.text()).unwrap_or_default();
        (exit, report, err.text())
    }

    #[test]
    fn a_standard_plugin_is_taken_with_all_that_is_known_of_it() {
        let (_dir, args) = standard("bulk-export");
        let (exit, report, err) = checked(&args);
        assert_eq!((exit, err.as_str()), (Exit::OK, ""), "{report}");
        assert_eq!(report["world"], "approval");
        assert_eq!(report["manifest"]["name"], "bulk-export");
        assert_eq!(report["settings"], "accepted");
        assert!(report["settings_schema"]["properties"]["rows"].is_object());
        assert!(report["golden"]["cases"].as_u64().unwrap() > 5);
        let imports = report["imports"].as_array().unwrap();
        assert!(!imports.is_empty());
        let of_contract = |import: &Value| import.as_str().unwrap().starts_with("almoner:plugin/");
        assert!(imports.iter().all(of_contract), "{imports:?}");
    }

    #[test]
    fn settings_come_from_the_command_line_or_a_file_and_are_refused_by_place() {
        let (dir, args) = standard("bulk-export");
        let toml = dir.path().join("s.toml");
        std::fs::write(&toml, "rows = 7\n").unwrap();
        let with = |settings: &str| Args {
            settings: Some(settings.to_owned()),
            golden: args.golden.clone(),
            file: args.file.clone(),
            sets: Vec::new(),
        };
        for good in ["{\"rows\": 7}", toml.to_str().unwrap()] {
            assert_eq!(checked(&with(good)).0, Exit::OK, "{good}");
        }
        let (exit, report, _) = checked(&with("{\"rows\": 0}"));
        assert_eq!(
            (exit, &report["settings"]),
            (Exit::FAILED, &"refused".into())
        );
        let problem = report["problems"][0].as_str().unwrap();
        assert!(problem.starts_with("settings: /rows: "), "{problem}");
        for wrong in ["[1]", "{", "/nonexistent.json"] {
            let (exit, _, err) = checked(&with(wrong));
            assert_eq!(exit, Exit::USAGE, "{wrong}");
            assert!(err.starts_with("error: "), "{err}");
        }
    }

    #[test]
    fn a_vector_that_does_not_hold_is_named() {
        let (_dir, args) = standard("sql-guard");
        let wrong = r#"{"cases": [{"name": "never so", "guard": {"dialect": "sql.postgres", "verb": "select"},
                        "expect": {"verdict": "rewrite", "code": "x"}}]}"#;
        std::fs::write(args.file.with_extension("golden.json"), wrong).unwrap();
        let (exit, report, _) = checked(&args);
        assert_eq!(exit, Exit::FAILED, "{report}");
        assert_eq!(report["golden"]["mismatches"][0]["case"], "never so");
        assert_eq!(report["problems"][0], "1 of 1 golden vectors does not hold");
        std::fs::write(args.file.with_extension("golden.json"), "{}").unwrap();
        assert_eq!(checked(&args).0, Exit::USAGE);
    }

    #[test]
    fn what_is_no_component_is_refused_with_what_to_do() {
        let (_dir, args) = standard("phi");
        std::fs::remove_file(args.file.with_extension("golden.json")).unwrap();
        std::fs::write(&args.file, b"\0asm\x01\0\0\0").unwrap();
        let (exit, report, _) = checked(&args);
        assert_eq!(exit, Exit::FAILED);
        let problem = report["problems"][0].as_str().unwrap();
        assert!(problem.contains("almoner plugin build"), "{problem}");
    }
}
