//! ELBv2: Application Load Balancers, their listeners and rules, target groups and the health of targets.

mod actions;
mod attributes;
mod balancers;
mod conditions;
mod forward;
mod groups;
mod health;
mod listeners;
mod names;
mod priorities;
mod routes;
mod rules;
mod tagging;
mod targets;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::ec2::Ec2;
use super::{Answer, Operation, input};
use crate::dev::plane::{GroupCounts, TargetState};
use crate::dev::wire::{ApiError, Node, Service, Xml, page};

pub(crate) use listeners::Listener;
pub(super) use listeners::create as create_listener;

/// ELBv2's state in one region, by ARN.
#[derive(Debug, Default)]
pub(crate) struct Elb {
    pub(crate) balancers: BTreeMap<String, balancers::LoadBalancer>,
    pub(crate) groups: BTreeMap<String, groups::TargetGroup>,
    pub(crate) listeners: BTreeMap<String, listeners::Listener>,
    /// How many targets were ever registered; tells a target from an earlier one with the same id and port.
    registered: u64,
}

/// What a target group in use has to tell CloudWatch.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// The load balancer that refers to it, as the `LoadBalancer` dimension names it.
    pub(crate) balancer: String,
    /// What the data plane counted so far.
    pub(crate) counts: GroupCounts,
    /// Targets that are healthy.
    pub(crate) healthy: u32,
    /// Targets that are unhealthy; those that are draining or not yet checked are neither.
    pub(crate) unhealthy: u32,
}

/// How many items a page has unless the call says otherwise, and at most.
const PAGE_MAX: u32 = 400;

/// What is modelled, and what is missing of it.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::xml("CreateLoadBalancer", "", |ctx, form| balancers::create(ctx, read(form)?)),
    Operation::xml("DescribeLoadBalancers", "", |ctx, form| balancers::describe(ctx, read(form)?)),
    Operation::xml("DeleteLoadBalancer", "", |ctx, form| balancers::delete(ctx, read(form)?)),
    Operation::xml("DescribeLoadBalancerAttributes", "", |ctx, form| attributes::describe_balancer(ctx, read(form)?)),
    Operation::xml("ModifyLoadBalancerAttributes", "", |ctx, form| attributes::modify_balancer(ctx, read(form)?)),
    Operation::xml("CreateTargetGroup", "", |ctx, form| groups::create(ctx, read(form)?)),
    Operation::xml("DescribeTargetGroups", "", |ctx, form| groups::describe(ctx, read(form)?)),
    Operation::xml("ModifyTargetGroup", "", |ctx, form| groups::modify(ctx, read(form)?)),
    Operation::xml("DeleteTargetGroup", "", |ctx, form| groups::delete(ctx, read(form)?)),
    Operation::xml("DescribeTargetGroupAttributes", "", |ctx, form| attributes::describe_group(ctx, read(form)?)),
    Operation::xml("ModifyTargetGroupAttributes", "", |ctx, form| attributes::modify_group(ctx, read(form)?)),
    Operation::xml("DescribeListeners", "", |ctx, form| listeners::describe(ctx, read(form)?)),
    Operation::xml("ModifyListener", "", |ctx, form| listeners::modify(ctx, read(form)?)),
    Operation::xml("DeleteListener", "", |ctx, form| listeners::delete(ctx, read(form)?)),
    Operation::xml("CreateRule", "", |ctx, form| rules::create(ctx, read(form)?)),
    Operation::xml("DescribeRules", "", |ctx, form| rules::describe(ctx, read(form)?)),
    Operation::xml("ModifyRule", "", |ctx, form| rules::modify(ctx, read(form)?)),
    Operation::xml("DeleteRule", "", |ctx, form| rules::delete(ctx, read(form)?)),
    Operation::xml("SetRulePriorities", "", |ctx, form| priorities::set(ctx, read(form)?)),
    Operation::xml("RegisterTargets", "", |ctx, form| targets::register(ctx, read(form)?)),
    Operation::xml("DeregisterTargets", "", |ctx, form| targets::deregister(ctx, read(form)?)),
    Operation::xml("DescribeTargetHealth", "", |ctx, form| health::describe(ctx, read(form)?)),
    Operation::xml("AddTags", "", |ctx, form| tagging::add(ctx, read(form)?)),
    Operation::xml("RemoveTags", "", |ctx, form| tagging::remove(ctx, read(form)?)),
    Operation::xml("DescribeTags", "", |ctx, form| tagging::describe(ctx, read(form)?)),
];

