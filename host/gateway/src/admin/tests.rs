//! The API over a real socket, on a real audit trail, with a made-up gateway behind it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

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

struct Gateway {
    approvals: Approvals,
    audit: Audit,
    logins: Arc<Directory>,
    draining: AtomicBool,
    sessions: Vec<SessionView>,
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
            audit_dir: "/var/lib/almoner/audit".into(),
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
struct Stage {
    gateway: Arc<Gateway>,
    client: Client,
    folder: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl Stage {
    fn new() -> Self {
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

    async fn ask(&self) -> Pending {
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

#[tokio::test]
async fn status_tells_whether_and_why_not() {
    let stage = Stage::new();
    let status: Status = stage.client.get("/v1/status").await.unwrap();
    assert!(status.ready && status.not_ready.is_empty());
    assert_eq!(status.overview, stage.gateway.overview());
    assert_eq!(
        status.audit.durable_seq,
        stage.gateway.audit.status().durable_seq
    );
    status
        .audit
        .verifier_key
        .parse::<almoner_ledger::VerifierKey>()
        .unwrap();
    stage.gateway.draining.store(true, Ordering::SeqCst);
    let status: Status = stage.client.get("/v1/status").await.unwrap();
    assert!(!status.ready && status.not_ready[0].starts_with("draining"));
}

#[tokio::test]
async fn sessions_come_oldest_first() {
    let stage = Stage::new();
    let sessions: Vec<SessionView> = stage.client.get("/v1/sessions").await.unwrap();
    assert_eq!(
        sessions
            .iter()
            .map(|session| session.id.as_str())
            .collect::<Vec<_>>(),
        ["s1", "s2"]
    );
}

#[tokio::test]
async fn a_request_is_seen_approved_and_recorded() {
    let stage = Stage::new();
    let mut pending = stage.ask().await;
    let listed: Vec<View> = stage.client.get("/v1/approvals").await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0].id, listed[0].state),
        (pending.id(), State::Pending)
    );
    assert_eq!(
        listed[0].statement,
        "select * from patients where ssn = '[ssn]'"
    );
    // As it may be typed after a phone call.
    let typed = pending.id().as_str().to_lowercase().replace('-', "");
    let decided = stage
        .decide("approve", &typed, "ben", "benben")
        .await
        .unwrap();
    assert!(decided.complete);
    assert_eq!(decided.approval.unwrap().state, State::Approved);
    let Decision::Approved {
        approvers,
        max_rows,
    } = pending.decided().await
    else {
        panic!("not approved")
    };
    assert_eq!(
        (approvers[0].seq, approvers[0].login.as_str(), max_rows),
        (decided.seq, "ben", Some(500))
    );
    let record: RecordView = stage
        .client
        .get(&format!("/v1/audit/records/{}", decided.seq))
        .await
        .unwrap();
    assert_eq!(record.record["kind"], "approval");
    assert_eq!(record.record["event"], "approved");
    assert_eq!(record.record["approver"]["subject"], "ben");
    assert_eq!(record.record["approver"]["method"], "password");
    assert_eq!(record.record["reason"], "ward round");
    assert_eq!(record.record["subject"], "ana");
    let left: Vec<View> = stage.client.get("/v1/approvals").await.unwrap();
    let all: Vec<View> = stage.client.get("/v1/approvals?all=true").await.unwrap();
    assert_eq!((left.len(), all.len()), (0, 1));
}

#[tokio::test]
async fn what_was_asked_lies_beside_its_record() {
    let stage = Stage::new();
    let _pending = stage.ask().await;
    let asked = stage.records(Kind::Approval);
    assert_eq!(asked[0]["event"], "asked");
    assert_eq!(asked[0]["verdict"], "hold");
    assert!(!asked[0].to_string().contains("select"));
    let path = format!("/v1/audit/records/{}/bodies/", asked[0]["seq"]);
    let body = stage
        .client
        .get_bytes(&format!("{path}request"))
        .await
        .unwrap();
    assert_eq!(body, "select * from patients where ssn = '[ssn]'");
    assert_eq!(
        stage
            .client
            .get_bytes(&format!("{path}parameters"))
            .await
            .unwrap(),
        "[\"$1 = ?\"]"
    );
    let missing = stage
        .client
        .get_bytes(&format!("{path}response"))
        .await
        .unwrap_err();
    assert_eq!(problem(&missing), (404, "not-found"));
}

#[tokio::test]
async fn a_denial_ends_it_with_its_reason() {
    let stage = Stage::new();
    let mut pending = stage.ask().await;
    stage
        .decide("deny", pending.id().as_str(), "ben", "benben")
        .await
        .unwrap();
    let Decision::Denied { reason, .. } = pending.decided().await else {
        panic!("not denied")
    };
    assert_eq!(reason.as_deref(), Some("ward round"));
    let view: View = stage
        .client
        .get(&format!("/v1/approvals/{}", pending.id()))
        .await
        .unwrap();
    assert_eq!(
        (view.state, view.denied.unwrap().login),
        (State::Denied, "ben".into())
    );
}

#[tokio::test]
async fn those_who_may_not_decide_are_told_why() {
    let stage = Stage::new();
    let pending = stage.ask().await;
    let id = pending.id().as_str().to_owned();
    for (login, password, id, expected) in [
        ("ben", "wrong", id.as_str(), (401, "unauthorized")),
        ("nobody", "nobodynobody", id.as_str(), (401, "unauthorized")),
        ("ana", "anaana", id.as_str(), (403, "own-request")),
        ("eve", "eveeve", id.as_str(), (403, "not-an-approver")),
        ("ben", "benben", "A-0000-0000", (404, "unknown")),
        ("ben", "benben", "nonsense", (400, "bad-request")),
        // Strangers do not learn whether a request exists.
        ("ben", "wrong", "A-0000-0000", (401, "unauthorized")),
    ] {
        let error = stage
            .decide("approve", id, login, password)
            .await
            .unwrap_err();
        assert_eq!(problem(&error), expected, "{login} {id}");
    }
    let nobody = stage
        .client
        .post::<Decided>(
            &format!("/v1/approvals/{id}/approve"),
            &Deciding::default(),
            None,
        )
        .await;
    assert_eq!(problem(&nobody.unwrap_err()), (401, "unauthorized"));
    stage.decide("approve", &id, "cay", "caycay").await.unwrap();
    let again = stage
        .decide("deny", &id, "ben", "benben")
        .await
        .unwrap_err();
    assert_eq!(problem(&again), (409, "already-decided"));
    let refused: Vec<_> = stage
        .records(Kind::Approval)
        .iter()
        .filter_map(|record| record.get("refusal").cloned())
        .collect();
    assert_eq!(refused, ["own-request", "not-an-approver"]);
}

#[tokio::test]
async fn failed_logins_are_recorded_and_then_have_to_wait() {
    let stage = Stage::new();
    let pending = stage.ask().await;
    for _ in 0..5 {
        let error = stage
            .decide("approve", pending.id().as_str(), "ben", "guess")
            .await
            .unwrap_err();
        assert_eq!(problem(&error), (401, "unauthorized"));
    }
    let checked = stage.gateway.logins.checked.load(Ordering::SeqCst);
    let error = stage
        .decide("approve", pending.id().as_str(), "ben", "benben")
        .await
        .unwrap_err();
    assert_eq!(problem(&error), (429, "too-many-failures"));
    let ClientError::Refused(refused) = &error else {
        panic!("{error}")
    };
    assert!(
        refused
            .retry_after
            .is_some_and(|seconds| (1..=61).contains(&seconds))
    );
    assert_eq!(
        stage.gateway.logins.checked.load(Ordering::SeqCst),
        checked,
        "the right password was not looked at"
    );
    let failures = stage.records(Kind::Denied);
    assert_eq!(failures.len(), 5);
    assert_eq!(
        (&failures[0]["event"], &failures[0]["subject"]),
        (&"login-failed".into(), &"ben".into())
    );
    assert!(!failures[0].to_string().contains("guess"));
    // Others are not held up.
    stage
        .decide("approve", pending.id().as_str(), "cay", "caycay")
        .await
        .unwrap();
}

#[tokio::test]
async fn records_are_found_by_what_they_say_and_paged() {
    let stage = Stage::new();
    let draft = |subject: &str, nr: u64| {
        Draft::new(Kind::Denied, almoner_audit::now())
            .with("subject", subject)
            .with("resource", "ehr")
            .with("verdict", "deny")
            .with("exchange", format!("x.{nr}"))
    };
    for nr in 0..6 {
        let subject = if nr % 2 == 0 { "ana" } else { "ben" };
        stage
            .gateway
            .audit
            .append(draft(subject, nr))
            .await
            .unwrap();
    }
    let exchanges = |page: &RecordPage| -> Vec<String> {
        page.records
            .iter()
            .map(|found| found.record["exchange"].as_str().unwrap_or("-").to_owned())
            .collect()
    };
    let get = async |query: &str| -> RecordPage {
        stage
            .client
            .get(&format!("/v1/audit/records?{query}"))
            .await
            .unwrap()
    };
    assert_eq!(exchanges(&get("subject=ana").await), ["x.4", "x.2", "x.0"]);
    assert_eq!(
        exchanges(&get("kind=denied&verdict=deny&resource=ehr&limit=2").await),
        ["x.5", "x.4"]
    );
    assert_eq!(exchanges(&get("exchange=x.3").await), ["x.3"]);
    let first = get("kind=denied&limit=4").await;
    let rest = get(&format!(
        "kind=denied&limit=4&before={}",
        first.before.unwrap()
    ))
    .await;
    assert_eq!(exchanges(&rest), ["x.1", "x.0"]);
    assert_eq!(rest.before, None);
    let from = first.records[1].seq;
    let page = get(&format!("kind=denied&from={from}&limit=4")).await;
    assert_eq!((exchanges(&page).len(), page.before), (2, None));
    let future = get("since=2999-01-01T00:00:00Z").await;
    assert!(future.records.is_empty());
    let one: RecordView = stage
        .client
        .get(&format!("/v1/audit/records/{from}"))
        .await
        .unwrap();
    let line = one.line.unwrap();
    assert_eq!(
        one.hash,
        almoner_ledger::Hash::of_line(line.as_bytes()).to_string()
    );
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&line).unwrap(),
        one.record
    );
}

