//! Hosted zones.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::de::{CreateHostedZone, UpdateHostedZoneComment};
use super::name::{normal, order, shown};
use super::record::{Data, RecordSet, Records};
use super::{Change, Ctx, Query, Tags, conflict, invalid_input, no_such_zone, only, page_size};
use crate::dev::wire::{ApiError, Body, Xml};

/// Zones per page.
const PAGE_MAX: usize = 100;
/// Zones of an account.
pub(super) const ZONES_MAX: usize = 500;
/// Records of a zone.
pub(super) const RECORDS_PER_ZONE_MAX: usize = 10_000;
/// The name servers of every zone, as AWS spreads them over four top-level domains.
pub(crate) const NAME_SERVERS: [&str; 4] =
    ["ns-0.awsdns-00.com.", "ns-512.awsdns-00.net.", "ns-1024.awsdns-00.org.", "ns-1536.awsdns-00.co.uk."];

/// A hosted zone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Zone {
    /// With the final dot.
    pub(super) name: String,
    reference: String,
    comment: Option<String>,
    pub(super) created: Timestamp,
    pub(super) tags: Tags,
    /// What the API shows: every change at once.
    pub(super) records: Records,
    /// What name servers answer from, in order of time.
    published: Vec<Published>,
    /// Until when the last change is in process, so that another one is refused.
    busy_until: Timestamp,
}

/// A state of the zone, and from when on each name server answers from it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Published {
    from: [Timestamp; NAME_SERVERS.len()],
    records: Records,
}

impl Published {
    fn everywhere(&self, now: Timestamp) -> bool {
        self.from.iter().all(|from| *from <= now)
    }
}

impl Zone {
    /// What a name server has now.
    pub(super) fn seen_by(&self, server: usize, now: Timestamp) -> Option<&Records> {
        let has = |state: &&Published| state.from.get(server).is_some_and(|from| *from <= now);
        self.published.iter().rev().find(has).map(|state| &state.records)
    }

    /// Hands the name servers a new state.
    pub(super) fn publish(&mut self, change: &Change, records: Records) {
        // A server never goes back to an older state: what comes later shows later.
        let mut from = change.from;
        if let Some(last) = self.published.last() {
            for (from, last) in from.iter_mut().zip(last.from) {
                *from = last.max(*from);
            }
        }
        self.published.push(Published { from, records });
        self.busy_until = change.processed;
    }

    /// Forgets what no resolver can be told any more.
    pub(super) fn forget_replaced(&mut self, now: Timestamp) {
        if let Some(current) = self.published.iter().rposition(|state| state.everywhere(now)) {
            self.published.drain(..current);
        }
    }

    /// Whether the last change is through, so that the next may come.
    pub(super) fn free(&self, now: Timestamp) -> Result<(), ApiError> {
        if now >= self.busy_until {
            return Ok(());
        }
        let said = "The request was rejected because Route 53 was still processing a prior request.";
        Err(ApiError::new("PriorRequestNotComplete", said))
    }

    fn write(&self, xml: &mut Xml, id: &str) {
        xml.leaf("Id", format_args!("/hostedzone/{id}")).leaf("Name", shown(&self.name));
        xml.leaf("CallerReference", &self.reference);
        xml.node("Config", |xml| {
            xml.leaf_if("Comment", self.comment.as_ref()).leaf("PrivateZone", false);
        });
        xml.leaf("ResourceRecordSetCount", self.records.len());
    }
}

fn delegation_set(xml: &mut Xml) {
    xml.node("DelegationSet", |xml| {
        xml.texts("NameServers", "NameServer", NAME_SERVERS.map(|name| name.trim_end_matches('.')));
    });
}

pub(super) fn create(ctx: &mut Ctx<'_>, input: CreateHostedZone) -> Result<Body, ApiError> {
    let invalid_name = |error: ApiError| ApiError { code: "InvalidDomainName".into(), ..error };
    let name = normal(&input.name).map_err(invalid_name)?;
    let (comment, private) =
        input.hosted_zone_config.map_or((None, None), |config| (config.comment, config.private_zone));
    if private == Some(true) {
        return Err(invalid_input("private hosted zones (PrivateZone) are not supported by the dev cloud"));
    }
    check_comment(comment.as_deref())?;
    if !(1..=128).contains(&input.caller_reference.chars().count()) {
        return Err(invalid_input("CallerReference must have 1 to 128 characters"));
    }
    let now = ctx.cloud.clock.now();
    let id = format!("Z{:016X}", ctx.cloud.chance.number());
    let dns = ctx.dns();
    if dns.zones.values().any(|zone| zone.reference == input.caller_reference) {
        let said = "A hosted zone has already been created with the specified caller reference.";
        return Err(conflict("HostedZoneAlreadyExists", said));
    }
    if dns.zones.len() >= ZONES_MAX {
        let said = format!("This account already has {ZONES_MAX} hosted zones, which is its limit.");
        return Err(ApiError::new("TooManyHostedZones", said));
    }
    let own = |kind: &str, ttl_s, values: Vec<String>| RecordSet {
        name: name.clone(),
        kind: kind.to_owned(),
        weighted: None,
        health_check: None,
        data: Data::Values { ttl_s, values },
    };
    let start_of_authority = format!("{} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400", NAME_SERVERS[0]);
    let records = Records::new([
        own("NS", 172_800, NAME_SERVERS.map(str::to_owned).to_vec()),
        own("SOA", 900, vec![start_of_authority]),
    ]);
    let published = vec![Published { from: [now; NAME_SERVERS.len()], records: records.clone() }];
    let (reference, tags) = (input.caller_reference, Tags::new());
    let zone = Zone { name, reference, comment, created: now, tags, records, published, busy_until: now };
    let (change_id, change) = ctx.note(None);
    let mut xml = Xml::default();
    xml.node("HostedZone", |xml| zone.write(xml, &id));
    change.write(&mut xml, now, &change_id);
    delegation_set(&mut xml);
    let location = format!("https://route53.amazonaws.com/2013-04-01/hostedzone/{id}");
    ctx.dns().zones.insert(id, zone);
    Ok(Body { status: 201, location: Some(location), ..Body::from(xml) })
}

