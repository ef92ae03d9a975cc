//! `status`: the live color as the load balancer has it, and what the journal thinks.

use jiff::Timestamp;
use serde::Serialize;

use super::run::replay;
use super::{Engine, EngineError};
use crate::cloud::Reading;
use crate::config::Environment;
use crate::journal::{Log, Owner};
use crate::release::{
    Adoption, Color, Facts, ForeignWrite, InstanceFact, Phase, Pins, Problem, Question, ReleaseId, State, Targets,
    Traffic, adopt_instead,
};

/// An environment as it is, and as the journal has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// The environment.
    pub environment: String,
    /// Where the switch sends the traffic now.
    pub traffic: Option<Traffic>,
    /// Both colors.
    pub colors: Vec<ColorStatus>,
    /// The newest release.
    pub release: Option<ReleaseStatus>,
    /// Who holds the lease, if anybody does.
    pub lease: Option<LeaseStatus>,
    /// Where the journal and the load balancer differ, with the commands that repair it.
    pub mismatch: Option<Problem>,
    /// Why the journal cannot be used, where it cannot: then nothing here comes from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal_problem: Option<String>,
}

/// One color as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColorStatus {
    /// Its name.
    pub color: Color,
    /// Whether it has all the traffic.
    pub live: bool,
    /// Its weight in the switch; `None` where the switch does not name it, or is foreign.
    pub weight: Option<u32>,
    /// Its targets.
    pub targets: Targets,
    /// Its instances, by ownership tag.
    pub instances: Vec<InstanceFact>,
    /// The image it runs, where it is one.
    pub image: Option<String>,
    /// Since when its oldest instance runs.
    pub since: Option<Timestamp>,
}

/// The newest release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReleaseStatus {
    /// Its id.
    pub id: ReleaseId,
    /// Its image.
    pub image: String,
    /// The color it left.
    pub from: Color,
    /// The color it brings up.
    pub to: Color,
    /// Where it stands.
    pub phase: &'static str,
    /// Whether it is still on its way, forward or back; a run goes on with it.
    pub unfinished: bool,
    /// When it started.
    pub started_at: Timestamp,
    /// When the idle color expires, where a timer runs.
    pub expires_at: Option<Timestamp>,
    /// The color that expires then.
    pub expires: Option<Color>,
    /// Why it failed or is blocked.
    pub problem: Option<Problem>,
    /// What somebody else had changed when a call was about to be sent, which then was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foreign_write: Option<ForeignWrite>,
    /// Who took the traffic as right where somebody else had put it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopted: Option<Adoption>,
}

/// Who holds the lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeaseStatus {
    /// The run.
    pub owner: Owner,
    /// Since when.
    pub since: Timestamp,
    /// Until when, unless it is renewed.
    pub until: Timestamp,
    /// Whether that is over: the run has died.
    pub expired: bool,
}

impl Engine {
    /// The environment as it is. Changes nothing. A journal that cannot be used is no reason to keep the rest from a
    /// person who has to decide what to do about it.
    ///
    /// # Errors
    /// Where AWS cannot be read.
    pub async fn status(&self) -> Result<Status, EngineError> {
        self.unless_stopped(self.look_at_everything()).await
    }

    async fn look_at_everything(&self) -> Result<Status, EngineError> {
        let read = self.journal.tail().await.map_err(EngineError::from).and_then(|log| Ok((replay(&log)?, log)));
        let (state, log, journal_problem) = match read {
            Ok((state, log)) => (state, log, None),
            Err(error) => (State::default(), Log::default(), Some(error.to_string())),
        };
        let pins = match &state.release {
            Some(release) => release.pins.clone(),
            None => self.cloud.resolve(&self.environment).await?,
        };
        let mut questions = vec![Question::Traffic];
        for color in pins.groups.keys() {
            questions.extend([Question::Targets(color.clone()), Question::Instances(color.clone())]);
        }
        let (facts, reading) = self.facts_about_both_colors(&pins, &questions).await?;
        Ok(Status {
            environment: self.environment.name.clone(),
            colors: color_statuses(&self.environment, &state, &facts, &pins, reading.as_ref()),
            release: release_status(&state),
            lease: self.lease_status(&log),
            mismatch: reading.as_ref().and_then(|r| self.mismatch(&state, &pins, r)),
            traffic: facts.traffic,
            journal_problem,
        })
    }

