//! The public parameters of AWS's machine images, as far as the image catalogue has one for them.
//!
//! AWS keeps the id of the newest Amazon Linux under well-known names. Here they name the image of the right
//! architecture whose id is the last one of the catalogue in alphabetical order.

use std::collections::BTreeSet;

use super::Ctx;
use super::parameter::{Hidden, Kind, Parameter, Tier, Version};
use crate::dev::machine::{Architecture, ImageState};
use crate::dev::model::tags::Tags;

const PATH: &str = "/aws/service/ami-amazon-linux-latest/";

/// Names under [`PATH`], and which architecture they are for.
const NAMES: [(&str, Architecture); 12] = [
    ("al2023-ami-kernel-6.1-arm64", Architecture::Arm64),
    ("al2023-ami-kernel-6.1-x86_64", Architecture::X86_64),
    ("al2023-ami-kernel-default-arm64", Architecture::Arm64),
    ("al2023-ami-kernel-default-x86_64", Architecture::X86_64),
    ("al2023-ami-minimal-kernel-default-arm64", Architecture::Arm64),
    ("al2023-ami-minimal-kernel-default-x86_64", Architecture::X86_64),
    ("amzn2-ami-hvm-arm64-gp2", Architecture::Arm64),
    ("amzn2-ami-hvm-x86_64-ebs", Architecture::X86_64),
    ("amzn2-ami-hvm-x86_64-gp2", Architecture::X86_64),
    ("amzn2-ami-kernel-5.10-hvm-arm64-gp2", Architecture::Arm64),
    ("amzn2-ami-kernel-5.10-hvm-x86_64-ebs", Architecture::X86_64),
    ("amzn2-ami-kernel-5.10-hvm-x86_64-gp2", Architecture::X86_64),
];

/// All of them that there is an image for.
pub(super) fn all(ctx: &Ctx<'_>) -> Vec<Parameter> {
    NAMES.iter().filter_map(|(name, architecture)| of(ctx, name, *architecture)).collect()
}

/// The one of this name.
pub(super) fn parameter(ctx: &Ctx<'_>, name: &str) -> Option<Parameter> {
    let name = name.strip_prefix(PATH)?;
    let (name, architecture) = NAMES.iter().find(|(known, _)| *known == name)?;
    of(ctx, name, *architecture)
}

fn of(ctx: &Ctx<'_>, name: &str, architecture: Architecture) -> Option<Parameter> {
    let id = {
        let catalogue = ctx.cloud.catalogue();
        let fits = catalogue
            .images
            .iter()
            .filter(|(_, image)| image.architecture == architecture && image.state == ImageState::Available);
        fits.map(|(id, _)| id.clone()).next_back()?
    };
    let version = Version {
        version: 1,
        value: Hidden(id),
        description: None,
        allowed_pattern: None,
        key: None,
        tier: Tier::Standard,
        labels: BTreeSet::new(),
        at: ctx.cloud.started,
        by: "Amazon Web Services".to_owned(),
    };
    Some(Parameter {
        name: format!("{PATH}{name}"),
        // Public parameters belong to no account.
        arn: format!("arn:aws:ssm:{}::parameter{PATH}{name}", ctx.region.name),
        kind: Kind::String,
        data_type: "aws:ec2:image".to_owned(),
        tags: Tags::new(),
        versions: vec![version],
    })
}
