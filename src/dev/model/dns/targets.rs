//! Load balancers as aliases see them: by name and hosted zone, with addresses and health.

use std::net::IpAddr;

use crate::dev::model::{Region, World};

/// A load balancer.
pub(super) struct Balancer<'a> {
    /// The hosted zone that aliases must name.
    pub(super) zone: String,
    /// Lower case, with the final dot.
    pub(super) name: String,
    pub(super) addresses: Vec<IpAddr>,
    arn: &'a str,
    region: &'a Region,
}

impl Balancer<'_> {
    /// Every target group that it refers to has a healthy target. One without any target has none.
    pub(super) fn healthy(&self) -> bool {
        self.region.elb.every_group_is_healthy(self.region, self.arn)
    }
}

impl World {
    /// All load balancers there are.
    pub(super) fn balancers<'w>(&'w self) -> Vec<Balancer<'w>> {
        let regions = self.accounts.values().flat_map(|account| account.regions.values());
        let of_region = |region: &'w Region| {
            region.elb.balancers.iter().map(move |(arn, balancer)| Balancer {
                zone: balancer.hosted_zone().to_owned(),
                name: format!("{}.", balancer.dns_name().to_ascii_lowercase()),
                addresses: balancer.addresses(),
                arn,
                region,
            })
        };
        regions.flat_map(of_region).collect()
    }
}
