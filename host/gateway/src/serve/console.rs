//! What the running gateway tells the admin API about itself.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use almoner_audit::Audit;
use tokio::sync::watch;

use crate::admin::status::{PluginView, PolicyRefused, PolicyView, ResourceView};
use crate::admin::{Console, Logins, Overview, SessionView};
use crate::approvals::{Approvals, Which};
use crate::config::gateway::Gateway;
use crate::identity::users::Users;
use crate::policy::Pipeline;

/// The gateway as the admin API sees it.
pub(super) struct Running {
    started_at: jiff::Timestamp,
    postgres_listen: SocketAddr,
    http_listen: Option<SocketAddr>,
    observe_listen: Option<SocketAddr>,
    audit_dir: PathBuf,
    resources: Vec<(String, &'static str)>,
    pipeline: Arc<Pipeline>,
    users: Arc<Users>,
    draining: watch::Receiver<bool>,
    policy: Mutex<Policy>,
}

struct Policy {
    activated_at: jiff::Timestamp,
    refused: Option<PolicyRefused>,
}

impl Running {
    pub(super) fn new(
        config: &Gateway,
        pipeline: Arc<Pipeline>,
        users: Arc<Users>,
        draining: watch::Receiver<bool>,
    ) -> Self {
        let now = jiff::Timestamp::now();
        Self {
            started_at: now,
            postgres_listen: config.postgres_listen,
            http_listen: config.http_listen,
            observe_listen: config.observe_listen,
            audit_dir: config.audit_dir.clone(),
            resources: config
                .resources
                .iter()
                .map(|resource| (resource.name.clone(), resource.protocol()))
                .collect(),
            pipeline,
            users,
            draining,
            policy: Mutex::new(Policy {
                activated_at: now,
                refused: None,
            }),
        }
    }

    /// A generation took over.
    pub(super) fn activated(&self) {
        *self.policy.lock().unwrap_or_else(PoisonError::into_inner) = Policy {
            activated_at: jiff::Timestamp::now(),
            refused: None,
        };
    }

    /// A policy was refused.
    pub(super) fn refused(&self, problems: Vec<String>) {
        let mut policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        policy.refused = Some(PolicyRefused {
            at: jiff::Timestamp::now(),
            problems,
        });
    }
}

impl Console for Running {
    fn overview(&self) -> Overview {
        let generation = self.pipeline.generation();
        let sessions = self.pipeline.sessions();
        let policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        Overview {
            started_at: self.started_at,
            draining: *self.draining.borrow(),
            postgres_listen: self.postgres_listen,
            http_listen: self.http_listen,
            observe_listen: self.observe_listen,
            resources: self
                .resources
                .iter()
                .map(|(name, protocol)| ResourceView {
                    name: name.clone(),
                    protocol: (*protocol).to_owned(),
                    sessions: sessions
                        .iter()
                        .filter(|session| session.resource == *name)
                        .count(),
                })
                .collect(),
            policy: Some(PolicyView {
                generation: generation.number,
                digest: generation.digest.clone(),
                activated_at: policy.activated_at,
                rules: generation.set.rules.len(),
                plugins: generation.plugins.iter().map(PluginView::from).collect(),
            }),
            policy_refused: policy.refused.clone(),
            audit_dir: self.audit_dir.clone(),
            pseudonym_key: self.pipeline.pseudonym_key(),
        }
    }

    fn sessions(&self) -> Vec<SessionView> {
        let waiting = self.pipeline.approvals().list(Which::Pending);
        let doing = |session: &str| {
            waiting
                .iter()
                .find(|request| request.session == session)
                .map_or_else(
                    || "serving".to_owned(),
                    |request| format!("waiting for approval {}", request.id),
                )
        };
        self.pipeline
            .sessions()
            .into_iter()
            .map(|session| SessionView {
                id: session.id.clone(),
                subject: session.principal.subject.clone(),
                actor: session.principal.actor.clone(),
                resource: session.resource.clone(),
                protocol: session.protocol.to_owned(),
                source: session.source,
                started_at: session.started_at,
                exchanges: session.exchanges(),
                doing: doing(&session.id),
            })
            .collect()
    }

    fn approvals(&self) -> &Approvals {
        self.pipeline.approvals()
    }

    fn audit(&self) -> &Audit {
        self.pipeline.audit()
    }

    fn logins(&self) -> Arc<dyn Logins> {
        Arc::clone(&self.users) as _
    }
}
