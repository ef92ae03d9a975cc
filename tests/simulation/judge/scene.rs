//! What the judge knows at a moment: the truth about each environment, how it was a while ago, and its journal.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use switchback::dev::{Called, Forwarding, InstanceSeen, Seen, TargetSeen, View};
use switchback::journal::{Body, Entry, RunId};
use switchback::release::{Color, Event, Phase, Release, State};
use tokio::time::Instant;

use super::super::plan::{Plan, WorldEvent};
use super::super::trace::{Line, What};
use super::super::world::{BUCKET, World};

/// From the last look right before a call to the call itself, in good weather.
const UNSEEN_FOR: Duration = Duration::from_millis(500);
/// The same in a storm: answers come late or are old, and attempts are repeated.
const UNSEEN_FOR_IN_A_STORM: Duration = Duration::from_secs(20);

/// Who makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A process of ours, by its number.
    Runner(u64),
    /// Somebody else who works on the same resources.
    Foreign,
    /// The plan, in the place of AWS and of the machines; or the setup.
    Hand,
}

/// A value and what it was before.
#[derive(Debug, Clone)]
pub(crate) struct Past<T>(Vec<(Duration, T)>);

impl<T: Clone + PartialEq> Past<T> {
    fn new(value: T) -> Self {
        Self(vec![(Duration::ZERO, value)])
    }

    fn set(&mut self, now: Duration, value: T) {
        if self.0.last().is_none_or(|(_, last)| *last != value) {
            self.0.push((now, value));
        }
    }

    /// What it is.
    pub(crate) fn now(&self) -> &T {
        &self.0.last().expect("it has a first value").1
    }

    /// What it was before the last change, and is where there was none.
    pub(crate) fn before(&self) -> &T {
        &self.0.iter().rev().nth(1).or(self.0.last()).expect("it has a first value").1
    }

    /// Since when it is so.
    pub(crate) fn since(&self) -> Duration {
        self.0.last().expect("it has a first value").0
    }

    /// All that it was since then, what it was then included.
    pub(crate) fn back_to(&self, then: Duration) -> impl Iterator<Item = &T> {
        let first = self.0.iter().rposition(|(at, _)| *at <= then).unwrap_or(0);
        self.0[first..].iter().map(|(_, value)| value)
    }
}

/// One environment.
pub(crate) struct Site {
    pub(crate) name: String,
    /// ARNs of the target groups of blue and green.
    pub(crate) groups: [String; 2],
    /// ARN of the rule that carries the traffic; `None` where it is the listener's default action.
    pub(crate) rule: Option<String>,
    pub(crate) listener: String,
    nodes: usize,
    /// The weights of blue and green, as AWS has them.
    pub(crate) weights: Past<[u32; 2]>,
    /// Who wrote them last, and when.
    pub(crate) written: Option<(By, Duration)>,
    /// What somebody else wrote, and when.
    foreign: Vec<(Duration, [u32; 2])>,
    /// By which weights each node of the load balancer sends.
    pub(crate) routed: BTreeMap<usize, [u32; 2]>,
    /// When a node last changed how it sends.
    pub(crate) routed_since: Duration,
    /// The targets of blue and green.
    pub(crate) targets: [Vec<TargetSeen>; 2],
    /// How many of them are healthy.
    pub(crate) healthy: [Past<usize>; 2],
    pub(crate) journal: Told,
}

/// The number of whoever wrote an entry before the run.
const BEFORE: u64 = u64::MAX;

/// What a journal says.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) entries: Vec<Written>,
    pub(crate) state: State,
    /// Who holds the lease: process and run, and since when.
    pub(crate) holder: Option<(u64, RunId, Duration)>,
}

/// An entry that was written.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// A place in the plan's environments.
    pub(crate) site: usize,
    /// The process that wrote it.
    pub(crate) by: u64,
    /// When it came to be there.
    pub(crate) at: Duration,
    /// The phase before it.
    pub(crate) before: Option<Phase>,
    pub(crate) entry: Entry,
}

