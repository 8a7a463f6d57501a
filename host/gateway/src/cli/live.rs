//! Commands from their command line to their exit code, against a served gateway with a real audit trail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use std::path::Path;
use std::sync::Arc;

use clap::Parser;

use super::Cli;
use super::output::{Captured, Output};
use crate::admin::tests::Stage;
use crate::approvals::Decision;

/// What a command printed, and how it ended.
#[derive(Debug)]
struct Done {
    exit: u8,
    out: String,
    err: String,
}

/// Runs a command line as a process would, on a thread that may wait.
async fn almoner(words: &[&str]) -> Done {
    let words: Vec<String> = ["almoner"]
        .iter()
        .chain(words)
        .map(|word| (*word).to_owned())
        .collect();
    let run = move || {
        let (out, err) = (Captured::default(), Captured::default());
        let cli = Cli::try_parse_from(words).expect("the command line is well formed");
        let exit = cli
            .command
            .run(&Output::to(cli.json, out.clone(), err.clone()));
        Done {
            exit: exit.0,
            out: out.text(),
            err: err.text(),
        }
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

impl Stage {
    /// Runs a command against this gateway.
    async fn almoner(&self, words: &[&str]) -> Done {
        let socket = self.client.socket().to_str().unwrap();
        almoner(&[words, &["--socket", socket]].concat()).await
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn password_of(&self, login: &str) -> String {
        let path = self.path(&format!("{login}.password"));
        std::fs::write(&path, format!("{login}{login}\n")).unwrap();
        path
    }
}

/// One thread more than the commands need, so that the gateway answers while they wait.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn left_over(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with(".copy-"))
        .collect()
}

#[test]
fn an_approver_lists_shows_and_approves() {
    runtime().block_on(async {
        let stage = Stage::new();
        let mut pending = stage.ask().await;
        let id = pending.id().to_string();
        let listed = stage.almoner(&["approvals", "list"]).await;
        assert_eq!(listed.exit, 0, "{listed:?}");
        assert!(
            listed.out.contains(&id) && listed.out.contains("1 of managers"),
            "{listed:?}"
        );
        let shown = stage
            .almoner(&["approvals", "show", &id.to_lowercase()])
            .await;
        assert!(
            shown.out.contains("    | select * from patients"),
            "{shown:?}"
        );

        let own = [
            "approvals",
            "approve",
            &id,
            "--user",
            "ana",
            "--password-file",
            &stage.password_of("ana"),
        ];
        let own = stage.almoner(&own).await;
        assert_eq!(own.exit, 1);
        assert!(
            own.err.contains("nobody decides on their own request"),
            "{own:?}"
        );

        let password = stage.password_of("ben");
        let words = [
            "approvals",
            "approve",
            &id,
            "--user",
            "ben",
            "--password-file",
            &password,
            "--reason",
            "ward round",
        ];
        let approved = stage.almoner(&words).await;
        assert_eq!(approved.exit, 0, "{approved:?}");
        assert!(
            approved.out.contains("approved; the exchange goes on"),
            "{approved:?}"
        );
        assert!(matches!(pending.decided().await, Decision::Approved { .. }));

        let again = stage.almoner(&words).await;
        assert_eq!(again.exit, 1);
        assert!(again.err.contains("already decided: approved"), "{again:?}");
        let none = stage.almoner(&["approvals", "list"]).await;
        assert!(none.out.contains("no requests wait"), "{none:?}");
    });
}

#[test]
fn status_says_in_its_exit_code_whether_exchanges_are_taken() {
    runtime().block_on(async {
        let stage = Stage::new();
        let ready = stage.almoner(&["status", "--sessions"]).await;
        assert_eq!(ready.exit, 0, "{ready:?}");
        assert!(
            ready.out.starts_with("ready") && ready.out.contains("s1"),
            "{ready:?}"
        );
        let json = stage.almoner(&["--json", "status"]).await;
        let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!(
            (&json["ready"], &json["policy"]["generation"]),
            (&true.into(), &3.into())
        );
    });
}

#[test]
fn a_running_gateways_trail_is_verified_on_a_copy_that_is_removed() {
    runtime().block_on(async {
        let stage = Stage::new();
        let _pending = stage.ask().await;
        let done = stage.almoner(&["audit", "verify"]).await;
        assert_eq!(done.exit, 0, "{done:?}");
        assert!(done.out.starts_with("VERIFIED: "), "{done:?}");
        assert!(done.out.contains("what this run does NOT show"), "{done:?}");
        assert_eq!(left_over(stage.folder.path()), [""; 0]);
        // With a key known from elsewhere, and with one that is another's.
        let key = stage.gateway.audit.verifier_key().to_string();
        let done = stage
            .almoner(&["audit", "verify", "--verifier-key", &key])
            .await;
        assert_eq!(done.exit, 0, "{done:?}");
        let other = almoner_ledger::SigningKey::from_seed("test/1", &[9; 32])
            .verifier()
            .to_string();
        let done = stage
            .almoner(&["audit", "verify", "--verifier-key", &other])
            .await;
        assert_ne!(done.exit, 0, "{done:?}");
        let json = stage.almoner(&["--json", "audit", "verify"]).await;
        let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!(
            (&json["tool"], &json["report"]["exit_code"]),
            (&"almoner".into(), &0.into())
        );
    });
}

#[test]
fn an_export_verifies_and_a_changed_one_does_not() {
    runtime().block_on(async {
        let stage = Stage::new();
        let _pending = stage.ask().await;
        let dir = stage.path("export");
        let done = stage.almoner(&["audit", "export", &dir]).await;
        assert_eq!(done.exit, 0, "{done:?}");
        assert_eq!(left_over(stage.folder.path()), [""; 0]);
        let done = almoner(&["audit", "verify", "--export", &dir]).await;
        assert_eq!(done.exit, 0, "{done:?}");
        let records = Path::new(&dir).join("records.jsonl");
        let text = std::fs::read_to_string(&records).unwrap();
        std::fs::write(
            &records,
            text.replace("\"subject\":\"ana\"", "\"subject\":\"eve\""),
        )
        .unwrap();
        let done = almoner(&["audit", "verify", "--export", &dir]).await;
        assert_eq!(done.exit, 1, "{done:?}");
        assert!(done.out.starts_with("FAILED: "), "{done:?}");
        assert!(done.out.contains("E_CHAIN"), "{done:?}");
        let again = stage.almoner(&["audit", "export", &dir]).await;
        assert_eq!(again.exit, 1, "{again:?}");
    });
}

#[test]
fn records_are_found_shown_and_tailed_live_and_on_files() {
    runtime().block_on(async {
        let stage = Stage::new();
        let _pending = stage.ask().await;
        let copy = stage.path("copied");
        let reader = stage.gateway.audit.reader();
        let to = copy.clone();
        tokio::task::spawn_blocking(move || reader.copy_to(Path::new(&to)))
            .await
            .unwrap()
            .unwrap();
        for place in [
            ["--socket", stage.client.socket().to_str().unwrap()],
            ["--store", &copy],
        ] {
            let with = |words: &[&'static str]| [words, &place].concat();
            let found = almoner(&with(&[
                "audit",
                "search",
                "--subject",
                "ana",
                "--since",
                "1h",
            ]))
            .await;
            assert_eq!(found.exit, 0, "{found:?}");
            assert!(found.out.contains("approval asked"), "{found:?}");
            let none = almoner(&with(&["audit", "search", "--subject", "nobody"])).await;
            assert_eq!((none.exit, none.out.as_str()), (0, "no records match\n"));
            let shown = almoner(&with(&["audit", "show", "s1.1", "--body"])).await;
            assert!(shown.out.contains("  exchange       s1.1\n"), "{shown:?}");
            assert!(
                shown.out.contains("    | select * from patients"),
                "{shown:?}"
            );
            let genesis = almoner(&with(&["audit", "show", "0"])).await;
            assert!(genesis.out.starts_with("record 0  genesis"), "{genesis:?}");
            let missing = almoner(&with(&["audit", "show", "99999"])).await;
            assert_eq!(missing.exit, 1, "{missing:?}");
            let tail = almoner(&with(&["--json", "audit", "tail", "-n", "1"])).await;
            let last: serde_json::Value = serde_json::from_str(&tail.out).unwrap();
            assert_eq!(last["kind"], "approval", "{tail:?}");
        }
        let files = almoner(&["audit", "tail", "-f", "--store", &copy]).await;
        assert_eq!(files.exit, 2, "{files:?}");
    });
}

#[test]
fn a_trail_without_a_loss_is_not_recovered() {
    runtime().block_on(async {
        let stage = Stage::new();
        let dir = stage.path("audit");
        let audit = stage.gateway.audit.clone();
        let words = [
            "audit", "recover", "--store", &dir, "--reason", "drill", "--by", "ops",
        ];
        let running = almoner(&words).await;
        assert_eq!(running.exit, 1, "{running:?}");
        audit.close().await.unwrap();
        drop(audit);
        let Stage {
            gateway,
            folder,
            served,
            ..
        } = stage;
        served.abort();
        let _ = served.await;
        // Connections that were just answered let go of it in a moment.
        for _ in 0..100 {
            if Arc::strong_count(&gateway) == 1 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(
            Arc::strong_count(&gateway),
            1,
            "nobody else has the trail open"
        );
        drop(gateway);
        let healthy = almoner(&words).await;
        assert_eq!(healthy.exit, 1, "{healthy:?}");
        assert!(healthy.err.contains("nothing to recover"), "{healthy:?}");
        drop(folder);
    });
}

#[test]
fn what_goes_wrong_on_the_way_is_no_finding_about_the_trail() {
    runtime().block_on(async {
        let nobody = ["--socket", "/nonexistent/admin.sock"];
        for (words, exit) in [
            (vec!["audit", "verify"], 4),
            (vec!["audit", "verify", "--verifier-key", "nonsense"], 2),
            (
                vec!["audit", "verify", "--checkpoint", "/nonexistent/note"],
                2,
            ),
            (vec!["audit", "verify", "--store", "/nonexistent"], 4),
            (vec!["audit", "verify", "--export", "/nonexistent"], 4),
            (vec!["audit", "search"], 1),
            (vec!["status"], 1),
            (vec!["approvals", "list"], 1),
        ] {
            let done = almoner(&[words.as_slice(), &nobody].concat()).await;
            assert_eq!(done.exit, exit, "{words:?} {done:?}");
            assert!(done.err.starts_with("error: "), "{words:?} {done:?}");
        }
    });
}
