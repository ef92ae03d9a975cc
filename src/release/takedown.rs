//! Taking an idle color down: never while the load balancer might still send to it.

use jiff::Timestamp;

use super::decide::{Decision, Step, ask, may_still_land};
use super::references::unless_used;
use super::strangers::{foreign_writer, not_ours};
use super::{Effect, InstanceFact, Pending, Phase, ProbeAnswer, Problem, Question, Traffic};
use crate::planted::{Bug, bug};

/// How many probes in a row may leave open who answers before a person must look.
const UNCLEAR_PROBES: u32 = 10;

/// One step towards an empty `idle` color, or `None` when nothing of ours is left on it.
///
/// Every destructive step rests on facts read right before it: all traffic on the other color, the quiet
/// time since the last flip over, nobody of the idle color answering, and our ownership tags.
pub(super) fn take_down(step: &Step<'_>) -> Option<Decision> {
    take_down_only(step, |_| true)
}

/// [`take_down`] of those instances and targets alone whose id is `meant`.
pub(super) fn take_down_only(step: &Step<'_>, meant: impl Fn(&str) -> bool) -> Option<Decision> {
    let Step { state, release, cx, facts, .. } = *step;
    let aborts = bug(Bug::AbortTakesLive) && release.phase == Phase::Aborting;
    let (live, idle) = if aborts { (release.idle(), release.live()) } else { (release.live(), release.idle()) };
    let mut questions = vec![
        Question::Traffic,
        Question::Targets(live.clone()),
        Question::Targets(idle.clone()),
        Question::Instances(idle.clone()),
    ];
    if cx.policy.probe && state.carried.contains_key(idle) {
        questions.push(Question::Probe { old: idle.clone(), new: live.clone() });
    }
    if state.spreading.is_some() && step.synced_since().is_none() {
        questions.push(Question::Synced);
    }
    if let Some(decision) = ask(facts, questions) {
        return Some(decision);
    }
    let traffic = facts.traffic.as_ref()?;
    match traffic {
        Traffic::Only { color, .. } if color == live => {}
        _ if aborts || bug(Bug::TeardownFromCache) => {}
        Traffic::Only { .. } | Traffic::Split { .. } | Traffic::Nowhere | Traffic::Foreign { .. } => {
            return Some(step.block(foreign_writer(cx, live, traffic)));
        }
    }
    if !takes_down(state.pending.as_ref())
        && !bug(Bug::ForgetLateLaunch)
        && let Some(wait) = may_still_land(state, cx)
    {
        return Some(wait);
    }
    let targets = &facts.targets[idle];
    let alive: Vec<&InstanceFact> = facts.instances[idle].iter().filter(|i| i.alive() && meant(&i.id)).collect();
    let strangers: Vec<_> = targets
        .registered()
        .filter(|t| meant(&t.id))
        .filter(|t| !facts.instances[idle].iter().any(|i| i.id == t.id))
        .map(|t| t.id.as_str())
        .collect();
    if !strangers.is_empty() && !bug(Bug::TakeDownStrangers) {
        return Some(step.block(not_ours(&cx.name, &cx.env, idle, &strangers)));
    }
    let strays: Vec<_> =
        alive.iter().filter(|i| facts.targets[live].list.iter().any(|t| t.id == i.id)).map(|i| i.id.as_str()).collect();
    if !strays.is_empty() {
        return Some(step.block(Problem::new(
            format!(
                "{} is tagged switchback:color={idle} and registered with {live}, which is live",
                strays.join(", ")
            ),
            format!("no instance of {idle} behind {live}"),
            format!(
                "aws ec2 create-tags --resources {} --tags Key=switchback:color,Value={live} # if it belongs there",
                strays.join(" ")
            ),
        )));
    }
    let registered: Vec<String> = targets.registered().filter(|t| meant(&t.id)).map(|t| t.id.clone()).collect();
    if !registered.is_empty() {
        if !aborts
            && !bug(Bug::TeardownWithoutQuiet)
            && !bug(Bug::TeardownFromCache)
            && let Some(wait) = traffic_has_left(step)
        {
            return Some(wait);
        }
        return Some(unless_used(step, idle, Effect::Deregister { color: idle.clone(), instances: registered }));
    }
    let draining = targets.draining().filter(|t| meant(&t.id)).count();
    if draining > 0 && !bug(Bug::TerminateWhileDraining) {
        let reason = format!("{idle} drains: {draining} target(s)");
        return Some(Decision::Wait { reason, until: None });
    }
    if alive.is_empty() {
        return None;
    }
    let instances = alive.iter().map(|i| i.id.clone()).collect();
    Some(unless_used(step, idle, Effect::Terminate { color: idle.clone(), instances }))
}

