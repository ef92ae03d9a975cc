//! What is watched once the traffic has moved: whether the data plane follows, and whether the new color stays well.

use jiff::{SignedDuration, Timestamp};

use super::decide::{Decision, Step, ask};
use super::strangers::foreign_writer;
use super::{Event, FlipReason, ProbeAnswer, Problem, Question, Traffic};
use crate::planted::{Bug, bug};

/// How many looks in a row must find the new color sick before the traffic goes back.
const SICK_LOOKS: u32 = 3;
/// A run that lives writes more often than this: where the journal is silent for longer, nobody watched.
const UNWATCHED: SignedDuration = SignedDuration::from_secs(30);
/// How often a phase's clock starts anew after runs that died before the release counts as failed.
const RESTARTS_MAX: u32 = 3;

impl Step<'_> {
    /// The checks shared by converging and baking; `None` when the new color is well.
    pub(super) fn watch(&self) -> Option<Decision> {
        let to = &self.release.to;
        if let Some(traffic) = &self.facts.traffic
            && !matches!(traffic, Traffic::Only { color, .. } if color == to)
        {
            return Some(self.block(foreign_writer(self.cx, to, traffic)));
        }
        let targets = &self.facts.targets[to];
        if self.sick_looks() < SICK_LOOKS {
            return None;
        }
        Some(self.take_back(Problem::new(
            format!("{to} got sick under traffic: {}", targets.describe()),
            format!("{} healthy target(s)", self.release.count),
            "look at the instances' own logs, then deploy again",
        )))
    }

    /// The phase's time is over: it starts anew where a run had died and nobody watched, but not for ever.
    pub(super) fn clock_to_restart(&self, since: Timestamp) -> Option<Decision> {
        let began = self.cx.began;
        let unwatched_since = self.cx.last_entry.filter(|last| since < began && *last + UNWATCHED <= began)?;
        (self.release.restarts < RESTARTS_MAX).then_some(Decision::Record(Event::ClockRestarted { unwatched_since }))
    }

    /// How many looks in a row found a target of the new color sick, or gone.
    pub(super) fn sick_looks(&self) -> u32 {
        let to = &self.release.to;
        self.memory.not_all_healthy(to).max(self.memory.fewer_healthy(to, self.release.count as usize))
    }

    pub(super) fn take_back(&self, problem: Problem) -> Decision {
        Decision::Record(Event::RollbackStarted { reason: FlipReason::Failed { problem }, skipped: Vec::new() })
    }

    pub(super) fn converge(&self, since: Timestamp) -> Decision {
        if bug(Bug::RetainAtTheAnswer) {
            return Decision::Record(Event::Converged);
        }
        let (from, to) = (&self.release.from, &self.release.to);
        let policy = &self.cx.policy;
        let mut questions = vec![Question::Traffic, Question::Targets(to.clone())];
        if policy.probe {
            questions.push(Question::Probe { old: from.clone(), new: to.clone() });
        }
        if !policy.ttl.is_zero() && self.synced_since().is_none() {
            questions.push(Question::Synced);
        }
        if let Some(decision) = ask(self.facts, questions) {
            return decision;
        }
        if let Some(decision) = self.watch() {
            return decision;
        }
        let dns = if policy.ttl.is_zero() { Some(since) } else { self.synced_since().map(|t| t.max(since)) };
        let still_since = match &self.facts.probe {
            Some(ProbeAnswer::New) => self.memory.new_since().map(|t| t.max(since)),
            Some(ProbeAnswer::Alike) | None => Some(since),
            Some(ProbeAnswer::Unclear { .. }) if bug(Bug::UnknownIsConverged) => Some(since),
            Some(ProbeAnswer::Old { .. } | ProbeAnswer::Unclear { .. }) => None,
        };
        let quiet_at = still_since.map(|t| t + policy.quiet);
        let resolved_at = dns.map(|t| t + policy.ttl);
        match (quiet_at, resolved_at) {
            (Some(quiet), Some(resolved)) if self.cx.now >= quiet.max(resolved) => self.no_requests(since),
            // Nothing speaks against it any more, and only the quiet time has to pass, as after a crash.
            (Some(quiet), Some(resolved)) => {
                Decision::Wait { reason: self.convergence(), until: Some(quiet.max(resolved)) }
            }
            _ if self.cx.now >= since + policy.converge_timeout + policy.ttl => self.not_converged(since),
            (None, _) | (_, None) => Decision::Wait { reason: self.convergence(), until: None },
        }
    }

    /// The traffic did not follow in its time.
    fn not_converged(&self, since: Timestamp) -> Decision {
        let (policy, to) = (&self.cx.policy, &self.release.to);
        self.clock_to_restart(since).unwrap_or_else(|| {
            self.take_back(Problem::new(
                format!("after {:#}: {}", policy.converge_timeout, self.convergence()),
                format!("only {to} answering for {:#}", policy.quiet),
                format!("switchback history {} --events", self.cx.env),
            ))
        })
    }

    /// The last proof: the load balancer itself has counted no request for the old color since `since`.
    ///
    /// Behind records the old load balancer goes on getting requests of clients that keep connections or addresses,
    /// an hour and longer: there the count is asked for when the color is taken down, and not here.
    fn no_requests(&self, since: Timestamp) -> Decision {
        let (from, policy) = (&self.release.from, &self.cx.policy);
        if !policy.ttl.is_zero() {
            return Decision::Record(Event::Converged);
        }
        let seen = match self.not_silent(from, since) {
            Err(question) => return question,
            Ok(None) => return Decision::Record(Event::Converged),
            Ok(Some(seen)) => seen,
        };
        if self.cx.now < since + policy.converge_timeout {
            return Decision::Wait { reason: seen.saw, until: seen.until };
        }
        if let Some(restart) = self.clock_to_restart(since) {
            return restart;
        }
        let (problem, past_the_switch) = match self.not_silent_problem(from, &seen) {
            Err(question) => return question,
            Ok(told) => told,
        };
        // Where only the count speaks, the traffic has not followed the weights. Where the probes say that it has, or
        // somebody is known who sends past the switch, the way back would end nothing: that is for a person.
        if seen.requests && !past_the_switch && self.facts.probe != Some(ProbeAnswer::New) {
            return self.take_back(problem);
        }
        self.block(problem)
    }

    /// How far the data plane has followed, in words.
    fn convergence(&self) -> String {
        let (from, to) = (&self.release.from, &self.release.to);
        match &self.facts.probe {
            Some(ProbeAnswer::Old { count, of }) => format!("{from} still answered {count} of {of} probes"),
            Some(ProbeAnswer::Unclear { saw }) => format!("probes cannot tell who answers: {saw}"),
            Some(ProbeAnswer::New) => format!("only {to} answers"),
            Some(ProbeAnswer::Alike) => format!("{from} and {to} answer alike; waiting out the quiet time"),
            None if self.facts.synced == Some(false) => "the DNS change has not reached every server".into(),
            None => "waiting out the quiet time".into(),
        }
    }

    pub(super) fn bake(&self, since: Timestamp) -> Decision {
        let to = &self.release.to;
        if let Some(decision) = ask(self.facts, [Question::Traffic, Question::Targets(to.clone())]) {
            return decision;
        }
        if let Some(decision) = self.watch() {
            return decision;
        }
        let end = since + self.cx.policy.bake;
        if self.sick_looks() > 0 || self.cx.now < end {
            let until = (self.cx.now < end).then_some(end);
            return Decision::Wait { reason: format!("{to} has {}", self.facts.targets[to].describe()), until };
        }
        Decision::Record(Event::Retained { until: self.cx.decided_at + self.cx.policy.retain })
    }
}
