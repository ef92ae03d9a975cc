//! What health checks have found of a target, and how each further check changes it. Nothing here knows the time, the
//! network or who asks.

use serde::{Deserialize, Serialize};

use crate::dev::plane::{ProbeResult, TargetState};

/// What the checks of a target in use have found so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    health: Health,
    /// Checks in a row that spoke against the present health.
    against: u32,
}

/// Whether a target gets requests, as far as its checks are concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Health {
    /// No check has passed yet, and not enough have failed.
    Initial,
    Healthy,
    Unhealthy(Failure),
}

/// Why the last check failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    /// AWS's words.
    pub(super) words: String,
}

/// AWS's reasons for `unhealthy`, as far as a target is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Reason {
    ResponseCodeMismatch,
    Timeout,
    FailedHealthChecks,
}

/// How many checks in a row change a target's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thresholds {
    pub(super) healthy: u32,
    pub(super) unhealthy: u32,
}

impl Reason {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ResponseCodeMismatch => "Target.ResponseCodeMismatch",
            Self::Timeout => "Target.Timeout",
            Self::FailedHealthChecks => "Target.FailedHealthChecks",
        }
    }
}

impl Failure {
    /// What a check of a target says about it; `None` where it passed.
    pub(super) fn of(result: &ProbeResult) -> Option<Self> {
        let reason = match result {
            ProbeResult::Passed => return None,
            ProbeResult::Mismatch(_) | ProbeResult::GrpcMismatch(_) => Reason::ResponseCodeMismatch,
            ProbeResult::TimedOut => Reason::Timeout,
            ProbeResult::Failed(_) => Reason::FailedHealthChecks,
        };
        Some(Self { reason, words: result.description().unwrap_or_default() })
    }

    /// A Network Load Balancer has one reason for everything.
    pub(super) fn of_network(self) -> Self {
        Self { reason: Reason::FailedHealthChecks, words: "Health checks failed".to_owned() }
    }
}

impl Record {
    /// Of a target that was never checked.
    pub(super) const fn new() -> Self {
        Self { health: Health::Initial, against: 0 }
    }

    pub(super) const fn health(&self) -> &Health {
        &self.health
    }

    /// What this means to the data plane.
    pub(super) const fn state(&self) -> TargetState {
        match self.health {
            Health::Initial => TargetState::Initial,
            Health::Healthy => TargetState::Healthy,
            Health::Unhealthy(_) => TargetState::Unhealthy,
        }
    }

    /// Takes the result of one more check; whether the state has changed with it.
    pub(super) fn observe(&mut self, failure: Option<Failure>, thresholds: Thresholds) -> bool {
        let before = self.state();
        match (&self.health, failure) {
            // One is enough for a new target; the threshold is for those that were unhealthy.
            (Health::Initial, None) => self.become_(Health::Healthy),
            (Health::Healthy, None) => self.against = 0,
            (Health::Unhealthy(_), None) => {
                self.against += 1;
                if self.against >= thresholds.healthy {
                    self.become_(Health::Healthy);
                }
            }
            (Health::Initial | Health::Healthy, Some(failure)) => {
                self.against += 1;
                if self.against >= thresholds.unhealthy {
                    self.become_(Health::Unhealthy(failure));
                }
            }
            (Health::Unhealthy(_), Some(failure)) => self.become_(Health::Unhealthy(failure)),
        }
        self.state() != before
    }

    fn become_(&mut self, health: Health) {
        (self.health, self.against) = (health, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds { healthy: 3, unhealthy: 2 };

    /// The state after each of these checks: `+` passed, `-` failed.
    fn states(checks: &str) -> String {
        let mut record = Record::new();
        checks
            .chars()
            .map(|check| {
                let failure = Failure { reason: Reason::Timeout, words: String::new() };
                record.observe((check == '-').then_some(failure), THRESHOLDS);
                match record.health() {
                    Health::Initial => 'i',
                    Health::Healthy => 'h',
                    Health::Unhealthy(_) => 'u',
                }
            })
            .collect()
    }

    #[test]
    fn one_pass_makes_a_new_target_healthy_whatever_the_threshold() {
        assert_eq!(states("+"), "h");
        assert_eq!(states("-+"), "ih", "also after a failure");
    }

    #[test]
    fn failures_in_a_row_make_it_unhealthy_and_a_pass_between_them_starts_the_count_again() {
        assert_eq!(states("--"), "iu");
        assert_eq!(states("+-+-+--"), "hhhhhhu");
    }

    #[test]
    fn recovery_takes_as_many_passes_in_a_row_as_the_threshold_says() {
        assert_eq!(states("--+++"), "iuuuh");
        assert_eq!(states("--++-+++"), "iuuuuuuh");
    }
}
