//! A world: PostgreSQL with a clinic in it, and a gateway in front with the demo's policies.

use std::fmt::Write;

use almoner_stage::clinic::{Clinic, SEED};
use almoner_stage::gateway::Setup;
use almoner_stage::postgres::Options;
use almoner_stage::{Gateway, Postgres, User};

use crate::binary;
use crate::proxy::Proxy;

/// The database account of the gateway, which owns the tables: what callers cannot do, the gateway
/// prevents, not the database.
pub const UPSTREAM_USER: &str = "clinic_owner";
/// Its password; no caller may ever see it.
pub const UPSTREAM_PASSWORD: &str = "upstream-secret-7d1f";

/// The demo's policy files, by name.
pub const POLICIES: [(&str, &str); 4] = [
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

/// What a world should be like; the default is the demo's, with fewer patients.
#[derive(Clone, Debug)]
pub struct WorldPlan {
    /// How many patients.
    pub patients: u32,
    /// Run by the superuser in the clinic's database after it is loaded.
    pub sql: String,
    /// Replace or add policy files, by name.
    pub policies: Vec<(String, String)>,
    /// Further files of the policy folder, such as components.
    pub files: Vec<(String, Vec<u8>)>,
    /// Logins.
    pub users: Vec<User>,
    /// The upstream's settings.
    pub postgres: Options,
    /// Further keys of the resource's `postgres` table, such as `tls = "verify-full"`. A key that is
    /// given here replaces the plan's own.
    pub upstream: Vec<(String, String)>,
    /// Further tables of `almoner.toml`.
    pub more: String,
    /// Set for the gateway.
    pub environment: Vec<(String, String)>,
}

impl Default for WorldPlan {
    fn default() -> Self {
        Self {
            patients: 40,
            sql: String::new(),
            policies: POLICIES
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .into(),
            files: Vec::new(),
            users: vec![
                User::new("ward-assistant", &["nurses"]).acting_for("maria.santos"),
                User::new("claims-assistant", &["billing"]).acting_for("ben.okafor"),
                User::new("olivia.grant", &["managers"]),
                User::new("stranger", &["visitors"]),
            ],
            postgres: Options {
                cache: binary::cache(),
                ..Options::default()
            },
            upstream: Vec::new(),
            more: String::new(),
            environment: Vec::new(),
        }
    }
}

impl WorldPlan {
    /// The plan with this policy file in place of the one of the same name, or beside the others.
    #[must_use]
    pub fn policy(mut self, name: &str, text: &str) -> Self {
        self.policies.retain(|(other, _)| other != name);
        self.policies.push((name.into(), text.into()));
        self
    }

    /// The plan with one key of the resource's `postgres` table, written as TOML.
    #[must_use]
    pub fn upstream(mut self, key: &str, toml: &str) -> Self {
        self.upstream.push((key.into(), toml.into()));
        self
    }

    /// The plan with a change to one of the demo's policy files, which must contain `from`.
    #[must_use]
    pub fn edit(mut self, name: &str, from: &str, to: &str) -> Self {
        for (_, text) in self.policies.iter_mut().filter(|(other, _)| other == name) {
            assert!(text.contains(from), "{name} does not contain {from:?}");
            *text = text.replace(from, to);
        }
        self
    }

    /// Starts PostgreSQL, loads the clinic, starts the gateway.
    pub fn start(self) -> anyhow::Result<World> {
        let (postgres, clinic) = self.database()?;
        let setup = self.setup(postgres.port())?;
        let gateway = Gateway::start(setup)?;
        Ok(World {
            gateway,
            postgres,
            clinic,
        })
    }

    /// The same with a proxy between gateway and PostgreSQL.
    pub fn start_behind_proxy(self) -> anyhow::Result<(World, Proxy)> {
        let (postgres, clinic) = self.database()?;
        let proxy = Proxy::start(postgres.port())?;
        let gateway = Gateway::start(self.setup(proxy.port())?)?;
        let world = World {
            gateway,
            postgres,
            clinic,
        };
        Ok((world, proxy))
    }

    /// Starts PostgreSQL and loads the clinic.
    pub fn database(&self) -> anyhow::Result<(Postgres, Clinic)> {
        let postgres = Postgres::start(&self.postgres)?;
        let clinic = Clinic::generate(SEED, self.patients);
        postgres.script(
            "postgres",
            &format!("create role {UPSTREAM_USER} login password '{UPSTREAM_PASSWORD}'; create database clinic_db owner {UPSTREAM_USER};"),
        )?;
        postgres.script(
            "clinic_db",
            &format!(
                "set role {UPSTREAM_USER};\n{}\nreset role;\n{}",
                clinic.script(),
                self.sql
            ),
        )?;
        Ok((postgres, clinic))
    }

    /// What the gateway in front of a server on this port should be like.
    pub fn setup(&self, upstream_port: u16) -> anyhow::Result<Setup> {
        let own = [
            ("host", "\"127.0.0.1\"".to_owned()),
            ("port", upstream_port.to_string()),
            ("database", "\"clinic_db\"".to_owned()),
            ("user", format!("\"{UPSTREAM_USER}\"")),
            ("password", "{ file = \"upstream.password\" }".to_owned()),
            ("tls", "\"disable\"".to_owned()),
        ];
        let mut resources =
            String::from("[[resource]]\nname = \"clinic\"\n\n[resource.postgres]\n");
        for (key, value) in &own {
            if !self.upstream.iter().any(|(other, _)| other == key) {
                writeln!(resources, "{key} = {value}")?;
            }
        }
        for (key, value) in &self.upstream {
            writeln!(resources, "{key} = {value}")?;
        }
        Ok(Setup {
            binary: binary::almoner()?,
            policies: self.policies.clone(),
            files: self.files.clone(),
            users: self.users.clone(),
            resources,
            data: String::new(),
            more: self.more.clone(),
            secrets: vec![("upstream.password".into(), format!("{UPSTREAM_PASSWORD}\n"))],
            environment: self.environment.clone(),
            cache: binary::cache(),
        })
    }
}

/// A running world. Dropping it stops the gateway, then PostgreSQL.
#[derive(Debug)]
pub struct World {
    /// The gateway.
    pub gateway: Gateway,
    /// The upstream.
    pub postgres: Postgres,
    /// What the upstream holds.
    pub clinic: Clinic,
}

impl World {
    /// The default world.
    pub fn start() -> anyhow::Result<Self> {
        WorldPlan::default().start()
    }

    /// Fails if the text contains an identifier of any patient of the clinic.
    pub fn assert_masked(&self, text: &str) {
        for patient in &self.clinic.patients {
            for raw in patient.identifiers() {
                assert!(
                    !text.contains(raw),
                    "patient {}: an identifier is not masked in:\n{text}",
                    patient.id
                );
            }
        }
    }

    /// What PostgreSQL answers without a gateway, rows without decoration.
    pub fn direct(&self, sql: &str) -> anyhow::Result<String> {
        Ok(self.postgres.script("clinic_db", sql)?)
    }
}
