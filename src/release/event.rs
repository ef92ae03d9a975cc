//! What the journal records: facts, in the past tense, and intents.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Color, Effect, EffectResult, Pins, Problem, ReleaseId};

/// One thing that happened to an environment, or is about to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// A release was accepted: everything it needs is pinned here.
    ReleaseStarted {
        /// Its id.
        release: ReleaseId,
        /// The immutable image.
        image: String,
        /// The color that has the traffic.
        from: Color,
        /// The color that will get it.
        to: Color,
        /// How many healthy targets `to` must have.
        count: u32,
        /// How many healthy targets `from` had: a rollback asks for as many.
        from_count: u32,
        /// What is fixed for the whole release.
        pins: Pins,
    },
    /// The idle color holds nothing of an older release any more.
    Cleared,
    /// Every instance runs and is registered.
    Provisioned {
        /// The instances.
        instances: Vec<Launched>,
    },
    /// Every target was healthy, often enough in a row.
    Warmed,
    /// The smoke checks passed.
    SmokePassed,
    /// A mutating call is about to be sent.
    Intent {
        /// The call.
        #[serde(flatten)]
        effect: Effect,
        /// After this time it is not sent any more.
        deadline: Timestamp,
    },
    /// The call ended.
    Outcome {
        /// How.
        #[serde(flatten)]
        result: EffectResult,
    },
    /// The switch was read back: all traffic goes to the new color.
    Switched,
    /// The switch was read back after an unknown outcome: the traffic has not moved.
    NotSwitched,
    /// The data plane follows the weights.
    Converged,
    /// The bake time is over; the previous color stays warm until then.
    Retained {
        /// When the previous color expires.
        until: Timestamp,
    },
    /// The release cannot go on and is undone.
    Failed {
        /// Why.
        problem: Problem,
    },
    /// A person asked to undo the release in progress.
    AbortRequested,
    /// The traffic is to go back to the previous color.
    RollbackStarted {
        /// Who asked for it, or what made it necessary.
        #[serde(flatten)]
        reason: FlipReason,
        /// Checks that were skipped by force, in words; empty without force.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        skipped: Vec<String>,
    },
    /// The switch was read back: all traffic goes to the previous color again.
    RolledBack {
        /// When the color that was left expires.
        until: Timestamp,
    },
    /// The idle color of a failed release is gone.
    Aborted,
    /// The retention is over and the idle color is being taken down.
    RetirementStarted,
    /// The idle color is gone.
    Retired,
    /// A person must decide.
    Blocked {
        /// What was seen, what was expected, what to run.
        problem: Problem,
    },
    /// A person ran a verb again: the release goes on where it was blocked.
    Resumed,
    /// The phase's time ran out, but nobody had watched all of it (a run had died): it starts anew.
    ClockRestarted {
        /// From when to the run that records this nobody had watched.
        unwatched_since: Timestamp,
    },
    /// Every authoritative server has the last DNS change: the records' time to live runs from here.
    Synced,
    /// Instances that the environment's tags claim, and that no release explains, are about to be taken down.
    LeftoversFound {
        /// The color in their tags.
        color: Color,
        /// Instance ids.
        instances: Vec<String>,
    },
    /// The leftovers that were found last are gone.
    LeftoversRemoved,
    /// A person said that the traffic is right where somebody else put it: that is the truth from here on.
    Adopted {
        /// Who said so.
        by: Person,
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The color that had the traffic as far as the journal knew.
        was: Color,
        /// The color that has all of it.
        live: Color,
        /// When the color without traffic expires, where nothing else comes before that.
        until: Timestamp,
    },
}

/// Who runs the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The user's name on that machine.
    pub user: String,
    /// The machine's name.
    pub host: String,
}

impl std::fmt::Display for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.user, self.host)
    }
}

/// Why the traffic goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum FlipReason {
    /// Somebody ran `rollback` or `abort`.
    Requested,
    /// A check failed after the flip.
    Failed {
        /// Which.
        problem: Problem,
    },
}

/// An instance of a color.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launched {
    /// Instance id.
    pub id: String,
    /// Private address.
    pub address: String,
    /// Subnet id.
    pub subnet: String,
}

impl Event {
    /// Whether facts from before it must not be used after it: smoke checks take their time, and the flip that follows
    /// them must rest on what is so now; a takedown must not rest on health that a forced rollback has done without.
    pub fn makes_facts_old(&self) -> bool {
        matches!(self, Self::SmokePassed | Self::AbortRequested)
    }

    /// The event's name, as it stands in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ReleaseStarted { .. } => "release-started",
            Self::Cleared => "cleared",
            Self::Provisioned { .. } => "provisioned",
            Self::Warmed => "warmed",
            Self::SmokePassed => "smoke-passed",
            Self::Intent { .. } => "intent",
            Self::Outcome { .. } => "outcome",
            Self::Switched => "switched",
            Self::NotSwitched => "not-switched",
            Self::Converged => "converged",
            Self::Retained { .. } => "retained",
            Self::Failed { .. } => "failed",
            Self::AbortRequested => "abort-requested",
            Self::RollbackStarted { .. } => "rollback-started",
            Self::RolledBack { .. } => "rolled-back",
            Self::Aborted => "aborted",
            Self::RetirementStarted => "retirement-started",
            Self::Retired => "retired",
            Self::Blocked { .. } => "blocked",
            Self::Resumed => "resumed",
            Self::ClockRestarted { .. } => "clock-restarted",
            Self::Synced => "synced",
            Self::LeftoversFound { .. } => "leftovers-found",
            Self::LeftoversRemoved => "leftovers-removed",
            Self::Adopted { .. } => "adopted",
        }
    }
}
