//! An AWS as small as the protocol allows: one rule, two colors, one instance for each of them.
//!
//! Bounds: what is launched runs, what is registered is healthy, nothing dies, nobody else writes. A target that drains
//! does so until time passes.

use std::collections::BTreeMap;

use switchback::release::{
    Color, Effect, Facts, HealthState, InstanceFact, InstanceState, Question, References, ReleaseId, Sender,
    TargetFact, Targets, Traffic,
};

pub(crate) const BLUE: usize = 0;
pub(crate) const GREEN: usize = 1;

pub(crate) fn color(index: usize) -> Color {
    Color::new(["blue", "green"][index])
}

pub(crate) fn index(color: &Color) -> usize {
    if color.as_str() == "green" { GREEN } else { BLUE }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Instance {
    Never,
    Running,
    Terminated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    None,
    Registered,
    Draining,
}

/// The world that calls land in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Aws {
    /// The color with all the traffic.
    pub(crate) live: usize,
    /// Whether the other color is in the rule too.
    pub(crate) referenced: bool,
    pub(crate) instances: [Instance; 2],
    pub(crate) targets: [Target; 2],
}

impl Aws {
    /// Blue serves, and green has never been.
    pub(crate) fn new() -> Self {
        Self {
            live: BLUE,
            referenced: false,
            instances: [Instance::Running, Instance::Never],
            targets: [Target::Registered, Target::None],
        }
    }

    /// Whether whoever has the traffic can answer it.
    pub(crate) fn serves(&self) -> bool {
        self.instances[self.live] == Instance::Running && self.targets[self.live] == Target::Registered
    }

    /// Whether nothing is left of a color.
    pub(crate) fn gone(&self, color: usize) -> bool {
        self.instances[color] != Instance::Running && self.targets[color] == Target::None
    }

    /// A call lands.
    pub(crate) fn land(&mut self, effect: &Effect) {
        match effect {
            Effect::Reference { live, .. } => (self.live, self.referenced) = (index(live), true),
            Effect::Flip { to, .. } => (self.live, self.referenced) = (index(to), true),
            Effect::Launch { color, .. } => {
                // The same token never launches twice, also after its instance is gone.
                let instance = &mut self.instances[index(color)];
                if *instance == Instance::Never {
                    *instance = Instance::Running;
                }
            }
            Effect::Register { color, .. } => {
                // AWS takes no target that does not run.
                if self.instances[index(color)] == Instance::Running {
                    self.targets[index(color)] = Target::Registered;
                }
            }
            Effect::Deregister { color, .. } => {
                let target = &mut self.targets[index(color)];
                if *target == Target::Registered {
                    *target = Target::Draining;
                }
            }
            Effect::Terminate { color, .. } => self.instances[index(color)] = Instance::Terminated,
        }
    }

    /// Minutes pass.
    pub(crate) fn time_passes(&mut self) {
        for target in &mut self.targets {
            if *target == Target::Draining {
                *target = Target::None;
            }
        }
    }
}

/// What one run has seen since it last forgot everything: answers, each of the moment of its look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Seen {
    /// How many entries of the journal were old when the first look began: what is decided, is decided as of then.
    pub(crate) as_of: Option<usize>,
    traffic: Option<(usize, bool)>,
    targets: [Option<Target>; 2],
    instances: [Option<Instance>; 2],
    smoke: bool,
    /// Whether the rule sends requests to the color.
    sent_to: [Option<bool>; 2],
}

impl Seen {
    /// One look: all of these questions at one moment.
    pub(crate) fn look<'a>(&mut self, aws: &Aws, old: usize, questions: impl IntoIterator<Item = &'a Question>) {
        self.as_of.get_or_insert(old);
        for question in questions {
            match question {
                Question::Traffic => self.traffic = Some((aws.live, aws.referenced)),
                Question::Targets(color) => self.targets[index(color)] = Some(aws.targets[index(color)]),
                Question::Instances(color) => self.instances[index(color)] = Some(aws.instances[index(color)]),
                Question::Smoke(_) => self.smoke = true,
                Question::References(color) => self.sent_to[index(color)] = Some(aws.live == index(color)),
                Question::Synced | Question::Probe { .. } | Question::Requests(_) => {
                    panic!("the model's rules ask for no {question:?}")
                }
            }
        }
    }

    /// The same as the program has it.
    pub(crate) fn facts(&self) -> Facts {
        let colors = [BLUE, GREEN];
        let targets = colors.into_iter().filter_map(|c| Some((color(c), targets(c, self.targets[c]?))));
        let instances = colors.into_iter().filter_map(|c| Some((color(c), instances(c, self.instances[c]?))));
        Facts {
            traffic: self.traffic.map(|(live, idle_referenced)| Traffic::Only { color: color(live), idle_referenced }),
            targets: targets.collect::<BTreeMap<_, _>>(),
            instances: instances.collect(),
            references: colors.into_iter().filter_map(|c| Some((color(c), references(self.sent_to[c]?)))).collect(),
            smoke: self.smoke.then_some(Ok(())),
            ..Facts::default()
        }
    }
}

fn id(color: usize) -> String {
    ["i-blue", "i-green"][color].to_owned()
}

fn targets(color: usize, target: Target) -> Targets {
    let health = match target {
        Target::None => return Targets::default(),
        Target::Registered => HealthState::Healthy,
        Target::Draining => HealthState::Draining,
    };
    Targets { list: vec![TargetFact { id: id(color), port: 80, health, reason: None, description: None }] }
}

fn references(sent_to: bool) -> References {
    let sender = Sender { place: "the rule".into(), weight: Some(1), run: "aws elbv2 describe-rules".into() };
    References { senders: sent_to.then_some(sender).into_iter().collect(), others: Vec::new() }
}

fn instances(color: usize, instance: Instance) -> Vec<InstanceFact> {
    let state = match instance {
        Instance::Never => return Vec::new(),
        Instance::Running => InstanceState::Running,
        Instance::Terminated => InstanceState::Terminated,
    };
    vec![InstanceFact {
        id: id(color),
        release: (color == GREEN).then(|| ReleaseId::new("r1")),
        image: "ami-1".into(),
        subnet: "subnet-a".into(),
        address: Some("10.0.0.1".into()),
        state,
        reason: None,
        launched_at: None,
    }]
}
