//! `PutMetricAlarm`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::alarm::{Alarm, Comparison, Status, Watch};
use super::metric::{Dimension, Metric, check_unit};
use super::query::{MetricDataQuery, Query, check_period};
use super::statistic::Statistic;
use super::verdict::Missing;
use super::{Answer, Ctx};
use crate::dev::model::tags::{self, Tag};
use crate::dev::wire::{ApiError, Fields};

/// How many alarms a region may have.
const ALARMS_MAX: usize = 5000;
/// How many actions each state may have.
const ACTIONS_MAX: usize = 5;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Put {
    alarm_name: String,
    alarm_description: Option<String>,
    actions_enabled: Option<bool>,
    #[serde(default, rename = "OKActions")]
    ok_actions: Vec<String>,
    #[serde(default)]
    alarm_actions: Vec<String>,
    #[serde(default)]
    insufficient_data_actions: Vec<String>,
    metric_name: Option<String>,
    namespace: Option<String>,
    statistic: Option<String>,
    extended_statistic: Option<String>,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    period: Option<u32>,
    unit: Option<String>,
    evaluation_periods: u32,
    datapoints_to_alarm: Option<u32>,
    threshold: f64,
    comparison_operator: String,
    treat_missing_data: Option<String>,
    evaluate_low_sample_count_percentile: Option<String>,
    #[serde(default)]
    metrics: Vec<MetricDataQuery>,
    #[serde(default)]
    tags: Vec<Tag>,
}

pub(super) fn run(ctx: &mut Ctx<'_>, mut input: Put) -> Answer {
    let now = ctx.cloud.clock.now();
    let name = &input.alarm_name;
    if name.is_empty() || name.len() > 255 || !name.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err(ApiError::validation(format!("Alarm name {name:?} must have 1 to 255 printable ASCII characters")));
    }
    if input.alarm_description.as_ref().is_some_and(|text| text.chars().count() > 1024) {
        return Err(ApiError::validation("AlarmDescription has at most 1024 characters"));
    }
    let comparison = comparison(&input.comparison_operator)?;
    let missing = input.treat_missing_data.as_deref().map(treat_missing).transpose()?;
    let ignore_low_samples = match input.evaluate_low_sample_count_percentile.as_deref() {
        None | Some("evaluate") => false,
        Some("ignore") => true,
        Some(other) => {
            return Err(ApiError::validation(format!(
                "Option {other} is not supported. Supported options for parameter EvaluateLowSampleCountPercentile are \
                 evaluate and ignore."
            )));
        }
    };
    for actions in [&input.ok_actions, &input.alarm_actions, &input.insufficient_data_actions] {
        check_actions(actions, ctx)?;
    }
    let watch = watch(&mut input, &ctx.region.account)?;
    if input.evaluation_periods == 0 {
        return Err(ApiError::validation("EvaluationPeriods must be at least 1"));
    }
    if input.datapoints_to_alarm.is_some_and(|needed| needed == 0 || needed > input.evaluation_periods) {
        return Err(ApiError::validation("DatapointsToAlarm must be at least 1, and at most EvaluationPeriods"));
    }
    if !input.threshold.is_finite() {
        return Err(ApiError::validation("Threshold must be a number"));
    }
    let known = ctx.region.cloudwatch.alarms.contains_key(&input.alarm_name);
    if !known && ctx.region.cloudwatch.alarms.len() >= ALARMS_MAX {
        let said = format!("The maximum of {ALARMS_MAX} alarms has been reached");
        return Err(ApiError::new("LimitExceeded", said));
    }
    let mut tags = BTreeMap::new();
    tags::put(&mut tags, &input.tags, "ValidationError", "ValidationError")?;
    let alarm = Alarm {
        name: input.alarm_name,
        description: input.alarm_description,
        actions_enabled: input.actions_enabled.unwrap_or(true),
        ok_actions: input.ok_actions,
        alarm_actions: input.alarm_actions,
        insufficient_data_actions: input.insufficient_data_actions,
        watch,
        evaluation_periods: input.evaluation_periods,
        datapoints_to_alarm: input.datapoints_to_alarm,
        threshold: input.threshold,
        comparison,
        missing,
        ignore_low_samples,
        tags,
        status: Status::unchecked(now),
    };
    let seconds = u64::from(alarm.period_seconds()) * u64::from(alarm.evaluation_periods);
    let (most, words) = if alarm.period_seconds() < 3600 { (86_400, "a day") } else { (604_800, "7 days") };
    if seconds > most {
        return Err(ApiError::validation(format!(
            "Metrics cannot be checked across more than {words} (EvaluationPeriods * Period must be <= {most})."
        )));
    }
    ctx.region.cloudwatch.put_alarm(alarm, now);
    Ok(Fields::new().into())
}

