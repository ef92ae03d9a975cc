//! How an instance of a group goes from state to state: from its launch into service, and out of it again.

use jiff::{SignedDuration, Timestamp};

use super::activity::{self, Begin, Status, at};
use super::group::Group;
use super::hooks::{self, Transition, Verdict};
use super::machines::{self, State};
use super::member::{Member, Phase};
use super::pace::Step;
use super::processes::Process;
use super::traffic;
use super::warm::PoolState;
use crate::dev::model::Ctx;

/// From one failed start out of the warm pool to the next.
const START_AGAIN_S: u32 = 15;

/// Whether a member is still one.
enum Next {
    Stays,
    Gone,
}

/// Moves every instance as far as it can go now.
pub(super) fn advance(ctx: &mut Ctx<'_>, group: &mut Group, step: &mut Step) {
    let mut order: Vec<_> = group.members.values().map(|member| (member.number, member.id.clone())).collect();
    order.sort();
    for (_, id) in order {
        let Some(mut member) = group.members.remove(&id) else { continue };
        let before = (member.phase, member.pool);
        let next = move_on(ctx, group, &mut member, step);
        if matches!(next, Next::Gone) || before != (member.phase, member.pool) {
            step.changed = true;
        }
        if matches!(next, Next::Stays) {
            group.members.insert(id, member);
        }
    }
}

fn move_on(ctx: &mut Ctx<'_>, group: &mut Group, member: &mut Member, step: &mut Step) -> Next {
    match member.phase {
        Phase::Pending => pending(ctx, group, member, step),
        Phase::PendingWait => pending_wait(ctx, group, member, step),
        Phase::PendingProceed => pending_proceed(ctx, group, member, step),
        Phase::InService | Phase::Standby => Next::Stays,
        Phase::Parked => parked(ctx, member),
        Phase::EnteringStandby => {
            if is_drained(ctx, group, member, step) {
                member.phase = Phase::Standby;
                activity::end(group, member.activity.take().as_ref(), step.now, Status::Successful, None);
            }
            Next::Stays
        }
        Phase::Detaching => {
            if !is_drained(ctx, group, member, step) {
                return Next::Stays;
            }
            activity::end(group, member.activity.take().as_ref(), step.now, Status::Successful, None);
            machines::release(ctx, &member.id);
            Next::Gone
        }
        Phase::Terminating => terminating(ctx, group, member, step),
        Phase::TerminatingWait => terminating_wait(ctx, group, member, step),
        Phase::TerminatingProceed => terminating_proceed(ctx, group, member, step.now),
    }
}

fn pending(ctx: &mut Ctx<'_>, group: &mut Group, member: &mut Member, step: &mut Step) -> Next {
    match machines::state(ctx, &member.id) {
        State::Pending => {}
        State::Running => {
            member.actions = hooks::actions(ctx, group, Transition::Launching, &member.id, step.now);
            if member.actions.is_empty() {
                member.phase = Phase::PendingProceed;
            } else {
                member.phase = Phase::PendingWait;
                activity::advance(group, member.activity.as_ref(), Status::MidLifecycleAction);
            }
        }
        // On its way into the warm pool.
        State::Stopping | State::Stopped if member.pool.is_some() => member.phase = Phase::PendingProceed,
        State::Stopped => {
            // It was in the warm pool, and there was no capacity to start it.
            if machines::start(ctx, &member.id).is_err() {
                step.at(after(step.now, START_AGAIN_S));
            }
        }
        State::Stopping => {}
        State::Ended => return died(ctx, group, member, step.now),
    }
    Next::Stays
}

