//! The points of all metrics of one region: when they become visible, how long they are kept, and sums over periods.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::metric::Metric;
use super::point::Point;

/// How long points of one minute are kept. AWS keeps sums over 5 minutes for 63 days and over an hour for 455; we do
/// not.
const KEPT_MINUTES: i64 = 15 * 24 * 60;
/// How long a metric without new points is listed.
const LISTED: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How many numbers all points of a region may take; the oldest minutes go first. About 100 MB.
const WEIGHT_MAX: usize = 8_000_000;

/// All points of one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Store {
    /// By [`Metric::key`].
    series: BTreeMap<String, Series>,
    /// Published, but not yet to be seen.
    pending: Vec<Pending>,
    weight: usize,
}

/// One metric.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Series {
    pub(super) metric: Metric,
    /// When its first point could be seen.
    pub(super) since: Timestamp,
    /// When its newest point could be seen.
    pub(super) updated: Timestamp,
    /// By unit and minute since 1970.
    points: BTreeMap<String, BTreeMap<i64, Point>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Pending {
    due: Timestamp,
    metric: Metric,
    unit: String,
    minute: i64,
    point: Point,
}

/// A query for sums over periods.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    /// The first minute.
    pub(super) start: i64,
    /// The minute after the last one.
    pub(super) end: i64,
    /// In minutes.
    pub(super) period: i64,
}

impl Range {
    /// The period that a minute lies in.
    fn slot(self, minute: i64) -> i64 {
        self.start + (minute - self.start).div_euclid(self.period) * self.period
    }
}

/// The minute since 1970 that a moment lies in.
pub(super) fn minute_of(moment: Timestamp) -> i64 {
    moment.as_second().div_euclid(60)
}

/// When a minute since 1970 begins.
pub(super) fn moment_of(minute: i64) -> Timestamp {
    // Minutes come from moments, and so fit them again.
    Timestamp::from_second(minute.saturating_mul(60)).unwrap_or(Timestamp::MAX)
}

impl Store {
    /// Adds samples of the minute that `at` lies in. They can be seen from `due` on.
    pub(super) fn add(&mut self, metric: Metric, unit: &str, at: Timestamp, point: Point, due: Timestamp) {
        if !point.is_empty() {
            self.pending.push(Pending { due, metric, unit: unit.to_owned(), minute: minute_of(at), point });
        }
    }

    /// Makes visible what is due.
    pub(super) fn settle(&mut self, now: Timestamp) {
        let due: Vec<_> = self.pending.extract_if(.., |pending| pending.due <= now).collect();
        for Pending { due, metric, unit, minute, point } in due {
            let series = self.series.entry(metric.key()).or_insert_with(|| Series {
                metric,
                since: due,
                updated: due,
                points: BTreeMap::new(),
            });
            series.updated = series.updated.max(due);
            let kept = series.points.entry(unit).or_default().entry(minute).or_default();
            self.weight -= if kept.is_empty() { 0 } else { kept.weight() };
            kept.merge(&point);
            self.weight += kept.weight();
        }
    }

    /// Forgets what is too old or too much. Takes a look at every metric, so not for every call.
    pub(super) fn prune(&mut self, now: Timestamp) {
        let mut oldest = minute_of(now) - KEPT_MINUTES;
        if self.weight > WEIGHT_MAX {
            let mut weights = BTreeMap::<i64, usize>::new();
            for (minute, point) in self.series.values().flat_map(|series| series.points.values().flatten()) {
                *weights.entry(*minute).or_default() += point.weight();
            }
            let mut over = self.weight - WEIGHT_MAX;
            for (minute, weight) in weights {
                oldest = oldest.max(minute + 1);
                if weight >= over {
                    break;
                }
                over -= weight;
            }
        }
        for series in self.series.values_mut() {
            for points in series.points.values_mut() {
                let kept = points.split_off(&oldest);
                self.weight -= std::mem::replace(points, kept).values().map(Point::weight).sum::<usize>();
            }
            series.points.retain(|_, points| !points.is_empty());
        }
        self.series.retain(|_, series| !series.points.is_empty() || now.duration_since(series.updated) < LISTED);
    }

