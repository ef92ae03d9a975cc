//! Reading, deleting and switching alarms.

use serde::Deserialize;

use super::alarm::{Alarm, Watch};
use super::metric::{Dimension, Metric};
use super::statistic::Statistic;
use super::verdict::State;
use super::{Answer, Ctx, arn, notify};
use crate::dev::wire::{ApiError, Fields, Value};

/// How many alarms one call may name.
const NAMES_MAX: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    alarm_names: Vec<String>,
    alarm_name_prefix: Option<String>,
    #[serde(default)]
    alarm_types: Vec<String>,
    state_value: Option<State>,
    action_prefix: Option<String>,
    max_records: Option<u32>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct DescribeForMetric {
    metric_name: String,
    namespace: String,
    statistic: Option<String>,
    extended_statistic: Option<String>,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    period: Option<u32>,
    unit: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Names {
    alarm_names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct SetState {
    alarm_name: String,
    state_value: State,
    state_reason: String,
    state_reason_data: Option<String>,
}

/// How many items a page has: 50, or from 1 to 100.
pub(super) fn page_size(given: Option<u32>) -> Result<usize, ApiError> {
    let size = given.unwrap_or(50);
    if (1..=100).contains(&size) {
        return Ok(size as usize);
    }
    Err(ApiError::validation(format!(
        "1 validation error detected: Value '{size}' at 'maxRecords' failed to satisfy constraint: Member must have value \
         between 1 and 100"
    )))
}

/// Whether metric alarms are asked for; there are no composite ones.
pub(super) fn metric_alarms(types: &[String]) -> Result<bool, ApiError> {
    if let Some(other) = types.iter().find(|each| !["MetricAlarm", "CompositeAlarm"].contains(&each.as_str())) {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{other}' at 'alarmTypes' failed to satisfy constraint: Member must \
             satisfy enum value set: [CompositeAlarm, MetricAlarm]"
        )));
    }
    Ok(types.is_empty() || types.iter().any(|each| each == "MetricAlarm"))
}

fn at_most(names: &[String]) -> Result<(), ApiError> {
    if names.len() > NAMES_MAX {
        return Err(ApiError::validation(format!("At most {NAMES_MAX} alarm names can be specified")));
    }
    Ok(())
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    at_most(&input.alarm_names)?;
    let size = page_size(input.max_records)?;
    if input.alarm_name_prefix.is_some() && !input.alarm_names.is_empty() {
        return Err(ApiError::validation("AlarmNames and AlarmNamePrefix cannot be specified at the same time"));
    }
    let metric_alarms = metric_alarms(&input.alarm_types)?;
    let wanted = |alarm: &&Alarm| {
        let with = |prefix: &String| {
            [State::Ok, State::Alarm, State::InsufficientData]
                .into_iter()
                .any(|state| alarm.actions(state).iter().any(|action| action.starts_with(prefix)))
        };
        metric_alarms
            && (input.alarm_names.is_empty() || input.alarm_names.contains(&alarm.name))
            && input.alarm_name_prefix.as_ref().is_none_or(|prefix| alarm.name.starts_with(prefix))
            && input.state_value.is_none_or(|state| alarm.status.state == state)
            && input.action_prefix.as_ref().is_none_or(with)
            && input.next_token.as_ref().is_none_or(|after| alarm.name > *after)
    };
    let mut found: Vec<_> = ctx.region.cloudwatch.alarms.values().filter(wanted).collect();
    let more = found.len() > size;
    found.truncate(size);
    let next = found.last().filter(|_| more).map(|alarm| alarm.name.clone());
    let alarms = found.into_iter().map(|alarm| alarm.fields(&arn(ctx, &alarm.name)));
    Ok(Fields::new()
        .with("CompositeAlarms", Value::List(Vec::new()))
        .with("MetricAlarms", Value::list(alarms))
        .with_if("NextToken", next)
        .into())
}

pub(super) fn describe_for_metric(ctx: &mut Ctx<'_>, input: DescribeForMetric) -> Answer {
    let wanted = Metric::of(input.namespace, input.metric_name, input.dimensions)?;
    let named = input.statistic.as_deref().or(input.extended_statistic.as_deref()).map(Statistic::parse).transpose()?;
    let found = ctx.region.cloudwatch.alarms.values().filter(|alarm| match &alarm.watch {
        Watch::Metric { metric, statistic, period_seconds, unit } => {
            *metric == wanted
                && named.is_none_or(|named| named == *statistic)
                && input.period.is_none_or(|period| period == *period_seconds)
                && (input.unit.is_none() || input.unit == *unit)
        }
        Watch::Math { .. } => false,
    });
    let alarms = found.map(|alarm| alarm.fields(&arn(ctx, &alarm.name)));
    Ok(Fields::new().with("MetricAlarms", Value::list(alarms)).into())
}

/// Deletes all of them, or none if one does not exist.
pub(super) fn delete(ctx: &mut Ctx<'_>, input: Names) -> Answer {
    at_most(&input.alarm_names)?;
    let known = &ctx.region.cloudwatch.alarms;
    let unknown: Vec<_> = input.alarm_names.iter().filter(|name| !known.contains_key(*name)).cloned().collect();
    if !unknown.is_empty() {
        let said = format!("Alarms not found: [{}]", unknown.join(", "));
        return Err(ApiError::new("ResourceNotFound", said).status(404));
    }
    let now = ctx.cloud.clock.now();
    for name in &input.alarm_names {
        ctx.region.cloudwatch.delete_alarm(name, now);
    }
    Ok(Fields::new().into())
}

/// Lasts until the next evaluation.
pub(super) fn set_state(ctx: &mut Ctx<'_>, input: SetState) -> Answer {
    if let Some(data) = &input.state_reason_data
        && serde_json::from_str::<serde_json::Value>(data).is_err()
    {
        return Err(ApiError::new("InvalidFormat", "StateReasonData is not valid JSON"));
    }
    if input.state_reason.chars().count() > 1023 {
        return Err(ApiError::validation("StateReason has at most 1023 characters"));
    }
    if !ctx.region.cloudwatch.alarms.contains_key(&input.alarm_name) {
        return Err(ApiError::new("ResourceNotFound", format!("Alarm {} does not exist", input.alarm_name)).status(404));
    }
    let reason = (input.state_reason, input.state_reason_data);
    notify::transition(ctx, &input.alarm_name, input.state_value, reason, None);
    Ok(Fields::new().into())
}

pub(super) fn enable(ctx: &mut Ctx<'_>, input: Names) -> Answer {
    switch(ctx, input, true)
}

pub(super) fn disable(ctx: &mut Ctx<'_>, input: Names) -> Answer {
    switch(ctx, input, false)
}

/// Names of no alarm are passed over, as on AWS.
fn switch(ctx: &mut Ctx<'_>, input: Names, enabled: bool) -> Answer {
    at_most(&input.alarm_names)?;
    let now = ctx.cloud.clock.now();
    let cloudwatch = &mut ctx.region.cloudwatch;
    for name in &input.alarm_names {
        if let Some(alarm) = cloudwatch.alarms.get_mut(name).filter(|alarm| alarm.actions_enabled != enabled) {
            alarm.actions_enabled = enabled;
            alarm.status.configured = now;
            cloudwatch.history.configured(name, "updated", now);
        }
    }
    Ok(Fields::new().into())
}
