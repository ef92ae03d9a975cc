//! Target groups: settings that never change, a health check that can, and targets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::attributes::{Attributes, group_defaults};
use super::balancers::LoadBalancer;
use super::check::{Check, CheckIn, Matcher};
use super::protocols::{Protocol, Version, not_in_enum};
use super::targets::{Key, Target, keyed};
use super::{Elb, check_name, limits, paged, tagging};
use crate::dev::model::ec2::Ec2;
use crate::dev::model::tags::{Tag, Tags};
use crate::dev::model::{Answer, Ctx};
use crate::dev::plane;
use crate::dev::wire::{ApiError, Service, Xml};

/// A target group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TargetGroup {
    pub(super) arn: String,
    pub(super) name: String,
    pub(crate) settings: Settings,
    pub(super) check: Check,
    pub(super) attributes: Attributes,
    pub(super) tags: Tags,
    /// By id and port; draining ones included.
    #[serde(with = "keyed")]
    pub(super) targets: BTreeMap<Key, Target>,
    /// The load balancer that uses it, as far as the last change of rules goes.
    pub(super) user: Option<String>,
    /// Until when AWS still thinks that it is used.
    pub(super) lingers: Option<Timestamp>,
    #[serde(skip, default = "nobody")]
    pub(super) plane: Arc<plane::Group>,
}

/// The data plane of a group that was read from a file, until it gets its own.
fn nobody() -> Arc<plane::Group> {
    plane::Group::new("")
}

