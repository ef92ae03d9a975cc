//! What a run remembers of the looks it has taken: streaks and stillness. A crash forgets it, which is safe.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use super::{Color, Facts, HealthState, ProbeAnswer};

/// How many looks back the number of healthy targets is kept.
const LOOKS_KEPT: usize = 16;

/// Streaks over consecutive observations. One healthy look proves little: AWS calls a target healthy
/// after a single passing check (ELB user guide, "Target groups").
#[derive(Debug, Clone, Default)]
pub struct Memory {
    colors: BTreeMap<Color, Streaks>,
    new_since: Option<Timestamp>,
    synced_since: Option<Timestamp>,
    unclear: u32,
    old_since: Option<Timestamp>,
    counting_since: BTreeMap<Color, Timestamp>,
}

#[derive(Debug, Clone, Default)]
struct Streaks {
    registered: BTreeSet<String>,
    all_healthy: u32,
    not_all_healthy: u32,
    /// How many targets were healthy in the latest looks, the newest first.
    healthy: VecDeque<usize>,
    not_in_use: u32,
}

impl Memory {
    /// Takes in the facts of one look, without those of looks before it ([`Facts::only`]), or a streak would count
    /// one look twice.
    pub fn note(&mut self, facts: &Facts, now: Timestamp) {
        for color in facts.requests.keys() {
            self.counting_since.entry(color.clone()).or_insert(now);
        }
        for (color, targets) in &facts.targets {
            let streaks = self.colors.entry(color.clone()).or_default();
            let registered: BTreeSet<String> = targets.registered().map(|t| t.id.clone()).collect();
            let all = !registered.is_empty() && targets.registered().all(|t| t.health == HealthState::Healthy);
            if registered != streaks.registered {
                // A streak is one of the same targets, or the newcomer would inherit it.
                streaks.all_healthy = 0;
                streaks.registered = registered;
            }
            (streaks.all_healthy, streaks.not_all_healthy) =
                if all { (streaks.all_healthy + 1, 0) } else { (0, streaks.not_all_healthy + 1) };
            streaks.healthy.push_front(targets.healthy());
            streaks.healthy.truncate(LOOKS_KEPT);
            let unused = targets.list.iter().any(|t| t.reason.as_deref() == Some("Target.NotInUse"));
            streaks.not_in_use = if unused { streaks.not_in_use + 1 } else { 0 };
        }
        match &facts.probe {
            Some(ProbeAnswer::New) => {
                self.new_since.get_or_insert(now);
            }
            Some(ProbeAnswer::Old { .. } | ProbeAnswer::Alike | ProbeAnswer::Unclear { .. }) => self.new_since = None,
            None => {}
        }
        match &facts.probe {
            Some(ProbeAnswer::Old { .. }) => {
                self.old_since.get_or_insert(now);
            }
            Some(ProbeAnswer::New | ProbeAnswer::Alike) => self.old_since = None,
            Some(ProbeAnswer::Unclear { .. }) | None => {}
        }
        match &facts.probe {
            Some(ProbeAnswer::Unclear { .. }) => self.unclear += 1,
            Some(ProbeAnswer::New | ProbeAnswer::Old { .. } | ProbeAnswer::Alike) => self.unclear = 0,
            None => {}
        }
        if facts.synced == Some(true) {
            self.synced_since.get_or_insert(now);
        }
    }

    /// Forgets what was seen through the load balancer; call it when the traffic is moved.
    pub fn traffic_moved(&mut self) {
        self.new_since = None;
        self.synced_since = None;
        self.unclear = 0;
        self.old_since = None;
        self.counting_since.clear();
    }

    /// Since when this run asks how many requests the color gets.
    pub fn counting_since(&self, color: &Color) -> Option<Timestamp> {
        self.counting_since.get(color).copied()
    }

    /// How many looks in a row found every registered target of `color` healthy.
    pub fn all_healthy(&self, color: &Color) -> u32 {
        self.colors.get(color).map_or(0, |s| s.all_healthy)
    }

    /// How many looks in a row found a registered target of `color` not healthy, or none registered.
    pub fn not_all_healthy(&self, color: &Color) -> u32 {
        self.colors.get(color).map_or(0, |s| s.not_all_healthy)
    }

    /// How many looks in a row found fewer than `count` healthy targets of `color` (at most the latest 16 looks).
    pub fn fewer_healthy(&self, color: &Color, count: usize) -> u32 {
        let looks = self.colors.get(color).map_or(0, |s| s.healthy.iter().take_while(|h| **h < count).count());
        u32::try_from(looks).unwrap_or(u32::MAX)
    }

    /// How many probes in a row could not tell who answers.
    pub fn unclear(&self) -> u32 {
        self.unclear
    }

    /// How many looks in a row found a target of `color` that no enabled zone or rule uses.
    pub fn not_in_use(&self, color: &Color) -> u32 {
        self.colors.get(color).map_or(0, |s| s.not_in_use)
    }

    /// Since when every probe was answered by the new color.
    pub fn new_since(&self) -> Option<Timestamp> {
        self.new_since
    }

    /// Since when probes were answered by the old color, and none by the new one alone.
    pub fn old_since(&self) -> Option<Timestamp> {
        self.old_since
    }

    /// Since when the DNS change is known to have reached every authoritative server.
    pub fn synced_since(&self) -> Option<Timestamp> {
        self.synced_since
    }
}