impl Written {
    /// Whether the lease was taken from somebody with it.
    pub(crate) fn takes_the_lease(&self) -> bool {
        matches!(self.entry.body, Body::LeaseTaken { .. })
    }
}

/// A call that has changed something.
pub(crate) struct Call<'a> {
    pub(crate) by: By,
    /// When the request left, where a process of ours made it.
    pub(crate) left: Option<Duration>,
    /// Its environment, where it can be told.
    pub(crate) site: Option<usize>,
    pub(crate) what: Deed,
    pub(crate) called: Called<'a>,
}

/// What a call asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Deed {
    /// The switch's weights are written.
    Weigh {
        before: [u32; 2],
        after: [u32; 2],
    },
    Launch {
        token: Option<String>,
        subnet: Option<String>,
        count: Option<u32>,
        tags: BTreeMap<String, String>,
    },
    Register {
        color: usize,
        ids: Vec<String>,
    },
    Deregister {
        color: usize,
        ids: Vec<String>,
    },
    Terminate {
        ids: Vec<String>,
    },
    /// Anything else.
    Other,
}

/// What is known of a process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Process {
    /// Requests that have left and have had no effect yet.
    out: Vec<(u64, String, Duration)>,
    /// How far its clock is ahead, in milliseconds.
    pub(crate) clock_ms: i64,
    /// Its environment.
    pub(crate) environment: Option<usize>,
    /// Whether something of the plan has happened to it.
    pub(crate) troubled: bool,
}

/// All that is known.
pub(crate) struct Scene {
    pub(crate) plan: Plan,
    world: Arc<World>,
    began: Instant,
    started: Timestamp,
    pub(crate) sites: Vec<Site>,
    pub(crate) instances: BTreeMap<String, InstanceSeen>,
    /// When an instance that runs stopped to answer, or began to end, and who did that.
    pub(crate) broken: BTreeMap<String, (Duration, By)>,
    pub(crate) processes: BTreeMap<u64, Process>,
}

impl Scene {
    pub(super) fn new(plan: &Plan, world: &Arc<World>, began: Instant) -> Self {
        let sites = world.places.iter().map(|place| Site {
            name: place.environment.name.clone(),
            groups: place.seeded.target_groups.clone(),
            rule: place.seeded.rule.clone(),
            listener: place.seeded.listeners[0].clone(),
            nodes: place.seeded.subnets.len(),
            weights: Past::new([0, 0]),
            written: None,
            foreign: Vec::new(),
            routed: BTreeMap::new(),
            routed_since: Duration::ZERO,
            targets: [Vec::new(), Vec::new()],
            healthy: [Past::new(0), Past::new(0)],
            journal: Told::default(),
        });
        let mut this = Self {
            plan: plan.clone(),
            world: world.clone(),
            began,
            started: world.cloud.clock().now(),
            sites: sites.collect(),
            instances: BTreeMap::new(),
            broken: BTreeMap::new(),
            processes: BTreeMap::new(),
        };
        this.look_through(world.cloud.view(), By::Hand);
        for site in &mut this.sites {
            site.weights = Past::new(*site.weights.now());
            site.healthy = [0, 1].map(|color: usize| Past::new(*site.healthy[color].now()));
            site.routed = (0..site.nodes).map(|node| (node, *site.weights.now())).collect();
        }
        this
    }

    /// Takes in what a journal says already, where the run goes on from a world that another run has left.
    pub(super) fn remember(&mut self, site: usize, entries: Vec<Entry>) -> Result<(), String> {
        for entry in entries {
            let at = self.since_start(entry.at);
            self.take_in(site, (BEFORE, at), entry)?;
        }
        Ok(())
    }

