//! What can be asked of the world, and the answers.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Color, Problem, References, ReleaseId};

/// A fact that a decision needs and does not have. Several are asked at once, in parallel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Where does the switch send the traffic?
    Traffic,
    /// Has the last DNS change reached every authoritative server?
    Synced,
    /// What is registered with the color's target group, and how healthy is it?
    Targets(Color),
    /// Which instances of the environment exist for this color, by ownership tag?
    Instances(Color),
    /// Which listeners and rules send to the color, and where else may its instances serve?
    References(Color),
    /// Do the smoke checks pass on this color's private endpoints?
    Smoke(Color),
    /// Which color answers through the load balancer?
    Probe {
        /// The color that must not answer any more.
        old: Color,
        /// The color that must answer.
        new: Color,
    },
    /// How many requests has CloudWatch counted for the color's target group?
    Requests(Color),
}

/// Answers, all of them fresh: an effect or a wait empties them, and so does an event that
/// [makes them old](super::Event::makes_facts_old).
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Answer to [`Question::Traffic`].
    pub traffic: Option<Traffic>,
    /// Answer to [`Question::Synced`].
    pub synced: Option<bool>,
    /// Answers to [`Question::Targets`].
    pub targets: BTreeMap<Color, Targets>,
    /// Answers to [`Question::Instances`].
    pub instances: BTreeMap<Color, Vec<InstanceFact>>,
    /// Answers to [`Question::References`].
    pub references: BTreeMap<Color, References>,
    /// Answer to [`Question::Smoke`].
    pub smoke: Option<Result<(), Problem>>,
    /// Answer to [`Question::Probe`].
    pub probe: Option<ProbeAnswer>,
    /// Answers to [`Question::Requests`].
    pub requests: BTreeMap<Color, RequestCount>,
}

/// Where the switch sends the traffic, as AWS has it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "traffic", rename_all = "kebab-case")]
pub enum Traffic {
    /// One color has all of it.
    Only {
        /// That color.
        color: Color,
        /// Whether the other color is in the rule too, at weight 0.
        idle_referenced: bool,
    },
    /// Both colors have a weight above 0.
    Split {
        /// The weight of each color.
        weights: BTreeMap<Color, u32>,
    },
    /// Every weight is 0.
    Nowhere,
    /// The switch does something that is not ours to change: another target group, a redirect, or it is gone.
    Foreign {
        /// What it does, and what leads on.
        problem: Problem,
    },
}

impl Traffic {
    /// The traffic in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Only { color, .. } => format!("all traffic goes to {color}"),
            Self::Split { weights } => {
                let parts: Vec<_> = weights.iter().map(|(c, w)| format!("{c}={w}")).collect();
                format!("the traffic is split: {}", parts.join(", "))
            }
            Self::Nowhere => "every weight is 0".into(),
            Self::Foreign { problem } => problem.saw.clone(),
        }
    }
}

/// What is registered with a color's target group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Targets {
    /// Every target, in the order of the ids.
    pub list: Vec<TargetFact>,
}

/// One registered target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetFact {
    /// Instance id (or address).
    pub id: String,
    /// Its port.
    pub port: u16,
    /// Its health.
    pub health: HealthState,
    /// AWS's reason code, for example `Target.Timeout`.
    pub reason: Option<String>,
    /// AWS's words.
    pub description: Option<String>,
}

/// Target health as ELBv2 reports it (TargetHealthStateEnum).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthState {
    /// Being registered, or first checks running.
    Initial,
    /// Passing.
    Healthy,
    /// Failing.
    Unhealthy,
    /// Not checked: not in use by a rule, zone not enabled, stopped or terminated.
    Unused,
    /// Deregistered, the delay has not run out.
    Draining,
    /// Health is not available, or a state this program does not know: never counted as healthy.
    Unavailable,
}

impl Targets {
    /// How many are healthy.
    pub fn healthy(&self) -> usize {
        self.list.iter().filter(|t| t.health == HealthState::Healthy).count()
    }

    /// Those that are registered: everything but draining.
    pub fn registered(&self) -> impl Iterator<Item = &TargetFact> {
        self.list.iter().filter(|t| t.health != HealthState::Draining)
    }

    /// Those that drain.
    pub fn draining(&self) -> impl Iterator<Item = &TargetFact> {
        self.list.iter().filter(|t| t.health == HealthState::Draining)
    }

