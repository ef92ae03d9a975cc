//! What the name servers answer: by weight among the healthy, from what they have, with the records' time to live.

use std::net::IpAddr;

use jiff::Timestamp;

use super::change::balancer_of;
use super::name::{lies_in, normal, parent};
use super::record::{Data, RecordSet, Records};
use super::zone::{NAME_SERVERS, Zone};
use super::{Account, Dns};
use crate::dev::cloud::Cloud;
use crate::dev::model::World;

/// Aliases and CNAMEs that are followed.
const HOPS_MAX: usize = 8;
/// Time to live of a load balancer's addresses.
const BALANCER_TTL_S: u32 = 60;

/// An answer to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    /// CNAMEs that were followed, then what was asked for.
    pub(crate) lines: Vec<Line>,
    /// The start of authority of a denial, or the name servers of a delegation.
    pub(crate) authority: Vec<Line>,
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There are such records, or a CNAME to a name that is somebody else's.
    Found,
    /// The name has no records of this type.
    NoData,
    /// There is no such name.
    NoName,
    /// The name is in a zone that was delegated to somebody else.
    Delegated,
    /// No zone of the dev cloud has the name.
    NotOurs,
    /// Aliases and CNAMEs lead in circles.
    Circle,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) ttl_s: u32,
    pub(crate) value: String,
}

impl Line {
    fn of_address(name: &str, address: IpAddr) -> Self {
        let kind = if address.is_ipv4() { "A" } else { "AAAA" };
        Self { name: name.to_owned(), kind: kind.to_owned(), ttl_s: BALANCER_TTL_S, value: address.to_string() }
    }
}

/// Where one name leads.
enum Step {
    Lines(Vec<Line>),
    /// Another name, in the zone's words.
    Cname(Vec<Line>, String),
    NoData(Vec<Line>),
    NoName(Vec<Line>),
    Delegated(Vec<Line>),
    NotOurs,
}

impl World {
    /// What a name server answers; `server` is one of the [`NAME_SERVERS`], any of them if `None`.
    pub(crate) fn ask(&self, cloud: &Cloud, name: &str, kind: &str, server: Option<usize>) -> Answer {
        let any = || usize::try_from(cloud.chance.below(NAME_SERVERS.len() as u64)).unwrap_or_default();
        let asked = Asked { world: self, cloud, now: cloud.clock.now(), server: server.unwrap_or_else(any) };
        let mut answer = Answer { outcome: Outcome::Circle, lines: Vec::new(), authority: Vec::new() };
        let Ok(mut name) = normal(name) else {
            answer.outcome = Outcome::NotOurs;
            return answer;
        };
        for _ in 0..HOPS_MAX {
            let (outcome, authority) = match asked.step(&name, kind) {
                Step::Cname(line, target) => {
                    answer.lines.extend(line);
                    name = target;
                    continue;
                }
                Step::Lines(lines) => {
                    answer.lines.extend(lines);
                    (Outcome::Found, Vec::new())
                }
                Step::NoData(authority) => (Outcome::NoData, authority),
                Step::NoName(authority) => (Outcome::NoName, authority),
                Step::Delegated(authority) => (Outcome::Delegated, authority),
                Step::NotOurs if answer.lines.is_empty() => (Outcome::NotOurs, Vec::new()),
                // Whoever asked goes on with the name that the last CNAME has.
                Step::NotOurs => (Outcome::Found, Vec::new()),
            };
            return Answer { outcome, authority, ..answer };
        }
        answer
    }

    /// An address of `name`, chosen anew each time.
    pub(crate) fn address_of(&self, cloud: &Cloud, name: &str) -> Option<IpAddr> {
        let found = self.addresses_of(cloud, name);
        let turn = usize::try_from(cloud.chance.below(found.len() as u64)).ok()?;
        found.get(turn).copied()
    }

