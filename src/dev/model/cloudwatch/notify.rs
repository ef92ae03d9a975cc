//! What follows when an alarm changes its state: a message to a topic, a call of a scaling policy.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::alarm::{Alarm, Watch};
use super::query::{Of, Query};
use super::statistic::Statistic;
use super::verdict::{Missing, State};
use super::{Ctx, arn};
use crate::dev::model::{autoscaling, sns};

/// An alarm that calls a scaling policy: when it goes into a state with that action, and every minute that it stays in
/// `ALARM`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AlarmCall<'a> {
    /// The ARN of the scaling policy.
    pub(crate) policy: &'a str,
    /// The alarm's name.
    pub(crate) alarm: &'a str,
    /// The state that it is in.
    pub(crate) state: State,
    /// Its threshold.
    pub(crate) threshold: f64,
    /// The newest value of what it watches; `None` where somebody else set its state.
    pub(crate) value: Option<f64>,
}

/// Puts an alarm into a state, and does what follows if it was in another one.
pub(super) fn transition(
    ctx: &mut Ctx<'_>,
    name: &str,
    state: State,
    (reason, reason_data): (String, Option<String>),
    value: Option<f64>,
) {
    let now = ctx.cloud.clock.now();
    let cloudwatch = &mut ctx.region.cloudwatch;
    let Some(alarm) = cloudwatch.alarms.get_mut(name) else { return };
    let from = alarm.status.state;
    alarm.status.state = state;
    alarm.status.reason = reason;
    alarm.status.reason_data = reason_data;
    alarm.status.updated = now;
    if from == state {
        return;
    }
    alarm.status.transitioned = now;
    let alarm = alarm.clone();
    cloudwatch.history.transitioned(name, (from.name(), state.name()), change(&alarm, from), now);
    if alarm.actions_enabled {
        for action in alarm.actions(state) {
            act(ctx, &alarm, action, (from, value));
        }
    }
}

/// What an alarm does every minute that it stays in `ALARM`: it goes on to call scaling policies, and nothing else.
pub(super) fn again(ctx: &mut Ctx<'_>, alarm: &Alarm, value: Option<f64>) {
    if alarm.actions_enabled && alarm.status.state == State::Alarm {
        for action in alarm.alarm_actions.iter().filter(|action| is_policy(action)) {
            act(ctx, alarm, action, (State::Alarm, value));
        }
    }
}

fn is_policy(action: &str) -> bool {
    action.starts_with("arn:aws:autoscaling:")
}

fn act(ctx: &mut Ctx<'_>, alarm: &Alarm, action: &str, (from, value): (State, Option<f64>)) {
    let state = alarm.status.state;
    let result = if is_policy(action) {
        let call = AlarmCall { policy: action, alarm: &alarm.name, state, threshold: alarm.threshold, value };
        autoscaling::on_alarm(ctx, &call)
    } else {
        let message = message(ctx, alarm, from);
        let subject = format!("{}: \"{}\" in {}", state.name(), alarm.name, ctx.region.name);
        sns::publish_internally(ctx, action, Some(subject), message)
    };
    if let Err(error) = &result {
        tracing::info!(alarm = alarm.name, action, error, "an alarm's action failed");
    }
    let now = ctx.cloud.clock.now();
    ctx.region.cloudwatch.history.acted(&alarm.name, action, result.err().as_deref(), now);
}

fn change(alarm: &Alarm, from: State) -> String {
    let data =
        alarm.status.reason_data.as_deref().and_then(|data| serde_json::from_str::<serde_json::Value>(data).ok());
    serde_json::json!({
        "version": "1.0",
        "oldState": { "stateValue": from.name() },
        "newState": { "stateValue": alarm.status.state.name(), "stateReason": alarm.status.reason, "stateReasonData": data },
    })
    .to_string()
}

/// The document that AWS sends to topics.
fn message(ctx: &Ctx<'_>, alarm: &Alarm, from: State) -> String {
    let date = |at: Timestamp| at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string();
    serde_json::json!({
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": ctx.region.account,
        "AlarmConfigurationUpdatedTimestamp": date(alarm.status.configured),
        "NewStateValue": alarm.status.state.name(),
        "NewStateReason": alarm.status.reason,
        "StateChangeTime": date(alarm.status.transitioned),
        "Region": ctx.region.name,
        "AlarmArn": arn(ctx, &alarm.name),
        "OldStateValue": from.name(),
        "OKActions": alarm.ok_actions,
        "AlarmActions": alarm.alarm_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
        "Trigger": trigger(alarm),
    })
    .to_string()
}

fn trigger(alarm: &Alarm) -> serde_json::Value {
    let mut trigger = serde_json::json!({
        "Period": alarm.period_seconds(),
        "EvaluationPeriods": alarm.evaluation_periods,
        "DatapointsToAlarm": alarm.m_of_n().0,
        "ComparisonOperator": alarm.comparison.name(),
        "Threshold": alarm.threshold,
        "TreatMissingData": alarm.missing.map_or("", Missing::name),
        "EvaluateLowSampleCountPercentile": if alarm.ignore_low_samples { "ignore" } else { "" },
    });
    match &alarm.watch {
        Watch::Metric { metric, statistic, unit, .. } => {
            trigger["MetricName"] = metric.name.as_str().into();
            trigger["Namespace"] = metric.namespace.as_str().into();
            if let Statistic::Percentile(_) = statistic {
                trigger["StatisticType"] = "ExtendedStatistic".into();
                trigger["ExtendedStatistic"] = statistic.to_string().into();
            } else {
                trigger["StatisticType"] = "Statistic".into();
                trigger["Statistic"] = statistic.to_string().to_uppercase().into();
            }
            trigger["Unit"] = unit.as_deref().into();
            let dimensions = metric.dimensions.iter();
            trigger["Dimensions"] =
                dimensions.map(|(name, value)| serde_json::json!({ "value": value, "name": name })).collect();
        }
        Watch::Math { queries } => trigger["Metrics"] = queries.iter().map(written).collect(),
    }
    trigger
}

fn written(query: &Query) -> serde_json::Value {
    let mut written = serde_json::json!({ "Id": query.id, "ReturnData": query.returned });
    if let Some(label) = &query.label {
        written["Label"] = label.as_str().into();
    }
    match &query.of {
        Of::Expression { text, .. } => written["Expression"] = text.as_str().into(),
        Of::Metric { metric, statistic, period_seconds, .. } => {
            let dimensions: serde_json::Value = metric
                .dimensions
                .iter()
                .map(|(name, value)| serde_json::json!({ "value": value, "name": name }))
                .collect();
            written["MetricStat"] = serde_json::json!({
                "Metric": { "Dimensions": dimensions, "MetricName": metric.name, "Namespace": metric.namespace },
                "Period": period_seconds,
                "Stat": statistic.to_string(),
            });
        }
    }
    written
}
