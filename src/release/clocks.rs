//! Times written by another machine's clock: taken in so that a clock that is wrong never shortens a wait.

use jiff::{SignedDuration, Timestamp};

use super::{Phase, State};

/// How far the clocks of two machines that work on one environment may be apart. Safety does not rest on it where a
/// wait can be measured on one's own clock; where it cannot (what happened before this run began), this much is added.
pub const CLOCKS_APART_MAX: SignedDuration = SignedDuration::from_secs(120);

impl State {
    /// The state as a run takes it in that reads it at `now`, by its own clock.
    ///
    /// Every time that a wait counts from was written by some other clock. It becomes the latest moment at which it can
    /// have been by the reader's: [`CLOCKS_APART_MAX`] later, but not after the reading. So a quiet time is never
    /// shortened by another machine's clock, and lengthened by two minutes at most.
    #[must_use]
    pub fn read_at(mut self, now: Timestamp) -> Self {
        let latest = |written: Timestamp| match now.duration_since(written) > CLOCKS_APART_MAX {
            true => written + CLOCKS_APART_MAX,
            false => now,
        };
        if let Some(release) = &mut self.release {
            release.phase.count_from(latest);
            if let Some(announced) = &mut release.announced {
                announced.at = latest(announced.at);
            }
            if let Some(accepted) = &mut release.accepted {
                accepted.at = latest(accepted.at);
            }
        }
        self.carried.values_mut().for_each(|at| *at = latest(*at));
        if let Some(spreading) = &mut self.spreading {
            spreading.since = latest(spreading.since);
            spreading.synced = spreading.synced.map(latest);
        }
        self
    }

    /// None of the calls that were announced so far can land any more: whoever took over has waited for that, on its
    /// own clock.
    pub fn nothing_can_land(&mut self) {
        self.late_until = None;
        self.pending = None;
    }
}

impl Phase {
    /// Changes the time that the phase counts from. When a color expires stays as it is: that is a time of day.
    fn count_from(&mut self, change: impl Fn(Timestamp) -> Timestamp) {
        match self {
            Self::Provisioning { since }
            | Self::Warming { since }
            | Self::Converging { since }
            | Self::Baking { since } => *since = change(*since),
            Self::Blocked { at, .. } => at.count_from(change),
            Self::Clearing
            | Self::Smoke
            | Self::Staged
            | Self::Switching
            | Self::Retaining { .. }
            | Self::Retiring
            | Self::Done
            | Self::Aborting
            | Self::Aborted
            | Self::RollingBack
            | Self::RolledBack { .. } => {}
        }
    }
}