    /// All addresses of one answer for `name`.
    pub(crate) fn addresses_of(&self, cloud: &Cloud, name: &str) -> Vec<IpAddr> {
        let of_kind = |kind| {
            let answer = self.ask(cloud, name, kind, None);
            answer.lines.iter().filter_map(|line| line.value.parse().ok()).collect::<Vec<_>>()
        };
        ["A", "AAAA"].into_iter().map(of_kind).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The zone that has `name`, with its account. Of several of one name the oldest is the one that was delegated to.
    fn zone_of(&self, name: &str) -> Option<(&Account, &Zone)> {
        let accounts = self.accounts.values();
        let zones = accounts.flat_map(|account| account.dns.zones.values().map(move |zone| (account, zone)));
        let zones = zones.filter(|(_, zone)| lies_in(name, &zone.name));
        zones.min_by_key(|(_, zone)| (std::cmp::Reverse(zone.name.len()), zone.created))
    }
}

/// A question under way.
struct Asked<'a> {
    world: &'a World,
    cloud: &'a Cloud,
    now: Timestamp,
    server: usize,
}

impl<'a> Asked<'a> {
    fn step(&self, name: &str, kind: &str) -> Step {
        // Unless it has a name of its own, a load balancer's name is its address.
        if let Ok(address) = name.trim_end_matches('.').parse::<IpAddr>() {
            return of_addresses(name, kind, &[address]);
        }
        if let Some(balancer) = self.world.balancers().into_iter().find(|balancer| balancer.name == name) {
            return of_addresses(name, kind, &balancer.addresses);
        }
        let Some((account, zone)) = self.world.zone_of(name) else { return Step::NotOurs };
        let Some(records) = zone.seen_by(self.server, self.now) else { return Step::NotOurs };
        InZone { asked: self, dns: &account.dns, zone, records }.step(name, kind)
    }
}

fn of_addresses(name: &str, kind: &str, addresses: &[IpAddr]) -> Step {
    let lines: Vec<_> =
        addresses.iter().map(|address| Line::of_address(name, *address)).filter(|line| line.kind == kind).collect();
    if lines.is_empty() { Step::NoData(Vec::new()) } else { Step::Lines(lines) }
}

/// A zone as one name server has it.
pub(super) struct InZone<'a> {
    asked: &'a Asked<'a>,
    dns: &'a Dns,
    zone: &'a Zone,
    records: &'a Records,
}

