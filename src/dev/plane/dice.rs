//! Chance for the hot path: seeded, and without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::chance::Chance;

/// Numbers that are decided by a seed and the order in which they are drawn (SplitMix64).
#[derive(Debug)]
pub(super) struct Dice(AtomicU64);

/// 2^64 divided by the golden ratio: steps of this size visit every number once.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Dice {
    pub(super) fn of(chance: &Chance) -> Self {
        Self(AtomicU64::new(chance.number()))
    }

    /// Another sequence, decided by this one.
    pub(super) fn fork(&self) -> Self {
        Self(AtomicU64::new(self.number()))
    }

    /// Any number.
    pub(super) fn number(&self) -> u64 {
        mix(self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP))
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub(super) fn below(&self, bound: u64) -> u64 {
        // The high half of the product: uniform but for a bias of bound / 2^64.
        let product = u128::from(self.number()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }
}

/// Spreads the bits of a number over all 64.
pub(super) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_face_comes_up_about_as_often_and_the_same_for_a_seed() {
        let (dice, twin) = (Dice::of(&Chance::of_seed(1)), Dice::of(&Chance::of_seed(1)));
        let mut seen = [0_u32; 6];
        for _ in 0..60_000 {
            let face = dice.below(6);
            assert_eq!(face, twin.below(6));
            seen[usize::try_from(face).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (9_500..10_500).contains(count)), "{seen:?}");
        assert_eq!(dice.below(0), 0);
    }
}
