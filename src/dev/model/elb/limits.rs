//! AWS's default quotas, and `DescribeAccountLimits`.

use serde::Deserialize;

use super::paged;
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::ApiError;

pub(super) const APPLICATION_BALANCERS: usize = 50;
pub(super) const NETWORK_BALANCERS: usize = 50;
pub(super) const LISTENERS: usize = 50;
/// Without default rules.
pub(super) const RULES: usize = 100;
pub(super) const GROUPS: usize = 3000;
/// A group in several actions counts once.
pub(super) const GROUPS_PER_APPLICATION: usize = 100;
pub(super) const GROUPS_PER_ACTION: usize = 5;
pub(super) const TARGETS_PER_GROUP: usize = 1000;
pub(super) const TARGETS_PER_APPLICATION: usize = 1000;
pub(super) const TARGETS_PER_NETWORK: usize = 3000;
pub(super) const TARGETS_PER_NETWORK_ZONE: usize = 500;
/// Without the default one.
pub(super) const CERTIFICATES: usize = 25;
pub(super) const CONDITION_VALUES: usize = 5;
pub(super) const CONDITION_WILDCARDS: usize = 6;

/// AWS's names in AWS's order. What is not modelled has AWS's default, which nothing here can reach.
const LIMITS: [(&str, usize); 23] = [
    ("target-groups", GROUPS),
    ("targets-per-application-load-balancer", TARGETS_PER_APPLICATION),
    ("listeners-per-application-load-balancer", LISTENERS),
    ("rules-per-application-load-balancer", RULES),
    ("network-load-balancers", NETWORK_BALANCERS),
    ("targets-per-network-load-balancer", TARGETS_PER_NETWORK),
    ("targets-per-availability-zone-per-network-load-balancer", TARGETS_PER_NETWORK_ZONE),
    ("listeners-per-network-load-balancer", LISTENERS),
    ("condition-values-per-alb-rule", CONDITION_VALUES),
    ("condition-wildcards-per-alb-rule", CONDITION_WILDCARDS),
    ("target-groups-per-application-load-balancer", GROUPS_PER_APPLICATION),
    ("target-groups-per-action-on-application-load-balancer", GROUPS_PER_ACTION),
    ("target-groups-per-action-on-network-load-balancer", GROUPS_PER_ACTION),
    ("certificates-per-application-load-balancer", CERTIFICATES),
    ("certificates-per-network-load-balancer", CERTIFICATES),
    ("targets-per-target-group", TARGETS_PER_GROUP),
    ("target-id-registrations-per-application-load-balancer", 1000),
    ("network-load-balancer-enis-per-vpc", 1200),
    ("application-load-balancers", APPLICATION_BALANCERS),
    ("gateway-load-balancers", 100),
    ("gateway-load-balancers-per-vpc", 100),
    ("geneve-target-groups", 100),
    ("targets-per-availability-zone-per-gateway-load-balancer", 300),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    marker: Option<String>,
    page_size: Option<u32>,
}

/// Refuses what would be more than `most`.
pub(super) fn check(
    count: usize,
    most: usize,
    code: &'static str,
    message: impl FnOnce() -> String,
) -> Result<(), ApiError> {
    if count <= most { Ok(()) } else { Err(ApiError::new(code, message())) }
}

pub(super) fn describe(_: &mut Ctx<'_>, input: Describe) -> Answer {
    let pages = (input.marker.as_deref(), input.page_size);
    paged(
        LIMITS.to_vec(),
        |(name, _)| (*name).to_owned(),
        pages,
        "Limits",
        |xml, (name, most)| {
            xml.leaf("Name", name).leaf("Max", most);
        },
    )
}