impl InZone<'_> {
    fn step(&self, name: &str, kind: &str) -> Step {
        if let Some(servers) = self.delegation(name) {
            return Step::Delegated(servers);
        }
        let Some(owner) = self.owner(name) else { return Step::NoName(self.start_of_authority()) };
        match self.lines(&owner, name, kind, HOPS_MAX) {
            Found::Lines(lines) => return Step::Lines(lines),
            Found::Circle => return Step::NoData(self.start_of_authority()),
            Found::Nothing => {}
        }
        if let Found::Lines(lines) = self.lines(&owner, name, "CNAME", HOPS_MAX)
            && let Some(target) = lines.first().and_then(|line| normal(&line.value).ok())
        {
            return Step::Cname(lines, target);
        }
        Step::NoData(self.start_of_authority())
    }

    fn exists(&self, name: &str) -> bool {
        self.records.named(name).next().is_some() || self.records.has_below(name)
    }

    /// The name whose records answer: the name itself, or the wildcard closest above it.
    fn owner(&self, name: &str) -> Option<String> {
        if self.exists(name) {
            return Some(name.to_owned());
        }
        let mut above = parent(name);
        while let Some(closer) = above.filter(|above| lies_in(above, &self.zone.name)) {
            let wildcard = format!("*.{closer}");
            if self.records.named(&wildcard).next().is_some() {
                return Some(wildcard);
            }
            // A wildcard further up does not reach below a name that is there.
            if self.exists(closer) {
                return None;
            }
            above = parent(closer);
        }
        None
    }

    /// The name servers of the part of the zone that `name` is in, where that was given away.
    fn delegation(&self, name: &str) -> Option<Vec<Line>> {
        let mut at = Some(name);
        while let Some(cut) = at.filter(|cut| *cut != self.zone.name) {
            let servers = self.records.named(cut).find(|record| record.kind == "NS");
            if let Some(servers) = servers {
                return Some(values(servers, cut));
            }
            at = parent(cut);
        }
        None
    }

    /// The records of `owner`, written for `name`; aliases are followed inside the zone.
    fn lines(&self, owner: &str, name: &str, kind: &str, hops: usize) -> Found {
        let candidates: Vec<_> = self.records.named(owner).filter(|record| record.kind == kind).collect();
        let Some(record) = self.choose(&candidates) else { return Found::Nothing };
        let Data::Alias { name: target, .. } = &record.data else { return Found::Lines(values(record, name)) };
        if hops == 0 {
            return Found::Circle;
        }
        if let Some(addresses) = self.balancer(record, |balancer| balancer.addresses.clone()) {
            return match of_addresses(name, kind, &addresses) {
                Step::Lines(lines) => Found::Lines(lines),
                _ => Found::Nothing,
            };
        }
        match self.owner(target) {
            Some(owner) => self.lines(&owner, name, kind, hops - 1),
            None => Found::Nothing,
        }
    }

    /// What `of` says of the load balancer that an alias points at; `None` if it points at none.
    fn balancer<T>(&self, alias: &RecordSet, of: impl FnOnce(&super::targets::Balancer<'_>) -> T) -> Option<T> {
        let (zone, name) = balancer_of(alias)?;
        let all = self.asked.world.balancers();
        all.iter().find(|balancer| balancer.name == name && balancer.zone == zone).map(of)
    }

    /// One of the records of a name and type: by weight among the healthy; weight 0 only where no other is healthy;
    /// if none at all is healthy, all count as healthy.
    fn choose<'b>(&self, candidates: &[&'b RecordSet]) -> Option<&'b RecordSet> {
        if let [only] = candidates {
            return Some(only);
        }
        let weight = |record: &RecordSet| record.weighted.as_ref().map_or(1, |(_, weight)| u64::from(*weight));
        let healthy: Vec<_> = candidates.iter().copied().filter(|record| self.healthy(record, HOPS_MAX)).collect();
        let among = if healthy.is_empty() { candidates } else { &healthy };
        let total: u64 = among.iter().map(|record| weight(record)).sum();
        let chance = &self.asked.cloud.chance;
        if total == 0 {
            // All weights 0 means all alike, unlike a load balancer's.
            let turn = usize::try_from(chance.below(among.len() as u64)).ok()?;
            return among.get(turn).copied();
        }
        let mut left = chance.below(total);
        among.iter().copied().find(|record| {
            let share = weight(record);
            let chosen = left < share;
            left = left.saturating_sub(share);
            chosen
        })
    }

    fn healthy(&self, record: &RecordSet, hops: usize) -> bool {
        let check = record.health_check.as_ref().and_then(|id| self.dns.checks.get(id));
        if check.is_some_and(|check| !check.healthy()) {
            return false;
        }
        let Data::Alias { name, evaluate: true, .. } = &record.data else { return true };
        if hops == 0 {
            return true;
        }
        let target = self.balancer(record, |balancer| balancer.healthy());
        target.unwrap_or_else(|| {
            let mut same_kind = self.records.named(name).filter(|target| target.kind == record.kind);
            same_kind.any(|target| self.healthy(target, hops - 1))
        })
    }

    fn start_of_authority(&self) -> Vec<Line> {
        let found = self.records.named(&self.zone.name).find(|record| record.kind == "SOA");
        found.map(|record| values(record, &self.zone.name)).unwrap_or_default()
    }
}

/// What there is under a name and type.
enum Found {
    Lines(Vec<Line>),
    Nothing,
    Circle,
}

fn values(record: &RecordSet, name: &str) -> Vec<Line> {
    let Data::Values { ttl_s, values } = &record.data else { return Vec::new() };
    let line =
        |value: &String| Line { name: name.to_owned(), kind: record.kind.clone(), ttl_s: *ttl_s, value: value.clone() };
    values.iter().map(line).collect()
}