    pub(super) fn lease_status(&self, log: &Log) -> Option<LeaseStatus> {
        let now = self.journal.clock().now();
        log.lease().map(|l| LeaseStatus {
            owner: l.owner.clone(),
            since: l.acquired_at,
            until: l.until,
            expired: l.expired(now),
        })
    }

    /// What must be repaired, with the commands that repair it and the one that shows who wrote.
    fn mismatch(&self, state: &State, pins: &Pins, reading: &Reading) -> Option<Problem> {
        let mut problem = self.difference(state, pins, reading)?;
        problem.run.push(format!("{} # shows who has written", self.cloud.who_wrote(pins)));
        Some(problem)
    }

    fn difference(&self, state: &State, pins: &Pins, reading: &Reading) -> Option<Problem> {
        let release = state.release.as_ref();
        match &reading.traffic {
            Traffic::Foreign { problem } => Some(problem.clone()),
            Traffic::Split { .. } | Traffic::Nowhere => {
                let colors = release.map_or_else(|| pins.groups.keys().collect(), |r| vec![r.live(), r.idle()]);
                Some(Problem {
                    saw: reading.traffic.describe(),
                    expected: match release {
                        Some(release) => format!("all traffic on {}", release.live()),
                        None => "all traffic on one color".into(),
                    },
                    run: colors
                        .into_iter()
                        .filter_map(|c| {
                            self.cloud.repair(pins, reading, c).map(|run| format!("{run} # all traffic to {c}"))
                        })
                        .collect(),
                })
            }
            Traffic::Only { color, .. } => {
                let release = release.filter(|r| {
                    r.live() != color
                        && !matches!(r.phase, Phase::Done | Phase::Aborted | Phase::Switching | Phase::RollingBack)
                })?;
                let mut run = vec![adopt_instead(&self.typed, color)];
                run.extend(
                    self.cloud
                        .repair(pins, reading, release.live())
                        .map(|c| format!("{c} # back to {}", release.live())),
                );
                Some(Problem {
                    saw: format!("all traffic goes to {color}, written by somebody else"),
                    expected: format!("all traffic on {}, where release {} left it", release.live(), release.id),
                    run,
                })
            }
        }
    }
}

fn release_status(state: &State) -> Option<ReleaseStatus> {
    let release = state.release.as_ref()?;
    let expires_at = release.phase.expires();
    let blocked = match &release.phase {
        Phase::Blocked { problem, .. } => Some(problem.clone()),
        _ => None,
    };
    Some(ReleaseStatus {
        id: release.id.clone(),
        image: release.image.clone(),
        from: release.from.clone(),
        to: release.to.clone(),
        phase: release.phase.name(),
        unfinished: !release.phase.is_settled(),
        started_at: release.started_at,
        expires: expires_at.map(|_| release.idle().clone()),
        expires_at,
        problem: blocked.or_else(|| release.failure.clone()),
        foreign_write: release.foreign.clone(),
        adopted: release.adopted.clone(),
    })
}

/// Both colors, in the order of the environment file.
pub(super) fn color_statuses(
    environment: &Environment,
    state: &State,
    facts: &Facts,
    pins: &Pins,
    reading: Option<&Reading>,
) -> Vec<ColorStatus> {
    let traffic = reading.map(|r| &r.traffic);
    let weights = reading.map(|r| r.weights(pins)).unwrap_or_default();
    let status = |color: &Color| {
        let alive: Vec<InstanceFact> =
            facts.instances.get(color).into_iter().flatten().filter(|i| i.alive()).cloned().collect();
        let same_image = alive.first().map(|i| i.image.clone()).filter(|image| alive.iter().all(|i| i.image == *image));
        ColorStatus {
            color: color.clone(),
            live: matches!(traffic, Some(Traffic::Only { color: c, .. }) if c == color),
            weight: weights.get(color).copied(),
            targets: facts.targets.get(color).cloned().unwrap_or_default(),
            image: same_image.or_else(|| state.occupants.get(color).map(|o| o.image.clone())),
            since: alive.iter().filter_map(|i| i.launched_at).min(),
            instances: alive,
        }
    };
    environment.colors.iter().map(|c| status(&c.name)).collect()
}
