//! A target group: its settings, the current targets, which of them is next, and what was counted.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::StatusCode;

use super::counts::{Counter, GroupCounters, GroupCounts, ResponseTimers};
use super::dice::{Dice, mix};
use super::target::{Claim, Target, TargetState};

/// A target group as the data plane sees it. Shared by `Arc` between the control plane and any number of
/// [`super::Routes`].
#[derive(Debug)]
pub struct Group {
    id: String,
    /// What cookies call it.
    key: u64,
    this: Weak<Self>,
    settings: ArcSwap<GroupSettings>,
    targets: ArcSwap<Vec<Arc<Target>>>,
    next: AtomicUsize,
    pub(super) counters: GroupCounters,
    target_answers: [Counter; 5],
    pub(super) response_times: ResponseTimers,
}

/// What a group's attributes and protocol say about traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSettings {
    /// What targets speak.
    pub version: TargetProtocol,
    /// Whether it is spoken inside TLS. As on AWS, the certificate of a target is not checked.
    pub tls: bool,
    /// Who is next.
    pub algorithm: Algorithm,
    /// For how long a target that has become healthy gets less than its share; zero is not at all.
    pub slow_start: Duration,
    /// What makes a client come back to the same target.
    pub stickiness: Option<TargetStickiness>,
    /// With fewer healthy targets than this, requests go to all; at least 1.
    pub healthy_min_count: u32,
    /// With a smaller share of healthy targets than this, in percent, requests go to all; 0 is off.
    pub healthy_min_percent: u32,
    /// Whether nodes send to targets in other zones; `None` asks the load balancer.
    pub cross_zone: Option<bool>,
    /// Flows only: whether they are reset when their target becomes unhealthy.
    pub unhealthy_terminates: bool,
    /// Flows only: whether they are reset when the deregistration delay of their target runs out.
    pub deregistration_terminates: bool,
    /// Flows only: whether the target is told the client's address by the PROXY protocol, version 2.
    pub proxy_protocol: bool,
}

/// A protocol version of targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetProtocol {
    /// `HTTP1`: requests of any version are sent as HTTP/1.1.
    Http1,
    /// `HTTP2`.
    Http2,
    /// `GRPC`.
    Grpc,
}

/// How a group chooses among targets that are fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// One after the other.
    RoundRobin,
    /// The one with the fewest requests in flight.
    LeastOutstanding,
    /// By chance. Anomaly mitigation is not modelled.
    WeightedRandom,
}

/// How a client is brought back to the same target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetStickiness {
    /// `lb_cookie`: by `AWSALB`, which is good for this long after the last answer.
    BalancerCookie(Duration),
    /// `app_cookie`: by `AWSALBAPP-0`, given together with the application's own cookie.
    AppCookie {
        /// The application's cookie.
        name: String,
        /// How long `AWSALBAPP-0` is good for.
        duration: Duration,
    },
    /// `source_ip`: by the client's address; network load balancers.
    SourceIp,
}

impl Default for GroupSettings {
    /// AWS's defaults for an HTTP group.
    fn default() -> Self {
        Self {
            version: TargetProtocol::Http1,
            tls: false,
            algorithm: Algorithm::RoundRobin,
            slow_start: Duration::ZERO,
            stickiness: None,
            healthy_min_count: 1,
            healthy_min_percent: 0,
            cross_zone: None,
            unhealthy_terminates: true,
            deregistration_terminates: false,
            proxy_protocol: false,
        }
    }
}

/// What a request brings along that decides about its target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    /// The zone of the node, if it is only to send to targets there.
    pub(super) zone: Option<&'a str>,
    /// The target that the client was sent to before.
    pub(super) sticky: Option<std::net::SocketAddr>,
    /// The client, for groups that are sticky by address.
    pub(super) client: IpAddr,
}

impl Group {
    /// An empty group with AWS's default settings; `id` (the ARN) is for logs and stickiness cookies.
    pub fn new(id: impl Into<String>) -> Arc<Self> {
        let id = id.into();
        Arc::new_cyclic(|this| Self {
            key: name_key(&id),
            id,
            this: this.clone(),
            settings: ArcSwap::default(),
            targets: ArcSwap::default(),
            next: AtomicUsize::new(0),
            counters: GroupCounters::default(),
            target_answers: Default::default(),
            response_times: ResponseTimers::default(),
        })
    }

    /// What it was called when it was made.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The targets that it has now, draining ones included.
    pub fn targets(&self) -> Arc<Vec<Arc<Target>>> {
        self.targets.load_full()
    }

    /// Replaces the list of targets at once. A target that is left out gets no new request; what it has in flight goes
    /// on.
    pub fn set_targets(&self, targets: Vec<Arc<Target>>) {
        targets.iter().for_each(|target| target.belongs_to(&self.this));
        self.targets.store(Arc::new(targets));
    }

    /// How it works now.
    pub fn settings(&self) -> Arc<GroupSettings> {
        self.settings.load_full()
    }

    /// Changes how it works; the next request that is routed sees it.
    pub fn set_settings(&self, settings: GroupSettings) {
        self.settings.store(Arc::new(settings));
    }

    /// What was counted so far.
    pub fn counts(&self) -> GroupCounts {
        GroupCounts {
            flat: self.counters.read(),
            target_answers: std::array::from_fn(|class| self.target_answers[class].get()),
            response_times: self.response_times.read(),
        }
    }

    /// What cookies call it.
    pub(super) fn key(&self) -> u64 {
        self.key
    }

    /// Whether any target is healthy that a node in `zone` may send to.
    pub(super) fn usable_in(&self, zone: &str) -> bool {
        self.targets
            .load()
            .iter()
            .any(|target| target.state() == TargetState::Healthy && target.zone().is_none_or(|theirs| theirs == zone))
    }

