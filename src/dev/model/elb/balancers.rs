//! Load balancers: each has one loopback address, which is also its DNS name unless names as AWS's are asked for.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::attributes::{Attributes, balancer_defaults};
use super::limits;
use super::listeners::CLOSE_GRACE;
use super::protocols::{Kind, not_in_enum};
use super::subnets::{self, SubnetsIn};
use super::tagging;
use super::{Elb, check_name, paged};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::dev::cloud::Cloud;
use crate::dev::model::tags::{Tag, Tags};
use crate::dev::model::{Answer, Ctx};
use crate::dev::network::Network;
use crate::dev::plane;
use crate::dev::wire::{ApiError, Service, Xml};

/// The hosted zone of all load balancers, for alias records.
pub(crate) const HOSTED_ZONE: &str = "Z0DEVCLOUDELB";

/// A load balancer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LoadBalancer {
    pub(super) arn: String,
    pub(super) name: String,
    pub(crate) kind: Kind,
    pub(crate) address: Ipv4Addr,
    /// Whether it has a name that only the name server knows.
    pub(super) named: bool,
    pub(super) internal: bool,
    pub(super) vpc: String,
    /// Subnet by zone.
    pub(super) zones: BTreeMap<String, String>,
    /// Addresses that an internal Network Load Balancer was given, by zone.
    pub(super) private_addresses: BTreeMap<String, Ipv4Addr>,
    pub(super) security_groups: Vec<String>,
    created: Timestamp,
    /// When it is no longer `provisioning`.
    pub(super) active: Timestamp,
    pub(super) attributes: Attributes,
    pub(super) tags: Tags,
    #[serde(skip, default = "nothing")]
    pub(super) plane: Arc<plane::Balancer>,
}

