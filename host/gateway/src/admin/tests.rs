//! The API over a real socket, on a real audit trail, with a made-up gateway behind it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod deciding;
mod records;
mod serving;
mod state;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use almoner_audit::{Entry, Options, Reader};
use almoner_ledger::{Draft, Kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::client::{Client, ClientError, Credentials};
use super::status::{Decided, Deciding, RecordPage, RecordView};
use super::*;
use crate::admin::socket::AdminSocket;
use crate::admin::status::{CopyMade, PolicyView, ResourceView};
use crate::approvals::{Ask, AuditRecorder, Decision, Limits, Pending, State, View};
use crate::config::policy::Requirement;
use crate::config::secret::Secret;
use crate::identity::principal::Principal;
use crate::telemetry::metrics::Exposition;

pub(crate) struct Gateway {
    approvals: Approvals,
    pub(crate) audit: Audit,
    logins: Arc<Directory>,
    draining: AtomicBool,
    sessions: Vec<SessionView>,
    audit_dir: PathBuf,
}

/// Passwords are the login's name twice.
struct Directory {
    people: BTreeMap<&'static str, Principal>,
    checked: AtomicU64,
}

impl Logins for Directory {
    fn verify(&self, login: &str, password: &str) -> Option<Principal> {
        self.checked.fetch_add(1, Ordering::SeqCst);
        self.people
            .get(login)
            .filter(|_| password == format!("{login}{login}"))
            .cloned()
    }
}

impl Console for Gateway {
    fn overview(&self) -> Overview {
        Overview {
            started_at: jiff::Timestamp::UNIX_EPOCH,
            draining: self.draining.load(Ordering::SeqCst),
            postgres_listen: "127.0.0.1:6432".parse().unwrap(),
            http_listen: None,
            observe_listen: None,
            resources: vec![ResourceView {
                name: "ehr".into(),
                protocol: "postgres".into(),
                sessions: 2,
            }],
            policy: Some(PolicyView {
                generation: 3,
                digest: "ab".into(),
                activated_at: jiff::Timestamp::UNIX_EPOCH,
                rules: 1,
                plugins: Vec::new(),
            }),
            policy_refused: None,
            audit_dir: self.audit_dir.clone(),
            pseudonym_key: "k1".to_owned(),
        }
    }

    fn sessions(&self) -> Vec<SessionView> {
        self.sessions.clone()
    }

    fn approvals(&self) -> &Approvals {
        &self.approvals
    }

    fn audit(&self) -> &Audit {
        &self.audit
    }

    fn logins(&self) -> Arc<dyn Logins> {
        Arc::clone(&self.logins) as Arc<dyn Logins>
    }
}

fn person(subject: &str, groups: &[&str]) -> Principal {
    Principal {
        subject: subject.into(),
        actor: None,
        groups: groups.iter().map(|group| (*group).into()).collect(),
        issuer: "local".into(),
        method: "password".into(),
        person: subject.into(),
    }
}

fn session(id: &str, second: i64) -> SessionView {
    SessionView {
        id: id.into(),
        subject: "ana".into(),
        actor: None,
        resource: "ehr".into(),
        protocol: "postgres".into(),
        source: "127.0.0.1:5000".parse().unwrap(),
        started_at: jiff::Timestamp::from_second(second).unwrap(),
        exchanges: 0,
        doing: "idle".into(),
    }
}

/// A served gateway in a folder of its own.
pub(crate) struct Stage {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) client: Client,
    pub(crate) folder: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) served: JoinHandle<()>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(&folder.path().join("audit"), Options::new("test")).unwrap();
        let people = [
            ("ana", person("ana", &["nurses", "managers"])),
            ("ben", person("ben", &["managers"])),
            ("cay", person("cay", &["managers"])),
            ("eve", person("eve", &["guests"])),
        ];
        let gateway = Arc::new(Gateway {
            approvals: Approvals::new(Limits::default(), AuditRecorder::new(audit.clone())),
            audit,
            logins: Arc::new(Directory {
                people: people.into(),
                checked: AtomicU64::new(0),
            }),
            draining: AtomicBool::new(false),
            sessions: vec![session("s2", 2), session("s1", 1)],
            audit_dir: folder.path().join("audit"),
        });
        let socket = AdminSocket::bind(&folder.path().join("admin.sock")).unwrap();
        let client = Client::new(socket.path());
        let (stop, stopped) = oneshot::channel::<()>();
        let console = Arc::clone(&gateway) as Arc<dyn Console>;
        let served = tokio::spawn(serve(socket, console, async {
            let _ = stopped.await;
        }));
        Self {
            gateway,
            client,
            folder,
            stop: Some(stop),
            served,
        }
    }

    pub(crate) async fn ask(&self) -> Pending {
        let ask = Ask {
            exchange: "s1.1".into(),
            session: "s1".into(),
            requester: person("ana", &["nurses"]),
            resource: "ehr".into(),
            rule: "bulk".into(),
            statement: "select * from patients where ssn = '[ssn]'".into(),
            parameters: vec!["$1 = ?".into()],
            facts: serde_json::json!([{"kind": "select"}]),
            reasons: vec!["more than 100 rows".into()],
            requirements: vec![Requirement {
                group: "managers".into(),
                count: 1,
            }],
            rows_so_far: 0,
            max_rows: Some(500),
            fingerprint: [7; 32],
            generation: 3,
            ttl: Duration::from_secs(60),
        };
        self.gateway.approvals.ask(ask).await.unwrap()
    }

    async fn decide(
        &self,
        verb: &str,
        id: &str,
        login: &str,
        password: &str,
    ) -> Result<Decided, ClientError> {
        let credentials = Credentials {
            login: login.into(),
            password: Secret::new(password),
        };
        let path = format!("/v1/approvals/{id}/{verb}");
        let deciding = Deciding {
            reason: Some("ward round".into()),
        };
        self.client.post(&path, &deciding, Some(&credentials)).await
    }

    /// Records of a kind, oldest first.
    fn records(&self, kind: Kind) -> Vec<serde_json::Value> {
        let all = self.gateway.audit.reader().range(0, 1_000).unwrap();
        let all = all.iter().map(|stored| stored.value().unwrap());
        all.filter(|record| record["kind"] == kind.as_str())
            .collect()
    }
}

fn problem(error: &ClientError) -> (u16, &str) {
    match error {
        ClientError::Refused(problem) => (problem.status, problem.code()),
        other => panic!("{other}"),
    }
}
