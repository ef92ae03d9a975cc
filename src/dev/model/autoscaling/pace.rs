//! The background task that runs the groups' loops: woken by changes and by the next due time, deciding from state.

use std::sync::Arc;

use jiff::Timestamp;

use super::group::Group;
use super::{capacity, delete, health, lifecycle, notifications, refresh, schedule, sources, warm};
use crate::dev::access::Identity;
use crate::dev::cloud::Cloud;
use crate::dev::model::Ctx;

/// One round of a group's loop.
pub(super) struct Step {
    /// The time that all of it happens at.
    pub(super) now: Timestamp,
    /// When something is due that no change of the world will announce.
    due: Option<Timestamp>,
    /// Whether the round changed anything, so that another may.
    pub(super) changed: bool,
}

/// Rounds that may follow each other at one time; a group needs about as many as an instance has states.
const ROUNDS_MAX: u32 = 64;

impl Step {
    /// Something is due at `time`. What is past is a mistake of the caller's, and due soon.
    pub(super) fn at(&mut self, time: Timestamp) {
        let soon = self.now + jiff::SignedDuration::from_millis(10);
        let time = time.max(soon);
        self.due = Some(self.due.map_or(time, |due| due.min(time)));
    }
}

/// Starts the task; it runs until the cloud is shut down.
pub(crate) fn start(cloud: &Arc<Cloud>) {
    let weak = Arc::downgrade(cloud);
    let mut changes = cloud.changes();
    cloud.spawn(async move {
        loop {
            changes.mark_unchanged();
            // While it waits the task does not keep the cloud alive.
            let Some(cloud) = weak.upgrade() else { return };
            let (changed, due) = run(&cloud);
            if changed {
                cloud.changed();
                // Those who wait for changes see them; this task made them.
                changes.mark_unchanged();
            }
            let wait = async {
                match due {
                    Some(due) => cloud.until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = wait => {}
                more = changes.changed() => if more.is_err() { return },
            }
        }
    });
}

/// Runs the loops of all groups. Says whether anything changed, and when to come back.
fn run(cloud: &Arc<Cloud>) -> (bool, Option<Timestamp>) {
    let now = cloud.clock.now();
    let (mut changed, mut due) = (false, None::<Timestamp>);
    let mut world = cloud.world();
    for place in world.places() {
        let caller = Identity::of_service("autoscaling", &place.account);
        let (region, block) = world.region(&place);
        if region.autoscaling.groups.is_empty() {
            continue;
        }
        let mut ctx = Ctx { cloud, caller: &caller, region, block };
        let names: Vec<_> = ctx.region.autoscaling.groups.keys().cloned().collect();
        let mut any = false;
        for name in names {
            let (group_changed, group_due) = run_group(&mut ctx, &name, now);
            any |= group_changed;
            due = [due, group_due].into_iter().flatten().min();
        }
        if any {
            ctx.region.elb.settle(&ctx.region.ec2);
        }
        changed |= any;
    }
    (changed, due)
}

fn run_group(ctx: &mut Ctx<'_>, name: &str, now: Timestamp) -> (bool, Option<Timestamp>) {
    let Some(mut group) = ctx.region.autoscaling.groups.remove(name) else { return (false, None) };
    let mut step = Step { now, due: None, changed: true };
    let mut rounds = 0;
    while step.changed {
        rounds += 1;
        if rounds > ROUNDS_MAX {
            tracing::warn!(group = name, "the group's loop does not settle; it goes on in a second");
            step.at(now + jiff::SignedDuration::from_secs(1));
            break;
        }
        (step.changed, step.due) = (false, None);
        round(ctx, &mut group, &mut step);
        if group.deleting && group.members.is_empty() {
            notifications::send(ctx, &mut group);
            delete::bury(ctx, group);
            return (true, None);
        }
    }
    notifications::send(ctx, &mut group);
    let due = step.due;
    ctx.region.autoscaling.groups.insert(name.to_owned(), group);
    (rounds > 1, due)
}

fn round(ctx: &mut Ctx<'_>, group: &mut Group, step: &mut Step) {
    lifecycle::advance(ctx, group, step);
    sources::advance(ctx, group, step);
    if group.deleting {
        return;
    }
    schedule::advance(group, step);
    health::advance(ctx, group, step);
    refresh::advance(ctx, group, step);
    capacity::advance(ctx, group, step);
    warm::advance(ctx, group, step);
}
