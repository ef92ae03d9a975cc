//! The next step of a release.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::strangers::adopt_instead;
use super::{Effect, Event, Facts, Memory, Person, Phase, Problem, Question, Release, State, Targets};
use crate::planted::{Bug, bug};

/// What the person or the job wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Bring the release to the traffic.
    Deploy,
    /// Bring the traffic back to the previous color.
    Rollback {
        /// Regardless of its health.
        force: bool,
    },
    /// Undo the release in progress.
    Abort,
    /// Take down what has expired, finish what is being undone.
    Sweep,
    /// Go on with whatever is unfinished, expired or left behind, and leave what only time brings on.
    Reconcile,
    /// Take the traffic as right where somebody else put it.
    Adopt,
}

/// The environment's rules for a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How many looks in a row must find every target healthy.
    pub consecutive: u32,
    /// How long a color may take from launch to healthy.
    pub health_timeout: SignedDuration,
    /// Whether probes through the load balancer are configured.
    pub probe: bool,
    /// For how long the old color must not answer.
    pub quiet: SignedDuration,
    /// For how long no request of the old color must have been counted; zero: the count is not asked for.
    pub no_requests: SignedDuration,
    /// How long resolvers may answer the old way; zero for a listener switch.
    pub ttl: SignedDuration,
    /// How long convergence may take.
    pub converge_timeout: SignedDuration,
    /// How long the new color is watched.
    pub bake: SignedDuration,
    /// How long the previous color stays warm.
    pub retain: SignedDuration,
}

/// Everything a decision takes from outside, as values.
#[derive(Debug, Clone)]
pub struct Context {
    /// The environment's name.
    pub name: String,
    /// The environment as the user typed it, for the commands in messages.
    pub env: String,
    /// What is wanted.
    pub goal: Goal,
    /// The environment's rules.
    pub policy: Policy,
    /// The time at which the facts were so: when they were asked for.
    pub now: Timestamp,
    /// The time of this decision, which is later: what is kept for a while is kept from then on.
    pub decided_at: Timestamp,
    /// Whether this run has recorded anything yet.
    pub acted: bool,
    /// When this run began.
    pub began: Timestamp,
    /// When the last entry before this run was written; nothing in an empty journal.
    pub last_entry: Option<Timestamp>,
    /// Whether the release was settled when this run found it: what failed before is not its failure.
    pub found_settled: bool,
    /// Whether a deploy leaves the rest to `reconcile` once the traffic has moved and only time has to pass.
    pub detach: bool,
    /// Who runs it.
    pub by: Person,
    /// Why, in their words, where they said so.
    pub reason: Option<String>,
}

/// The next step.
#[expect(clippy::large_enum_variant, reason = "one value per step, matched at once and never stored")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Ask these questions at once.
    Ask(BTreeSet<Question>),
    /// Record the intent, make the call, record the outcome.
    Act(Effect),
    /// Record what the facts show.
    Record(Event),
    /// Look again later.
    Wait {
        /// What is waited for, in words.
        reason: String,
        /// Not before this time; `None` leaves it to the back-off.
        until: Option<Timestamp>,
    },
    /// Nothing more to do in this run.
    Stop(Ending),
}

/// How a run ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// What was wanted is so.
    Done,
    /// It was so already; the text says why.
    Nothing(String),
    /// Somebody else works on it; the text says who.
    Busy(String),
    /// It must not be done; nothing was changed.
    Refused(Problem),
    /// The release failed and the traffic never moved.
    Failed(Problem),
    /// The release failed and the traffic was moved back.
    MovedBack(Problem),
    /// Stopped half-way: a person must decide.
    Blocked(Problem),
    /// All is well so far, and only time has to pass: `reconcile` goes on.
    Later {
        /// What is waited for, in words.
        reason: String,
        /// When it is worth to look again; `None` where nobody can tell.
        next: Option<Timestamp>,
    },
}

/// How often a call that AWS accepted may fail to show in the world before the run stops repeating it.
pub(super) const REPEATS_MAX: u32 = 5;
/// How long a call may take to show, times the number of announcements.
const SHOWS_WITHIN: SignedDuration = SignedDuration::from_secs(5);
/// How long a write of the switch that AWS accepted may take to show. AWS documents no delay here; after a whole
/// minute, what a reading shows is somebody's doing.
const SWITCH_SHOWS_WITHIN: SignedDuration = SignedDuration::from_mins(1);

