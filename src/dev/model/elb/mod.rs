//! ELBv2: Application and Network Load Balancers, their listeners and rules, target groups and the health of targets.

mod actions;
mod answers;
mod attributes;
mod authentication;
mod balancers;
mod certificates;
mod check;
mod condition_in;
mod conditions;
pub(crate) mod fleet;
mod forward;
mod groups;
mod health;
mod limits;
mod listeners;
mod names;
mod policies;
mod priorities;
mod protocols;
mod recording;
mod registration;
mod revive;
mod routes;
mod rules;
mod sampling;
mod subnets;
mod tagging;
mod target_health;
mod targets;
mod tls;
mod transforms;
mod tuning;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ec2::Ec2;
use super::{Answer, Ctx, Operation, input};
use crate::dev::cloud::Cloud;
use crate::dev::wire::{ApiError, Node, Service, Xml, page};

pub(crate) use listeners::Listener;
pub(super) use listeners::create as create_listener;
pub(crate) use revive::revive;
pub(crate) use sampling::{BalancerSample, GroupSample, Hosts};

/// ELBv2's state in one region, by ARN.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Elb {
    pub(crate) balancers: BTreeMap<String, balancers::LoadBalancer>,
    pub(crate) groups: BTreeMap<String, groups::TargetGroup>,
    pub(crate) listeners: BTreeMap<String, listeners::Listener>,
    /// How many targets were ever registered; tells a target from an earlier one with the same id and port.
    registered: u64,
}

/// How many items a page has unless the call says otherwise, and at most.
const PAGE_MAX: u32 = 400;

/// What is modelled, and what is missing of it.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::xml(
        "CreateLoadBalancer",
        "no gateway load balancers, IPv6, Elastic IPs, Outposts, address pools",
        |ctx, form| balancers::create(ctx, read(form)?),
    ),
    Operation::xml("DescribeLoadBalancers", "", |ctx, form| balancers::describe(ctx, read(form)?)),
    Operation::xml("DeleteLoadBalancer", "", |ctx, form| changes_uses(ctx, |ctx| balancers::delete(ctx, read(form)?))),
    Operation::xml("DescribeLoadBalancerAttributes", "", |ctx, form| attributes::describe_balancer(ctx, read(form)?)),
    Operation::xml(
        "ModifyLoadBalancerAttributes",
        "desync mitigation is always strict; no connection and health check logs; no client routing policy",
        |ctx, form| attributes::modify_balancer(ctx, read(form)?),
    ),
    Operation::xml("SetSubnets", "IPv4 only", |ctx, form| subnets::set_subnets(ctx, read(form)?)),
    Operation::xml("SetSecurityGroups", "kept; loopback has no firewall", |ctx, form| {
        subnets::set_security_groups(ctx, read(form)?)
    }),
    Operation::xml("SetIpAddressType", "IPv4 only", |ctx, form| subnets::set_ip_address_type(ctx, read(form)?)),
    Operation::xml(
        "CreateTargetGroup",
        "target types instance and ip; protocols HTTP, HTTPS, TCP and TLS",
        |ctx, form| groups::create(ctx, read(form)?),
    ),
    Operation::xml("DescribeTargetGroups", "", |ctx, form| groups::describe(ctx, read(form)?)),
    Operation::xml("ModifyTargetGroup", "", |ctx, form| groups::modify(ctx, read(form)?)),
    Operation::xml("DeleteTargetGroup", "", |ctx, form| groups::delete(ctx, read(form)?)),
    Operation::xml("DescribeTargetGroupAttributes", "", |ctx, form| attributes::describe_group(ctx, read(form)?)),
    Operation::xml(
        "ModifyTargetGroupAttributes",
        "client addresses are not preserved; no anomaly mitigation",
        |ctx, form| attributes::modify_group(ctx, read(form)?),
    ),
    // Run apart from this table, since a port is bound before it answers.
    Operation::rest(
        "CreateListener",
        "protocols HTTP, HTTPS, TCP and TLS; no mutual authentication; a certificate that ACM does not have is self-made",
    ),
    Operation::xml("DescribeListeners", "", |ctx, form| listeners::describe(ctx, read(form)?)),
    Operation::xml("ModifyListener", "port and protocol cannot be changed", |ctx, form| {
        changes_uses(ctx, |ctx| listeners::modify(ctx, read(form)?))
    }),
    Operation::xml("DeleteListener", "", |ctx, form| changes_uses(ctx, |ctx| listeners::delete(ctx, read(form)?))),
    Operation::xml("DescribeListenerAttributes", "", |ctx, form| attributes::describe_listener(ctx, read(form)?)),
    Operation::xml("ModifyListenerAttributes", "headers about the client's TLS keep their names", |ctx, form| {
        attributes::modify_listener(ctx, read(form)?)
    }),
    Operation::xml("AddListenerCertificates", "", |ctx, form| certificates::add(ctx, read(form)?)),
    Operation::xml("RemoveListenerCertificates", "", |ctx, form| certificates::remove(ctx, read(form)?)),
    Operation::xml("DescribeListenerCertificates", "", |ctx, form| certificates::describe(ctx, read(form)?)),
    Operation::xml("DescribeSSLPolicies", "six of AWS's policies", |ctx, form| policies::describe(ctx, read(form)?)),
    Operation::xml("CreateRule", "authentication is kept, not carried out", |ctx, form| {
        changes_uses(ctx, |ctx| rules::create(ctx, read(form)?))
    }),
    Operation::xml("DescribeRules", "", |ctx, form| rules::describe(ctx, read(form)?)),
    Operation::xml("ModifyRule", "as CreateRule", |ctx, form| changes_uses(ctx, |ctx| rules::modify(ctx, read(form)?))),
    Operation::xml("DeleteRule", "", |ctx, form| changes_uses(ctx, |ctx| rules::delete(ctx, read(form)?))),
    Operation::xml("SetRulePriorities", "", |ctx, form| priorities::set(ctx, read(form)?)),
    Operation::xml("RegisterTargets", "", |ctx, form| registration::register(ctx, read(form)?)),
    Operation::xml("DeregisterTargets", "", |ctx, form| registration::deregister(ctx, read(form)?)),
    Operation::xml("DescribeTargetHealth", "anomalies are never found", |ctx, form| {
        target_health::describe(ctx, read(form)?)
    }),
    Operation::xml("AddTags", "", |ctx, form| tagging::add(ctx, read(form)?)),
    Operation::xml("RemoveTags", "", |ctx, form| tagging::remove(ctx, read(form)?)),
    Operation::xml("DescribeTags", "", |ctx, form| tagging::describe(ctx, read(form)?)),
    Operation::xml("DescribeAccountLimits", "", |ctx, form| limits::describe(ctx, read(form)?)),
];