#[tokio::test]
async fn a_tail_waits_for_the_next_record() {
    let stage = Stage::new();
    let now: RecordPage = stage.client.get("/v1/audit/tail").await.unwrap();
    let after = now.after.unwrap();
    assert_eq!(after, stage.gateway.audit.status().durable_seq);
    let none: RecordPage = stage
        .client
        .get(&format!("/v1/audit/tail?after={after}"))
        .await
        .unwrap();
    assert_eq!((none.records.len(), none.after), (0, Some(after)));
    let waiting = tokio::spawn({
        let client = stage.client.clone();
        async move {
            client
                .get::<RecordPage>(&format!("/v1/audit/tail?after={after}&wait=20"))
                .await
        }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    let review = Draft::new(Kind::Review, almoner_audit::now());
    stage
        .gateway
        .audit
        .append(Entry::new(review))
        .await
        .unwrap();
    let page = waiting.await.unwrap().unwrap();
    assert_eq!((page.records.len(), page.after), (1, Some(after + 1)));
    assert_eq!(page.records[0].record["kind"], "review");
}

#[tokio::test]
async fn a_copy_is_recorded_and_complete() {
    let stage = Stage::new();
    let dir = stage.folder.path().join("copy");
    let body = |dir: PathBuf| serde_json::json!({ "dir": dir });
    let made: CopyMade = stage
        .client
        .post("/v1/audit/copy", &body(dir.clone()), None)
        .await
        .unwrap();
    let copied = Reader::open_copy(&made.dir).unwrap().tail(1).unwrap();
    let record = copied[0].value().unwrap();
    assert_eq!(
        (&record["event"], &record["dir"]),
        (&"audit-copied".into(), &dir.to_str().unwrap().into())
    );
    assert_eq!(record["uid"], rustix::process::getuid().as_raw());
    for (dir, expected) in [
        (dir, (409, "exists")),
        ("copy".into(), (400, "bad-request")),
        (PathBuf::new(), (400, "bad-request")),
    ] {
        let error = stage
            .client
            .post::<CopyMade>("/v1/audit/copy", &body(dir), None)
            .await
            .unwrap_err();
        assert_eq!(problem(&error), expected);
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_a_problem_in_json() {
    let stage = Stage::new();
    for (path, expected) in [
        ("/", (404, "not-found")),
        ("/v1/nothing", (404, "not-found")),
        ("/v1/approvals/A-0000-0000", (404, "unknown")),
        ("/v1/approvals/x", (400, "bad-request")),
        ("/v1/approvals?al=true", (400, "bad-request")),
        ("/v1/audit/records?kind=gossip", (400, "bad-request")),
        ("/v1/audit/records?limit=0", (400, "bad-request")),
        ("/v1/audit/records?limit=100000", (400, "bad-request")),
        ("/v1/audit/records?since=yesterday", (400, "bad-request")),
        ("/v1/audit/records/999999", (404, "not-found")),
        ("/v1/audit/records/-1", (400, "bad-request")),
        ("/v1/audit/copy", (405, "method-not-allowed")),
    ] {
        let error = stage
            .client
            .get::<serde_json::Value>(path)
            .await
            .unwrap_err();
        assert_eq!(problem(&error), expected, "{path}");
    }
    let long = serde_json::json!({ "dir": format!("/{}", "x".repeat(20_000)) });
    let error = stage
        .client
        .post::<CopyMade>("/v1/audit/copy", &long, None)
        .await
        .unwrap_err();
    assert_eq!(problem(&error), (413, "too-large"));
    let odd = serde_json::json!({ "directory": "/tmp" });
    let error = stage
        .client
        .post::<CopyMade>("/v1/audit/copy", &odd, None)
        .await
        .unwrap_err();
    assert_eq!(problem(&error), (400, "bad-request"));
}

#[tokio::test]
async fn stopping_answers_what_is_under_way_and_removes_the_socket() {
    let mut stage = Stage::new();
    let after = stage.gateway.audit.status().durable_seq;
    let under_way = tokio::spawn({
        let client = stage.client.clone();
        async move {
            client
                .get::<RecordPage>(&format!("/v1/audit/tail?after={after}&wait=1"))
                .await
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    stage.stop.take().unwrap().send(()).unwrap();
    assert_eq!(under_way.await.unwrap().unwrap().after, Some(after));
    stage.served.await.unwrap();
    let error = stage.client.get::<Status>("/v1/status").await.unwrap_err();
    assert!(matches!(error, ClientError::NoGateway(_)), "{error}");
    assert!(!stage.client.socket().exists());
}

#[tokio::test]
async fn bytes_that_are_no_request_disturb_nobody() {
    let stage = Stage::new();
    let mut stream = UnixStream::connect(stage.client.socket()).await.unwrap();
    stream
        .write_all(b"\x16\x03\x01 not http\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 400"));
    stage.client.get::<Status>("/v1/status").await.unwrap();
}

#[tokio::test]
async fn monitors_see_health_readiness_and_metrics() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let console = Arc::clone(&stage.gateway) as Arc<dyn Console>;
    tokio::spawn(observe::serve(
        listener,
        console,
        Exposition::none(),
        std::future::pending(),
    ));
    let get = async |path: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert!(get("/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(get("/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(get("/metrics").await.contains("text/plain; version=0.0.4"));
    assert!(get("/v1/status").await.starts_with("HTTP/1.1 404"));
    stage.gateway.draining.store(true, Ordering::SeqCst);
    let ready = get("/readyz").await;
    assert!(
        ready.starts_with("HTTP/1.1 503") && ready.contains("draining"),
        "{ready}"
    );
    assert!(get("/healthz").await.starts_with("HTTP/1.1 200"));
}
