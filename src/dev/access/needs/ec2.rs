//! EC2's operations but `RunInstances`: their resources are what their ids name.

use std::collections::BTreeMap;

use super::{Ask, Need, action, set_request_tags, set_resource_tags, tags_in};
use crate::dev::access::policy::Context;
use crate::dev::wire::{Node, Service};

/// The prefix of an id and the kind of resource in its ARN.
const KINDS: [(&str, &str); 17] = [
    ("i", "instance"),
    ("ami", "image"),
    ("lt", "launch-template"),
    ("vpc", "vpc"),
    ("subnet", "subnet"),
    ("sg", "security-group"),
    ("sgr", "security-group-rule"),
    ("eni", "network-interface"),
    ("vol", "volume"),
    ("snap", "snapshot"),
    ("igw", "internet-gateway"),
    ("nat", "natgateway"),
    ("rtb", "route-table"),
    ("acl", "network-acl"),
    ("eipalloc", "elastic-ip"),
    ("dopt", "dhcp-options"),
    ("cr", "capacity-reservation"),
];

/// What is created, for operations that create something.
const CREATED: [(&str, &str); 17] = [
    ("CreateVpc", "vpc"),
    ("CreateSubnet", "subnet"),
    ("CreateSecurityGroup", "security-group"),
    ("CreateLaunchTemplate", "launch-template"),
    ("CreateImage", "image"),
    ("RegisterImage", "image"),
    ("CopyImage", "image"),
    ("CreateInternetGateway", "internet-gateway"),
    ("CreateNatGateway", "natgateway"),
    ("CreateRouteTable", "route-table"),
    ("CreateNetworkInterface", "network-interface"),
    ("CreateVolume", "volume"),
    ("CreateSnapshot", "snapshot"),
    ("CreateKeyPair", "key-pair"),
    ("ImportKeyPair", "key-pair"),
    ("AllocateAddress", "elastic-ip"),
    ("CreateDhcpOptions", "dhcp-options"),
];

/// Where requests name resources by their ids.
const IDS: [&str; 25] = [
    "InstanceId",
    "InstanceId[]",
    "ImageId",
    "ImageId[]",
    "LaunchTemplateId",
    "VpcId",
    "SubnetId",
    "SubnetId[]",
    "GroupId",
    "GroupId[]",
    "SecurityGroupId[]",
    "SecurityGroupRuleId[]",
    "NetworkInterfaceId",
    "VolumeId",
    "SnapshotId",
    "InternetGatewayId",
    "NatGatewayId",
    "RouteTableId",
    "NetworkAclId",
    "AllocationId",
    "DhcpOptionsId",
    "GatewayId",
    "ResourceId",
    "ResourceId[]",
    "CapacityReservationId",
];

pub(super) fn needs(ask: &Ask<'_>, operation: &str, form: &Node) -> Vec<Need> {
    let action = action(Service::Ec2, operation);
    // Those that describe one attribute of one resource are about it; the others are about none.
    if operation.starts_with("Describe") && !operation.ends_with("Attribute") {
        return vec![Need::new(action, "*", Context::default())];
    }
    let tagging = matches!(operation, "CreateTags" | "DeleteTags");
    let mut about_request = Context::default();
    if tagging {
        set_request_tags(&mut about_request, &tags_in(form, "Tag"));
    }
    let mut needs = Vec::new();
    let mut ids: Vec<String> = IDS.into_iter().flat_map(|path| form.texts(path)).map(str::to_owned).collect();
    if let (Some(name), false) = (form.text("LaunchTemplateName"), operation == "CreateLaunchTemplate") {
        ids.extend(template_id(ask, name));
    }
    for id in ids {
        needs.push(Need::new(action.clone(), arn_of(ask, &id), about_request.with(&about(ask, &id))));
    }
    let created = CREATED.iter().find(|(name, _)| *name == operation).map(|(_, kind)| *kind);
    if let Some(kind) = created {
        let arn = new_arn(ask, kind);
        let tags = specified_tags(form, "TagSpecification[]", kind);
        let mut context = about_request.clone();
        set_request_tags(&mut context, &tags);
        needs.push(Need::new(action.clone(), arn.clone(), context.clone()));
        if !tags.is_empty() {
            context.set("ec2:CreateAction", operation);
            needs.push(Need::new("ec2:CreateTags", arn, context));
        }
    }
    if needs.is_empty() {
        needs.push(Need::new(action, "*", about_request));
    }
    needs
}

