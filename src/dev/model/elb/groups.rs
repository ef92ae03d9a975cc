//! Target groups: settings that never change, a health check that can, and targets.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::attributes::group_defaults;
use super::balancers::LoadBalancer;
use super::targets::Target;
use super::{Elb, check_name, paged, tagging};
use crate::dev::model::ec2::Ec2;
use crate::dev::model::tags::{Tag, Tags};
use crate::dev::model::{Answer, Ctx};
use crate::dev::plane;
use crate::dev::wire::{ApiError, Service, Xml};

/// A target group.
#[derive(Debug)]
pub(crate) struct TargetGroup {
    pub(super) arn: String,
    name: String,
    pub(super) settings: Settings,
    pub(super) check: Check,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) tags: Tags,
    /// By id and port; draining ones included.
    pub(super) targets: BTreeMap<(String, u16), Target>,
    pub(super) plane: Arc<plane::Group>,
}

/// What cannot be changed after creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) port: u16,
    pub(super) vpc: String,
    /// Targets are IP addresses rather than instance ids.
    pub(super) by_address: bool,
}

/// How targets are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// `None` is the target's own port.
    port: Option<u16>,
    path: String,
    pub(super) interval_s: u32,
    pub(super) timeout_s: u32,
    pub(super) healthy: u32,
    pub(super) unhealthy: u32,
    matcher: plane::Matcher,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Create {
    name: String,
    protocol: Option<String>,
    protocol_version: Option<String>,
    port: Option<u16>,
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
    matcher: Option<MatcherIn>,
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
    matcher: Option<MatcherIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct MatcherIn {
    http_code: Option<String>,
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
    pub(super) fn settle(&mut self, ec2: &Ec2, user: Option<&LoadBalancer>) {
        for target in self.targets.values_mut() {
            target.settle(ec2, user);
        }
        let registered = self.targets.values().filter(|target| !target.draining).map(|target| target.plane.clone());
        self.plane.set_targets(registered.collect());
    }
}

impl Default for Check {
    fn default() -> Self {
        let (interval_s, timeout_s, healthy, unhealthy) = (30, 5, 5, 2);
        let matcher = "200".parse().unwrap_or_else(|_| unreachable!("200 is a list of statuses"));
        Self { port: None, path: "/".to_owned(), interval_s, timeout_s, healthy, unhealthy, matcher }
    }
}

/// The number at `name`, within AWS's limits.
fn within(name: &str, given: Option<u32>, kept: u32, (low, high): (u32, u32)) -> Result<u32, ApiError> {
    let value = given.unwrap_or(kept);
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    Err(ApiError::validation(format!("{name} '{value}' must be between '{low}' and '{high}' inclusive")))
}

impl Check {
    fn with(&self, change: Modify) -> Result<Self, ApiError> {
        if change.health_check_enabled == Some(false) {
            return Err(ApiError::validation(
                "Health checks must be enabled for target groups with target type 'instance' or 'ip'",
            ));
        }
        if let Some(protocol) = change.health_check_protocol.filter(|protocol| protocol != "HTTP") {
            let said = format!("Health check protocol '{protocol}' is not supported (or not modelled): expected HTTP");
            return Err(ApiError::validation(said));
        }
        let port = match change.health_check_port.as_deref() {
            None => self.port,
            Some("traffic-port") => None,
            Some(text) => Some(text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
                ApiError::validation(format!("Health check port '{text}' must be 'traffic-port' or 1 to 65535"))
            })?),
        };
        let path = change.health_check_path.unwrap_or_else(|| self.path.clone());
        if !path.starts_with('/') || path.len() > 1024 || path.parse::<http::uri::PathAndQuery>().is_err() {
            return Err(ApiError::validation(format!("Health check path '{path}' must start with '/' and be a path")));
        }
        let matcher = match change.matcher.and_then(|matcher| matcher.http_code) {
            None => self.matcher.clone(),
            Some(text) => text.parse().map_err(|_| {
                ApiError::validation(format!(
                    "Health check matcher HTTP code '{text}' must be a list of codes from 200 to 499"
                ))
            })?,
        };
        let check = Self {
            port,
            path,
            interval_s: within(
                "Health check interval",
                change.health_check_interval_seconds,
                self.interval_s,
                (5, 300),
            )?,
            timeout_s: within("Health check timeout", change.health_check_timeout_seconds, self.timeout_s, (2, 120))?,
            healthy: within("Healthy threshold count", change.healthy_threshold_count, self.healthy, (2, 10))?,
            unhealthy: within("Unhealthy threshold count", change.unhealthy_threshold_count, self.unhealthy, (2, 10))?,
            matcher,
        };
        // Equal is allowed for Application Load Balancers: the check may take all of the interval.
        if check.timeout_s > check.interval_s {
            let (timeout, interval) = (check.timeout_s, check.interval_s);
            return Err(ApiError::validation(format!(
                "Health check timeout '{timeout}' must be smaller than or equal to the interval '{interval}'"
            )));
        }
        Ok(check)
    }

    /// The port that is checked of a target with traffic on `port`.
    pub(super) fn port_of(&self, port: u16) -> u16 {
        self.port.unwrap_or(port)
    }

    /// The same for the data plane's prober.
    pub(super) fn probe(&self) -> plane::HealthCheck {
        plane::HealthCheck {
            protocol: plane::ProbeProtocol::Http { path: self.path.clone(), matcher: self.matcher.clone() },
            timeout: std::time::Duration::from_secs(self.timeout_s.into()),
        }
    }
}

