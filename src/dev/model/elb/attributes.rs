//! Attributes of load balancers and target groups. All are kept and read back; those that the data plane follows are
//! the deregistration delay and, for listeners created later, the idle time-out.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Deserialize;

use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// What an attribute can be set to.
enum Values {
    Bool,
    Number(RangeInclusive<u32>),
    OneOf(&'static [&'static str]),
    Text,
}

const BALANCER: [(&str, &str, Values); 7] = [
    ("access_logs.s3.enabled", "false", Values::OneOf(&["false"])),
    ("client_keep_alive.seconds", "3600", Values::Number(60..=604_800)),
    ("deletion_protection.enabled", "false", Values::Bool),
    ("idle_timeout.timeout_seconds", "60", Values::Number(1..=4000)),
    ("load_balancing.cross_zone.enabled", "true", Values::OneOf(&["true"])),
    ("routing.http.drop_invalid_header_fields.enabled", "false", Values::Bool),
    ("routing.http2.enabled", "true", Values::Bool),
];

const GROUP: [(&str, &str, Values); 12] = [
    ("deregistration_delay.timeout_seconds", "300", Values::Number(0..=3600)),
    ("load_balancing.algorithm.type", "round_robin", Values::OneOf(&["round_robin"])),
    (
        "load_balancing.cross_zone.enabled",
        "use_load_balancer_configuration",
        Values::OneOf(&["true", "use_load_balancer_configuration"]),
    ),
    ("slow_start.duration_seconds", "0", Values::OneOf(&["0"])),
    ("stickiness.app_cookie.cookie_name", "", Values::Text),
    ("stickiness.app_cookie.duration_seconds", "86400", Values::Number(1..=604_800)),
    ("stickiness.enabled", "false", Values::Bool),
    ("stickiness.lb_cookie.duration_seconds", "86400", Values::Number(1..=604_800)),
    ("stickiness.type", "lb_cookie", Values::OneOf(&["lb_cookie", "app_cookie"])),
    ("target_group_health.dns_failover.minimum_healthy_targets.count", "1", Values::Text),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1", Values::Number(1..=1000)),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off", Values::OneOf(&["off"])),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct OfBalancer {
    load_balancer_arn: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct ModifyBalancer {
    load_balancer_arn: String,
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct OfGroup {
    target_group_arn: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct ModifyGroup {
    target_group_arn: String,
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Attribute {
    key: String,
    value: String,
}

fn defaults(table: &[(&str, &str, Values)]) -> BTreeMap<String, String> {
    table.iter().map(|(key, value, _)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(super) fn balancer_defaults() -> BTreeMap<String, String> {
    defaults(&BALANCER)
}

pub(super) fn group_defaults() -> BTreeMap<String, String> {
    defaults(&GROUP)
}

fn check(table: &[(&str, &str, Values)], given: &[Attribute]) -> Result<(), ApiError> {
    for Attribute { key, value } in given {
        let Some((.., values)) = table.iter().find(|(known, ..)| known == key) else {
            let said = format!("Attribute key '{key}' is not recognized (or not modelled by the dev cloud)");
            return Err(ApiError::validation(said));
        };
        let (fits, expected) = match values {
            Values::Bool => (matches!(value.as_str(), "true" | "false"), "true or false".to_owned()),
            Values::Number(range) => {
                let fits = value.parse().is_ok_and(|number: u32| range.contains(&number));
                (fits, format!("a number from {} to {}", range.start(), range.end()))
            }
            Values::OneOf(all) => (all.contains(&value.as_str()), format!("{} (in the dev cloud)", all.join(" or "))),
            Values::Text => (true, String::new()),
        };
        if !fits {
            let said = format!("Attribute '{key}' cannot be '{value}': expected {expected}");
            return Err(ApiError::validation(said));
        }
    }
    Ok(())
}

fn answer(attributes: &BTreeMap<String, String>) -> Xml {
    let mut xml = Xml::default();
    xml.list("Attributes", "member", attributes, |xml, (key, value)| {
        xml.leaf("Key", key).leaf("Value", value);
    });
    xml
}

pub(super) fn describe_balancer(ctx: &mut Ctx<'_>, input: OfBalancer) -> Answer {
    Ok(answer(&ctx.region.elb.balancer(&input.load_balancer_arn)?.attributes))
}

pub(super) fn modify_balancer(ctx: &mut Ctx<'_>, input: ModifyBalancer) -> Answer {
    let arn = input.load_balancer_arn;
    let not_found = || super::balancers::not_found(&arn);
    let balancer = ctx.region.elb.balancers.get_mut(&arn).ok_or_else(not_found)?;
    check(&BALANCER, &input.attributes)?;
    balancer.attributes.extend(input.attributes.into_iter().map(|attribute| (attribute.key, attribute.value)));
    Ok(answer(&balancer.attributes))
}

pub(super) fn describe_group(ctx: &mut Ctx<'_>, input: OfGroup) -> Answer {
    Ok(answer(&ctx.region.elb.group(&input.target_group_arn)?.attributes))
}

pub(super) fn modify_group(ctx: &mut Ctx<'_>, input: ModifyGroup) -> Answer {
    let group = ctx.region.elb.group_mut(&input.target_group_arn)?;
    check(&GROUP, &input.attributes)?;
    group.attributes.extend(input.attributes.into_iter().map(|attribute| (attribute.key, attribute.value)));
    Ok(answer(&group.attributes))
}