fn pending_wait(ctx: &mut Ctx<'_>, group: &mut Group, member: &mut Member, step: &mut Step) -> Next {
    if machines::state(ctx, &member.id) == State::Ended {
        return died(ctx, group, member, step.now);
    }
    match hooks::outcome(&mut member.actions, step.now) {
        Err(deadline) => step.at(deadline),
        Ok(Verdict::Continue) => {
            member.actions.clear();
            member.phase = Phase::PendingProceed;
        }
        Ok(verdict) => {
            let token = hooks::abandoned(&member.actions).unwrap_or_default();
            let why = if verdict == Verdict::TimedOut {
                "Heartbeat Timeout"
            } else {
                "Lifecycle Action Completed with ABANDON Result"
            };
            let message = format!(
                "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token {token} was abandoned: {why}"
            );
            activity::end(group, member.activity.take().as_ref(), step.now, Status::Cancelled, Some(message));
            let cause = format!(
                "{} an instance was taken out of service in response to a launch lifecycle action that was abandoned.",
                at(step.now)
            );
            member.actions.clear();
            end_at_once(ctx, group, member, step.now, cause);
        }
    }
    Next::Stays
}

fn pending_proceed(ctx: &mut Ctx<'_>, group: &mut Group, member: &mut Member, step: &Step) -> Next {
    let state = machines::state(ctx, &member.id);
    if state == State::Ended {
        return died(ctx, group, member, step.now);
    }
    match (member.pool, state) {
        (Some(PoolState::Stopped), State::Running) => machines::stop(ctx, &member.id),
        (Some(PoolState::Stopped), State::Stopped) | (Some(PoolState::Running), State::Running) => {
            member.phase = Phase::Parked;
            activity::end(group, member.activity.take().as_ref(), step.now, Status::Successful, None);
            group.failures = super::group::Failures::default();
        }
        (None, State::Running) => into_service(ctx, group, member, step.now),
        _ => {}
    }
    Next::Stays
}

/// Registers an instance with all target groups. It is in service then, whatever they say about its health.
fn into_service(ctx: &mut Ctx<'_>, group: &mut Group, member: &mut Member, now: Timestamp) {
    if group.runs(Process::AddToLoadBalancer) {
        for arn in group.attached() {
            if let Err(error) = traffic::register(ctx, &arn, &member.id) {
                let message = format!(
                    "Failed to update target group {arn}: {}. Updating load balancer configuration failed.",
                    error.message.trim_end_matches('.')
                );
                activity::end(group, member.activity.take().as_ref(), now, Status::Failed, Some(message));
                super::capacity::failed(group, now);
                let cause = format!(
                    "{} an instance was taken out of service in response to a failed update of a load balancer's \
                     configuration.",
                    at(now)
                );
                end_at_once(ctx, group, member, now, cause);
                return;
            }
        }
    }
    member.phase = Phase::InService;
    member.in_service = Some(now);
    activity::end(group, member.activity.take().as_ref(), now, Status::Successful, None);
    group.failures = super::group::Failures::default();
}

/// An instance of the warm pool that EC2 has ended is gone.
fn parked(ctx: &Ctx<'_>, member: &Member) -> Next {
    if machines::state(ctx, &member.id) == State::Ended { Next::Gone } else { Next::Stays }
}

/// EC2 has ended an instance that was on its way into service.
fn died(ctx: &mut Ctx<'_>, group: &mut Group, member: &mut Member, now: Timestamp) -> Next {
    let reason = machines::reason(ctx, &member.id);
    let message = format!("Instance became unhealthy while waiting for instance to be in InService state. {reason}");
    activity::end(group, member.activity.take().as_ref(), now, Status::Failed, Some(message));
    super::capacity::failed(group, now);
    for arn in group.known_sources() {
        traffic::deregister(ctx, &arn, &member.id);
    }
    Next::Gone
}

