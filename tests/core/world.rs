//! A model of the world a release acts on: weights, a data plane that follows late, targets, instances, time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use switchback::release::{
    BusyMinute, Color, Effect, Facts, HealthState, InstanceFact, InstanceState, ProbeAnswer, Problem, Question,
    References, Release, ReleaseId, RequestCount, TargetFact, Targets, Traffic,
};

use crate::build::{at, blue, foreign, green};

const DRAIN: SignedDuration = SignedDuration::from_secs(20);
const BOOT: SignedDuration = SignedDuration::from_secs(15);
const FIRST_CHECK: SignedDuration = SignedDuration::from_secs(10);

#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) color: Color,
    pub(crate) release: Option<ReleaseId>,
    pub(crate) image: String,
    pub(crate) subnet: String,
    pub(crate) booted_at: Timestamp,
    pub(crate) dead: bool,
    pub(crate) sick: bool,
}

#[derive(Debug, Clone)]
struct Target {
    id: String,
    registered_at: Timestamp,
    drains_until: Option<Timestamp>,
}

/// A call that was sent and whose effect is still to come.
#[derive(Debug, Clone)]
struct InFlight {
    lands_at: Timestamp,
    effect: Effect,
    release: Release,
    /// How often somebody else had written when it was sent.
    foreign_writes: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) instances: Vec<Instance>,
    pub(crate) third_group: bool,
    /// How long the data plane goes on sending to a color after its weight has become 0.
    pub(crate) lag: SignedDuration,
    pub(crate) smoke_passes: bool,
    pub(crate) foreign_writes: u32,
    weights: BTreeMap<Color, u32>,
    referenced: BTreeSet<Color>,
    targets: BTreeMap<Color, Vec<Target>>,
    tails: Vec<(Color, Timestamp)>,
    tokens: BTreeSet<String>,
    in_flight: Vec<InFlight>,
}

impl World {
    /// Blue is live with two instances that were handed over by tags; green has leftovers or is empty.
    pub(crate) fn new(lag_seconds: i64, leftovers: bool) -> Self {
        let mut world = Self {
            now: at(0),
            instances: Vec::new(),
            third_group: false,
            lag: SignedDuration::from_secs(lag_seconds),
            smoke_passes: true,
            foreign_writes: 0,
            weights: BTreeMap::from([(blue(), 1), (green(), 0)]),
            referenced: BTreeSet::from([blue()]),
            targets: BTreeMap::from([(blue(), vec![]), (green(), vec![])]),
            tails: Vec::new(),
            tokens: BTreeSet::new(),
            in_flight: Vec::new(),
        };
        world.revive(&blue());
        if leftovers {
            world.revive(&green());
        }
        world.now = at(100);
        world
    }

    /// Gives `color` two healthy, registered instances, as a person would.
    pub(crate) fn revive(&mut self, color: &Color) {
        for _ in 0..2 {
            let id = self.launch(color, None, "ami-1", "a");
            let since = self.now - BOOT - FIRST_CHECK;
            self.instances.last_mut().unwrap().booted_at = since;
            let targets = self.targets.get_mut(color).unwrap();
            targets.push(Target { id, registered_at: since, drains_until: None });
        }
    }

    fn launch(&mut self, color: &Color, release: Option<ReleaseId>, image: &str, subnet: &str) -> String {
        let id = format!("i-{}", self.instances.len());
        self.instances.push(Instance {
            id: id.clone(),
            color: color.clone(),
            release,
            image: image.into(),
            subnet: subnet.into(),
            booted_at: self.now + BOOT,
            dead: false,
            sick: false,
        });
        id
    }

    pub(crate) fn advance(&mut self, to: Timestamp) {
        self.in_flight.sort_by_key(|f| f.lands_at);
        while let Some(index) = self.in_flight.iter().position(|f| f.lands_at <= to) {
            let call = self.in_flight.remove(index);
            self.now = self.now.max(call.lands_at);
            // What somebody else wrote meanwhile is beyond what a program can know.
            if call.foreign_writes == self.foreign_writes {
                self.check_landing(&call.effect);
            }
            self.take_effect(&call.effect, &call.release);
        }
        self.now = self.now.max(to);
        for targets in self.targets.values_mut() {
            targets.retain(|t| t.drains_until.is_none_or(|until| until > to));
        }
    }

    /// Lets everything land and settle.
    pub(crate) fn settle(&mut self) {
        self.advance(self.now + SignedDuration::from_hours(1));
    }

    pub(crate) fn send_late(&mut self, effect: Effect, release: &Release, lands_at: Timestamp) {
        let call = InFlight { lands_at, effect, release: release.clone(), foreign_writes: self.foreign_writes };
        self.in_flight.push(call);
    }

    /// Somebody else writes the weights.
    pub(crate) fn foreign_write(&mut self, weights: [u32; 2], third_group: bool) {
        self.third_group = third_group;
        self.foreign_writes += 1;
        self.referenced.extend([blue(), green()]);
        // No tails: traffic that somebody else moved there and back between two looks is beyond what a program sees.
        self.weights = BTreeMap::from([(blue(), weights[0]), (green(), weights[1])]);
    }

