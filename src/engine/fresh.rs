//! How old the facts are that the next step rests on.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// After this time a fact is asked again before anything rests on it.
const FRESH: Duration = Duration::from_secs(10);

/// When a look began, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) instant: Instant,
    pub(super) at: Timestamp,
}

/// The age of a run's facts.
///
/// The time that looking took does not count: where AWS answers slowly, a fact that is asked again is no fresher, and a
/// rollback that waited for a quicker answer would wait for ever.
#[derive(Debug, Default)]
pub(super) struct Age {
    since: Option<(Instant, Duration)>,
    as_of: Option<Timestamp>,
}

impl Age {
    /// A look that began then has just ended. The age is that of the oldest look since [`Age::forget`].
    pub(super) fn looked(&mut self, began: Moment) {
        let (_, looking) = self.since.get_or_insert((began.instant, Duration::ZERO));
        *looking += began.instant.elapsed();
        self.as_of.get_or_insert(began.at);
    }

    /// The time of day at which the oldest look began: what the facts show was so then, and may not be so now. So
    /// whatever is concluded from them is concluded as of then.
    pub(super) fn as_of(&self) -> Option<Timestamp> {
        self.as_of
    }

    /// Whether something may rest on the facts; nothing is as fresh as no fact.
    pub(super) fn is_fresh(&self) -> bool {
        self.since.is_none_or(|(began, looking)| began.elapsed() < FRESH + looking)
    }

    /// The facts are gone.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    async fn look(age: &mut Age, takes: u64) {
        let began = Moment { instant: Instant::now(), at: Timestamp::UNIX_EPOCH };
        advance(Duration::from_secs(takes)).await;
        age.looked(began);
    }

    #[tokio::test(start_paused = true)]
    async fn facts_get_old_with_time_and_young_again_when_they_are_asked_anew() {
        let mut age = Age::default();
        look(&mut age, 0).await;
        advance(Duration::from_secs(9)).await;
        look(&mut age, 0).await;
        assert!(age.is_fresh());
        advance(Duration::from_secs(1)).await;
        assert!(!age.is_fresh(), "the oldest look counts");
        age.forget();
        look(&mut age, 0).await;
        assert!(age.is_fresh());
    }

    #[tokio::test(start_paused = true)]
    async fn facts_of_slow_looks_are_fresh_when_the_last_of_them_ends() {
        let mut age = Age::default();
        look(&mut age, 12).await;
        look(&mut age, 30).await;
        assert!(age.is_fresh());
        advance(Duration::from_secs(10)).await;
        assert!(!age.is_fresh());
    }
}
