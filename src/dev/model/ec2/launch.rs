//! `RunInstances`: what it checks, what a client token means, what it makes.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::images::launchable;
use super::instance::{Instance, InstanceState, Interface, Settings, Volume};
use super::placement::{InstanceType, architecture_name, instance_type};
use super::spec::{BlockDevice, Ebs, LaunchSpec, MetadataOptions, VolumeType};
use super::tagging::{self, TagSpecification};
use super::templates::TemplateRef;
use super::{describe, lifecycle, read};
use crate::dev::machine::Image;
use crate::dev::model::tags::Tags;
use crate::dev::model::{Answer, Ctx, Region};
use crate::dev::wire::{ApiError, Node, Xml};

/// What a client token stands for from its first use on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Remembered {
    request: Node,
    pub(super) reservation: String,
}

/// The parameters that launch templates do not have.
const OWN: [&str; 6] = ["MinCount", "MaxCount", "SubnetId", "PrivateIpAddress", "ClientToken", "LaunchTemplate"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Own {
    min_count: u32,
    max_count: u32,
    subnet_id: Option<String>,
    private_ip_address: Option<Ipv4Addr>,
    client_token: Option<String>,
    launch_template: Option<TemplateRef>,
}

/// A launch whose parameters are all right.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) image_id: String,
    pub(super) image: Image,
    pub(super) kind: InstanceType,
    pub(super) subnet: String,
    pub(super) groups: Vec<String>,
    pub(super) public: bool,
    /// The private address that was asked for.
    pub(super) private: Option<Ipv4Addr>,
    pub(super) settings: Settings,
    pub(super) interface: (String, bool),
    pub(super) devices: Vec<BlockDevice>,
    pub(super) tags: CreateTags,
}

/// Tags for what a launch creates.
#[derive(Debug, Default)]
pub(super) struct CreateTags {
    pub(super) instance: Tags,
    volume: Tags,
    interface: Tags,
}

/// Where a launch says that it wants to be.
#[derive(Debug, Clone, Default)]
pub(super) struct Wish {
    pub(super) subnet: Option<String>,
    pub(super) private: Option<Ipv4Addr>,
}

/// EC2's limit for user data before encoding.
const USER_DATA_BYTES_MAX: usize = 16 * 1024;
/// More than this in one call is a mistake here: each instance is a process.
const LAUNCH_MAX: u32 = 200;

pub(super) fn run_instances(ctx: &mut Ctx<'_>, form: &Node) -> Answer {
    let mut form = form.clone();
    let dry = super::take_dry_run(&mut form)?;
    let (own, rest) = form.split(&OWN);
    let (own, request): (Own, LaunchSpec) = (read(&own)?, read(&rest)?);
    let (min, max) = (own.min_count, own.max_count);
    if min == 0 || max < min || max > LAUNCH_MAX {
        return Err(ApiError::ec2_value(format!(
            "minCount {min} and maxCount {max} are invalid: expected 1 <= minCount <= maxCount <= {LAUNCH_MAX}"
        )));
    }
    if let Some(token) = &own.client_token {
        if token.is_empty() || token.len() > 64 || !token.is_ascii() {
            return Err(ApiError::ec2_value("clientToken must be 1 to 64 ASCII characters"));
        }
        // The very same request is in the very same zone.
        let mut known = ctx.region.ec2.tokens.iter().filter(|((_, known), _)| known == token);
        if let Some((_, known)) = known.find(|(_, known)| known.request == form) {
            let reservation = known.reservation.clone();
            return Ok(answer(ctx.region, &reservation));
        }
    }
    let wish = Wish { subnet: own.subnet_id, private: own.private_ip_address };
    let (spec, origin) = with_template(ctx.region, own.launch_template.as_ref(), request)?;
    let scope = token_scope(ctx.region, &wish, &spec)?;
    let key = own.client_token.clone().map(|token| (scope, token));
    if key.as_ref().is_some_and(|key| ctx.region.ec2.tokens.contains_key(key)) {
        return Err(ApiError::new(
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
        ));
    }
    let plan = plan(ctx, spec, wish, origin)?;
    if dry {
        return Err(super::dry_run_succeeded());
    }
    let reservation = launch(ctx, &plan, (min, max), own.client_token, None)?;
    if let Some(key) = key {
        ctx.region.ec2.tokens.insert(key, Remembered { request: form, reservation: reservation.clone() });
    }
    Ok(answer(ctx.region, &reservation))
}

