//! Calls that AWS refused or never answered, and calls that could not be sent: what they mean in each phase.

use super::decide::{Decision, Step, ask};
use super::{Phase, Problem, Question, Traffic};

/// How many effects in a row may stay without an answer.
const UNANSWERED_MAX: u32 = 5;
/// How many effects in a row may be announced and not sent.
pub(super) const UNSENT_MAX: u32 = 5;

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