fn read<T: DeserializeOwned>(form: &Node) -> Result<T, ApiError> {
    input(Service::Elbv2, form)
}

/// Runs what may change which load balancer uses which group.
fn changes_uses(ctx: &mut Ctx<'_>, run: impl FnOnce(&mut Ctx<'_>) -> Answer) -> Answer {
    let answer = run(ctx)?;
    ctx.region.elb.note_uses(ctx.cloud);
    Ok(answer)
}

impl Elb {
    /// Which load balancer each target group is referenced by, at whatever weight.
    fn references(&self) -> BTreeMap<&str, &str> {
        let listeners = self.listeners.values();
        listeners.flat_map(|listener| listener.groups().map(|group| (group, listener.balancer.as_str()))).collect()
    }

    /// Writes down which load balancer uses which group, after rules have changed: targets of a group that comes into
    /// use are registered anew, and AWS does not notice at once that a group is no longer used.
    fn note_uses(&mut self, cloud: &Cloud) {
        let now = cloud.clock.now();
        let users: BTreeMap<String, String> =
            self.references().into_iter().map(|(group, user)| (group.to_owned(), user.to_owned())).collect();
        for (arn, group) in &mut self.groups {
            let user = users.get(arn);
            if group.user.as_ref() == user {
                continue;
            }
            match user {
                Some(_) if group.user.is_none() => {
                    group.targets.values_mut().for_each(|target| target.entered = now);
                    group.lingers = None;
                }
                Some(_) => {}
                None => group.lingers = Some(now + cloud.timing.linger_by(&cloud.chance)),
            }
            group.user = user.cloned();
        }
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
        let balancers: BTreeSet<IpAddr> = self.balancers.values().map(|balancer| balancer.address.into()).collect();
        for group in self.groups.values_mut() {
            let user = group.user.as_ref().and_then(|arn| self.balancers.get(arn));
            group.settle(ec2, &balancers, user);
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
    let problem = if name.is_empty() {
        "cannot be empty"
    } else if name.len() > 32 {
        "cannot be longer than '32' characters"
    } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        "can only contain characters that are alphanumeric characters or hyphens(-)"
    } else if name.starts_with('-') || name.ends_with('-') {
        "cannot begin or end with '-'"
    } else {
        return Ok(());
    };
    Err(ApiError::validation(format!("{what} name '{name}' {problem}")))
}
