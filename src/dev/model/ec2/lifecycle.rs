//! How instances start and end in the background: machines behind the states.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::instance::{InstanceState, Reason};
use super::launch::decode;
use super::{Instance, facts};
use crate::dev::cloud::Cloud;
use crate::dev::machine::{Image, Launch, Machine, MetadataServer};
use crate::dev::model::{Ctx, Place};
use crate::dev::observe::Seen;

/// How long a program may take to end after SIGTERM.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// What becomes of an instance whose program has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Stopped,
    Terminated,
}

/// What runs behind an instance.
type Running = (Arc<Machine>, Option<Arc<MetadataServer>>);

/// Starts a pending instance; it is `running` when its program has started and the run delay has passed.
pub(super) fn start(cloud: &Arc<Cloud>, place: &Place, id: &str, image: Image) {
    let (own, place, id) = (cloud.clone(), place.clone(), id.to_owned());
    let ready = cloud.clock.now() + cloud.timing.run;
    cloud.spawn(async move { bring_up(&own, &place, &id, image, ready).await });
}

async fn bring_up(cloud: &Arc<Cloud>, place: &Place, id: &str, image: Image, ready: Timestamp) {
    let doomed = with(cloud, place, id, |instance| instance.doomed).unwrap_or(true);
    let started = if doomed { None } else { Some(run(cloud, place, id, image).await) };
    cloud.until(ready).await;
    let now = cloud.clock.now();
    let outcome = with(cloud, place, id, |instance| match (started, instance.state) {
        (Some(Ok((machine, metadata))), InstanceState::Pending) => {
            instance.enter(InstanceState::Running, now, None);
            (instance.machine, instance.metadata, instance.ran) = (Some(machine), metadata, true);
            None
        }
        // Stopped or terminated meanwhile.
        (Some(Ok(running)), state) => Some((Some(running), end_of(state))),
        (Some(Err(error)), InstanceState::Pending) => {
            let reason = Reason::new("Server.InternalError", &format!("Internal error on launch: {error}"));
            Some((None, fall_back(instance, now, reason)))
        }
        (None, InstanceState::Pending) => {
            let said = "There was insufficient capacity to launch the instance.";
            let reason = Reason::new("Server.InsufficientInstanceCapacity", said);
            Some((None, fall_back(instance, now, reason)))
        }
        (_, state) => Some((None, end_of(state))),
    });
    tell(cloud, place, id);
    match outcome {
        None => {}
        Some(None) => settle(cloud, place),
        Some(Some((running, end))) => finish(cloud, place, id, running, end, STOP_GRACE).await,
    }
}

/// An instance that cannot be started goes back to where it was: stopped if it once ran, else to nothing.
fn fall_back(instance: &mut Instance, now: Timestamp, reason: Reason) -> End {
    let (state, end) = if instance.ran {
        (InstanceState::Stopping, End::Stopped)
    } else {
        (InstanceState::ShuttingDown, End::Terminated)
    };
    instance.enter(state, now, Some(reason));
    end
}

const fn end_of(state: InstanceState) -> End {
    match state {
        InstanceState::Stopping | InstanceState::Stopped => End::Stopped,
        _ => End::Terminated,
    }
}

/// Starts the metadata server and the program.
async fn run(cloud: &Arc<Cloud>, place: &Place, id: &str, image: Image) -> Result<Running, String> {
    let Some((address, serves)) = with(cloud, place, id, |instance| (instance.address, instance.serves_metadata()))
    else {
        return Err("the instance is gone".to_owned());
    };
    let metadata = if serves {
        let at = SocketAddr::from((address, 0));
        let around = (cloud.clock.clone(), cloud.chance.fork());
        let served = MetadataServer::start(&cloud.network, at, facts::source(cloud, place, id), around).await;
        Some(Arc::new(served.map_err(|error| format!("cannot serve instance metadata on {address}: {error}"))?))
    } else {
        None
    };
    let launch = with(cloud, place, id, |instance| Launch {
        image_id: instance.image_id.clone(),
        image,
        address: instance.address.into(),
        instance_id: instance.id.clone(),
        user_data: instance.settings.user_data.as_deref().and_then(text_of),
        metadata: metadata.as_ref().map(|server| server.address()),
        log: cloud.logs.as_ref().map(|folder| folder.join(format!("{}.log", instance.id))),
    });
    let launch = launch.ok_or("the instance is gone")?;
    let machine = Machine::start(&launch, &cloud.network).await.map_err(|error| {
        tracing::warn!(instance = id, %error, "the instance did not start");
        error.to_string()
    })?;
    Ok((Arc::new(machine), metadata))
}

/// What can be an environment variable; anything else is in the metadata only.
fn text_of(encoded: &str) -> Option<String> {
    let text = String::from_utf8(decode(encoded).ok()?).ok()?;
    (!text.contains('\0')).then_some(text)
}

/// Ends what runs; then the instance is stopped or terminated.
async fn finish(cloud: &Arc<Cloud>, place: &Place, id: &str, running: Option<Running>, end: End, grace: Duration) {
    if let Some((machine, metadata)) = running {
        machine.stop(grace).await;
        close(metadata.as_deref());
    }
    let now = cloud.clock.now();
    {
        let mut world = cloud.world();
        let (region, block) = world.region(place);
        if let Some(instance) = region.ec2.instances.get_mut(id) {
            let reason = instance.reason.take();
            match end {
                End::Stopped if instance.state == InstanceState::Stopping => {
                    instance.enter(InstanceState::Stopped, now, reason);
                }
                End::Terminated if instance.state == InstanceState::ShuttingDown => {
                    instance.enter(InstanceState::Terminated, now, reason);
                    block.release(instance.address);
                    region.ec2.terminated.push_back((now, id.to_owned()));
                }
                End::Stopped | End::Terminated => instance.reason = reason,
            }
        }
    }
    tell(cloud, place, id);
    settle(cloud, place);
}

