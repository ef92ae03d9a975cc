//! Load balancers: each has one loopback address, which is also its DNS name.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::attributes::balancer_defaults;
use super::listeners::CLOSE_GRACE;
use super::tagging;
use super::{Elb, check_name, paged};
use crate::dev::model::tags::{Tag, Tags};
use crate::dev::model::{Answer, Ctx};
use crate::dev::plane;
use crate::dev::wire::{ApiError, Service, Xml};

/// The hosted zone of all load balancers, for alias records.
pub(crate) const HOSTED_ZONE: &str = "Z0DEVCLOUDELB";

/// A load balancer.
#[derive(Debug)]
pub(crate) struct LoadBalancer {
    arn: String,
    name: String,
    pub(crate) address: Ipv4Addr,
    scheme: String,
    pub(super) vpc: String,
    /// Subnet by zone.
    pub(super) zones: BTreeMap<String, String>,
    pub(super) security_groups: Vec<String>,
    created: Timestamp,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) tags: Tags,
    pub(super) plane: Arc<plane::Balancer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Create {
    name: String,
    #[serde(default)]
    subnets: Vec<String>,
    #[serde(default)]
    pub(super) security_groups: Vec<String>,
    scheme: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    r#type: Option<String>,
    ip_address_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    load_balancer_arns: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
    marker: Option<String>,
    page_size: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Delete {
    load_balancer_arn: String,
}

impl Elb {
    pub(super) fn balancer(&self, arn: &str) -> Result<&LoadBalancer, ApiError> {
        self.balancers.get(arn).ok_or_else(|| not_found(arn))
    }
}

pub(super) fn not_found(name: &str) -> ApiError {
    ApiError::new("LoadBalancerNotFound", format!("Load balancers '[{name}]' not found"))
}

fn one_of(what: &str, given: Option<String>, modelled: &[&str]) -> Result<String, ApiError> {
    let given = given.unwrap_or_else(|| modelled[0].to_owned());
    if modelled.contains(&given.as_str()) {
        return Ok(given);
    }
    let said = format!("{what} '{given}' is not supported: the dev cloud has {}", modelled.join(", "));
    Err(ApiError::validation(said))
}

pub(super) fn create(ctx: &mut Ctx<'_>, input: Create) -> Answer {
    check_name("Load balancer", &input.name)?;
    if input.name.starts_with("internal-") {
        return Err(ApiError::validation(format!(
            "The load balancer name '{}' cannot start with 'internal-'",
            input.name
        )));
    }
    one_of("Type", input.r#type, &["application"])?;
    one_of("IpAddressType", input.ip_address_type, &["ipv4"])?;
    let scheme = one_of("Scheme", input.scheme, &["internet-facing", "internal"])?;
    let (mut zones, mut vpc) = (BTreeMap::new(), None);
    for id in &input.subnets {
        let subnet = ctx.region.ec2.subnet(id).map_err(|error| ApiError::new("SubnetNotFound", error.message))?;
        if vpc.get_or_insert_with(|| subnet.vpc.clone()) != &subnet.vpc {
            return Err(ApiError::new("InvalidSubnet", "All subnets must belong to the same VPC"));
        }
        if zones.insert(subnet.zone.clone(), id.clone()).is_some() {
            return Err(ApiError::new(
                "InvalidConfigurationRequest",
                "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
            ));
        }
    }
    let Some(vpc) = vpc.filter(|_| zones.len() > 1) else {
        return Err(ApiError::validation("At least two subnets in two different Availability Zones must be specified"));
    };
    for id in &input.security_groups {
        let group = ctx.region.ec2.security_group(id);
        group.map_err(|error| ApiError::new("InvalidSecurityGroup", error.message))?;
    }
    if let Some(same) = ctx.region.elb.balancers.values().find(|other| other.name == input.name) {
        if (&same.scheme, &same.zones, &same.security_groups) == (&scheme, &zones, &input.security_groups) {
            return Ok(answer([same]));
        }
        let said = format!("A load balancer with the same name '{}' exists, but with different settings", input.name);
        return Err(ApiError::new("DuplicateLoadBalancerName", said));
    }
    let mut tags = Tags::new();
    tagging::put(&mut tags, &input.tags)?;
    let address = ctx.block.take_for_load_balancer().ok_or_else(|| {
        ApiError::new("TooManyLoadBalancers", "The dev cloud has no more addresses for load balancers")
    })?;
    let suffix = ctx.cloud.chance.arn_suffix();
    let arn = ctx.region.arn(Service::Elbv2, format_args!("loadbalancer/app/{}/{suffix}", input.name));
    let name = input.name;
    let balancer = LoadBalancer {
        arn: arn.clone(),
        name: name.clone(),
        address,
        scheme,
        vpc,
        zones,
        security_groups: input.security_groups,
        created: ctx.cloud.clock.now(),
        attributes: balancer_defaults(),
        tags,
        plane: plane::Balancer::new(
            format!("app/{name}/{suffix}"),
            ctx.cloud.network.clone(),
            ctx.cloud.clock.clone(),
            &ctx.cloud.chance,
        ),
    };
    let xml = answer([&balancer]);
    ctx.region.elb.balancers.insert(arn, balancer);
    Ok(xml)
}

fn answer<'a>(balancers: impl IntoIterator<Item = &'a LoadBalancer>) -> Xml {
    let mut xml = Xml::default();
    xml.list("LoadBalancers", "member", balancers, write);
    xml
}

fn write(xml: &mut Xml, balancer: &LoadBalancer) {
    xml.leaf("LoadBalancerArn", &balancer.arn).leaf("DNSName", balancer.address);
    xml.leaf("CanonicalHostedZoneId", HOSTED_ZONE).leaf("CreatedTime", balancer.created);
    xml.leaf("LoadBalancerName", &balancer.name).leaf("Scheme", &balancer.scheme).leaf("VpcId", &balancer.vpc);
    xml.node("State", |xml| {
        xml.leaf("Code", "active");
    });
    xml.leaf("Type", "application").leaf("IpAddressType", "ipv4");
    xml.list("AvailabilityZones", "member", &balancer.zones, |xml, (zone, subnet)| {
        xml.leaf("ZoneName", zone).leaf("SubnetId", subnet);
    });
    xml.texts("SecurityGroups", "member", &balancer.security_groups);
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let elb = &ctx.region.elb;
    if !input.load_balancer_arns.is_empty() && !input.names.is_empty() {
        return Err(ApiError::validation(
            "Load balancer names and load balancer ARNs cannot be specified at the same time",
        ));
    }
    input.load_balancer_arns.iter().try_for_each(|arn| elb.balancer(arn).map(drop))?;
    let known = |name: &&String| elb.balancers.values().any(|balancer| balancer.name == **name);
    if let Some(name) = input.names.iter().find(|name| !known(name)) {
        return Err(not_found(name));
    }
    let wanted = |balancer: &&LoadBalancer| {
        let (arns, names) = (&input.load_balancer_arns, &input.names);
        (arns.is_empty() && names.is_empty()) || arns.contains(&balancer.arn) || names.contains(&balancer.name)
    };
    let found = elb.balancers.values().filter(wanted).collect();
    let pages = (input.marker.as_deref(), input.page_size);
    paged(found, |balancer: &&LoadBalancer| balancer.arn.clone(), pages, "LoadBalancers", write)
}

/// Deletes the load balancer with its listeners; that it does not exist is success.
pub(super) fn delete(ctx: &mut Ctx<'_>, input: Delete) -> Answer {
    let Some(balancer) = ctx.region.elb.balancers.get(&input.load_balancer_arn) else { return Ok(Xml::default()) };
    if balancer.attributes.get("deletion_protection.enabled").is_some_and(|value| value == "true") {
        let said = format!("Load balancer '{}' cannot be deleted because deletion protection is enabled", balancer.arn);
        return Err(ApiError::new("OperationNotPermitted", said));
    }
    let address = balancer.address;
    let arn = input.load_balancer_arn;
    let listeners: Vec<_> =
        ctx.region.elb.listeners.extract_if(.., |_, listener| listener.balancer == arn).map(|(_, each)| each).collect();
    ctx.region.elb.balancers.remove(&arn);
    let cloud = ctx.cloud.clone();
    ctx.cloud.spawn(async move {
        for listener in listeners {
            listener.close(CLOSE_GRACE).await;
        }
        cloud.world().block.release(address);
    });
    Ok(Xml::default())
}
