//! Forward actions: target groups with weights.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::Elb;
use crate::dev::wire::{ApiError, Xml};

/// Target groups that one action can forward to.
const GROUPS_MAX: usize = 5;

/// Groups with their weights, as it is kept and read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forward {
    /// ARN and weight; at least one, each ARN once.
    pub(super) groups: Vec<(String, u32)>,
    sticky: bool,
    sticky_s: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct ForwardConfig {
    #[serde(default)]
    target_groups: Vec<Tuple>,
    target_group_stickiness_config: Option<Stickiness>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Tuple {
    target_group_arn: String,
    weight: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Stickiness {
    enabled: Option<bool>,
    duration_seconds: Option<u32>,
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidLoadBalancerAction", message)
}

impl Forward {
    /// Reads both ways to write a forward action and normalises them as AWS does.
    pub(super) fn read(scalar: Option<String>, config: Option<ForwardConfig>) -> Result<Self, ApiError> {
        let (tuples, sticky) = match config {
            None => (Vec::new(), None),
            Some(config) => (config.target_groups, config.target_group_stickiness_config),
        };
        if let Some(scalar) = &scalar
            && !tuples.is_empty()
            && (tuples.len() != 1 || tuples[0].target_group_arn != *scalar)
        {
            return Err(invalid(
                "You can specify both a target group ARN and a ForwardConfig only if the latter has exactly this group",
            ));
        }
        if tuples.len() > GROUPS_MAX {
            let said = format!("An action can forward to at most {GROUPS_MAX} target groups, not {}", tuples.len());
            return Err(ApiError::new("TooManyTargetGroups", said));
        }
        let many = tuples.len() > 1;
        let mut groups = Vec::with_capacity(tuples.len().max(1));
        let mut seen = BTreeSet::new();
        for Tuple { target_group_arn: arn, weight } in tuples {
            if many && weight.is_none() {
                return Err(ApiError::validation("A weight must be specified for each of several target groups"));
            }
            let weight = weight.unwrap_or(1);
            if weight > 999 {
                return Err(ApiError::validation(format!("Weight '{weight}' must be between 0 and 999")));
            }
            if !seen.insert(arn.clone()) {
                return Err(invalid(format!("Target group '{arn}' is specified twice in one action")));
            }
            groups.push((arn, weight));
        }
        if groups.is_empty() {
            groups.push((scalar.ok_or_else(|| ApiError::validation("A target group ARN must be specified"))?, 1));
        }
        let enabled = sticky.as_ref().and_then(|sticky| sticky.enabled).unwrap_or(false);
        let seconds = sticky.and_then(|sticky| sticky.duration_seconds);
        if seconds.is_some_and(|seconds| !(1..=604_800).contains(&seconds)) || (enabled && seconds.is_none()) {
            return Err(invalid("DurationSeconds of group stickiness must be 1 to 604800, and given if it is enabled"));
        }
        Ok(Self { groups, sticky: enabled, sticky_s: seconds })
    }

    /// Checks the groups against the world: they exist, in the load balancer's network, and belong to no other one.
    pub(super) fn check(&self, elb: &Elb, balancer_arn: &str) -> Result<(), ApiError> {
        let references = elb.references();
        let vpc = elb.balancers.get(balancer_arn).map(|balancer| balancer.vpc.as_str());
        for (arn, _) in &self.groups {
            let group = elb.group(arn)?;
            if references.get(arn).is_some_and(|other| other != balancer_arn) {
                return Err(ApiError::new(
                    "TargetGroupAssociationLimit",
                    format!("The following target groups cannot be associated with more than one load balancer: {arn}"),
                ));
            }
            if vpc != Some(group.settings.vpc.as_str()) {
                return Err(ApiError::new(
                    "InvalidConfigurationRequest",
                    format!("The target group '{arn}' is in another VPC than the load balancer"),
                ));
            }
            let sticky_targets = group.attribute("stickiness.enabled") == "true";
            if sticky_targets && self.groups.len() > 1 && !self.sticky {
                return Err(invalid(
                    "You must enable group stickiness on a rule if you enabled target stickiness on one of its target \
                     groups",
                ));
            }
        }
        Ok(())
    }

    /// A single group also appears as a scalar; weight and stickiness are always written.
    pub(super) fn write(&self, xml: &mut Xml) {
        if let [(arn, _)] = self.groups.as_slice() {
            xml.leaf("TargetGroupArn", arn);
        }
        xml.node("ForwardConfig", |xml| {
            xml.list("TargetGroups", "member", &self.groups, |xml, (arn, weight)| {
                xml.leaf("TargetGroupArn", arn).leaf("Weight", weight);
            });
            xml.node("TargetGroupStickinessConfig", |xml| {
                xml.leaf("Enabled", self.sticky).leaf_if("DurationSeconds", self.sticky_s);
            });
        });
    }
}