/// What cannot be changed after creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) protocol: Protocol,
    /// Of groups that speak HTTP.
    pub(crate) version: Option<Version>,
    pub(super) port: u16,
    pub(crate) vpc: String,
    /// Targets are IP addresses rather than instance ids.
    pub(super) by_address: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Create {
    name: String,
    protocol: Option<String>,
    protocol_version: Option<String>,
    port: Option<u32>,
    vpc_id: Option<String>,
    target_type: Option<String>,
    ip_address_type: Option<String>,
    health_check_enabled: Option<bool>,
    health_check_protocol: Option<String>,
    health_check_port: Option<String>,
    health_check_path: Option<String>,
    health_check_interval_seconds: Option<u32>,
    health_check_timeout_seconds: Option<u32>,
    healthy_threshold_count: Option<u32>,
    unhealthy_threshold_count: Option<u32>,
    matcher: Option<Matcher>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Modify {
    target_group_arn: String,
    health_check_enabled: Option<bool>,
    health_check_protocol: Option<String>,
    health_check_port: Option<String>,
    health_check_path: Option<String>,
    health_check_interval_seconds: Option<u32>,
    health_check_timeout_seconds: Option<u32>,
    healthy_threshold_count: Option<u32>,
    unhealthy_threshold_count: Option<u32>,
    matcher: Option<Matcher>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    target_group_arns: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
    load_balancer_arn: Option<String>,
    marker: Option<String>,
    page_size: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Delete {
    target_group_arn: String,
}

impl Elb {
    pub(super) fn group(&self, arn: &str) -> Result<&TargetGroup, ApiError> {
        self.groups.get(arn).ok_or_else(not_found)
    }

    pub(super) fn group_mut(&mut self, arn: &str) -> Result<&mut TargetGroup, ApiError> {
        self.groups.get_mut(arn).ok_or_else(not_found)
    }
}

pub(super) fn not_found() -> ApiError {
    ApiError::new("TargetGroupNotFound", "One or more target groups not found")
}

impl TargetGroup {
    /// The value of an attribute, or nothing.
    pub(super) fn attribute(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }

    /// Brings the data plane's targets in line with what the control plane knows.
    pub(super) fn settle(&mut self, ec2: &Ec2, balancers: &BTreeSet<IpAddr>, user: Option<&LoadBalancer>) {
        for target in self.targets.values_mut() {
            target.settle(ec2, |address| balancers.contains(&address), user);
        }
        self.publish();
    }

    /// Gives the data plane the registered targets.
    pub(super) fn publish(&self) {
        let registered = self.targets.values().filter(|target| target.drains.is_none());
        self.plane.set_targets(registered.map(|target| target.plane.clone()).collect());
    }
}

/// A port from 1 to 65535.
pub(super) fn read_port(given: u32) -> Result<u16, ApiError> {
    match u16::try_from(given) {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(ApiError::validation(format!(
            "1 validation error detected: Value '{given}' at 'port' failed to satisfy constraint: Member must have value \
             between 1 and 65535"
        ))),
    }
}

impl Settings {
    /// What its targets are spoken to in.
    pub(super) const fn speaks(&self) -> plane::TargetProtocol {
        match self.version {
            None | Some(Version::Http1) => plane::TargetProtocol::Http1,
            Some(Version::Http2) => plane::TargetProtocol::Http2,
            Some(Version::Grpc) => plane::TargetProtocol::Grpc,
        }
    }

    fn read(input: &mut Create, ec2: &Ec2) -> Result<Self, ApiError> {
        let missing = |what: &str| ApiError::validation(format!("A {what} must be specified"));
        let by_address = match input.target_type.as_deref() {
            None | Some("instance") => false,
            Some("ip") => true,
            Some(kind @ ("lambda" | "alb")) => {
                return Err(ApiError::new(
                    "InvalidConfigurationRequest",
                    format!(
                        "the dev cloud does not model target groups with target type '{kind}', only 'instance' and 'ip'"
                    ),
                ));
            }
            Some(other) => return Err(not_in_enum(other, "targetType", &["instance", "ip", "lambda", "alb"])),
        };
        match input.ip_address_type.as_deref() {
            None | Some("ipv4") => {}
            Some("ipv6") => {
                let said = "the dev cloud does not model target groups with IP address type 'ipv6', only 'ipv4'";
                return Err(ApiError::new("InvalidConfigurationRequest", said));
            }
            Some(other) => return Err(not_in_enum(other, "ipAddressType", &["ipv4", "ipv6"])),
        }
        let protocol = input.protocol.take().ok_or_else(|| missing("protocol"))?;
        let protocol = Protocol::read("protocol", &protocol)?;
        let version = match input.protocol_version.take() {
            Some(text) if protocol.is_http() => Some(Version::read(&text)?),
            None if protocol.is_http() => Some(Version::Http1),
            Some(_) => {
                let said = format!(
                    "You cannot specify a protocol version for target groups with the {} protocol",
                    protocol.name()
                );
                return Err(ApiError::new("InvalidConfigurationRequest", said));
            }
            None => None,
        };
        let port = read_port(input.port.ok_or_else(|| missing("port"))?)?;
        let vpc = input.vpc_id.take().ok_or_else(|| missing("VPC ID"))?;
        ec2.vpc(&vpc).map_err(|_| ApiError::validation(format!("The VPC ID '{vpc}' is not found")))?;
        Ok(Self { protocol, version, port, vpc, by_address })
    }
}

/// A name that is also part of an ARN, for which AWS has a rule of its own.
fn check_group_name(name: &str) -> Result<(), ApiError> {
    check_name("Target group", name)?;
    if name.contains("--") {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{name}' at 'targetGroup.targetGroupArn.targetGroupName' failed to \
             satisfy constraint: Member must satisfy regular expression pattern: \
             (?!.*--)(?!^-)(?!.*-$)^[A-Za-z0-9-]+$"
        )));
    }
    Ok(())
}

/// Creates a group, or finds the one that has the same name and settings.
pub(super) fn create(ctx: &mut Ctx<'_>, mut input: Create) -> Answer {
    check_group_name(&input.name)?;
    let settings = Settings::read(&mut input, &ctx.region.ec2)?;
    let check = Check::new(
        &settings,
        CheckIn {
            enabled: input.health_check_enabled,
            protocol: input.health_check_protocol,
            port: input.health_check_port,
            path: input.health_check_path,
            interval_s: input.health_check_interval_seconds,
            timeout_s: input.health_check_timeout_seconds,
            healthy: input.healthy_threshold_count,
            unhealthy: input.unhealthy_threshold_count,
            matcher: input.matcher,
        },
    )?;
    if let Some(same) = ctx.region.elb.groups.values().find(|group| group.name == input.name) {
        if same.settings == settings && same.check == check {
            return Ok(answer(same));
        }
        let said = format!("A target group with the same name '{}' exists, but with different settings", input.name);
        return Err(ApiError::new("DuplicateTargetGroupName", said));
    }
    limits::check(ctx.region.elb.groups.len() + 1, limits::GROUPS, "TooManyTargetGroups", || {
        format!("The maximum number of target groups has been reached: '{}'", limits::GROUPS)
    })?;
    let mut tags = Tags::new();
    tagging::put(&mut tags, &input.tags)?;
    let suffix = ctx.cloud.chance.arn_suffix();
    let arn = ctx.region.arn(Service::Elbv2, format_args!("targetgroup/{}/{suffix}", input.name));
    let group = TargetGroup {
        arn: arn.clone(),
        plane: plane::Group::new(&arn),
        name: input.name,
        attributes: group_defaults(&settings),
        settings,
        check,
        tags,
        targets: BTreeMap::new(),
        user: None,
        lingers: None,
    };
    group.tune();
    let xml = answer(&group);
    ctx.region.elb.groups.insert(arn, group);
    Ok(xml)
}

