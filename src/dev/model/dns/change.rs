//! Change batches: all of it happens, or nothing.

use std::sync::Arc;

use super::de::{Action, ChangeResourceRecordSets};
use super::name::lies_in;
use super::record::{Data, RecordSet};
use super::{Dns, Records, invalid_input, no_such_zone};
use crate::dev::cloud::Cloud;
use crate::dev::model::elb::HOSTED_ZONE;
use crate::dev::wire::{ApiError, Body, Xml};

/// Records of one batch (an UPSERT counts twice) and characters of their values.
const RECORDS_MAX: usize = 1000;
const CHARACTERS_MAX: usize = 32_000;

pub(super) fn apply(dns: &mut Dns, cloud: &Cloud, id: &str, input: ChangeResourceRecordSets) -> Result<Body, ApiError> {
    let zone = dns.zone(id)?;
    let batch = input.change_batch;
    let (mut records, mut characters) = (0, 0);
    let mut changes = Vec::with_capacity(batch.changes.change.len());
    for change in batch.changes.change {
        let record = RecordSet::read(change.resource_record_set)?;
        let (count, length) = record.size();
        let times = if change.action == Action::Upsert { 2 } else { 1 };
        records += count * times;
        characters += length * times;
        changes.push((change.action, record));
    }
    if changes.is_empty() {
        return Err(invalid_input("The change batch has no changes"));
    }
    if records > RECORDS_MAX || characters > CHARACTERS_MAX {
        return Err(refused(&[format!(
            "Number of records limit of {RECORDS_MAX} or of {CHARACTERS_MAX} characters exceeded."
        )]));
    }
    let mut after = zone.records.clone();
    let mut wrong = Vec::new();
    for (action, record) in changes {
        if let Err(message) = change_one(&mut after, &zone.name, id, action, record) {
            wrong.push(message);
        }
    }
    if !wrong.is_empty() {
        return Err(refused(&wrong));
    }
    let (change_id, change) = dns.note(cloud, batch.comment);
    let zone = dns.zones.get_mut(id).ok_or_else(|| no_such_zone(id))?;
    zone.published.push((change.due, Arc::new(after.clone())));
    zone.records = after;
    zone.forget_replaced(cloud.clock.now());
    let mut xml = Xml::default();
    change.write(&mut xml, cloud, &change_id);
    Ok(xml.into())
}

fn refused(messages: &[String]) -> ApiError {
    ApiError::new("InvalidChangeBatch", format!("[{}]", messages.join(", ")))
}

fn change_one(after: &mut Records, zone: &str, zone_id: &str, action: Action, record: RecordSet) -> Result<(), String> {
    let (key, what) = (record.key(), record.described());
    if !lies_in(&record.name, zone) {
        return Err(format!("RRSet with DNS name {} is not permitted in zone {zone}", record.name));
    }
    match (action, after.get(&key)) {
        (Action::Create, Some(_)) => {
            return Err(format!("Tried to create resource record set {what} but it already exists"));
        }
        (Action::Delete, None) => {
            return Err(format!("Tried to delete resource record set {what} but it was not found"));
        }
        (Action::Delete, Some(present)) if *present != record => {
            return Err(format!(
                "Tried to delete resource record set {what} but the values provided do not match the current values"
            ));
        }
        (Action::Delete, Some(_)) if record.name == zone && matches!(record.kind.as_str(), "NS" | "SOA") => {
            return Err(format!(
                "A HostedZone must contain at least one NS record for the zone itself and exactly one SOA record: {what}"
            ));
        }
        (Action::Delete, Some(_)) => {
            after.remove(&key);
            return Ok(());
        }
        (Action::Create | Action::Upsert, _) => {}
    }
    if record.kind == "CNAME" && record.name == zone {
        return Err(format!("RRSet of type CNAME with DNS name {zone} is not permitted at apex in zone {zone}"));
    }
    if let Data::Alias { zone: target, name, .. } = &record.data
        && target != zone_id
        && target != HOSTED_ZONE
    {
        return Err(format!(
            "Tried to create an alias that targets {name}, type {} in zone {target}, but that target was not found",
            record.kind
        ));
    }
    for other in after.values().filter(|other| other.name == record.name && other.key() != key) {
        if (other.kind == "CNAME") != (record.kind == "CNAME") {
            return Err(format!(
                "RRSet of type {} with DNS name {} is not permitted as it conflicts with other records with the same DNS \
                 name in zone {zone}",
                record.kind, record.name
            ));
        }
        if other.kind == record.kind && other.weighted.is_some() != record.weighted.is_some() {
            let (one, there) =
                if record.weighted.is_some() { ("weighted", "non-weighted") } else { ("non-weighted", "weighted") };
            return Err(format!(
                "RRSet with DNS name {}, type {} cannot be created as {one}: a {there} rrset exists with the same name and type",
                record.name, record.kind
            ));
        }
    }
    // All weighted records of a name and type share one TTL: the last one written.
    if let (Some(_), Data::Values { ttl_s, .. }) = (&record.weighted, &record.data) {
        let ttl = *ttl_s;
        for other in after.values_mut().filter(|other| other.name == record.name && other.kind == record.kind) {
            if let Data::Values { ttl_s, .. } = &mut other.data {
                *ttl_s = ttl;
            }
        }
    }
    after.insert(key, record);
    Ok(())
}

pub(super) fn get(dns: &Dns, cloud: &Cloud, id: &str) -> Result<Body, ApiError> {
    let change = dns.changes.get(id).ok_or_else(|| {
        ApiError::new("NoSuchChange", format!("A change with the specified change ID {id} does not exist.")).status(404)
    })?;
    let mut xml = Xml::default();
    change.write(&mut xml, cloud, id);
    Ok(xml.into())
}
