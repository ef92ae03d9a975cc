//! The seed's VPC, subnets in two zones, and security group.

use aws_sdk_ec2::types::{Filter, ResourceType, Subnet, Tag, TagSpecification};
use ipnet::Ipv4Net;

use super::{Clients, Seed, failed, lacks};
use crate::dev::{DevCloud, DevError};

/// Where everything else is built.
pub(super) struct Ground {
    pub(super) vpc: String,
    pub(super) subnets: Vec<String>,
    pub(super) security_group: String,
}

/// The `Name` tag that a resource is created with.
pub(super) fn named(kind: ResourceType, name: &str) -> TagSpecification {
    TagSpecification::builder().resource_type(kind).tags(Tag::builder().key("Name").value(name).build()).build()
}

/// Makes the network, or takes the one that an earlier seed has made in this region.
pub(super) async fn create(clients: &Clients, cloud: &DevCloud, seed: &Seed) -> Result<Ground, DevError> {
    let mut found = Vec::new();
    for name in &seed.subnets {
        found.extend(find(clients, name).await?);
    }
    let (vpc, subnets) = match found.first() {
        Some(first) if found.len() == seed.subnets.len() => {
            let vpc = first.vpc_id().ok_or_else(lacks("VPC"))?.to_owned();
            (vpc, found.iter().map(id_of).collect::<Result<_, _>>()?)
        }
        Some(_) | None => make(clients, cloud, seed).await?,
    };
    let group =
        clients.ec2.create_security_group().group_name(&seed.launch_template).description("what load balancers reach");
    let group = group.vpc_id(&vpc).send().await.map_err(failed("create the security group"))?;
    let security_group = group.group_id.ok_or_else(lacks("security group"))?;
    Ok(Ground { vpc, subnets, security_group })
}

async fn find(clients: &Clients, name: &str) -> Result<Option<Subnet>, DevError> {
    let filter = Filter::builder().name("tag:Name").values(name).build();
    let found = clients.ec2.describe_subnets().filters(filter).send().await.map_err(failed("look for subnets"))?;
    Ok(found.subnets.unwrap_or_default().into_iter().next())
}

fn id_of(subnet: &Subnet) -> Result<String, DevError> {
    subnet.subnet_id().map(str::to_owned).ok_or_else(lacks("subnet id"))
}

async fn make(clients: &Clients, cloud: &DevCloud, seed: &Seed) -> Result<(String, Vec<String>), DevError> {
    let network = cloud.network();
    let vpc = clients
        .ec2
        .create_vpc()
        .cidr_block(&network)
        .tag_specifications(named(ResourceType::Vpc, &seed.launch_template));
    let vpc = vpc.send().await.map_err(failed("create the VPC"))?;
    let vpc = vpc.vpc.and_then(|vpc| vpc.vpc_id).ok_or_else(lacks("VPC"))?;
    let network: Ipv4Net = network.parse().map_err(failed("read the cloud's own network"))?;
    let mut parts = network.subnets(24).map_err(failed("divide the cloud's network"))?.skip(1);
    let mut subnets = Vec::new();
    for (name, letter) in seed.subnets.iter().zip('a'..) {
        let cidr = parts.next().ok_or_else(lacks("room for subnets"))?;
        let made = clients
            .ec2
            .create_subnet()
            .vpc_id(&vpc)
            .cidr_block(cidr.to_string())
            .availability_zone(format!("{}{letter}", seed.region))
            .tag_specifications(named(ResourceType::Subnet, name));
        let made = made.send().await.map_err(failed("create a subnet"))?;
        subnets.push(id_of(&made.subnet.ok_or_else(lacks("subnet"))?)?);
    }
    Ok((vpc, subnets))
}
