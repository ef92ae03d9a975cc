//! Images: entries of the catalogue, which programs stand behind.

use serde::Deserialize;

use super::filter::{self, Filter};
use super::paged;
use super::placement::architecture_name;
use super::tagging::{TagSpecification, tags_for};
use crate::dev::machine::{Image, ImageState};
use crate::dev::model::tags::{Tags, ec2_tag_set};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    image_id: Vec<String>,
    #[serde(default)]
    owner: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    /// No image here is deprecated or disabled, so these two change nothing.
    #[serde(rename = "IncludeDeprecated")]
    _include_deprecated: Option<bool>,
    #[serde(rename = "IncludeDisabled")]
    _include_disabled: Option<bool>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Register {
    name: String,
    /// Id of a catalogued image; the new one runs the same program. (On AWS: the manifest of the image's content.)
    image_location: String,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Deregister {
    image_id: String,
}

const fn state_name(state: ImageState) -> &'static str {
    match state {
        ImageState::Available => "available",
        ImageState::Pending => "pending",
        ImageState::Failed => "failed",
        ImageState::Deregistered => "deregistered",
    }
}

/// The image `id`, unless it does not exist or has been withdrawn.
fn existing(ctx: &Ctx<'_>, id: &str) -> Result<Image, ApiError> {
    if !id.strip_prefix("ami-").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err(ApiError::new("InvalidAMIID.Malformed", format!("Invalid id: \"{id}\" (expecting \"ami-...\")")));
    }
    match ctx.cloud.catalogue().images.get(id) {
        Some(image) if image.state != ImageState::Deregistered => Ok(image.clone()),
        _ => Err(ApiError::new("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"))),
    }
}

/// The image `id`, if instances can be launched from it.
pub(super) fn launchable(ctx: &Ctx<'_>, id: &str) -> Result<Image, ApiError> {
    let image = existing(ctx, id)?;
    if image.state == ImageState::Available {
        return Ok(image);
    }
    let said = format!("The image id '[{id}]' is not available: its state is {}", state_name(image.state));
    Err(ApiError::new("InvalidAMIID.Unavailable", said))
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    filter::check(&input.filter, &["image-id", "name", "state", "architecture", "owner-id"])?;
    for id in &input.image_id {
        existing(ctx, id)?;
    }
    let ours =
        input.owner.is_empty() || input.owner.iter().any(|owner| owner == "self" || *owner == ctx.region.account);
    let none = Tags::new();
    let (catalogue, tags) = (ctx.cloud.catalogue(), &ctx.region.ec2.image_tags);
    let found = catalogue.images.iter().filter(|(id, image)| {
        ours && image.state != ImageState::Deregistered
            && (input.image_id.is_empty() || input.image_id.contains(id))
            && filter::passes(&input.filter, tags.get(*id).unwrap_or(&none), |name| match name {
                "image-id" => vec![id.as_str()],
                "name" => vec![image.name.as_ref().unwrap_or(id).as_str()],
                "state" => vec![state_name(image.state)],
                "architecture" => vec![architecture_name(image.architecture)],
                _ => vec![ctx.region.account.as_str()],
            })
    });
    let pages = (input.next_token.as_deref(), input.max_results);
    paged(
        found.collect(),
        |(id, _)| (*id).clone(),
        pages,
        "imagesSet",
        |xml, (id, image)| {
            xml.leaf("imageId", id)
                .leaf("imageState", state_name(image.state))
                .leaf("imageOwnerId", &ctx.region.account);
            xml.leaf("imageType", "machine").leaf("isPublic", false);
            xml.leaf("architecture", architecture_name(image.architecture));
            xml.leaf("name", image.name.as_ref().unwrap_or(id)).leaf("rootDeviceType", "ebs");
            xml.leaf("virtualizationType", "hvm").leaf("creationDate", "2026-01-01T00:00:00.000Z");
            ec2_tag_set(xml, tags.get(id).unwrap_or(&none));
        },
    )
}

pub(super) fn register(ctx: &mut Ctx<'_>, input: Register) -> Answer {
    let mut image = existing(ctx, &input.image_location)?;
    let mut catalogue = ctx.cloud.catalogue();
    let taken = |other: &Image| other.state != ImageState::Deregistered && other.name.as_ref() == Some(&input.name);
    if let Some((id, _)) = catalogue.images.iter().find(|(_, other)| taken(other)) {
        let said = format!("AMI name {} is already in use by AMI {id}", input.name);
        return Err(ApiError::new("InvalidAMIName.Duplicate", said));
    }
    let tags = tags_for("image", &input.tag_specification)?;
    let id = ctx.cloud.chance.resource_id("ami");
    image.name = Some(input.name);
    catalogue.images.insert(id.clone(), image);
    ctx.region.ec2.image_tags.insert(id.clone(), tags);
    let mut xml = Xml::default();
    xml.leaf("imageId", id);
    Ok(xml)
}

pub(super) fn deregister(ctx: &mut Ctx<'_>, input: Deregister) -> Answer {
    existing(ctx, &input.image_id)?;
    if let Some(image) = ctx.cloud.catalogue().images.get_mut(&input.image_id) {
        image.state = ImageState::Deregistered;
    }
    ctx.region.ec2.image_tags.remove(&input.image_id);
    let mut xml = Xml::default();
    xml.leaf("return", true);
    Ok(xml)
}
