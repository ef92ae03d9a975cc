//! Attributes of target groups, and which of them exclude each other.

use serde::Deserialize;

use super::{Attribute, Attributes, Spec, Tables, Values, answer, defaults_of, is, only, spec};
use crate::dev::model::elb::Elb;
use crate::dev::model::elb::groups::Settings;
use crate::dev::model::elb::protocols::Protocol;
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::ApiError;

const HEALTHY: &str = "target_group_health";

/// Of all groups.
const ALL: [Spec; 7] = [
    spec("deregistration_delay.timeout_seconds", "300", Values::Number(0, 3600)),
    spec(
        "load_balancing.cross_zone.enabled",
        "use_load_balancer_configuration",
        Values::OneOf(&["true", "false", "use_load_balancer_configuration"]),
    ),
    spec("stickiness.enabled", "false", Values::Bool),
    spec("target_group_health.dns_failover.minimum_healthy_targets.count", "1", Values::WordOrNumber("off", 1, 1000)),
    spec(
        "target_group_health.dns_failover.minimum_healthy_targets.percentage",
        "off",
        Values::WordOrNumber("off", 1, 100),
    ),
    spec("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1", Values::Number(1, 1000)),
    spec(
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
        "off",
        Values::WordOrNumber("off", 1, 100),
    ),
];

/// Of groups for Application Load Balancers.
const HTTP: [Spec; 7] = [
    only("load_balancing.algorithm.anomaly_mitigation", "off", Values::OneOf(&["on", "off"]), &["off"]),
    spec(
        "load_balancing.algorithm.type",
        "round_robin",
        Values::OneOf(&["round_robin", "least_outstanding_requests", "weighted_random"]),
    ),
    spec("slow_start.duration_seconds", "0", Values::WordOrNumber("0", 30, 900)),
    spec("stickiness.app_cookie.cookie_name", "", Values::Text(4096)),
    spec("stickiness.app_cookie.duration_seconds", "86400", Values::Number(1, 604_800)),
    spec("stickiness.lb_cookie.duration_seconds", "86400", Values::Number(1, 604_800)),
    spec("stickiness.type", "lb_cookie", Values::OneOf(&STICKINESS)),
];

/// Of groups for Network Load Balancers.
const TCP: [Spec; 6] = [
    spec("deregistration_delay.connection_termination.enabled", "false", Values::Bool),
    spec("preserve_client_ip.enabled", "true", Values::Bool),
    spec("proxy_protocol_v2.enabled", "false", Values::Bool),
    spec("stickiness.type", "source_ip", Values::OneOf(&STICKINESS)),
    spec("target_health_state.unhealthy.connection_termination.enabled", "true", Values::Bool),
    spec("target_health_state.unhealthy.draining_interval_seconds", "0", Values::Number(0, 360_000)),
];

