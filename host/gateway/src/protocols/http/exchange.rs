//! One exchange from judgement to reply, in plain order: admit, forward, read, recheck, mask, record. It runs
//! as a task of its own, so that a caller who hangs up leaves no request without its outcome on record.

use std::sync::Arc;

use hyper::StatusCode;

use super::action::{Asked, Outgoing};
use super::held::HttpCaller;
use super::lease::Lease;
use super::reply::{self, Answered, Reply};
use super::sinks::{self, Answer};
use super::upstream::{Upstream, UpstreamError};
use super::words::OwnWords;
use crate::policy::{Denial, End, InFlight, Masked, Ticket, Withdrawn};

/// All that an exchange needs.
pub(super) struct Exchange {
    pub(super) lease: Arc<Lease>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) asked: Arc<Asked>,
    pub(super) outgoing: Outgoing,
    pub(super) caller: Arc<HttpCaller>,
}

impl Exchange {
    /// Runs it to its end.
    pub(super) async fn run(self) -> Answer {
        let answer = match self.admit().await {
            Ok(ticket) => self.forward(ticket).await,
            Err(denial) => self.denied(&denial),
        };
        // The last of a session whose connection is gone ends it.
        if let Some(lease) = Arc::into_inner(self.lease) {
            lease.close("caller left").await;
        }
        answer
    }

    fn denied(&self, denial: &Denial) -> Answer {
        Answer::Own(OwnWords::denied(denial, self.asked.status_if_refused))
    }

    async fn admit(&self) -> Result<Ticket, Denial> {
        let (pipeline, session) = (&self.lease.pipeline, &self.lease.session);
        let admitted = tokio::select! {
            admitted = pipeline.admit(session, &*self.asked, &*self.caller) => Some(admitted),
            () = self.caller.gone() => None,
        };
        match admitted {
            Some(admitted) => admitted,
            None => Err(pipeline
                .withdrawn(session, &*self.asked, Withdrawn::Abandoned)
                .await),
        }
    }

    async fn forward(&self, ticket: Ticket) -> Answer {
        let (in_flight, answered) = sinks::forward(&self.upstream, ticket, &self.outgoing);
        match answered.await {
            Ok(answered) => self.settle(in_flight, answered).await,
            Err(error) => {
                tracing::warn!(resource = %self.lease.session.resource, exchange = %self.asked.id, %error, "the upstream gave no reply");
                let (status, code) = of_error(&error);
                self.failed(in_flight, status, code, words_of(&error)).await
            }
        }
    }

    async fn settle(&self, mut in_flight: InFlight, answered: Answered) -> Answer {
        let reply = Reply::read(
            &answered,
            &self.outgoing.method,
            &self.lease.session.resource,
            &self.upstream.place,
            in_flight.standing(),
        );
        let reply = match reply {
            Ok(reply) => reply,
            Err(why) => {
                tracing::warn!(resource = %self.lease.session.resource, exchange = %self.asked.id, why = why.code(), "a reply could not be masked");
                return self
                    .failed(in_flight, StatusCode::BAD_GATEWAY, why.code(), why.words())
                    .await;
            }
        };
        if let Err(denial) = self.recheck(&mut in_flight, reply.bulk).await {
            return self.stopped(in_flight, &denial).await;
        }
        self.release(in_flight, answered.status, reply).await
    }

    /// A reply with more records than may pass without a look is held as a whole.
    async fn recheck(&self, in_flight: &mut InFlight, bulk: u64) -> Result<(), Denial> {
        while let Some(at) = in_flight.recheck_at_rows().filter(|at| *at < bulk) {
            let again = in_flight.recheck_at(
                at,
                Arc::clone(&self.lease.pipeline),
                Arc::clone(&self.asked) as _,
                Arc::clone(&self.caller) as _,
            );
            let on = tokio::select! {
                on = again => on?,
                () = self.caller.gone() => {
                    let pipeline = &self.lease.pipeline;
                    return Err(pipeline.withdrawn(&self.lease.session, &*self.asked, Withdrawn::AbandonedMidway).await);
                }
            };
            in_flight.go_on(on);
        }
        Ok(())
    }

