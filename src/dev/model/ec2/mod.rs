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
use super::{Answer, Operation, input};
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

/// What is modelled, and what is missing of it.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::xml("CreateVpc", "", |ctx, form| network::create_vpc(ctx, read(form)?)),
    Operation::xml("DescribeVpcs", "", |ctx, form| network::describe_vpcs(ctx, read(form)?)),
    Operation::xml("CreateSubnet", "", |ctx, form| network::create_subnet(ctx, read(form)?)),
    Operation::xml("DescribeSubnets", "", |ctx, form| network::describe_subnets(ctx, read(form)?)),
    Operation::xml("CreateSecurityGroup", "", |ctx, form| security::create(ctx, read(form)?)),
    Operation::xml("DescribeSecurityGroups", "", |ctx, form| security::describe(ctx, read(form)?)),
    Operation::xml("DescribeAvailabilityZones", "", |ctx, form| placement::describe_zones(ctx, read(form)?)),
    Operation::xml("DescribeInstanceTypes", "", |_, form| placement::describe_types(read(form)?)),
    Operation::xml("DescribeImages", "", |ctx, form| images::describe(ctx, read(form)?)),
    Operation::xml("RegisterImage", "", |ctx, form| images::register(ctx, read(form)?)),
    Operation::xml("DeregisterImage", "", |ctx, form| images::deregister(ctx, read(form)?)),
    Operation::xml("CreateLaunchTemplate", "", |ctx, form| templates::create(ctx, read(form)?)),
    Operation::xml("CreateLaunchTemplateVersion", "", |ctx, form| templates::create_version(ctx, read(form)?)),
    Operation::xml("ModifyLaunchTemplate", "", |ctx, form| templates::modify(ctx, read(form)?)),
    Operation::xml("DescribeLaunchTemplates", "", |ctx, form| templates::describe(ctx, read(form)?)),
    Operation::xml("DescribeLaunchTemplateVersions", "", |ctx, form| templates::describe_versions(ctx, read(form)?)),
    Operation::xml("RunInstances", "", |ctx, form| launch::run_instances(ctx, read(form)?, form)),
    Operation::xml("DescribeInstances", "", |ctx, form| instance::describe(ctx, read(form)?)),
    Operation::xml("DescribeInstanceStatus", "", |ctx, form| instance::describe_status(ctx, read(form)?)),
    Operation::xml("TerminateInstances", "", |ctx, form| lifecycle::terminate(ctx, read(form)?)),
    Operation::xml("CreateTags", "", |ctx, form| tagging::create(ctx, read(form)?)),
    Operation::xml("DeleteTags", "", |ctx, form| tagging::delete(ctx, read(form)?)),
    Operation::xml("DescribeTags", "", |ctx, form| tagging::describe(ctx, read(form)?)),
];

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