/// The next step of the newest release, from what is recorded, what was just seen, and what is wanted.
pub fn decide(state: &State, cx: &Context, facts: &Facts, memory: &Memory) -> Decision {
    let Some(release) = &state.release else {
        return Decision::Stop(match cx.goal {
            Goal::Rollback { .. } => Ending::Refused(Problem::new(
                "no release has been recorded",
                "a previous color to go back to",
                format!("switchback status {}", cx.env),
            )),
            Goal::Deploy | Goal::Abort | Goal::Sweep | Goal::Reconcile | Goal::Adopt => {
                Ending::Nothing("no release has been recorded".into())
            }
        });
    };
    let step = Step { state, release, cx, facts, memory };
    let aside = match cx.goal {
        Goal::Deploy => None,
        Goal::Rollback { .. } | Goal::Abort => step.turn_back(),
        Goal::Sweep => step.sweep(),
        Goal::Reconcile => step.reconcile(),
        Goal::Adopt => Some(step.adopt()),
    };
    let decision = match aside.unwrap_or_else(|| step.forward()) {
        Decision::Act(effect) => step.unless_repeated_in_vain(effect),
        decision @ (Decision::Ask(_) | Decision::Record(_) | Decision::Wait { .. } | Decision::Stop(_)) => decision,
    };
    match decision {
        Decision::Wait { reason, until } => step.wait_or_leave(reason, until),
        decision @ (Decision::Ask(_) | Decision::Act(_) | Decision::Record(_) | Decision::Stop(_)) => decision,
    }
}

/// The missing ones of `questions`, to be asked at once; `None` when all are answered.
pub(super) fn ask(facts: &Facts, questions: impl IntoIterator<Item = Question>) -> Option<Decision> {
    let missing: BTreeSet<_> = questions.into_iter().filter(|q| !facts.answers(q)).collect();
    (!missing.is_empty()).then_some(Decision::Ask(missing))
}

/// One look at everything a decision rests on.
pub(super) struct Step<'a> {
    pub(super) state: &'a State,
    pub(super) release: &'a Release,
    pub(super) cx: &'a Context,
    pub(super) facts: &'a Facts,
    pub(super) memory: &'a Memory,
}

