//! Record sets: simple or weighted, with values or as an alias.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::de::{Action, RecordSetIn};
use super::name::{normal, order, shown};
use super::rdata::KINDS;
use super::{Dns, Query, invalid_input, only, page_size};
use crate::dev::wire::{ApiError, Body, Xml};

/// What tells record sets of a zone apart, in the order in which they are listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    order: String,
    kind: String,
    /// Empty for simple records.
    set_identifier: String,
}

/// A record set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordSet {
    /// With the final dot.
    pub(super) name: String,
    pub(super) kind: String,
    /// Set identifier and weight, 0 to 255.
    pub(super) weighted: Option<(String, u8)>,
    pub(super) health_check: Option<String>,
    pub(super) data: Data,
}

/// What a record set answers with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Data {
    Values { ttl_s: u32, values: Vec<String> },
    Alias { zone: String, name: String, evaluate: bool },
}

/// The record sets of a zone in their order; copies share them until one is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Records(Arc<BTreeMap<Key, RecordSet>>);

/// Record sets per page.
const PAGE_MAX: usize = 300;

impl Records {
    pub(super) fn new(records: impl IntoIterator<Item = RecordSet>) -> Self {
        Self(Arc::new(records.into_iter().map(|record| (record.key(), record)).collect()))
    }

    pub(super) fn edit(&mut self) -> &mut BTreeMap<Key, RecordSet> {
        Arc::make_mut(&mut self.0)
    }

    /// Those of one name, of every type.
    pub(super) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a RecordSet> {
        let first = Key { order: order(name), kind: String::new(), set_identifier: String::new() };
        self.0.range(first..).map(|(_, record)| record).take_while(move |record| record.name == name)
    }

    /// Whether there is a record below `name`.
    pub(super) fn has_below(&self, name: &str) -> bool {
        let order = order(name);
        let first = Key { order: order.clone(), kind: String::new(), set_identifier: String::new() };
        self.0.range(first..).take_while(|(key, _)| key.order.starts_with(&order)).any(|(key, _)| key.order != order)
    }
}

impl Deref for Records {
    type Target = BTreeMap<Key, RecordSet>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// The key can be told from the record, so only the records are written.
impl Serialize for Records {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.values())
    }
}

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::new)
    }
}