/// The request's fields over those of the template it names, and that template's id and version.
pub(super) fn with_template(
    region: &Region,
    named: Option<&TemplateRef>,
    request: LaunchSpec,
) -> Result<(LaunchSpec, Option<(String, u32)>), ApiError> {
    let Some(named) = named else { return Ok((request, None)) };
    let resolved = region.ec2.resolve(named)?;
    // Tags of both, the request's above the template's.
    let tags = [resolved.spec.tag_specification.as_slice(), request.tag_specification.as_slice()].concat();
    let mut spec = request.over(resolved.spec);
    spec.tag_specification = tags;
    Ok((spec, Some((resolved.id, resolved.version))))
}

/// A token is zonal where the request says in some way which zone it wants, else regional.
fn token_scope(region: &Region, wish: &Wish, spec: &LaunchSpec) -> Result<String, ApiError> {
    let subnet =
        wish.subnet.as_ref().or_else(|| spec.network_interface.first().and_then(|each| each.subnet_id.as_ref()));
    if let Some(subnet) = subnet {
        return Ok(region.ec2.subnet(subnet)?.zone.clone());
    }
    let zone = spec.placement.as_ref().and_then(|placement| placement.zone(&region.name)).transpose()?;
    Ok(zone.unwrap_or_default())
}

/// Checks everything that AWS checks before it launches.
pub(super) fn plan(
    ctx: &Ctx<'_>,
    spec: LaunchSpec,
    wish: Wish,
    origin: Option<(String, u32)>,
) -> Result<Plan, ApiError> {
    let missing =
        |what: &str| ApiError::new("MissingParameter", format!("The request must contain the parameter {what}"));
    let image_id = spec.image_id.as_deref().ok_or_else(|| missing("ImageId"))?;
    let image_id = super::images::resolve(ctx, image_id)?;
    let image = launchable(ctx, &image_id)?;
    let kind = instance_type(spec.instance_type.as_deref().unwrap_or("m1.small"))?;
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
    let place = super::placing::place(ctx.region, &wish, &spec)?;
    let metadata = spec.metadata_options.clone().unwrap_or_default();
    metadata.check()?;
    if let Some(user_data) = &spec.user_data {
        decode(user_data)?;
    }
    let profile = spec.iam_instance_profile.as_ref().map(|profile| profile.arn_in(&ctx.region.account)).transpose()?;
    let settings = Settings {
        key_name: spec.key_name,
        profile,
        metadata: MetadataOptions::resolved(&metadata),
        monitoring: spec.monitoring.is_some_and(|monitoring| monitoring.enabled),
        ebs_optimized: spec.ebs_optimized.unwrap_or(false),
        disable_termination: spec.disable_api_termination.unwrap_or(false),
        disable_stop: spec.disable_api_stop.unwrap_or(false),
        shutdown_behavior: spec.instance_initiated_shutdown_behavior.unwrap_or_default(),
        source_dest_check: true,
        user_data: spec.user_data,
        credits: spec.credit_specification.map(|credit| credit.cpu_credits),
    };
    Ok(Plan {
        image_id,
        image,
        kind,
        subnet: place.subnet,
        groups: place.groups,
        public: place.public,
        private: place.private,
        settings,
        interface: (place.description, place.delete_on_termination),
        devices: spec.block_device_mapping,
        tags: create_tags(&spec.tag_specification, origin)?,
    })
}

