//! How many zones, records and health checks there may be, and are.

use super::checks::CHECKS_MAX;
use super::zone::{RECORDS_PER_ZONE_MAX, ZONES_MAX};
use super::{Ctx, invalid_input};
use crate::dev::wire::{ApiError, Body, Xml};

fn answer(kind: &str, limit: usize, count: usize) -> Body {
    let mut xml = Xml::default();
    xml.node("Limit", |xml| {
        xml.leaf("Type", kind).leaf("Value", limit);
    });
    xml.leaf("Count", count);
    xml.into()
}

pub(super) fn of_account(ctx: &mut Ctx<'_>, kind: &str) -> Result<Body, ApiError> {
    let dns = ctx.dns();
    match kind {
        "MAX_HOSTED_ZONES_BY_OWNER" => Ok(answer(kind, ZONES_MAX, dns.zones.len())),
        "MAX_HEALTH_CHECKS_BY_OWNER" => Ok(answer(kind, CHECKS_MAX, dns.checks.len())),
        _ => Err(invalid_input(format!("the dev cloud does not model what {kind} limits"))),
    }
}

pub(super) fn of_zone(ctx: &mut Ctx<'_>, id: &str, kind: &str) -> Result<Body, ApiError> {
    let zone = ctx.dns().zone(id)?;
    match kind {
        "MAX_RRSETS_BY_ZONE" => Ok(answer(kind, RECORDS_PER_ZONE_MAX, zone.records.len())),
        "MAX_VPCS_ASSOCIATED_BY_ZONE" => {
            let said = format!("The specified hosted zone {id} is public: only private ones have VPCs.");
            Err(ApiError::new("HostedZoneNotPrivate", said))
        }
        _ => Err(invalid_input(format!("'{kind}' is not a limit of hosted zones"))),
    }
}
