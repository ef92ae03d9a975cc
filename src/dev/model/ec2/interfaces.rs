//! `DescribeNetworkInterfaces`: those of the instances.

use serde::Deserialize;

use super::describe::{write_association, write_groups};
use super::filter::{Filter, Filters, one};
use super::instance::{Instance, InstanceState};
use super::placement::zone_id;
use super::{is_id, paged};
use crate::dev::model::tags::ec2_tag_set;
use crate::dev::model::{Answer, Ctx, Region};
use crate::dev::wire::ApiError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    network_interface_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

type Each<'a> = (&'a Instance, &'a Region);

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let (region, now) = (&*ctx.region, ctx.cloud.clock.now());
    let mut all = region.ec2.visible(now);
    all.retain(|instance| instance.state != InstanceState::Terminated);
    for id in &input.network_interface_id {
        if !is_id(id, "eni") {
            return Err(ApiError::new("InvalidNetworkInterfaceID.Malformed", format!("Invalid id: \"{id}\"")));
        }
        if !all.iter().any(|instance| instance.interface.id == *id) {
            let said = format!("The networkInterface ID '{id}' does not exist");
            return Err(ApiError::new("InvalidNetworkInterfaceID.NotFound", said));
        }
    }
    let ids = &input.network_interface_id;
    let named = all.into_iter().filter(|instance| ids.is_empty() || ids.contains(&instance.interface.id));
    let found = filters().select(&input.filter, named.map(|instance| (instance, region)))?;
    let pages = (input.next_token.as_deref(), input.max_results);
    paged(
        found,
        |(each, _)| each.interface.id.clone(),
        pages,
        "networkInterfaceSet",
        |xml, (each, region)| {
            let interface = &each.interface;
            xml.leaf("networkInterfaceId", &interface.id).leaf("subnetId", &each.subnet).leaf("vpcId", &each.vpc);
            xml.leaf("availabilityZone", &each.zone).leaf("availabilityZoneId", zone_id(&each.zone));
            xml.leaf("description", &interface.description).leaf("ownerId", &region.account);
            xml.leaf("requesterManaged", false).leaf("status", "in-use").leaf("macAddress", &interface.mac);
            xml.leaf("interfaceType", "interface").leaf("privateIpAddress", each.private);
            xml.leaf("privateDnsName", each.private_name(&region.name));
            xml.leaf("sourceDestCheck", each.settings.source_dest_check);
            write_groups(xml, region, &each.security_groups);
            xml.node("attachment", |xml| {
                xml.leaf("attachmentId", &interface.attachment).leaf("instanceId", &each.id);
                xml.leaf("instanceOwnerId", &region.account).leaf("deviceIndex", 0).leaf("networkCardIndex", 0);
                xml.leaf("status", "attached").leaf("attachTime", each.launched);
                xml.leaf("deleteOnTermination", interface.delete_on_termination);
            });
            write_association(xml, each);
            xml.list("privateIpAddressesSet", "item", Some(each), |xml, each| {
                xml.leaf("privateIpAddress", each.private).leaf("privateDnsName", each.private_name(&region.name));
                xml.leaf("primary", true);
                write_association(xml, each);
            });
            xml.list("ipv6AddressesSet", "item", None::<()>, |_, ()| {});
            ec2_tag_set(xml, &interface.tags);
        },
    )
}

fn filters<'a>() -> Filters<'a, Each<'a>> {
    Filters {
        of: &[
            ("network-interface-id", |(each, _)| one(&each.interface.id)),
            ("subnet-id", |(each, _)| one(&each.subnet)),
            ("vpc-id", |(each, _)| one(&each.vpc)),
            ("availability-zone", |(each, _)| one(&each.zone)),
            ("availability-zone-id", |(each, _)| one(zone_id(&each.zone))),
            ("group-id", |(each, _)| each.security_groups.clone()),
            ("private-ip-address", |(each, _)| one(each.private)),
            ("addresses.private-ip-address", |(each, _)| one(each.private)),
            ("addresses.primary", |_| one(true)),
            ("private-dns-name", |(each, region)| one(each.private_name(&region.name))),
            ("mac-address", |(each, _)| one(&each.interface.mac)),
            ("description", |(each, _)| one(&each.interface.description)),
            ("owner-id", |(_, region)| one(&region.account)),
            ("status", |_| one("in-use")),
            ("interface-type", |_| one("interface")),
            ("requester-managed", |_| one(false)),
            ("source-dest-check", |(each, _)| one(each.settings.source_dest_check)),
            ("attachment.instance-id", |(each, _)| one(&each.id)),
            ("attachment.instance-owner-id", |(_, region)| one(&region.account)),
            ("attachment.attachment-id", |(each, _)| one(&each.interface.attachment)),
            ("attachment.device-index", |_| one(0)),
            ("attachment.status", |_| one("attached")),
            ("attachment.delete-on-termination", |(each, _)| one(each.interface.delete_on_termination)),
        ],
        absent: &[
            "association.allocation-id",
            "association.association-id",
            "association.ip-owner-id",
            "association.public-ip",
            "ipv6-addresses.ipv6-address",
            "operator.principal",
            "requester-id",
        ],
        tags: Some(|(each, _)| &each.interface.tags),
    }
}
