//! Target tracking: a policy that keeps a metric near its target, with two alarms of its own.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::alarms;
use super::group::Group;
use super::lifecycle::after;
use super::member::Phase;
use super::policies::{Kind, Policy};
use crate::dev::model::Ctx;
use crate::dev::wire::{ApiError, Xml};

/// What a target tracking policy follows: requests per target and minute of one target group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Tracking {
    pub(super) label: Label,
    pub(super) target: f64,
    disable_scale_in: bool,
    warmup_s: Option<u32>,
    pub(super) high_alarm: String,
    /// There is none where scale-in is disabled.
    pub(super) low_alarm: Option<String>,
}

/// `app/NAME/ID/targetgroup/NAME/ID`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Label {
    /// `app/NAME/ID`
    pub(super) balancer: String,
    /// `targetgroup/NAME/ID`
    pub(super) group: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct TrackingIn {
    predefined_metric_specification: Option<Predefined>,
    target_value: f64,
    #[serde(default)]
    disable_scale_in: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Predefined {
    predefined_metric_type: String,
    resource_label: Option<String>,
}

/// The low alarm's threshold, as a part of the target.
const LOW: f64 = 0.9;
/// Scale-in is gradual: at most this part of the group each minute, but one at least.
const SCALE_IN_PART: u32 = 10;

impl Tracking {
    pub(super) fn read(
        ctx: &Ctx<'_>,
        group: &Group,
        given: TrackingIn,
        warmup_s: Option<u32>,
        id: &str,
    ) -> Result<Self, ApiError> {
        let metric = given.predefined_metric_specification.ok_or_else(|| {
            ApiError::validation("A PredefinedMetricSpecification is needed: the dev cloud models no other metric")
        })?;
        if metric.predefined_metric_type != "ALBRequestCountPerTarget" {
            return Err(ApiError::validation(format!(
                "PredefinedMetricType '{}' is not valid (or not modelled by the dev cloud, whose instances have neither \
                 CPUs nor network cards to measure): expected ALBRequestCountPerTarget",
                metric.predefined_metric_type
            )));
        }
        if !(given.target_value > 0.0 && given.target_value.is_finite()) {
            return Err(ApiError::validation(format!("TargetValue must be above 0, but it is {}", given.target_value)));
        }
        let text = metric
            .resource_label
            .ok_or_else(|| ApiError::validation("The metric type ALBRequestCountPerTarget requires a ResourceLabel"))?;
        let split = text.split_once("/targetgroup/").filter(|(balancer, _)| balancer.starts_with("app/"));
        let (balancer, target_group) = split.ok_or_else(|| {
            ApiError::validation(format!(
                "Invalid resource label {text}: expected app/LOAD-BALANCER/ID/targetgroup/TARGET-GROUP/ID"
            ))
        })?;
        let label = Label { balancer: balancer.to_owned(), group: format!("targetgroup/{target_group}") };
        if !group.attached().iter().any(|arn| arn.ends_with(&format!(":{}", label.group))) {
            return Err(ApiError::validation(format!(
                "The target group of the resource label {text} is not attached to the Auto Scaling group {} in {}",
                group.name, ctx.region.name
            )));
        }
        let alarm = |side: &str| format!("TargetTracking-{}-Alarm{side}-{id}", group.name);
        Ok(Self {
            label,
            target: given.target_value,
            disable_scale_in: given.disable_scale_in,
            warmup_s,
            high_alarm: alarm("High"),
            low_alarm: (!given.disable_scale_in).then(|| alarm("Low")),
        })
    }

    /// Below this for long enough, the group shrinks.
    pub(super) fn low(&self) -> f64 {
        self.target * LOW
    }

    pub(super) fn write(&self, xml: &mut Xml) {
        xml.leaf_if("EstimatedInstanceWarmup", self.warmup_s);
        xml.node("TargetTrackingConfiguration", |xml| {
            xml.node("PredefinedMetricSpecification", |xml| {
                xml.leaf("PredefinedMetricType", "ALBRequestCountPerTarget");
                xml.leaf("ResourceLabel", format_args!("{}/{}", self.label.balancer, self.label.group));
            });
            xml.leaf("TargetValue", self.target).leaf("DisableScaleIn", self.disable_scale_in);
        });
    }

    /// The capacity that its alarm asks for.
    pub(super) fn wanted(&self, group: &Group, is_high: bool, value: Option<f64>, now: Timestamp) -> u32 {
        let desired = group.desired;
        let warmup_s = self.warmup_s.unwrap_or_else(|| group.settings.instance_warmup_s());
        let Some(value) = value else { return desired };
        if is_high {
            // Those that are still warming up count: what they will carry is on its way.
            let warm = group.count(|member| {
                member.is_in_service() && member.in_service.is_some_and(|since| after(since, warmup_s) <= now)
            });
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a saturating cast is what is wanted: the group's maximum comes next"
            )]
            let carried = (f64::from(warm) * value / self.target).ceil() as u32;
            return carried.max(desired);
        }
        // Nothing shrinks while something grows.
        let settling = group.members.values().any(|member| {
            let warming = member.is_in_service() && member.in_service.is_some_and(|since| after(since, warmup_s) > now);
            warming || (member.is_active() && member.phase != Phase::InService)
        });
        if settling || group.active() != desired {
            return desired;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a saturating cast is what is wanted: the group's minimum comes next"
        )]
        let needed = (f64::from(desired) * value / self.target).ceil() as u32;
        let gradual = desired.saturating_sub((desired / SCALE_IN_PART).max(1));
        needed.max(gradual).min(desired)
    }
}

/// Names and ARNs of the alarms that call a policy and belong to it.
pub(super) fn alarms_of(ctx: &Ctx<'_>, policy: &Policy) -> Vec<(String, String)> {
    match &policy.kind {
        Kind::Tracking(tracking) => {
            let names = [Some(&tracking.high_alarm), tracking.low_alarm.as_ref()].into_iter().flatten();
            names.map(|name| (name.clone(), alarms::arn(ctx, name))).collect()
        }
        Kind::Simple { .. } | Kind::Step { .. } => alarms::calling(ctx, &policy.arn),
    }
}
