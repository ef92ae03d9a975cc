//! Record sets: simple or weighted, with values or as an alias.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::de::RecordSetIn;
use super::name::{normal, order, shown};
use super::{Dns, Query, invalid_input, only, page_size};
use crate::dev::wire::{ApiError, Body, Xml};

/// What tells record sets of a zone apart, in the order in which they are listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    labels: Vec<String>,
    pub(super) kind: String,
    /// Empty for simple records.
    set_identifier: String,
}

/// A record set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordSet {
    /// With the final dot.
    pub(super) name: String,
    pub(super) kind: String,
    /// Set identifier and weight, 0 to 255.
    pub(super) weighted: Option<(String, u8)>,
    pub(super) data: Data,
}

/// What a record set answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    Values { ttl_s: u32, values: Vec<String> },
    Alias { zone: String, name: String, evaluate: bool },
}

const KINDS: [&str; 8] = ["A", "AAAA", "CNAME", "TXT", "MX", "SRV", "NS", "SOA"];
/// Record sets per page.
const PAGE_MAX: usize = 300;

impl RecordSet {
    /// Reads and checks one record set, apart from what the zone around it says.
    pub(super) fn read(given: RecordSetIn) -> Result<Self, ApiError> {
        let name = normal(&given.name)?;
        let kind = given.r#type;
        if !KINDS.contains(&kind.as_str()) {
            return Err(invalid_input(format!(
                "record type '{kind}' is not supported: the dev cloud has {}",
                KINDS.join(", ")
            )));
        }
        let weighted = match (given.set_identifier, given.weight) {
            (None, None) => None,
            (Some(id), Some(weight)) if (1..=128).contains(&id.chars().count()) => {
                let weight = u8::try_from(weight)
                    .map_err(|_| invalid_input(format!("Value '{weight}' at 'weight' must be between 0 and 255")))?;
                Some((id, weight))
            }
            (Some(_), Some(_)) => return Err(invalid_input("SetIdentifier must have 1 to 128 characters")),
            _ => {
                return Err(invalid_input(
                    "a weighted record has both SetIdentifier and Weight (other routing policies are not modelled)",
                ));
            }
        };
        let values: Vec<_> = given
            .resource_records
            .into_iter()
            .flat_map(|records| records.resource_record)
            .map(|each| each.value)
            .collect();
        let data = match (given.alias_target, given.ttl) {
            (Some(alias), None) if values.is_empty() => Data::Alias {
                zone: alias.hosted_zone_id,
                name: normal(&alias.dns_name)?,
                evaluate: alias.evaluate_target_health,
            },
            (None, Some(ttl_s)) if !values.is_empty() && ttl_s <= 2_147_483_647 => {
                values.iter().try_for_each(|value| check_value(&kind, value))?;
                Data::Values { ttl_s, values }
            }
            _ => {
                return Err(invalid_input(format!(
                    "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords]] in the \
                     record set {name} {kind}"
                )));
            }
        };
        Ok(Self { name, kind, weighted, data })
    }

    pub(super) fn key(&self) -> Key {
        let set_identifier = self.weighted.as_ref().map(|(id, _)| id.clone()).unwrap_or_default();
        Key { labels: order(&self.name), kind: self.kind.clone(), set_identifier }
    }

    /// As AWS names it in messages.
    pub(super) fn described(&self) -> String {
        let id = self.weighted.as_ref().map(|(id, _)| format!(", set-identifier='{id}'")).unwrap_or_default();
        format!("[name='{}', type='{}'{id}]", shown(&self.name), self.kind)
    }

    /// How many of the request limits' records and characters it is.
    pub(super) fn size(&self) -> (usize, usize) {
        match &self.data {
            Data::Values { values, .. } => (values.len(), values.iter().map(String::len).sum()),
            Data::Alias { .. } => (1, 0),
        }
    }

    fn write(&self, xml: &mut Xml) {
        xml.leaf("Name", shown(&self.name)).leaf("Type", &self.kind);
        if let Some((id, weight)) = &self.weighted {
            xml.leaf("SetIdentifier", id).leaf("Weight", weight);
        }
        match &self.data {
            Data::Values { ttl_s, values } => {
                xml.leaf("TTL", ttl_s).list("ResourceRecords", "ResourceRecord", values, |xml, value| {
                    xml.leaf("Value", value);
                });
            }
            Data::Alias { zone, name, evaluate } => {
                xml.node("AliasTarget", |xml| {
                    xml.leaf("HostedZoneId", zone).leaf("DNSName", name).leaf("EvaluateTargetHealth", evaluate);
                });
            }
        }
    }
}

fn check_value(kind: &str, value: &str) -> Result<(), ApiError> {
    let illegal = |code: &str, what: &str| {
        ApiError::new(
            "InvalidChangeBatch",
            format!(
                "[Invalid Resource Record: 'FATAL problem: {code} (Value is not a valid {what}) encountered with '{value}'']"
            ),
        )
    };
    match kind {
        "A" if value.parse::<Ipv4Addr>().is_err() => Err(illegal("ARRDATAIllegalIPv4Address", "IPv4 address")),
        "AAAA" if value.parse::<Ipv6Addr>().is_err() => Err(illegal("AAAARRDATAIllegalIPv6Address", "IPv6 address")),
        "CNAME" => normal(value).map(drop).map_err(|_| illegal("DomainLabelIllegal", "domain name")),
        _ if value.is_empty() || value.len() > 4000 => Err(illegal("ValueLength", "value of 1 to 4000 characters")),
        _ => Ok(()),
    }
}

pub(super) fn list(dns: &Dns, id: &str, query: Query) -> Result<Body, ApiError> {
    only(&query, &["name", "type", "identifier", "maxitems"])?;
    let zone = dns.zone(id)?;
    let size = page_size(&query, PAGE_MAX)?;
    let start = match query.get("name") {
        None if query.contains_key("type") || query.contains_key("identifier") => {
            return Err(invalid_input("The input is not valid: a start type or identifier needs a start name"));
        }
        None => Key { labels: Vec::new(), kind: String::new(), set_identifier: String::new() },
        Some(name) => Key {
            labels: order(&normal(name)?),
            kind: query.get("type").cloned().unwrap_or_default(),
            set_identifier: query.get("identifier").cloned().unwrap_or_default(),
        },
    };
    let mut found = zone.records.range(start..).map(|(_, record)| record);
    let shown_now: Vec<_> = found.by_ref().take(size).collect();
    let next = found.next();
    let mut xml = Xml::default();
    xml.list("ResourceRecordSets", "ResourceRecordSet", shown_now, |xml, record| record.write(xml));
    xml.leaf("IsTruncated", next.is_some()).leaf("MaxItems", size);
    if let Some(next) = next {
        xml.leaf("NextRecordName", shown(&next.name)).leaf("NextRecordType", &next.kind);
        xml.leaf_if("NextRecordIdentifier", next.weighted.as_ref().map(|(id, _)| id));
    }
    Ok(xml.into())
}
