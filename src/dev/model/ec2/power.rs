//! `TerminateInstances`, `StopInstances`, `StartInstances` and `RebootInstances`.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::instance::{InstanceState, Reason};
use super::lifecycle::{self, End};
use super::placement::instance_type;
use super::{Instance, images};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Terminate {
    instance_id: Vec<String>,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    skip_os_shutdown: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Stop {
    instance_id: Vec<String>,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    skip_os_shutdown: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Ids {
    instance_id: Vec<String>,
}

type Change<'a> = (&'a String, InstanceState, InstanceState);

fn write(changes: Vec<Change<'_>>) -> Xml {
    let mut xml = Xml::default();
    xml.list("instancesSet", "item", changes, |xml, (id, before, after)| {
        xml.leaf("instanceId", id);
        xml.node("currentState", |xml| after.write(xml));
        xml.node("previousState", |xml| before.write(xml));
    });
    xml
}

fn state(ctx: &Ctx<'_>, id: &str) -> InstanceState {
    ctx.region.ec2.instances.get(id).map_or(InstanceState::Terminated, |instance| instance.state)
}

fn check(ctx: &Ctx<'_>, ids: &[String]) -> Result<(), ApiError> {
    if ids.is_empty() {
        return Err(ApiError::new("MissingParameter", "The request must contain the parameter InstanceId"));
    }
    ctx.region.ec2.check_instances(ids, ctx.cloud.clock.now())
}

fn incorrect(id: &str, what: &str) -> ApiError {
    let said = format!("The instance '{id}' is not in a state from which it can be {what}.");
    ApiError::new("IncorrectInstanceState", said)
}

fn protected(id: &str, what: &str, attribute: &str) -> ApiError {
    let said =
        format!("The instance '{id}' may not be {what}. Modify its '{attribute}' instance attribute and try again.");
    ApiError::new("OperationNotPermitted", said)
}

pub(super) fn terminate(ctx: &mut Ctx<'_>, input: Terminate) -> Answer {
    check(ctx, &input.instance_id)?;
    let of = |id: &String| -> Option<&Instance> { ctx.region.ec2.instances.get(id) };
    let is_protected = |instance: &&Instance| instance.settings.disable_termination && !instance.state.is_over();
    let kept: Vec<&Instance> = input.instance_id.iter().filter_map(of).filter(is_protected).collect();
    let refusal = kept.first().map(|instance| protected(&instance.id, "terminated", "disableApiTermination"));
    // A protected instance saves all those of the call that are in its zone, and only those.
    let zones: BTreeSet<String> = kept.iter().map(|instance| instance.zone.clone()).collect();
    let mut changes = Vec::new();
    for id in &input.instance_id {
        let Some(instance) = ctx.region.ec2.instances.get(id) else { continue };
        if zones.contains(&instance.zone) {
            continue;
        }
        let before = instance.state;
        if !before.is_over() {
            lifecycle::end(ctx, id, End::Terminated, Reason::user(), input.force || input.skip_os_shutdown);
        }
        changes.push((id, before, state(ctx, id)));
    }
    match refusal {
        None => Ok(write(changes)),
        Some(refusal) => {
            // The call fails, and has had an effect all the same.
            ctx.region.elb.settle(&ctx.region.ec2);
            ctx.cloud.changed();
            Err(refusal)
        }
    }
}

pub(super) fn stop(ctx: &mut Ctx<'_>, input: Stop) -> Answer {
    check(ctx, &input.instance_id)?;
    for id in &input.instance_id {
        let instance = &ctx.region.ec2.instances[id];
        match instance.state {
            InstanceState::Running | InstanceState::Stopping | InstanceState::Stopped => {}
            InstanceState::Pending | InstanceState::ShuttingDown | InstanceState::Terminated => {
                return Err(incorrect(id, "stopped"));
            }
        }
        if instance.settings.disable_stop {
            return Err(protected(id, "stopped", "disableApiStop"));
        }
    }
    let mut changes = Vec::new();
    for id in &input.instance_id {
        let before = state(ctx, id);
        if before == InstanceState::Running {
            lifecycle::end(ctx, id, End::Stopped, Reason::user(), input.force || input.skip_os_shutdown);
        }
        changes.push((id, before, state(ctx, id)));
    }
    Ok(write(changes))
}

pub(super) fn start(ctx: &mut Ctx<'_>, input: Ids) -> Answer {
    check(ctx, &input.instance_id)?;
    for id in &input.instance_id {
        match state(ctx, id) {
            InstanceState::Pending | InstanceState::Running | InstanceState::Stopped => {}
            InstanceState::Stopping | InstanceState::ShuttingDown | InstanceState::Terminated => {
                return Err(incorrect(id, "started"));
            }
        }
    }
    let mut changes = Vec::new();
    for id in &input.instance_id {
        let before = state(ctx, id);
        if before == InstanceState::Stopped {
            start_one(ctx, id)?;
        }
        changes.push((id, before, state(ctx, id)));
    }
    Ok(write(changes))
}

/// Starts a stopped instance.
pub(super) fn start_one(ctx: &mut Ctx<'_>, id: &str) -> Result<(), ApiError> {
    let now = ctx.cloud.clock.now();
    let instance = &ctx.region.ec2.instances[id];
    let kind = instance_type(&instance.instance_type)?;
    let room = ctx.region.ec2.room(&ctx.region.name, &instance.zone, &kind, (1, 1))?;
    let gone = || ApiError::new("InternalError", format!("The image of {id} is not in the catalogue")).status(500);
    let image = images::program(ctx, &instance.image_id).ok_or_else(gone)?;
    if let Some(instance) = ctx.region.ec2.instances.get_mut(id) {
        instance.doomed = room.doomed > 0;
        instance.launched = now;
        instance.enter(InstanceState::Pending, now, None);
    }
    lifecycle::start(ctx.cloud, &ctx.region.place(), id, image);
    Ok(())
}

pub(super) fn reboot(ctx: &mut Ctx<'_>, input: Ids) -> Answer {
    check(ctx, &input.instance_id)?;
    for id in &input.instance_id {
        if state(ctx, id) != InstanceState::Running {
            return Err(incorrect(id, "rebooted"));
        }
    }
    for id in &input.instance_id {
        let image = images::program(ctx, &ctx.region.ec2.instances[id].image_id);
        if let Some(image) = image {
            lifecycle::reboot(ctx, id, image);
        }
    }
    let mut xml = Xml::default();
    xml.leaf("return", true);
    Ok(xml)
}