fn terminating(ctx: &mut Ctx<'_>, group: &mut Group, member: &mut Member, step: &mut Step) -> Next {
    if !group.deleting && !is_drained(ctx, group, member, step) {
        return Next::Stays;
    }
    if member.returns {
        // Back to the warm pool, from where it may come again.
        let state = group.warm_pool.as_ref().map(|pool| pool.state);
        if let Some(state) = state.filter(|_| machines::state(ctx, &member.id) == State::Running) {
            (member.pool, member.phase) = (Some(state), Phase::PendingProceed);
            (member.in_service, member.returns) = (None, false);
            return Next::Stays;
        }
        member.returns = false;
    }
    member.actions = if group.deleting {
        Vec::new()
    } else {
        hooks::actions(ctx, group, Transition::Terminating, &member.id, step.now)
    };
    if member.actions.is_empty() {
        member.phase = Phase::TerminatingProceed;
    } else {
        member.phase = Phase::TerminatingWait;
        activity::advance(group, member.activity.as_ref(), Status::MidLifecycleAction);
    }
    Next::Stays
}

fn terminating_wait(ctx: &mut Ctx<'_>, group: &mut Group, member: &mut Member, step: &mut Step) -> Next {
    let over = group.deleting || machines::state(ctx, &member.id) == State::Ended;
    match hooks::outcome(&mut member.actions, step.now) {
        Err(deadline) if !over => step.at(deadline),
        // Whatever was decided, it ends.
        _ => {
            member.actions.clear();
            member.phase = Phase::TerminatingProceed;
            activity::advance(group, member.activity.as_ref(), Status::InProgress);
        }
    }
    Next::Stays
}

fn terminating_proceed(ctx: &mut Ctx<'_>, group: &mut Group, member: &mut Member, now: Timestamp) -> Next {
    machines::terminate(ctx, &member.id);
    if !machines::is_terminated(ctx, &member.id) {
        return Next::Stays;
    }
    activity::end(group, member.activity.take().as_ref(), now, Status::Successful, None);
    Next::Gone
}

/// Whether no target group is still draining it.
fn is_drained(ctx: &Ctx<'_>, group: &Group, member: &Member, step: &mut Step) -> bool {
    let mut drained = true;
    for arn in group.known_sources() {
        if let Some(until) = traffic::draining_until(ctx, &arn, &member.id) {
            step.at(until);
            drained = false;
        }
    }
    drained
}

/// Takes an instance out of its target groups; they drain it.
pub(super) fn deregister(ctx: &mut Ctx<'_>, group: &Group, id: &str) {
    for arn in group.known_sources() {
        traffic::deregister(ctx, &arn, id);
    }
}

/// Begins the end of an instance.
pub(super) fn terminate(
    ctx: &mut Ctx<'_>,
    group: &mut Group,
    id: &str,
    now: Timestamp,
    cause: String,
) -> Option<String> {
    let mut member = group.members.remove(id)?;
    // What was under way for it is not any more.
    activity::end(group, member.activity.take().as_ref(), now, Status::Cancelled, None);
    let description = format!("Terminating EC2 instance: {id}");
    let zone = Some((member.zone.clone(), None));
    let activity = activity::begin(ctx, group, now, Begin { description, cause, status: Status::InProgress, zone });
    deregister(ctx, group, id);
    if group.known_sources().iter().any(|arn| traffic::draining_until(ctx, arn, id).is_some()) {
        activity::advance(group, Some(&activity), Status::WaitingForELBConnectionDraining);
    }
    member.activity = Some(activity.clone());
    member.phase = Phase::Terminating;
    member.actions.clear();
    group.members.insert(id.to_owned(), member);
    Some(activity)
}

/// Ends an instance that never came into service: there is nothing to drain and nobody to wait for.
fn end_at_once(ctx: &mut Ctx<'_>, group: &mut Group, member: &mut Member, now: Timestamp, cause: String) {
    let description = format!("Terminating EC2 instance: {}", member.id);
    let zone = Some((member.zone.clone(), None));
    member.activity =
        Some(activity::begin(ctx, group, now, Begin { description, cause, status: Status::InProgress, zone }));
    deregister(ctx, group, &member.id);
    member.phase = Phase::TerminatingProceed;
}

/// When something that began at `from` is `seconds` old.
pub(super) fn after(from: Timestamp, seconds: u32) -> Timestamp {
    from + SignedDuration::from_secs(seconds.into())
}
