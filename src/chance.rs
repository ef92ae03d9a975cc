//! Randomness that a test owns: the same seed gives the same ids, choices and delays.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A source of randomness. Clones draw from the same sequence; [`Chance::fork`] starts another one.
#[derive(Debug, Clone)]
pub struct Chance(Arc<Mutex<StdRng>>);

impl Chance {
    /// The sequence of `seed`.
    pub fn of_seed(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// A sequence that nobody can tell beforehand.
    pub fn unseeded() -> Self {
        Self::of_seed(rand::random())
    }

    /// A new sequence, decided by this one: what draws from it does not shift the draws of others.
    pub fn fork(&self) -> Self {
        Self::of_seed(self.number())
    }

    /// Any number.
    pub fn number(&self) -> u64 {
        self.draw(|rng| rng.random())
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.draw(|rng| rng.random_range(0..bound)) }
    }

    /// Whether something happens that has this probability, from 0 to 1.
    pub fn happens(&self, probability: f64) -> bool {
        self.draw(|rng| rng.random_bool(probability.clamp(0.0, 1.0)))
    }

    /// A time from zero to `most`, to the microsecond.
    pub fn up_to(&self, most: Duration) -> Duration {
        let most_us = u64::try_from(most.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.below(most_us + 1))
    }

    /// `i-0123456789abcdef0`: a prefix and 17 hexadecimal digits.
    pub(crate) fn resource_id(&self, prefix: &str) -> String {
        format!("{prefix}-0{:016x}", self.number())
    }

    /// The 16 hexadecimal digits at the end of ELBv2's ARNs.
    pub(crate) fn arn_suffix(&self) -> String {
        format!("{:016x}", self.number())
    }

    fn draw<T>(&self, from: impl FnOnce(&mut StdRng) -> T) -> T {
        from(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_sequence_and_a_fork_does_not_disturb_it() {
        let (one, other) = (Chance::of_seed(7), Chance::of_seed(7));
        let (fork, twin) = (one.fork(), other.fork());
        fork.number();
        assert_eq!(one.resource_id("i"), other.resource_id("i"));
        assert_ne!(fork.number(), twin.number(), "the fork is one draw ahead of its twin");
        assert_ne!(Chance::of_seed(8).number(), Chance::of_seed(7).number());
    }

    #[test]
    fn bounds_hold() {
        let chance = Chance::of_seed(1);
        assert_eq!(chance.below(0), 0);
        assert!((0..1000).all(|_| chance.below(3) < 3));
        assert!((0..1000).all(|_| chance.up_to(Duration::from_millis(2)) <= Duration::from_millis(2)));
        assert!(!chance.happens(0.0) && chance.happens(1.0));
    }
}
