//! The audit trail through the API: search, single records, bodies, following, and a copy for verification.
//!
//! Reads never hold up the writer, and all of them run off the runtime's workers. Records are given as they
//! are stored; nothing here can change one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use almoner_audit::{Filter, Reader, Stored};
use almoner_ledger::{Draft, Kind, Timestamp, record::field};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::accept::Peer;
use super::api::{Answer, Api, Asked, Sent, json};
use super::problem::Problem;
use super::status::{CopyMade, RecordPage, RecordView};

/// Records in one answer, at most: at 16 KiB each, some megabytes.
const RECORDS_MAX: usize = 500;
/// Records in one answer, if the caller does not say.
const RECORDS_DEFAULT: usize = 50;
/// Longest that a tail waits for a record before it answers with none.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How often a waiting tail looks. Well below what people notice, and nothing to a disk: it reads a number.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) fn routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/v1/audit/records", get(search))
        .route("/v1/audit/records/{seq}", get(record))
        .route("/v1/audit/records/{seq}/bodies/{name}", get(body))
        .route("/v1/audit/tail", get(tail))
        .route("/v1/audit/copy", post(copy))
}

/// What to search for; all that is given must hold. Answers newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Search {
    /// Not before this record.
    pub from: Option<u64>,
    /// Only before this record; for paging back.
    pub before: Option<u64>,
    /// The session.
    pub session: Option<String>,
    /// The exchange.
    pub exchange: Option<String>,
    /// The subject.
    pub subject: Option<String>,
    /// The resource.
    pub resource: Option<String>,
    /// The kind of record.
    pub kind: Option<String>,
    /// The verdict.
    pub verdict: Option<String>,
    /// Not before this instant, RFC 3339.
    pub since: Option<jiff::Timestamp>,
    /// Before this instant, RFC 3339.
    pub until: Option<jiff::Timestamp>,
    /// At most so many.
    pub limit: Option<usize>,
}

impl Search {
    /// What matches, newest first, and where to go on.
    pub(crate) fn page(&self, reader: &Reader) -> Answer<RecordPage> {
        let mut found = reader.search_page(&self.filter()?)?;
        let matched = found.records.len();
        found
            .records
            .retain(|stored| self.from.is_none_or(|from| stored.seq >= from));
        // What was left out lies before `from`, and so does everything after it.
        let more = self
            .from
            .is_none_or(|from| found.more_before.is_some_and(|before| before > from));
        let before = found
            .more_before
            .filter(|_| more && matched == found.records.len());
        Ok(RecordPage {
            records: views(&found.records)?,
            before,
            after: None,
        })
    }

    fn filter(&self) -> Answer<Filter> {
        let kind = |word: &str| {
            let words = || Kind::ALL.map(Kind::as_str).join(", ");
            Kind::parse(word)
                .ok_or_else(|| Problem::bad_request(format!("kind is one of {}", words())))
        };
        Ok(Filter {
            session: self.session.clone(),
            exchange: self.exchange.clone(),
            subject: self.subject.clone(),
            resource: self.resource.clone(),
            kind: self.kind.as_deref().map(kind).transpose()?,
            verdict: self.verdict.clone(),
            from: self.since.map(instant),
            until: self.until.map(instant),
            before: self.before,
            limit: records_limit(self.limit)?,
        })
    }
}

async fn search(
    State(api): State<Arc<Api>>,
    Asked(search): Asked<Search>,
) -> Answer<Json<RecordPage>> {
    api.read(move |reader| search.page(&reader)).await.map(Json)
}

async fn record(State(api): State<Arc<Api>>, Path(seq): Path<String>) -> Answer<Json<RecordView>> {
    let seq = number(&seq)?;
    api.read(move |reader| one(&reader, seq)).await.map(Json)
}

