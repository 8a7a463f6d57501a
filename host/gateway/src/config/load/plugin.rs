//! Plugins of the policy folder: which component, with which settings and limits.
//! Whether the component exists and takes the settings is found out when the generation is built.

use std::path::Path;

use super::super::policy::{
    PLUGIN_DEADLINE, PLUGIN_MEMORY_BYTES_MAX, Place, PluginSource, PluginUse, WordSetUse,
};
use super::super::problem::suggestion;
use super::super::written::at::At;
use super::super::written::policy as written;
use super::super::written::read::{Entry, Reader};
use super::super::written::units::{Size, Span};
use super::check::{bounded, mib, ms, name, required, seconds};
use super::policy::{Taken, place};

/// Sets of words of one plugin.
const SETS_MAX: usize = 32;
/// Bytes of a set's name.
const SET_NAME_BYTES_MAX: usize = 64;

/// Components carried by the binary, and the key of rules they belong to.
const BUILTINS: [(&str, &str); 4] = [
    ("bulk-export", "approvals"),
    ("http-guard", "guards"),
    ("phi", "detectors"),
    ("sql-guard", "guards"),
];

/// One `[[plugin]]`.
pub(super) fn plugin(
    reader: &mut Reader<'_>,
    file: &str,
    dir: &Path,
    entry: &Entry<written::Plugin>,
    taken: &mut Taken,
) -> Option<PluginUse> {
    let written = &entry.value;
    let place = place(reader, file, entry);
    let at = required(
        reader,
        entry,
        "plugin",
        "name",
        &written.name,
        "Rules use it.",
    )?;
    let name = name(reader, "plugin", at)?;
    taken.note(reader, "plugin", at, &place);
    let about = format!("plugin \"{name}\"");
    let remedy = "Say which component: use = \"builtin:phi\" or use = \"file:mine.wasm\".";
    let source = required(reader, entry, &about, "use", &written.source, remedy);
    let source = source.and_then(|at| plugin_source(reader, &about, dir, at, entry));
    let role = match &source {
        Some(PluginSource::Builtin(builtin)) => BUILTINS
            .iter()
            .find(|(name, _)| name == builtin)
            .map(|(_, role)| *role),
        _ => None,
    };
    // Known even if its source is wrong: rules that use it are right.
    taken.plugins.insert(name.clone(), role);
    let deadline = format!("{about}: \"deadline\"");
    let deadline = bounded(
        reader,
        &deadline,
        written.deadline.as_ref(),
        Span(PLUGIN_DEADLINE),
        ms(1)..=seconds(10),
    );
    let memory = format!("{about}: \"memory\"");
    let memory = bounded(
        reader,
        &memory,
        written.memory.as_ref(),
        Size(PLUGIN_MEMORY_BYTES_MAX),
        mib(1)..=mib(128),
    );
    let settings = written
        .settings
        .as_ref()
        .map(|at| at.value.0.clone())
        .unwrap_or_default();
    let sets = sets(reader, file, &about, dir, written);
    Some(PluginUse {
        name,
        source: source?,
        settings: serde_json::Value::Object(settings),
        deadline: deadline.0,
        memory_bytes_max: usize::try_from(memory.0).unwrap_or(usize::MAX),
        sets,
        place,
    })
}

/// Files of words. Whether they are there is found out when the generation is built.
fn sets(
    reader: &mut Reader<'_>,
    file: &str,
    about: &str,
    dir: &Path,
    written: &written::Plugin,
) -> Vec<WordSetUse> {
    let Some(sets) = &written.sets else {
        return Vec::new();
    };
    if sets.value.len() > SETS_MAX {
        let what = format!("{about}: \"sets\": there are more than {SETS_MAX}");
        reader.report(&sets.span, what, "Merge some of them.");
        return Vec::new();
    }
    let one = |(name, at): (&String, &At<written::WordSet>)| {
        let about = format!("{about}: set \"{name}\"");
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        if !(1..=SET_NAME_BYTES_MAX).contains(&name.len()) || !name.chars().all(fits) {
            let what = format!("{about}: this is not a name");
            let remedy = format!(
                "Names have 1 to {SET_NAME_BYTES_MAX} letters, digits, \"-\", \"_\", \".\" or \"/\"."
            );
            reader.report(&at.span, what, remedy);
            return None;
        }
        let Some(path) = &at.value.file else {
            let what = format!("{about}: \"file\" is missing");
            reader.report(&at.span, what, "Name a file with one word a line.");
            return None;
        };
        let remedy = format!("\"sha256sum {}\" prints it.", path.value);
        let sha256 = match &at.value.sha256 {
            Some(at) => Some(digest(reader, &about, at, &remedy)?),
            None => None,
        };
        Some(WordSetUse {
            name: name.clone(),
            path: dir.join(&path.value),
            sha256,
            place: Place {
                file: file.to_owned(),
                line: reader.line(&at.span),
            },
        })
    };
    sets.value.iter().filter_map(one).collect()
}

fn digest(reader: &mut Reader<'_>, about: &str, at: &At<String>, remedy: &str) -> Option<String> {
    let digest = at.value.to_ascii_lowercase();
    if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let what = format!("{about}: \"sha256\" is not 64 hex digits");
        reader.report(&at.span, what, remedy);
        return None;
    }
    Some(digest)
}

fn plugin_source(
    reader: &mut Reader<'_>,
    about: &str,
    dir: &Path,
    at: &At<String>,
    entry: &Entry<written::Plugin>,
) -> Option<PluginSource> {
    let sha256 = &entry.value.sha256;
    match at.value.split_once(':') {
        Some(("builtin", name)) => {
            if let Some(sha256) = sha256 {
                let what =
                    format!("{about}: \"sha256\" belongs to files; the binary carries this one");
                reader.report(&sha256.span, what, "Remove it.");
            }
            let names = BUILTINS.map(|(name, _)| name);
            if !names.contains(&name) {
                let what = format!("{about}: there is no builtin \"{name}\"");
                reader.report(&at.span, what, suggestion(name, names, ""));
                return None;
            }
            Some(PluginSource::Builtin(name.to_owned()))
        }
        Some(("file", path)) if !path.is_empty() => {
            let remedy =
                format!("Pin the file: sha256 = \"…\", which \"sha256sum {path}\" prints.");
            let sha256 = required(reader, entry, about, "sha256", sha256, &remedy)?;
            Some(PluginSource::File {
                path: dir.join(path),
                sha256: digest(reader, about, sha256, &remedy)?,
            })
        }
        _ => {
            let what = format!("{about}: \"{}\" is no source of a plugin", at.value);
            reader.report(&at.span, what, "Write \"builtin:NAME\" or \"file:PATH\".");
            None
        }
    }
}