fn read<T: DeserializeOwned>(form: &Node) -> Result<T, ApiError> {
    input(Service::Elbv2, form)
}

impl Elb {
    /// Which load balancer each target group is referenced by, at whatever weight.
    fn references(&self) -> BTreeMap<String, String> {
        let mut references = BTreeMap::new();
        for listener in self.listeners.values() {
            for group in listener.groups() {
                references.insert(group.to_owned(), listener.balancer.clone());
            }
        }
        references
    }

    /// What each target group in use has counted, and how many of its targets are healthy and not, by ARN.
    pub(crate) fn samples(&self) -> BTreeMap<String, Sample> {
        let references = self.references();
        let mut samples = BTreeMap::new();
        for (arn, group) in &self.groups {
            let Some((_, balancer)) = references.get(arn).and_then(|arn| arn.split_once(":loadbalancer/")) else {
                continue;
            };
            let in_state = |state| group.targets.values().filter(|target| target.plane.state() == state).count();
            let count = |state| u32::try_from(in_state(state)).unwrap_or(u32::MAX);
            samples.insert(
                arn.clone(),
                Sample {
                    balancer: balancer.to_owned(),
                    counts: group.plane.counts(),
                    healthy: count(TargetState::Healthy),
                    unhealthy: count(TargetState::Unhealthy),
                },
            );
        }
        samples
    }

    /// Whether a load balancer is in the subnet.
    pub(crate) fn uses_subnet(&self, id: &str) -> bool {
        self.balancers.values().any(|balancer| balancer.zones.values().any(|subnet| subnet == id))
    }

    /// Whether a load balancer is in the security group.
    pub(crate) fn uses_security_group(&self, id: &str) -> bool {
        self.balancers.values().any(|balancer| balancer.security_groups.iter().any(|group| group == id))
    }

    /// Brings the data plane's targets in line after a change: what is not in use is neither checked nor sent to.
    pub(crate) fn settle(&mut self, ec2: &Ec2) {
        let references = self.references();
        for (arn, group) in &mut self.groups {
            let user = references.get(arn).and_then(|balancer| self.balancers.get(balancer));
            group.settle(ec2, user);
        }
    }
}

/// Writes one page of `items` and `NextMarker` where there is another.
fn paged<T>(
    items: Vec<T>,
    key: impl Fn(&T) -> String,
    (marker, size): (Option<&str>, Option<u32>),
    list: &str,
    write: impl FnMut(&mut Xml, T),
) -> Answer {
    let size = size.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&size) {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{size}' at 'pageSize' failed to satisfy constraint: Member must have \
             value between 1 and {PAGE_MAX}"
        )));
    }
    let (items, next) = page(items, key, marker, size as usize)
        .ok_or_else(|| ApiError::validation("The specified marker is not valid"))?;
    let mut xml = Xml::default();
    xml.list(list, "member", items, write).leaf_if("NextMarker", next);
    Ok(xml)
}

/// Load balancers and target groups: at most 32 letters, digits and hyphens, no hyphen at the ends.
fn check_name(what: &str, name: &str) -> Result<(), ApiError> {
    let fits = (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !fits {
        return Err(ApiError::validation(format!(
            "{what} name '{name}' must have 1 to 32 characters that are letters, digits or '-'"
        )));
    }
    if name.starts_with('-') || name.ends_with('-') {
        return Err(ApiError::validation(format!("{what} name '{name}' cannot begin or end with '-'")));
    }
    Ok(())
}
