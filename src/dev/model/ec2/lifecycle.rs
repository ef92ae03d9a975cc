//! How instances start and end: child processes behind the states.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use super::instance::{InstanceState, write_state};
use crate::dev::cloud::Cloud;
use crate::dev::machine::{Launch, Machine};
use crate::dev::model::{Answer, Ctx, Place};
use crate::dev::wire::Xml;

/// How long a program may take to end after SIGTERM.
const STOP_GRACE: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Terminate {
    instance_id: Vec<String>,
}

/// Starts the instance's process; it is `running` when that has started and the run delay has passed.
pub(super) fn start(cloud: &Arc<Cloud>, place: &Place, launch: Launch) {
    let (cloud_, place) = (cloud.clone(), place.clone());
    let ready = Instant::now() + cloud.timing.run;
    cloud.spawn(async move {
        let cloud = cloud_;
        let started = Machine::start(&launch, &cloud.network).await.map(Arc::new);
        sleep_until(ready).await;
        let id = launch.instance_id;
        let stop = {
            let mut world = cloud.world();
            let (region, _) = world.region(&place);
            let Some(instance) = region.ec2.instances.get_mut(&id) else { return };
            match started {
                Ok(machine) if instance.state == InstanceState::Pending => {
                    instance.state = InstanceState::Running;
                    instance.machine = Some(machine);
                    None
                }
                Ok(machine) => Some(Some(machine)),
                Err(error) => {
                    tracing::warn!(instance = id, %error, "the instance did not start");
                    if instance.state == InstanceState::Pending {
                        let message = format!("Server.InternalError: Internal error on launch: {error}");
                        instance.reason = Some(("Server.InternalError", message));
                    }
                    Some(None)
                }
            }
        };
        match stop {
            None => cloud.changed(),
            Some(machine) => end(&cloud, &place, &id, machine).await,
        }
    });
}

/// Ends the process if there is one; then the instance is `terminated` and its address is free.
async fn end(cloud: &Cloud, place: &Place, id: &str, machine: Option<Arc<Machine>>) {
    if let Some(machine) = machine {
        machine.stop(STOP_GRACE).await;
    }
    {
        let mut world = cloud.world();
        let (region, block) = world.region(place);
        if let Some(instance) = region.ec2.instances.get_mut(id) {
            instance.state = InstanceState::Terminated;
            block.release(instance.address);
        }
        region.elb.settle(&region.ec2);
    }
    cloud.changed();
}

pub(super) fn terminate(ctx: &mut Ctx<'_>, input: Terminate) -> Answer {
    ctx.region.ec2.check_instances(&input.instance_id)?;
    let place = ctx.region.place();
    let mut before = Vec::new();
    for id in &input.instance_id {
        let Some(instance) = ctx.region.ec2.instances.get_mut(id) else { continue };
        let previous = instance.state;
        if matches!(previous, InstanceState::Pending | InstanceState::Running) {
            instance.state = InstanceState::ShuttingDown;
            let message = "Client.UserInitiatedShutdown: User initiated shutdown".to_owned();
            instance.reason = Some(("Client.UserInitiatedShutdown", message));
            // A pending one is ended by the task that starts it.
            if let Some(machine) = instance.machine.take() {
                let (cloud, place, id) = (ctx.cloud.clone(), place.clone(), id.clone());
                ctx.cloud.spawn(async move { end(&cloud, &place, &id, Some(machine)).await });
            }
        }
        before.push((id, previous, instance.state));
    }
    let mut xml = Xml::default();
    xml.list("instancesSet", "item", before, |xml, (id, previous, current)| {
        xml.leaf("instanceId", id);
        xml.node("currentState", |xml| write_state(xml, current));
        xml.node("previousState", |xml| write_state(xml, previous));
    });
    Ok(xml)
}
