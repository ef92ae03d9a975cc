//! `DescribeInstances`.

use serde::Deserialize;

use super::filter::{Filter, Filters, one, some};
use super::instance::{Instance, InstanceState, Reason, Volume};
use super::paged;
use super::placement::{architecture_name, zone_id};
use super::spec::{Switch, Tokens};
use crate::dev::model::tags::ec2_tag_set;
use crate::dev::model::{Answer, Ctx, Region};
use crate::dev::wire::{ApiError, Xml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    instance_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

/// An instance and where it is.
pub(super) type Each<'a> = (&'a Instance, &'a Region);

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let (region, now) = (&*ctx.region, ctx.cloud.clock.now());
    if !input.instance_id.is_empty() && input.max_results.is_some() {
        let said = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(ApiError::new("InvalidParameterCombination", said));
    }
    region.ec2.check_instances(&input.instance_id, now)?;
    let wanted = |instance: &&Instance| input.instance_id.is_empty() || input.instance_id.contains(&instance.id);
    let all = region.ec2.visible(now).into_iter().filter(wanted).map(|instance| (instance, region));
    let mut reservations: Vec<Vec<&Instance>> = Vec::new();
    for (instance, _) in filters().select(&input.filter, all)? {
        match reservations.last_mut() {
            Some(last) if last[0].reservation == instance.reservation => last.push(instance),
            _ => reservations.push(vec![instance]),
        }
    }
    let pages = (input.next_token.as_deref(), input.max_results);
    let key = |reservation: &Vec<&Instance>| reservation[0].reservation.clone();
    paged(reservations, key, pages, "reservationSet", |xml, instances| write_reservation(xml, region, &instances))
}

/// Whether it has left its network.
fn gone(instance: &Instance) -> bool {
    instance.state == InstanceState::Terminated
}

fn public(instance: &Instance) -> Option<std::net::Ipv4Addr> {
    (instance.public && matches!(instance.state, InstanceState::Pending | InstanceState::Running))
        .then_some(instance.address)
}

/// Instances of one launch, never none.
pub(super) fn write_reservation(xml: &mut Xml, region: &Region, instances: &[&Instance]) {
    xml.leaf_if("reservationId", instances.first().map(|first| &first.reservation)).leaf("ownerId", &region.account);
    xml.leaf_if("requesterId", instances.first().and_then(|first| first.requester.as_ref()));
    xml.list("groupSet", "item", None::<()>, |_, ()| {});
    xml.list("instancesSet", "item", instances, |xml, instance| write(xml, region, instance));
}

fn write(xml: &mut Xml, region: &Region, instance: &Instance) {
    let settings = &instance.settings;
    xml.leaf("instanceId", &instance.id).leaf("imageId", &instance.image_id);
    xml.node("instanceState", |xml| instance.state.write(xml));
    xml.leaf("amiLaunchIndex", instance.launch_index).leaf("instanceType", &instance.instance_type);
    xml.leaf("launchTime", instance.launched).leaf("architecture", architecture_name(instance.architecture));
    xml.leaf_if("keyName", settings.key_name.as_ref());
    xml.list("productCodes", "item", None::<()>, |_, ()| {});
    xml.node("placement", |xml| {
        xml.leaf("availabilityZone", &instance.zone).leaf("availabilityZoneId", zone_id(&instance.zone));
        xml.leaf("groupName", "").leaf("tenancy", "default");
    });
    xml.node("monitoring", |xml| {
        xml.leaf("state", if settings.monitoring { "enabled" } else { "disabled" });
    });
    let there = !gone(instance);
    let name = if there { instance.private_name(&region.name) } else { String::new() };
    xml.leaf("privateDnsName", name).leaf("dnsName", "");
    if there {
        xml.leaf("subnetId", &instance.subnet).leaf("vpcId", &instance.vpc);
        xml.leaf("privateIpAddress", instance.private).leaf_if("ipAddress", public(instance));
        xml.leaf("sourceDestCheck", settings.source_dest_check);
    }
    write_groups(xml, region, if there { &instance.security_groups } else { &[] });
    match &instance.reason {
        Some(reason) => {
            let text = if *reason == Reason::user() { "User initiated" } else { reason.message.as_str() };
            xml.leaf("reason", format_args!("{text} ({})", moment(instance.since)));
            xml.node("stateReason", |xml| {
                xml.leaf("code", &reason.code).leaf("message", &reason.message);
            });
        }
        None => {
            xml.leaf("reason", "");
        }
    }
    xml.leaf("clientToken", instance.client_token.as_deref().unwrap_or_default());
    xml.leaf("ebsOptimized", settings.ebs_optimized).leaf("enaSupport", true).leaf("hypervisor", "xen");
    xml.leaf("rootDeviceName", super::ROOT_DEVICE).leaf("rootDeviceType", "ebs").leaf("virtualizationType", "hvm");
    xml.list("blockDeviceMapping", "item", if there { instance.volumes.as_slice() } else { &[] }, |xml, volume| {
        write_volume(xml, instance, volume);
    });
    if let Some(arn) = &settings.profile {
        xml.node("iamInstanceProfile", |xml| {
            xml.leaf("arn", arn).leaf("id", super::profile_id(arn));
        });
    }
    xml.node("metadataOptions", |xml| settings.metadata.write_applied(xml));
    xml.leaf("platformDetails", "Linux/UNIX").leaf("usageOperation", "RunInstances");
    xml.leaf("usageOperationUpdateTime", instance.launched);
    let here = there.then_some(instance);
    xml.list("networkInterfaceSet", "item", here, |xml, instance| write_interface(xml, region, instance));
    ec2_tag_set(xml, &instance.tags);
}

