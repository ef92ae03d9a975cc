//! Where `rollback`, `abort` and `sweep` leave the way forward.

use super::decide::{Decision, Ending, Goal, Step, ask};
use super::strangers::foreign_writer;
use super::takedown::{is_not_silent, take_down};
use super::{Event, FlipReason, Phase, Problem, Question, Traffic};
use crate::planted::{Bug, bug};

impl Step<'_> {
    /// Where `rollback` and `abort` leave the way forward; `None` where they only go on.
    pub(super) fn turn_back(&self) -> Option<Decision> {
        let Phase::Blocked { at, problem } = &self.release.phase else {
            return self.turn_back_from(&self.release.phase);
        };
        if self.cx.acted {
            return Some(Decision::Stop(Ending::Blocked(problem.clone())));
        }
        Some(match self.turn_back_from(at) {
            // What would be refused is refused before anything is recorded.
            Some(decision @ (Decision::Ask(_) | Decision::Stop(_))) => decision,
            Some(Decision::Record(Event::Blocked { problem })) => Decision::Stop(Ending::Blocked(problem)),
            Some(Decision::Record(_) | Decision::Act(_) | Decision::Wait { .. }) | None => {
                Decision::Record(Event::Resumed)
            }
        })
    }

    fn turn_back_from(&self, phase: &Phase) -> Option<Decision> {
        let rollback = matches!(self.cx.goal, Goal::Rollback { .. });
        match phase {
            Phase::Clearing | Phase::Provisioning { .. } | Phase::Warming { .. } | Phase::Smoke | Phase::Staged => {
                Some(Decision::Record(Event::AbortRequested))
            }
            Phase::Switching => Some(self.turn_back_in_mid_flip()),
            Phase::Converging { .. } | Phase::Baking { .. } => Some(self.start_rollback()),
            Phase::Retaining { .. } if rollback && !bug(Bug::NoWayBackOnceRetained) => Some(self.start_rollback()),
            Phase::Retaining { .. } => Some(self.nothing_in_progress()),
            Phase::Aborting => None,
            Phase::RollingBack => self.force_the_rollback(),
            Phase::RolledBack { .. } if self.cx.acted => Some(Decision::Stop(Ending::Done)),
            Phase::Aborted if self.cx.acted => Some(Decision::Stop(Ending::Done)),
            Phase::RolledBack { .. } | Phase::Retiring | Phase::Done | Phase::Aborted if rollback => {
                Some(self.nothing_to_go_back_to())
            }
            Phase::RolledBack { .. } | Phase::Retiring | Phase::Done | Phase::Aborted => {
                Some(self.nothing_in_progress())
            }
            Phase::Blocked { problem, .. } => Some(Decision::Stop(Ending::Blocked(problem.clone()))),
        }
    }

    fn turn_back_in_mid_flip(&self) -> Decision {
        if let Some(decision) = ask(self.facts, [Question::Traffic, Question::Targets(self.release.from.clone())]) {
            return decision;
        }
        match self.facts.traffic.as_ref() {
            Some(Traffic::Only { color, .. }) if *color == self.release.to => self.start_rollback(),
            // An old reading of a flip that AWS accepted would be aborted under traffic, and then stand still for good.
            Some(Traffic::Only { .. }) => self
                .may_still_land()
                .or_else(|| self.accepted_may_not_show_yet(&self.flip()))
                .unwrap_or(Decision::Record(Event::AbortRequested)),
            Some(other @ (Traffic::Split { .. } | Traffic::Nowhere | Traffic::Foreign { .. })) if !self.forced() => {
                self.block(foreign_writer(self.cx, &self.release.from, other))
            }
            Some(Traffic::Split { .. } | Traffic::Nowhere | Traffic::Foreign { .. }) | None => self.start_rollback(),
        }
    }

    fn forced(&self) -> bool {
        matches!(self.cx.goal, Goal::Rollback { force: true })
    }

    /// The checks of a person's rollback: refuse with nothing changed, or record that it starts.
    fn start_rollback(&self) -> Decision {
        if let Some(decision) = ask(self.facts, [Question::Traffic, Question::Targets(self.release.from.clone())]) {
            return decision;
        }
        match self.checks_of_a_rollback() {
            Ok(skipped) => Decision::Record(Event::RollbackStarted { reason: FlipReason::Requested, skipped }),
            Err(problem) => Decision::Stop(Ending::Refused(problem)),
        }
    }

    /// A rollback that is under way, and whose checks do not pass, goes on by force; `None` without force or need.
    fn force_the_rollback(&self) -> Option<Decision> {
        if !self.forced() || self.release.forced {
            return None;
        }
        if let Some(decision) = ask(self.facts, [Question::Traffic, Question::Targets(self.release.from.clone())]) {
            return Some(decision);
        }
        if matches!(&self.facts.traffic, Some(Traffic::Only { color, .. }) if *color == self.release.from) {
            return None;
        }
        let skipped = self.checks_of_a_rollback().ok().filter(|s| !s.is_empty())?;
        Some(Decision::Record(Event::RollbackStarted { reason: FlipReason::Requested, skipped }))
    }

    /// The checks that were skipped by force; the first that does not pass without it.
    fn checks_of_a_rollback(&self) -> Result<Vec<String>, Problem> {
        let to = &self.release.to;
        let mut skipped = Vec::new();
        if let Some(traffic) = &self.facts.traffic
            && !matches!(traffic, Traffic::Only { color, .. } if color == to)
        {
            let mut problem = foreign_writer(self.cx, to, traffic);
            let ours_to_change = !matches!(traffic, Traffic::Foreign { .. });
            if ours_to_change {
                problem.run.push(format!("switchback rollback {} --force", self.cx.env));
            }
            if !(self.forced() && ours_to_change) {
                return Err(problem);
            }
            skipped.push(problem.to_string());
        }
        if let Err(problem) = self.can_take_the_traffic_back() {
            if !self.forced() {
                return Err(problem);
            }
            skipped.push(problem.to_string());
        }
        Ok(skipped)
    }

    fn nothing_in_progress(&self) -> Decision {
        let release = self.release;
        Decision::Stop(Ending::Nothing(format!(
            "no release is in progress; {} is {}",
            release.id,
            release.phase.name()
        )))
    }

    fn nothing_to_go_back_to(&self) -> Decision {
        let release = self.release;
        let saw = match &release.phase {
            Phase::RolledBack { .. } => {
                format!("release {} was rolled back already: the traffic is on {} again", release.id, release.live())
            }
            Phase::Clearing
            | Phase::Provisioning { .. }
            | Phase::Warming { .. }
            | Phase::Smoke
            | Phase::Staged
            | Phase::Switching
            | Phase::Converging { .. }
            | Phase::Baking { .. }
            | Phase::Retaining { .. }
            | Phase::Retiring
            | Phase::Done
            | Phase::Aborting
            | Phase::Aborted
            | Phase::RollingBack
            | Phase::Blocked { .. } => {
                format!("release {} is {}: {} has been taken down", release.id, release.phase.name(), release.idle())
            }
        };
        Decision::Stop(Ending::Refused(Problem {
            saw,
            expected: "a previous color that is still warm".into(),
            run: vec![
                format!("switchback status {}", self.cx.env),
                format!("switchback deploy {} --image <the image you want>", self.cx.env),
            ],
        }))
    }

    /// What `sweep` leaves alone or starts; `None` where it goes on with an undo or a retirement.
    pub(super) fn sweep(&self) -> Option<Decision> {
        match &self.release.phase {
            Phase::Retaining { until } | Phase::RolledBack { until }
                if self.cx.now >= *until || bug(Bug::RetireAtOnce) =>
            {
                Some(Decision::Record(Event::RetirementStarted))
            }
            Phase::Retaining { until } | Phase::RolledBack { until } => {
                Some(Decision::Stop(Ending::Nothing(format!("{} is kept until {until}", self.release.idle()))))
            }
            Phase::Retiring | Phase::Aborting | Phase::RollingBack => None,
            Phase::Done | Phase::Aborted if self.cx.acted => Some(Decision::Stop(Ending::Done)),
            Phase::Done | Phase::Aborted => Some(Decision::Stop(Ending::Nothing("nothing has expired".into()))),
            Phase::Blocked { at, problem } if !self.cx.acted && at.takes_down() && **at != Phase::Clearing => {
                if let Some(ending) = self.blocked_by_aws_not_long_ago(problem) {
                    return Some(Decision::Stop(ending));
                }
                Some(match take_down(self) {
                    Some(decision @ Decision::Ask(_)) => decision,
                    // Still in the way: nothing is recorded, however often a scheduler looks.
                    Some(Decision::Record(Event::Blocked { problem })) => Decision::Stop(Ending::Blocked(problem)),
                    Some(Decision::Wait { .. }) if is_not_silent(self) => {
                        Decision::Stop(Ending::Blocked(problem.clone()))
                    }
                    Some(Decision::Act(_) | Decision::Record(_) | Decision::Wait { .. } | Decision::Stop(_)) | None => {
                        Decision::Record(Event::Resumed)
                    }
                })
            }
            Phase::Blocked { problem, .. } => Some(Decision::Stop(Ending::Blocked(problem.clone()))),
            Phase::Clearing
            | Phase::Provisioning { .. }
            | Phase::Warming { .. }
            | Phase::Smoke
            | Phase::Staged
            | Phase::Switching
            | Phase::Converging { .. }
            | Phase::Baking { .. } => Some(Decision::Stop(Ending::Nothing(format!(
                "release {} is {} and not for a sweep: run `switchback deploy {} --image {}` to finish it or `switchback abort {}` to undo it",
                self.release.id,
                self.release.phase.name(),
                self.cx.env,
                self.release.image,
                self.cx.env
            )))),
        }
    }
}
