//! An instance of a group: where it is in its life.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::hooks::Action;
use super::template::Pinned;
use super::warm::PoolState;

/// An instance of a group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) id: String,
    /// Its place in the order of launches.
    pub(super) number: u64,
    pub(super) zone: String,
    pub(super) instance_type: String,
    pub(super) image: String,
    /// What it was launched from; an attached instance may have none.
    pub(super) template: Option<Pinned>,
    pub(super) launched: Timestamp,
    pub(super) phase: Phase,
    /// Set while it belongs to the warm pool: in which state it waits there.
    pub(super) pool: Option<PoolState>,
    /// When it was in service first since it last came into the group.
    pub(super) in_service: Option<Timestamp>,
    pub(super) unhealthy: Option<Sickness>,
    pub(super) protected: bool,
    /// The activity that is under way for it.
    pub(super) activity: Option<String>,
    /// The lifecycle actions that it waits for.
    pub(super) actions: Vec<Action>,
    /// Whether it goes to the warm pool instead of its end.
    pub(super) returns: bool,
}

/// The lifecycle state, without the prefix of the warm pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// EC2 is starting it.
    Pending,
    /// It waits for lifecycle actions.
    PendingWait,
    /// It is about to be in service, or to be stopped into the warm pool.
    PendingProceed,
    InService,
    EnteringStandby,
    Standby,
    /// It leaves its target groups and then the group.
    Detaching,
    /// It leaves its target groups.
    Terminating,
    TerminatingWait,
    /// EC2 is ending it.
    TerminatingProceed,
    /// It waits in the warm pool.
    Parked,
}

/// Why an instance counts as unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Sickness {
    /// EC2 says that it does not run.
    NotRunning,
    /// EC2's status checks.
    StatusCheck,
    /// A load balancer.
    LoadBalancer,
    /// `SetInstanceHealth`.
    User,
}

impl Sickness {
    /// Why the instance was taken out of service, in AWS's words.
    pub(super) const fn cause(self) -> &'static str {
        match self {
            Self::NotRunning => "an EC2 health check indicating it has been terminated or stopped",
            Self::StatusCheck => "an EC2 instance status checks failure",
            Self::LoadBalancer => "an ELB system health check failure",
            Self::User => "a user health-check",
        }
    }
}

impl Member {
    /// AWS's name for where it is.
    pub(super) const fn lifecycle_state(&self) -> &'static str {
        match (self.pool, self.phase) {
            (Some(PoolState::Stopped), Phase::Parked) => "Warmed:Stopped",
            (Some(PoolState::Running), Phase::Parked) => "Warmed:Running",
            (Some(_), Phase::Pending) => "Warmed:Pending",
            (Some(_), Phase::PendingWait) => "Warmed:Pending:Wait",
            (Some(_), Phase::PendingProceed) => "Warmed:Pending:Proceed",
            (Some(_), Phase::Terminating) => "Warmed:Terminating",
            (Some(_), Phase::TerminatingWait) => "Warmed:Terminating:Wait",
            (Some(_), Phase::TerminatingProceed) => "Warmed:Terminating:Proceed",
            (_, Phase::Pending) => "Pending",
            (_, Phase::PendingWait) => "Pending:Wait",
            (_, Phase::PendingProceed) => "Pending:Proceed",
            (_, Phase::InService | Phase::Parked) => "InService",
            (_, Phase::EnteringStandby) => "EnteringStandby",
            (_, Phase::Standby) => "Standby",
            (_, Phase::Detaching) => "Detaching",
            (_, Phase::Terminating) => "Terminating",
            (_, Phase::TerminatingWait) => "Terminating:Wait",
            (_, Phase::TerminatingProceed) => "Terminating:Proceed",
        }
    }

    pub(super) const fn health_status(&self) -> &'static str {
        match self.unhealthy {
            None => "Healthy",
            Some(_) => "Unhealthy",
        }
    }

    /// Whether it counts towards the desired capacity.
    pub(super) const fn is_active(&self) -> bool {
        self.pool.is_none()
            && matches!(self.phase, Phase::Pending | Phase::PendingWait | Phase::PendingProceed | Phase::InService)
    }

    pub(super) const fn is_in_service(&self) -> bool {
        matches!((self.pool, self.phase), (None, Phase::InService))
    }

    /// Whether it is on its way out and nothing brings it back.
    pub(super) const fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Terminating | Phase::TerminatingWait | Phase::TerminatingProceed | Phase::Detaching)
    }

    /// Whether it is in the warm pool, or on its way into it.
    pub(super) const fn is_warm(&self) -> bool {
        self.pool.is_some() && !self.is_ending()
    }
}
