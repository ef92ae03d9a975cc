//! Where a release stands, and what may follow from there.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Problem;

/// Where a release stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
pub enum Phase {
    /// What an older release left on the idle color is taken down.
    Clearing,
    /// The idle color's instances are launched and registered.
    Provisioning {
        /// Since when; the health timeout counts from here.
        since: Timestamp,
    },
    /// The load balancer must find every target healthy.
    Warming {
        /// Since when provisioning runs; the health timeout counts from here.
        since: Timestamp,
    },
    /// The smoke checks run.
    Smoke,
    /// Ready to flip: one last gate.
    Staged,
    /// The flip was announced; the read-back tells whether it happened.
    Switching,
    /// The weights have moved; the data plane must be seen to follow.
    Converging {
        /// When the read-back showed the new weights.
        since: Timestamp,
    },
    /// The new color is watched.
    Baking {
        /// Since when.
        since: Timestamp,
    },
    /// The release is good; the previous color stays warm.
    Retaining {
        /// Until when.
        until: Timestamp,
    },
    /// The idle color is taken down.
    Retiring,
    /// Nothing is left to do.
    Done,
    /// The release failed before the traffic moved; the idle color is taken down.
    Aborting,
    /// The release failed, the traffic never moved, and the idle color is gone.
    Aborted,
    /// The traffic is going back to the previous color.
    RollingBack,
    /// The traffic is on the previous color again; the color that was left stays for a while.
    RolledBack {
        /// Until when.
        until: Timestamp,
    },
    /// A person must decide.
    Blocked {
        /// Where it was blocked.
        at: Box<Phase>,
        /// What was seen, what was expected, what to run.
        problem: Problem,
    },
}

