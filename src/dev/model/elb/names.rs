//! Load balancers as DNS knows them: hosted zone, name, addresses, and whether an alias may lead to them.

use std::net::IpAddr;

use super::Elb;
use super::balancers::{HOSTED_ZONE, LoadBalancer};
use super::protocols::Kind;
use super::recording::Health;
use crate::dev::model::Region;

impl LoadBalancer {
    /// The hosted zone that alias records must name.
    pub(crate) fn hosted_zone(&self) -> &'static str {
        HOSTED_ZONE
    }

    /// The name that clients connect to: `shop-1234567890.eu-west-1.elb.amazonaws.com` for Application Load Balancers,
    /// `shop-0123456789abcdef.elb.eu-west-1.amazonaws.com` for Network Load Balancers, or the address.
    pub(crate) fn dns_name(&self) -> String {
        let suffix = self.arn.rsplit('/').next().unwrap_or_default();
        let Some(region) = self.arn.split(':').nth(3).filter(|_| self.named) else { return self.address.to_string() };
        let internal = if self.internal { "internal-" } else { "" };
        match self.kind {
            Kind::Application => {
                let number = u64::from_str_radix(suffix, 16).unwrap_or_default() % 10_000_000_000;
                format!("{internal}{}-{number}.{region}.elb.amazonaws.com", self.name)
            }
            Kind::Network => format!("{}-{suffix}.elb.{region}.amazonaws.com", self.name),
        }
    }

    /// What the name resolves to.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        vec![self.address.into()]
    }
}

impl Elb {
    /// Whether each target group that the load balancer refers to has a healthy target, as Route 53 evaluates it.
    pub(crate) fn every_group_is_healthy(&self, region: &Region, balancer: &str) -> bool {
        let used = self.groups.values().filter(|group| group.user.as_deref() == Some(balancer));
        used.into_iter().all(|group| {
            group.targets.values().any(|target| {
                target.drains.is_none()
                    && *target.record.health() == Health::Healthy
                    && self.unused(&region.ec2, group, target).is_none()
            })
        })
    }
}
