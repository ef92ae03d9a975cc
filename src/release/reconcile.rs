//! What `reconcile` does in each phase.

use super::decide::{Decision, Ending, Step};
use super::{Event, Phase};
use crate::planted::{Bug, bug};

impl Step<'_> {
    /// Where `reconcile` leaves the way of a deploy; `None` where it goes that way.
    pub(super) fn reconcile(&self) -> Option<Decision> {
        match &self.release.phase {
            Phase::Retaining { until } | Phase::RolledBack { until }
                if self.cx.now >= *until || bug(Bug::RetireAtOnce) =>
            {
                Some(Decision::Record(Event::RetirementStarted))
            }
            Phase::Retaining { .. } | Phase::RolledBack { .. } | Phase::Done | Phase::Aborted => {
                Some(self.leftovers().unwrap_or_else(|| Decision::Stop(self.settled())))
            }
            Phase::Blocked { .. } => self.sweep(),
            Phase::Clearing
            | Phase::Provisioning { .. }
            | Phase::Warming { .. }
            | Phase::Smoke
            | Phase::Staged
            | Phase::Switching
            | Phase::Converging { .. }
            | Phase::Baking { .. }
            | Phase::Retiring
            | Phase::Aborting
            | Phase::RollingBack => None,
        }
    }

    /// How a run ends that has nothing left to do: a failure is told once, by the run that has dealt with it.
    fn settled(&self) -> Ending {
        let release = self.release;
        let failure = release.failure.clone().filter(|_| self.cx.acted && !self.cx.found_settled);
        match (&release.phase, failure) {
            (Phase::Aborted, Some(problem)) => Ending::Failed(problem),
            (Phase::RolledBack { .. }, Some(problem)) => Ending::MovedBack(problem),
            _ if self.cx.acted => Ending::Done,
            (Phase::Retaining { until } | Phase::RolledBack { until }, _) => {
                Ending::Nothing(format!("{} is kept until {until}", release.idle()))
            }
            _ => Ending::Nothing(format!("release {} is {}", release.id, release.phase.name())),
        }
    }
}
