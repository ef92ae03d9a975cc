//! The table of EC2's operations: what is modelled, and what is missing of it.

use super::{
    attributes, call, describe, gateways, images, interfaces, launch, placement, power, read, routes, security, status,
    subnets, tagging, templates, vpcs,
};
use crate::dev::model::operation::Operation;

/// An operation whose input is one structure.
macro_rules! op {
    ($name:literal, $gap:literal, $run:path) => {
        Operation::xml($name, $gap, |ctx, form| call(ctx, form, $run))
    };
}

/// What is modelled, and what is missing of it.
pub(crate) const OPERATIONS: &[Operation] = &[
    op!("CreateVpc", "IPv4 only, default tenancy", vpcs::create),
    op!("CreateDefaultVpc", "", vpcs::create_default),
    op!("DescribeVpcs", "", vpcs::describe),
    op!("DescribeVpcAttribute", "", vpcs::describe_attribute),
    op!("ModifyVpcAttribute", "DNS support and DNS host names, which are stored only", vpcs::modify_attribute),
    op!("DeleteVpc", "", vpcs::delete),
    op!("DescribeNetworkAcls", "the default one of each VPC", vpcs::describe_acls),
    op!("CreateSubnet", "IPv4 only", subnets::create),
    op!("DescribeSubnets", "", subnets::describe),
    op!("ModifySubnetAttribute", "public addresses at launch only", subnets::modify),
    op!("DeleteSubnet", "", subnets::delete),
    op!("CreateInternetGateway", "stored only: nothing goes through it", gateways::create),
    op!("AttachInternetGateway", "", gateways::attach),
    op!("DetachInternetGateway", "", gateways::detach),
    op!("DescribeInternetGateways", "", gateways::describe),
    op!("DeleteInternetGateway", "", gateways::delete),
    op!("CreateRouteTable", "stored only: packets do not ask it", routes::create),
    op!("DescribeRouteTables", "", routes::describe),
    op!("DeleteRouteTable", "", routes::delete),
    op!("AssociateRouteTable", "subnets only", routes::associate),
    op!("DisassociateRouteTable", "", routes::disassociate),
    op!("ReplaceRouteTableAssociation", "", routes::reassociate),
    op!("CreateRoute", "to internet gateways, IPv4 only", routes::create_route),
    op!("ReplaceRoute", "to internet gateways, IPv4 only", routes::replace_route),
    op!("DeleteRoute", "IPv4 only", routes::delete_route),
    op!("CreateSecurityGroup", "", security::create),
    op!("DescribeSecurityGroups", "", security::describe),
    op!("DeleteSecurityGroup", "", security::delete),
    op!("AuthorizeSecurityGroupIngress", "rules are stored, not enforced", security::authorize_ingress),
    op!("AuthorizeSecurityGroupEgress", "rules are stored, not enforced", security::authorize_egress),
    op!("RevokeSecurityGroupIngress", "", security::revoke_ingress),
    op!("RevokeSecurityGroupEgress", "", security::revoke_egress),
    op!("UpdateSecurityGroupRuleDescriptionsIngress", "by IpPermissions only", security::update_descriptions_ingress),
    op!("UpdateSecurityGroupRuleDescriptionsEgress", "by IpPermissions only", security::update_descriptions_egress),
    op!("DescribeSecurityGroupRules", "", security::describe_rules),
    op!("DescribeNetworkInterfaces", "those of instances", interfaces::describe),
    op!("DescribeAvailabilityZones", "three zones in every region", placement::describe_zones),
    Operation::xml("DescribeInstanceTypes", "28 types, main properties", |ctx, form| {
        call(ctx, form, |_, input| placement::describe_types(input))
    }),
    op!("DescribeInstanceTypeOfferings", "every type everywhere", placement::describe_offerings),
    op!("DescribeAccountAttributes", "AWS's defaults", placement::describe_account),
    op!("DescribeImages", "launch permissions do not show an image to other accounts", images::describe),
    op!("RegisterImage", "ImageLocation names a catalogued image", images::register),
    op!("CreateImage", "the image runs the instance's program; there is no disk", images::create),
    op!("DeregisterImage", "", images::deregister),
    op!("DisableImage", "", images::disable),
    op!("EnableImage", "", images::enable),
    op!("EnableImageDeprecation", "", images::deprecate),
    op!("DisableImageDeprecation", "", images::undeprecate),
    op!("EnableImageDeregistrationProtection", "without cooldown", images::protect),
    op!("DisableImageDeregistrationProtection", "", images::unprotect),
    op!("DescribeImageAttribute", "launchPermission and description", images::describe_attribute),
    op!("ModifyImageAttribute", "launchPermission and description", images::modify_attribute),
    op!("ResetImageAttribute", "", images::reset_attribute),
    op!("CreateLaunchTemplate", "the fields of RunInstances that are modelled", templates::create),
    op!("CreateLaunchTemplateVersion", "the same", templates::create_version),
    op!("ModifyLaunchTemplate", "", templates::modify),
    op!("DeleteLaunchTemplate", "", templates::delete),
    op!("DeleteLaunchTemplateVersions", "", templates::delete_versions),
    op!("DescribeLaunchTemplates", "", templates::describe),
    op!("DescribeLaunchTemplateVersions", "", templates::describe_versions),
    op!("GetLaunchTemplateData", "", templates::get_data),
    Operation::xml(
        "RunInstances",
        "one network interface; volumes and key names are stored only; no Spot, placement groups, IPv6",
        launch::run_instances,
    ),
    op!("DescribeInstances", "", describe::describe),
    op!("DescribeInstanceStatus", "no scheduled events", status::describe),
    op!("TerminateInstances", "", power::terminate),
    op!("StopInstances", "no hibernation", power::stop),
    op!("StartInstances", "", power::start),
    op!("RebootInstances", "", power::reboot),
    op!("DescribeInstanceAttribute", "", attributes::describe),
    op!("ModifyInstanceAttribute", "no block devices, kernels", attributes::modify),
    Operation::xml("ModifyInstanceMetadataOptions", "", |ctx, form| {
        let mut form = form.clone();
        let dry = super::take_dry_run(&mut form)?;
        let (of, options) = form.split(&["InstanceId"]);
        let (of, options) = (read(&of)?, read(&options)?);
        if dry { Err(super::dry_run_succeeded()) } else { attributes::modify_metadata(ctx, of, &options) }
    }),
    op!("CreateTags", "", tagging::create),
    op!("DeleteTags", "", tagging::delete),
    op!("DescribeTags", "", tagging::describe),
];