fn answer(group: &TargetGroup) -> Xml {
    let mut xml = Xml::default();
    xml.list("TargetGroups", "member", [group], write);
    xml
}

fn write(xml: &mut Xml, group: &TargetGroup) {
    let settings = &group.settings;
    xml.leaf("TargetGroupArn", &group.arn).leaf("TargetGroupName", &group.name);
    xml.leaf("Protocol", settings.protocol.name()).leaf("Port", settings.port).leaf("VpcId", &settings.vpc);
    group.check.write(xml, settings);
    xml.texts("LoadBalancerArns", "member", &group.user);
    xml.leaf("TargetType", if settings.by_address { "ip" } else { "instance" });
    xml.leaf_if("ProtocolVersion", settings.version.map(Version::name)).leaf("IpAddressType", "ipv4");
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let elb = &ctx.region.elb;
    let kinds = [!input.target_group_arns.is_empty(), !input.names.is_empty(), input.load_balancer_arn.is_some()];
    if kinds.into_iter().filter(|given| *given).count() > 1 {
        return Err(ApiError::validation(
            "Target group names, target group ARNs, and a load balancer ARN cannot be specified at the same time",
        ));
    }
    input.target_group_arns.iter().try_for_each(|arn| elb.group(arn).map(drop))?;
    if !input.names.iter().all(|name| elb.groups.values().any(|group| group.name == *name)) {
        return Err(not_found());
    }
    if let Some(balancer) = &input.load_balancer_arn {
        elb.balancer(balancer)?;
    }
    let wanted = |group: &&TargetGroup| {
        (input.target_group_arns.is_empty() || input.target_group_arns.contains(&group.arn))
            && (input.names.is_empty() || input.names.contains(&group.name))
            && input.load_balancer_arn.as_ref().is_none_or(|arn| group.user.as_ref() == Some(arn))
    };
    let found = elb.groups.values().filter(wanted).collect();
    let pages = (input.marker.as_deref(), input.page_size);
    paged(found, |group: &&TargetGroup| group.arn.clone(), pages, "TargetGroups", write)
}

pub(super) fn modify(ctx: &mut Ctx<'_>, input: Modify) -> Answer {
    let group = ctx.region.elb.group_mut(&input.target_group_arn)?;
    group.check = group.check.with(
        &group.settings,
        CheckIn {
            enabled: input.health_check_enabled,
            protocol: input.health_check_protocol,
            port: input.health_check_port,
            path: input.health_check_path,
            interval_s: input.health_check_interval_seconds,
            timeout_s: input.health_check_timeout_seconds,
            healthy: input.healthy_threshold_count,
            unhealthy: input.unhealthy_threshold_count,
            matcher: input.matcher,
        },
    )?;
    Ok(answer(group))
}

/// Deletes a group that no rule refers to; that it does not exist is success. Its targets go on running.
///
/// For some seconds after the last rule has let go of it, AWS still refuses.
pub(super) fn delete(ctx: &mut Ctx<'_>, input: Delete) -> Answer {
    let (elb, arn) = (&mut ctx.region.elb, input.target_group_arn);
    let now = ctx.cloud.clock.now();
    let Some(group) = elb.groups.get(&arn) else { return Ok(Xml::default()) };
    if group.user.is_some() || group.lingers.is_some_and(|until| now < until) {
        let said = format!("Target group '{arn}' is currently in use by a listener or a rule");
        return Err(ApiError::new("ResourceInUse", said));
    }
    if let Some(group) = elb.groups.remove(&arn) {
        group.plane.set_targets(Vec::new());
    }
    Ok(Xml::default())
}
