//! `RunInstances`: what it checks, what a client token means, what it makes.

use serde::Deserialize;

use super::images::launchable;
use super::instance::{Instance, InstanceState, write_reservation};
use super::lifecycle;
use super::placement::{architecture_name, instance_type};
use super::tagging::{self, TagSpecification};
use super::templates::{TemplateData, TemplateRef};
use crate::dev::machine::Launch;
use crate::dev::model::tags::Tags;
use crate::dev::model::{Answer, Ctx, Region};
use crate::dev::wire::{ApiError, Node, Xml};

/// What a client token stands for from its first use on.
#[derive(Debug)]
pub(super) struct Remembered {
    request: Node,
    reservation: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct RunInstances {
    image_id: Option<String>,
    instance_type: Option<String>,
    min_count: u32,
    max_count: u32,
    subnet_id: Option<String>,
    client_token: Option<String>,
    launch_template: Option<TemplateRef>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
    #[serde(default)]
    security_group_id: Vec<String>,
    user_data: Option<String>,
}

/// EC2's limit for user data before encoding.
const USER_DATA_BYTES_MAX: usize = 16 * 1024;
/// More than this in one call is a mistake here: each instance is a process.
const LAUNCH_MAX: u32 = 200;

pub(super) fn run_instances(ctx: &mut Ctx<'_>, input: RunInstances, form: &Node) -> Answer {
    let (min, max) = (input.min_count, input.max_count);
    if min == 0 || max < min || max > LAUNCH_MAX {
        return Err(ApiError::ec2_value(format!(
            "minCount {min} and maxCount {max} are invalid: expected 1 <= minCount <= maxCount <= {LAUNCH_MAX}"
        )));
    }
    let subnet_id = input.subnet_id.ok_or_else(|| {
        ApiError::new("MissingInput", "No default subnet for this user: the request must name a SubnetId")
    })?;
    let (zone, vpc, cidr) = {
        let subnet = ctx.region.ec2.subnet(&subnet_id)?;
        (subnet.zone.clone(), subnet.vpc.clone(), subnet.cidr)
    };
    // Naming a subnet makes the token zonal: another zone is another launch.
    let token = match input.client_token {
        Some(token) if token.is_empty() || token.len() > 64 || !token.is_ascii() => {
            return Err(ApiError::ec2_value("clientToken must be 1 to 64 ASCII characters"));
        }
        token => token,
    };
    if let Some(token) = &token
        && let Some(known) = ctx.region.ec2.tokens.get(&(zone.clone(), token.clone()))
    {
        if known.request != *form {
            return Err(ApiError::new(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            ));
        }
        return Ok(answer(ctx.region, &known.reservation));
    }
    let template = match &input.launch_template {
        Some(named) => Some(ctx.region.ec2.resolve(named)?),
        None => None,
    };
    let origin = template.as_ref().map(|(id, number, _)| (id.clone(), *number));
    let from = template.map_or_else(TemplateData::default, |(_, _, data)| data);
    let missing =
        |what: &str| ApiError::new("MissingParameter", format!("The request must contain the parameter {what}"));
    let image_id = input.image_id.or(from.image_id).ok_or_else(|| missing("ImageId"))?;
    let image = launchable(ctx, &image_id)?;
    let kind = instance_type(input.instance_type.or(from.instance_type).as_deref().unwrap_or("m1.small"))?;
    if kind.architecture != image.architecture {
        return Err(ApiError::ec2_value(format!(
            "The architecture '{}' of the specified instance type does not match the architecture '{}' of the \
             specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. You \
             can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type \
             or AMI.",
            architecture_name(kind.architecture),
            architecture_name(image.architecture)
        )));
    }
    let security_groups =
        if input.security_group_id.is_empty() { from.security_group_id } else { input.security_group_id };
    security_groups.iter().try_for_each(|id| ctx.region.ec2.security_group(id).map(drop))?;
    let user_data = input.user_data.or(from.user_data).map(|encoded| decode(&encoded)).transpose()?;
    let tags = instance_tags(&from.tag_specification, &input.tag_specification, origin)?;
    let addresses: Vec<_> = std::iter::from_fn(|| ctx.block.take_in(cidr)).take(max as usize).collect();
    if addresses.len() < min as usize {
        addresses.iter().for_each(|address| ctx.block.release(*address));
        return Err(ApiError::new(
            "InsufficientFreeAddressesInSubnet",
            format!(
                "There are not enough free addresses in subnet '{subnet_id}' to satisfy the requested number of instances."
            ),
        ));
    }
    let reservation = ctx.cloud.chance.resource_id("r");
    for address in addresses {
        let id = ctx.cloud.chance.resource_id("i");
        let launch = Launch {
            image_id: image_id.clone(),
            image: image.clone(),
            address: address.into(),
            instance_id: id.clone(),
            user_data: user_data.clone(),
            log: ctx.cloud.logs.as_ref().map(|folder| folder.join(format!("{id}.log"))),
        };
        let instance = Instance {
            id: id.clone(),
            number: ctx.region.ec2.launched,
            reservation: reservation.clone(),
            image_id: image_id.clone(),
            architecture: image.architecture,
            instance_type: kind.name.to_owned(),
            subnet: subnet_id.clone(),
            vpc: vpc.clone(),
            zone: zone.clone(),
            security_groups: security_groups.clone(),
            client_token: token.clone(),
            launched: ctx.cloud.clock.now(),
            address,
            state: InstanceState::Pending,
            reason: None,
            machine: None,
            tags: tags.clone(),
        };
        ctx.region.ec2.launched += 1;
        ctx.region.ec2.instances.insert(id, instance);
        lifecycle::start(ctx.cloud, &ctx.region.place(), launch);
    }
    let xml = answer(ctx.region, &reservation);
    if let Some(token) = token {
        ctx.region.ec2.tokens.insert((zone, token), Remembered { request: form.clone(), reservation });
    }
    Ok(xml)
}

/// The instances of a launch as they are now, terminated ones too.
fn answer(region: &Region, reservation: &str) -> Xml {
    let mut launched: Vec<_> = region.ec2.instances.values().filter(|each| each.reservation == reservation).collect();
    launched.sort_by_key(|each| each.number);
    let mut xml = Xml::default();
    write_reservation(&mut xml, &region.account, &launched);
    xml
}

/// The template's tags, then the request's; tags for volumes and network interfaces are accepted and have no use here.
fn instance_tags(
    template: &[TagSpecification],
    request: &[TagSpecification],
    origin: Option<(String, u32)>,
) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for specification in template.iter().chain(request) {
        match specification.resource_type.as_str() {
            "instance" => tagging::put(&mut tags, &specification.tag)?,
            "volume" | "network-interface" => {}
            other => {
                return Err(ApiError::ec2_value(format!(
                    "'{other}' is not a valid taggable resource type for this operation."
                )));
            }
        }
    }
    // AWS's own tags, which nobody else can set.
    if let Some((id, version)) = origin {
        tags.insert("aws:ec2launchtemplate:id".to_owned(), id);
        tags.insert("aws:ec2launchtemplate:version".to_owned(), version.to_string());
    }
    Ok(tags)
}

fn decode(encoded: &str) -> Result<String, ApiError> {
    let bad =
        |why: &str| ApiError::new("InvalidUserData.Malformed", format!("Invalid BASE64 encoding of user data ({why})"));
    let bytes = aws_smithy_types::base64::decode(encoded).map_err(|_| bad("not base64"))?;
    if bytes.len() > USER_DATA_BYTES_MAX {
        return Err(ApiError::ec2_value(format!("User data is limited to {USER_DATA_BYTES_MAX} bytes")));
    }
    // It reaches the program as an environment variable, which is text without NUL.
    let text = String::from_utf8(bytes).map_err(|_| bad("the dev cloud takes UTF-8 text only"))?;
    if text.contains('\0') { Err(bad("the dev cloud takes no NUL in it")) } else { Ok(text) }
}
