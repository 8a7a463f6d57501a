//! The side of the people: approvers, operators and auditors, with the commands they run and the figures
//! they look at. Every command is the real binary in the gateway's folder.

use std::time::Duration;

use almoner_stage::psql::Finished;
use almoner_stage::wait::wait_until;
use anyhow::{Context, ensure};
use serde_json::Value;

use crate::World;

/// The manager of the default world.
pub const MANAGER: &str = "olivia.grant";
/// Longer than anything here takes on a busy machine; who waits so long has found a fault.
pub const PATIENCE: Duration = Duration::from_secs(20);

impl World {
    /// Runs `almoner` with these arguments.
    pub fn almoner(&self, arguments: &[&str]) -> anyhow::Result<Finished> {
        Ok(self.gateway.almoner(arguments, &[])?)
    }

    /// What a command that must succeed prints for programs.
    pub fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let finished = self.almoner(&[&["--json"], arguments].concat())?;
        ensure!(finished.code == Some(0), "{arguments:?}: {finished:?}");
        serde_json::from_str(&finished.stdout).with_context(|| format!("{finished:?}"))
    }

    /// Says `approve` or `deny` to a request, as somebody with the password of the stage.
    pub fn say(&self, verb: &str, id: &str, login: &str) -> anyhow::Result<Finished> {
        self.say_with(&[verb, id, "--user", login], &format!("{login}-password"))
    }

    /// Says something to a request, with further arguments and any password.
    pub fn say_with(&self, arguments: &[&str], password: &str) -> anyhow::Result<Finished> {
        let arguments = [&["approvals"], arguments].concat();
        Ok(self
            .gateway
            .almoner(&arguments, &[("ALMONER_PASSWORD", password)])?)
    }

    /// The manager says yes, and it counts.
    pub fn approve(&self, id: &str) -> anyhow::Result<()> {
        let finished = self.say("approve", id, MANAGER)?;
        ensure!(finished.code == Some(0), "approving {id}: {finished:?}");
        Ok(())
    }

    /// The manager says no, and it counts.
    pub fn deny(&self, id: &str) -> anyhow::Result<()> {
        let finished = self.say("deny", id, MANAGER)?;
        ensure!(finished.code == Some(0), "denying {id}: {finished:?}");
        Ok(())
    }

    /// One request as it stands.
    pub fn request(&self, id: &str) -> anyhow::Result<Value> {
        self.json(&["approvals", "show", id])
    }

    /// Waits until a request has come to this state.
    pub fn wait_for_state(&self, id: &str, state: &str) -> anyhow::Result<()> {
        let reached = || (*self.request(id).ok()?.get("state")? == *state).then_some(());
        wait_until(PATIENCE, reached)
            .with_context(|| format!("{id} is not {state}: {:?}", self.request(id)))
    }

    /// Records of the trail, newest first, that the arguments of `almoner audit search` let through.
    pub fn records(&self, arguments: &[&str]) -> anyhow::Result<Vec<Value>> {
        let found = self.json(&[&["audit", "search", "--limit", "500"], arguments].concat())?;
        let found = found.as_array().context("a list of records")?;
        let records = found.iter().filter_map(|one| one.get("record"));
        Ok(records.cloned().collect())
    }

    /// Waits for a record like this one and answers the newest such.
    pub fn wait_for_record(
        &self,
        arguments: &[&str],
        like: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        wait_until(PATIENCE, || {
            self.records(arguments).ok()?.into_iter().find(&like)
        })
        .with_context(|| format!("no such record: {:?}", self.records(arguments)))
    }

    /// A figure of `/metrics`, by name and labels as they are printed there.
    pub fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let (_, text) = self.gateway.get("/metrics")?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let line = line.with_context(|| format!("{name} is not in\n{text}"))?;
        Ok(line.trim().parse()?)
    }

    /// Waits until a figure is this one.
    pub fn wait_for_metric(&self, name: &str, value: f64) -> anyhow::Result<()> {
        let is = |found: f64| (found - value).abs() < 0.5;
        wait_until(PATIENCE, || self.metric(name).is_ok_and(is).then_some(()))
            .with_context(|| format!("{name} is {:?}, not {value}", self.metric(name)))
    }

    /// Saves a policy file, and waits until it is obeyed.
    pub fn save_policy(&self, name: &str, text: &str) -> anyhow::Result<()> {
        const GENERATION: &str = "almoner_policy_generation";
        let before = self.metric(GENERATION)?;
        self.gateway.save_policy(name, text)?;
        wait_until(PATIENCE, || {
            (self.metric(GENERATION).ok()? > before).then_some(())
        })
        .with_context(|| format!("{name} did not come into force: {}", self.gateway.log()))
    }
}

/// The first approval id in a text.
pub fn approval_id(text: &str) -> anyhow::Result<String> {
    let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words
        .find(|word| word.len() == 11 && word.starts_with("A-"))
        .map(str::to_owned)
        .with_context(|| format!("no approval id in {text:?}"))
}

/// The policy file with the demo's plugins, with other settings of `sql-guard` and `bulk-export`.
pub fn plugins(guard: &str, export: &str) -> String {
    format!(
        "[[plugin]]\nname = \"sql-guard\"\nuse = \"builtin:sql-guard\"\n[plugin.settings]\n{guard}\n\n\
         [[plugin]]\nname = \"bulk-export\"\nuse = \"builtin:bulk-export\"\n[plugin.settings]\n{export}\n\n\
         [[plugin]]\nname = \"phi\"\nuse = \"builtin:phi\"\n"
    )
}

/// Name of the policy file with the plugins.
pub const PLUGINS: &str = "10-plugins.toml";
/// Settings of `bulk-export` as in the demo.
pub const EXPORT: &str = "rows = 200\nmax_rows = 5000\ncopy = \"hold\"";
/// Settings of `sql-guard` under which every UPDATE needs approval.
pub const HOLD_UPDATES: &str = "kinds = { update = \"hold\" }";
/// Settings of `sql-guard` under which no UPDATE runs.
pub const DENY_UPDATES: &str = "kinds = { update = \"deny\" }";
