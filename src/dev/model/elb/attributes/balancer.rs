//! Attributes of load balancers.

use serde::Deserialize;

use super::{Attribute, Attributes, Spec, Tables, Values, answer, defaults_of, is, only, spec};
use crate::dev::model::elb::balancers;
use crate::dev::model::elb::protocols::Kind;
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::ApiError;

/// Of both kinds.
const BOTH: [Spec; 6] = [
    spec("access_logs.s3.bucket", "", Values::Text(63)),
    spec("access_logs.s3.enabled", "false", Values::Bool),
    spec("access_logs.s3.prefix", "", Values::Text(1024)),
    spec("deletion_protection.enabled", "false", Values::Bool),
    // There are neither internet gateways nor zonal shifts here, so nothing is hindered or allowed by these two.
    spec("ipv6.deny_all_igw_traffic", "false", Values::Bool),
    spec("zonal_shift.config.enabled", "false", Values::Bool),
];

const APPLICATION: [Spec; 17] = [
    spec("client_keep_alive.seconds", "3600", Values::Number(60, 604_800)),
    spec("connection_logs.s3.bucket", "", Values::Text(63)),
    only("connection_logs.s3.enabled", "false", Values::Bool, &["false"]),
    spec("connection_logs.s3.prefix", "", Values::Text(1024)),
    spec("health_check_logs.s3.bucket", "", Values::Text(63)),
    only("health_check_logs.s3.enabled", "false", Values::Bool, &["false"]),
    spec("health_check_logs.s3.prefix", "", Values::Text(1024)),
    spec("idle_timeout.timeout_seconds", "60", Values::Number(1, 4000)),
    spec("load_balancing.cross_zone.enabled", "true", Values::OneOf(&["true"])),
    only(
        "routing.http.desync_mitigation_mode",
        "defensive",
        Values::OneOf(&["monitor", "defensive", "strictest"]),
        &["defensive", "strictest"],
    ),
    spec("routing.http.drop_invalid_header_fields.enabled", "false", Values::Bool),
    spec("routing.http.preserve_host_header.enabled", "false", Values::Bool),
    spec("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false", Values::Bool),
    spec("routing.http.xff_client_port.enabled", "false", Values::Bool),
    spec("routing.http.xff_header_processing.mode", "append", Values::OneOf(&["append", "preserve", "remove"])),
    spec("routing.http2.enabled", "true", Values::Bool),
    // There is no firewall that could fail.
    spec("waf.fail_open.enabled", "false", Values::Bool),
];

const NETWORK: [Spec; 3] = [
    only(
        "dns_record.client_routing_policy",
        "any_availability_zone",
        Values::OneOf(&["any_availability_zone", "availability_zone_affinity", "partial_availability_zone_affinity"]),
        &["any_availability_zone"],
    ),
    spec("load_balancing.cross_zone.enabled", "false", Values::Bool),
    spec("secondary_ips.auto_assigned.per_subnet", "0", Values::Number(0, 7)),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(in crate::dev::model::elb) struct Describe {
    load_balancer_arn: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(in crate::dev::model::elb) struct Modify {
    load_balancer_arn: String,
    attributes: Vec<Attribute>,
}

fn own(kind: Kind) -> [&'static [Spec]; 2] {
    match kind {
        Kind::Application => [&BOTH, &APPLICATION],
        Kind::Network => [&BOTH, &NETWORK],
    }
}

/// What a new load balancer has.
pub(in crate::dev::model::elb) fn defaults(kind: Kind, internal: bool) -> Attributes {
    let mut attributes = defaults_of(&own(kind));
    attributes.insert("ipv6.deny_all_igw_traffic".to_owned(), internal.to_string());
    attributes
}

pub(in crate::dev::model::elb) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    Ok(answer(&ctx.region.elb.balancer(&input.load_balancer_arn)?.attributes))
}

pub(in crate::dev::model::elb) fn modify(ctx: &mut Ctx<'_>, input: Modify) -> Answer {
    let arn = input.load_balancer_arn;
    let balancer = ctx.region.elb.balancers.get_mut(&arn).ok_or_else(|| balancers::not_found(&arn))?;
    let kind = balancer.kind;
    let tables = Tables {
        what: "Load balancer",
        own: &own(kind),
        foreign: &[&APPLICATION, &NETWORK],
        unsupported: format!(
            "Load balancer attribute key '{{key}}' is not supported on load balancers with type '{}'",
            kind.name()
        ),
    };
    let after = tables.merge(&balancer.attributes, input.attributes)?;
    check(&balancer.attributes, &after)?;
    balancer.attributes = after;
    balancer.tune(ctx.cloud);
    Ok(answer(&balancer.attributes))
}

/// What the attributes must be together.
fn check(before: &Attributes, after: &Attributes) -> Result<(), ApiError> {
    for logs in ["access", "connection", "health_check"] {
        let bucket = format!("{logs}_logs.s3.bucket");
        if is(after, &format!("{logs}_logs.s3.enabled"), "true") && is(after, &bucket, "") {
            let logs = logs.replace('_', " ");
            let said = format!("The key '{bucket}' must set in order to enable {logs} logs");
            return Err(ApiError::new("InvalidConfigurationRequest", said));
        }
    }
    let addresses = |attributes: &Attributes| -> u32 {
        attributes.get("secondary_ips.auto_assigned.per_subnet").and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    if addresses(after) < addresses(before) {
        return Err(ApiError::new(
            "InvalidConfigurationRequest",
            "'secondary_ips.auto_assigned.per_subnet' cannot be decreased",
        ));
    }
    Ok(())
}