pub(super) fn create(ctx: &mut Ctx<'_>, input: Create) -> Answer {
    check_name("Target group", &input.name)?;
    let modelled = |what: &str, given: Option<&str>, only: &str| match given {
        None => Ok(()),
        Some(given) if given == only => Ok(()),
        Some(given) => {
            Err(ApiError::validation(format!("{what} '{given}' is not supported: the dev cloud has {only}")))
        }
    };
    let missing = |what: &str| ApiError::validation(format!("A {what} must be specified"));
    modelled("Protocol", Some(input.protocol.as_deref().ok_or_else(|| missing("protocol"))?), "HTTP")?;
    modelled("Protocol version", input.protocol_version.as_deref(), "HTTP1")?;
    modelled("IP address type", input.ip_address_type.as_deref(), "ipv4")?;
    let by_address = match input.target_type.as_deref() {
        None | Some("instance") => false,
        Some("ip") => true,
        Some(other) => {
            return Err(ApiError::validation(format!(
                "Target type '{other}' is not supported: the dev cloud has instance, ip"
            )));
        }
    };
    let port = input.port.filter(|port| *port > 0).ok_or_else(|| missing("port"))?;
    let vpc = input.vpc_id.ok_or_else(|| missing("VPC ID"))?;
    ctx.region.ec2.vpc(&vpc).map_err(|_| ApiError::validation(format!("The VPC ID '{vpc}' is not found")))?;
    let check = Check::default().with(Modify {
        target_group_arn: String::new(),
        health_check_enabled: input.health_check_enabled,
        health_check_protocol: input.health_check_protocol,
        health_check_port: input.health_check_port,
        health_check_path: input.health_check_path,
        health_check_interval_seconds: input.health_check_interval_seconds,
        health_check_timeout_seconds: input.health_check_timeout_seconds,
        healthy_threshold_count: input.healthy_threshold_count,
        unhealthy_threshold_count: input.unhealthy_threshold_count,
        matcher: input.matcher,
    })?;
    let settings = Settings { port, vpc, by_address };
    let suffix = ctx.cloud.chance.arn_suffix();
    let arn = ctx.region.arn(Service::Elbv2, format_args!("targetgroup/{}/{suffix}", input.name));
    let elb = &mut ctx.region.elb;
    if let Some(same) = elb.groups.values().find(|group| group.name == input.name) {
        if same.settings == settings && same.check == check {
            return Ok(answer(same, &elb.references()));
        }
        let said = format!("A target group with the same name '{}' exists, but with different settings", input.name);
        return Err(ApiError::new("DuplicateTargetGroupName", said));
    }
    let mut tags = Tags::new();
    tagging::put(&mut tags, &input.tags)?;
    let group = TargetGroup {
        arn: arn.clone(),
        plane: plane::Group::new(&input.name),
        name: input.name,
        settings,
        check,
        attributes: group_defaults(),
        tags,
        targets: BTreeMap::new(),
    };
    let xml = answer(&group, &elb.references());
    elb.groups.insert(arn, group);
    Ok(xml)
}