impl Step<'_> {
    /// Whether the previous color is registered, healthy, and as many as it was.
    pub(super) fn can_take_the_traffic_back(&self) -> Result<(), Problem> {
        let from = &self.release.from;
        let targets = &self.facts.targets[from];
        let needed = self.release.from_count.max(1) as usize;
        if targets.healthy() >= needed || bug(Bug::RollbackToTheDead) {
            return Ok(());
        }
        Err(Problem::new(
            format!("{from} cannot take the traffic: {}", targets.describe()),
            format!("at least {needed} healthy target(s) on {from}"),
            format!("switchback rollback {} --force # flips regardless", self.cx.env),
        ))
    }

    pub(super) fn failure(&self) -> Problem {
        self.release.failure.clone().unwrap_or_else(|| {
            Problem::new(
                format!("release {} was undone by request", self.release.id),
                "a release that runs to its end",
                format!("switchback history {}", self.cx.env),
            )
        })
    }

    pub(super) fn fail(&self, problem: Problem) -> Decision {
        Decision::Record(Event::Failed { problem })
    }

    pub(super) fn block(&self, problem: Problem) -> Decision {
        Decision::Record(Event::Blocked { problem })
    }

    /// On the way to the flip the release fails, which takes the new color down; elsewhere a person must decide.
    pub(super) fn fail_or_block(&self, problem: Problem) -> Decision {
        let phase = &self.release.phase;
        if phase.before_switched() && !phase.takes_down() { self.fail(problem) } else { self.block(problem) }
    }

    /// Whether the registered targets are this release's instances, all of them and no other.
    pub(super) fn exactly_ours(&self, targets: &Targets) -> bool {
        let registered: BTreeSet<&str> = targets.registered().map(|t| t.id.as_str()).collect();
        let expected: BTreeSet<&str> = self
            .state
            .occupants
            .get(&self.release.to)
            .into_iter()
            .flat_map(|o| &o.instances)
            .map(|i| i.id.as_str())
            .collect();
        !expected.is_empty() && registered == expected
    }

    /// A wait until no announced call can land any more; `None` when none can.
    pub(super) fn may_still_land(&self) -> Option<Decision> {
        may_still_land(self.state, self.cx)
    }

    /// A wait for the last announced call to show in what AWS answers; `None` when it has had its time.
    pub(super) fn may_not_show_yet(&self) -> Option<Decision> {
        let announced = self.release.announced.as_ref()?;
        let shows = announced.at + SHOWS_WITHIN * i32::try_from(announced.times).unwrap_or(i32::MAX);
        (self.cx.now < shows).then(|| Decision::Wait {
            reason: format!("it does not show yet: {}", announced.effect.describe()),
            until: Some(shows),
        })
    }

    /// What to do where AWS accepted this very write of the switch, and the world shows what was there before: once
    /// that cannot be an old reading any more, somebody else has undone it, and that is not written over. `None` where
    /// AWS never said that it accepted it.
    pub(super) fn taken_back(&self, write: &Effect) -> Option<Decision> {
        let accepted = self.release.accepted.as_ref().filter(|a| a.effect == *write)?;
        if let Some(wait) = self.accepted_may_not_show_yet(write) {
            return Some(wait);
        }
        let Release { from, to, image, .. } = self.release;
        let env = &self.cx.env;
        // Nothing has moved yet, and nothing is lost.
        let fails = matches!(write, Effect::Reference { .. });
        let problem = Problem {
            saw: format!(
                "AWS accepted at {} to {}, and the switch is as it was before: somebody else has written it \
                 (Terraform, a console, another tool)",
                accepted.at,
                write.describe()
            ),
            expected: "the switch as this release wrote it".into(),
            run: if fails {
                vec![format!("switchback deploy {env} --image {image} # once nobody else writes to the switch")]
            } else if self.release.phase == Phase::RollingBack {
                vec![format!("switchback rollback {env} # moves the traffic to {from} again"), adopt_instead(env, to)]
            } else {
                vec![
                    format!("switchback deploy {env} --image {image} # goes on with the release"),
                    format!("switchback abort {env} # leaves the traffic on {from} and takes {to} down"),
                ]
            },
        };
        Some(if fails { self.fail(problem) } else { self.block(problem) })
    }

    /// A wait for `write` to show, where AWS accepted this very write of the switch; `None` when it has had its time.
    pub(super) fn accepted_may_not_show_yet(&self, write: &Effect) -> Option<Decision> {
        let accepted = self.release.accepted.as_ref().filter(|a| a.effect == *write)?;
        let shows = accepted.at + SWITCH_SHOWS_WITHIN;
        (self.cx.now < shows).then(|| Decision::Wait {
            reason: format!("it does not show yet: {}", write.describe()),
            until: Some(shows),
        })
    }

    /// `effect`, or a wait where it was just made and does not show, or the end where it was made too often.
    fn unless_repeated_in_vain(&self, effect: Effect) -> Decision {
        if let Some(taken_back) = self.taken_back(&effect) {
            return taken_back;
        }
        let Some(announced) = self.release.announced.as_ref().filter(|a| a.effect == effect) else {
            return Decision::Act(effect);
        };
        if let Some(wait) = self.may_not_show_yet() {
            return wait;
        }
        if announced.times < REPEATS_MAX {
            return Decision::Act(effect);
        }
        let problem = Problem::new(
            format!("AWS was told {} times to {}, and it never showed", announced.times, effect.describe()),
            "a call that shows in what AWS answers",
            format!("switchback status {}", self.cx.env),
        );
        if self.release.phase.is_at_rest() {
            // A leftover: the release that is over has nothing to do with it, and goes on being retained or done.
            return Decision::Stop(Ending::Blocked(problem));
        }
        self.fail_or_block(problem)
    }
}

/// A wait until no announced call can land any more; `None` when none can.
pub(super) fn may_still_land(state: &State, cx: &Context) -> Option<Decision> {
    let pending = state.pending.as_ref();
    let until = state.late_until.max(pending.map(|p| p.deadline))?;
    let what = pending.map_or_else(|| "one without an answer".to_string(), |p| p.effect.describe());
    (cx.now < until)
        .then(|| Decision::Wait { reason: format!("an announced call may still land: {what}"), until: Some(until) })
}