/// As EC2 writes times into texts: `2026-01-01 00:00:00 GMT`.
fn moment(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S GMT").to_string()
}

/// `groupSet` with ids and names.
pub(super) fn write_groups(xml: &mut Xml, region: &Region, groups: &[String]) {
    xml.list("groupSet", "item", groups, |xml, id| {
        let name = region.ec2.security_groups.get(id).map(|group| &group.name);
        xml.leaf("groupId", id).leaf_if("groupName", name);
    });
}

fn write_volume(xml: &mut Xml, instance: &Instance, volume: &Volume) {
    let delete = volume.device.ebs.as_ref().and_then(|ebs| ebs.delete_on_termination).unwrap_or(true);
    xml.leaf_if("deviceName", volume.device.device_name.as_ref()).node("ebs", |xml| {
        xml.leaf("volumeId", &volume.id).leaf("status", "attached");
        xml.leaf("attachTime", instance.launched).leaf("deleteOnTermination", delete);
    });
}

/// The instance's network interface, as part of the instance.
fn write_interface(xml: &mut Xml, region: &Region, instance: &Instance) {
    let interface = &instance.interface;
    xml.leaf("networkInterfaceId", &interface.id).leaf("subnetId", &instance.subnet).leaf("vpcId", &instance.vpc);
    xml.leaf("description", &interface.description).leaf("ownerId", &region.account).leaf("status", "in-use");
    xml.leaf("macAddress", &interface.mac).leaf("interfaceType", "interface");
    xml.leaf("privateIpAddress", instance.private).leaf("privateDnsName", instance.private_name(&region.name));
    xml.leaf("sourceDestCheck", instance.settings.source_dest_check);
    write_groups(xml, region, &instance.security_groups);
    xml.node("attachment", |xml| {
        xml.leaf("attachmentId", &interface.attachment).leaf("deviceIndex", 0).leaf("status", "attached");
        xml.leaf("attachTime", instance.launched).leaf("deleteOnTermination", interface.delete_on_termination);
        xml.leaf("networkCardIndex", 0);
    });
    write_association(xml, instance);
    xml.list("privateIpAddressesSet", "item", Some(instance), |xml, instance| {
        xml.leaf("privateIpAddress", instance.private).leaf("privateDnsName", instance.private_name(&region.name));
        xml.leaf("primary", true);
        write_association(xml, instance);
    });
    xml.list("ipv6AddressesSet", "item", None::<()>, |_, ()| {});
}

/// The public address, where there is one.
pub(super) fn write_association(xml: &mut Xml, instance: &Instance) {
    if let Some(address) = public(instance) {
        xml.node("association", |xml| {
            xml.leaf("publicIp", address).leaf("publicDnsName", "").leaf("ipOwnerId", "amazon");
        });
    }
}

