//! A pair of weighted Route 53 records, pure: what they do with the traffic, and the change batch that moves it.

use std::collections::BTreeMap;

use aws_sdk_route53::error::BuildError;
use aws_sdk_route53::types::{Change, ChangeAction, ResourceRecordSet};

use crate::release::{Color, RecordPin, Traffic};

/// The weight of the color that gets all the traffic, where neither record has one to take over. Route 53's greatest.
const WEIGHT_ALL: i64 = 255;

/// A change that Route 53 is spreading to its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeId(String);

impl ChangeId {
    /// The change with this id, as the journal kept it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text, without `/change/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ChangeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// What the records of the pinned name and type do with the traffic, or in words why they are not ours to change.
///
/// Both weights at 0 are a split: Route 53 then answers with each record equally often.
pub(super) fn traffic(records: &[ResourceRecordSet], pin: &RecordPin) -> Result<Traffic, String> {
    let mut weights = BTreeMap::new();
    for record in records {
        let Some(id) = record.set_identifier() else {
            return Err("a record without a routing policy".into());
        };
        let Some((color, entry)) = pin.entries.iter().find(|(color, _)| color.as_str() == id) else {
            return Err(format!("a record {id} of neither color, with weight {}", show(record.weight())));
        };
        let Some(weight) = record.weight().and_then(|w| u32::try_from(w).ok()) else {
            return Err(format!("the record {id} is not a weighted one"));
        };
        if record.traffic_policy_instance_id().is_some() {
            return Err(format!("the record {id} is managed by a traffic policy"));
        }
        let target = target(record);
        if target.as_deref() != Some(normal(&entry.dns_name).as_str()) {
            return Err(format!("the record {id} points at {}, not at {}", show(target), entry.dns_name));
        }
        weights.insert(color.clone(), weight);
    }
    if let Some(missing) = pin.entries.keys().find(|color| !weights.contains_key(color)) {
        return Err(format!("no record with the set identifier {missing}"));
    }
    let mut with_weight = weights.iter().filter(|(_, weight)| **weight > 0).map(|(color, _)| color);
    Ok(match (with_weight.next(), with_weight.next()) {
        (Some(color), None) => Traffic::Only { color: color.clone(), idle_referenced: true },
        _ => Traffic::Split { weights },
    })
}

/// The records' weights, in words.
pub(super) fn in_words(records: &[ResourceRecordSet]) -> String {
    if records.is_empty() {
        return "gone".into();
    }
    let mut weights: Vec<_> = records
        .iter()
        .map(|r| format!("{}={}", r.set_identifier().unwrap_or("(no identifier)"), show(r.weight())))
        .collect();
    weights.sort_unstable();
    weights.join(", ")
}

/// One batch that gives `winner` all the traffic and every other color of the pair weight 0.
///
/// A compare-and-swap: Route 53 has no condition on a change, but makes all of a batch or none of it, and a DELETE must
/// match the record exactly. If anything changed since `records` were read, the whole batch fails.
pub(super) fn all_to(records: &[ResourceRecordSet], winner: &Color) -> Result<Vec<Change>, BuildError> {
    let weight_all =
        records.iter().filter_map(ResourceRecordSet::weight).filter(|w| *w > 0).max().unwrap_or(WEIGHT_ALL);
    let mut changes = Vec::with_capacity(2 * records.len());
    for old in records {
        let mut new = old.clone();
        new.weight = Some(if old.set_identifier() == Some(winner.as_str()) { weight_all } else { 0 });
        changes.push(change(ChangeAction::Delete, old.clone())?);
        changes.push(change(ChangeAction::Create, new)?);
    }
    Ok(changes)
}

fn change(action: ChangeAction, record: ResourceRecordSet) -> Result<Change, BuildError> {
    Change::builder().action(action).resource_record_set(record).build()
}

/// The name that a record points at, in normal form: an alias's, or the only value of a CNAME.
pub(super) fn target(record: &ResourceRecordSet) -> Option<String> {
    if let Some(alias) = record.alias_target() {
        return Some(normal(alias.dns_name()));
    }
    match record.resource_records() {
        [only] => Some(normal(only.value())),
        _ => None,
    }
}

/// A name as it is compared: lower case, without the final dot, `*` unescaped, and without the `dualstack.` that the
/// console puts before a load balancer's name.
pub(super) fn normal(name: &str) -> String {
    let name = name.trim_end_matches('.').to_ascii_lowercase().replace("\\052", "*");
    name.strip_prefix("dualstack.").map(str::to_owned).unwrap_or(name)
}

fn show(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "(none)".to_owned(), |v| v.to_string())
}

#[cfg(test)]
mod tests;
