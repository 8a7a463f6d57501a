//! The world that reads are measured in: PostgreSQL with the demo's clinic, and the gateway in front of it
//! with the demo's policies, so that nothing is measured that nobody would run.

use std::path::PathBuf;

use almoner_stage::clinic::{Clinic, PATIENTS, SEED};
use almoner_stage::gateway::Setup;
use almoner_stage::postgres::Options;
use almoner_stage::{Gateway, Postgres, User};
use anyhow::{Context, ensure};

use crate::pgbench::Target;

const OWNER: &str = "clinic_owner";
const OWNER_PASSWORD: &str = "upstream-secret-of-the-benchmark";
const DATABASE: &str = "clinic_db";
const RESOURCE: &str = "clinic";
const CALLER: &str = "ward-assistant";

const POLICIES: [(&str, &str); 4] = [
    (
        "10-plugins.toml",
        include_str!("../../host/gateway/src/demo/clinic/10-plugins.toml"),
    ),
    (
        "20-rules.toml",
        include_str!("../../host/gateway/src/demo/clinic/20-rules.toml"),
    ),
    (
        "30-columns.toml",
        include_str!("../../host/gateway/src/demo/clinic/30-columns.toml"),
    ),
    (
        "40-treatments.toml",
        include_str!("../../host/gateway/src/demo/clinic/40-treatments.toml"),
    ),
];

/// A point read: six tagged columns, which are masked, and two free ones, which are searched.
pub(crate) const READ: &str = "SELECT given_name, family_name, mrn, birth_date, phone, zip, kin_relation, ward \
                               FROM patients WHERE patient_id = ";

/// pgbench's script of such reads.
pub(crate) fn script() -> String {
    format!("\\set id random(1, {PATIENTS})\n{READ}:id;\n")
}

/// Everything that runs. The gateway stops before PostgreSQL.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    postgres: Postgres,
    clinic: Clinic,
}

impl World {
    /// Starts PostgreSQL, loads the clinic, starts the gateway.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let postgres = Postgres::start(&Options::default())?;
        let clinic = Clinic::generate(SEED, PATIENTS);
        postgres.script(
            "postgres",
            &format!("create role {OWNER} login password '{OWNER_PASSWORD}'; create database {DATABASE} owner {OWNER};"),
        )?;
        postgres.script(
            DATABASE,
            &format!(
                "set role {OWNER};\n{}\nvacuum analyze patients;",
                clinic.script()
            ),
        )?;
        let gateway = Gateway::start(setup(postgres.port())?)?;
        Ok(Self {
            gateway,
            postgres,
            clinic,
        })
    }

    /// PostgreSQL itself, or whatever passes bytes on to it from this port.
    pub(crate) fn database(&self, port: Option<u16>) -> Target {
        Target {
            port: port.unwrap_or_else(|| self.postgres.port()),
            user: OWNER.to_owned(),
            password: OWNER_PASSWORD.to_owned(),
            database: DATABASE.to_owned(),
        }
    }

    /// The gateway.
    pub(crate) fn almoner(&self) -> Target {
        Target {
            port: self.gateway.port(),
            user: CALLER.to_owned(),
            password: User::new(CALLER, &[]).password,
            database: RESOURCE.to_owned(),
        }
    }

    /// Makes sure that the reads to be measured are masked through the gateway, and are not without it.
    pub(crate) fn prove_masking(&self) -> anyhow::Result<()> {
        let patient = self
            .clinic
            .patients
            .first()
            .context("the clinic has patients")?;
        let sql = format!("{READ}{}", patient.id);
        let masked = self.gateway.psql(CALLER, RESOURCE).script(&sql)?;
        let plain = self.postgres.script(DATABASE, &sql)?;
        ensure!(
            plain.contains(&patient.mrn),
            "the database does not answer with the patient"
        );
        ensure!(
            !masked.trim().is_empty()
                && !masked.contains(&patient.mrn)
                && !masked.contains(&patient.phone),
            "the gateway's answer is not masked: what would be measured is not the product"
        );
        Ok(())
    }
}

fn setup(upstream: u16) -> anyhow::Result<Setup> {
    Ok(Setup {
        binary: binary()?,
        policies: POLICIES
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into(),
        users: vec![User::new(CALLER, &["nurses"]).acting_for("maria.santos")],
        resources: format!(
            "[[resource]]\nname = \"{RESOURCE}\"\n\n[resource.postgres]\nhost = \"127.0.0.1\"\nport = {upstream}\n\
             database = \"{DATABASE}\"\nuser = \"{OWNER}\"\npassword = {{ file = \"upstream.password\" }}\ntls = \"disable\"\n"
        ),
        secrets: vec![("upstream.password".into(), format!("{OWNER_PASSWORD}\n"))],
        ..Setup::default()
    })
}

/// `$ALMONER_BIN`, or the binary beside this one.
fn binary() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("ALMONER_BIN") {
        return Ok(named.into());
    }
    let own = std::env::current_exe().context("finding this program's own file")?;
    let binary = own.with_file_name("almoner");
    ensure!(
        binary.is_file(),
        "{} is missing: run `./dev bench`",
        binary.display()
    );
    Ok(binary)
}
