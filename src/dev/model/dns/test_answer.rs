//! `TestDNSAnswer`: what a name server would say, without DNS.

use super::answer::Outcome;
use super::name::{lies_in, normal, shown};
use super::rdata::KINDS;
use super::zone::NAME_SERVERS;
use super::{Ctx, Query, invalid_input, only};
use crate::dev::wire::{ApiError, Body, Xml};

pub(super) fn test(ctx: &mut Ctx<'_>, query: &Query) -> Result<Body, ApiError> {
    // Where a resolver is makes no difference without geolocation and latency records.
    only(query, &["hostedzoneid", "recordname", "recordtype"])?;
    let given = |name: &str| query.get(name).ok_or_else(|| invalid_input(format!("parameter {name} is missing")));
    let zone = ctx.dns().zone(given("hostedzoneid")?.trim_start_matches("/hostedzone/"))?;
    let (name, kind) = (normal(given("recordname")?)?, given("recordtype")?);
    if !KINDS.contains(&kind.as_str()) {
        return Err(invalid_input(format!(
            "record type '{kind}' is not supported: the dev cloud has {}",
            KINDS.join(", ")
        )));
    }
    if !lies_in(&name, &zone.name) {
        return Err(invalid_input(format!("{name} does not lie in zone {}", zone.name)));
    }
    let answer = ctx.world.ask(ctx.cloud, &name, kind, Some(0));
    let code = match answer.outcome {
        Outcome::Found | Outcome::NoData | Outcome::Delegated => "NOERROR",
        Outcome::NoName => "NXDOMAIN",
        Outcome::NotOurs => "REFUSED",
        Outcome::Circle => "SERVFAIL",
    };
    let mut xml = Xml::default();
    xml.leaf("Nameserver", NAME_SERVERS[0].trim_end_matches('.'))
        .leaf("RecordName", shown(&name))
        .leaf("RecordType", kind);
    xml.texts("RecordData", "RecordDataEntry", answer.lines.iter().map(|line| &line.value));
    xml.leaf("ResponseCode", code).leaf("Protocol", "UDP");
    Ok(xml.into())
}
