//! One evaluation of one alarm: its data points, the state that follows, and the reason in AWS's words.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::alarm::{Alarm, Watch};
use super::math::{Line, Math};
use super::statistic::Statistic;
use super::store::{Range, Store, minute_of, moment_of};
use super::verdict::{Breach, EXTRA_PERIODS, Missing, State, verdict};

/// What an evaluation found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// `None` to stay in the state it is in.
    pub(super) state: Option<State>,
    pub(super) reason: String,
    pub(super) reason_data: String,
    /// The newest value that there is.
    pub(super) newest: Option<f64>,
}

/// Evaluates an alarm at `now`: over the newest whole minutes, which is why windows move on by a minute, not by a
/// period.
pub(super) fn evaluate(alarm: &Alarm, store: &Store, now: Timestamp) -> Found {
    let (needed, of) = alarm.m_of_n();
    let period = i64::from(alarm.period_seconds() / 60).max(1);
    let end = minute_of(now);
    let slots = of + EXTRA_PERIODS;
    let start = end - i64::try_from(slots).unwrap_or(i64::MAX / 1000) * period;
    let line = match values(alarm, store, (start, end), period) {
        Ok(line) => line,
        Err(reason) => {
            let reason_data = String::new();
            return Found { state: Some(State::InsufficientData), reason, reason_data, newest: None };
        }
    };
    let moments = (start..end).step_by(usize::try_from(period).unwrap_or(1));
    let points: Vec<(i64, Option<f64>)> = moments.map(|slot| (slot, line.get(&slot).copied())).collect();
    let breaches: Vec<Breach> =
        points.iter().map(|(_, value)| value.map(|value| alarm.comparison.breaches(value, alarm.threshold))).collect();
    let missing = alarm.missing.unwrap_or_default();
    let mut state = verdict(&breaches, (needed, of), missing);
    if alarm.ignore_low_samples && too_few_samples(alarm, store, (end - i64::try_from(of).unwrap_or(0) * period, end)) {
        state = None;
    }
    let mut evaluated: Vec<(i64, f64)> = points.iter().filter_map(|(slot, value)| Some((*slot, (*value)?))).collect();
    evaluated.drain(..evaluated.len().saturating_sub(of));
    let newest = evaluated.last().map(|(_, value)| *value);
    let reason = state.map(|state| reason(alarm, state, &evaluated)).unwrap_or_default();
    Found { state, reason, reason_data: data(alarm, &evaluated, (start, now)), newest }
}

fn values(alarm: &Alarm, store: &Store, span: (i64, i64), period: i64) -> Result<Line, String> {
    match &alarm.watch {
        Watch::Metric { metric, statistic, unit, .. } => {
            let points = store.sum(metric, unit.as_deref(), Range { start: span.0, end: span.1, period });
            Ok(points.into_iter().filter_map(|(slot, point)| Some((slot, statistic.of(&point)?))).collect())
        }
        Watch::Math { queries } => match queries.iter().find(|query| query.returned) {
            Some(query) => Math::new(store, queries, span).line(query).map_err(|error| error.message),
            None => Err("no query of the alarm returns data".to_owned()),
        },
    }
}

/// Whether a percentile says little: below 10 / (1 - p) samples, or 10 / p for p below a half.
fn too_few_samples(alarm: &Alarm, store: &Store, (start, end): (i64, i64)) -> bool {
    let Watch::Metric { metric, statistic: Statistic::Percentile(percent), unit, .. } = &alarm.watch else {
        return false;
    };
    let share = percent / 100.0;
    let enough = if share >= 0.5 { 10.0 / (1.0 - share) } else { 10.0 / share };
    let points = store.sum(metric, unit.as_deref(), Range { start, end, period: (end - start).max(1) });
    points.values().filter_map(|point| Statistic::SampleCount.of(point)).sum::<f64>() < enough
}

fn reason(alarm: &Alarm, state: State, evaluated: &[(i64, f64)]) -> String {
    let (needed, of) = alarm.m_of_n();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let was = |count: usize| if count == 1 { "was" } else { "were" };
    if evaluated.is_empty() {
        let treated = match alarm.missing.unwrap_or_default() {
            Missing::Breaching => "Breaching",
            Missing::NotBreaching => "NonBreaching",
            Missing::Ignore | Missing::Missing => {
                return format!("Insufficient Data: {of} datapoint{} {} unknown.", plural(of), was(of));
            }
        };
        return format!(
            "Threshold Crossed: no datapoints were received for {of} period{s} and {of} missing datapoint{s} {was} treated \
             as [{treated}].",
            s = plural(of),
            was = was(of),
        );
    }
    let breaching = |value: &f64| alarm.comparison.breaches(*value, alarm.threshold);
    let alarmed = state == State::Alarm;
    let told: Vec<_> = evaluated.iter().rev().filter(|(_, value)| breaching(value) == alarmed).collect();
    let told = if told.is_empty() { evaluated.iter().rev().collect() } else { told };
    let mut values = String::new();
    for (slot, value) in &told {
        let separator = if values.is_empty() { "" } else { ", " };
        let at = moment_of(*slot).to_zoned(TimeZone::UTC).strftime("%d/%m/%y %H:%M:%S");
        write!(values, "{separator}{value:?} ({at})").expect("writing to memory cannot fail");
    }
    let (count, not) = (told.len(), if alarmed { "" } else { "not " });
    let minimum = if alarmed { needed } else { of - needed + 1 };
    let transition = if alarmed { "OK -> ALARM" } else { "ALARM -> OK" };
    format!(
        "Threshold Crossed: {count} out of the last {of} datapoints [{values}] {} {not}{} the threshold ({:?}) (minimum \
         {minimum} datapoint{} for {transition} transition).",
        was(count),
        alarm.comparison.words(),
        alarm.threshold,
        plural(minimum),
    )
}

fn data(alarm: &Alarm, evaluated: &[(i64, f64)], (start, now): (i64, Timestamp)) -> String {
    let date = |moment: Timestamp| moment.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string();
    let start = evaluated.first().map_or(start, |(slot, _)| *slot);
    let mut data = serde_json::json!({
        "version": "1.0",
        "queryDate": date(now),
        "startDate": date(moment_of(start)),
        "period": alarm.period_seconds(),
        "recentDatapoints": evaluated.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
        "threshold": alarm.threshold,
        "evaluatedDatapoints": evaluated.iter().rev()
            .map(|(slot, value)| serde_json::json!({ "timestamp": date(moment_of(*slot)), "value": value }))
            .collect::<Vec<_>>(),
    });
    if let Watch::Metric { statistic, .. } = &alarm.watch {
        data["statistic"] = statistic.to_string().into();
    }
    data.to_string()
}
