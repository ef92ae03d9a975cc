//! `DescribeImages`.

use serde::Deserialize;

use super::{View, all, existing, iso, state_name, told_after};
use crate::dev::machine::ImageState;
use crate::dev::model::ec2::filter::{Filter, Filters, one, some};
use crate::dev::model::ec2::placement::architecture_name;
use crate::dev::model::ec2::{ROOT_DEVICE, paged};
use crate::dev::model::tags::ec2_tag_set;
use crate::dev::model::{Answer, Ctx};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    image_id: Vec<String>,
    #[serde(default)]
    owner: Vec<String>,
    #[serde(default)]
    executable_by: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    #[serde(default)]
    include_deprecated: bool,
    #[serde(default)]
    include_disabled: bool,
    next_token: Option<String>,
    max_results: Option<u32>,
}

pub(crate) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    for id in &input.image_id {
        existing(ctx, id)?;
    }
    let (account, now) = (&ctx.region.account, ctx.cloud.clock.now());
    let owned = |view: &View| {
        let is = |owner: &String| {
            (owner == "self" && view.owner == *account)
                || view.owner == *owner
                || view.program.owner_alias() == Some(owner)
        };
        input.owner.is_empty() || input.owner.iter().any(is)
    };
    let executable = |view: &View| {
        let may = |who: &String| match who.as_str() {
            "self" => view.record.accounts.contains(account),
            "all" => is_public(view),
            other => view.record.accounts.iter().any(|own| own == other),
        };
        input.executable_by.is_empty() || input.executable_by.iter().any(may)
    };
    // What is named is told; what is listed leaves out what is disabled, and what is deprecated and not one's own.
    let listed = |view: &View| {
        let named = input.image_id.contains(&view.id);
        let hidden = (view.state == ImageState::Disabled && !input.include_disabled)
            || (view.deprecated && view.owner != *account && !input.include_deprecated);
        named || (input.image_id.is_empty() && !hidden)
    };
    let found = all(ctx).into_iter().filter(|view| listed(view) && owned(view) && executable(view));
    let found = filters().select(&input.filter, found)?;
    let pages = (input.next_token.as_deref(), input.max_results);
    let account = account.clone();
    paged(
        found,
        |view| view.id.clone(),
        pages,
        "imagesSet",
        |xml, view| {
            let (record, program) = (&view.record, &view.program);
            xml.leaf("imageId", &view.id).leaf("imageState", state_name(view.state)).leaf("imageOwnerId", &view.owner);
            xml.leaf("imageLocation", format_args!("{}/{}", view.owner, view.name));
            xml.leaf_if("imageOwnerAlias", program.owner_alias());
            xml.leaf("imageType", "machine").leaf("isPublic", is_public(&view));
            xml.leaf("architecture", architecture_name(program.architecture)).leaf("name", &view.name);
            xml.leaf_if("description", record.description.as_ref()).leaf("creationDate", &view.created);
            xml.leaf("rootDeviceType", "ebs").leaf("rootDeviceName", ROOT_DEVICE).leaf("virtualizationType", "hvm");
            xml.leaf("hypervisor", "xen").leaf("enaSupport", true).leaf("platformDetails", "Linux/UNIX");
            xml.leaf("usageOperation", "RunInstances");
            xml.leaf_if("deprecationTime", record.deprecation.map(iso));
            let protection = if record.protected { "enabled-without-cooldown" } else { "disabled" };
            xml.leaf("deregistrationProtection", protection);
            if view.owner == account {
                xml.leaf_if("lastLaunchedTime", record.last_launched.filter(|at| told_after(*at) <= now).map(iso));
            }
            let made = record.made.as_ref();
            xml.leaf_if("sourceInstanceId", made.and_then(|made| made.instance.as_ref()));
            let devices = made.map(|made| made.devices.as_slice()).unwrap_or_default();
            xml.list("blockDeviceMapping", "item", devices, |xml, device| device.write(xml));
            if view.state == ImageState::Failed {
                xml.node("stateReason", |xml| {
                    xml.leaf("code", "Server.InternalError").leaf("message", "Making the image failed");
                });
            }
            ec2_tag_set(xml, &record.tags);
        },
    )
}

fn is_public(view: &View) -> bool {
    view.record.public || view.program.owner.is_some()
}

fn filters<'a>() -> Filters<'a, View> {
    Filters {
        of: &[
            ("image-id", |view| one(&view.id)),
            ("name", |view| one(&view.name)),
            ("description", |view| some(view.record.description.as_ref())),
            ("state", |view| one(state_name(view.state))),
            ("architecture", |view| one(architecture_name(view.program.architecture))),
            ("owner-id", |view| one(&view.owner)),
            ("owner-alias", |view| some(view.program.owner_alias())),
            ("is-public", |view| one(is_public(view))),
            ("creation-date", |view| one(&view.created)),
            ("manifest-location", |view| one(format!("{}/{}", view.owner, view.name))),
            ("source-instance-id", |view| some(view.record.made.as_ref().and_then(|made| made.instance.as_ref()))),
            ("image-type", |_| one("machine")),
            ("ena-support", |_| one(true)),
            ("hypervisor", |_| one("xen")),
            ("root-device-name", |_| one(ROOT_DEVICE)),
            ("root-device-type", |_| one("ebs")),
            ("virtualization-type", |_| one("hvm")),
        ],
        absent: &[
            "block-device-mapping.delete-on-termination",
            "block-device-mapping.device-name",
            "block-device-mapping.encrypted",
            "block-device-mapping.snapshot-id",
            "block-device-mapping.volume-size",
            "block-device-mapping.volume-type",
            "kernel-id",
            "platform",
            "product-code",
            "product-code.type",
            "ramdisk-id",
            "source-image-id",
            "source-image-region",
            "sriov-net-support",
        ],
        tags: Some(|view| &view.record.tags),
    }
}
