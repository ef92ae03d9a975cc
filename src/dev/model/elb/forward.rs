//! Forward actions: target groups with weights.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::actions::invalid;
use super::limits::GROUPS_PER_ACTION;
use super::protocols::{Kind, Protocol, Version};
use super::{Elb, limits};
use crate::dev::wire::{ApiError, Xml};

/// Groups with their weights, as it is kept and read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Forward {
    /// ARN and weight; at least one, each ARN once.
    pub(super) groups: Vec<(String, u32)>,
    /// Whether a client stays with the group that it got first, …
    pub(super) sticky: bool,
    /// … and for how long after each request.
    pub(super) sticky_s: Option<u32>,
}

/// Where actions are to be carried out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// ARN of the load balancer.
    pub(super) balancer: &'a str,
    /// What the listener speaks.
    pub(super) protocol: Protocol,
    /// ARN of the rule whose actions they replace.
    pub(super) replaces: Option<&'a str>,
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

impl Forward {
    /// For how long a client stays with its group, if it does.
    pub(super) fn sticky_for(&self) -> Option<Duration> {
        self.sticky_s.filter(|_| self.sticky).map(|seconds| Duration::from_secs(seconds.into()))
    }

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
        limits::check(tuples.len(), GROUPS_PER_ACTION, "TooManyTargetGroups", || {
            format!("The maximum number of target groups in an action is '{GROUPS_PER_ACTION}', not '{}'", tuples.len())
        })?;
        let many = tuples.len() > 1;
        let mut groups = Vec::with_capacity(tuples.len().max(1));
        let mut seen = BTreeSet::new();
        for Tuple { target_group_arn: arn, weight } in tuples {
            if many && weight.is_none() {
                return Err(ApiError::validation("A weight must be specified for each of several target groups"));
            }
            let weight = weight.unwrap_or(1);
            if weight > 999 {
                return Err(ApiError::validation(format!("Weight '{weight}' must be between '0' and '999' inclusive")));
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
        if let Some(seconds) = seconds.filter(|seconds| !(1..=604_800).contains(seconds)) {
            return Err(invalid(format!(
                "Target group stickiness duration '{seconds}' must be between '1' and '604800' inclusive"
            )));
        }
        Ok(Self { groups, sticky: enabled, sticky_s: seconds })
    }

    /// Checks the groups against the world: they exist, speak what the listener does, in the load balancer's network,
    /// belong to no other load balancer, and are sticky together.
    pub(super) fn check(&self, elb: &Elb, place: &Place<'_>) -> Result<(), ApiError> {
        let Place { balancer: balancer_arn, protocol: listener, .. } = *place;
        let balancer = elb.balancer(balancer_arn)?;
        for (arn, _) in &self.groups {
            let group = elb.group(arn)?;
            if group.user.as_ref().is_some_and(|other| other != balancer_arn) {
                return Err(ApiError::new(
                    "TargetGroupAssociationLimit",
                    format!("The following target groups cannot be associated with more than one load balancer: {arn}"),
                ));
            }
            if balancer.vpc != group.settings.vpc {
                return Err(ApiError::new(
                    "InvalidConfigurationRequest",
                    format!("The target group '{arn}' is in another VPC than the load balancer"),
                ));
            }
            let protocol = group.settings.protocol;
            if !listener.forwards_to(protocol) {
                let (listener, protocol) = (listener.name(), protocol.name());
                return Err(ApiError::new(
                    "IncompatibleProtocols",
                    format!(
                        "The listener and its associated target group '{arn}' have incompatible protocols: '{listener}' \
                         and '{protocol}'"
                    ),
                ));
            }
            if let (Protocol::Http, Some(version @ (Version::Http2 | Version::Grpc))) =
                (listener, group.settings.version)
            {
                let version = version.name();
                return Err(invalid(format!(
                    "Listener protocol 'HTTP' is not supported with a target group with the protocol-version '{version}'"
                )));
            }
        }
        self.check_stickiness(elb, listener)?;
        self.check_counts(elb, place, balancer.kind)
    }

    /// Sticky targets behind several groups need sticky groups.
    fn check_stickiness(&self, elb: &Elb, listener: Protocol) -> Result<(), ApiError> {
        if listener == Protocol::Tls && self.sticky {
            return Err(invalid("Target group stickiness is not supported on TLS listeners"));
        }
        if listener.is_http() && self.sticky && self.sticky_s.is_none() {
            return Err(invalid(
                "A target group stickiness duration must be specified to enable target group stickiness",
            ));
        }
        if self.groups.len() < 2 {
            return Ok(());
        }
        let mut protocols = BTreeSet::new();
        for (arn, _) in &self.groups {
            let group = elb.group(arn)?;
            protocols.insert(group.settings.protocol.name());
            if group.attribute("stickiness.enabled") != "true" {
                continue;
            }
            if group.attribute("stickiness.type") == "app_cookie" {
                return Err(invalid(
                    "When configuring a rule with multiple target groups, none of them can have stickiness of type \
                     'app_cookie' enabled",
                ));
            }
            if !self.sticky {
                return Err(invalid(
                    "You must enable group stickiness on a rule if you enabled target stickiness on one of its target \
                     groups",
                ));
            }
        }
        if listener == Protocol::Tls && protocols.len() > 1 {
            return Err(invalid("The target groups of a TLS listener must all have the same protocol, TCP or TLS"));
        }
        Ok(())
    }

    /// What the load balancer would have with these groups.
    fn check_counts(&self, elb: &Elb, place: &Place<'_>, kind: Kind) -> Result<(), ApiError> {
        let mut groups = elb.groups_of(place.balancer, place.replaces);
        groups.extend(self.groups.iter().map(|(arn, _)| arn.as_str()));
        if kind == Kind::Application {
            let most = limits::GROUPS_PER_APPLICATION;
            limits::check(groups.len(), most, "TooManyUniqueTargetGroupsPerLoadBalancer", || {
                format!(
                    "You have reached the maximum number of unique target groups that you can associate with a load \
                     balancer of type 'application': [{most}]"
                )
            })?;
        }
        elb.check_targets(place.balancer, &groups, &BTreeMap::new())
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