    /// The targets in words: `2 healthy, i-1 unhealthy (Target.Timeout)`.
    pub fn describe(&self) -> String {
        let mut parts = vec![format!("{} healthy", self.healthy())];
        parts.extend(self.list.iter().filter(|t| t.health != HealthState::Healthy).map(|t| {
            let reason = t.reason.as_deref().map(|r| format!(" ({r})")).unwrap_or_default();
            format!("{} {}{reason}", t.id, t.health)
        }));
        parts.join(", ")
    }
}

impl std::fmt::Display for HealthState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Initial => "initial",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Unused => "unused",
            Self::Draining => "draining",
            Self::Unavailable => "unavailable",
        })
    }
}

/// An instance that carries the environment's ownership tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstanceFact {
    /// Instance id.
    pub id: String,
    /// The release in its tags; `None` for one that was handed over by tagging it.
    pub release: Option<ReleaseId>,
    /// Its image.
    pub image: String,
    /// Its subnet.
    pub subnet: String,
    /// Its private address, once it has one.
    pub address: Option<String>,
    /// Its state.
    pub state: InstanceState,
    /// AWS's state reason, for example `Server.InsufficientInstanceCapacity`.
    pub reason: Option<String>,
    /// When it was launched.
    pub launched_at: Option<Timestamp>,
}

/// EC2's instance states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Starting.
    Pending,
    /// Running; says nothing about its service.
    Running,
    /// Stopping or stopped.
    Stopped,
    /// Shutting down or terminated; AWS shows it for about an hour more.
    Terminated,
}

impl InstanceFact {
    /// Whether it still exists in any form that costs or serves.
    pub fn alive(&self) -> bool {
        self.state != InstanceState::Terminated
    }
}

/// Who answered through the load balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// Every probe was answered by the new color.
    New,
    /// Some were answered by the old color.
    Old {
        /// How many of the probes.
        count: u32,
        /// Of how many.
        of: u32,
    },
    /// Both colors answer alike, so nothing can be told from it.
    Alike,
    /// Some failed, or the answer was of neither color.
    Unclear {
        /// What was seen.
        saw: String,
    },
}

/// What CloudWatch has counted for a color's target group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestCount {
    /// It answered.
    Counted {
        /// Nothing before this time was looked at.
        from: Timestamp,
        /// Every request before this time is in the count; of later ones some may be.
        through: Timestamp,
        /// The newest minute with requests, where there is one.
        last: Option<BusyMinute>,
    },
    /// It cannot be told: no answer, a throttle, a missing permission. Never taken for zero.
    Unknown {
        /// What was seen instead.
        saw: String,
    },
}

/// A minute in which requests were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusyMinute {
    /// When it ended.
    pub end: Timestamp,
    /// How many requests there were; for flows, how many were new or open.
    pub count: u64,
}

impl Facts {
    /// These facts without the answers to anything but `questions`: what one look has seen.
    pub fn only(&self, questions: &BTreeSet<Question>) -> Self {
        let asked = |question: Question| questions.contains(&question);
        Self {
            traffic: self.traffic.clone().filter(|_| asked(Question::Traffic)),
            synced: self.synced.filter(|_| asked(Question::Synced)),
            targets: self
                .targets
                .iter()
                .filter(|(color, _)| asked(Question::Targets(Color::clone(color))))
                .map(|(color, targets)| (color.clone(), targets.clone()))
                .collect(),
            instances: self
                .instances
                .iter()
                .filter(|(color, _)| asked(Question::Instances(Color::clone(color))))
                .map(|(color, instances)| (color.clone(), instances.clone()))
                .collect(),
            references: self
                .references
                .iter()
                .filter(|(color, _)| asked(Question::References(Color::clone(color))))
                .map(|(color, references)| (color.clone(), references.clone()))
                .collect(),
            smoke: self.smoke.clone().filter(|_| questions.iter().any(|q| matches!(q, Question::Smoke(_)))),
            probe: self.probe.clone().filter(|_| questions.iter().any(|q| matches!(q, Question::Probe { .. }))),
            requests: self
                .requests
                .iter()
                .filter(|(color, _)| asked(Question::Requests(Color::clone(color))))
                .map(|(color, count)| (color.clone(), count.clone()))
                .collect(),
        }
    }

    /// Whether the question is answered.
    pub fn answers(&self, question: &Question) -> bool {
        match question {
            Question::Traffic => self.traffic.is_some(),
            Question::Synced => self.synced.is_some(),
            Question::Targets(color) => self.targets.contains_key(color),
            Question::Instances(color) => self.instances.contains_key(color),
            Question::References(color) => self.references.contains_key(color),
            Question::Smoke(_) => self.smoke.is_some(),
            Question::Probe { .. } => self.probe.is_some(),
            Question::Requests(color) => self.requests.contains_key(color),
        }
    }
}