fn filters<'a>() -> Filters<'a, Each<'a>> {
    Filters {
        of: &[
            ("instance-id", |(each, _)| one(&each.id)),
            ("instance-state-name", |(each, _)| one(each.state.name())),
            ("instance-state-code", |(each, _)| one(each.state.code())),
            ("client-token", |(each, _)| some(each.client_token.as_ref())),
            ("image-id", |(each, _)| one(&each.image_id)),
            ("instance-type", |(each, _)| one(&each.instance_type)),
            ("subnet-id", |(each, _)| some((!gone(each)).then_some(&each.subnet))),
            ("vpc-id", |(each, _)| some((!gone(each)).then_some(&each.vpc))),
            ("availability-zone", |(each, _)| one(&each.zone)),
            ("availability-zone-id", |(each, _)| one(zone_id(&each.zone))),
            ("private-ip-address", |(each, _)| some((!gone(each)).then_some(each.private))),
            ("ip-address", |(each, _)| some(public(each))),
            ("private-dns-name", |(each, region)| one(each.private_name(&region.name))),
            ("reservation-id", |(each, _)| one(&each.reservation)),
            ("requester-id", |(each, _)| some(each.requester.as_ref())),
            ("owner-id", |(_, region)| one(&region.account)),
            ("architecture", |(each, _)| one(architecture_name(each.architecture))),
            ("launch-index", |(each, _)| one(each.launch_index)),
            ("launch-time", |(each, _)| one(each.launched)),
            ("key-name", |(each, _)| some(each.settings.key_name.as_ref())),
            ("ebs-optimized", |(each, _)| one(each.settings.ebs_optimized)),
            ("ena-support", |_| one(true)),
            ("hypervisor", |_| one("xen")),
            ("root-device-name", |_| one(super::ROOT_DEVICE)),
            ("root-device-type", |_| one("ebs")),
            ("virtualization-type", |_| one("hvm")),
            ("platform-details", |_| one("Linux/UNIX")),
            ("usage-operation", |_| one("RunInstances")),
            ("usage-operation-update-time", |(each, _)| one(each.launched)),
            ("tenancy", |_| one("default")),
            ("source-dest-check", |(each, _)| one(each.settings.source_dest_check)),
            ("monitoring-state", |(each, _)| one(if each.settings.monitoring { "enabled" } else { "disabled" })),
            ("iam-instance-profile.arn", |(each, _)| some(each.settings.profile.as_ref())),
            ("iam-instance-profile.id", |(each, _)| some(each.settings.profile.as_deref().map(super::profile_id))),
            ("instance.group-id", |(each, _)| each.security_groups.clone()),
            ("instance.group-name", group_names),
            ("reason", |(each, _)| some(each.reason.as_ref().map(|reason| &reason.message))),
            ("state-reason-code", |(each, _)| some(each.reason.as_ref().map(|reason| &reason.code))),
            ("state-reason-message", |(each, _)| some(each.reason.as_ref().map(|reason| &reason.message))),
            ("metadata-options.http-tokens", |(each, _)| some(each.settings.metadata.http_tokens.map(Tokens::name))),
            ("metadata-options.http-endpoint", |(each, _)| {
                some(each.settings.metadata.http_endpoint.map(Switch::name))
            }),
            ("metadata-options.http-put-response-hop-limit", |(each, _)| {
                some(each.settings.metadata.http_put_response_hop_limit)
            }),
            ("metadata-options.instance-metadata-tags", |(each, _)| {
                some(each.settings.metadata.instance_metadata_tags.map(Switch::name))
            }),
            ("metadata-options.state", |_| one("applied")),
            ("block-device-mapping.device-name", |(each, _)| {
                each.volumes.iter().filter_map(|volume| volume.device.device_name.clone()).collect()
            }),
            ("block-device-mapping.volume-id", |(each, _)| {
                each.volumes.iter().map(|volume| volume.id.clone()).collect()
            }),
            ("block-device-mapping.status", |_| one("attached")),
            ("network-interface.network-interface-id", |(each, _)| one(&each.interface.id)),
            ("network-interface.mac-address", |(each, _)| one(&each.interface.mac)),
            ("network-interface.subnet-id", |(each, _)| one(&each.subnet)),
            ("network-interface.vpc-id", |(each, _)| one(&each.vpc)),
            ("network-interface.status", |_| one("in-use")),
            ("network-interface.group-id", |(each, _)| each.security_groups.clone()),
            ("network-interface.group-name", group_names),
            ("network-interface.private-ip-address", |(each, _)| one(each.private)),
            ("network-interface.addresses.private-ip-address", |(each, _)| one(each.private)),
            ("network-interface.addresses.primary", |_| one(true)),
            ("network-interface.association.public-ip", |(each, _)| some(public(each))),
            ("network-interface.addresses.association.public-ip", |(each, _)| some(public(each))),
            ("network-interface.attachment.instance-id", |(each, _)| one(&each.id)),
            ("network-interface.attachment.attachment-id", |(each, _)| one(&each.interface.attachment)),
            ("network-interface.attachment.device-index", |_| one(0)),
            ("network-interface.attachment.status", |_| one("attached")),
            ("network-interface.description", |(each, _)| one(&each.interface.description)),
            ("network-interface.owner-id", |(_, region)| one(&region.account)),
            ("network-interface.availability-zone", |(each, _)| one(&each.zone)),
        ],
        absent: &[
            "affinity",
            "boot-mode",
            "capacity-reservation-id",
            "current-instance-boot-mode",
            "dns-name",
            "host-id",
            "instance-lifecycle",
            "ipv6-address",
            "kernel-id",
            "network-interface.ipv6-addresses.ipv6-address",
            "operator.principal",
            "outpost-arn",
            "placement-group-name",
            "placement-partition-number",
            "platform",
            "product-code",
            "product-code.type",
            "ramdisk-id",
            "spot-instance-request-id",
            "tpm-support",
        ],
        tags: Some(|(each, _)| &each.tags),
    }
}

fn group_names((instance, region): &Each<'_>) -> Vec<String> {
    let groups = instance.security_groups.iter().filter_map(|id| region.ec2.security_groups.get(id));
    groups.map(|group| group.name.clone()).collect()
}
