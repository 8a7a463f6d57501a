//! What all sessions share: the generation in force, the approvals desk, the audit trail, keys and counts.
//! Sessions go through it for each phase; it holds nothing of any one exchange.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use almoner_audit::{Audit, AuditError, now};
use almoner_ledger::record::field;
use almoner_ledger::{Draft, Kind};
use almoner_sandbox::CallContext;
use arc_swap::ArcSwap;

use super::admit::{self, Clearance, Ticket};
use super::exchange::{Caller, Effect, Exchange, Opening, Request, Session};
use super::failed::Failed;
use super::guard::Refusal;
use super::metrics::Metrics;
use super::record;
use super::standing::Standing;
use super::treatment::Pseudonyms;
use super::usage::UsageBook;
use super::verdict::{Denial, Fault, Withdrawn};
use crate::approvals::Approvals;
use crate::config::policy::Rule;
use crate::identity::users::Users;
use crate::plugins::Generation;

/// The pipeline. One per gateway, shared by all sessions.
pub struct Pipeline {
    generation: ArcSwap<Generation>,
    approvals: Approvals,
    audit: Audit,
    users: Arc<Users>,
    pseudonyms: ArcSwap<Pseudonyms>,
    usage: UsageBook,
    metrics: Metrics,
    response_body_bytes_max: u64,
    sessions: Mutex<HashMap<String, Weak<Session>>>,
}

/// What a pipeline is made of.
pub struct Parts {
    /// The first generation.
    pub generation: Generation,
    /// The approvals desk.
    pub approvals: Approvals,
    /// The audit trail.
    pub audit: Audit,
    /// Who may log in, as of now.
    pub users: Arc<Users>,
    /// The active pseudonym key.
    pub pseudonyms: Pseudonyms,
    /// Counters.
    pub metrics: Metrics,
    /// Masked responses are kept up to this size per exchange, bytes.
    pub response_body_bytes_max: u64,
}

impl Pipeline {
    /// Records the first generation and opens for exchanges.
    pub async fn open(parts: Parts) -> Result<Arc<Self>, AuditError> {
        let pipeline = Arc::new(Self {
            generation: ArcSwap::from_pointee(parts.generation),
            approvals: parts.approvals,
            audit: parts.audit,
            users: parts.users,
            pseudonyms: ArcSwap::from_pointee(parts.pseudonyms),
            usage: UsageBook::new(),
            metrics: parts.metrics,
            response_body_bytes_max: parts.response_body_bytes_max,
            sessions: Mutex::default(),
        });
        let generation = pipeline.generation();
        pipeline.audit.append(activated(&generation)).await?;
        pipeline
            .audit
            .append(key_in_use(&pipeline.pseudonyms()))
            .await?;
        pipeline.metrics.activated(&generation);
        Ok(pipeline)
    }

    /// The generation in force. An exchange asks once and stays with what it got.
    pub fn generation(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// Puts a generation in force, once that is on record. Live sessions obey it at their next exchange.
    pub async fn activate(&self, generation: Generation) -> Result<(), AuditError> {
        self.audit.append(activated(&generation)).await?;
        let generation = Arc::new(generation);
        self.generation.store(Arc::clone(&generation));
        // Behind it: whoever sees the number can rely on it.
        self.metrics.activated(&generation);
        Ok(())
    }

    /// Records that a policy was refused; the generation in force stays.
    pub async fn refuse(&self, problems: &[String]) -> Result<(), AuditError> {
        self.metrics.policy_refused();
        let draft = Draft::new(Kind::Generation, now())
            .with("status", "refused")
            .with("in_force", self.generation().number)
            .with("problems", problems);
        self.audit.append(draft).await.map(drop)
    }

    /// Makes another pseudonym key the active one, once that is on record.
    pub async fn rotate(&self, pseudonyms: Pseudonyms) -> Result<(), AuditError> {
        let before = self.pseudonyms();
        if pseudonyms.same(&before) {
            return Ok(());
        }
        let draft = key_in_use(&pseudonyms).with("replaces", before.key_id());
        self.audit.append(draft).await?;
        self.pseudonyms.store(Arc::new(pseudonyms));
        Ok(())
    }

    /// The id of the key that pseudonyms are made with.
    pub fn pseudonym_key(&self) -> String {
        self.pseudonyms.load().key_id().to_owned()
    }

    /// Begins a session for a caller who has proven who they are; recorded first. `None` where no rule
    /// lets them use the resource: nobody learns whether it exists.
    pub async fn open_session(&self, opening: Opening) -> Result<Option<Arc<Session>>, AuditError> {
        let generation = self.generation();
        if generation
            .rule_for(&opening.principal, &opening.resource)
            .is_none()
        {
            let draft = record::who(Draft::new(Kind::Denied, now()), &opening.principal)
                .with(field::RESOURCE, resource_name(&opening.resource))
                .with(field::VERDICT, "deny")
                .with("code", "policy/no-rule")
                .with("protocol", opening.protocol)
                .with("source", opening.source.to_string())
                .with("generation", generation.number);
            self.audit.append(draft).await?;
            return Ok(None);
        }
        let count = self.metrics.session(&opening.resource);
        let session = Session::new(self.audit.session(new_session_id()), opening, count);
        session.log.append(record::session_begin(&session)).await?;
        self.sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(session.id.clone(), Arc::downgrade(&session));
        Ok(Some(session))
    }

    /// Live sessions.
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.values().filter_map(Weak::upgrade).collect()
    }

