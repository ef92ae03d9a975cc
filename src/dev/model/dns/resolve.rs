//! What a resolver would be told now: one weighted choice among the records that all name servers have.

use std::net::IpAddr;

use super::name::{lies_in, normal};
use super::record::{Data, RecordSet};
use super::{Dns, Zone};
use crate::dev::cloud::Cloud;

/// Aliases and CNAMEs that are followed.
const HOPS_MAX: usize = 8;

impl Dns {
    /// The address that a client gets for `name`, chosen anew each time; `None` if there is none.
    pub(crate) fn resolve(&self, cloud: &Cloud, name: &str) -> Option<IpAddr> {
        let mut name = normal(name).ok()?;
        for _ in 0..HOPS_MAX {
            // A load balancer's name is its address.
            if let Ok(address) = name.trim_end_matches('.').parse() {
                return Some(address);
            }
            let zones = self.zones.values().filter(|zone| lies_in(&name, &zone.name));
            let zone = zones.max_by_key(|zone| zone.name.len())?;
            match zone.choose(cloud, &name)?.data {
                Data::Alias { name: target, .. } => name = target,
                Data::Values { values, .. } => name = normal(values.first()?).ok()?,
            }
        }
        None
    }
}

impl Zone {
    fn choose(&self, cloud: &Cloud, name: &str) -> Option<RecordSet> {
        let now = cloud.clock.now();
        let (_, records) = self.published.iter().rev().find(|(due, _)| *due <= now)?;
        let of = |kinds: &[&str]| -> Vec<&RecordSet> {
            records.values().filter(|record| record.name == name && kinds.contains(&record.kind.as_str())).collect()
        };
        let candidates = of(&["A", "CNAME"]);
        let weight = |record: &RecordSet| record.weighted.as_ref().map_or(1, |(_, weight)| u32::from(*weight));
        let total: u32 = candidates.iter().map(|record| weight(record)).sum();
        if total == 0 {
            // All weights 0 means all alike, unlike a load balancer's.
            let turn = usize::try_from(cloud.chance.below(candidates.len() as u64)).ok()?;
            return candidates.get(turn).copied().cloned();
        }
        let mut left = u32::try_from(cloud.chance.below(total.into())).ok()?;
        candidates
            .into_iter()
            .find(|record| {
                let share = weight(record);
                let chosen = left < share;
                left = left.saturating_sub(share);
                chosen
            })
            .cloned()
    }
}