impl RecordSet {
    /// Reads and checks one record set, apart from its values and from what the zone around it says.
    pub(super) fn read(action: Action, given: RecordSetIn) -> Result<Self, ApiError> {
        let name = normal(&given.name)?;
        let kind = given.r#type;
        if !KINDS.contains(&kind.as_str()) {
            return Err(invalid_input(format!(
                "record type '{kind}' is not supported: the dev cloud has {}",
                KINDS.join(", ")
            )));
        }
        let refused = [
            (given.region.is_some(), "Region (latency routing)"),
            (given.failover.is_some(), "Failover (failover routing)"),
            (given.multi_value_answer.is_some(), "MultiValueAnswer (multivalue answer routing)"),
            (given.geo_location.is_some(), "GeoLocation (geolocation routing)"),
            (given.geo_proximity_location.is_some(), "GeoProximityLocation (geoproximity routing)"),
            (given.cidr_routing_config.is_some(), "CidrRoutingConfig (IP-based routing)"),
            (given.traffic_policy_instance_id.is_some(), "TrafficPolicyInstanceId (traffic policies)"),
        ];
        if let Some((_, what)) = refused.into_iter().find(|(present, _)| *present) {
            return Err(invalid_input(format!(
                "{what} is not supported: the dev cloud has simple, weighted and alias records"
            )));
        }
        let id = given.set_identifier.as_deref().unwrap_or("null");
        let change = format!("Change with [Action={}, Name={name}, Type={kind}, SetIdentifier={id}]", action.name());
        let weighted = match (given.set_identifier, given.weight) {
            (None, None) => None,
            (Some(id), Some(weight)) if (1..=128).contains(&id.chars().count()) => {
                let weight = u8::try_from(weight).map_err(|_| out_of_range("weight", weight, 255))?;
                Some((id, weight))
            }
            (Some(_), Some(_)) => return Err(invalid_input("SetIdentifier must have 1 to 128 characters")),
            (None, Some(_)) => {
                return Err(invalid_input(format!("Invalid request: Missing field 'SetIdentifier' in {change}")));
            }
            (Some(_), None) => {
                return Err(invalid_input(format!(
                    "Invalid request: Expected exactly one of [CidrRoutingConfig, Failover, GeoLocation, \
                     GeoProximityLocation, MultiValueAnswer, Region, or Weight], but found none in {change}"
                )));
            }
        };
        let values: Vec<_> = given
            .resource_records
            .into_iter()
            .flat_map(|records| records.resource_record)
            .map(|each| each.value)
            .collect();
        let exactly_one = |found: &str| {
            invalid_input(format!(
                "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or \
                 TrafficPolicyInstanceId], but found {found} in {change}"
            ))
        };
        let data = match (given.alias_target, given.ttl) {
            (Some(_), _) if matches!(kind.as_str(), "NS" | "SOA") => {
                return Err(invalid_input(format!("an alias cannot have type {kind}")));
            }
            (Some(alias), None) if values.is_empty() => Data::Alias {
                zone: alias.hosted_zone_id.trim_start_matches("/hostedzone/").to_owned(),
                name: normal(&alias.dns_name)?,
                evaluate: alias.evaluate_target_health,
            },
            (Some(_), _) => return Err(exactly_one("more than one")),
            (None, Some(ttl)) if !values.is_empty() => {
                let ttl_s = u32::try_from(ttl).ok().filter(|ttl| *ttl <= i32::MAX.unsigned_abs());
                Data::Values { ttl_s: ttl_s.ok_or_else(|| out_of_range("ttl", ttl, i32::MAX.into()))?, values }
            }
            (None, _) => return Err(exactly_one("none")),
        };
        Ok(Self { name, kind, weighted, health_check: given.health_check_id, data })
    }

    pub(super) fn key(&self) -> Key {
        Key { order: order(&self.name), kind: self.kind.clone(), set_identifier: self.set_identifier().to_owned() }
    }

    pub(super) fn set_identifier(&self) -> &str {
        self.weighted.as_ref().map_or("", |(id, _)| id)
    }

    /// As AWS names it in messages.
    pub(super) fn described(&self) -> String {
        let id = self.weighted.as_ref().map(|(id, _)| format!(", set-identifier='{id}'")).unwrap_or_default();
        format!("[name='{}', type='{}'{id}]", shown(&self.name), self.kind)
    }

    /// How many of the request limits' records and characters it is.
    pub(super) fn size(&self) -> (usize, usize) {
        match &self.data {
            Data::Values { values, .. } => (values.len(), values.iter().map(|value| value.chars().count()).sum()),
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
        xml.leaf_if("HealthCheckId", self.health_check.as_ref());
    }
}

fn out_of_range(field: &str, value: i64, max: i64) -> ApiError {
    let bound =
        if value < 0 { "greater than or equal to 0".to_owned() } else { format!("less than or equal to {max}") };
    invalid_input(format!(
        "1 validation error detected: Value '{value}' at 'changeBatch.changes.member.resourceRecordSet.{field}' failed to \
         satisfy constraint: Member must have value {bound}"
    ))
}

pub(super) fn list(dns: &Dns, id: &str, query: &Query) -> Result<Body, ApiError> {
    only(query, &["name", "type", "identifier", "maxitems"])?;
    let zone = dns.zone(id)?;
    let size = page_size(query, PAGE_MAX)?;
    if query.contains_key("identifier") && !query.contains_key("type") {
        return Err(invalid_input("The input is not valid: a start identifier needs a start type"));
    }
    let start = match query.get("name") {
        None if query.contains_key("type") => {
            return Err(invalid_input("The input is not valid: a start type needs a start name"));
        }
        None => Key { order: String::new(), kind: String::new(), set_identifier: String::new() },
        Some(name) => Key {
            order: order(&normal(name)?),
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