/// A wait until the traffic was seen to have left the idle color; `None` when it was.
fn traffic_has_left(step: &Step<'_>) -> Option<Decision> {
    let Step { state, release, cx, facts, memory } = *step;
    let idle = release.idle();
    let left = *state.carried.get(idle)?;
    let mut settled = left + cx.policy.quiet + cx.policy.ttl;
    if state.spreading.is_some() {
        let Some(synced) = step.synced_since() else {
            let reason = format!("the DNS change that took the traffic from {idle} has not reached every server");
            return Some(Decision::Wait { reason, until: None });
        };
        // A resolver that asked just before may answer the old way for the time to live.
        settled = settled.max(synced + cx.policy.ttl);
    }
    if cx.now < settled {
        let reason = format!("the traffic has just left {idle}");
        return Some(Decision::Wait { reason, until: Some(settled) });
    }
    let answers = if cx.policy.probe { facts.probe.as_ref() } else { None };
    match answers.unwrap_or(&ProbeAnswer::Alike) {
        ProbeAnswer::New | ProbeAnswer::Alike => no_requests(step, left),
        ProbeAnswer::Old { count, of } => {
            let saw = format!("{idle} still answered {count} of {of} probes");
            let patient = memory.old_since().is_none_or(|since| cx.now < since + cx.policy.converge_timeout);
            Some(match patient {
                true => Decision::Wait { reason: saw, until: None },
                false => step.block(Problem::new(
                    saw,
                    format!("every probe through the load balancer answered by {}", release.live()),
                    format!("switchback status {}", cx.env),
                )),
            })
        }
        ProbeAnswer::Unclear { saw } if memory.unclear() >= UNCLEAR_PROBES => Some(step.block(Problem::new(
            format!("cannot tell whether {idle} still gets traffic: {saw}"),
            format!("every probe through the load balancer answered by {}", release.live()),
            format!("switchback status {}", cx.env),
        ))),
        ProbeAnswer::Unclear { saw } => Some(Decision::Wait {
            reason: format!("cannot tell whether {idle} still gets traffic: {saw}"),
            until: None,
        }),
    }
}

/// A wait until no requests of the idle color are counted any more, or the end of all patience.
fn no_requests(step: &Step<'_>, left: Timestamp) -> Option<Decision> {
    let Step { release, cx, memory, .. } = *step;
    let idle = release.idle();
    let seen = match step.not_silent(idle, left) {
        Err(question) => return Some(question),
        Ok(seen) => seen?,
    };
    let patient = memory.counting_since(idle).is_none_or(|since| cx.now < since + cx.policy.converge_timeout);
    if patient {
        return Some(Decision::Wait { reason: seen.saw, until: seen.until });
    }
    Some(match step.not_silent_problem(idle, &seen) {
        Err(question) => question,
        Ok((problem, _)) => step.block(problem),
    })
}

/// Whether the idle color was just seen to answer or counted to get requests, or its count could not be told.
pub(super) fn is_not_silent(step: &Step<'_>) -> bool {
    let idle = step.release.idle();
    let Some(left) = step.state.carried.get(idle) else { return false };
    if matches!(step.facts.probe, Some(ProbeAnswer::Old { .. })) {
        return true;
    }
    matches!(step.not_silent(idle, *left), Ok(Some(seen)) if seen.requests || seen.until.is_none())
}

/// Whether the announced call is part of a takedown itself: it can land late, on what it names.
fn takes_down(pending: Option<&Pending>) -> bool {
    match pending.map(|p| &p.effect) {
        Some(Effect::Deregister { .. } | Effect::Terminate { .. }) => true,
        Some(Effect::Reference { .. } | Effect::Launch { .. } | Effect::Register { .. } | Effect::Flip { .. })
        | None => false,
    }
}