/// The data plane of a load balancer that was read from a file, until it is started.
fn nothing() -> Arc<plane::Balancer> {
    plane::Balancer::new("", Network::memory(), Clock::system(), &Chance::of_seed(0))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Create {
    name: String,
    #[serde(default)]
    subnets: Vec<String>,
    #[serde(default)]
    subnet_mappings: Vec<subnets::Mapping>,
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

    pub(super) fn balancer_mut(&mut self, arn: &str) -> Result<&mut LoadBalancer, ApiError> {
        self.balancers.get_mut(arn).ok_or_else(|| not_found(arn))
    }
}

pub(super) fn not_found(name: &str) -> ApiError {
    ApiError::new("LoadBalancerNotFound", format!("Load balancers '[{name}]' not found"))
}

fn read_scheme(given: Option<&str>) -> Result<bool, ApiError> {
    match given {
        None | Some("internet-facing") => Ok(false),
        Some("internal") => Ok(true),
        Some(other) => Err(not_in_enum(other, "scheme", &["internet-facing", "internal"])),
    }
}

/// Creates a load balancer, or finds the one that has the same name and settings.
pub(super) fn create(ctx: &mut Ctx<'_>, input: Create) -> Answer {
    check_name("Load balancer", &input.name)?;
    if input.name.starts_with("internal-") {
        let said = format!("Load balancer name '{}' cannot begin with 'internal-'", input.name);
        return Err(ApiError::validation(said));
    }
    let kind = Kind::read(input.r#type.as_deref())?;
    let internal = read_scheme(input.scheme.as_deref())?;
    subnets::check_ip_type(kind, input.ip_address_type.as_deref())?;
    let ec2 = &ctx.region.ec2;
    let given = SubnetsIn { subnets: input.subnets, mappings: input.subnet_mappings };
    let placed = given.place(ec2, kind, internal)?;
    let mut security_groups = input.security_groups;
    security_groups.sort();
    subnets::check_security_groups(ec2, &security_groups)?;
    let now = ctx.cloud.clock.now();
    let elb = &ctx.region.elb;
    if let Some(same) = elb.balancers.values().find(|other| other.name == input.name) {
        let settings = (same.kind, same.internal, &same.zones, &same.private_addresses, &same.security_groups);
        if settings == (kind, internal, &placed.zones, &placed.private_addresses, &security_groups) {
            return Ok(answer([same], now));
        }
        let said = format!("A load balancer with the same name '{}' exists, but with different settings", input.name);
        return Err(ApiError::new("DuplicateLoadBalancerName", said));
    }
    let most = match kind {
        Kind::Application => limits::APPLICATION_BALANCERS,
        Kind::Network => limits::NETWORK_BALANCERS,
    };
    let count = elb.balancers.values().filter(|other| other.kind == kind).count() + 1;
    limits::check(count, most, "TooManyLoadBalancers", || {
        format!("The maximum number of load balancers of type '{}' has been reached: '{most}'", kind.name())
    })?;
    let mut tags = Tags::new();
    tagging::put(&mut tags, &input.tags)?;
    let address = ctx.block.take_for_load_balancer().ok_or_else(|| {
        ApiError::new("TooManyLoadBalancers", "The dev cloud has no more addresses for load balancers")
    })?;
    let suffix = ctx.cloud.chance.arn_suffix();
    let arn = ctx.region.arn(Service::Elbv2, format_args!("loadbalancer/{}/{}/{suffix}", kind.short(), input.name));
    let mut balancer = LoadBalancer {
        arn: arn.clone(),
        name: input.name,
        kind,
        address,
        named: ctx.cloud.names.balancer_names,
        internal,
        vpc: placed.vpc,
        zones: placed.zones,
        private_addresses: placed.private_addresses,
        security_groups,
        created: now,
        active: now + ctx.cloud.timing.balancing.provision,
        attributes: balancer_defaults(kind, internal),
        tags,
        plane: nothing(),
    };
    balancer.start(ctx.cloud);
    let xml = answer([&balancer], now);
    ctx.region.elb.balancers.insert(arn, balancer);
    Ok(xml)
}

fn answer<'a>(balancers: impl IntoIterator<Item = &'a LoadBalancer>, now: Timestamp) -> Xml {
    let mut xml = Xml::default();
    xml.list("LoadBalancers", "member", balancers, |xml, balancer| write(xml, balancer, now));
    xml
}

fn write(xml: &mut Xml, balancer: &LoadBalancer, now: Timestamp) {
    xml.leaf("LoadBalancerArn", &balancer.arn).leaf("DNSName", balancer.dns_name());
    xml.leaf("CanonicalHostedZoneId", HOSTED_ZONE).leaf("CreatedTime", balancer.created);
    xml.leaf("LoadBalancerName", &balancer.name);
    xml.leaf("Scheme", if balancer.internal { "internal" } else { "internet-facing" }).leaf("VpcId", &balancer.vpc);
    xml.node("State", |xml| {
        xml.leaf("Code", if now < balancer.active { "provisioning" } else { "active" });
    });
    xml.leaf("Type", balancer.kind.name()).leaf("IpAddressType", "ipv4");
    balancer.write_zones(xml);
    // Network Load Balancers without security groups have no such element at all.
    if balancer.kind == Kind::Application || !balancer.security_groups.is_empty() {
        xml.texts("SecurityGroups", "member", &balancer.security_groups);
    }
}

impl LoadBalancer {
    /// The zones with their subnets, and with addresses where it is a Network Load Balancer.
    pub(super) fn write_zones(&self, xml: &mut Xml) {
        xml.list("AvailabilityZones", "member", &self.zones, |xml, (zone, subnet)| {
            xml.leaf("ZoneName", zone).leaf("SubnetId", subnet);
            xml.list("LoadBalancerAddresses", "member", self.private_addresses.get(zone), |xml, address| {
                xml.leaf("PrivateIPv4Address", address);
            });
        });
    }

    /// Its part of the ARN, as CloudWatch and access logs name it: `app/shop/0123456789abcdef`.
    pub(crate) fn resource(&self) -> &str {
        self.arn.split_once(":loadbalancer/").map_or("", |(_, resource)| resource)
    }

    pub(super) fn arn(&self) -> &str {
        &self.arn
    }

    /// Gives it its part of the data plane.
    pub(super) fn start(&mut self, cloud: &Cloud) {
        let (network, clock) = (cloud.network.clone(), cloud.clock.clone());
        self.plane = plane::Balancer::new(self.resource(), network, clock, &cloud.chance);
        self.tune(cloud);
    }
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let now = ctx.cloud.clock.now();
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
    let key = |balancer: &&LoadBalancer| balancer.arn.clone();
    paged(found, key, pages, "LoadBalancers", |xml, balancer| write(xml, balancer, now))
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