    /// Sums over periods by unit; a period without samples is left out.
    pub(super) fn sums(&self, metric: &Metric, range: Range) -> BTreeMap<&str, BTreeMap<i64, Point>> {
        let mut sums = BTreeMap::new();
        let Some(series) = self.series.get(&metric.key()) else { return sums };
        if range.start >= range.end {
            return sums;
        }
        for (unit, points) in &series.points {
            let mut slots = BTreeMap::<i64, Point>::new();
            for (minute, point) in points.range(range.start..range.end) {
                slots.entry(range.slot(*minute)).or_default().merge(point);
            }
            if !slots.is_empty() {
                sums.insert(unit.as_str(), slots);
            }
        }
        sums
    }

    /// The same for one unit, or for all of them together.
    pub(super) fn sum(&self, metric: &Metric, unit: Option<&str>, range: Range) -> BTreeMap<i64, Point> {
        let mut all = BTreeMap::<i64, Point>::new();
        for (_, slots) in self.sums(metric, range).into_iter().filter(|(of, _)| unit.is_none_or(|unit| unit == *of)) {
            for (slot, point) in slots {
                all.entry(slot).or_default().merge(&point);
            }
        }
        all
    }

    /// All metrics that had points lately, in the order of namespace, name and dimensions.
    pub(super) fn listed(&self, now: Timestamp) -> impl Iterator<Item = &Series> {
        self.series.values().filter(move |series| now.duration_since(series.updated) < LISTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-21T{text}Z").parse().unwrap()
    }

    fn metric(name: &str) -> Metric {
        Metric::new("Test", name, [("Color", "blue")])
    }

    fn range(start: &str, end: &str, period: i64) -> Range {
        Range { start: minute_of(at(start)), end: minute_of(at(end)), period }
    }

    #[test]
    fn points_are_seen_when_they_are_due_and_add_up_within_their_minute() {
        let mut store = Store::default();
        store.add(metric("a"), "Count", at("05:00:10"), Point::of(1.0), at("05:01:00"));
        store.add(metric("a"), "Count", at("05:00:50"), Point::of(3.0), at("05:02:00"));
        let sum = |store: &Store| store.sum(&metric("a"), None, range("05:00:00", "05:10:00", 1));
        store.settle(at("05:00:59"));
        assert!(sum(&store).is_empty());
        store.settle(at("05:01:00"));
        assert_eq!(sum(&store)[&minute_of(at("05:00:00"))].sum, 1.0, "the newest minute is incomplete");
        store.settle(at("05:02:00"));
        assert_eq!(sum(&store)[&minute_of(at("05:00:00"))].sum, 4.0);
        assert_eq!(store.listed(at("05:03:00")).count(), 1);
    }

    #[test]
    fn periods_begin_at_the_start_of_the_query_and_the_end_is_exclusive() {
        let mut store = Store::default();
        for minute in 0..10 {
            let at = at("05:00:00") + SignedDuration::from_mins(minute);
            store.add(metric("a"), "Count", at, Point::of(1.0), at);
        }
        store.settle(at("06:00:00"));
        let sums = store.sum(&metric("a"), Some("Count"), range("05:01:00", "05:08:00", 5));
        let told: Vec<_> = sums.iter().map(|(slot, point)| (slot - minute_of(at("05:00:00")), point.sum)).collect();
        assert_eq!(told, [(1, 5.0), (6, 2.0)]);
        assert!(store.sum(&metric("a"), Some("Bytes"), range("05:01:00", "05:08:00", 5)).is_empty());
        assert!(store.sum(&metric("b"), None, range("05:01:00", "05:08:00", 5)).is_empty());
    }

    #[test]
    fn points_go_after_fifteen_days_and_weight_is_counted_right() {
        let mut store = Store::default();
        let values = (1..50).map(|value| (f64::from(value), 1.0));
        store.add(metric("a"), "Count", at("05:00:00"), Point::counted(values), at("05:00:00"));
        store.add(metric("a"), "Count", at("05:00:00"), Point::of(7.5), at("05:00:00"));
        store.settle(at("05:00:00"));
        assert!(store.weight > 100);
        store.prune(at("05:00:00") + SignedDuration::from_hours(15 * 24));
        assert!(store.weight > 100);
        store.prune(at("05:01:00") + SignedDuration::from_hours(15 * 24));
        assert_eq!((store.weight, store.series.len()), (0, 0));
    }
}
