//! Change batches: all of it happens, or nothing.

use std::collections::BTreeSet;

use super::de::{Action, ChangeIn, ChangeResourceRecordSets};
use super::name::lies_in;
use super::record::{Data, RecordSet, Records};
use super::zone::RECORDS_PER_ZONE_MAX;
use super::{Ctx, invalid_input, no_such_health_check, no_such_zone, rdata};
use crate::dev::wire::{ApiError, Body, Xml};

/// Records of one batch (an UPSERT counts twice) and characters of their values.
const RECORDS_MAX: usize = 1000;
const CHARACTERS_MAX: usize = 32_000;
/// Weighted records of one name and type.
const WEIGHTED_MAX: usize = 100;

pub(super) fn apply(ctx: &mut Ctx<'_>, id: &str, input: ChangeResourceRecordSets) -> Result<Body, ApiError> {
    let now = ctx.cloud.clock.now();
    ctx.dns().zone(id)?.free(now)?;
    let batch = input.change_batch;
    if batch.comment.as_ref().is_some_and(|comment| comment.chars().count() > 256) {
        return Err(invalid_input("the comment of a change batch has at most 256 characters"));
    }
    let changes = read(batch.changes.change)?;
    for (action, record) in &changes {
        if let Some(check) = record.health_check.as_deref().filter(|_| *action != Action::Delete)
            && !ctx.dns().checks.contains_key(check)
        {
            return Err(no_such_health_check(check));
        }
    }
    let aliased: BTreeSet<_> = changes.iter().filter_map(|(_, record)| balancer_of(record)).collect();
    let found = ctx.world.balancers().into_iter().map(|balancer| (balancer.zone, balancer.name));
    let found: BTreeSet<_> = found.filter(|target| aliased.contains(target)).collect();
    let zone = ctx.dns().zone(id)?;
    let mut batch_of = BatchOf { id, name: &zone.name, balancers: &found, after: zone.records.clone() };
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (action, record) in changes {
        // One change for each record, but it may be deleted first and made anew.
        let (key, makes) = (record.key(), action != Action::Delete);
        if seen.contains(&(key.clone(), true)) || !seen.insert((key, makes)) {
            wrong.push(format!(
                "The request contains an invalid set of changes for a resource record set '{} {}'",
                record.kind, record.name
            ));
        } else {
            wrong.extend(batch_of.change(action, record));
        }
    }
    let after = batch_of.after;
    let apex = |kind: &str| after.named(&zone.name).any(|record| record.kind == kind);
    if !apex("NS") {
        wrong.push("A HostedZone must contain at least one NS record for the zone itself.".to_owned());
    }
    if !apex("SOA") {
        wrong.push("A HostedZone must contain exactly one SOA record.".to_owned());
    }
    if after.len() > RECORDS_PER_ZONE_MAX {
        wrong.push(format!("Number of records limit of {RECORDS_PER_ZONE_MAX} per hosted zone exceeded."));
    }
    if !wrong.is_empty() {
        return Err(refused(&wrong));
    }
    let (change_id, change) = ctx.note(batch.comment);
    let zone = ctx.dns().zones.get_mut(id).ok_or_else(|| no_such_zone(id))?;
    zone.publish(&change, after.clone());
    zone.records = after;
    zone.forget_replaced(now);
    let mut xml = Xml::default();
    change.write(&mut xml, now, &change_id);
    Ok(xml.into())
}

/// Reads the records of a batch and holds it to the limits of a request.
fn read(changes: Vec<ChangeIn>) -> Result<Vec<(Action, RecordSet)>, ApiError> {
    let (mut records, mut characters) = (0, 0);
    let mut read = Vec::with_capacity(changes.len());
    for change in changes {
        let record = RecordSet::read(change.action, change.resource_record_set)?;
        let (count, length) = record.size();
        let times = if change.action == Action::Upsert { 2 } else { 1 };
        records += count * times;
        characters += length * times;
        read.push((change.action, record));
    }
    if read.is_empty() {
        return Err(invalid_input(
            "1 validation error detected: Value '[]' at 'changeBatch.changes' failed to satisfy constraint: Member must \
             have length greater than or equal to 1",
        ));
    }
    if records > RECORDS_MAX {
        return Err(refused(&[format!("Number of records limit of {RECORDS_MAX} exceeded.")]));
    }
    if characters > CHARACTERS_MAX {
        return Err(refused(&[format!("Number of characters limit of {CHARACTERS_MAX} exceeded.")]));
    }
    Ok(read)
}

