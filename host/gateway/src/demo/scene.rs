//! The servers of the demo: PostgreSQL with the clinic, the gateway in front, and the people who use them.

use std::process::Command;
use std::time::Instant;

use almoner_stage::clinic::{Clinic, PATIENTS, Patient, SEED};
use almoner_stage::gateway::Setup;
use almoner_stage::postgres::Options;
use almoner_stage::psql::Finished;
use almoner_stage::{Gateway, Postgres, Psql, User};

use super::narrator::Narrator;
use super::{DemoError, Result};

/// The name callers use for the clinic's database.
pub(super) const RESOURCE: &str = "clinic";
/// The nurse's assistant.
pub(super) const ASSISTANT: &str = "ward-assistant";
/// The nurse it acts for.
pub(super) const NURSE: &str = "maria.santos";
/// Who approves.
pub(super) const MANAGER: &str = "olivia.grant";
/// The database at the server, and the account that owns it: what callers cannot do through the gateway,
/// the gateway prevents, not the database.
pub(super) const DATABASE: &str = "clinic_db";
pub(super) const OWNER: &str = "clinic_owner";
const OWNER_PASSWORD: &str = "known-to-the-gateway-alone";

/// The policy file that the fourth step edits.
pub(super) const TREATMENTS_FILE: &str = "40-treatments.toml";
/// The policies, by file name; kept readable, since the story invites to read them.
const POLICIES: [(&str, &str); 4] = [
    ("10-plugins.toml", include_str!("clinic/10-plugins.toml")),
    ("20-rules.toml", include_str!("clinic/20-rules.toml")),
    ("30-columns.toml", include_str!("clinic/30-columns.toml")),
    (TREATMENTS_FILE, include_str!("clinic/40-treatments.toml")),
];

/// Everything that runs. Dropping it stops the gateway, then PostgreSQL, and removes their folders.
pub(super) struct Scene {
    pub(super) gateway: Gateway,
    pub(super) postgres: Postgres,
    pub(super) clinic: Clinic,
}

impl Scene {
    /// Starts everything.
    pub(super) fn set(narrator: &Narrator) -> Result<Self> {
        let started = Instant::now();
        let clinic = Clinic::generate(SEED, PATIENTS);
        let postgres = Postgres::start(&Options::default())?;
        load(&postgres, &clinic)?;
        narrator.printed(&format!(
            "PostgreSQL on 127.0.0.1:{:<6} {} patients, {} notes, {} claims    {:.1} s",
            postgres.port(),
            clinic.patients.len(),
            clinic.notes.len(),
            clinic.claims.len(),
            started.elapsed().as_secs_f32()
        ))?;

        let started = Instant::now();
        let gateway = Gateway::start(setup(&postgres)?)?;
        narrator.printed(&format!(
            "Almoner on 127.0.0.1:{:<9} its policies are in {}    {:.1} s",
            gateway.port(),
            gateway.policy_folder().display(),
            started.elapsed().as_secs_f32()
        ))?;
        Ok(Self {
            gateway,
            postgres,
            clinic,
        })
    }

    /// The database itself, as nobody but the gateway reaches it.
    pub(super) fn behind(&self) -> Psql {
        Psql::new(
            "127.0.0.1",
            self.postgres.port(),
            OWNER,
            OWNER_PASSWORD,
            DATABASE,
        )
    }

    /// Through the gateway, as the nurse's assistant.
    pub(super) fn assistant(&self) -> Psql {
        self.gateway.psql(ASSISTANT, RESOURCE)
    }

    /// The connection string to show for the database itself.
    pub(super) fn behind_address(&self) -> String {
        format!(
            "postgres://{OWNER}@127.0.0.1:{}/{DATABASE}",
            self.postgres.port()
        )
    }

    /// The connection string to show for a login.
    pub(super) fn address(&self, login: &str) -> String {
        format!(
            "postgres://{login}@127.0.0.1:{}/{RESOURCE}",
            self.gateway.port()
        )
    }

    /// The patient the story is about: the second of the clinic.
    pub(super) fn patient(&self) -> Result<&Patient> {
        let second = self.clinic.patients.get(1);
        second.ok_or_else(|| DemoError::Plot {
            step: "0",
            what: "the clinic is empty".into(),
        })
    }

    /// Prints a command of the binary as typed in the gateway's folder, runs it, prints what it printed.
    pub(super) fn almoner(
        &self,
        narrator: &Narrator,
        line: &str,
        password: Option<&str>,
    ) -> Result<Finished> {
        let finished = self.almoner_quietly(narrator, line, password)?;
        narrator.printed(&format!("{}{}", finished.stdout, finished.stderr))?;
        Ok(finished)
    }

    /// The same, leaving it to the caller to print what it printed.
    pub(super) fn almoner_quietly(
        &self,
        narrator: &Narrator,
        line: &str,
        password: Option<&str>,
    ) -> Result<Finished> {
        narrator.command(&format!("almoner {line}"))?;
        let arguments: Vec<&str> = line.split(' ').collect();
        let environment: Vec<(&str, &str)> = password
            .map(|password| ("ALMONER_PASSWORD", password))
            .into_iter()
            .collect();
        Ok(self.gateway.almoner(&arguments, &environment)?)
    }

    /// Prints a shell command, runs it in the gateway's folder, prints and answers what it printed.
    pub(super) fn shell(&self, narrator: &Narrator, line: &str) -> Result<String> {
        narrator.command(line)?;
        let output = Command::new("sh")
            .arg("-c")
            .arg(line)
            .current_dir(self.gateway.folder())
            .output();
        let output = output.map_err(|source| DemoError::Io {
            doing: "running a shell command",
            source,
        })?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let what = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(DemoError::Plot {
                step: "shell",
                what,
            });
        }
        if !printed.is_empty() {
            narrator.printed(&printed)?;
        }
        Ok(printed)
    }
}

fn load(postgres: &Postgres, clinic: &Clinic) -> Result<()> {
    postgres.script(
        "postgres",
        &format!("create role {OWNER} login password '{OWNER_PASSWORD}'; create database {DATABASE} owner {OWNER};"),
    )?;
    let owner = Psql::new(
        "127.0.0.1",
        postgres.port(),
        OWNER,
        OWNER_PASSWORD,
        DATABASE,
    );
    owner.script(&clinic.script())?;
    Ok(())
}

fn setup(postgres: &Postgres) -> Result<Setup> {
    let binary = std::env::current_exe().map_err(|source| DemoError::Io {
        doing: "finding this program's file",
        source,
    })?;
    Ok(Setup {
        binary,
        policies: POLICIES
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into(),
        users: vec![
            User::new(ASSISTANT, &["nurses"]).acting_for(NURSE),
            User::new("claims-assistant", &["billing"]).acting_for("ben.okafor"),
            User::new(MANAGER, &["managers"]),
        ],
        resources: format!(
            "[[resource]]\nname = \"{RESOURCE}\"\n\n[resource.postgres]\nhost = \"127.0.0.1\"\nport = {}\n\
             database = \"{DATABASE}\"\nuser = \"{OWNER}\"\npassword = {{ file = \"upstream.password\" }}\ntls = \"disable\"\n",
            postgres.port()
        ),
        secrets: vec![("upstream.password".into(), format!("{OWNER_PASSWORD}\n"))],
        ..Setup::default()
    })
}
