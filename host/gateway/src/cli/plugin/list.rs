//! `almoner plugin list`: which components decide. Of a running gateway, what is in force; of a policy folder, what a
//! start or a reload would load. Changes nothing.

use std::path::{Path, PathBuf};

use super::super::output::{Colour, Exit, Output, Table};
use super::super::reach::Reach;
use super::super::workshop;
use crate::admin::status::{PluginView, Status};
use crate::config::load;
use crate::config::problem::shown;
use crate::plugins::Builder;

/// Digits of a digest that tell components apart on a screen.
const DIGEST_CHARS: usize = 12;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 listed, 1 no gateway can be asked or a plugin cannot be used, 2 usage or the policies \
                  are wrong."
)]
pub struct Args {
    #[command(flatten)]
    reach: Reach,
    /// List what this policy folder would load, instead of what a gateway has in force
    #[arg(long, short, value_name = "DIR", conflicts_with_all = ["socket", "config"])]
    pub policies: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &Args, output: &Output) -> Exit {
    let found = match &args.policies {
        Some(dir) => of_folder(dir, output),
        None => in_force(&args.reach, output),
    };
    match found {
        Ok(plugins) => {
            output.json(&plugins);
            print(&plugins, output);
            Exit::OK
        }
        Err(exit) => exit,
    }
}

fn in_force(reach: &Reach, output: &Output) -> Result<Vec<PluginView>, Exit> {
    let gateway = reach.gateway(output)?;
    let status: Status = gateway.get("/v1/status", output)?;
    let Some(policy) = status.overview.policy else {
        output.error("the gateway has no policy in force; see: almoner status");
        return Err(Exit::FAILED);
    };
    output.line(format_args!(
        "in force: generation {}, digest {}",
        policy.generation,
        short(&policy.digest)
    ));
    Ok(policy.plugins)
}

/// Builds them as a reload would: what cannot be used is not listed as if it could.
fn of_folder(dir: &Path, output: &Output) -> Result<Vec<PluginView>, Exit> {
    let set = load::policies(dir).map_err(|errors| {
        errors.0.iter().for_each(|problem| output.error(problem));
        Exit::USAGE
    })?;
    let host = workshop::host().map_err(|error| {
        output.error(error);
        Exit::FAILED
    })?;
    let generation = Builder::new(host).build(set, 0).map_err(|error| {
        output.error(format_args!("{}: {error}", shown(dir)));
        output.note("`almoner check` lists everything that is wrong");
        Exit::FAILED
    })?;
    output.line(format_args!(
        "of {}: digest {}",
        shown(dir),
        short(&generation.digest)
    ));
    Ok(generation.plugins.iter().map(PluginView::from).collect())
}

fn print(plugins: &[PluginView], output: &Output) {
    let mut table = Table::new(&["name", "component", "version", "world", "sha256"]);
    for plugin in plugins {
        table.row([
            plugin.name.as_str(),
            &plugin.component,
            &plugin.version,
            &plugin.world,
            short(&plugin.sha256),
        ]);
    }
    if table.is_empty() {
        output.line(output.paint(Colour::Dim, "no plugins"));
    } else {
        output.table(&table);
    }
}

fn short(digest: &str) -> &str {
    digest.get(..DIGEST_CHARS).unwrap_or(digest)
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

    fn listed(dir: &Path, json: bool) -> (Exit, String, String) {
        let (out, err) = (Captured::default(), Captured::default());
        let args = Args {
            reach: Reach::default(),
            policies: Some(dir.to_owned()),
        };
        let exit = run(&args, &Output::to(json, out.clone(), err.clone()));
        (exit, out.text(), err.text())
    }

    #[test]
    fn a_folders_plugins_are_listed_as_they_would_be_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("10.toml");
        std::fs::write(
            &file,
            "[[plugin]]\nname = \"mine\"\nuse = \"builtin:sql-guard\"\n",
        )
        .unwrap();
        let (exit, out, err) = listed(dir.path(), false);
        assert_eq!((exit, err.as_str()), (Exit::OK, ""), "{out}");
        let row = out.lines().nth(2).unwrap();
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(
            (cells[0], cells[1], cells[3], cells[4].len()),
            ("mine", "sql-guard", "guard", DIGEST_CHARS),
            "{out}"
        );
        let (_, out, _) = listed(dir.path(), true);
        let list: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(list[0]["world"], "guard");
        assert_eq!(list[0]["sha256"].as_str().unwrap().len(), 64);

        let settings = "[plugin.settings]\nmissing_wehre = \"deny\"\n";
        let text = std::fs::read_to_string(&file).unwrap() + settings;
        std::fs::write(&file, text).unwrap();
        let (exit, out, err) = listed(dir.path(), false);
        assert_eq!((exit, out.as_str()), (Exit::FAILED, ""));
        assert!(err.contains("10.toml:1: plugin \"mine\""), "{err}");
        std::fs::write(&file, "[[plugin]]\n").unwrap();
        assert_eq!(listed(dir.path(), false).0, Exit::USAGE);
    }
}
