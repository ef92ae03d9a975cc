//! All that Auto Scaling asks of CloudWatch, and what CloudWatch asks of it.

use super::policies;
use super::tracking::Tracking;
use crate::dev::model::Ctx;
use crate::dev::model::cloudwatch::{Alarm, AlarmCall, Comparison, Metric, State, Statistic, Status, Watch, alarm_arn};
use crate::dev::model::tags::Tags;

/// Minutes above the target before a group grows, and below nine tenths of it before it shrinks, as on AWS.
const HIGH_MINUTES: u32 = 3;
const LOW_MINUTES: u32 = 15;

/// Makes the alarms of a target tracking policy.
pub(super) fn put(ctx: &mut Ctx<'_>, tracking: &Tracking, policy_arn: &str) {
    let now = ctx.cloud.clock.now();
    let label = &tracking.label;
    let alarm = |name: &str, comparison: Comparison, threshold: f64, minutes: u32| Alarm {
        name: name.to_owned(),
        description: Some(format!("DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy_arn}.")),
        actions_enabled: true,
        ok_actions: Vec::new(),
        alarm_actions: vec![policy_arn.to_owned()],
        insufficient_data_actions: Vec::new(),
        watch: Watch::Metric {
            metric: Metric::new(
                "AWS/ApplicationELB",
                "RequestCountPerTarget",
                [("LoadBalancer", label.balancer.as_str()), ("TargetGroup", label.group.as_str())],
            ),
            statistic: Statistic::Sum,
            period_seconds: 60,
            unit: None,
        },
        evaluation_periods: minutes,
        datapoints_to_alarm: None,
        threshold,
        comparison,
        missing: None,
        ignore_low_samples: false,
        tags: Tags::new(),
        status: Status::unchecked(now),
    };
    let high = alarm(&tracking.high_alarm, Comparison::GreaterThanThreshold, tracking.target, HIGH_MINUTES);
    ctx.region.cloudwatch.put_alarm(high, now);
    if let Some(name) = &tracking.low_alarm {
        let low = alarm(name, Comparison::LessThanThreshold, tracking.low(), LOW_MINUTES);
        ctx.region.cloudwatch.put_alarm(low, now);
    }
}

/// Deletes the alarms of a target tracking policy; those that somebody has deleted before are no mistake.
pub(super) fn remove(ctx: &mut Ctx<'_>, tracking: &Tracking) {
    let now = ctx.cloud.clock.now();
    ctx.region.cloudwatch.delete_alarm(&tracking.high_alarm, now);
    if let Some(name) = &tracking.low_alarm {
        ctx.region.cloudwatch.delete_alarm(name, now);
    }
}

/// The ARN of an alarm.
pub(super) fn arn(ctx: &Ctx<'_>, name: &str) -> String {
    alarm_arn(&ctx.region.name, &ctx.region.account, name)
}

/// Names and ARNs of the alarms that have a policy among their actions.
pub(super) fn calling(ctx: &Ctx<'_>, policy_arn: &str) -> Vec<(String, String)> {
    let names = ctx.region.cloudwatch.alarms_with_action(policy_arn);
    names.map(|name| (name.to_owned(), arn(ctx, name))).collect()
}

/// An alarm calls a scaling policy: when it goes into a state that has the policy among its actions, and every minute
/// that it stays in `ALARM`.
///
/// # Errors
/// There is no such policy, or it does nothing now; for the alarm's history.
pub(crate) fn on_alarm(ctx: &mut Ctx<'_>, call: &AlarmCall<'_>) -> Result<(), String> {
    if call.state != State::Alarm {
        return Err(format!("scaling policies act on the state ALARM, and not on {}", call.state.name()));
    }
    policies::alarmed(ctx, call.policy, call.alarm, (call.value, call.threshold))
}
