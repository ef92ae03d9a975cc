//! After the faults have stopped and `reconcile` has run: no release unfinished, nothing leaked, the lease free.

use switchback::release::{Phase, Problem};

use super::super::plan::{Behavior, WorldEvent};
use super::Invariant;
use super::scene::{Scene, Site};

pub(super) struct Ending;

impl Invariant for Ending {
    fn name(&self) -> &'static str {
        "in the end everything is settled"
    }

    fn end(&mut self, scene: &Scene) -> Vec<String> {
        (0..scene.sites.len()).flat_map(|at| wrong(scene, at)).collect()
    }
}

fn wrong(scene: &Scene, at: usize) -> Vec<String> {
    let site = &scene.sites[at];
    let name = &site.name;
    let mut wrong = Vec::new();
    if let Some((holder, run, since)) = &site.journal.holder {
        wrong.push(format!(
            "{name}: runner {holder} (run {run}) still holds the lease, since {:.3} s",
            since.as_secs_f64()
        ));
    }
    let release = site.release();
    let blocked = release.is_some_and(|release| matches!(release.phase, Phase::Blocked { .. }));
    // Where a person decides, what was announced stays announced until they have.
    if let Some(pending) = &site.journal.state.pending
        && !blocked
    {
        wrong.push(format!("{name}: the outcome of a call is not known: {pending:?}"));
    }
    match release.map(|release| &release.phase) {
        None | Some(Phase::Done | Phase::Aborted) => {}
        Some(Phase::Blocked { problem, .. }) => {
            if !explained(scene, at) {
                wrong.push(format!("{name} is blocked, and nothing in the plan explains it: {}", told(problem)));
            }
            // What a person must decide is not taken down.
            return wrong;
        }
        Some(phase) => {
            wrong.push(format!("{name} is unfinished: {}", phase.name()));
            return wrong;
        }
    }
    let foreign = scene.foreign_writes(at).next().is_some();
    let weights = site.weights.now();
    if !foreign && weights.iter().filter(|weight| **weight > 0).count() != 1 {
        wrong.push(format!("{name}: the traffic is not on one color: {weights:?}"));
    }
    let registered = |color: usize, id: &str| site.targets[color].iter().any(|target| target.id == id);
    if foreign {
        // Where the traffic belongs a person decides; what stands nowhere is left over all the same.
        for instance in scene.owned(at).filter(|instance| !registered(0, &instance.id) && !registered(1, &instance.id))
        {
            wrong.push(format!(
                "{name}: instance {} is left over, registered nowhere ({})",
                instance.id, instance.state
            ));
        }
        return wrong;
    }
    let live = usize::from(weights[1] > 0);
    if let Some(release) = release
        && Site::place_of(release.live()) != live
    {
        wrong.push(format!("{name}: the journal has {} live, and the traffic is on color {live}", release.live()));
    }
    for instance in scene.owned(at).filter(|instance| !registered(live, &instance.id)) {
        wrong.push(format!("{name}: instance {} is left over ({}, {:?})", instance.id, instance.state, instance.tags));
    }
    for target in site.targets[1 - live].iter().filter(|target| scene.owner(&target.id) == Some(at)) {
        // A release that was never made may leave an idle color as it was.
        if release.is_some() {
            wrong.push(format!("{name}: {} is still registered with the idle color ({})", target.id, target.state));
        }
    }
    wrong
}

/// Whether the plan holds something that a person must decide about.
pub(super) fn explained(scene: &Scene, at: usize) -> bool {
    let events = scene.plan.events.iter().any(|event| match event.what {
        WorldEvent::Kill { .. }
        | WorldEvent::Hang { .. }
        | WorldEvent::Retire { .. }
        | WorldEvent::Foreign { .. }
        | WorldEvent::Squat { .. }
        | WorldEvent::Storm { .. } => event.what.touches(at),
        WorldEvent::Shortage { .. } => false,
    });
    events || scene.plan.images.iter().any(|behavior| matches!(behavior, Behavior::Dies { .. }))
}

fn told(problem: &Problem) -> String {
    problem.to_string()
}
