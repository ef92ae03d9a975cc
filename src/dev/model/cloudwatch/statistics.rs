//! `GetMetricStatistics`.

use jiff::Timestamp;
use serde::Deserialize;

use super::metric::{Dimension, Metric, check_unit, invalid};
use super::query::check_period;
use super::statistic::Statistic;
use super::store::{Range, minute_of, moment_of};
use super::{Answer, Ctx};
use crate::dev::wire::{ApiError, Fields, Time, Value};

/// How many data points an answer may have.
const POINTS_MAX: i64 = 1440;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Get {
    namespace: String,
    metric_name: String,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    start_time: Time,
    end_time: Time,
    period: u32,
    #[serde(default)]
    statistics: Vec<String>,
    #[serde(default)]
    extended_statistics: Vec<String>,
    unit: Option<String>,
}

/// The minutes of a query: the start is rounded down to a whole minute, and the end is exclusive.
pub(super) fn span(start: Timestamp, end: Timestamp) -> (i64, i64) {
    let whole = minute_of(end);
    (minute_of(start), if moment_of(whole) < end { whole + 1 } else { whole })
}

pub(super) fn run(ctx: &mut Ctx<'_>, input: Get) -> Answer {
    let combination = |message: String| ApiError::new("InvalidParameterCombination", message);
    if input.start_time >= input.end_time {
        return Err(combination("The parameter StartTime must be less than the parameter EndTime.".to_owned()));
    }
    check_period(input.period)?;
    if let Some(unit) = &input.unit {
        check_unit(unit)?;
    }
    if input.statistics.is_empty() && input.extended_statistics.is_empty() {
        return Err(ApiError::new(
            "MissingParameter",
            "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
        ));
    }
    let mut statistics = Vec::new();
    for name in &input.statistics {
        let known = Statistic::simple(name);
        statistics
            .push(known.ok_or_else(|| invalid(format!("The value {name} for parameter Statistics is invalid.")))?);
    }
    let mut extended = Vec::new();
    for name in &input.extended_statistics {
        let known = Statistic::extended(name);
        extended.push((
            name.clone(),
            known.ok_or_else(|| {
                invalid(format!(
                    "The value {name} for parameter ExtendedStatistics is not supported: the dev cloud has percentiles."
                ))
            })?,
        ));
    }
    let metric = Metric::of(input.namespace, input.metric_name, input.dimensions)?;
    let (start, end) = span(input.start_time.0, input.end_time.0);
    let period = i64::from(input.period / 60);
    let wanted = (end - start + period - 1) / period;
    if wanted > POINTS_MAX {
        return Err(combination(format!(
            "You have requested up to {} datapoints, which exceeds the limit of 1,440. You may reduce the datapoints \
             requested by increasing Period, or decreasing the time range.",
            thousands(wanted)
        )));
    }
    let now = ctx.cloud.clock.now();
    let store = &mut ctx.region.cloudwatch.store;
    store.settle(now);
    let mut points = Vec::new();
    for (unit, slots) in store.sums(&metric, Range { start, end, period }) {
        if input.unit.as_deref().is_some_and(|wanted| wanted != unit) {
            continue;
        }
        for (slot, point) in slots {
            let told: Vec<_> =
                extended.iter().filter_map(|(name, statistic)| Some((name.clone(), statistic.of(&point)?))).collect();
            let mut fields = Fields::new().with("Timestamp", moment_of(slot));
            for statistic in &statistics {
                let name = match statistic {
                    Statistic::SampleCount => "SampleCount",
                    Statistic::Average => "Average",
                    Statistic::Sum => "Sum",
                    Statistic::Minimum => "Minimum",
                    Statistic::Maximum | Statistic::Percentile(_) => "Maximum",
                };
                fields = fields.with_if(name, statistic.of(&point));
            }
            fields = fields.with("Unit", unit);
            if !told.is_empty() {
                fields = fields.with("ExtendedStatistics", Value::map(told));
            }
            points.push(fields);
        }
    }
    Ok(Fields::new().with("Label", &metric.name).with("Datapoints", Value::list(points)).into())
}

/// `2880` as `2,880`.
fn thousands(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