fn answer(group: &TargetGroup, references: &BTreeMap<String, String>) -> Xml {
    let mut xml = Xml::default();
    xml.list("TargetGroups", "member", [group], |xml, group| write(xml, group, references));
    xml
}

fn write(xml: &mut Xml, group: &TargetGroup, references: &BTreeMap<String, String>) {
    let (settings, check) = (&group.settings, &group.check);
    xml.leaf("TargetGroupArn", &group.arn).leaf("TargetGroupName", &group.name).leaf("Protocol", "HTTP");
    xml.leaf("Port", settings.port).leaf("VpcId", &settings.vpc).leaf("HealthCheckProtocol", "HTTP");
    match check.port {
        Some(port) => xml.leaf("HealthCheckPort", port),
        None => xml.leaf("HealthCheckPort", "traffic-port"),
    };
    xml.leaf("HealthCheckEnabled", true).leaf("HealthCheckIntervalSeconds", check.interval_s);
    xml.leaf("HealthCheckTimeoutSeconds", check.timeout_s).leaf("HealthyThresholdCount", check.healthy);
    xml.leaf("UnhealthyThresholdCount", check.unhealthy).leaf("HealthCheckPath", &check.path);
    xml.node("Matcher", |xml| {
        xml.leaf("HttpCode", &check.matcher);
    });
    xml.texts("LoadBalancerArns", "member", references.get(&group.arn));
    xml.leaf("TargetType", if settings.by_address { "ip" } else { "instance" });
    xml.leaf("ProtocolVersion", "HTTP1").leaf("IpAddressType", "ipv4");
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let elb = &ctx.region.elb;
    let kinds = [!input.target_group_arns.is_empty(), !input.names.is_empty(), input.load_balancer_arn.is_some()];
    if kinds.into_iter().filter(|given| *given).count() > 1 {
        return Err(ApiError::validation(
            "Target group ARNs, names and a load balancer ARN cannot be specified together",
        ));
    }
    input.target_group_arns.iter().try_for_each(|arn| elb.group(arn).map(drop))?;
    if !input.names.iter().all(|name| elb.groups.values().any(|group| group.name == *name)) {
        return Err(not_found());
    }
    if let Some(balancer) = &input.load_balancer_arn {
        elb.balancer(balancer)?;
    }
    let references = elb.references();
    let wanted = |group: &&TargetGroup| {
        (input.target_group_arns.is_empty() || input.target_group_arns.contains(&group.arn))
            && (input.names.is_empty() || input.names.contains(&group.name))
            && input.load_balancer_arn.as_ref().is_none_or(|arn| references.get(&group.arn) == Some(arn))
    };
    let found = elb.groups.values().filter(wanted).collect();
    let pages = (input.marker.as_deref(), input.page_size);
    paged(
        found,
        |group: &&TargetGroup| group.arn.clone(),
        pages,
        "TargetGroups",
        |xml, group| {
            write(xml, group, &references);
        },
    )
}

pub(super) fn modify(ctx: &mut Ctx<'_>, input: Modify) -> Answer {
    let references = ctx.region.elb.references();
    let group = ctx.region.elb.group_mut(&input.target_group_arn)?;
    group.check = group.check.with(input)?;
    Ok(answer(group, &references))
}

/// Deletes a group that no rule refers to; that it does not exist is success. Its targets go on running.
pub(super) fn delete(ctx: &mut Ctx<'_>, input: Delete) -> Answer {
    let (elb, arn) = (&mut ctx.region.elb, input.target_group_arn);
    if elb.references().contains_key(&arn) {
        let said = format!("Target group '{arn}' is currently in use by a listener or a rule");
        return Err(ApiError::new("ResourceInUse", said));
    }
    if let Some(group) = elb.groups.remove(&arn) {
        group.plane.set_targets(Vec::new());
    }
    Ok(Xml::default())
}