    /// Ends a session; recorded.
    pub async fn close_session(&self, session: &Session, why: &str) {
        self.sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&session.id);
        if let Err(error) = session.log.append(record::session_end(session, why)).await {
            tracing::error!(%error, session = %session.id, "the end of a session could not be recorded");
        }
    }

    /// Records a login that failed. `login` is what the peer claimed; it may be anything, so it is bounded
    /// and kept to what a login name may look like.
    pub async fn login_failed(
        &self,
        protocol: &str,
        source: SocketAddr,
        login: &str,
        resource: &str,
        why: &str,
    ) {
        self.metrics.login_failed();
        let draft = Draft::new(Kind::Denied, now())
            .with("code", "login/failed")
            .with(field::VERDICT, "deny")
            .with("protocol", protocol)
            .with("source", source.to_string())
            .with("login", resource_name(login))
            .with(field::RESOURCE, resource_name(resource))
            .with("why", why);
        if let Err(error) = self.audit.append(draft).await {
            tracing::error!(%error, "a failed login could not be recorded");
        }
    }

    /// Records how many failed logins of a source were not recorded one by one.
    pub async fn logins_counted(&self, protocol: &str, source: std::net::IpAddr, count: u64) {
        let draft = Draft::new(Kind::Denied, now())
            .with("code", "login/flood")
            .with(field::VERDICT, "deny")
            .with("protocol", protocol)
            .with("source", source.to_string())
            .with("count", count);
        if let Err(error) = self.audit.append(draft).await {
            tracing::error!(%error, "a flood of failed logins could not be recorded");
        }
    }

    /// Guard every action → approve → intent record. Dropping the future withdraws what it asked for.
    pub async fn admit(
        &self,
        session: &Arc<Session>,
        request: &dyn Request,
        caller: &dyn Caller,
    ) -> Result<Ticket, Denial> {
        admit::admit(self, session, request, caller).await
    }

    /// Guards only, for a statement that is prepared and not yet done.
    pub async fn clear(
        &self,
        session: &Session,
        request: &dyn Request,
    ) -> Result<Clearance, Denial> {
        admit::clear(self, session, request).await
    }

    /// Records an exchange that was asked for and is not done, or not to its end, because of its caller.
    pub async fn withdrawn(
        &self,
        session: &Session,
        request: &dyn Request,
        why: Withdrawn,
    ) -> Denial {
        let Some(standing) = self.standing(session) else {
            return admit::no_rule(self, session, &request.bare()).await;
        };
        let refusal = Refusal {
            code: format!("caller/{}", why.as_str()),
            message: why.message().to_owned(),
            fault: Fault::Canceled,
            failed: Failed::default(),
        };
        let exchange = request.exchange(&standing);
        let denial = admit::deny(self, session, &exchange, &standing, refusal).await;
        // An intent may be on record already, if it was withdrawn at that moment: it came to nothing.
        if !why.was_sent() && exchange.effect() == Effect::Write {
            admit::close_intent(session, &exchange).await;
        }
        denial
    }

    /// Whether the session's login is still what it was when the session began. A login that was disabled or
    /// removed, or has other groups, must log in again; until then nothing of it is let through.
    pub fn is_current(&self, session: &Session) -> bool {
        self.users
            .is_still(&session.login, &session.principal, &session.identity_seen)
    }

    /// The generation in force with the rule that applies to a session's principal; `None` where no rule
    /// lets them use the resource, or their login has changed.
    pub fn standing(&self, session: &Session) -> Option<Standing> {
        if !self.is_current(session) {
            return None;
        }
        let generation = self.generation();
        let rule = generation.rule_for(&session.principal, &session.resource)?;
        Some(Standing {
            generation,
            rule,
            pseudonyms: self.pseudonyms(),
            this_year: this_year(),
        })
    }

    /// The approvals desk.
    pub fn approvals(&self) -> &Approvals {
        &self.approvals
    }

    /// The audit trail, for reading and status.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    pub(super) fn context(
        &self,
        session: &Session,
        exchange: &Exchange,
        rule: &Rule,
    ) -> CallContext {
        let principal = &session.principal;
        CallContext {
            exchange_id: exchange.id.to_string(),
            session_id: session.id.clone(),
            subject: principal.subject.clone(),
            actor: principal.actor.clone(),
            groups: principal.groups.clone(),
            purpose: None,
            target: session.resource.clone(),
            protocol: session.protocol.to_owned(),
            locale: rule.locale.clone(),
            now_ms: now().micros() / 1000,
            usage: self.usage.of(&principal.subject),
            attrs: Vec::new(),
        }
    }

    fn pseudonyms(&self) -> Arc<Pseudonyms> {
        self.pseudonyms.load_full()
    }

    pub(super) fn usage(&self) -> &UsageBook {
        &self.usage
    }

    /// Counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(super) fn response_body_bytes_max(&self) -> u64 {
        self.response_body_bytes_max
    }
}

