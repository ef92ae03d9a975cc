//! Images: the catalogue's, which every region has, and those that were registered or made in this one.

mod attributes;
mod changes;
mod reads;

use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use super::spec::BlockDevice;
use crate::dev::machine::{Image, ImageState};
use crate::dev::model::tags::Tags;
use crate::dev::model::{Ctx, ssm};
use crate::dev::wire::ApiError;

pub(super) use attributes::{describe_attribute, modify_attribute, reset_attribute};
pub(super) use changes::{create, deprecate, deregister, disable, enable, protect, register, undeprecate, unprotect};
pub(super) use reads::describe;

/// When the images of the catalogue were made.
const CATALOGUED: &str = "2026-01-01T00:00:00.000Z";

/// What is known of an image in one region besides the catalogue's entry.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    /// For images that were made here; catalogued ones have only changes.
    made: Option<Made>,
    description: Option<String>,
    deregistered: bool,
    disabled: bool,
    deprecation: Option<Timestamp>,
    protected: bool,
    /// Launch permissions: accounts …
    accounts: Vec<String>,
    /// … or everybody.
    public: bool,
    last_launched: Option<Timestamp>,
    pub(super) tags: Tags,
}

/// An image that was made here.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Made {
    name: String,
    created: Timestamp,
    /// It is pending until then.
    ready: Timestamp,
    /// The image of the catalogue whose program it runs.
    program: String,
    /// The instance that it was made from.
    instance: Option<String>,
    devices: Vec<BlockDevice>,
}

/// An image as it is in this region now.
pub(super) struct View {
    pub(super) id: String,
    program: Image,
    name: String,
    owner: String,
    created: String,
    state: ImageState,
    record: Record,
    /// Whether it is past its deprecation.
    deprecated: bool,
}

fn state_name(state: ImageState) -> &'static str {
    match state {
        ImageState::Available => "available",
        ImageState::Pending => "pending",
        ImageState::Failed => "failed",
        ImageState::Deregistered => "deregistered",
        ImageState::Disabled => "disabled",
    }
}

fn view(ctx: &Ctx<'_>, id: &str) -> Option<View> {
    let (region, now) = (&*ctx.region, ctx.cloud.clock.now());
    let record = region.ec2.images.get(id).cloned().unwrap_or_default();
    let catalogue = ctx.cloud.catalogue();
    let program = record.made.as_ref().map_or(id, |made| made.program.as_str());
    let program = catalogue.images.get(program)?.clone();
    let (name, owner, created, state) = match &record.made {
        Some(made) => {
            let state = if now < made.ready { ImageState::Pending } else { ImageState::Available };
            (made.name.clone(), region.account.clone(), iso(made.created), state)
        }
        None => {
            let name = program.name.clone().unwrap_or_else(|| id.to_owned());
            let owner = program.owner.clone().unwrap_or_else(|| region.account.clone());
            (name, owner, CATALOGUED.to_owned(), program.state)
        }
    };
    let state = match state {
        _ if record.deregistered => ImageState::Deregistered,
        ImageState::Available if record.disabled => ImageState::Disabled,
        state => state,
    };
    let deprecated = record.deprecation.is_some_and(|at| at <= now);
    Some(View { id: id.to_owned(), program, name, owner, created, state, record, deprecated })
}

fn all(ctx: &Ctx<'_>) -> Vec<View> {
    let mut ids: Vec<String> = ctx.cloud.catalogue().images.keys().cloned().collect();
    ids.extend(ctx.region.ec2.images.iter().filter(|(_, record)| record.made.is_some()).map(|(id, _)| id.clone()));
    ids.sort();
    ids.iter().filter_map(|id| view(ctx, id)).filter(|view| view.state != ImageState::Deregistered).collect()
}

/// As EC2 writes the times of images: to the millisecond.
fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// The image `id`, unless it does not exist or has been withdrawn.
fn existing(ctx: &Ctx<'_>, id: &str) -> Result<View, ApiError> {
    if !id.strip_prefix("ami-").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err(ApiError::new("InvalidAMIID.Malformed", format!("Invalid id: \"{id}\" (expecting \"ami-...\")")));
    }
    match view(ctx, id) {
        Some(image) if image.state != ImageState::Deregistered => Ok(image),
        _ => Err(ApiError::new("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"))),
    }
}

/// The same, if it is the caller's own.
fn own(ctx: &Ctx<'_>, id: &str) -> Result<View, ApiError> {
    let image = existing(ctx, id)?;
    if image.owner == ctx.region.account {
        return Ok(image);
    }
    Err(ApiError::new("AuthFailure", format!("Not authorized for image:{id}")).status(403))
}

/// Whether there is such an image to put tags on.
pub(super) fn exists(ctx: &Ctx<'_>, id: &str) -> bool {
    existing(ctx, id).is_ok()
}

/// The image `id`, if instances can be launched from it.
pub(super) fn launchable(ctx: &Ctx<'_>, id: &str) -> Result<Image, ApiError> {
    let image = existing(ctx, id)?;
    if image.state == ImageState::Available {
        return Ok(image.program);
    }
    let said = format!("The image id '[{id}]' is not available: its state is {}", state_name(image.state));
    Err(ApiError::new("InvalidAMIID.Unavailable", said))
}

/// The program of an image, whatever became of the image: instances can be stopped and started without it.
pub(super) fn program(ctx: &Ctx<'_>, id: &str) -> Option<Image> {
    view(ctx, id).map(|view| view.program)
}

/// Notes a launch; AWS tells it a day later.
pub(super) fn launched(ctx: &mut Ctx<'_>, id: &str, now: Timestamp) {
    ctx.region.ec2.images.entry(id.to_owned()).or_default().last_launched = Some(now);
}

/// When a launch was a day ago.
fn told_after(launch: Timestamp) -> Timestamp {
    launch.checked_add(Span::new().hours(24)).unwrap_or(Timestamp::MAX)
}

/// The image id that a launch means: `resolve:ssm:NAME` stands for a parameter's value at this moment.
pub(super) fn resolve(ctx: &Ctx<'_>, text: &str) -> Result<String, ApiError> {
    let Some(name) = text.strip_prefix("resolve:ssm:") else { return Ok(text.to_owned()) };
    ssm::resolve(ctx, name).map_err(|error| {
        ApiError::ec2_value(format!(
            "Invalid value 'resolve:ssm:{name}' for imageId: the Systems Manager parameter cannot be read ({})",
            error.message
        ))
    })
}
