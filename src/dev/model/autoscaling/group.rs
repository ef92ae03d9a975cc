//! An Auto Scaling group: what a user decides about it, and what it keeps in mind.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::activity::Activity;
use super::hooks::Hook;
use super::member::Member;
use super::notifications::{Event, Topics};
use super::policies::Policy;
use super::processes::Process;
use super::refresh::Refresh;
use super::schedule::Scheduled;
use super::select::Termination;
use super::sources::Source;
use super::template::Template;
use super::warm::WarmPool;
use crate::dev::wire::ApiError;

/// A group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) created: Timestamp,
    pub(super) settings: Settings,
    pub(super) desired: u32,
    /// By key.
    pub(super) tags: BTreeMap<String, GroupTag>,
    /// What its instances are registered with.
    pub(super) sources: Vec<Source>,
    /// Why each process is suspended.
    pub(super) suspended: BTreeMap<Process, String>,
    pub(super) hooks: BTreeMap<String, Hook>,
    pub(super) policies: BTreeMap<String, Policy>,
    pub(super) scheduled: BTreeMap<String, Scheduled>,
    /// Oldest first; only the last can be under way.
    pub(super) refreshes: Vec<Refresh>,
    pub(super) warm_pool: Option<WarmPool>,
    pub(super) topics: Topics,
    /// What the topics have not been told yet.
    pub(super) outbox: Vec<(Event, Activity)>,
    /// By instance id: everything from its launch to its end.
    pub(super) members: BTreeMap<String, Member>,
    /// How many members it ever had.
    pub(super) launched: u64,
    /// Oldest first.
    pub(super) activities: Vec<Activity>,
    /// Why the desired capacity is what it is, in AWS's words, until an activity has said so.
    pub(super) causes: Vec<String>,
    /// How many instances were ended as unhealthy and have no successor yet.
    pub(super) replacing: u32,
    pub(super) failures: Failures,
    /// When the last scaling activity ended; cooldown counts from there.
    pub(super) scaled: Option<Timestamp>,
    /// One more than desired, until zones are even.
    pub(super) rebalancing: bool,
    /// Not before this is another attempt to even out the zones.
    pub(super) rebalance_after: Option<Timestamp>,
    /// It is being deleted with all that it has.
    pub(super) deleting: bool,
}

/// What a user decides about a group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) template: Template,
    /// Its subnets in the order given, each with its zone.
    pub(super) subnets: Vec<(String, String)>,
    pub(super) cooldown_s: u32,
    /// `EC2`, or `ELB` and the like where load balancers have a say too.
    pub(super) health_check_type: String,
    pub(super) grace_s: u32,
    pub(super) warmup_s: Option<u32>,
    pub(super) termination: Vec<Termination>,
    pub(super) protect_new: bool,
    pub(super) deletion_protection: DeletionProtection,
    pub(super) context: Option<String>,
    /// Launch only where the group stays even.
    pub(super) balanced_only: bool,
    pub(super) maintenance: Option<Maintenance>,
}

/// How many instances may be away, and how many too many, while instances are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Maintenance {
    /// Percent of the desired capacity.
    pub(super) min_percent: u32,
    /// Percent of the desired capacity.
    pub(super) max_percent: u32,
}

/// A tag of a group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct GroupTag {
    pub(super) value: String,
    pub(super) propagate: bool,
}

/// What deletion meets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DeletionProtection {
    #[default]
    None,
    PreventForceDeletion,
    PreventAllDeletion,
}

/// Launches that failed one after the other.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Failures {
    pub(super) count: u32,
    /// When the first of them failed.
    pub(super) since: Option<Timestamp>,
    /// Not before this is the next attempt.
    pub(super) next: Option<Timestamp>,
}

impl DeletionProtection {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PreventForceDeletion => "prevent-force-deletion",
            Self::PreventAllDeletion => "prevent-all-deletion",
        }
    }
}

impl Settings {
    /// The zones of its subnets, sorted, each once.
    pub(super) fn zones(&self) -> Vec<String> {
        let mut zones: Vec<_> = self.subnets.iter().map(|(_, zone)| zone.clone()).collect();
        zones.sort();
        zones.dedup();
        zones
    }

    /// Whether load balancers have a say in health.
    pub(super) fn asks_load_balancers(&self) -> bool {
        self.health_check_type.split(',').any(|each| each == "ELB")
    }

    /// Seconds after which a new instance counts as one that carries its share.
    pub(super) fn instance_warmup_s(&self) -> u32 {
        self.warmup_s.unwrap_or(self.grace_s)
    }

    pub(super) fn check_sizes(&self) -> Result<(), ApiError> {
        let (min, max) = (self.min, self.max);
        if max < min {
            let said = format!("Max bound, {max}, must be greater than or equal to min bound, {min}");
            return Err(ApiError::validation(said));
        }
        if max > SIZE_MAX {
            let said = format!("The dev cloud's groups have at most {SIZE_MAX} instances, but MaxSize is {max}");
            return Err(ApiError::validation(said));
        }
        Ok(())
    }

    pub(super) fn check_desired(&self, desired: u32) -> Result<(), ApiError> {
        let (min, max) = (self.min, self.max);
        if (min..=max).contains(&desired) {
            return Ok(());
        }
        Err(ApiError::validation(format!(
            "Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}"
        )))
    }
}

/// More than this is a mistake here: each instance is a process.
const SIZE_MAX: u32 = 10_000;

impl Group {
    /// Whether a process runs.
    pub(super) fn runs(&self, process: Process) -> bool {
        !self.suspended.contains_key(&process)
    }

    /// How many instances it has that count towards its desired capacity.
    pub(super) fn active(&self) -> u32 {
        self.count(Member::is_active)
    }

    pub(super) fn count(&self, which: impl Fn(&Member) -> bool) -> u32 {
        // A group has at most some thousands.
        u32::try_from(self.members.values().filter(|member| which(member)).count()).unwrap_or(u32::MAX)
    }

    /// Sets the desired capacity, and keeps in mind why.
    pub(super) fn want(&mut self, desired: u32, why: impl FnOnce(u32, u32) -> String) {
        if desired == self.desired {
            return;
        }
        let said = why(self.desired, desired);
        self.causes.push(said);
        // Flapping wishes that no launch ever answers must not fill the memory.
        if self.causes.len() > CAUSES_MAX {
            self.causes.remove(0);
        }
        self.desired = desired;
    }

    /// The refresh that is under way.
    pub(super) fn refresh(&self) -> Option<&Refresh> {
        self.refreshes.last().filter(|refresh| refresh.status.is_active())
    }

    pub(super) fn refresh_mut(&mut self) -> Option<&mut Refresh> {
        self.refreshes.last_mut().filter(|refresh| refresh.status.is_active())
    }
}

const CAUSES_MAX: usize = 4;
