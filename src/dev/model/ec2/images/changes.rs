//! Registering, making, withdrawing, disabling and deprecating images.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Made, all, existing, own};
use crate::dev::machine::ImageState;
use crate::dev::model::ec2::spec::BlockDevice;
use crate::dev::model::ec2::tagging::{TagSpecification, tags_for};
use crate::dev::model::ec2::{Record, done, images, lifecycle};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Register {
    name: String,
    /// Id of a catalogued image; the new one runs the same program. (On AWS: the manifest of the image's content.)
    image_location: String,
    description: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Create {
    instance_id: String,
    name: String,
    description: Option<String>,
    #[serde(default)]
    no_reboot: bool,
    #[serde(default)]
    block_device_mapping: Vec<BlockDevice>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct One {
    image_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Deprecate {
    image_id: String,
    deprecate_at: Timestamp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Protect {
    image_id: String,
    #[serde(default)]
    with_cooldown: bool,
}

/// The record of an image, made where there is none yet.
fn record<'a>(ctx: &'a mut Ctx<'_>, id: &str) -> &'a mut Record {
    ctx.region.ec2.images.entry(id.to_owned()).or_default()
}

fn check_name(ctx: &Ctx<'_>, name: &str) -> Result<(), ApiError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "()[] ./-'@_".contains(c);
    if !(3..=128).contains(&name.len()) || !name.chars().all(allowed) {
        return Err(ApiError::new(
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '.', '-', \
             '/' and '_'",
        ));
    }
    match all(ctx).iter().find(|view| view.name == name && view.owner == ctx.region.account) {
        None => Ok(()),
        Some(other) => {
            let said = format!("AMI name {name} is already in use by AMI {}", other.id);
            Err(ApiError::new("InvalidAMIName.Duplicate", said))
        }
    }
}

fn answer(id: &str) -> Xml {
    let mut xml = Xml::default();
    xml.leaf("imageId", id);
    xml
}

pub(crate) fn register(ctx: &mut Ctx<'_>, input: Register) -> Answer {
    let from = existing(ctx, &input.image_location)?;
    check_name(ctx, &input.name)?;
    let now = ctx.cloud.clock.now();
    let tags = tags_for("image", &input.tag_specification)?;
    let id = ctx.cloud.chance.resource_id("ami");
    let program = from.record.made.map_or(from.id, |made| made.program);
    let made = Made { name: input.name, created: now, ready: now, program, instance: None, devices: Vec::new() };
    *record(ctx, &id) = Record { made: Some(made), description: input.description, tags, ..Record::default() };
    Ok(answer(&id))
}

/// The new image runs the same program as the instance: there is no disk that could have changed.
pub(crate) fn create(ctx: &mut Ctx<'_>, input: Create) -> Answer {
    let now = ctx.cloud.clock.now();
    ctx.region.ec2.check_instances(std::slice::from_ref(&input.instance_id), now)?;
    check_name(ctx, &input.name)?;
    let instance = &ctx.region.ec2.instances[&input.instance_id];
    if instance.state.is_over() || !instance.ran {
        let said = format!("The instance '{}' is not in a state from which an image can be made.", instance.id);
        return Err(ApiError::new("IncorrectState", said));
    }
    let devices = if input.block_device_mapping.is_empty() {
        instance.volumes.iter().map(|volume| volume.device.clone()).collect()
    } else {
        input.block_device_mapping
    };
    let (from, runs) = (instance.image_id.clone(), instance.state == crate::dev::model::ec2::InstanceState::Running);
    let program = ctx.region.ec2.images.get(&from).and_then(|record| record.made.as_ref());
    let program = program.map_or_else(|| from.clone(), |made| made.program.clone());
    let image_tags: Vec<_> =
        input.tag_specification.into_iter().filter(|tags| tags.resource_type != "snapshot").collect();
    let tags = tags_for("image", &image_tags)?;
    let id = ctx.cloud.chance.resource_id("ami");
    let ready = now + ctx.cloud.timing.run;
    let made =
        Made { name: input.name, created: now, ready, program, instance: Some(input.instance_id.clone()), devices };
    *record(ctx, &id) = Record { made: Some(made), description: input.description, tags, ..Record::default() };
    if let (false, true, Some(image)) = (input.no_reboot, runs, images::program(ctx, &from)) {
        lifecycle::reboot(ctx, &input.instance_id, image);
    }
    Ok(answer(&id))
}

pub(crate) fn deregister(ctx: &mut Ctx<'_>, input: One) -> Answer {
    let image = own(ctx, &input.image_id)?;
    if image.record.protected {
        let said = format!("The image '{}' has deregistration protection", image.id);
        return Err(ApiError::new("OperationNotPermitted", said));
    }
    let record = record(ctx, &input.image_id);
    record.deregistered = true;
    record.tags.clear();
    Ok(done())
}

pub(crate) fn disable(ctx: &mut Ctx<'_>, input: One) -> Answer {
    let image = own(ctx, &input.image_id)?;
    if !matches!(image.state, ImageState::Available | ImageState::Disabled) {
        let said = format!("The image '{}' is not available", image.id);
        return Err(ApiError::new("InvalidAMIID.Unavailable", said));
    }
    let record = record(ctx, &input.image_id);
    record.disabled = true;
    // A disabled image is private.
    record.public = false;
    record.accounts.clear();
    Ok(done())
}

pub(crate) fn enable(ctx: &mut Ctx<'_>, input: One) -> Answer {
    own(ctx, &input.image_id)?;
    record(ctx, &input.image_id).disabled = false;
    Ok(done())
}

pub(crate) fn deprecate(ctx: &mut Ctx<'_>, input: Deprecate) -> Answer {
    own(ctx, &input.image_id)?;
    if input.deprecate_at < ctx.cloud.clock.now() {
        return Err(ApiError::ec2_value("DeprecateAt must be a date in the future"));
    }
    record(ctx, &input.image_id).deprecation = Some(input.deprecate_at);
    Ok(done())
}

pub(crate) fn undeprecate(ctx: &mut Ctx<'_>, input: One) -> Answer {
    own(ctx, &input.image_id)?;
    record(ctx, &input.image_id).deprecation = None;
    Ok(done())
}

fn told(state: &str) -> Xml {
    let mut xml = Xml::default();
    xml.leaf("return", state);
    xml
}

pub(crate) fn protect(ctx: &mut Ctx<'_>, input: Protect) -> Answer {
    own(ctx, &input.image_id)?;
    if input.with_cooldown {
        return Err(ApiError::ec2_value("The dev cloud does not model a cooldown of deregistration protection"));
    }
    record(ctx, &input.image_id).protected = true;
    Ok(told("enabled-without-cooldown"))
}

pub(crate) fn unprotect(ctx: &mut Ctx<'_>, input: One) -> Answer {
    own(ctx, &input.image_id)?;
    record(ctx, &input.image_id).protected = false;
    Ok(told("disabled"))
}