async fn body(
    State(api): State<Arc<Api>>,
    Path((seq, name)): Path<(String, String)>,
) -> Answer<Response> {
    let seq = number(&seq)?;
    let found = api.read(move |reader| Ok(reader.body(seq, &name)?)).await?;
    let (about, bytes) = found.ok_or_else(|| Problem::not_found("this body"))?;
    // Whatever a body says it is, nobody's browser is to run it.
    let headers = [
        (header::CONTENT_TYPE, about.media),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CONTENT_DISPOSITION, "attachment".to_owned()),
        (header::ETAG, format!("\"{}\"", about.hash)),
    ];
    Ok((headers, bytes).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TailQuery {
    /// Records after this one; without it, the last ones.
    after: Option<u64>,
    /// Seconds to wait for one, if there is none yet.
    #[serde(default)]
    wait: u64,
    limit: Option<usize>,
}

async fn tail(
    State(api): State<Arc<Api>>,
    Asked(query): Asked<TailQuery>,
) -> Answer<Json<RecordPage>> {
    let limit = records_limit(query.limit)?;
    let Some(after) = query.after else {
        let found = api.read(move |reader| Ok(reader.tail(limit)?)).await?;
        return tail_page(&found, found.last().map(|stored| stored.seq));
    };
    let until = Instant::now() + Duration::from_secs(query.wait).min(WAIT_MAX);
    loop {
        let from = after.saturating_add(1);
        let found = api
            .read(move |reader| Ok(reader.range(from, limit)?))
            .await?;
        if !found.is_empty() || Instant::now() >= until {
            return tail_page(
                &found,
                found.last().map(|stored| stored.seq).or(Some(after)),
            );
        }
        api.wait_for(from, until).await;
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CopyTo {
    dir: PathBuf,
    /// Names for the trail's own files instead of files of its own: for verification here and at once.
    #[serde(default)]
    linked: bool,
}

/// A copy that anyone with the verifier can check offline, signed to its end. The gateway's own account writes
/// it, which is the account (or root) of everybody who can open the socket.
async fn copy(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    Sent(body): Sent,
) -> Answer<Json<CopyMade>> {
    let CopyTo { dir, linked } = json(&body)?;
    if !dir.is_absolute() || dir.to_str().is_none() {
        return Err(Problem::bad_request(
            "dir must be an absolute path in UTF-8",
        ));
    }
    if std::fs::symlink_metadata(&dir).is_ok() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "exists",
            "dir must not exist",
        ));
    }
    let audit = api.console.audit();
    let mut draft = Draft::new(Kind::Admin, almoner_audit::now())
        .with(field::EVENT, "audit-copied")
        .with("dir", dir.to_string_lossy().into_owned())
        .with("linked", linked);
    if let Some(uid) = peer.uid {
        draft = draft.with("uid", uid);
    }
    // Recorded first, so that the copy tells of itself; and so that nothing leaves without a record.
    let unrecorded = |error: almoner_audit::AuditError| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unrecorded",
            error.to_string(),
        )
    };
    audit.append(draft).await.map_err(unrecorded)?;
    let checkpoint = audit.checkpoint_now().await.map_err(unrecorded)?;
    let verifier_key = audit.verifier_key().to_string();
    let to = dir.clone();
    let make = if linked {
        Reader::link_to
    } else {
        Reader::copy_to
    };
    api.read(move |reader| Ok(make(&reader, &to)?)).await?;
    Ok(Json(CopyMade {
        dir,
        checkpoint,
        verifier_key,
    }))
}

impl Api {
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(Reader) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let reader = self.console.audit().reader();
        let task = tokio::task::spawn_blocking(move || read(reader));
        task.await
            .map_err(|_| Problem::internal("reading the audit trail broke off"))?
    }

    /// Until a record of this place is durable, or the time is over.
    async fn wait_for(&self, seq: u64, until: Instant) {
        while self.console.audit().status().durable_seq < seq && Instant::now() < until {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// One record with its line.
pub(crate) fn one(reader: &Reader, seq: u64) -> Answer<RecordView> {
    let stored = reader
        .get(seq)?
        .ok_or_else(|| Problem::not_found("this record"))?;
    Ok(RecordView {
        line: Some(stored.line.clone()),
        ..view(&stored)?
    })
}

fn tail_page(found: &[Stored], after: Option<u64>) -> Answer<Json<RecordPage>> {
    Ok(Json(RecordPage {
        records: views(found)?,
        before: None,
        after,
    }))
}

/// As the API gives them.
pub(crate) fn views(found: &[Stored]) -> Answer<Vec<RecordView>> {
    found.iter().map(view).collect()
}

fn view(stored: &Stored) -> Answer<RecordView> {
    Ok(RecordView {
        seq: stored.seq,
        hash: stored.hash().to_string(),
        record: stored.value()?,
        line: None,
    })
}

fn records_limit(wanted: Option<usize>) -> Answer<usize> {
    match wanted.unwrap_or(RECORDS_DEFAULT) {
        limit @ 1..=RECORDS_MAX => Ok(limit),
        _ => Err(Problem::bad_request(format!(
            "limit is between 1 and {RECORDS_MAX}"
        ))),
    }
}

fn number(text: &str) -> Answer<u64> {
    text.parse()
        .map_err(|_| Problem::bad_request("a record is named by its number"))
}

/// Times before 1970 are before every record.
fn instant(time: jiff::Timestamp) -> Timestamp {
    Timestamp::from_micros(u64::try_from(time.as_microsecond()).unwrap_or(0))
}
