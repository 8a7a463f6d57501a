//! What is counted for the gateway as a whole: approvals, the audit trail, policies, doors.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::bump;
use crate::approvals::{State, What};

/// Where a login failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The PostgreSQL listener.
    Postgres,
    /// An approver at the admin API.
    Admin,
}

impl Door {
    pub(super) const ALL: [(Self, &str); 2] =
        [(Self::Postgres, "postgres"), (Self::Admin, "admin")];

    /// As records and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Admin => "admin",
        }
    }
}

/// Requests for approval.
#[derive(Clone)]
pub struct ApprovalMetrics {
    asked: Counter,
    refused: Counter,
    ended: Vec<(State, Counter)>,
    pending: Gauge,
    wait: Histogram,
}

impl ApprovalMetrics {
    /// Handles for the one desk of this process.
    pub fn register() -> Self {
        let of = |outcome: &'static str| counter!("almoner_approvals_total", "outcome" => outcome);
        let ends = [
            State::Approved,
            State::Denied,
            State::Expired,
            State::Withdrawn,
        ];
        Self {
            asked: of("asked"),
            refused: of("refused"),
            ended: ends
                .into_iter()
                .map(|state| (state, of(state.as_str())))
                .collect(),
            pending: gauge!("almoner_approvals_pending"),
            wait: histogram!("almoner_approval_wait_seconds"),
        }
    }

    /// A request was made, or somebody tried to decide who may not.
    pub fn step(&self, what: &What) {
        match what {
            What::Asked { .. } => self.asked.increment(1),
            What::Refused { .. } => self.refused.increment(1),
            What::Approved { .. }
            | What::Denied { .. }
            | What::Expired
            | What::Withdrawn { .. } => {}
        }
    }

    /// A request ended after this long.
    pub fn ended(&self, state: State, waited: Duration) {
        if let Some((_, counter)) = self.ended.iter().find(|(known, _)| *known == state) {
            counter.increment(1);
        }
        self.wait.record(waited);
    }

    /// So many wait.
    pub fn pending(&self, count: usize) {
        self.pending.set(count as f64);
    }
}

/// The audit trail, as its status says at each scrape.
#[derive(Clone)]
pub struct AuditMetrics {
    queue: Gauge,
    seq: Gauge,
    unsigned: Gauge,
    disk_free: Gauge,
    healthy: Gauge,
}

impl AuditMetrics {
    /// Handles for the one trail of this process.
    pub fn register() -> Self {
        Self {
            queue: gauge!("almoner_audit_queue"),
            seq: gauge!("almoner_audit_seq"),
            unsigned: gauge!("almoner_audit_unsigned_records"),
            disk_free: gauge!("almoner_audit_disk_free_bytes"),
            healthy: gauge!("almoner_audit_healthy"),
        }
    }

    /// Takes over what the trail says of itself.
    pub fn observe(&self, status: &almoner_audit::Status) {
        self.queue.set(status.waiting as f64);
        self.seq.set(status.durable_seq as f64);
        self.unsigned
            .set((status.durable_seq + 1).saturating_sub(status.signed_size) as f64);
        self.disk_free.set(status.disk_free_bytes as f64);
        self.healthy.set(f64::from(u8::from(
            status.failed.is_none() && !status.disk_full,
        )));
    }
}

/// Writes of the audit trail.
#[derive(Clone)]
pub struct SyncMetrics(Histogram);

impl SyncMetrics {
    /// A handle for the one trail of this process.
    pub fn register() -> Self {
        Self(histogram!("almoner_audit_sync_seconds"))
    }

    /// One write became durable after so long.
    pub fn synced(&self, took: Duration) {
        self.0.record(took);
    }
}

/// Policy generations.
#[derive(Clone)]
pub struct PolicyMetrics {
    generation: Gauge,
    activated: Counter,
    refused: Counter,
}

impl PolicyMetrics {
    /// Handles for the one policy of this process.
    pub fn register() -> Self {
        let of =
            |outcome: &'static str| counter!("almoner_policy_reloads_total", "outcome" => outcome);
        Self {
            generation: gauge!("almoner_policy_generation"),
            activated: of("activated"),
            refused: of("refused"),
        }
    }

    /// A generation took over.
    pub fn activated(&self, generation: u64) {
        self.generation.set(generation as f64);
        self.activated.increment(1);
    }

    /// A generation was refused; the one before it stays.
    pub fn refused(&self) {
        self.refused.increment(1);
    }
}

/// Who could not come in, and what could not be told.
#[derive(Clone)]
pub struct DoorMetrics {
    failures: Vec<Counter>,
    notifications_dropped: Counter,
    connections_refused: Counter,
}

impl DoorMetrics {
    /// Handles for all doors.
    pub fn register() -> Self {
        Self {
            failures: Door::ALL
                .iter()
                .map(|(_, door)| counter!("almoner_login_failures_total", "door" => *door))
                .collect(),
            notifications_dropped: counter!("almoner_notifications_dropped_total"),
            connections_refused: counter!("almoner_connections_refused_total"),
        }
    }

    /// A login failed.
    pub fn login_failed(&self, door: Door) {
        bump(&self.failures, door as usize);
    }

    /// An upstream's notification was not passed on.
    pub fn notification_dropped(&self) {
        self.notifications_dropped.increment(1);
    }

    /// A connection was refused because there are too many.
    pub fn connection_refused(&self) {
        self.connections_refused.increment(1);
    }
}
