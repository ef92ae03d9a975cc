//! Starting again what a saved state says should run: load balancers, listeners, health checks and drains.

use std::sync::Arc;

use super::listeners;
use super::recording::Record;
use super::targets::EVERY_ZONE;
use super::{health, registration};
use crate::dev::cloud::Cloud;
use crate::dev::model::{Place, Region};
use crate::dev::plane::{self, TargetState};
use crate::dev::wire::ApiError;

/// Starts everything in one region. What a check had found before is found again by checking.
///
/// # Errors
/// A port cannot be bound, or a certificate cannot be served; what comes before it runs.
pub(crate) async fn revive(cloud: &Arc<Cloud>, place: &Place) -> Result<(), ApiError> {
    let waiting: Vec<String> = {
        let mut world = cloud.world();
        let (region, block) = world.region(place);
        for balancer in region.elb.balancers.values() {
            for address in balancer.private_addresses.values().chain([&balancer.address]) {
                block.take(*address);
            }
        }
        restart(cloud, region);
        region.elb.listeners.keys().cloned().collect()
    };
    for arn in waiting {
        let begun = {
            let mut world = cloud.world();
            let (region, _) = world.region(place);
            let listener = region.elb.listener(&arn)?;
            listeners::begin_again(region, listener)?
        };
        listeners::finish(cloud, place, begun).await?;
    }
    Ok(())
}

/// Gives balancers, groups and targets their parts of the data plane, and the targets their tasks.
fn restart(cloud: &Arc<Cloud>, region: &mut Region) {
    let here = region.place();
    region.elb.balancers.values_mut().for_each(|balancer| balancer.start(cloud));
    for (arn, group) in &mut region.elb.groups {
        group.plane = plane::Group::new(arn);
        group.tune();
        for (key, target) in &mut group.targets {
            let zone = Some(target.zone.clone()).filter(|zone| zone != EVERY_ZONE);
            target.plane = plane::Target::in_zone(target.address, TargetState::Unused, zone);
            if target.drains.is_some() {
                registration::drain(cloud, &here, arn, key, target);
            } else {
                (target.record, target.unhealthy) = (Record::new(), None);
                health::watch(cloud, &here, arn, key, target.serial);
            }
        }
    }
    region.elb.settle(&region.ec2);
}