    async fn release(&self, mut in_flight: InFlight, status: StatusCode, reply: Reply) -> Answer {
        let pipeline = &self.lease.pipeline;
        let masking = in_flight.masking(pipeline, &reply.facts).await;
        let masking = masking.knowing(&reply.pieces);
        let mut searcher = self.lease.searcher();
        let mut window: Vec<Masked<_>> = Vec::with_capacity(reply.pieces.len());
        let mut counted = (reply.rows, reply.bulk);
        for mut piece in reply.pieces {
            let (rows, bulk) = std::mem::take(&mut counted);
            piece.count_rows(rows, bulk);
            window.push(
                in_flight
                    .mask(pipeline, &masking, &mut searcher, piece)
                    .await,
            );
        }
        self.lease.keep(searcher);
        let end = End::Done(outcome(status, reply.unmasked));
        let settling = in_flight.record(pipeline, window, reply::encode, end).await;
        let mut settling = match settling {
            Ok(settling) => settling,
            Err(denial) => return self.denied(&denial),
        };
        match settling.durable().await {
            Ok(released) => Answer::Released(released),
            Err(error) => {
                tracing::error!(%error, exchange = %self.asked.id, "a reply's record did not become durable; it is not released");
                Answer::Own(self.unrecorded())
            }
        }
    }

    /// Records an exchange that ends in the gateway's own words, and says them.
    async fn failed(
        &self,
        in_flight: InFlight,
        status: StatusCode,
        code: &str,
        detail: &str,
    ) -> Answer {
        let words = OwnWords::failed(status, code, detail, self.asked.id.as_str());
        self.close(in_flight, format!("error:{code}"), words).await
    }

    async fn stopped(&self, in_flight: InFlight, denial: &Denial) -> Answer {
        let words = OwnWords::denied(denial, self.asked.status_if_refused);
        self.close(in_flight, "stopped".to_owned(), words).await
    }

    async fn close(&self, mut in_flight: InFlight, outcome: String, words: OwnWords) -> Answer {
        let (status, body) = words.parts();
        let encode = |_: Vec<super::piece::Piece>| reply::encode_words(status, body);
        let end = End::Done(outcome);
        let recorded = in_flight
            .record(&self.lease.pipeline, Vec::new(), encode, end)
            .await;
        let durable = match recorded {
            Ok(mut settling) => settling.durable().await.is_ok(),
            Err(_) => false,
        };
        Answer::Own(if durable { words } else { self.unrecorded() })
    }

    fn unrecorded(&self) -> OwnWords {
        OwnWords::failed(
            StatusCode::SERVICE_UNAVAILABLE,
            "gateway/unrecorded",
            "it could not be recorded, and nothing passes unrecorded; tell the gateway's operator",
            self.asked.id.as_str(),
        )
    }
}

/// What the outcome record says: `ok`, or the upstream's own error; and that nothing was masked, if so.
fn outcome(status: StatusCode, unmasked: bool) -> String {
    let word = if status.as_u16() < 400 {
        "ok".to_owned()
    } else {
        format!("error:{}", status.as_u16())
    };
    if unmasked {
        format!("{word}:unmasked")
    } else {
        word
    }
}

fn of_error(error: &UpstreamError) -> (StatusCode, &'static str) {
    match error {
        UpstreamError::Unmaskable(why) => (StatusCode::BAD_GATEWAY, why.code()),
        UpstreamError::Slow => (StatusCode::GATEWAY_TIMEOUT, "upstream/slow"),
        UpstreamError::Large => (StatusCode::BAD_GATEWAY, "upstream/too-large"),
        UpstreamError::Connect(_) => (StatusCode::BAD_GATEWAY, "upstream/unreachable"),
        UpstreamError::Credential(_) | UpstreamError::CredentialForm => {
            (StatusCode::BAD_GATEWAY, "upstream/credential")
        }
        UpstreamError::Broken | UpstreamError::Request | UpstreamError::Upgrade => {
            (StatusCode::BAD_GATEWAY, "upstream/broken")
        }
    }
}

/// For callers: without names of servers and files.
fn words_of(error: &UpstreamError) -> &'static str {
    match error {
        UpstreamError::Unmaskable(why) => why.words(),
        UpstreamError::Slow => "the server behind this gateway did not answer in time",
        UpstreamError::Large => "the reply is larger than this gateway takes",
        _ => {
            "the server behind this gateway cannot be used at the moment; the operator finds the reason in the log"
        }
    }
}
