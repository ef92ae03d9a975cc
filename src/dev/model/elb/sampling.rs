//! What load balancers have counted, for the metrics that CloudWatch publishes every minute.

use std::collections::BTreeMap;

use super::Elb;
use super::protocols::Kind;
use crate::dev::plane::{BalancerCounts, GroupCounts, TargetState};

/// A load balancer at one moment.
#[derive(Debug)]
pub(crate) struct BalancerSample {
    /// `app/NAME/ID` or `net/NAME/ID`, as the dimension `LoadBalancer` has it.
    pub(crate) name: String,
    /// Whether it is a Network Load Balancer.
    pub(crate) network: bool,
    /// Since it was made.
    pub(crate) counts: BalancerCounts,
    /// Of the target groups that its rules refer to, at whatever weight.
    pub(crate) groups: Vec<GroupSample>,
}

/// A target group at one moment.
#[derive(Debug)]
pub(crate) struct GroupSample {
    /// `targetgroup/NAME/ID`, as the dimension `TargetGroup` has it.
    pub(crate) name: String,
    /// Since it was made.
    pub(crate) counts: GroupCounts,
    /// By zone; zones without registered targets are left out.
    pub(crate) hosts: BTreeMap<String, Hosts>,
}

/// How many targets are registered in a zone, and how they do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hosts {
    /// All but those that are draining.
    pub(crate) registered: u32,
    pub(crate) healthy: u32,
    pub(crate) unhealthy: u32,
}

impl Elb {
    /// All load balancers.
    pub(crate) fn samples(&self) -> Vec<BalancerSample> {
        let sample = |(arn, balancer): (&String, &super::balancers::LoadBalancer)| {
            let groups = self.groups.iter().filter(|(_, group)| group.user.as_ref() == Some(arn));
            let groups = groups.filter_map(|(arn, group)| {
                let mut hosts = BTreeMap::<String, Hosts>::new();
                for target in group.targets.values() {
                    let state = target.plane.state();
                    if state == TargetState::Draining {
                        continue;
                    }
                    let hosts = hosts.entry(target.zone.clone()).or_default();
                    hosts.registered += 1;
                    hosts.healthy += u32::from(state == TargetState::Healthy);
                    hosts.unhealthy += u32::from(state == TargetState::Unhealthy);
                }
                let (_, name) = arn.split_once(":targetgroup/")?;
                Some(GroupSample { name: format!("targetgroup/{name}"), counts: group.plane.counts(), hosts })
            });
            BalancerSample {
                name: balancer.resource().to_owned(),
                network: balancer.kind == Kind::Network,
                counts: balancer.plane.counts(),
                groups: groups.collect(),
            }
        };
        self.balancers.iter().map(sample).collect()
    }

    /// The load balancers whose listeners use a certificate, by ARN.
    pub(crate) fn users_of_certificate(&self, arn: &str) -> Vec<String> {
        let uses = |listener: &&super::Listener| {
            let tls = listener.tls.as_ref();
            tls.is_some_and(|tls| tls.certificate == arn || tls.others.iter().any(|other| other == arn))
        };
        let users: std::collections::BTreeSet<_> =
            self.listeners.values().filter(uses).map(|listener| listener.balancer.clone()).collect();
        users.into_iter().collect()
    }
}