/// The ARN of something that does not exist yet. Images belong to no account, as ARNs have it.
pub(super) fn new_arn(ask: &Ask<'_>, kind: &str) -> String {
    match kind {
        "image" | "snapshot" => format!("arn:aws:ec2:{}::{kind}/*", ask.scope.place.region),
        _ => ask.arn("ec2", &format!("{kind}/*")),
    }
}

/// The ARN of an id.
pub(super) fn arn_of(ask: &Ask<'_>, id: &str) -> String {
    let prefix = id.split('-').next().unwrap_or_default();
    let kind = KINDS.iter().find(|(known, _)| *known == prefix).map_or("*", |(_, kind)| *kind);
    match kind {
        "image" | "snapshot" => format!("arn:aws:ec2:{}::{kind}/{id}", ask.scope.place.region),
        _ => ask.arn("ec2", &format!("{kind}/{id}")),
    }
}

/// What conditions can ask about an existing resource.
pub(super) fn about(ask: &Ask<'_>, id: &str) -> Context {
    let mut context = Context::default();
    let one = |operation: &str, parameter: &str| ask.operation(Service::Ec2, operation, &[(parameter, id)]);
    let tags = ask
        .operation(Service::Ec2, "DescribeTags", &[("Filter.1.Name", "resource-id"), ("Filter.1.Value.1", id)])
        .tags();
    set_resource_tags(&mut context, "ec2", &tags);
    let vpc_arn = |id: &str| ask.arn("ec2", &format!("vpc/{id}"));
    match id.split('-').next().unwrap_or_default() {
        "i" => {
            let instance = one("DescribeInstances", "InstanceId.1");
            context.set_if("ec2:InstanceType", instance.find("instanceType"));
            context.set_if("ec2:AvailabilityZone", instance.find("availabilityZone"));
            context.set("ec2:Tenancy", instance.find("tenancy").unwrap_or("default"));
        }
        "ami" => {
            let image = one("DescribeImages", "ImageId.1");
            // A public image of Amazon's is owned by an alias.
            context.set_if("ec2:Owner", image.find("imageOwnerAlias").or(image.find("imageOwnerId")));
            context.set_if("ec2:Public", image.find("isPublic"));
            context.set_if("ec2:ImageType", image.find("imageType"));
            context.set_if("ec2:RootDeviceType", image.find("rootDeviceType"));
        }
        "subnet" => {
            let subnet = one("DescribeSubnets", "SubnetId.1");
            context.set_if("ec2:AvailabilityZone", subnet.find("availabilityZone"));
            context.set_if("ec2:Vpc", subnet.find("vpcId").map(vpc_arn));
            context.set("ec2:SubnetID", id);
        }
        "sg" => {
            let group = one("DescribeSecurityGroups", "GroupId.1");
            context.set_if("ec2:Vpc", group.find("vpcId").map(vpc_arn));
            context.set("ec2:SecurityGroupID", id);
        }
        "vpc" => {
            context.set("ec2:VpcID", id);
        }
        _ => {}
    }
    context.set("ec2:Region", &ask.scope.place.region);
    context
}

/// The tags that a request gives to what it creates of a kind.
pub(super) fn specified_tags(form: &Node, specifications: &str, kind: &str) -> BTreeMap<String, String> {
    let of_kind = form.find(specifications).into_iter().filter(|each| each.text("ResourceType") == Some(kind));
    of_kind.flat_map(|each| tags_in(each, "Tag")).collect()
}

/// The id of a launch template that is given by its name.
pub(super) fn template_id(ask: &Ask<'_>, name: &str) -> Option<String> {
    let found = ask.operation(Service::Ec2, "DescribeLaunchTemplates", &[("LaunchTemplateName.1", name)]);
    found.find("launchTemplateId").map(str::to_owned)
}
