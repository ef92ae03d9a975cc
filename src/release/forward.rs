//! The way forward, phase by phase.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::decide::{Decision, Ending, Step, ask};
use super::references::unless_used;
use super::strangers::foreign_writer;
use super::takedown::take_down;
use super::{
    Color, Effect, Event, HealthState, InstanceFact, InstanceState, Launched, Phase, Problem, Question, TargetFact,
    Targets, Traffic,
};
use crate::planted::{Bug, bug};

/// How many looks in a row may find a target in no enabled zone before that counts as a mistake.
const NOT_IN_USE_LOOKS: u32 = 5;
/// How often a flip is announced before the release gives up.
const FLIPS_MAX: u32 = 3;
/// How long accepted launches may take to show in what AWS answers, which promises no time.
const LAUNCH_SHOWS_WITHIN: SignedDuration = SignedDuration::from_secs(30);

impl Step<'_> {
    /// The way forward, phase by phase.
    pub(super) fn forward(&self) -> Decision {
        if let Some(decision) = self.dealt_with_refusal() {
            return decision;
        }
        match &self.release.phase {
            Phase::Clearing => self.take_down_then(Event::Cleared),
            Phase::Provisioning { since } => self.provision(*since),
            Phase::Warming { since } => self.warm(*since),
            Phase::Smoke => self.smoke(),
            Phase::Staged => self.last_gate(),
            Phase::Switching => self.read_back(),
            Phase::Converging { since } => self.converge(*since),
            Phase::Baking { since } => self.bake(*since),
            Phase::Retaining { .. } if bug(Bug::DrainWhileRetained) => {
                take_down(self).unwrap_or(Decision::Stop(Ending::Done))
            }
            Phase::Retaining { .. } | Phase::Done => Decision::Stop(Ending::Done),
            Phase::Retiring => self.take_down_then(Event::Retired),
            Phase::Aborting => {
                take_down(self).or_else(|| self.a_launch_may_not_show_yet()).unwrap_or(Decision::Record(Event::Aborted))
            }
            Phase::Aborted => Decision::Stop(Ending::Failed(self.failure())),
            Phase::RollingBack => self.roll_back(),
            Phase::RolledBack { .. } => Decision::Stop(Ending::MovedBack(self.failure())),
            Phase::Blocked { .. } if !self.cx.acted => Decision::Record(Event::Resumed),
            Phase::Blocked { problem, .. } => Decision::Stop(Ending::Blocked(problem.clone())),
        }
    }

    /// A wait for the instances of a launch that AWS accepted, of which none shows yet: what is asked right after it
    /// may be answered without them. `None` when all show, or had their time.
    fn a_launch_may_not_show_yet(&self) -> Option<Decision> {
        // Not before the last launch, whatever was announced last.
        let shows = self.release.announced.as_ref()?.at + LAUNCH_SHOWS_WITHIN;
        let hidden = self.release.launched.iter().find(|subnet| !self.ours().any(|i| i.subnet == **subnet))?;
        (self.cx.now < shows).then(|| Decision::Wait {
            reason: format!("the instances that AWS launched in {hidden} do not show yet"),
            until: Some(shows),
        })
    }

    fn take_down_then(&self, event: Event) -> Decision {
        take_down(self).unwrap_or(Decision::Record(event))
    }

    fn provision(&self, since: Timestamp) -> Decision {
        let (from, to) = (&self.release.from, &self.release.to);
        let mut subnets = self.release.pins.subnets.iter();
        let to_launch = subnets.find(|s| s.count > 0 && !self.release.launched.contains(&s.id));
        if to_launch.is_none() {
            // While they start, nothing but the instances themselves is worth a question.
            if let Some(decision) = ask(self.facts, [Question::Instances(to.clone())]) {
                return decision;
            }
            if let Some(decision) = self.instances_start(since) {
                return decision;
            }
        }
        let questions = [Question::Traffic, Question::Targets(to.clone()), Question::References(to.clone())];
        if let Some(decision) = ask(self.facts, questions) {
            return decision;
        }
        match self.facts.traffic.as_ref() {
            Some(Traffic::Only { color, idle_referenced: true }) if color == from => {}
            Some(Traffic::Only { color, idle_referenced: false }) if color == from => {
                return unless_used(self, to, Effect::Reference { live: from.clone(), idle: to.clone() });
            }
            Some(other) => return self.block(foreign_writer(self.cx, from, other)),
            None => return Decision::Ask(BTreeSet::from([Question::Traffic])),
        }
        if self.cx.now >= since + self.cx.policy.health_timeout {
            return self.wait_for_health(since, "not every instance runs and is registered".into());
        }
        if let Some(subnet) = to_launch {
            let launch = Effect::Launch {
                color: to.clone(),
                subnet: subnet.id.clone(),
                count: subnet.count,
                client_token: format!("{}-{}", self.release.id, subnet.id),
            };
            return unless_used(self, to, launch);
        }
        let running = self.running();
        let targets = &self.facts.targets[to];
        let missing: Vec<String> =
            running.iter().filter(|i| !targets.registered().any(|t| t.id == i.id)).map(|i| i.id.clone()).collect();
        if !missing.is_empty() {
            return unless_used(self, to, Effect::Register { color: to.clone(), instances: missing });
        }
        let instances = running
            .iter()
            .map(|i| Launched {
                id: i.id.clone(),
                address: i.address.clone().unwrap_or_default(),
                subnet: i.subnet.clone(),
            })
            .collect();
        Decision::Record(Event::Provisioned { instances })
    }

    /// The instances of this release, whatever became of them.
    fn ours(&self) -> impl Iterator<Item = &InstanceFact> {
        let all = self.facts.instances.get(&self.release.to).into_iter().flatten();
        all.filter(|i| i.release.as_ref() == Some(&self.release.id))
    }

    fn running(&self) -> Vec<&InstanceFact> {
        self.ours().filter(|i| i.state == InstanceState::Running && i.address.is_some()).collect()
    }

    /// A failure or a wait as long as not every instance runs; `None` when they do.
    fn instances_start(&self, since: Timestamp) -> Option<Decision> {
        let to = &self.release.to;
        if let Some(dead) = self.ours().find(|i| matches!(i.state, InstanceState::Terminated | InstanceState::Stopped))
        {
            return Some(self.fail(Problem::new(
                format!(
                    "instance {} did not stay up: {}",
                    dead.id,
                    dead.reason.as_deref().unwrap_or("no reason given")
                ),
                format!("{} running instance(s) on {to}", self.release.count),
                format!("aws ec2 describe-instances --instance-ids {}", dead.id),
            )));
        }
        let running = self.running().len();
        (running < self.release.count as usize)
            .then(|| self.wait_for_health(since, format!("{running} of {} instances run", self.release.count)))
    }

    /// Waits for the new color, until its time is up.
    fn wait_for_health(&self, since: Timestamp, reason: String) -> Decision {
        if self.cx.now < since + self.cx.policy.health_timeout {
            return Decision::Wait { reason, until: None };
        }
        if let Some(restart) = self.clock_to_restart(since) {
            return restart;
        }
        self.fail(Problem::new(
            format!("after {:#}: {reason}", self.cx.policy.health_timeout),
            format!("{} healthy target(s) on {}", self.release.count, self.release.to),
            format!("look at the instances' own logs, then deploy {} again", self.cx.env),
        ))
    }

    fn warm(&self, since: Timestamp) -> Decision {
        let to = &self.release.to;
        if let Some(decision) = ask(self.facts, [Question::Targets(to.clone())]) {
            return decision;
        }
        let targets = &self.facts.targets[to];
        if let Some(unusable) = self.unusable(targets) {
            return self.fail(unusable);
        }
        if bug(Bug::FlipUnhealthy) && self.exactly_ours(targets) {
            return Decision::Record(Event::Warmed);
        }
        let complete = self.exactly_ours(targets) && targets.healthy() >= self.release.count as usize;
        if complete && self.memory.all_healthy(to) >= self.cx.policy.consecutive {
            return Decision::Record(Event::Warmed);
        }
        let reason = match self.memory.all_healthy(to) {
            0 => format!("{to}: {}", targets.describe()),
            looks => format!("{to}: all healthy, {looks} of {} looks", self.cx.policy.consecutive),
        };
        if complete && self.cx.policy.consecutive > self.memory.all_healthy(to) && self.memory.all_healthy(to) > 0 {
            // All is well and only the streak is short, as after a crash: no reason to give up.
            return Decision::Wait { reason, until: None };
        }
        self.wait_for_health(since, reason)
    }

    /// A target that waiting will not help.
    fn unusable(&self, targets: &Targets) -> Option<Problem> {
        let to = &self.release.to;
        let find = |reason: &str| targets.list.iter().find(|t| t.reason.as_deref() == Some(reason));
        if let Some(target) = find("Target.InvalidState") {
            return Some(Problem::new(
                format!("{} of {to} is stopped or terminated ({})", target.id, reason_of(target)),
                "an instance that stays up",
                format!("aws ec2 describe-instances --instance-ids {}", target.id),
            ));
        }
        let target = find("Target.NotInUse").filter(|_| self.memory.not_in_use(to) >= NOT_IN_USE_LOOKS)?;
        Some(Problem::new(
            format!("{} of {to} is not in use though {to} is in the rule ({})", target.id, reason_of(target)),
            "a target in a zone that the load balancer has enabled",
            "enable the zone on the load balancer, or take the subnet out of the environment file",
        ))
    }

    fn smoke(&self) -> Decision {
        if let Some(decision) = ask(self.facts, [Question::Smoke(self.release.to.clone())]) {
            return decision;
        }
        match &self.facts.smoke {
            Some(Err(problem)) if !bug(Bug::SkipSmoke) => self.fail(problem.clone()),
            Some(Ok(()) | Err(_)) => Decision::Record(Event::SmokePassed),
            None => Decision::Ask(BTreeSet::from([Question::Smoke(self.release.to.clone())])),
        }
    }

    /// The gate right before the flip, on facts read for it.
    fn last_gate(&self) -> Decision {
        let (from, to) = (&self.release.from, &self.release.to);
        let questions = [Question::Traffic, Question::Targets(to.clone()), Question::Targets(from.clone())];
        if let Some(decision) = ask(self.facts, questions) {
            return decision;
        }
        match self.facts.traffic.as_ref() {
            Some(Traffic::Only { color, idle_referenced: true }) if color == from => {}
            Some(Traffic::Only { color, idle_referenced: false }) if color == from => {
                return self.fail(Problem::new(
                    format!("right before the flip, {to} is no longer in the rule: somebody else took it out"),
                    format!("{to} in the rule at weight 0"),
                    format!("switchback deploy {} --image {}", self.cx.env, self.release.image),
                ));
            }
            Some(_) if bug(Bug::OverwriteForeign) => {}
            Some(other) => return self.block(foreign_writer(self.cx, from, other)),
            None => return Decision::Ask(BTreeSet::from([Question::Traffic])),
        }
        let (new, old) = (&self.facts.targets[to], &self.facts.targets[from]);
        let whole = self.exactly_ours(new) && new.healthy() >= self.release.count as usize;
        if !whole && !bug(Bug::FlipUnhealthy) {
            return self.fail(Problem::new(
                format!("right before the flip, {to} has {}", new.describe()),
                format!("exactly the {} instance(s) of this release, all healthy", self.release.count),
                "look at the instances' own logs, then deploy again",
            ));
        }
        let grown = old.healthy() > self.release.from_count as usize;
        if grown && new.healthy() < old.healthy() {
            return self.fail(Problem::new(
                format!("{from} has grown to {} healthy targets, {to} has {}", old.healthy(), new.healthy()),
                "a new color that can carry what the live color carries now",
                format!("raise `count` in {} and deploy again", self.cx.env),
            ));
        }
        if self.release.flips >= FLIPS_MAX {
            return self.fail(Problem::new(
                format!("the flip was written {} times and never showed", self.release.flips),
                format!("all traffic on {to}"),
                format!("switchback status {}", self.cx.env),
            ));
        }
        self.may_still_land().unwrap_or_else(|| Decision::Act(self.flip()))
    }

    pub(super) fn flip(&self) -> Effect {
        Effect::Flip { from: self.release.from.clone(), to: self.release.to.clone() }
    }

    pub(super) fn has_all_traffic(&self, expected: &Color) -> bool {
        matches!(&self.facts.traffic, Some(Traffic::Only { color, .. }) if color == expected)
    }

    fn read_back(&self) -> Decision {
        if bug(Bug::SkipReadBack) && self.release.unanswered == 0 {
            return Decision::Record(Event::Switched);
        }
        if let Some(decision) = ask(self.facts, [Question::Traffic]) {
            return decision;
        }
        match self.facts.traffic.as_ref() {
            Some(traffic @ Traffic::Only { color, .. }) if *color == self.release.to && self.release.flips == 0 => {
                // No flip of ours was sent.
                self.block(foreign_writer(self.cx, &self.release.from, traffic))
            }
            Some(Traffic::Only { color, .. }) if *color == self.release.to => Decision::Record(Event::Switched),
            Some(Traffic::Only { .. }) => self
                .may_still_land()
                .or_else(|| self.taken_back(&self.flip()))
                .or_else(|| self.may_not_show_yet())
                .unwrap_or(Decision::Record(Event::NotSwitched)),
            Some(other @ (Traffic::Split { .. } | Traffic::Nowhere | Traffic::Foreign { .. })) => {
                self.block(foreign_writer(self.cx, &self.release.to, other))
            }
            None => Decision::Ask(BTreeSet::from([Question::Traffic])),
        }
    }

    fn roll_back(&self) -> Decision {
        let (from, to) = (&self.release.from, &self.release.to);
        let forced = self.release.forced || bug(Bug::RollbackToTheDead);
        let back = Effect::Flip { from: to.clone(), to: from.clone() };
        let written = self.release.announced.as_ref().is_some_and(|a| a.effect == back);
        if written && bug(Bug::SkipReadBackOfRollback) && self.release.unanswered == 0 {
            return Decision::Record(Event::RolledBack { until: self.cx.decided_at + self.cx.policy.retain });
        }
        // Read together what a write rests on; to read it back, the traffic is enough.
        let health = (!forced && !written).then(|| Question::Targets(from.clone()));
        if let Some(decision) = ask(self.facts, [Question::Traffic].into_iter().chain(health)) {
            return decision;
        }
        match self.facts.traffic.as_ref() {
            Some(Traffic::Only { color, .. }) if color == from => {
                let keep = self.cx.policy.retain.max(self.cx.policy.quiet + self.cx.policy.ttl);
                return Decision::Record(Event::RolledBack { until: self.cx.decided_at + keep });
            }
            Some(Traffic::Only { .. }) => {}
            None => return Decision::Ask(BTreeSet::from([Question::Traffic])),
            Some(Traffic::Split { .. } | Traffic::Nowhere) if forced => {}
            Some(other @ (Traffic::Split { .. } | Traffic::Nowhere | Traffic::Foreign { .. })) => {
                return self.block(foreign_writer(self.cx, to, other));
            }
        }
        // Also before the previous color is asked for its health: what AWS accepted may have moved the traffic already.
        if let Some(wait) = self.may_still_land().or_else(|| self.taken_back(&back)) {
            return wait;
        }
        if !forced {
            if let Some(decision) = ask(self.facts, [Question::Targets(from.clone())]) {
                return decision;
            }
            if let Err(problem) = self.can_take_the_traffic_back() {
                return self.block(problem);
            }
        }
        Decision::Act(back)
    }
}

fn reason_of(target: &TargetFact) -> String {
    let health = if target.health == HealthState::Unused { "unused" } else { "not healthy" };
    match (&target.reason, &target.description) {
        (Some(reason), Some(text)) => format!("{health}, {reason}: {text}"),
        (Some(reason), None) => format!("{health}, {reason}"),
        (None, _) => health.to_string(),
    }
}