/// All that is wrong with a batch, as one list.
fn refused(messages: &[String]) -> ApiError {
    ApiError::new("InvalidChangeBatch", format!("[{}]", messages.join(", ")))
}

/// The load balancer that an alias may mean: hosted zone and name, without the prefix for both kinds of addresses.
pub(super) fn balancer_of(record: &RecordSet) -> Option<(String, String)> {
    match &record.data {
        Data::Alias { zone, name, .. } => {
            let bare = name.strip_prefix("dualstack.").unwrap_or(name);
            Some((zone.clone(), bare.to_owned()))
        }
        Data::Values { .. } => None,
    }
}

/// The zone as a batch leaves it.
struct BatchOf<'a> {
    id: &'a str,
    name: &'a str,
    /// Load balancers that aliases of the batch point at, by hosted zone and name.
    balancers: &'a BTreeSet<(String, String)>,
    after: Records,
}

impl BatchOf<'_> {
    /// Makes one change; says what is wrong with it.
    fn change(&mut self, action: Action, record: RecordSet) -> Vec<String> {
        let (key, what) = (record.key(), record.described());
        if !lies_in(&record.name, self.name) {
            return vec![format!("RRSet with DNS name {} is not permitted in zone {}", record.name, self.name)];
        }
        match (action, self.after.get(&key)) {
            (Action::Create, Some(_)) => {
                return vec![format!("Tried to create resource record set {what} but it already exists")];
            }
            (Action::Delete, None) => {
                return vec![format!("Tried to delete resource record set {what} but it was not found")];
            }
            (Action::Delete, Some(present)) if !same(present, &record) => {
                return vec![format!(
                    "Tried to delete resource record set {what} but the values provided do not match the current values"
                )];
            }
            (Action::Delete, Some(_)) => {
                self.after.edit().remove(&key);
                return Vec::new();
            }
            (Action::Create | Action::Upsert, _) => {}
        }
        let mut wrong = bad_values(&record);
        wrong.extend(self.misplaced(&record).or_else(|| self.conflict(&record)));
        wrong.extend(self.bad_alias(&record));
        if wrong.is_empty() {
            self.harmonize(&record);
            self.after.edit().insert(key, record);
        }
        wrong
    }

    fn misplaced(&self, record: &RecordSet) -> Option<String> {
        let zone = self.name;
        if record.kind == "CNAME" && record.name == zone {
            return Some(format!("RRSet of type CNAME with DNS name {zone} is not permitted at apex in zone {zone}"));
        }
        if record.kind == "SOA" && record.name != zone {
            return Some(format!(
                "RRSet of type SOA with DNS name {} is not permitted below the apex in zone {zone}",
                record.name
            ));
        }
        None
    }

    /// An alias points at a record of its own zone, or at a load balancer by that one's own hosted zone.
    fn bad_alias(&self, record: &RecordSet) -> Vec<String> {
        let Data::Alias { zone, name, .. } = &record.data else { return Vec::new() };
        let tried = format!("Tried to create an alias that targets {name}, type {} in zone {zone}", record.kind);
        let not_found = format!("{tried}, but that target was not found");
        if zone == self.id {
            if !lies_in(name, self.name) {
                let outside = format!("{tried}, but the alias target name does not lie within the target zone");
                return vec![outside, not_found];
            }
            let there = self.after.named(name).any(|other| other.kind == record.kind);
            return if there { Vec::new() } else { vec![not_found] };
        }
        if balancer_of(record).is_some_and(|target| self.balancers.contains(&target)) {
            return Vec::new();
        }
        vec![format!("{tried}, but the alias target name does not lie within the target zone"), not_found]
    }

    /// What the other records of the same name do not allow.
    fn conflict(&self, record: &RecordSet) -> Option<String> {
        let (key, name, kind) = (record.key(), &record.name, &record.kind);
        let mut weighted = 0;
        for other in self.after.named(name).filter(|other| other.key() != key) {
            if other.kind == "CNAME" && kind != "CNAME" {
                return Some(format!(
                    "RRSet of type {kind} with DNS name {name} is not permitted because a conflicting RRSet of type  CNAME \
                     with the same DNS name already exists in zone {}",
                    self.name
                ));
            }
            if kind == "CNAME" && other.kind != "CNAME" {
                return Some(format!(
                    "RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records with the \
                     same DNS name in zone {}",
                    self.name
                ));
            }
            if other.kind != *kind {
                continue;
            }
            match &record.weighted {
                None => {
                    return Some(format!(
                        "RRSet with DNS name {name}, type {kind} cannot be created as other RRSets exist with the same name \
                         and type."
                    ));
                }
                Some((id, _)) if other.weighted.is_none() => {
                    return Some(format!(
                        "RRSet with DNS name {name}, type {kind}, SetIdentifier {id} cannot be created as a non-weighted set \
                         exists with the same name and type."
                    ));
                }
                Some(_) => weighted += 1,
            }
        }
        (weighted >= WEIGHTED_MAX).then(|| {
            format!("RRSet with DNS name {name}, type {kind} cannot have more than {WEIGHTED_MAX} weighted RRSets")
        })
    }

    /// All weighted records of a name and type share one TTL: the last one written.
    fn harmonize(&mut self, record: &RecordSet) {
        let (Some(_), Data::Values { ttl_s: ttl, .. }) = (&record.weighted, &record.data) else { return };
        let differ = |other: &&RecordSet| {
            other.kind == record.kind && matches!(&other.data, Data::Values { ttl_s, .. } if ttl_s != ttl)
        };
        let others: Vec<_> = self.after.named(&record.name).filter(differ).map(RecordSet::key).collect();
        for key in others {
            if let Some(Data::Values { ttl_s, .. }) = self.after.edit().get_mut(&key).map(|other| &mut other.data) {
                *ttl_s = *ttl;
            }
        }
    }
}

