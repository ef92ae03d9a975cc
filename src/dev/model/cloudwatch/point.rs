//! What is known of one metric in one minute: a statistic set, and where it can be told, the values themselves.

use serde::{Deserialize, Serialize};

/// How many different values a point keeps exactly; with more of them, values that are close become one.
const VALUES_MAX: usize = 200;

/// One or more samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// How many samples.
    pub(super) count: f64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// Values in ascending order, and how often each was seen.
    values: Vec<(f64, f64)>,
}

impl Point {
    /// One sample.
    pub(crate) fn of(value: f64) -> Self {
        Self::counted([(value, 1.0)])
    }

    /// Samples, each seen so often.
    pub(crate) fn counted(samples: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut point = Self::default();
        for (value, count) in samples {
            if count > 0.0 {
                point.merge(&Self { count, sum: value * count, min: value, max: value, values: vec![(value, count)] });
            }
        }
        point
    }

    /// A statistic set. Its values are not known, unless there was only one.
    pub(super) fn set(count: f64, sum: f64, (min, max): (f64, f64)) -> Self {
        #[expect(clippy::float_cmp, reason = "a set of one value says the same number twice")]
        let one = min == max || count == 1.0;
        Self { count, sum, min, max, values: if one { vec![(min, count)] } else { Vec::new() } }
    }

    /// Whether there is no sample.
    pub(super) fn is_empty(&self) -> bool {
        self.count <= 0.0
    }

    /// Adds the samples of another point.
    pub(super) fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        (self.min, self.max) =
            if self.is_empty() { (other.min, other.max) } else { (self.min.min(other.min), self.max.max(other.max)) };
        self.count += other.count;
        self.sum += other.sum;
        for (value, count) in &other.values {
            match self.values.binary_search_by(|(known, _)| known.total_cmp(value)) {
                Ok(at) => self.values[at].1 += count,
                Err(at) => self.values.insert(at, (*value, *count)),
            }
        }
        let mut width = 0.005;
        while self.values.len() > VALUES_MAX {
            self.coarsen(width);
            width *= 2.0;
        }
    }

    /// Makes one of values that differ by less than this share of themselves.
    fn coarsen(&mut self, width: f64) {
        let step = width.ln_1p();
        let bucket = |value: f64| {
            if value == 0.0 { 0.0 } else { ((value.abs().ln() / step).round() * step).exp().copysign(value) }
        };
        let mut coarse: Vec<(f64, f64)> = Vec::with_capacity(VALUES_MAX);
        for (value, count) in self.values.drain(..) {
            let value = bucket(value).clamp(self.min, self.max);
            match coarse.last_mut() {
                Some((last, counted)) if last.total_cmp(&value).is_eq() => *counted += count,
                _ => coarse.push((value, count)),
            }
        }
        self.values = coarse;
    }

    /// The value that this share (in percent) of the samples does not exceed; `None` where the values are not known, or
    /// some are negative, as on AWS.
    pub(super) fn percentile(&self, percent: f64) -> Option<f64> {
        let known: f64 = self.values.iter().map(|(_, count)| count).sum();
        if self.is_empty() || self.min < 0.0 || (known - self.count).abs() > self.count * 1e-9 {
            return None;
        }
        let wanted = self.count * percent / 100.0;
        let mut seen = 0.0;
        let reached = self.values.iter().find(|(_, count)| {
            seen += count;
            seen >= wanted - 1e-9
        });
        reached.or(self.values.last()).map(|(value, _)| *value)
    }

    /// How much memory it takes, in numbers.
    pub(super) fn weight(&self) -> usize {
        6 + 2 * self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentiles_count_samples_and_need_the_values() {
        let point = Point::counted((1..=100).map(|value| (f64::from(value), 1.0)));
        assert_eq!((point.count, point.sum, point.min, point.max), (100.0, 5050.0, 1.0, 100.0));
        assert_eq!(
            [50.0, 99.0, 100.0, 0.0].map(|percent| point.percentile(percent)),
            [50.0, 99.0, 100.0, 1.0].map(Some)
        );
        let mut mixed = Point::set(3.0, 6.0, (1.0, 3.0));
        assert_eq!(mixed.percentile(50.0), None, "a statistic set does not tell its values");
        mixed.merge(&Point::of(2.0));
        assert_eq!(mixed.percentile(50.0), None);
        assert_eq!(Point::set(4.0, 8.0, (2.0, 2.0)).percentile(99.0), Some(2.0), "all four were 2");
        assert_eq!(
            Point::counted([(-1.0, 1.0), (5.0, 1.0)]).percentile(50.0),
            None,
            "AWS has none with negative values"
        );
    }

    proptest! {
        #[test]
        fn a_point_of_many_values_stays_small_and_its_percentiles_close(
            values in prop::collection::vec(0.001..1000.0_f64, 300..900), percent in 1.0..100.0_f64
        ) {
            let point = Point::counted(values.iter().map(|value| (*value, 1.0)));
            prop_assert!(point.values.len() <= VALUES_MAX);
            let mut sorted = values;
            sorted.sort_by(f64::total_cmp);
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss,
                reason = "small positive numbers")]
            let exact = sorted[((sorted.len() as f64 * percent / 100.0 - 1e-9).ceil() as usize).max(1) - 1];
            let told = point.percentile(percent).unwrap();
            prop_assert!((told / exact - 1.0).abs() < 0.15, "{told} for {exact}");
        }
    }
}
