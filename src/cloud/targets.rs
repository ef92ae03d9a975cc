//! What is registered with a target group, and registering and deregistering.

use aws_sdk_elasticloadbalancingv2::types::{TargetDescription, TargetHealthDescription, TargetHealthStateEnum};

use super::calls::Trail;
use super::connect::within;
use super::{Cloud, CloudError};
use crate::release::{Color, GroupPin, HealthState, Pins, Problem, TargetFact, Targets};

/// Targets per call; AWS documents no limit of its own below the 1,000 of a target group.
const TARGETS_PER_CALL: usize = 200;

impl Cloud {
    /// What is registered with the color's target group, and how healthy each target is.
    ///
    /// # Errors
    /// When the target group is gone, or without an answer. An empty group is not an error.
    pub async fn targets(&self, pins: &Pins, color: &Color) -> Result<Targets, CloudError> {
        const OPERATION: &str = "elbv2:DescribeTargetHealth";
        let group = group(OPERATION, pins, color)?;
        // This operation has no pages.
        let answer = self
            .elb
            .describe_target_health()
            .target_group_arn(&group.arn)
            .send()
            .await
            .map_err(|e| CloudError::read(OPERATION, e))?;
        let mut list: Vec<_> = answer.target_health_descriptions().iter().filter_map(|d| fact(d, group.port)).collect();
        list.sort_by(|a, b| (&a.id, a.port).cmp(&(&b.id, b.port)));
        Ok(Targets { list })
    }

    /// Register instances with the color's target group, on the group's port. Those that are registered stay so.
    ///
    /// # Errors
    /// When an instance is not running or is in another VPC (`InvalidTarget`), or without an answer.
    pub async fn register(&self, pins: &Pins, color: &Color, instances: &[String]) -> Result<(), CloudError> {
        const OPERATION: &str = "elbv2:RegisterTargets";
        let group = group(OPERATION, pins, color)?;
        within(OPERATION, async {
            for chunk in instances.chunks(TARGETS_PER_CALL) {
                let trail = Trail::default();
                self.elb
                    .register_targets()
                    .target_group_arn(&group.arn)
                    .set_targets(Some(descriptions(chunk)))
                    .customize()
                    .interceptor(trail.clone())
                    .send()
                    .await
                    .map_err(|e| CloudError::change(OPERATION, &trail, e))?;
            }
            Ok(())
        })
        .await
    }

    /// Deregister instances from the color's target group: they drain for the deregistration delay. Those that are not
    /// registered are no error.
    ///
    /// # Errors
    /// When the target group is gone, or without an answer.
    pub async fn deregister(&self, pins: &Pins, color: &Color, instances: &[String]) -> Result<(), CloudError> {
        const OPERATION: &str = "elbv2:DeregisterTargets";
        let group = group(OPERATION, pins, color)?;
        within(OPERATION, async {
            for chunk in instances.chunks(TARGETS_PER_CALL) {
                let trail = Trail::default();
                self.elb
                    .deregister_targets()
                    .target_group_arn(&group.arn)
                    .set_targets(Some(descriptions(chunk)))
                    .customize()
                    .interceptor(trail.clone())
                    .send()
                    .await
                    .map_err(|e| CloudError::change(OPERATION, &trail, e))?;
            }
            Ok(())
        })
        .await
    }
}

/// The color's target group, as pinned.
pub(super) fn group<'a>(operation: &'static str, pins: &'a Pins, color: &Color) -> Result<&'a GroupPin, CloudError> {
    pins.groups.get(color).ok_or_else(|| {
        let known: Vec<_> = pins.groups.keys().map(Color::as_str).collect();
        let problem = Problem {
            saw: format!("the release has no color {color}"),
            expected: format!("one of {}", known.join(", ")),
            run: vec![],
        };
        CloudError::refused(operation, problem)
    })
}

fn descriptions(instances: &[String]) -> Vec<TargetDescription> {
    instances.iter().map(|id| TargetDescription::builder().id(id).build()).collect()
}

fn fact(description: &TargetHealthDescription, group_port: u16) -> Option<TargetFact> {
    let target = description.target()?;
    let health = description.target_health();
    let not_registered = health.and_then(|h| h.reason()).is_some_and(|r| r.as_str() == "Target.NotRegistered");
    if not_registered {
        return None;
    }
    Some(TargetFact {
        id: target.id()?.to_owned(),
        port: target.port().and_then(|p| u16::try_from(p).ok()).unwrap_or(group_port),
        health: state(health.and_then(|h| h.state())),
        reason: health.and_then(|h| h.reason()).map(|r| r.as_str().to_owned()),
        description: health.and_then(|h| h.description()).map(str::to_owned),
    })
}

fn state(state: Option<&TargetHealthStateEnum>) -> HealthState {
    match state {
        Some(TargetHealthStateEnum::Healthy) => HealthState::Healthy,
        Some(TargetHealthStateEnum::Initial) => HealthState::Initial,
        Some(TargetHealthStateEnum::Unhealthy | TargetHealthStateEnum::UnhealthyDraining) => HealthState::Unhealthy,
        Some(TargetHealthStateEnum::Unused) => HealthState::Unused,
        Some(TargetHealthStateEnum::Draining) => HealthState::Draining,
        // Unavailable, absent, or newer than this program: never healthy.
        _ => HealthState::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::types::{TargetHealth, TargetHealthReasonEnum};

    use super::*;

    fn described(state: Option<&str>) -> TargetHealthDescription {
        let health = TargetHealth::builder().set_state(state.map(Into::into)).build();
        TargetHealthDescription::builder()
            .target(TargetDescription::builder().id("i-1").port(8080).build())
            .target_health(health)
            .build()
    }

    #[test]
    fn every_state_of_aws_has_one_of_ours_and_an_unknown_one_is_never_healthy() {
        for (aws, ours) in [
            (Some("initial"), HealthState::Initial),
            (Some("healthy"), HealthState::Healthy),
            (Some("unhealthy"), HealthState::Unhealthy),
            (Some("unhealthy.draining"), HealthState::Unhealthy),
            (Some("unused"), HealthState::Unused),
            (Some("draining"), HealthState::Draining),
            (Some("unavailable"), HealthState::Unavailable),
            (Some("healthy-ish"), HealthState::Unavailable),
            (None, HealthState::Unavailable),
        ] {
            let seen = fact(&described(aws), 80).map(|f| f.health);
            assert_eq!(seen, Some(ours), "{aws:?}");
        }
    }

    #[test]
    fn a_target_without_any_health_is_unavailable() {
        let description =
            TargetHealthDescription::builder().target(TargetDescription::builder().id("i-1").build()).build();
        let fact = fact(&description, 80).expect("it has an id");
        assert_eq!((fact.health, fact.port), (HealthState::Unavailable, 80));
    }

    #[test]
    fn a_target_that_is_not_registered_is_not_in_the_list() {
        let description = TargetHealthDescription::builder()
            .target(TargetDescription::builder().id("i-1").build())
            .target_health(
                TargetHealth::builder()
                    .state(TargetHealthStateEnum::Unused)
                    .reason(TargetHealthReasonEnum::NotRegistered)
                    .build(),
            )
            .build();
        assert_eq!(fact(&description, 80), None);
    }
}