    /// Whether a target that has just become healthy warms up: not in a group where nobody else can carry the traffic
    /// meanwhile.
    pub(super) fn starts_slowly(&self, warming: &Target) -> bool {
        let settings = self.settings.load();
        let carries = |other: &Arc<Target>| {
            !std::ptr::eq(Arc::as_ptr(other), warming)
                && other.state() == TargetState::Healthy
                && other.ramp(settings.slow_start).is_none()
        };
        !settings.slow_start.is_zero() && self.targets.load().iter().any(carries)
    }

    /// Claims a target: by stickiness or the group's algorithm among the healthy ones; among all registered ones where
    /// too few are healthy; `None` where nothing is registered or everything is unused.
    pub(super) fn claim(&self, wish: Wish<'_>, dice: &Dice) -> Option<Claim> {
        self.counters.requests.one();
        let (targets, settings) = (self.targets.load(), self.settings.load());
        let reachable =
            |target: &Arc<Target>| wish.zone.is_none_or(|zone| target.zone().is_none_or(|theirs| theirs == zone));
        let healthy = |state| state == TargetState::Healthy;
        let registered = |state| matches!(state, TargetState::Initial | TargetState::Healthy | TargetState::Unhealthy);
        let (mut fit, mut all) = (0_u64, 0_u64);
        for target in targets.iter().filter(|target| reachable(target)) {
            let state = target.state();
            fit += u64::from(healthy(state));
            all += u64::from(registered(state));
        }
        let enough = fit >= u64::from(settings.healthy_min_count.max(1))
            && fit * 100 >= all * u64::from(settings.healthy_min_percent);
        // A sticky target is left only when it is not healthy, and never taken by failing open.
        if let Some(address) = wish.sticky
            && let Some(target) = targets.iter().find(|target| target.address() == address)
            && let Some(claim) = target.claim(healthy)
        {
            return Some(claim);
        }
        let pick = Pick { targets: &targets, settings: &settings, reachable, wish, dice };
        if enough && let Some(claim) = self.claim_among(&pick, fit, healthy) {
            return Some(claim);
        }
        let claim = self.claim_among(&pick, all, registered);
        if claim.is_some() {
            self.counters.failed_open.one();
        } else {
            self.counters.untargeted.one();
        }
        claim
    }

    fn claim_among<R: Fn(&Arc<Target>) -> bool + Copy>(
        &self,
        pick: &Pick<'_, R>,
        many: u64,
        accept: impl Fn(TargetState) -> bool + Copy,
    ) -> Option<Claim> {
        if many == 0 {
            return None;
        }
        let fit = || pick.targets.iter().filter(|target| (pick.reachable)(target) && accept(target.state()));
        let turn = if pick.settings.stickiness == Some(TargetStickiness::SourceIp) {
            let client = match pick.wish.client {
                IpAddr::V4(v4) => u64::from(u32::from(v4)),
                IpAddr::V6(v6) => mix(u128::from(v6) as u64) ^ (u128::from(v6) >> 64) as u64,
            };
            // Rendezvous hashing: when a target goes, only its own clients move.
            let score = |target: &Arc<Target>| mix(client ^ mix(name_key(&target.address().to_string())));
            fit().enumerate().max_by_key(|(_, target)| score(target)).map_or(0, |(at, _)| at)
        } else {
            match pick.settings.algorithm {
                Algorithm::WeightedRandom => usize::try_from(pick.dice.below(many)).unwrap_or_default(),
                Algorithm::RoundRobin => {
                    let many = usize::try_from(many).unwrap_or(1);
                    self.round_robin(pick, fit, many)
                }
                Algorithm::LeastOutstanding => {
                    let first = self.next.fetch_add(1, Ordering::Relaxed);
                    let many = usize::try_from(many).unwrap_or(1);
                    // Among equals the turn goes round.
                    let rank =
                        |(at, target): &(usize, &Arc<Target>)| (target.in_flight(), (at + many - first % many) % many);
                    fit().enumerate().min_by_key(rank).map_or(0, |(at, _)| at)
                }
            }
        };
        // The one whose turn it is, then every other one: states may have changed since they were counted.
        let others = pick.targets.iter().filter(|target| (pick.reachable)(target));
        fit().skip(turn).chain(others).find_map(|target| target.claim(accept))
    }

    /// Whose turn it is; who is warming up lets turns pass, so that its share grows evenly.
    fn round_robin<'a, R, I>(&self, pick: &Pick<'_, R>, fit: impl Fn() -> I, many: usize) -> usize
    where
        I: Iterator<Item = &'a Arc<Target>>,
    {
        let mut turn = self.next.fetch_add(1, Ordering::Relaxed) % many;
        if pick.settings.slow_start.is_zero() {
            return turn;
        }
        for _ in 0..many {
            match fit().nth(turn).and_then(|target| target.ramp(pick.settings.slow_start)) {
                Some(share) if pick.dice.below(1000) >= share => {
                    turn = self.next.fetch_add(1, Ordering::Relaxed) % many;
                }
                _ => break,
            }
        }
        turn
    }

    pub(super) fn count_target_answer(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.target_answers.get(class) {
            counter.one();
        }
    }
}

struct Pick<'a, R> {
    targets: &'a [Arc<Target>],
    settings: &'a GroupSettings,
    reachable: R,
    wish: Wish<'a>,
    dice: &'a Dice,
}

/// A number for a name that stays the same from run to run (FNV-1a, spread).
pub(super) fn name_key(name: &str) -> u64 {
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    mix(name.bytes().fold(0xcbf2_9ce4_8422_2325, hash))
}