fn watch(input: &mut Put, account: &str) -> Result<Watch, ApiError> {
    let given = std::mem::take(&mut input.metrics);
    if given.is_empty() {
        let needs = |what: &str| ApiError::validation(format!("The parameter {what} is required"));
        let namespace = input.namespace.take().ok_or_else(|| needs("Namespace"))?;
        let name = input.metric_name.take().ok_or_else(|| needs("MetricName"))?;
        let period_seconds = input.period.ok_or_else(|| needs("Period"))?;
        check_period(period_seconds)?;
        let statistic = match (input.statistic.take(), input.extended_statistic.take()) {
            (Some(name), None) => Statistic::simple(&name)
                .ok_or_else(|| ApiError::validation(format!("The value {name} for parameter Statistic is invalid."))),
            (None, Some(name)) => Statistic::parse(&name),
            _ => Err(ApiError::new(
                "InvalidParameterCombination",
                "Exactly one of Statistic and ExtendedStatistic must be specified",
            )),
        }?;
        if let Some(unit) = &input.unit {
            check_unit(unit)?;
        }
        let metric = Metric::of(namespace, name, std::mem::take(&mut input.dimensions))?;
        return Ok(Watch::Metric { metric, statistic, period_seconds, unit: input.unit.take() });
    }
    let alone = input.namespace.is_none()
        && input.metric_name.is_none()
        && input.period.is_none()
        && input.statistic.is_none()
        && input.extended_statistic.is_none()
        && input.unit.is_none()
        && input.dimensions.is_empty();
    if !alone {
        let said = "Metrics cannot be specified together with MetricName, Namespace, Dimensions, Period, Unit, Statistic \
                    or ExtendedStatistic";
        return Err(ApiError::new("InvalidParameterCombination", said));
    }
    let queries = Query::all(given, account)?;
    if queries.iter().filter(|query| query.returned).count() != 1 {
        return Err(ApiError::validation("Exactly one element of the metrics list should return data."));
    }
    let mut periods: Vec<_> = queries.iter().filter_map(Query::period_seconds).collect();
    periods.dedup();
    if periods.len() > 1 {
        return Err(ApiError::validation("All metrics of an alarm must have the same period"));
    }
    Ok(Watch::Math { queries })
}

fn comparison(name: &str) -> Result<Comparison, ApiError> {
    Ok(match name {
        "GreaterThanOrEqualToThreshold" => Comparison::GreaterThanOrEqualToThreshold,
        "GreaterThanThreshold" => Comparison::GreaterThanThreshold,
        "LessThanThreshold" => Comparison::LessThanThreshold,
        "LessThanOrEqualToThreshold" => Comparison::LessThanOrEqualToThreshold,
        other => {
            return Err(ApiError::validation(format!(
                "1 validation error detected: Value '{other}' at 'comparisonOperator' failed to satisfy constraint: \
                 Member must satisfy enum value set: [GreaterThanOrEqualToThreshold, GreaterThanThreshold, \
                 LessThanThreshold, LessThanOrEqualToThreshold] (the dev cloud does not model anomaly detection)"
            )));
        }
    })
}

fn treat_missing(name: &str) -> Result<Missing, ApiError> {
    Ok(match name {
        "breaching" => Missing::Breaching,
        "notBreaching" => Missing::NotBreaching,
        "ignore" => Missing::Ignore,
        "missing" => Missing::Missing,
        other => {
            return Err(ApiError::validation(format!(
                "The value {other} is not supported for TreatMissingData parameter. Supported values are [breaching, \
                 notBreaching, ignore, missing]."
            )));
        }
    })
}

/// SNS topics and Auto Scaling policies of this region.
fn check_actions(actions: &[String], ctx: &Ctx<'_>) -> Result<(), ApiError> {
    if actions.len() > ACTIONS_MAX {
        return Err(ApiError::validation(format!("A state of an alarm has at most {ACTIONS_MAX} actions")));
    }
    for action in actions {
        let parts: Vec<_> = action.splitn(6, ':').collect();
        match parts[..] {
            ["arn", "aws", "sns" | "autoscaling", region, _, _] if region == ctx.region.name => {}
            ["arn", "aws", "sns" | "autoscaling", region, _, _] => {
                return Err(ApiError::validation(format!(
                    "Invalid region {region} specified. Only {} is supported.",
                    ctx.region.name
                )));
            }
            ["arn", _, service, ..] => {
                return Err(ApiError::validation(format!(
                    "Unsupported action {action}: the dev cloud has alarm actions for sns and autoscaling, not for {service}"
                )));
            }
            _ => return Err(ApiError::validation(format!("Invalid arn syntax: {action}"))),
        }
    }
    Ok(())
}
