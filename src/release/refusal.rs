//! Calls that AWS refused or never answered, and calls that could not be sent: what they mean in each phase.

use jiff::SignedDuration;

use super::decide::{Decision, Ending, Goal, REPEATS_MAX, Step, ask};
use super::{Phase, Problem, Question, Traffic};

/// How many effects in a row may stay without an answer.
const UNANSWERED_MAX: u32 = 5;
/// How many effects in a row may be announced and not sent.
pub(super) const UNSENT_MAX: u32 = 5;
/// What AWS refused to take down is not tried again by a scheduler before this time is over.
const TRY_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);

impl Step<'_> {
    /// What AWS refused, or never answered, ends the way forward: undo before the flip, a person after it.
    pub(super) fn dealt_with_refusal(&self) -> Option<Decision> {
        let release = self.release;
        let problem = match &release.refused {
            Some(problem) => problem.clone(),
            None if release.unanswered >= UNANSWERED_MAX => self.no_answer(),
            None if release.unsent >= UNSENT_MAX => self.never_sent(),
            None => return None,
        };
        match &release.phase {
            Phase::Provisioning { .. } | Phase::Warming { .. } | Phase::Smoke | Phase::Staged => {
                Some(self.fail(problem))
            }
            Phase::Switching => match ask(self.facts, [Question::Traffic]) {
                Some(decision) => Some(decision),
                None => match self.facts.traffic.as_ref() {
                    Some(Traffic::Only { color, .. }) if *color == release.from => {
                        Some(self.may_still_land().unwrap_or_else(|| self.fail(problem)))
                    }
                    Some(Traffic::Only { .. } | Traffic::Split { .. } | Traffic::Nowhere | Traffic::Foreign { .. })
                    | None => None,
                },
            },
            Phase::RollingBack => match ask(self.facts, [Question::Traffic]) {
                Some(decision) => Some(decision),
                // A call without an answer may have done its work.
                None if self.has_all_traffic(&release.from) => None,
                None => Some(self.block(problem)),
            },
            Phase::Clearing | Phase::Aborting | Phase::Retiring => Some(self.block(problem)),
            Phase::Converging { .. }
            | Phase::Baking { .. }
            | Phase::Retaining { .. }
            | Phase::Done
            | Phase::Aborted
            | Phase::RolledBack { .. }
            | Phase::Blocked { .. } => None,
        }
    }

    /// Whether a scheduler finds leftovers that AWS would not take down, a while ago: a person must look, and nothing
    /// is written until the next try.
    pub(super) fn refused_not_long_ago(&self) -> Option<Ending> {
        let problem = self.release.refused.clone().or_else(|| {
            let unanswered = self.release.unanswered >= UNANSWERED_MAX;
            unanswered.then(|| self.no_answer())
        })?;
        self.announced_not_long_ago().then_some(Ending::Blocked(problem))
    }

    /// Whether a scheduler finds a takedown `blocked` by AWS itself, a while ago: no look shows whether it would be
    /// refused again, and a try a minute would fill the journal.
    pub(super) fn blocked_by_aws_not_long_ago(&self, blocked: &Problem) -> Option<Ending> {
        let in_vain = self.release.announced.as_ref().is_some_and(|a| a.times >= REPEATS_MAX);
        let by_aws = self.release.refused.is_some() || in_vain;
        let waits = self.cx.goal == Goal::Reconcile && by_aws && self.announced_not_long_ago();
        waits.then(|| {
            let mut problem = blocked.clone();
            problem.run.push(format!("switchback sweep {} # tries again at once", self.cx.env));
            Ending::Blocked(problem)
        })
    }

    fn announced_not_long_ago(&self) -> bool {
        self.release.announced.as_ref().is_some_and(|a| self.cx.now < a.at + TRY_AGAIN_AFTER)
    }

    pub(super) fn no_answer(&self) -> Problem {
        Problem::new(
            format!("AWS gave no answer to {} calls in a row", self.release.unanswered),
            "an answer",
            format!("switchback status {}", self.cx.env),
        )
    }

    /// Whenever something was about to be sent, something spoke against it.
    pub(super) fn never_sent(&self) -> Problem {
        let stranger = self.release.foreign.as_ref().map(|f| format!("; {}", f.saw)).unwrap_or_default();
        Problem::new(
            format!("{} calls in a row could not be sent{stranger}", self.release.unsent),
            "a world that stays as it was read until a call is sent",
            format!("switchback history {} --events", self.cx.env),
        )
    }
}