    fn write(&mut self, weights: BTreeMap<Color, u32>) {
        for (color, weight) in &self.weights {
            if *weight > 0 && weights[color] == 0 {
                self.tails.push((color.clone(), self.now + self.lag));
            }
        }
        self.weights = weights;
    }

    /// Whether the data plane may send a request to `color` now.
    pub(crate) fn reaches(&self, color: &Color) -> bool {
        self.weights[color] > 0 || self.tails.iter().any(|(c, until)| c == color && *until > self.now)
    }

    pub(crate) fn traffic(&self) -> Traffic {
        if self.third_group {
            return foreign();
        }
        let live: Vec<&Color> = self.weights.iter().filter(|(_, w)| **w > 0).map(|(c, _)| c).collect();
        match live.as_slice() {
            [] => Traffic::Nowhere,
            [one] => Traffic::Only { color: Color::clone(one), idle_referenced: self.referenced.len() == 2 },
            _ => Traffic::Split { weights: self.weights.clone() },
        }
    }

    fn instance(&self, id: &str) -> &Instance {
        self.instances.iter().find(|i| i.id == id).unwrap()
    }

    pub(crate) fn alive(&self, color: &Color) -> Vec<&Instance> {
        self.instances.iter().filter(|i| i.color == *color && !i.dead).collect()
    }

    pub(crate) fn targets(&self, color: &Color) -> Targets {
        let list = self.targets[color].iter().map(|target| {
            let instance = self.instance(&target.id);
            let (health, reason) = if target.drains_until.is_some() {
                (HealthState::Draining, None)
            } else if instance.dead {
                (HealthState::Unused, Some("Target.InvalidState".to_string()))
            } else if !self.referenced.contains(color) {
                (HealthState::Unused, Some("Target.NotInUse".to_string()))
            } else if instance.sick {
                (HealthState::Unhealthy, Some("Target.FailedHealthChecks".to_string()))
            } else if self.now < instance.booted_at.max(target.registered_at) + FIRST_CHECK {
                (HealthState::Initial, None)
            } else {
                (HealthState::Healthy, None)
            };
            TargetFact { id: target.id.clone(), port: 80, health, reason, description: None }
        });
        Targets { list: list.collect() }
    }

    /// What CloudWatch would tell of a service that is never without requests: whole minutes, two minutes late.
    fn requests(&self, color: &Color) -> RequestCount {
        let minute_of = |moment: Timestamp| Timestamp::from_second(moment.as_second() / 60 * 60).unwrap();
        let minute = SignedDuration::from_mins(1);
        let through = minute_of(self.now - minute * 2);
        let tails = self.tails.iter().filter(|(c, _)| c == color).map(|(_, until)| *until);
        let reached = (self.weights[color] > 0).then_some(self.now).into_iter().chain(tails).max();
        let end = reached.map(|until| (minute_of(until) + minute).min(through));
        let last = end.map(|end| BusyMinute { end, count: 60 });
        RequestCount::Counted { from: through - minute * 30, through, last }
    }

    /// Answers `question` into `facts`.
    pub(crate) fn answer(&self, question: &Question, facts: &mut Facts) {
        match question {
            Question::Traffic => facts.traffic = Some(self.traffic()),
            Question::Synced => {
                facts.synced = Some(self.tails.iter().all(|(_, until)| *until <= self.now));
            }
            Question::Targets(color) => drop(facts.targets.insert(color.clone(), self.targets(color))),
            Question::Instances(color) => {
                let of_color = self.instances.iter().filter(|i| i.color == *color).map(|i| InstanceFact {
                    id: i.id.clone(),
                    release: i.release.clone(),
                    image: i.image.clone(),
                    subnet: i.subnet.clone(),
                    address: Some("10.0.0.1".into()),
                    state: match (i.dead, self.now < i.booted_at) {
                        (true, _) => InstanceState::Terminated,
                        (false, true) => InstanceState::Pending,
                        (false, false) => InstanceState::Running,
                    },
                    reason: None,
                    launched_at: None,
                });
                facts.instances.insert(color.clone(), of_color.collect());
            }
            // There is no listener and no rule but the switch.
            Question::References(color) => drop(facts.references.insert(color.clone(), References::default())),
            Question::Smoke(color) => {
                let problem = || Problem::new(format!("{color} is broken"), "200", "look at its logs");
                facts.smoke = Some(if self.smoke_passes { Ok(()) } else { Err(problem()) });
            }
            Question::Requests(color) => drop(facts.requests.insert(color.clone(), self.requests(color))),
            Question::Probe { old, new } => {
                facts.probe = Some(match (self.reaches(old), self.reaches(new)) {
                    (true, _) => ProbeAnswer::Old { count: 3, of: 20 },
                    (false, true) => ProbeAnswer::New,
                    (false, false) => ProbeAnswer::Unclear { saw: "503".into() },
                });
            }
        }
    }