impl Phase {
    /// The phase's name, as it appears in output and docs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Clearing => "clearing",
            Self::Provisioning { .. } => "provisioning",
            Self::Warming { .. } => "warming",
            Self::Smoke => "smoke",
            Self::Staged => "staged",
            Self::Switching => "switching",
            Self::Converging { .. } => "converging",
            Self::Baking { .. } => "baking",
            Self::Retaining { .. } => "retaining",
            Self::Retiring => "retiring",
            Self::Done => "done",
            Self::Aborting => "aborting",
            Self::Aborted => "aborted",
            Self::RollingBack => "rolling-back",
            Self::RolledBack { .. } => "rolled-back",
            Self::Blocked { .. } => "blocked",
        }
    }

    /// When the idle color expires, where a timer runs.
    pub fn expires(&self) -> Option<Timestamp> {
        match self {
            Self::Retaining { until } | Self::RolledBack { until } => Some(*until),
            Self::Clearing
            | Self::Provisioning { .. }
            | Self::Warming { .. }
            | Self::Smoke
            | Self::Staged
            | Self::Switching
            | Self::Converging { .. }
            | Self::Baking { .. }
            | Self::Retiring
            | Self::Done
            | Self::Aborting
            | Self::Aborted
            | Self::RollingBack
            | Self::Blocked { .. } => None,
        }
    }

    /// Whether a new release may start: nothing is on its way any more.
    pub fn is_settled(&self) -> bool {
        match self {
            Self::Retaining { .. } | Self::Retiring | Self::Done | Self::Aborted | Self::RolledBack { .. } => true,
            Self::Blocked { at, .. } => at.is_settled(),
            Self::Clearing
            | Self::Provisioning { .. }
            | Self::Warming { .. }
            | Self::Smoke
            | Self::Staged
            | Self::Switching
            | Self::Converging { .. }
            | Self::Baking { .. }
            | Self::Aborting
            | Self::RollingBack => false,
        }
    }

    /// The phase with its clock set to `now`: the time that a person took to decide does not count.
    pub(super) fn restarted(&self, now: Timestamp) -> Self {
        match self {
            Self::Provisioning { .. } => Self::Provisioning { since: now },
            Self::Warming { .. } => Self::Warming { since: now },
            Self::Converging { .. } => Self::Converging { since: now },
            // Nobody has watched the new color meanwhile.
            Self::Baking { .. } => Self::Baking { since: now },
            Self::Clearing
            | Self::Smoke
            | Self::Staged
            | Self::Switching
            | Self::Retaining { .. }
            | Self::Retiring
            | Self::Done
            | Self::Aborting
            | Self::Aborted
            | Self::RollingBack
            | Self::RolledBack { .. }
            | Self::Blocked { .. } => self.clone(),
        }
    }

    /// Whether the phase must be over in a time of its own.
    pub(super) fn has_a_clock(&self) -> bool {
        match self {
            Self::Provisioning { .. } | Self::Warming { .. } | Self::Converging { .. } => true,
            Self::Clearing
            | Self::Smoke
            | Self::Staged
            | Self::Switching
            | Self::Baking { .. }
            | Self::Retaining { .. }
            | Self::Retiring
            | Self::Done
            | Self::Aborting
            | Self::Aborted
            | Self::RollingBack
            | Self::RolledBack { .. }
            | Self::Blocked { .. } => false,
        }
    }

    /// Whether it is settled and nothing of it is on its way: what no release explains may be taken down.
    pub(super) fn is_at_rest(&self) -> bool {
        match self {
            Self::Retaining { .. } | Self::RolledBack { .. } | Self::Done | Self::Aborted => true,
            Self::Clearing
            | Self::Provisioning { .. }
            | Self::Warming { .. }
            | Self::Smoke
            | Self::Staged
            | Self::Switching
            | Self::Converging { .. }
            | Self::Baking { .. }
            | Self::Retiring
            | Self::Aborting
            | Self::RollingBack
            | Self::Blocked { .. } => false,
        }
    }

    /// Whether the read-back has not shown the traffic on the new color yet.
    pub fn before_switched(&self) -> bool {
        match self {
            Self::Clearing
            | Self::Provisioning { .. }
            | Self::Warming { .. }
            | Self::Smoke
            | Self::Staged
            | Self::Switching => true,
            Self::Converging { .. }
            | Self::Baking { .. }
            | Self::Retaining { .. }
            | Self::Retiring
            | Self::Done
            | Self::Aborting
            | Self::Aborted
            | Self::RollingBack
            | Self::RolledBack { .. }
            | Self::Blocked { .. } => false,
        }
    }

    /// Whether the traffic may have moved and the previous color still stands.
    pub(super) fn may_roll_back(&self) -> bool {
        match self {
            Self::Switching | Self::Converging { .. } | Self::Baking { .. } | Self::Retaining { .. } => true,
            Self::Clearing
            | Self::Provisioning { .. }
            | Self::Warming { .. }
            | Self::Smoke
            | Self::Staged
            | Self::Retiring
            | Self::Done
            | Self::Aborting
            | Self::Aborted
            | Self::RollingBack
            | Self::RolledBack { .. }
            | Self::Blocked { .. } => false,
        }
    }

    /// Whether the idle color may be taken down.
    pub fn takes_down(&self) -> bool {
        match self {
            Self::Clearing | Self::Aborting | Self::Retiring => true,
            Self::Provisioning { .. }
            | Self::Warming { .. }
            | Self::Smoke
            | Self::Staged
            | Self::Switching
            | Self::Converging { .. }
            | Self::Baking { .. }
            | Self::Retaining { .. }
            | Self::Done
            | Self::Aborted
            | Self::RollingBack
            | Self::RolledBack { .. }
            | Self::Blocked { .. } => false,
        }
    }

    /// Whether there is anything left that a person could have to decide about.
    pub(super) fn may_block(&self) -> bool {
        match self {
            Self::Done | Self::Aborted | Self::Blocked { .. } => false,
            Self::Clearing
            | Self::Provisioning { .. }
            | Self::Warming { .. }
            | Self::Smoke
            | Self::Staged
            | Self::Switching
            | Self::Converging { .. }
            | Self::Baking { .. }
            | Self::Retaining { .. }
            | Self::Retiring
            | Self::Aborting
            | Self::RollingBack
            | Self::RolledBack { .. } => true,
        }
    }
}
