//! Route tables: created, associated and read; packets do not ask them.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::filter::{Filter, Filters, one, some};
use super::tagging::{TagSpecification, tags_for};
use super::vpcs::cidr;
use super::{Ec2, done, paged_within};
use crate::dev::chance::Chance;
use crate::dev::model::tags::{Tags, ec2_tag_set};
use crate::dev::model::{Answer, Ctx, Region};
use crate::dev::wire::{ApiError, Xml};

/// A route table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RouteTable {
    pub(super) vpc: String,
    associations: Vec<Association>,
    /// Besides the local one, which no table can lose.
    routes: Vec<Route>,
    /// The client token of its creation.
    token: Option<String>,
    pub(super) tags: Tags,
}

/// With a subnet; the main table of a VPC has one with none.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Association {
    id: String,
    subnet: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Route {
    destination: Ipv4Net,
    gateway: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Create {
    vpc_id: String,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
    client_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct One {
    route_table_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Associate {
    route_table_id: String,
    subnet_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Disassociate {
    association_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Reassociate {
    association_id: String,
    route_table_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct RouteIn {
    route_table_id: String,
    destination_cidr_block: String,
    /// An internet gateway of the table's VPC.
    gateway_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct RouteOut {
    route_table_id: String,
    destination_cidr_block: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    route_table_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

impl RouteTable {
    /// The table of a VPC's subnets that have no other.
    pub(super) fn main(chance: &Chance, vpc: &str) -> Self {
        let association = Association { id: chance.resource_id("rtbassoc"), subnet: None };
        Self {
            vpc: vpc.to_owned(),
            associations: vec![association],
            routes: Vec::new(),
            token: None,
            tags: Tags::new(),
        }
    }

    pub(super) fn is_main(&self) -> bool {
        self.associations.iter().any(|association| association.subnet.is_none())
    }

    /// Forgets a subnet that is deleted.
    pub(super) fn leave(&mut self, subnet: &str) {
        self.associations.retain(|association| association.subnet.as_deref() != Some(subnet));
    }

    /// Sends everything else to a gateway.
    pub(super) fn add_default_route(&mut self, gateway: String) {
        self.routes.push(Route { destination: Ipv4Net::default(), gateway });
    }
}

impl Ec2 {
    fn route_table(&self, id: &str) -> Result<&RouteTable, ApiError> {
        let said = || format!("The routeTable ID '{id}' does not exist");
        self.route_tables.get(id).ok_or_else(|| ApiError::new("InvalidRouteTableID.NotFound", said()))
    }

    /// The table that an association belongs to, and which of its associations it is.
    fn association(&self, id: &str) -> Result<(String, Association), ApiError> {
        let all = self.route_tables.iter().flat_map(|(table, each)| each.associations.iter().map(move |a| (table, a)));
        let found = all.into_iter().find(|(_, association)| association.id == id);
        let said = || format!("The association ID '{id}' does not exist");
        let found = found.ok_or_else(|| ApiError::new("InvalidAssociationID.NotFound", said()))?;
        Ok((found.0.clone(), found.1.clone()))
    }

    fn put_association(&mut self, table: &str, association: Association) {
        if let Some(table) = self.route_tables.get_mut(table) {
            table.associations.push(association);
        }
    }

    fn remove_association(&mut self, id: &str) {
        for table in self.route_tables.values_mut() {
            table.associations.retain(|association| association.id != id);
        }
    }
}

pub(super) fn create(ctx: &mut Ctx<'_>, input: Create) -> Answer {
    ctx.region.ec2.vpc(&input.vpc_id)?;
    let tags = tags_for("route-table", &input.tag_specification)?;
    let token = input.client_token;
    let known = ctx.region.ec2.route_tables.iter().find(|(_, known)| token.is_some() && known.token == token);
    let id = match known {
        Some((_, known)) if known.vpc != input.vpc_id => {
            let said =
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).";
            return Err(ApiError::new("IdempotentParameterMismatch", said));
        }
        Some((id, _)) => id.clone(),
        None => ctx.cloud.chance.resource_id("rtb"),
    };
    let table = RouteTable { vpc: input.vpc_id, associations: Vec::new(), routes: Vec::new(), token, tags };
    ctx.region.ec2.route_tables.entry(id.clone()).or_insert(table);
    let mut xml = Xml::default();
    xml.node("routeTable", |xml| write(xml, ctx.region, &id, &ctx.region.ec2.route_tables[&id]));
    Ok(xml)
}

fn write(xml: &mut Xml, region: &Region, id: &str, table: &RouteTable) {
    xml.leaf("routeTableId", id).leaf("vpcId", &table.vpc).leaf("ownerId", &region.account);
    let local = region.ec2.vpcs.get(&table.vpc).map(|vpc| (vpc.cidr, "local", "CreateRouteTable", "active"));
    let own = table
        .routes
        .iter()
        .map(|route| (route.destination, route.gateway.as_str(), "CreateRoute", state(region, table, route)));
    xml.list("routeSet", "item", local.into_iter().chain(own), |xml, (destination, gateway, origin, state)| {
        xml.leaf("destinationCidrBlock", destination).leaf("gatewayId", gateway);
        xml.leaf("origin", origin).leaf("state", state);
    });
    xml.list("associationSet", "item", &table.associations, |xml, association| {
        xml.leaf("routeTableAssociationId", &association.id).leaf("routeTableId", id);
        xml.leaf_if("subnetId", association.subnet.as_ref()).leaf("main", association.subnet.is_none());
        write_associated(xml);
    });
    xml.list("propagatingVgwSet", "item", None::<()>, |_, ()| {});
    ec2_tag_set(xml, &table.tags);
}

fn write_associated(xml: &mut Xml) {
    xml.node("associationState", |xml| {
        xml.leaf("state", "associated");
    });
}

/// A route to a gateway that is gone or detached leads nowhere.
fn state(region: &Region, table: &RouteTable, route: &Route) -> &'static str {
    let gateway = region.ec2.gateways.get(&route.gateway);
    if gateway.is_some_and(|gateway| gateway.vpc.as_ref() == Some(&table.vpc)) { "active" } else { "blackhole" }
}

pub(super) fn delete(ctx: &mut Ctx<'_>, input: One) -> Answer {
    let id = &input.route_table_id;
    if !ctx.region.ec2.route_table(id)?.associations.is_empty() {
        let said = format!("The routeTable '{id}' has dependencies and cannot be deleted.");
        return Err(ApiError::new("DependencyViolation", said));
    }
    ctx.region.ec2.route_tables.remove(id);
    Ok(done())
}

pub(super) fn associate(ctx: &mut Ctx<'_>, input: Associate) -> Answer {
    let ec2 = &mut ctx.region.ec2;
    let (table, subnet) = (ec2.route_table(&input.route_table_id)?, ec2.subnet(&input.subnet_id)?);
    if table.vpc != subnet.vpc {
        let said =
            format!("Route table {} and subnet {} belong to different networks", input.route_table_id, input.subnet_id);
        return Err(ApiError::new("InvalidParameterValue", said));
    }
    let subnet = Some(input.subnet_id);
    let mut others = ec2.route_tables.iter().flat_map(|(id, table)| table.associations.iter().map(move |a| (id, a)));
    if let Some((other, found)) = others.find(|(_, association)| association.subnet == subnet) {
        if *other == input.route_table_id {
            return Ok(answer(&found.id, "associationId"));
        }
        let said = format!("the specified association for route table {other} conflicts with an existing association");
        return Err(ApiError::new("Resource.AlreadyAssociated", said));
    }
    let id = ctx.cloud.chance.resource_id("rtbassoc");
    ec2.put_association(&input.route_table_id, Association { id: id.clone(), subnet });
    Ok(answer(&id, "associationId"))
}

fn answer(id: &str, name: &str) -> Xml {
    let mut xml = Xml::default();
    xml.leaf(name, id);
    write_associated(&mut xml);
    xml
}

pub(super) fn disassociate(ctx: &mut Ctx<'_>, input: Disassociate) -> Answer {
    let (_, association) = ctx.region.ec2.association(&input.association_id)?;
    if association.subnet.is_none() {
        let said = "cannot disassociate the main route table association";
        return Err(ApiError::new("InvalidParameterValue", format!("{said} {}", association.id)));
    }
    ctx.region.ec2.remove_association(&association.id);
    Ok(done())
}

/// Moves a subnet to another table, or makes another table the main one.
pub(super) fn reassociate(ctx: &mut Ctx<'_>, input: Reassociate) -> Answer {
    let ec2 = &mut ctx.region.ec2;
    let (from, association) = ec2.association(&input.association_id)?;
    if ec2.route_table(&input.route_table_id)?.vpc != ec2.route_table(&from)?.vpc {
        let said = format!("Route tables {from} and {} belong to different networks", input.route_table_id);
        return Err(ApiError::new("InvalidParameterValue", said));
    }
    let id = ctx.cloud.chance.resource_id("rtbassoc");
    ec2.remove_association(&association.id);
    ec2.put_association(&input.route_table_id, Association { id: id.clone(), subnet: association.subnet });
    Ok(answer(&id, "newAssociationId"))
}

fn checked(ctx: &Ctx<'_>, input: &RouteIn) -> Result<(Ipv4Net, Option<usize>), ApiError> {
    let (ec2, destination) = (&ctx.region.ec2, cidr(&input.destination_cidr_block)?.trunc());
    let table = ec2.route_table(&input.route_table_id)?;
    if !input.gateway_id.starts_with("igw-") {
        let said = format!("'{}' is no internet gateway; the dev cloud has no other route targets", input.gateway_id);
        return Err(ApiError::new("InvalidGatewayID.NotFound", said));
    }
    if ec2.gateway(&input.gateway_id)?.vpc.as_ref() != Some(&table.vpc) {
        let (route, gateway) = (&input.route_table_id, &input.gateway_id);
        let said = format!("route table {route} and network gateway {gateway} belong to different networks");
        return Err(ApiError::ec2_value(said));
    }
    if ec2.vpc(&table.vpc)?.cidr == destination {
        let said = format!("The local route {destination} cannot be changed to another target");
        return Err(ApiError::ec2_value(said));
    }
    Ok((destination, table.routes.iter().position(|route| route.destination == destination)))
}

pub(super) fn create_route(ctx: &mut Ctx<'_>, input: RouteIn) -> Answer {
    let (destination, known) = checked(ctx, &input)?;
    let Some(table) = ctx.region.ec2.route_tables.get_mut(&input.route_table_id) else { return Ok(done()) };
    match known {
        Some(at) if table.routes[at].gateway == input.gateway_id => {}
        Some(_) => {
            let said = format!("The route identified by {destination} already exists.");
            return Err(ApiError::new("RouteAlreadyExists", said));
        }
        None => table.routes.push(Route { destination, gateway: input.gateway_id }),
    }
    Ok(done())
}

pub(super) fn replace_route(ctx: &mut Ctx<'_>, input: RouteIn) -> Answer {
    let (destination, known) = checked(ctx, &input)?;
    let route = known.and_then(|at| ctx.region.ec2.route_tables.get_mut(&input.route_table_id)?.routes.get_mut(at));
    let none = || no_route(&input.route_table_id, destination);
    route.ok_or_else(none)?.gateway = input.gateway_id;
    Ok(done())
}

fn no_route(table: &str, destination: Ipv4Net) -> ApiError {
    let said = format!("no route with destination-cidr-block {destination} in route table {table}");
    ApiError::new("InvalidRoute.NotFound", said)
}

pub(super) fn delete_route(ctx: &mut Ctx<'_>, input: RouteOut) -> Answer {
    let destination = cidr(&input.destination_cidr_block)?.trunc();
    let table = ctx.region.ec2.route_table(&input.route_table_id)?;
    if ctx.region.ec2.vpc(&table.vpc)?.cidr == destination {
        let said = format!("cannot remove local route {destination} in route table {}", input.route_table_id);
        return Err(ApiError::ec2_value(said));
    }
    if !table.routes.iter().any(|route| route.destination == destination) {
        return Err(no_route(&input.route_table_id, destination));
    }
    if let Some(table) = ctx.region.ec2.route_tables.get_mut(&input.route_table_id) {
        table.routes.retain(|route| route.destination != destination);
    }
    Ok(done())
}

type Each<'a> = (&'a String, &'a RouteTable, &'a Region);

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let region = &*ctx.region;
    input.route_table_id.iter().try_for_each(|id| region.ec2.route_table(id).map(drop))?;
    let ids = &input.route_table_id;
    let named = region.ec2.route_tables.iter().filter(|(id, _)| ids.is_empty() || ids.contains(id));
    let found = filters().select(&input.filter, named.map(|(id, table)| (id, table, region)))?;
    let pages = (input.next_token.as_deref(), input.max_results);
    paged_within(
        5..=100,
        found,
        |(id, ..)| (*id).clone(),
        pages,
        "routeTableSet",
        |xml, (id, table, region)| {
            write(xml, region, id, table);
        },
    )
}

fn associations(table: &RouteTable, value: impl Fn(&Association) -> Option<String>) -> Vec<String> {
    table.associations.iter().filter_map(value).collect()
}

fn filters<'a>() -> Filters<'a, Each<'a>> {
    Filters {
        of: &[
            ("route-table-id", |(id, ..)| one(id)),
            ("vpc-id", |(_, table, _)| one(&table.vpc)),
            ("owner-id", |(.., region)| one(&region.account)),
            ("association.main", |(_, table, _)| associations(table, |each| Some(each.subnet.is_none().to_string()))),
            ("association.subnet-id", |(_, table, _)| associations(table, |each| each.subnet.clone())),
            ("association.route-table-association-id", |(_, table, _)| {
                associations(table, |each| Some(each.id.clone()))
            }),
            ("association.route-table-id", |(id, table, _)| some((!table.associations.is_empty()).then_some(id))),
            ("route.destination-cidr-block", |(_, table, region)| {
                let local = region.ec2.vpcs.get(&table.vpc).map(|vpc| vpc.cidr);
                let own = table.routes.iter().map(|route| route.destination);
                local.into_iter().chain(own).map(|cidr| cidr.to_string()).collect()
            }),
            ("route.gateway-id", |(_, table, _)| {
                let own = table.routes.iter().map(|route| route.gateway.clone());
                std::iter::once("local".to_owned()).chain(own).collect()
            }),
            ("route.origin", |(_, table, _)| {
                let own = table.routes.iter().map(|_| "CreateRoute".to_owned());
                std::iter::once("CreateRouteTable".to_owned()).chain(own).collect()
            }),
            ("route.state", |(_, table, region)| {
                let own = table.routes.iter().map(|route| state(region, table, route).to_owned());
                std::iter::once("active".to_owned()).chain(own).collect()
            }),
        ],
        absent: &[
            "association.gateway-id",
            "route.destination-ipv6-cidr-block",
            "route.destination-prefix-list-id",
            "route.egress-only-internet-gateway-id",
            "route.instance-id",
            "route.nat-gateway-id",
            "route.transit-gateway-id",
            "route.vpc-peering-connection-id",
        ],
        tags: Some(|(_, table, _)| &table.tags),
    }
}
