//! Which event may follow which, and where a release stands after it.

use jiff::Timestamp;

use super::{Effect, Event, Leftovers, Phase, Release, adopt};
use crate::planted::{Bug, bug};

/// The phase after `event`, or `None` where the event cannot follow.
pub(super) fn phase_after(
    release: &Release,
    leftovers: Option<&Leftovers>,
    at: Timestamp,
    event: &Event,
) -> Option<Phase> {
    let phase = &release.phase;
    match event {
        Event::ReleaseStarted { .. } => None,
        Event::Cleared => (*phase == Phase::Clearing).then_some(Phase::Provisioning { since: at }),
        Event::Provisioned { .. } => {
            let Phase::Provisioning { since } = phase else { return None };
            Some(Phase::Warming { since: *since })
        }
        Event::Warmed => matches!(phase, Phase::Warming { .. }).then_some(Phase::Smoke),
        Event::SmokePassed => (*phase == Phase::Smoke).then_some(Phase::Staged),
        Event::Intent { effect, .. } => after_intent(release, leftovers, effect),
        Event::Outcome { .. } => Some(phase.clone()),
        Event::Switched => (*phase == Phase::Switching).then_some(Phase::Converging { since: at }),
        Event::NotSwitched => (*phase == Phase::Switching).then_some(Phase::Staged),
        Event::Converged => matches!(phase, Phase::Converging { .. }).then_some(Phase::Baking { since: at }),
        Event::Retained { until } => {
            matches!(phase, Phase::Baking { .. }).then_some(Phase::Retaining { until: *until })
        }
        Event::Failed { .. } | Event::AbortRequested => phase.before_switched().then_some(Phase::Aborting),
        // A rollback that is under way can be forced.
        Event::RollbackStarted { skipped, .. } => {
            let forced_now = *phase == Phase::RollingBack && !release.forced && !skipped.is_empty();
            (phase.may_roll_back() || forced_now).then_some(Phase::RollingBack)
        }
        Event::RolledBack { until } => (*phase == Phase::RollingBack).then_some(Phase::RolledBack { until: *until }),
        Event::Aborted => (*phase == Phase::Aborting).then_some(Phase::Aborted),
        Event::RetirementStarted => {
            matches!(phase, Phase::Retaining { .. } | Phase::RolledBack { .. }).then_some(Phase::Retiring)
        }
        Event::Retired => (*phase == Phase::Retiring).then_some(Phase::Done),
        Event::Blocked { problem } => {
            phase.may_block().then(|| Phase::Blocked { at: Box::new(phase.clone()), problem: problem.clone() })
        }
        Event::Resumed => {
            let Phase::Blocked { at: blocked, .. } = phase else { return None };
            Some(blocked.restarted(at))
        }
        Event::ClockRestarted { .. } => phase.has_a_clock().then(|| phase.restarted(at)),
        Event::Synced => Some(phase.clone()),
        Event::LeftoversFound { color, instances } => {
            let ours = release.pins.groups.contains_key(color) && !instances.is_empty();
            (phase.is_at_rest() && ours).then(|| phase.clone())
        }
        Event::LeftoversRemoved => (phase.is_at_rest() && leftovers.is_some()).then(|| phase.clone()),
        Event::Adopted { live, until, .. } => adopt::after(release, live, at, *until),
    }
}

/// The phase after an announced effect: only a flip moves the release on.
fn after_intent(release: &Release, leftovers: Option<&Leftovers>, effect: &Effect) -> Option<Phase> {
    let phase = &release.phase;
    match effect {
        Effect::Reference { live, idle } => (matches!(phase, Phase::Provisioning { .. })
            && (live, idle) == (&release.from, &release.to))
            .then(|| phase.clone()),
        Effect::Launch { color, .. } | Effect::Register { color, .. } => {
            (matches!(phase, Phase::Provisioning { .. }) && *color == release.to).then(|| phase.clone())
        }
        Effect::Flip { from, to } if *phase == Phase::Staged => {
            ((from, to) == (&release.from, &release.to)).then_some(Phase::Switching)
        }
        Effect::Flip { from, to } => {
            (*phase == Phase::RollingBack && (from, to) == (&release.to, &release.from)).then(|| phase.clone())
        }
        Effect::Deregister { color, instances } | Effect::Terminate { color, instances } => {
            let left = leftovers.is_some_and(|l| {
                let known = instances.iter().all(|id| l.instances.contains(id));
                phase.is_at_rest() && known && [&l.color, release.idle()].contains(&color)
            });
            let planted = (bug(Bug::AbortTakesLive) && *phase == Phase::Aborting)
                || (bug(Bug::DrainWhileRetained) && matches!(phase, Phase::Retaining { .. }));
            ((phase.takes_down() && color == release.idle()) || left || planted).then(|| phase.clone())
        }
    }
}