    pub(crate) fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Since the start of the run.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// When that is, by the true time.
    pub(crate) fn since_start(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.started)).unwrap_or_default()
    }

    /// The time that long ago.
    pub(crate) fn ago(&self, long: Duration) -> Duration {
        self.now().saturating_sub(long)
    }

    /// Looks at the truth once more.
    pub(super) fn look(&mut self) {
        let world = self.world.clone();
        self.look_through(world.cloud.view(), By::Hand);
    }

    pub(super) fn line(&mut self, line: &Line) {
        let Some(number) = line.runner else {
            if matches!(line.what, What::Failed { .. } | What::World(_)) {
                self.look();
            }
            return;
        };
        let process = self.processes.entry(number).or_default();
        match &line.what {
            What::Started { environment, .. } => {
                process.environment = Some(*environment);
                let planned = self.plan.runners.iter().find(|runner| runner.number == number);
                let schedule = self.plan.schedule.as_ref().filter(|_| (10_000..20_000).contains(&number));
                process.clock_ms = planned.map(|r| r.clock_ms).or(schedule.map(|s| s.clock_ms)).unwrap_or_default();
            }
            What::Trouble { .. } => process.troubled = true,
            What::Reached { boundary, call } => process.out.push((*boundary, call.name.clone(), line.at)),
            What::Effected { boundary, .. } => process.out.retain(|(other, _, _)| other != boundary),
            _ => {}
        }
    }

    /// Takes in what happened: the call, if it changed something in AWS, and the entry, if it wrote one.
    pub(super) fn seen<'a>(
        &mut self,
        view: View<'_>,
        seen: &Seen<'a>,
    ) -> (Option<Call<'a>>, Option<Result<Written, String>>) {
        match seen {
            Seen::Call(called) if called.reads || called.refused.is_some() => (None, None),
            Seen::Call(called) if called.service == "s3" => (None, self.written(called)),
            Seen::Call(called) => {
                let by = by(called.caller);
                self.look_through(view, by);
                let (site, what) = self.deed(called);
                if let (Some(site), Deed::Weigh { before, after }) = (site, &what) {
                    let now = self.now();
                    self.sites[site].written = Some((by, now));
                    // Who writes what is there already has moved nothing.
                    if by == By::Foreign && before != after {
                        self.sites[site].foreign.push((now, *after));
                    }
                }
                let left = match by {
                    By::Runner(number) => self.processes.get(&number).and_then(|p| p.left(called)),
                    By::Foreign | By::Hand => None,
                };
                (Some(Call { by, left, site, what, called: *called }), None)
            }
            Seen::Routes { listener, node, rules } => {
                let now = self.now();
                for site in self.sites.iter_mut().filter(|site| site.listener == *listener) {
                    let Some(weights) = site.weights_in(rules) else { continue };
                    let nodes = node.map_or(0..site.nodes, |node| node..node + 1);
                    site.routed.extend(nodes.map(|node| (node, weights)));
                    site.routed_since = now;
                }
                self.look_through(view, By::Hand);
                (None, None)
            }
            Seen::Target { .. } | Seen::Instance { .. } => {
                self.look_through(view, By::Hand);
                (None, None)
            }
        }
    }

    fn look_through(&mut self, view: View<'_>, by: By) {
        let now = self.now();
        let rules = view.rules();
        for site in &mut self.sites {
            site.targets = [0, 1].map(|color: usize| view.targets(&site.groups[color]));
            for (past, targets) in site.healthy.iter_mut().zip(&site.targets) {
                past.set(now, targets.iter().filter(|target| target.state == "healthy").count());
            }
            if let Some(weights) = site.weights_in(&rules) {
                site.weights.set(now, weights);
            }
        }
        for instance in view.instances() {
            // That a program ends is nobody's call: whoever calls next is not to blame.
            let by = if instance.state == "running" { By::Hand } else { by };
            let fine = instance.state == "pending" || (instance.state == "running" && instance.alive);
            if fine {
                self.broken.remove(&instance.id);
            } else {
                self.broken.entry(instance.id.clone()).or_insert((now, by));
            }
            self.instances.insert(instance.id.clone(), instance);
        }
    }

    /// The entry that a put to the journals' bucket has written, if it is one.
    fn written(&mut self, called: &Called<'_>) -> Option<Result<Written, String>> {
        if called.operation != "PutObject" {
            return None;
        }
        let mut parts = called.path.trim_start_matches('/').split('/');
        let (bucket, name, object) = (parts.next()?, parts.next()?, parts.next()?);
        let numbered = object.len() == 25 && object.ends_with(".json") && parts.next().is_none();
        let site = self.sites.iter().position(|site| site.name == name)?;
        if bucket != BUCKET || !numbered {
            return None;
        }
        let By::Runner(by) = by(called.caller) else { return None };
        let at = self.now();
        Some(match serde_json::from_slice(called.body) {
            Ok(entry) => self.take_in(site, (by, at), entry),
            Err(error) => Err(format!("{} is no entry: {error}", called.path)),
        })
    }

    fn take_in(&mut self, site: usize, (by, at): (u64, Duration), entry: Entry) -> Result<Written, String> {
        let told = &mut self.sites[site].journal;
        let before = told.state.release.as_ref().map(|release| release.phase.clone());
        match &entry.body {
            Body::LeaseAcquired { .. } | Body::LeaseTaken { .. } => told.holder = Some((by, entry.run, at)),
            Body::LeaseReleased => told.holder = None,
            Body::Event(event) => {
                if let Err(error) = told.state.apply(entry.at, event) {
                    let name = &self.sites[site].name;
                    return Err(format!("entry {} of {name} cannot follow: {error}", entry.seq));
                }
            }
            _ => {}
        }
        let written = Written { site, by, at, before, entry };
        told.entries.push(written.clone());
        Ok(written)
    }

    /// What a call asks for, and of which environment.
    fn deed(&self, called: &Called<'_>) -> (Option<usize>, Deed) {
        let ids = |path: &str| called.texts(path);
        match called.operation {
            "ModifyRule" | "ModifyListener" => {
                let named = called.text("RuleArn").or_else(|| called.text("ListenerArn"));
                let site = self.sites.iter().position(|site| Some(site.switch()) == named.as_deref());
                let what = site.map_or(Deed::Other, |site| {
                    let weights = &self.sites[site].weights;
                    let changed = weights.since() == self.now();
                    let before = if changed { *weights.before() } else { *weights.now() };
                    Deed::Weigh { before, after: *weights.now() }
                });
                (site, what)
            }
            "RegisterTargets" | "DeregisterTargets" => {
                let found = called.text("TargetGroupArn").and_then(|group| self.color_of(&group));
                let Some((site, color)) = found else { return (None, Deed::Other) };
                let ids = ids("Targets[].Id");
                let what = match called.operation {
                    "RegisterTargets" => Deed::Register { color, ids },
                    _ => Deed::Deregister { color, ids },
                };
                (Some(site), what)
            }
            "RunInstances" => {
                let keys = ids("TagSpecification[].Tag[].Key").into_iter();
                let tags: BTreeMap<_, _> = keys.zip(ids("TagSpecification[].Tag[].Value")).collect();
                let site = tags.get("switchback:environment").and_then(|name| self.named(name));
                let (token, subnet) = (called.text("ClientToken"), called.text("SubnetId"));
                let count = called.text("MaxCount").and_then(|count| count.parse().ok());
                (site, Deed::Launch { token, subnet, count, tags })
            }
            "TerminateInstances" => {
                let ids = ids("InstanceId[]");
                let site = ids.iter().find_map(|id| self.owner(id));
                (site, Deed::Terminate { ids })
            }
            _ => (None, Deed::Other),
        }
    }

    /// The environment and the color of a target group.
    pub(crate) fn color_of(&self, group: &str) -> Option<(usize, usize)> {
        let mut all = self.sites.iter().enumerate();
        all.find_map(|(at, site)| Some((at, site.groups.iter().position(|arn| arn == group)?)))
    }

    /// When somebody else wrote which weights.
    pub(crate) fn foreign_writes(&self, site: usize) -> impl DoubleEndedIterator<Item = (Duration, [u32; 2])> {
        self.sites[site].foreign.iter().copied()
    }

    /// How long before a call left somebody else's write may have been unseen.
    pub(crate) fn unseen_for(&self) -> Duration {
        if self.storms(Duration::from_secs(30)) { UNSEEN_FOR_IN_A_STORM } else { UNSEEN_FOR }
    }

    /// Whether calls meet faults, or did so this short a time ago.
    pub(crate) fn storms(&self, ago: Duration) -> bool {
        self.plan.events.iter().any(|event| {
            let at = Duration::from_millis(event.at_ms);
            matches!(event.what, WorldEvent::Storm { .. })
                && at <= self.now()
                && at + event.what.lasts() + ago >= self.now()
        })
    }

    /// Whether something of the plan has happened to a process.
    pub(crate) fn is_troubled(&self, number: u64) -> bool {
        self.processes.get(&number).is_some_and(|process| process.troubled)
    }

    pub(crate) fn named(&self, name: &str) -> Option<usize> {
        self.sites.iter().position(|site| site.name == name)
    }

    /// The environment whose tags an instance carries.
    pub(crate) fn owner(&self, instance: &str) -> Option<usize> {
        self.named(self.instances.get(instance)?.tags.get("switchback:environment")?)
    }

    /// The instances that carry an environment's tags and are not terminated.
    pub(crate) fn owned(&self, site: usize) -> impl Iterator<Item = &InstanceSeen> {
        let name = &self.sites[site].name;
        self.instances.values().filter(move |instance| {
            instance.tags.get("switchback:environment") == Some(name)
                && !matches!(instance.state, "terminated" | "shutting-down")
        })
    }
}