/// Copies of the world, for stale reads, may hold it still.
fn close(metadata: Option<&MetadataServer>) {
    if let Some(metadata) = metadata {
        metadata.close();
    }
}

/// Lets the load balancers see what has changed.
fn settle(cloud: &Cloud, place: &Place) {
    {
        let mut world = cloud.world();
        let (region, _) = world.region(place);
        region.elb.settle(&region.ec2);
    }
    cloud.changed();
}

/// Tells the observer what state an instance is in now.
fn tell(cloud: &Cloud, place: &Place, id: &str) {
    if let Some(state) = with(cloud, place, id, |instance| instance.state.name()) {
        cloud.tell(&Seen::Instance { id, state });
    }
}

fn with<T>(cloud: &Cloud, place: &Place, id: &str, look: impl FnOnce(&mut Instance) -> T) -> Option<T> {
    let mut world = cloud.world();
    let (region, _) = world.region(place);
    region.ec2.instances.get_mut(id).map(look)
}

/// Begins to end an instance that is in a state to be ended; `hard` leaves its program no time.
pub(super) fn end(ctx: &mut Ctx<'_>, id: &str, end: End, reason: Reason, hard: bool) {
    let (now, place) = (ctx.cloud.clock.now(), ctx.region.place());
    let Some(instance) = ctx.region.ec2.instances.get_mut(id) else { return };
    let pending = instance.state == InstanceState::Pending;
    let next = if end == End::Stopped { InstanceState::Stopping } else { InstanceState::ShuttingDown };
    instance.enter(next, now, Some(reason));
    // A pending one is ended by the task that starts it.
    if pending {
        return;
    }
    let running = instance.machine.take().map(|machine| (machine, instance.metadata.take()));
    let grace = if hard { Duration::ZERO } else { STOP_GRACE };
    let (cloud, id) = (ctx.cloud.clone(), id.to_owned());
    ctx.cloud.spawn(async move { finish(&cloud, &place, &id, running, end, grace).await });
}

/// Ends the program of a running instance and starts it again.
pub(super) fn reboot(ctx: &Ctx<'_>, id: &str, image: Image) {
    let (cloud, place, id) = (ctx.cloud.clone(), ctx.region.place(), id.to_owned());
    ctx.cloud.spawn(async move {
        let before = with(&cloud, &place, &id, |instance| (instance.machine.take(), instance.metadata.take()));
        let Some((Some(machine), metadata)) = before else { return };
        machine.stop(STOP_GRACE).await;
        close(metadata.as_deref());
        resume(&cloud, &place, &id, image).await;
    });
}

/// Starts the program of an instance that is `running` already.
async fn resume(cloud: &Arc<Cloud>, place: &Place, id: &str, image: Image) {
    match run(cloud, place, id, image).await {
        // As a server that does not come up again after a reboot: it runs, and does not answer.
        Err(error) => tracing::warn!(instance = id, error, "the instance does not come up again"),
        Ok(running) => {
            let mut running = Some(running);
            let end = with(cloud, place, id, |instance| {
                if instance.state == InstanceState::Running
                    && let Some((machine, metadata)) = running.take()
                {
                    (instance.machine, instance.metadata) = (Some(machine), metadata);
                }
            });
            if let (Some(()), Some((machine, metadata))) = (end, running) {
                machine.stop(STOP_GRACE).await;
                close(metadata.as_deref());
            }
        }
    }
    settle(cloud, place);
}

/// Starts again what the state says was under way when it was saved.
pub(super) fn revive(ctx: &mut Ctx<'_>) {
    let place = ctx.region.place();
    let now = ctx.cloud.clock.now();
    let all: Vec<(String, String, InstanceState, Timestamp)> = (ctx.region.ec2.instances.values())
        .map(|each| (each.id.clone(), each.image_id.clone(), each.state, each.since))
        .collect();
    for (id, image_id, state, since) in all {
        if let (false, Some(instance)) = (state == InstanceState::Terminated, ctx.region.ec2.instances.get(&id)) {
            ctx.block.take(instance.address);
        }
        let image = super::images::program(ctx, &image_id);
        let (cloud, place) = (ctx.cloud.clone(), place.clone());
        match (state, image) {
            (InstanceState::Stopped | InstanceState::Terminated, _) => {}
            (InstanceState::Stopping, _) => {
                ctx.cloud.spawn(async move { finish(&cloud, &place, &id, None, End::Stopped, STOP_GRACE).await });
            }
            (InstanceState::ShuttingDown, _) => {
                ctx.cloud.spawn(async move { finish(&cloud, &place, &id, None, End::Terminated, STOP_GRACE).await });
            }
            (InstanceState::Pending, Some(image)) => {
                let ready = (since + cloud.timing.run).max(now);
                ctx.cloud.spawn(async move { bring_up(&cloud, &place, &id, image, ready).await });
            }
            (InstanceState::Running, Some(image)) => {
                ctx.cloud.spawn(async move { resume(&cloud, &place, &id, image).await });
            }
            (InstanceState::Pending | InstanceState::Running, None) => {
                tracing::warn!(instance = id, image = image_id, "no program: the image is not in the catalogue");
            }
        }
    }
}
