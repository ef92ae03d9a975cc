//! The time of day that decisions are made by: the machine's, or one that moves with tokio's paused clock.

use jiff::Timestamp;
use tokio::time::Instant;

/// Where the journal and the dev cloud get the time of day from.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    /// The machine's clock, asked every time: one that counts on from a start would stand still while a
    /// laptop sleeps, and would then write deadlines that are already past for everybody else.
    System,
    /// Counts on from a start with tokio's clock, so that a test under paused time moves it.
    Tokio { origin: Timestamp, start: Instant },
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that shows `origin` now and moves with tokio's clock; for tests under paused time.
    pub fn starting_at(origin: Timestamp) -> Self {
        Self(Source::Tokio { origin, start: Instant::now() })
    }

    /// The time, to the millisecond (finer than any two machines agree on, and shorter to read).
    pub fn now(&self) -> Timestamp {
        let exact = match &self.0 {
            Source::System => Timestamp::now(),
            Source::Tokio { origin, start } => *origin + start.elapsed(),
        };
        Timestamp::from_millisecond(exact.as_millisecond()).unwrap_or(exact)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_test_clock_moves_with_paused_time() {
        let clock = Clock::starting_at("2026-11-21T02:15:00Z".parse().unwrap());
        tokio::time::advance(Duration::from_millis(90_500)).await;
        assert_eq!(clock.now().to_string(), "2026-11-21T02:16:30.5Z");
    }
}
