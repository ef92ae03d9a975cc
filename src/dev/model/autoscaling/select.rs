//! Which instances end when a group has too many, and where the next one starts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::group::{Group, Settings};
use super::member::Member;
use super::template::Pinned;
use crate::dev::wire::ApiError;

/// A termination policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Termination {
    /// Groups of mixed instances only; it decides nothing here.
    AllocationStrategy,
    ClosestToNextInstanceHour,
    Default,
    NewestInstance,
    OldestInstance,
    /// Groups with launch configurations only; it decides nothing here.
    OldestLaunchConfiguration,
    OldestLaunchTemplate,
}

impl Termination {
    pub(super) const ALL: [Self; 7] = [
        Self::AllocationStrategy,
        Self::ClosestToNextInstanceHour,
        Self::Default,
        Self::NewestInstance,
        Self::OldestInstance,
        Self::OldestLaunchConfiguration,
        Self::OldestLaunchTemplate,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AllocationStrategy => "AllocationStrategy",
            Self::ClosestToNextInstanceHour => "ClosestToNextInstanceHour",
            Self::Default => "Default",
            Self::NewestInstance => "NewestInstance",
            Self::OldestInstance => "OldestInstance",
            Self::OldestLaunchConfiguration => "OldestLaunchConfiguration",
            Self::OldestLaunchTemplate => "OldestLaunchTemplate",
        }
    }

    pub(super) fn read(names: &[String]) -> Result<Vec<Self>, ApiError> {
        let mut policies = Vec::with_capacity(names.len());
        for name in names {
            let policy = Self::ALL.into_iter().find(|policy| policy.name() == name).ok_or_else(|| {
                let known = Self::ALL.map(Self::name).join(", ");
                ApiError::validation(format!(
                    "Termination policy '{name}' is not valid (or not modelled by the dev cloud). Expected: {known}"
                ))
            })?;
            policies.push(policy);
        }
        if policies.is_empty() {
            policies.push(Self::Default);
        }
        Ok(policies)
    }

    /// Smaller ends first.
    fn rank(self, member: &Member, current: &str, now: Timestamp) -> (i64, i64) {
        let number = i64::try_from(member.number).unwrap_or(i64::MAX);
        match self {
            Self::AllocationStrategy | Self::Default | Self::OldestLaunchConfiguration => (0, 0),
            Self::OldestInstance => (number, 0),
            Self::NewestInstance => (-number, 0),
            // What was launched from another template, or from none, is older than any version.
            Self::OldestLaunchTemplate => member.template.as_ref().map_or((0, 0), |from| {
                if from.id == current { (1, from.version.into()) } else { (0, from.version.into()) }
            }),
            Self::ClosestToNextInstanceHour => {
                let age_s = now.duration_since(member.launched).as_secs();
                (3600 - age_s.rem_euclid(3600), 0)
            }
        }
    }
}

/// The instances that end first when `count` have to: of the zone that has most, then by the group's policies.
pub(super) fn victims(group: &Group, count: u32, now: Timestamp) -> Vec<String> {
    let mut zones: BTreeMap<&str, u32> = BTreeMap::new();
    for member in group.members.values().filter(|member| member.is_active()) {
        *zones.entry(&member.zone).or_default() += 1;
    }
    let fit = |member: &&Member| member.is_in_service() && !member.protected;
    let mut candidates: Vec<&Member> = group.members.values().filter(fit).collect();
    let mut chosen = Vec::new();
    for _ in 0..count {
        // A zone whose instances are all protected is passed over.
        let Some(most) = candidates.iter().map(|member| zones[member.zone.as_str()]).max() else { break };
        let fullest = |member: &&&Member| zones[member.zone.as_str()] == most;
        let rank = |member: &&&Member| {
            let mut ranks = Vec::new();
            for policy in &group.settings.termination {
                let parts: &[Termination] = match policy {
                    Termination::Default => {
                        &[Termination::OldestLaunchTemplate, Termination::ClosestToNextInstanceHour]
                    }
                    other => std::slice::from_ref(other),
                };
                ranks.extend(parts.iter().map(|part| part.rank(member, &group.settings.template.id, now)));
            }
            // AWS chooses at random where nothing tells them apart; a test wants the same one each time.
            ranks.push((i64::try_from(member.number).unwrap_or(i64::MAX), 0));
            ranks
        };
        let Some(victim) = candidates.iter().filter(fullest).min_by_key(rank).copied() else { break };
        if let Some(left) = zones.get_mut(victim.zone.as_str()) {
            *left -= 1;
        }
        candidates.retain(|member| member.id != victim.id);
        chosen.push(victim.id.clone());
    }
    chosen
}

/// How many instances that count each zone of the group has, in the order of the zones' names.
pub(super) fn zone_counts(group: &Group) -> Vec<(String, u32)> {
    let count = |zone: String| {
        let here = group.count(|member| member.is_active() && member.zone == zone);
        (zone, here)
    };
    group.settings.zones().into_iter().map(count).collect()
}

/// Subnets to try for the next instance: those of the emptiest zone first; within a zone they take turns.
pub(super) fn places(settings: &Settings, counts: &[(String, u32)], launched: u64) -> Vec<(String, String)> {
    let mut zones: Vec<_> = counts.iter().collect();
    zones.sort_by_key(|(_, count)| *count);
    let in_zone = |(zone, _): &&(String, u32)| {
        let here: Vec<_> = settings.subnets.iter().filter(|(_, each)| each == zone).collect();
        let turn = usize::try_from(launched).unwrap_or(0).checked_rem(here.len())?;
        here.get(turn).map(|place| (*place).clone())
    };
    zones.iter().filter_map(in_zone).collect()
}