    /// The promises, checked when a call is sent: each panics with what would have broken.
    pub(crate) fn check_sending(&self, effect: &Effect, release: &Release) {
        match effect {
            Effect::Flip { from, to } => {
                assert!(!self.third_group, "a rule that is not ours would be overwritten");
                if !release.forced {
                    let needed = if *to == release.to { release.count } else { release.from_count.max(1) };
                    let healthy = self.targets(to).healthy();
                    assert!(healthy >= needed as usize, "a flip to {to} with {healthy} healthy targets");
                    assert!(
                        matches!(self.traffic(), Traffic::Only { color, idle_referenced: true } if color == *from),
                        "a flip would overwrite what somebody else wrote: {:?}",
                        self.traffic()
                    );
                }
                let in_air = self.in_flight.iter().find(|f| f.effect != *effect && writes_the_switch(&f.effect));
                assert!(in_air.is_none(), "a flip while another write is in the air: {in_air:?}");
            }
            Effect::Reference { live, .. } => {
                assert!(
                    matches!(self.traffic(), Traffic::Only { color, .. } if color == *live),
                    "a reference would move the traffic: {:?}",
                    self.traffic()
                );
            }
            Effect::Deregister { color, instances } | Effect::Terminate { color, instances } => {
                assert!(
                    matches!(self.traffic(), Traffic::Only { color, .. } if color == *release.live()),
                    "a takedown while the traffic is elsewhere"
                );
                // What was never registered serves nobody, wherever somebody else has sent the traffic for a moment.
                let serves = self.targets[color].iter().any(|t| instances.contains(&t.id));
                assert!(!serves || !self.reaches(color), "{color} is taken down while traffic reaches it");
                self.check_landing(effect);
            }
            Effect::Launch { .. } | Effect::Register { .. } => {}
        }
    }

    fn check_landing(&self, effect: &Effect) {
        match effect {
            Effect::Deregister { color, instances } => {
                let serves = self.targets[color].iter().any(|t| instances.contains(&t.id) && t.drains_until.is_none());
                assert!(!serves || !self.reaches(color), "{color} is deregistered while traffic reaches it");
            }
            Effect::Terminate { color, instances } => {
                let registered: Vec<_> =
                    self.targets.values().flatten().filter(|t| instances.contains(&t.id)).map(|t| &t.id).collect();
                assert!(registered.is_empty(), "terminated before it was deregistered and drained: {registered:?}");
                let foreign: Vec<_> = instances.iter().filter(|id| self.instance(id).color != *color).collect();
                assert!(foreign.is_empty(), "terminated without our tags: {foreign:?}");
            }
            Effect::Flip { from, to } => {
                assert!(
                    self.weights[to] > 0 || self.weights[from] > 0 || self.foreign_writes > 0,
                    "a late flip lands on something else"
                );
            }
            Effect::Reference { live, .. } => {
                assert!(self.weights[live] > 0, "a late reference takes the traffic back to {live}");
            }
            Effect::Launch { .. } | Effect::Register { .. } => {}
        }
    }

    pub(crate) fn take_effect(&mut self, effect: &Effect, release: &Release) {
        match effect {
            Effect::Reference { live, idle } => {
                self.referenced.extend([live.clone(), idle.clone()]);
                self.write(BTreeMap::from([(live.clone(), 1), (idle.clone(), 0)]));
            }
            Effect::Launch { color, subnet, count, client_token } => {
                if self.tokens.insert(client_token.clone()) {
                    for _ in 0..*count {
                        self.launch(color, Some(release.id.clone()), &release.image, subnet);
                    }
                }
            }
            Effect::Register { color, instances } => {
                let targets = self.targets.get_mut(color).unwrap();
                for id in instances {
                    if !targets.iter().any(|t| t.id == *id && t.drains_until.is_none()) {
                        targets.push(Target { id: id.clone(), registered_at: self.now, drains_until: None });
                    }
                }
            }
            Effect::Flip { from, to } => self.write(BTreeMap::from([(from.clone(), 0), (to.clone(), 1)])),
            Effect::Deregister { color, instances } => {
                for target in self.targets.get_mut(color).unwrap().iter_mut().filter(|t| instances.contains(&t.id)) {
                    target.drains_until.get_or_insert(self.now + DRAIN);
                }
            }
            Effect::Terminate { instances, .. } => {
                for instance in self.instances.iter_mut().filter(|i| instances.contains(&i.id)) {
                    instance.dead = true;
                }
            }
        }
    }

    /// A person takes dead instances out of their target groups.
    pub(crate) fn bury(&mut self) {
        let dead: Vec<String> = self.instances.iter().filter(|i| i.dead).map(|i| i.id.clone()).collect();
        self.targets.values_mut().for_each(|t| t.retain(|t| !dead.contains(&t.id)));
    }
}

fn writes_the_switch(effect: &Effect) -> bool {
    match effect {
        Effect::Reference { .. } | Effect::Flip { .. } => true,
        Effect::Launch { .. } | Effect::Register { .. } | Effect::Deregister { .. } | Effect::Terminate { .. } => false,
    }
}
