//! When a run ends although there is something left to wait for: `reconcile`, and a deploy that detaches.

use jiff::{SignedDuration, Timestamp};

use super::decide::{Decision, Ending, Goal, Step};
use super::{Event, Phase};

/// A wait that ends later than this is left to the next run.
const NEAR: SignedDuration = SignedDuration::from_mins(1);
/// After this time a run also leaves a wait of which nobody can tell when it ends, such as draining.
const LINGER: SignedDuration = SignedDuration::from_mins(5);

impl Step<'_> {
    /// The wait; or the end of a run that need not stay for it, because the next one can go on from the journal.
    pub(super) fn wait_or_leave(&self, reason: String, until: Option<Timestamp>) -> Decision {
        if !self.may_leave(until) || self.counts_looks() {
            return Decision::Wait { reason, until };
        }
        if let Some(synced) = self.unrecorded_synced() {
            return Decision::Record(synced);
        }
        let reason = format!("{}: {reason}", self.release.phase.name());
        Decision::Stop(Ending::Later { reason, next: until })
    }

    fn may_leave(&self, until: Option<Timestamp>) -> bool {
        let cx = self.cx;
        let far = until.is_some_and(|until| until > cx.now + NEAR);
        let only_time = match &self.release.phase {
            Phase::Baking { .. } => far,
            // Resolvers have to forget; whatever else convergence waits for is looked for without a break.
            Phase::Converging { .. } => far && !cx.policy.ttl.is_zero(),
            Phase::Clearing
            | Phase::Provisioning { .. }
            | Phase::Warming { .. }
            | Phase::Smoke
            | Phase::Staged
            | Phase::Switching
            | Phase::Retaining { .. }
            | Phase::Retiring
            | Phase::Done
            | Phase::Aborting
            | Phase::Aborted
            | Phase::RollingBack
            | Phase::RolledBack { .. }
            | Phase::Blocked { .. } => false,
        };
        match cx.goal {
            Goal::Deploy => cx.detach && only_time,
            Goal::Reconcile => only_time || (self.takes_something_down() && (far || cx.now > cx.began + LINGER)),
            Goal::Rollback { .. } | Goal::Abort | Goal::Sweep | Goal::Adopt => false,
        }
    }

    fn takes_something_down(&self) -> bool {
        self.release.phase.takes_down() || self.state.leftovers.is_some()
    }

    /// Whether a streak of looks has begun that the next run would have to begin again.
    fn counts_looks(&self) -> bool {
        match &self.release.phase {
            Phase::Converging { since } => {
                let quiet_ends = self.memory.new_since().map(|t| t.max(*since) + self.cx.policy.quiet);
                self.sick_looks() > 0 || quiet_ends.is_some_and(|ends| self.cx.now < ends)
            }
            Phase::Baking { .. } => self.sick_looks() > 0,
            Phase::Clearing | Phase::Aborting | Phase::Retiring => self.memory.unclear() > 0,
            Phase::Provisioning { .. }
            | Phase::Warming { .. }
            | Phase::Smoke
            | Phase::Staged
            | Phase::Switching
            | Phase::Retaining { .. }
            | Phase::Done
            | Phase::Aborted
            | Phase::RollingBack
            | Phase::RolledBack { .. }
            | Phase::Blocked { .. } => false,
        }
    }

    /// Since when the last DNS change is known to have reached every authoritative server.
    pub(super) fn synced_since(&self) -> Option<Timestamp> {
        self.state.spreading.as_ref().and_then(|s| s.synced).or_else(|| self.memory.synced_since())
    }

    /// What this run alone knows of the last DNS change, for the runs to come.
    fn unrecorded_synced(&self) -> Option<Event> {
        let spreading = self.state.spreading.as_ref()?;
        (spreading.synced.is_none() && self.memory.synced_since().is_some()).then_some(Event::Synced)
    }
}
