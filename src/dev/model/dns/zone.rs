//! Hosted zones.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::de::CreateHostedZone;
use super::name::{normal, order, shown};
use super::record::{Data, RecordSet};
use super::{Dns, Query, Zone, invalid_input, only, page_size};
use crate::dev::cloud::Cloud;
use crate::dev::wire::{ApiError, Body, Xml};

/// Zones per page.
const PAGE_MAX: usize = 100;
const NAME_SERVER: &str = "ns-0.awsdns-00.com.";

impl Zone {
    /// Forgets what no resolver can be told any more.
    pub(super) fn forget_replaced(&mut self, now: Timestamp) {
        if let Some(current) = self.published.iter().rposition(|(due, _)| *due <= now) {
            self.published.drain(..current);
        }
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

pub(super) fn create(dns: &mut Dns, cloud: &Cloud, input: CreateHostedZone) -> Result<Body, ApiError> {
    let name = normal(&input.name)?;
    let (comment, private) =
        input.hosted_zone_config.map_or((None, None), |config| (config.comment, config.private_zone));
    if private == Some(true) {
        return Err(invalid_input("the dev cloud does not model private hosted zones"));
    }
    if dns.zones.values().any(|zone| zone.reference == input.caller_reference) {
        let said = "A hosted zone has already been created with the specified caller reference.";
        return Err(ApiError::new("HostedZoneAlreadyExists", said).status(409));
    }
    let own = |kind: &str, ttl_s, value: &str| RecordSet {
        name: name.clone(),
        kind: kind.to_owned(),
        weighted: None,
        data: Data::Values { ttl_s, values: vec![value.to_owned()] },
    };
    let start_of_authority = format!("{NAME_SERVER} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400");
    let records: BTreeMap<_, _> = [own("NS", 172_800, NAME_SERVER), own("SOA", 900, &start_of_authority)]
        .into_iter()
        .map(|record| (record.key(), record))
        .collect();
    let id = format!("Z{:016X}", cloud.chance.number());
    let published = vec![(cloud.clock.now(), Arc::new(records.clone()))];
    let zone = Zone { name, reference: input.caller_reference, comment, records, published };
    let (change_id, change) = dns.note(cloud, None);
    let mut xml = Xml::default();
    xml.node("HostedZone", |xml| zone.write(xml, &id));
    change.write(&mut xml, cloud, &change_id);
    xml.node("DelegationSet", |xml| {
        xml.texts("NameServers", "NameServer", [NAME_SERVER]);
    });
    let location = format!("https://route53.amazonaws.com/2013-04-01/hostedzone/{id}");
    dns.zones.insert(id, zone);
    Ok(Body { status: 201, location: Some(location), document: xml.into() })
}

pub(super) fn get(dns: &Dns, id: &str) -> Result<Body, ApiError> {
    let zone = dns.zone(id)?;
    let mut xml = Xml::default();
    xml.node("HostedZone", |xml| zone.write(xml, id));
    xml.node("DelegationSet", |xml| {
        xml.texts("NameServers", "NameServer", [NAME_SERVER]);
    });
    Ok(xml.into())
}

pub(super) fn list(dns: &Dns, query: Query) -> Result<Body, ApiError> {
    only(&query, &["marker", "maxitems"])?;
    let size = page_size(&query, PAGE_MAX)?;
    let marker = query.get("marker").cloned().unwrap_or_default();
    let mut found = dns.zones.range(marker.clone()..);
    let page: Vec<_> = found.by_ref().take(size).collect();
    let next = found.next();
    let mut xml = Xml::default();
    xml.list("HostedZones", "HostedZone", page, |xml, (id, zone)| zone.write(xml, id));
    xml.leaf("Marker", marker).leaf("IsTruncated", next.is_some());
    xml.leaf_if("NextMarker", next.map(|(id, _)| id)).leaf("MaxItems", size);
    Ok(xml.into())
}

pub(super) fn list_by_name(dns: &Dns, query: Query) -> Result<Body, ApiError> {
    only(&query, &["dnsname", "hostedzoneid", "maxitems"])?;
    let size = page_size(&query, PAGE_MAX)?;
    let name = query.get("dnsname").map(|name| normal(name)).transpose()?;
    let id = query.get("hostedzoneid").cloned().unwrap_or_default();
    let start = (name.as_deref().map(order).unwrap_or_default(), id);
    let mut all: Vec<_> = dns.zones.iter().map(|(id, zone)| ((order(&zone.name), id.clone()), zone)).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    let mut found = all.into_iter().skip_while(|(key, _)| *key < start);
    let page: Vec<_> = found.by_ref().take(size).collect();
    let next = found.next();
    let mut xml = Xml::default();
    xml.list("HostedZones", "HostedZone", page, |xml, ((_, id), zone)| zone.write(xml, &id));
    xml.leaf_if("DNSName", name.as_deref().map(shown)).leaf("IsTruncated", next.is_some());
    if let Some(((_, id), zone)) = next {
        xml.leaf("NextDNSName", shown(&zone.name)).leaf("NextHostedZoneId", id);
    }
    xml.leaf("MaxItems", size);
    Ok(xml.into())
}