const STICKINESS: [&str; 3] = ["app_cookie", "lb_cookie", "source_ip"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(in crate::dev::model::elb) struct Describe {
    target_group_arn: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(in crate::dev::model::elb) struct Modify {
    target_group_arn: String,
    attributes: Vec<Attribute>,
}

fn own(protocol: Protocol) -> [&'static [Spec]; 2] {
    if protocol.is_http() { [&ALL, &HTTP] } else { [&ALL, &TCP] }
}

/// What a new group has.
pub(in crate::dev::model::elb) fn defaults(settings: &Settings) -> Attributes {
    let mut attributes = defaults_of(&own(settings.protocol));
    if let Some(preserved) = attributes.get_mut("preserve_client_ip.enabled") {
        *preserved = (!settings.by_address).to_string();
    }
    attributes
}

pub(in crate::dev::model::elb) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    Ok(answer(&ctx.region.elb.group(&input.target_group_arn)?.attributes))
}

pub(in crate::dev::model::elb) fn modify(ctx: &mut Ctx<'_>, input: Modify) -> Answer {
    let elb = &mut ctx.region.elb;
    let group = elb.group(&input.target_group_arn)?;
    let protocol = group.settings.protocol;
    let tables = Tables {
        what: "Target group",
        own: &own(protocol),
        foreign: &[&HTTP, &TCP],
        unsupported: "The provided target group attribute is not supported ({key})".to_owned(),
    };
    let after = tables.merge(&group.attributes, input.attributes)?;
    check(protocol, &after)?;
    check_rules(elb, &input.target_group_arn, &after)?;
    let group = elb.group_mut(&input.target_group_arn)?;
    group.attributes = after;
    group.tune();
    Ok(answer(&group.attributes))
}

fn refuse(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidConfigurationRequest", message)
}

/// What the attributes must be together.
fn check(protocol: Protocol, after: &Attributes) -> Result<(), ApiError> {
    let sticky = is(after, "stickiness.enabled", "true");
    let kind = after.get("stickiness.type").map_or("", String::as_str);
    if sticky && protocol == Protocol::Tls {
        return Err(refuse("You cannot enable stickiness on target groups with the TLS protocol"));
    }
    if (kind == "source_ip") == protocol.is_http() {
        let protocol = protocol.name();
        let said = format!("Stickiness type '{kind}' is not supported for target groups with the {protocol} protocol");
        return Err(refuse(said));
    }
    let cookie = after.get("stickiness.app_cookie.cookie_name").map_or("", String::as_str);
    if sticky && kind == "app_cookie" && cookie.is_empty() {
        return Err(refuse("You must set an application cookie name to enable stickiness of type 'app_cookie'"));
    }
    if cookie.starts_with("AWSALB") {
        return Err(ApiError::validation(format!(
            "The cookie name '{cookie}' is reserved: AWSALB, AWSALBAPP and AWSALBTG are prefixes of the load balancer"
        )));
    }
    let algorithm = after.get("load_balancing.algorithm.type").map_or("", String::as_str);
    if sticky && algorithm == "weighted_random" {
        let said = "You cannot have both stickiness and weighted random algorithm enabled on the same target group.";
        return Err(refuse(said));
    }
    if sticky && is(after, "load_balancing.cross_zone.enabled", "false") {
        return Err(refuse("You cannot enable stickiness on a target group with cross-zone load balancing off"));
    }
    let slow = after.get("slow_start.duration_seconds").is_some_and(|seconds| seconds != "0");
    if slow && matches!(algorithm, "least_outstanding_requests" | "weighted_random") {
        let said = format!("You cannot enable both slow start mode and {}", algorithm.replace('_', " "));
        return Err(refuse(said));
    }
    if is(after, "load_balancing.algorithm.anomaly_mitigation", "on") && algorithm != "weighted_random" {
        return Err(refuse("Anomaly mitigation can only be enabled with the 'weighted_random' algorithm"));
    }
    let interval = after.get("target_health_state.unhealthy.draining_interval_seconds");
    let cuts = is(after, "target_health_state.unhealthy.connection_termination.enabled", "true");
    if cuts && interval.is_some_and(|seconds| seconds != "0") {
        return Err(refuse(
            "'target_health_state.unhealthy.draining_interval_seconds' can only be set when \
             'target_health_state.unhealthy.connection_termination.enabled' is false",
        ));
    }
    for unit in ["count", "percentage"] {
        let number = |what: &str| -> Option<u32> {
            after.get(&format!("{HEALTHY}.{what}.minimum_healthy_targets.{unit}"))?.parse().ok()
        };
        if let (Some(dns), Some(routing)) = (number("dns_failover"), number("unhealthy_state_routing"))
            && dns < routing
        {
            return Err(refuse(format!(
                "The {unit} for DNS failover ('{dns}') must be greater than or equal to the {unit} for routing failover \
                 ('{routing}')"
            )));
        }
    }
    Ok(())
}

/// What the rules that forward to the group allow: behind several groups, sticky targets need sticky groups.
fn check_rules(elb: &Elb, arn: &str, after: &Attributes) -> Result<(), ApiError> {
    if !is(after, "stickiness.enabled", "true") {
        return Ok(());
    }
    for (rule, forward) in elb.forwards() {
        if forward.groups.len() < 2 || !forward.groups.iter().any(|(group, _)| group == arn) {
            continue;
        }
        if is(after, "stickiness.type", "app_cookie") {
            return Err(refuse(format!(
                "This target group appears behind a rule with multiple target groups ({}). None of them can have \
                 stickiness of type 'app_cookie' enabled",
                rule.arn
            )));
        }
        if !forward.sticky {
            return Err(refuse(format!(
                "This target group appears behind a rule with group stickiness disabled ({}). You must enable group \
                 stickiness before enabling target stickiness",
                rule.arn
            )));
        }
    }
    Ok(())
}
