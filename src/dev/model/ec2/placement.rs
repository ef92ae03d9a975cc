//! Where instances can be and what they can be: availability zones and instance types.

use serde::Deserialize;

use super::filter::{self, Filter};
use crate::dev::machine::Architecture;
use crate::dev::model::tags::Tags;
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// An instance type of the dev cloud; size means nothing to a child process, its architecture is checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct InstanceType {
    pub(super) name: &'static str,
    pub(super) architecture: Architecture,
    vcpus: u32,
    memory_mib: u32,
}

const fn of(name: &'static str, architecture: Architecture, vcpus: u32, memory_mib: u32) -> InstanceType {
    InstanceType { name, architecture, vcpus, memory_mib }
}

const TYPES: [InstanceType; 10] = [
    of("m1.small", Architecture::X86_64, 1, 1740),
    of("t3.nano", Architecture::X86_64, 2, 512),
    of("t3.micro", Architecture::X86_64, 2, 1024),
    of("t3.small", Architecture::X86_64, 2, 2048),
    of("t3.medium", Architecture::X86_64, 2, 4096),
    of("m5.large", Architecture::X86_64, 2, 8192),
    of("t4g.nano", Architecture::Arm64, 2, 512),
    of("t4g.micro", Architecture::Arm64, 2, 1024),
    of("t4g.small", Architecture::Arm64, 2, 2048),
    of("m7g.large", Architecture::Arm64, 2, 8192),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct DescribeZones {
    #[serde(default)]
    zone_name: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct DescribeTypes {
    #[serde(default)]
    instance_type: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    /// All types fit one page.
    #[serde(rename = "MaxResults")]
    _max_results: Option<u32>,
}

/// Every region has three zones.
pub(super) fn zones_of(region: &str) -> [String; 3] {
    ["a", "b", "c"].map(|letter| format!("{region}{letter}"))
}

pub(super) const fn architecture_name(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "x86_64",
        Architecture::Arm64 => "arm64",
    }
}

pub(super) fn instance_type(name: &str) -> Result<InstanceType, ApiError> {
    TYPES.into_iter().find(|each| each.name == name).ok_or_else(|| {
        let known = TYPES.map(|each| each.name).join(", ");
        ApiError::ec2_value(format!("Invalid value '{name}' for InstanceType. The dev cloud has {known}."))
    })
}

pub(super) fn describe_zones(ctx: &mut Ctx<'_>, input: DescribeZones) -> Answer {
    filter::check(&input.filter, &["zone-name", "state", "region-name"])?;
    let (region, zones) = (&ctx.region.name, zones_of(&ctx.region.name));
    if let Some(zone) = input.zone_name.iter().find(|zone| !zones.contains(zone)) {
        return Err(ApiError::ec2_value(format!("Invalid availability zone: [{zone}]")));
    }
    let found = zones.iter().filter(|zone| {
        (input.zone_name.is_empty() || input.zone_name.contains(zone))
            && filter::passes(&input.filter, &Tags::new(), |name| match name {
                "zone-name" => vec![zone.as_str()],
                "region-name" => vec![region.as_str()],
                _ => vec!["available"],
            })
    });
    let mut xml = Xml::default();
    xml.list("availabilityZoneInfo", "item", found, |xml, zone| {
        xml.leaf("zoneName", zone).leaf("zoneId", zone).leaf("zoneState", "available").leaf("regionName", region);
        xml.leaf("zoneType", "availability-zone").leaf("optInStatus", "opt-in-not-required");
    });
    Ok(xml)
}

pub(super) fn describe_types(input: DescribeTypes) -> Answer {
    filter::check(&input.filter, &["instance-type", "processor-info.supported-architecture"])?;
    if let Some(name) = input.instance_type.iter().find(|name| instance_type(name).is_err()) {
        let said = format!("The following supplied instance types do not exist: [{name}]");
        return Err(ApiError::new("InvalidInstanceType", said));
    }
    let found = TYPES.iter().filter(|each| {
        (input.instance_type.is_empty() || input.instance_type.iter().any(|name| name == each.name))
            && filter::passes(&input.filter, &Tags::new(), |name| match name {
                "instance-type" => vec![each.name],
                _ => vec![architecture_name(each.architecture)],
            })
    });
    let mut xml = Xml::default();
    xml.list("instanceTypeSet", "item", found, |xml, each| {
        xml.leaf("instanceType", each.name).leaf("currentGeneration", each.name != "m1.small");
        xml.node("processorInfo", |xml| {
            xml.texts("supportedArchitectures", "item", [architecture_name(each.architecture)]);
        });
        xml.node("vCpuInfo", |xml| {
            xml.leaf("defaultVCpus", each.vcpus);
        });
        xml.node("memoryInfo", |xml| {
            xml.leaf("sizeInMiB", each.memory_mib);
        });
    });
    Ok(xml)
}
