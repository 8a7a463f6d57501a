//! A world for HTTP: a server with the clinic's resources, and a gateway in front.

use almoner_stage::clinic::{Clinic, SEED};
use almoner_stage::gateway::Setup;
use almoner_stage::postgres::Tls;
use almoner_stage::{Gateway, User};

use crate::http_server::{Canned, HttpServer};
use crate::{binary, fhir};

/// What the gateway shows the server; no caller may ever see it.
pub const UPSTREAM_TOKEN: &str = "upstream-token-5b2e";

/// What a policy says unless a test says otherwise.
pub const POLICY: &str = r#"
[[plugin]]
name = "http-guard"
use  = "builtin:http-guard"
[plugin.settings]
methods = { POST = "allow", DELETE = "hold" }
[[plugin.settings.paths]]
paths  = ["/secret/**"]
action = "deny"
[[plugin.settings.paths]]
paths  = ["/held"]
action = "hold"

[[plugin]]
name = "bulk-export"
use  = "builtin:bulk-export"
[plugin.settings]
rows = 1000

[[plugin]]
name = "phi"
use  = "builtin:phi"

[[rule]]
name = "care"
resources = ["fhir"]
groups = ["nurses"]
guards = ["http-guard"]
approvals = ["bulk-export"]
detectors = ["phi"]
approval = { group = "managers", count = 1, ttl = "15m" }
unmasked_types = ["image/png"]

[[field]]
name = "badge"
kind = "phi.id"

[[field]]
path = "staff[].pager"
kind = "phi.phone"
treatment = "last4"
"#;

/// What a world should be like.
#[derive(Clone, Debug)]
pub struct HttpPlan {
    /// How many patients.
    pub patients: u32,
    /// The one policy file.
    pub policy: String,
    /// The server's certificate, and the authority to trust (PEM); plain without.
    pub tls: Option<(Tls, String)>,
    /// In place of the port of the server.
    pub upstream_port: Option<u16>,
    /// Further lines of the resource's `http` table.
    pub upstream: String,
    /// Further tables of `almoner.toml`.
    pub more: String,
}

impl Default for HttpPlan {
    fn default() -> Self {
        Self {
            patients: 8,
            policy: POLICY.into(),
            tls: None,
            upstream_port: None,
            upstream: String::new(),
            more: String::new(),
        }
    }
}

/// A running world. Dropping it stops the gateway.
pub struct HttpWorld {
    /// The gateway.
    pub gateway: Gateway,
    /// The server behind it.
    pub server: HttpServer,
    /// What the server holds.
    pub clinic: Clinic,
}

impl HttpPlan {
    /// Starts the server and the gateway.
    pub fn start(self) -> anyhow::Result<HttpWorld> {
        let clinic = Clinic::generate(SEED, self.patients);
        let server = HttpServer::start(self.tls.as_ref().map(|(tls, _)| tls))?;
        let json =
            |value: &serde_json::Value| Canned::new("application/fhir+json", value.to_string());
        server.put("/r4/Patient", json(&fhir::patients(&clinic)));
        server.put("/r4/everything", json(&fhir::everything(&clinic)));
        for patient in &clinic.patients {
            server.put(
                &format!("/r4/Patient/p{}", patient.id),
                json(&fhir::patient(patient)),
            );
        }
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let port = self.upstream_port.unwrap_or(server.port());
        let mut secrets = vec![("fhir.token".to_owned(), format!("{UPSTREAM_TOKEN}\n"))];
        let mut upstream = self.upstream;
        if let Some((_, authority)) = self.tls {
            secrets.push(("ca.pem".to_owned(), authority));
            upstream.push_str("\nca = \"ca.pem\"");
        }
        let gateway = Gateway::start(Setup {
            binary: binary::almoner()?,
            policies: vec![("10-http.toml".into(), self.policy)],
            users: vec![
                User::new("ward-assistant", &["nurses"]).acting_for("maria.santos"),
                User::new("other-assistant", &["nurses"]).acting_for("ben.okafor"),
                User::new("olivia.grant", &["managers"]),
                User::new("stranger", &["visitors"]),
            ],
            resources: format!(
                "[[resource]]\nname = \"fhir\"\n[resource.http]\nurl = \"{scheme}://127.0.0.1:{port}/r4\"\n\
                 credential = {{ bearer = {{ file = \"fhir.token\" }} }}\n{upstream}\n"
            ),
            more: self.more,
            secrets,
            environment: Vec::new(),
            files: Vec::new(),
            data: String::new(),
            cache: binary::cache(),
        })?;
        Ok(HttpWorld {
            gateway,
            server,
            clinic,
        })
    }
}

impl HttpWorld {
    /// The default world.
    pub fn start() -> anyhow::Result<Self> {
        HttpPlan::default().start()
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
        assert!(!text.contains(UPSTREAM_TOKEN), "{text}");
    }

    /// Says yes to a request for approval, as the manager.
    pub fn approve(&self, id: &str) -> anyhow::Result<()> {
        let arguments = ["approvals", "approve", id, "--user", "olivia.grant"];
        let password = [("ALMONER_PASSWORD", "olivia.grant-password")];
        let finished = self.gateway.almoner(&arguments, &password)?;
        anyhow::ensure!(finished.code == Some(0), "{finished:?}");
        Ok(())
    }

    /// The records so far, one a line, as `almoner audit` exports them.
    pub fn records(&self) -> anyhow::Result<String> {
        let finished = self
            .gateway
            .almoner(&["audit", "tail", "-n", "500", "--json"], &[])?;
        anyhow::ensure!(finished.code == Some(0), "{finished:?}");
        Ok(finished.stdout)
    }
}
