//! Internet gateways: created, attached and read; nothing goes through them.

use serde::{Deserialize, Serialize};

use super::filter::{Filter, Filters, one, some};
use super::tagging::{TagSpecification, tags_for};
use super::{Ec2, done, paged};
use crate::dev::model::tags::{Tags, ec2_tag_set};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// An internet gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Gateway {
    /// The VPC that it is attached to.
    pub(super) vpc: Option<String>,
    pub(super) tags: Tags,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Create {
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Pair {
    internet_gateway_id: String,
    vpc_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct One {
    internet_gateway_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    internet_gateway_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

impl Ec2 {
    pub(super) fn gateway(&self, id: &str) -> Result<&Gateway, ApiError> {
        let said = || format!("The internetGateway ID '{id}' does not exist");
        self.gateways.get(id).ok_or_else(|| ApiError::new("InvalidInternetGatewayID.NotFound", said()))
    }
}

pub(super) fn create(ctx: &mut Ctx<'_>, input: Create) -> Answer {
    let tags = tags_for("internet-gateway", &input.tag_specification)?;
    let id = ctx.cloud.chance.resource_id("igw");
    let gateway = Gateway { vpc: None, tags };
    let mut xml = Xml::default();
    xml.node("internetGateway", |xml| write(xml, &ctx.region.account, &id, &gateway));
    ctx.region.ec2.gateways.insert(id, gateway);
    Ok(xml)
}

/// The gateway of a default VPC, and the route to it.
pub(super) fn attach_new(ctx: &mut Ctx<'_>, vpc: &str) {
    let id = ctx.cloud.chance.resource_id("igw");
    ctx.region.ec2.gateways.insert(id.clone(), Gateway { vpc: Some(vpc.to_owned()), tags: Tags::new() });
    let mut tables = ctx.region.ec2.route_tables.values_mut();
    if let Some(main) = tables.find(|table| table.vpc == vpc && table.is_main()) {
        main.add_default_route(id);
    }
}

fn write(xml: &mut Xml, account: &str, id: &str, gateway: &Gateway) {
    xml.leaf("internetGatewayId", id).leaf("ownerId", account);
    xml.list("attachmentSet", "item", &gateway.vpc, |xml, vpc| {
        xml.leaf("vpcId", vpc).leaf("state", "available");
    });
    ec2_tag_set(xml, &gateway.tags);
}

pub(super) fn attach(ctx: &mut Ctx<'_>, input: Pair) -> Answer {
    let (ec2, id) = (&mut ctx.region.ec2, &input.internet_gateway_id);
    ec2.vpc(&input.vpc_id)?;
    if let Some(vpc) = &ec2.gateway(id)?.vpc {
        let said = format!("resource {id} is already attached to network {vpc}");
        return Err(ApiError::new("Resource.AlreadyAssociated", said));
    }
    if ec2.gateways.values().any(|gateway| gateway.vpc.as_ref() == Some(&input.vpc_id)) {
        let said = format!("Network {} already has an internet gateway attached", input.vpc_id);
        return Err(ApiError::ec2_value(said));
    }
    if let Some(gateway) = ec2.gateways.get_mut(id) {
        gateway.vpc = Some(input.vpc_id);
    }
    Ok(done())
}

pub(super) fn detach(ctx: &mut Ctx<'_>, input: Pair) -> Answer {
    let (ec2, id) = (&mut ctx.region.ec2, &input.internet_gateway_id);
    if ec2.gateway(id)?.vpc.as_ref() != Some(&input.vpc_id) {
        let said = format!("resource {id} is not attached to network {}", input.vpc_id);
        return Err(ApiError::new("Gateway.NotAttached", said));
    }
    // On AWS: a network interface with a public address.
    if ec2.instances.values().any(|each| each.vpc == input.vpc_id && each.public && !each.state.is_over()) {
        let said = format!(
            "Network {} has some mapped public address(es). Please unmap those public address(es) before \
                            detaching the gateway.",
            input.vpc_id
        );
        return Err(ApiError::new("DependencyViolation", said));
    }
    if let Some(gateway) = ec2.gateways.get_mut(id) {
        gateway.vpc = None;
    }
    Ok(done())
}

pub(super) fn delete(ctx: &mut Ctx<'_>, input: One) -> Answer {
    let (ec2, id) = (&mut ctx.region.ec2, &input.internet_gateway_id);
    if ec2.gateway(id)?.vpc.is_some() {
        let said = format!("The internetGateway '{id}' has dependencies and cannot be deleted.");
        return Err(ApiError::new("DependencyViolation", said));
    }
    ec2.gateways.remove(id);
    Ok(done())
}

type Each<'a> = (&'a String, &'a Gateway, &'a String);

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let (account, ec2) = (&ctx.region.account, &ctx.region.ec2);
    input.internet_gateway_id.iter().try_for_each(|id| ec2.gateway(id).map(drop))?;
    let ids = &input.internet_gateway_id;
    let named = ec2.gateways.iter().filter(|(id, _)| ids.is_empty() || ids.contains(id));
    let filters = Filters::<'_, Each<'_>> {
        of: &[
            ("internet-gateway-id", |(id, ..)| one(id)),
            ("attachment.vpc-id", |(_, gateway, _)| some(gateway.vpc.as_ref())),
            ("attachment.state", |(_, gateway, _)| some(gateway.vpc.as_ref().map(|_| "available"))),
            ("owner-id", |(.., account)| one(account)),
        ],
        absent: &[],
        tags: Some(|(_, gateway, _)| &gateway.tags),
    };
    let found = filters.select(&input.filter, named.map(|(id, gateway)| (id, gateway, account)))?;
    let pages = (input.next_token.as_deref(), input.max_results);
    paged(
        found,
        |(id, ..)| (*id).clone(),
        pages,
        "internetGatewaySet",
        |xml, (id, gateway, account)| {
            write(xml, account, id, gateway);
        },
    )
}