/// Values are a set: their order is no difference.
fn same(present: &RecordSet, given: &RecordSet) -> bool {
    let sorted = |record: &RecordSet| {
        let mut record = record.clone();
        if let Data::Values { values, .. } = &mut record.data {
            values.sort();
        }
        record
    };
    sorted(present) == sorted(given)
}

fn bad_values(record: &RecordSet) -> Vec<String> {
    let Data::Values { values, .. } = &record.data else { return Vec::new() };
    let mut wrong: Vec<_> = values.iter().filter_map(|value| rdata::check(&record.kind, value).err()).collect();
    let mut seen = BTreeSet::new();
    if let Some(twice) = values.iter().find(|value| !seen.insert(*value)) {
        wrong.push(format!("Duplicate Resource Record: '{twice}'"));
    }
    if matches!(record.kind.as_str(), "CNAME" | "SOA") && values.len() > 1 {
        wrong.push(format!(
            "RRSet of type {} with DNS name {} is not permitted to have more than one record",
            record.kind, record.name
        ));
    }
    wrong
}

pub(super) fn get(ctx: &mut Ctx<'_>, id: &str) -> Result<Body, ApiError> {
    let now = ctx.cloud.clock.now();
    let change = ctx.dns().changes.get(id).ok_or_else(|| {
        let said = format!("A change with the specified change ID {id} does not exist.");
        ApiError::new("NoSuchChange", said).status(404)
    })?;
    let mut xml = Xml::default();
    change.write(&mut xml, now, id);
    Ok(xml.into())
}
