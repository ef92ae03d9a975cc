//! When targets are checked: one task per target checks it for as long as it is registered and in use. What a check
//! means is `recording`'s business.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::protocols::Kind;
use super::recording::{Failure, Health};
use super::targets::Key;
use crate::dev::cloud::Cloud;
use crate::dev::model::Place;
use crate::dev::observe::Seen;
use crate::dev::plane::{self, ProbeResult};

/// How long a target that is not in use may take to notice that it is, at most.
const NOTICED_WITHIN: Duration = Duration::from_secs(1);

/// What the task of a target does next.
enum Next {
    /// The target is gone, or draining: AWS does not check draining targets either.
    End,
    /// It is not in use: nothing until something changes.
    Wait,
    /// It is being registered until then.
    Until(Timestamp),
    Check(SocketAddr, plane::HealthCheck, Duration),
}

/// Identifies one registration of one target.
#[derive(Clone)]
struct Registration {
    place: Place,
    group: String,
    key: Key,
    serial: u64,
}

/// Checks a target until it is deregistered.
pub(super) fn watch(cloud: &Arc<Cloud>, place: &Place, group: &str, key: &Key, serial: u64) {
    let this = Registration { place: place.clone(), group: group.to_owned(), key: key.clone(), serial };
    let weak = Arc::downgrade(cloud);
    let mut changes = cloud.changes();
    // Checks of targets that came into use together must not stay together.
    let mut spread = true;
    cloud.spawn(async move {
        loop {
            changes.mark_unchanged();
            // Between checks the task does not keep the cloud alive.
            let Some(cloud) = weak.upgrade() else { return };
            match this.next(&cloud) {
                Next::End => return,
                Next::Wait => {
                    let pause = NOTICED_WITHIN / cloud.timing.health_speed.max(1);
                    drop(cloud);
                    spread = true;
                    if changes.changed().await.is_err() {
                        return;
                    }
                    // Thousands of idle targets must not look up at every single change.
                    tokio::time::sleep(pause).await;
                }
                Next::Until(due) => cloud.until(due).await,
                Next::Check(address, check, interval) => {
                    // From the start of a check to the start of the next, as on AWS.
                    let next = Instant::now() + if spread { cloud.chance.up_to(interval) } else { interval };
                    spread = false;
                    // On the heap, for the time of the check only: there may be thousands of these tasks.
                    let result = Box::pin(plane::probe(&cloud.network, address, &check)).await;
                    this.record(&cloud, &result);
                    drop(cloud);
                    tokio::time::sleep_until(next).await;
                }
            }
        }
    });
}

impl Registration {
    fn next(&self, cloud: &Cloud) -> Next {
        let now = cloud.clock.now();
        let mut world = cloud.world();
        let (region, _) = world.region(&self.place);
        let Some(group) = region.elb.groups.get(&self.group) else { return Next::End };
        let Some(target) = group.targets.get(&self.key).filter(|target| target.serial == self.serial) else {
            return Next::End;
        };
        if target.drains.is_some() {
            return Next::End;
        }
        if region.elb.unused(&region.ec2, group, target).is_some() {
            return Next::Wait;
        }
        let due = region.elb.checked_from(cloud, group, target);
        if now < due {
            return Next::Until(due);
        }
        let address = SocketAddr::new(target.address.ip(), group.check.port_of(self.key.1));
        let interval = Duration::from_secs(group.check.interval_s.into()) / cloud.timing.health_speed.max(1);
        Next::Check(address, group.check.probe(&group.settings), interval)
    }

    /// Writes down what a check found, unless the target's situation has changed meanwhile.
    fn record(&self, cloud: &Cloud, result: &ProbeResult) {
        let now = cloud.clock.now();
        let mut world = cloud.world();
        let (region, _) = world.region(&self.place);
        let elb = &mut region.elb;
        let Some(group) = elb.groups.get(&self.group) else { return };
        let still_used = group.targets.get(&self.key).is_some_and(|target| {
            target.serial == self.serial && target.drains.is_none() && elb.unused(&region.ec2, group, target).is_none()
        });
        let user = group.user.as_ref().and_then(|arn| elb.balancers.get(arn)).map(|balancer| balancer.kind);
        let thresholds = group.check.thresholds();
        let Some(group) = elb.groups.get_mut(&self.group).filter(|_| still_used) else { return };
        let Some(target) = group.targets.get_mut(&self.key) else { return };
        let failure = Failure::of(result);
        let failure = if user == Some(Kind::Network) { failure.map(Failure::of_network) } else { failure };
        let changed = target.record.observe(failure, thresholds);
        if changed {
            target.unhealthy = matches!(target.record.health(), Health::Unhealthy(_)).then_some(now);
        }
        target.plane.set_state(target.record.state());
        let state = elb.groups.get(&self.group).and_then(|group| {
            let target = group.targets.get(&self.key).filter(|_| changed);
            target.map(|target| elb.tell(cloud, &region.ec2, group, Some(target)).state)
        });
        drop(world);
        if let Some(state) = state {
            cloud.tell(&Seen::Target { group: &self.group, id: &self.key.0, state });
        }
        if changed {
            // Auto Scaling acts on it.
            cloud.changed();
        }
    }
}
