//! `PutMetricData`.

use jiff::SignedDuration;
use serde::Deserialize;

use super::metric::{Dimension, Metric, check_unit, invalid};
use super::point::Point;
use super::{Answer, Ctx};
use crate::dev::wire::{ApiError, Fields, Time};

/// How many metrics a call may carry.
const DATA_MAX: usize = 1000;
/// How many different values a metric of a call may have.
const VALUES_MAX: usize = 150;
/// Values must lie between minus this and this: 2^360.
const VALUE_MAX: f64 = 2.348_542_582_773_833_3e108;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Put {
    namespace: String,
    #[serde(default)]
    metric_data: Vec<Datum>,
    #[serde(default, rename = "StrictEntityValidation")]
    _strict_entity_validation: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Datum {
    metric_name: String,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    timestamp: Option<Time>,
    value: Option<f64>,
    statistic_values: Option<StatisticSet>,
    #[serde(default)]
    values: Vec<f64>,
    #[serde(default)]
    counts: Vec<f64>,
    unit: Option<String>,
    storage_resolution: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct StatisticSet {
    sample_count: f64,
    sum: f64,
    minimum: f64,
    maximum: f64,
}

pub(super) fn run(ctx: &mut Ctx<'_>, input: Put) -> Answer {
    let now = ctx.cloud.clock.now();
    if input.namespace.to_ascii_uppercase().starts_with("AWS/") {
        return Err(invalid("The value AWS/ for parameter Namespace is invalid."));
    }
    if input.metric_data.is_empty() {
        return Err(ApiError::new("MissingParameter", "The parameter MetricData is required."));
    }
    if input.metric_data.len() > DATA_MAX {
        return Err(invalid(format!("The collection MetricData must not have a size greater than {DATA_MAX}.")));
    }
    let mut points = Vec::with_capacity(input.metric_data.len());
    for (index, datum) in input.metric_data.into_iter().enumerate() {
        let place = format!("MetricData.member.{}", index + 1);
        let at = datum.timestamp.map_or(now, |time| time.0);
        let age = now.duration_since(at);
        if age > SignedDuration::from_hours(14 * 24) || age < SignedDuration::from_hours(-2) {
            return Err(invalid(format!(
                "The parameter {place}.Timestamp must specify a time within the past two weeks and no more than two \
                 hours in the future."
            )));
        }
        if datum.storage_resolution.is_some_and(|seconds| seconds != 60) {
            return Err(invalid(format!(
                "The parameter {place}.StorageResolution can only be 60: the dev cloud does not model high-resolution \
                 metrics."
            )));
        }
        let unit = datum.unit.clone().unwrap_or_else(|| "None".to_owned());
        check_unit(&unit)?;
        let point = point(&datum, &place)?;
        points.push((Metric::of(input.namespace.clone(), datum.metric_name, datum.dimensions)?, unit, at, point));
    }
    let due = now + ctx.cloud.timing.metrics;
    for (metric, unit, at, point) in points {
        ctx.region.cloudwatch.store.add(metric, &unit, at, point, due);
    }
    Ok(Fields::new().into())
}

fn point(datum: &Datum, place: &str) -> Result<Point, ApiError> {
    let check = |value: f64, what: &str| {
        if value.is_finite() && value.abs() <= VALUE_MAX {
            return Ok(value);
        }
        Err(invalid(format!("The value {value} for parameter {place}.{what} is invalid.")))
    };
    match (datum.value, &datum.statistic_values, datum.values.is_empty()) {
        (Some(value), None, true) if datum.counts.is_empty() => check(value, "Value").map(Point::of),
        (None, Some(set), true) if datum.counts.is_empty() => {
            for (value, what) in [(set.sum, "Sum"), (set.minimum, "Minimum"), (set.maximum, "Maximum")] {
                check(value, &format!("StatisticValues.{what}"))?;
            }
            let count = check(set.sample_count, "StatisticValues.SampleCount")?;
            if count <= 0.0 || set.minimum > set.maximum {
                return Err(invalid(format!(
                    "The parameter {place}.StatisticValues must have a SampleCount above 0 and a Minimum that is not \
                     above its Maximum."
                )));
            }
            Ok(Point::set(count, set.sum, (set.minimum, set.maximum)))
        }
        (None, None, false) => {
            if datum.values.len() > VALUES_MAX {
                return Err(invalid(format!(
                    "The collection {place}.Values must not have a size greater than {VALUES_MAX}."
                )));
            }
            if !datum.counts.is_empty() && datum.counts.len() != datum.values.len() {
                return Err(invalid(format!(
                    "The parameters {place}.Values and {place}.Counts must be of the same size."
                )));
            }
            let counts = datum.counts.iter().copied().chain(std::iter::repeat(1.0));
            let mut samples = Vec::with_capacity(datum.values.len());
            for (value, count) in datum.values.iter().zip(counts) {
                let (value, count) = (check(*value, "Values")?, check(count, "Counts")?);
                if count < 0.0 {
                    return Err(invalid(format!("The value {count} for parameter {place}.Counts is invalid.")));
                }
                samples.push((value, count));
            }
            Ok(Point::counted(samples))
        }
        (None, None, true) => Err(ApiError::new(
            "MissingParameter",
            format!(
                "At least one of the parameters {place}.Value, {place}.Values and {place}.StatisticValues must be specified."
            ),
        )),
        _ => Err(ApiError::new(
            "InvalidParameterCombination",
            format!(
                "The parameters {place}.Value, {place}.Values and {place}.StatisticValues are mutually exclusive and you have specified more than one."
            ),
        )),
    }
}