fn this_year() -> i32 {
    const YEAR: Duration = Duration::from_secs(31_556_952);
    let years = now().micros() / u64::try_from(YEAR.as_micros()).unwrap_or(u64::MAX);
    1970 + i32::try_from(years).unwrap_or(0)
}

fn activated(generation: &Generation) -> Draft {
    Draft::new(Kind::Generation, now())
        .with("status", "active")
        .with("generation", generation.number)
        .with("policy", generation.digest.as_str())
        .with("files", generation.set.digest.as_str())
        .with(
            "rules",
            generation
                .set
                .rules
                .iter()
                .map(|rule| rule.name.as_str())
                .collect::<Vec<_>>(),
        )
        .with(
            "plugins",
            generation
                .plugins
                .iter()
                .map(|info| {
                    serde_json::json!({
                        "name": info.name,
                        "component": info.component,
                        "version": info.version,
                        "world": info.world,
                        "sha256": info.sha256,
                        "settings": info.settings_sha256,
                        "sets": info.sets.iter().map(|set| (set.name.clone(), set.sha256.clone().into()))
                            .collect::<serde_json::Map<_, _>>(),
                    })
                })
                .collect::<Vec<_>>(),
        )
}

fn key_in_use(pseudonyms: &Pseudonyms) -> Draft {
    Draft::new(Kind::Admin, now())
        .with(field::EVENT, "pseudonym-key")
        .with("key", pseudonyms.key_id())
}

/// A name a stranger gave, fit for a record: short, and nothing but what names are made of.
fn resource_name(given: &str) -> String {
    const NAME_CHARS_MAX: usize = 63;
    given
        .chars()
        .take(NAME_CHARS_MAX)
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.@".contains(c) {
                c
            } else {
                '?'
            }
        })
        .collect()
}

fn new_session_id() -> String {
    const CHARS: usize = 13;
    const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut random = [0_u8; CHARS];
    // Without random numbers the clock serves: ids must differ, they need not be secret.
    if getrandom::fill(&mut random).is_err() {
        let micros = now().micros();
        for (index, byte) in random.iter_mut().enumerate() {
            *byte = u8::try_from((micros >> (index * 5)) & 31).unwrap_or(0);
        }
    }
    let digits = random.iter().map(|byte| {
        let digit = BASE32.get(usize::from(byte & 31)).copied().unwrap_or(b'0');
        char::from(digit)
    });
    std::iter::once('s').chain(digits).collect()
}