/// Whether an instance is what the group would launch now.
pub(super) fn is_current(member: &Member, current: &Pinned) -> bool {
    member.template.as_ref() == Some(current)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dev::model::autoscaling::group::{DeletionProtection, Failures};
    use crate::dev::model::autoscaling::member::Phase;
    use crate::dev::model::autoscaling::template::Template;

    const ZONES: [&str; 3] = ["a", "b", "c"];

    /// A group with members of (zone, template version, protected), launched one after the other.
    fn group(members: &[(usize, u32, bool)], termination: Vec<Termination>) -> Group {
        let member = |(number, (zone, version, protected)): (usize, &(usize, u32, bool))| {
            let id = format!("i-{number:02}");
            let member = Member {
                id: id.clone(),
                number: number as u64,
                zone: ZONES[*zone].to_owned(),
                instance_type: "t3.micro".to_owned(),
                image: "ami-0".to_owned(),
                template: Some(Pinned { id: "lt-1".to_owned(), name: "web".to_owned(), version: *version }),
                launched: Timestamp::UNIX_EPOCH,
                phase: Phase::InService,
                pool: None,
                in_service: Some(Timestamp::UNIX_EPOCH),
                unhealthy: None,
                protected: *protected,
                activity: None,
                actions: Vec::new(),
                returns: false,
            };
            (id, member)
        };
        Group {
            name: "web".to_owned(),
            arn: "arn".to_owned(),
            created: Timestamp::UNIX_EPOCH,
            settings: Settings {
                min: 0,
                max: 100,
                template: Template { id: "lt-1".to_owned(), name: "web".to_owned(), version: "$Latest".to_owned() },
                subnets: ZONES.iter().map(|zone| (format!("subnet-{zone}"), (*zone).to_owned())).collect(),
                cooldown_s: 300,
                health_check_type: "EC2".to_owned(),
                grace_s: 0,
                warmup_s: None,
                termination,
                protect_new: false,
                deletion_protection: DeletionProtection::None,
                context: None,
                balanced_only: false,
                maintenance: None,
            },
            desired: 0,
            tags: BTreeMap::new(),
            sources: Vec::new(),
            suspended: BTreeMap::new(),
            hooks: BTreeMap::new(),
            policies: BTreeMap::new(),
            scheduled: BTreeMap::new(),
            refreshes: Vec::new(),
            warm_pool: None,
            topics: BTreeMap::new(),
            outbox: Vec::new(),
            members: members.iter().enumerate().map(member).collect(),
            launched: members.len() as u64,
            activities: Vec::new(),
            causes: Vec::new(),
            replacing: 0,
            failures: Failures::default(),
            scaled: None,
            rebalancing: false,
            rebalance_after: None,
            deleting: false,
        }
    }

    fn chosen(group: &Group, count: u32) -> Vec<String> {
        victims(group, count, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_policies_decide_within_the_fullest_zone() {
        let members = [(0, 2, false), (0, 1, false), (0, 2, false), (1, 1, false)];
        for (policy, expected) in [
            (Termination::OldestInstance, "i-00"),
            (Termination::NewestInstance, "i-02"),
            (Termination::OldestLaunchTemplate, "i-01"),
            (Termination::Default, "i-01"),
        ] {
            assert_eq!(chosen(&group(&members, vec![policy]), 1), [expected], "{policy:?}");
        }
    }

    proptest! {
        #[test]
        fn what_ends_is_free_to_end_and_zones_get_no_less_even(
            members in prop::collection::vec((0..3_usize, 1..4_u32, prop::bool::weighted(0.2)), 0..20),
            count in 0..25_u32,
            policy in prop::sample::select(Termination::ALL.to_vec()),
        ) {
            let mut group = group(&members, vec![policy]);
            let spread = |group: &Group| {
                let counts: Vec<u32> = zone_counts(group).into_iter().map(|(_, count)| count).collect();
                counts.iter().max().unwrap() - counts.iter().min().unwrap()
            };
            let (free, before) = (members.iter().filter(|member| !member.2).count(), spread(&group));
            let anyone_protected = free < members.len();
            let ids = chosen(&group, count);
            prop_assert_eq!(ids.len(), free.min(count as usize));
            for id in &ids {
                let member = group.members.remove(id);
                prop_assert!(member.is_some_and(|member| !member.protected), "{} twice, or protected", id);
            }
            prop_assert!(anyone_protected || spread(&group) <= before.max(1));
        }

        #[test]
        fn the_next_one_goes_where_fewest_are(
            members in prop::collection::vec((0..3_usize, 1..2_u32, Just(false)), 0..20)
        ) {
            let group = group(&members, vec![Termination::Default]);
            let counts = zone_counts(&group);
            let places = places(&group.settings, &counts, group.launched);
            let count_of = |zone: &str| counts.iter().find(|(name, _)| name == zone).map(|(_, count)| *count);
            prop_assert_eq!(places.len(), 3);
            prop_assert!(places.is_sorted_by_key(|(_, zone)| count_of(zone)));
        }
    }

    #[test]
    fn a_group_is_the_same_after_it_was_written_and_read() {
        let group = group(&[(0, 1, false), (1, 2, true)], vec![Termination::Default]);
        let written = serde_json::to_string(&group).unwrap();
        let read: Group = serde_json::from_str(&written).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), written);
    }
}
