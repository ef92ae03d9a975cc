//! Load balancers as DNS knows them: hosted zone, name, addresses, and whether an alias may lead to them.

use std::net::IpAddr;

use super::Elb;
use super::balancers::{HOSTED_ZONE, LoadBalancer};
use super::health::{Health, unused};
use crate::dev::model::Region;

impl LoadBalancer {
    /// The hosted zone that alias records must name.
    pub(crate) fn hosted_zone(&self) -> &'static str {
        HOSTED_ZONE
    }

    /// The name that clients connect to.
    pub(crate) fn dns_name(&self) -> String {
        self.address.to_string()
    }

    /// What the name resolves to.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        vec![self.address.into()]
    }
}

impl Elb {
    /// Whether each target group that the load balancer refers to has a healthy target, as Route 53 evaluates it.
    pub(crate) fn every_group_is_healthy(&self, region: &Region, balancer: &str) -> bool {
        let references = self.references();
        references.iter().filter(|(_, user)| *user == balancer).filter_map(|(arn, _)| self.groups.get(arn)).all(
            |group| {
                group.targets.values().any(|target| {
                    !target.draining && target.health == Health::Healthy && unused(region, &group.arn, target).is_none()
                })
            },
        )
    }
}