fn check_comment(comment: Option<&str>) -> Result<(), ApiError> {
    match comment {
        Some(comment) if comment.chars().count() > 256 => {
            Err(invalid_input("the comment of a hosted zone has at most 256 characters"))
        }
        _ => Ok(()),
    }
}

pub(super) fn get(ctx: &mut Ctx<'_>, id: &str) -> Result<Body, ApiError> {
    let zone = ctx.dns().zone(id)?;
    let mut xml = Xml::default();
    xml.node("HostedZone", |xml| zone.write(xml, id));
    delegation_set(&mut xml);
    Ok(xml.into())
}

/// No zone is signed: there is nothing in the dev cloud that could turn signing on.
pub(super) fn dnssec(ctx: &mut Ctx<'_>, id: &str) -> Result<Body, ApiError> {
    ctx.dns().zone(id)?;
    let mut xml = Xml::default();
    xml.node("Status", |xml| {
        xml.leaf("ServeSignature", "NOT_SIGNING");
    });
    xml.node("KeySigningKeys", |_| {});
    Ok(xml.into())
}

/// Only a zone without records of its user can be deleted.
pub(super) fn delete(ctx: &mut Ctx<'_>, id: &str) -> Result<Body, ApiError> {
    let now = ctx.cloud.clock.now();
    let zone = ctx.dns().zone(id)?;
    zone.free(now)?;
    let own = |record: &RecordSet| record.name == zone.name && matches!(record.kind.as_str(), "NS" | "SOA");
    if !zone.records.values().all(own) {
        let said = "The specified hosted zone contains non-required resource record sets and so cannot be deleted.";
        return Err(ApiError::new("HostedZoneNotEmpty", said));
    }
    ctx.dns().zones.remove(id);
    let (change_id, change) = ctx.note(None);
    let mut xml = Xml::default();
    change.write(&mut xml, now, &change_id);
    Ok(xml.into())
}

pub(super) fn update_comment(ctx: &mut Ctx<'_>, id: &str, input: UpdateHostedZoneComment) -> Result<Body, ApiError> {
    check_comment(input.comment.as_deref())?;
    let zone = ctx.dns().zones.get_mut(id).ok_or_else(|| no_such_zone(id))?;
    zone.comment = input.comment;
    let mut xml = Xml::default();
    xml.node("HostedZone", |xml| zone.write(xml, id));
    Ok(xml.into())
}

pub(super) fn count(ctx: &mut Ctx<'_>) -> Body {
    let mut xml = Xml::default();
    xml.leaf("HostedZoneCount", ctx.dns().zones.len());
    xml.into()
}

pub(super) fn list(ctx: &mut Ctx<'_>, query: &Query) -> Result<Body, ApiError> {
    only(query, &["marker", "maxitems", "hostedzonetype"])?;
    let private_only = match query.get("hostedzonetype").map(String::as_str) {
        None => false,
        Some("PrivateHostedZone") => true,
        Some(other) => return Err(invalid_input(format!("'{other}' is not a valid value for hostedzonetype"))),
    };
    let size = page_size(query, PAGE_MAX)?;
    let marker = query.get("marker").cloned().unwrap_or_default();
    let zones = &ctx.dns().zones;
    // There are no private zones in the dev cloud.
    let mut found = zones.range(marker.clone()..).filter(|_| !private_only);
    let page: Vec<_> = found.by_ref().take(size).collect();
    let next = found.next();
    let mut xml = Xml::default();
    xml.list("HostedZones", "HostedZone", page, |xml, (id, zone)| zone.write(xml, id));
    xml.leaf("Marker", marker).leaf("IsTruncated", next.is_some());
    xml.leaf_if("NextMarker", next.map(|(id, _)| id)).leaf("MaxItems", size);
    Ok(xml.into())
}

pub(super) fn list_by_name(ctx: &mut Ctx<'_>, query: &Query) -> Result<Body, ApiError> {
    only(query, &["dnsname", "hostedzoneid", "maxitems"])?;
    let size = page_size(query, PAGE_MAX)?;
    let name = query.get("dnsname").map(|name| normal(name)).transpose()?;
    let id = query.get("hostedzoneid").map(|id| id.trim_start_matches("/hostedzone/").to_owned());
    if id.is_some() && name.is_none() {
        return Err(invalid_input("a start zone (hostedzoneid) needs a start name (dnsname)"));
    }
    let start = (name.as_deref().map(order).unwrap_or_default(), id.clone().unwrap_or_default());
    let zones = &ctx.dns().zones;
    let mut all: Vec<_> = zones.iter().map(|(id, zone)| ((order(&zone.name), id.clone()), zone)).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    let mut found = all.into_iter().skip_while(|(key, _)| *key < start);
    let page: Vec<_> = found.by_ref().take(size).collect();
    let next = found.next();
    let mut xml = Xml::default();
    xml.list("HostedZones", "HostedZone", page, |xml, ((_, id), zone)| zone.write(xml, &id));
    xml.leaf_if("DNSName", name.as_deref().map(shown)).leaf_if("HostedZoneId", id).leaf("IsTruncated", next.is_some());
    if let Some(((_, id), zone)) = next {
        xml.leaf("NextDNSName", shown(&zone.name)).leaf("NextHostedZoneId", id);
    }
    xml.leaf("MaxItems", size);
    Ok(xml.into())
}