/// Makes between `min` and `max` instances; they start in the background. Returns their reservation.
pub(super) fn launch(
    ctx: &mut Ctx<'_>,
    plan: &Plan,
    (min, max): (u32, u32),
    token: Option<String>,
    requester: Option<&str>,
) -> Result<String, ApiError> {
    let now = ctx.cloud.clock.now();
    let subnet = ctx.region.ec2.subnet(&plan.subnet)?.clone();
    let room = ctx.region.ec2.room(&ctx.region.name, &subnet.zone, &plan.kind, (min, max))?;
    let addresses = super::placing::take_addresses(ctx, &plan.subnet, plan.private, room.count)?;
    if addresses.len() < min as usize {
        addresses.iter().for_each(|(_, address)| ctx.block.release(*address));
        return Err(ApiError::new(
            "InsufficientFreeAddressesInSubnet",
            format!(
                "There are not enough free addresses in subnet '{}' to satisfy the requested number of instances.",
                plan.subnet
            ),
        ));
    }
    let chance = ctx.cloud.chance.clone();
    let reservation = chance.resource_id("r");
    let doomed_from = room.count - room.doomed;
    for (index, (private, address)) in (0..).zip(addresses) {
        let id = chance.resource_id("i");
        let interface = Interface {
            id: chance.resource_id("eni"),
            attachment: chance.resource_id("eni-attach"),
            mac: mac(chance.number()),
            description: plan.interface.0.clone(),
            delete_on_termination: plan.interface.1,
            tags: plan.tags.interface.clone(),
        };
        let volumes = volumes(&plan.devices).map(|device| Volume {
            id: chance.resource_id("vol"),
            device,
            tags: plan.tags.volume.clone(),
        });
        let instance = Instance {
            id: id.clone(),
            number: ctx.region.ec2.launched,
            reservation: reservation.clone(),
            launch_index: index,
            requester: requester.map(str::to_owned),
            image_id: plan.image_id.clone(),
            architecture: plan.image.architecture,
            instance_type: plan.kind.name.to_owned(),
            subnet: plan.subnet.clone(),
            vpc: subnet.vpc.clone(),
            zone: subnet.zone.clone(),
            security_groups: plan.groups.clone(),
            client_token: token.clone(),
            launched: now,
            visible: now + chance.up_to(ctx.cloud.timing.consistency),
            address,
            private,
            public: plan.public,
            interface,
            volumes: volumes.collect(),
            settings: plan.settings.clone(),
            state: InstanceState::Pending,
            since: now,
            reason: None,
            ran: false,
            doomed: index >= doomed_from,
            impaired: None,
            tags: plan.tags.instance.clone(),
            machine: None,
            metadata: None,
        };
        ctx.region.ec2.launched += 1;
        ctx.region.ec2.instances.insert(id.clone(), instance);
        lifecycle::start(ctx.cloud, &ctx.region.place(), &id, plan.image.clone());
    }
    super::images::launched(ctx, &plan.image_id, now);
    Ok(reservation)
}

/// The root volume, and those that were asked for.
fn volumes(devices: &[BlockDevice]) -> impl Iterator<Item = BlockDevice> {
    let root = BlockDevice {
        device_name: Some(super::ROOT_DEVICE.to_owned()),
        ebs: Some(Ebs {
            volume_size: Some(8),
            volume_type: Some(VolumeType::Gp3),
            delete_on_termination: Some(true),
            ..Ebs::default()
        }),
        no_device: None,
    };
    let mut all = BTreeMap::from([(super::ROOT_DEVICE.to_owned(), root)]);
    for device in devices {
        let name = device.device_name.clone().unwrap_or_default();
        if device.no_device.is_some() {
            all.remove(&name);
        } else if device.ebs.is_some() {
            all.insert(name, device.clone());
        }
    }
    all.into_values()
}

/// A locally administered address.
fn mac(number: u64) -> String {
    let bytes = number.to_be_bytes();
    let tail: Vec<String> = bytes[..5].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("02:{}", tail.join(":"))
}

/// The instances of a launch as they are now, terminated ones too.
fn answer(region: &Region, reservation: &str) -> Xml {
    let mut launched: Vec<_> = region.ec2.instances.values().filter(|each| each.reservation == reservation).collect();
    launched.sort_by_key(|each| each.number);
    let mut xml = Xml::default();
    describe::write_reservation(&mut xml, region, &launched);
    xml
}

fn create_tags(specifications: &[TagSpecification], origin: Option<(String, u32)>) -> Result<CreateTags, ApiError> {
    let mut tags = CreateTags::default();
    for specification in specifications {
        match specification.resource_type.as_str() {
            "instance" => tagging::put(&mut tags.instance, &specification.tag)?,
            "volume" => tagging::put(&mut tags.volume, &specification.tag)?,
            "network-interface" => tagging::put(&mut tags.interface, &specification.tag)?,
            other => {
                return Err(ApiError::ec2_value(format!(
                    "'{other}' is not a valid taggable resource type for this operation."
                )));
            }
        }
    }
    // AWS's own tags, which nobody else can set.
    if let Some((id, version)) = origin {
        tags.instance.insert("aws:ec2launchtemplate:id".to_owned(), id);
        tags.instance.insert("aws:ec2launchtemplate:version".to_owned(), version.to_string());
    }
    Ok(tags)
}

/// User data as bytes.
pub(super) fn decode(encoded: &str) -> Result<Vec<u8>, ApiError> {
    let bad = |_| ApiError::new("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data");
    let bytes = aws_smithy_types::base64::decode(encoded).map_err(bad)?;
    if bytes.len() > USER_DATA_BYTES_MAX {
        return Err(ApiError::ec2_value(format!("User data is limited to {USER_DATA_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}
