//! EC2: networks, images, launch templates and instances.

mod filter;
mod images;
mod instance;
mod launch;
mod lifecycle;
mod network;
mod placement;
mod security;
mod tagging;
mod templates;

use std::collections::BTreeMap;

use super::tags::Tags;
use super::{Answer, Ctx, input};
use crate::dev::wire::{ApiError, Node, Service, Xml, page};

pub(crate) use instance::{Instance, InstanceState};
pub(crate) use network::{Subnet, Vpc};

/// EC2's state in one region.
#[derive(Debug, Default)]
pub(crate) struct Ec2 {
    pub(crate) vpcs: BTreeMap<String, Vpc>,
    pub(crate) subnets: BTreeMap<String, Subnet>,
    pub(crate) security_groups: BTreeMap<String, security::SecurityGroup>,
    templates: BTreeMap<String, templates::Template>,
    pub(crate) instances: BTreeMap<String, Instance>,
    /// Images are the same in all regions; their tags are not.
    image_tags: BTreeMap<String, Tags>,
    /// Every launch with a client token: the zone, the request, and what it launched.
    tokens: BTreeMap<(String, String), launch::Remembered>,
    /// How many instances were ever launched; instances are listed in that order.
    launched: u64,
}

pub(super) fn run(ctx: &mut Ctx<'_>, operation: &str, form: &Node) -> Answer {
    let mut form = form.clone();
    match form.take("DryRun").as_deref() {
        None | Some("false") => {}
        Some(_) => return Err(ApiError::new("UnsupportedOperation", "the dev cloud does not model DryRun")),
    }
    let form = &form;
    match operation {
        "CreateVpc" => network::create_vpc(ctx, read(form)?),
        "DescribeVpcs" => network::describe_vpcs(ctx, read(form)?),
        "CreateSubnet" => network::create_subnet(ctx, read(form)?),
        "DescribeSubnets" => network::describe_subnets(ctx, read(form)?),
        "CreateSecurityGroup" => security::create(ctx, read(form)?),
        "DescribeSecurityGroups" => security::describe(ctx, read(form)?),
        "DescribeAvailabilityZones" => placement::describe_zones(ctx, read(form)?),
        "DescribeInstanceTypes" => placement::describe_types(read(form)?),
        "DescribeImages" => images::describe(ctx, read(form)?),
        "RegisterImage" => images::register(ctx, read(form)?),
        "DeregisterImage" => images::deregister(ctx, read(form)?),
        "CreateLaunchTemplate" => templates::create(ctx, read(form)?),
        "CreateLaunchTemplateVersion" => templates::create_version(ctx, read(form)?),
        "ModifyLaunchTemplate" => templates::modify(ctx, read(form)?),
        "DescribeLaunchTemplates" => templates::describe(ctx, read(form)?),
        "DescribeLaunchTemplateVersions" => templates::describe_versions(ctx, read(form)?),
        "RunInstances" => launch::run_instances(ctx, read(form)?, form),
        "DescribeInstances" => instance::describe(ctx, read(form)?),
        "DescribeInstanceStatus" => instance::describe_status(ctx, read(form)?),
        "TerminateInstances" => lifecycle::terminate(ctx, read(form)?),
        "CreateTags" => tagging::create(ctx, read(form)?),
        "DeleteTags" => tagging::delete(ctx, read(form)?),
        "DescribeTags" => tagging::describe(ctx, read(form)?),
        unknown => Err(ApiError::unknown_operation(unknown)),
    }
}

fn read<T: serde::de::DeserializeOwned>(form: &Node) -> Result<T, ApiError> {
    input(Service::Ec2, form)
}

/// Writes one page of `items`, and `nextToken` where there is another.
fn paged<T>(
    items: Vec<T>,
    key: impl Fn(&T) -> String,
    (token, size): (Option<&str>, Option<u32>),
    set: &str,
    write: impl FnMut(&mut Xml, T),
) -> Answer {
    let size = match size {
        None => usize::MAX,
        Some(size @ 5..=1000) => size as usize,
        Some(size) => {
            return Err(ApiError::ec2_value(format!(
                "Value ( {size} ) for parameter maxResults is invalid. Expecting a value between 5 and 1000."
            )));
        }
    };
    let (items, next) = page(items, key, token, size)
        .ok_or_else(|| ApiError::new("InvalidNextToken", "The token is not valid for this request"))?;
    let mut xml = Xml::default();
    xml.list(set, "item", items, write).leaf_if("nextToken", next);
    Ok(xml)
}
