//! The beat of CloudWatch: at every whole minute, load balancers publish and alarms are evaluated.

use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;

use super::evaluate::evaluate;
use super::store::{minute_of, moment_of};
use super::verdict::State;
use super::{Ctx, balancers, notify};
use crate::dev::access::Identity;
use crate::dev::cloud::Cloud;

/// Starts it, for as long as the cloud runs.
pub(crate) fn start(cloud: &Arc<Cloud>) {
    let weak: Weak<Cloud> = Arc::downgrade(cloud);
    let clock = cloud.clock.clone();
    cloud.spawn(async move {
        loop {
            let now = clock.now();
            let next = moment_of(minute_of(now) + 1);
            // The machine's clock may be set back while this sleeps, so what is left is asked again.
            while let Ok(left) = Duration::try_from(next.duration_since(clock.now()))
                && !left.is_zero()
            {
                tokio::time::sleep(left).await;
            }
            let Some(cloud) = weak.upgrade() else { return };
            beat(&cloud, next);
        }
    });
}

/// Everything that happens at the minute `now`, in all accounts and regions.
fn beat(cloud: &Arc<Cloud>, now: Timestamp) {
    let mut changed = false;
    let mut world = cloud.world();
    for place in world.places() {
        let caller = Identity::of_service("cloudwatch", &place.account);
        let (region, block) = world.region(&place);
        let mut ctx = Ctx { cloud, caller: &caller, region, block };
        balancers::publish(&mut ctx, now);
        let store = &mut ctx.region.cloudwatch.store;
        store.settle(now);
        store.prune(now);
        changed |= evaluate_alarms(&mut ctx, now);
        if changed {
            ctx.region.elb.settle(&ctx.region.ec2);
        }
    }
    drop(world);
    if changed {
        cloud.changed();
    }
}

/// Says whether anything was done because of an alarm.
fn evaluate_alarms(ctx: &mut Ctx<'_>, now: Timestamp) -> bool {
    let mut acted = false;
    let names: Vec<_> = ctx.region.cloudwatch.alarms.keys().cloned().collect();
    for name in names {
        let Some(alarm) = ctx.region.cloudwatch.alarms.get(&name) else { continue };
        let found = evaluate(alarm, &ctx.region.cloudwatch.store, now);
        let was = alarm.status.state;
        match found.state {
            Some(state) if state != was => {
                acted = true;
                notify::transition(ctx, &name, state, (found.reason, Some(found.reason_data)), found.newest);
            }
            _ if was == State::Alarm => {
                let alarm = alarm.clone();
                acted = true;
                notify::again(ctx, &alarm, found.newest);
            }
            _ => {}
        }
    }
    acted
}