impl Site {
    /// What AWS calls the switch.
    pub(crate) fn switch(&self) -> &str {
        self.rule.as_deref().unwrap_or(&self.listener)
    }

    fn weights_in(&self, rules: &[Forwarding]) -> Option<[u32; 2]> {
        let own = rules.iter().find(|rule| match &self.rule {
            Some(arn) => rule.rule == *arn,
            None => rule.default && rule.listener == self.listener,
        })?;
        let weight = |arn: &String| own.weights.iter().find(|(group, _)| group == arn).map_or(0, |(_, weight)| *weight);
        Some([weight(&self.groups[0]), weight(&self.groups[1])])
    }

    /// Whether a color gets requests: by the rule, or because a node has not followed it yet.
    pub(crate) fn has_traffic(&self, color: usize) -> bool {
        self.weights.now()[color] > 0 || self.routed.values().any(|weights| weights[color] > 0)
    }

    pub(crate) fn release(&self) -> Option<&Release> {
        self.journal.state.release.as_ref()
    }

    /// The place of a color among the groups: blue is the first.
    pub(crate) fn place_of(color: &Color) -> usize {
        usize::from(color.as_str() != "blue")
    }

    /// The events of the journal with who wrote them, the newest first.
    pub(crate) fn events(&self) -> impl Iterator<Item = (&Written, &Event)> {
        self.journal.entries.iter().rev().filter_map(|written| match &written.entry.body {
            Body::Event(event) => Some((written, event)),
            _ => None,
        })
    }
}

impl Process {
    /// When the request of this call left.
    fn left(&self, called: &Called<'_>) -> Option<Duration> {
        let name = format!("{}:{}", called.service, called.operation);
        self.out.iter().find(|(_, other, _)| *other == name).map(|(_, _, at)| *at)
    }
}

fn by(caller: &str) -> By {
    match caller.strip_prefix("runner-").and_then(|number| number.parse().ok()) {
        Some(number) => By::Runner(number),
        None if caller == "foreign" => By::Foreign,
        None => By::Hand,
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runner(number) => write!(f, "runner {number}"),
            Self::Foreign => f.write_str("somebody else"),
            Self::Hand => f.write_str("the plan"),
        }
    }
}
