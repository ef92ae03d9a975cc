//! Where instances can be and what they can be: regions, availability zones and instance types.

use serde::Deserialize;

use super::filter::{Filter, Filters, one};
use super::paged_within;
use crate::dev::machine::Architecture;
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// An instance type of the dev cloud; size means nothing to a child process, its architecture is checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct InstanceType {
    pub(super) name: &'static str,
    pub(super) architecture: Architecture,
    pub(super) vcpus: u32,
    memory_mib: u32,
}

const fn of(name: &'static str, architecture: Architecture, vcpus: u32, memory_mib: u32) -> InstanceType {
    InstanceType { name, architecture, vcpus, memory_mib }
}

const TYPES: [InstanceType; 28] = [
    of("m1.small", Architecture::X86_64, 1, 1740),
    of("t2.nano", Architecture::X86_64, 1, 512),
    of("t2.micro", Architecture::X86_64, 1, 1024),
    of("t2.small", Architecture::X86_64, 1, 2048),
    of("t2.medium", Architecture::X86_64, 2, 4096),
    of("t3.nano", Architecture::X86_64, 2, 512),
    of("t3.micro", Architecture::X86_64, 2, 1024),
    of("t3.small", Architecture::X86_64, 2, 2048),
    of("t3.medium", Architecture::X86_64, 2, 4096),
    of("t3.large", Architecture::X86_64, 2, 8192),
    of("t3a.micro", Architecture::X86_64, 2, 1024),
    of("t3a.small", Architecture::X86_64, 2, 2048),
    of("m5.large", Architecture::X86_64, 2, 8192),
    of("m5.xlarge", Architecture::X86_64, 4, 16_384),
    of("m6i.large", Architecture::X86_64, 2, 8192),
    of("m7i.large", Architecture::X86_64, 2, 8192),
    of("c5.large", Architecture::X86_64, 2, 4096),
    of("c6i.large", Architecture::X86_64, 2, 4096),
    of("r5.large", Architecture::X86_64, 2, 16_384),
    of("t4g.nano", Architecture::Arm64, 2, 512),
    of("t4g.micro", Architecture::Arm64, 2, 1024),
    of("t4g.small", Architecture::Arm64, 2, 2048),
    of("t4g.medium", Architecture::Arm64, 2, 4096),
    of("m6g.large", Architecture::Arm64, 2, 8192),
    of("m7g.large", Architecture::Arm64, 2, 8192),
    of("c6g.large", Architecture::Arm64, 2, 4096),
    of("c7g.large", Architecture::Arm64, 2, 4096),
    of("r7g.large", Architecture::Arm64, 2, 16_384),
];

impl InstanceType {
    fn is_current(&self) -> bool {
        !self.name.starts_with("m1.") && !self.name.starts_with("t2.")
    }

    fn is_burstable(&self) -> bool {
        self.name.starts_with('t')
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct DescribeZones {
    #[serde(default)]
    zone_name: Vec<String>,
    #[serde(default)]
    zone_id: Vec<String>,
    /// There are no other zones than those that are opted in.
    #[serde(rename = "AllAvailabilityZones")]
    _all: Option<bool>,
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
    next_token: Option<String>,
    max_results: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct DescribeOfferings {
    location_type: Option<LocationType>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum LocationType {
    Region,
    AvailabilityZone,
    AvailabilityZoneId,
}

/// Every region has three zones.
pub(crate) fn zones_of(region: &str) -> [String; 3] {
    ["a", "b", "c"].map(|letter| format!("{region}{letter}"))
}

/// `euw1-az1` for `eu-west-1a`: the same for every account here.
pub(crate) fn zone_id(zone: &str) -> String {
    let (region, letter) = zone.split_at(zone.len().saturating_sub(1));
    let mut short = String::new();
    for part in region.split('-') {
        let (long, abbreviations) =
            (part, [("north", "n"), ("south", "s"), ("east", "e"), ("west", "w"), ("central", "c")]);
        let mut rest = long;
        let mut found = String::new();
        while let Some((word, one)) = abbreviations.iter().find(|(word, _)| rest.starts_with(word)) {
            found.push_str(one);
            rest = &rest[word.len()..];
        }
        short.push_str(if found.is_empty() { long } else { &found });
    }
    let number = letter.bytes().next().map_or(0, |letter| letter.wrapping_sub(b'a').wrapping_add(1));
    format!("{short}-az{number}")
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
    let (region, zones) = (&ctx.region.name, zones_of(&ctx.region.name));
    if let Some(zone) = input.zone_name.iter().find(|zone| !zones.contains(zone)) {
        return Err(ApiError::ec2_value(format!("Invalid availability zone: [{zone}]")));
    }
    if let Some(id) = input.zone_id.iter().find(|id| !zones.iter().any(|zone| zone_id(zone) == **id)) {
        return Err(ApiError::ec2_value(format!("Invalid availability zone-id: [{id}]")));
    }
    let named = zones.iter().filter(|zone| {
        (input.zone_name.is_empty() || input.zone_name.contains(zone))
            && (input.zone_id.is_empty() || input.zone_id.contains(&zone_id(zone)))
    });
    let filters = Filters::<'_, (&String, &String)> {
        of: &[
            ("zone-name", |(zone, _)| one(zone)),
            ("zone-id", |(zone, _)| one(zone_id(zone))),
            ("region-name", |(_, region)| one(region)),
            ("group-name", |(_, region)| one(region)),
            ("state", |_| one("available")),
            ("zone-type", |_| one("availability-zone")),
            ("opt-in-status", |_| one("opt-in-not-required")),
        ],
        absent: &["group-long-name", "message", "parent-zone-id", "parent-zone-name"],
        tags: None,
    };
    let found = filters.select(&input.filter, named.map(|zone| (zone, region)))?;
    let mut xml = Xml::default();
    xml.list("availabilityZoneInfo", "item", found, |xml, (zone, region)| {
        xml.leaf("zoneName", zone).leaf("zoneId", zone_id(zone)).leaf("zoneState", "available");
        xml.leaf("regionName", region).leaf("groupName", region).leaf("networkBorderGroup", region);
        xml.leaf("zoneType", "availability-zone").leaf("optInStatus", "opt-in-not-required");
        xml.list("messageSet", "item", None::<()>, |_, ()| {});
    });
    Ok(xml)
}

pub(super) fn describe_types(input: DescribeTypes) -> Answer {
    if let Some(name) = input.instance_type.iter().find(|name| instance_type(name).is_err()) {
        let said = format!("The following supplied instance types do not exist: [{name}]");
        return Err(ApiError::new("InvalidInstanceType", said));
    }
    let wanted = &input.instance_type;
    let named = TYPES.iter().filter(|each| wanted.is_empty() || wanted.iter().any(|name| name == each.name));
    let filters = Filters::<'_, &InstanceType> {
        of: &[
            ("instance-type", |each| one(each.name)),
            ("processor-info.supported-architecture", |each| one(architecture_name(each.architecture))),
            ("current-generation", |each| one(each.is_current())),
            ("burstable-performance-supported", |each| one(each.is_burstable())),
            ("bare-metal", |_| one(false)),
            ("memory-info.size-in-mib", |each| one(each.memory_mib)),
            ("vcpu-info.default-vcpus", |each| one(each.vcpus)),
            ("supported-usage-class", |_| one("on-demand")),
            ("supported-root-device-type", |_| one("ebs")),
            ("supported-virtualization-type", |_| one("hvm")),
            ("instance-storage-supported", |_| one(false)),
            ("network-info.ipv6-supported", |_| one(false)),
        ],
        absent: &[],
        tags: None,
    };
    let found = filters.select(&input.filter, named)?;
    let pages = (input.next_token.as_deref(), input.max_results);
    paged_within(
        5..=100,
        found,
        |each| each.name.to_owned(),
        pages,
        "instanceTypeSet",
        |xml, each| {
            xml.leaf("instanceType", each.name).leaf("currentGeneration", each.is_current()).leaf("bareMetal", false);
            xml.leaf("burstablePerformanceSupported", each.is_burstable()).leaf("instanceStorageSupported", false);
            xml.texts("supportedUsageClasses", "item", ["on-demand"]).texts(
                "supportedRootDeviceTypes",
                "item",
                ["ebs"],
            );
            xml.texts("supportedVirtualizationTypes", "item", ["hvm"]);
            xml.node("processorInfo", |xml| {
                xml.texts("supportedArchitectures", "item", [architecture_name(each.architecture)]);
            });
            xml.node("vCpuInfo", |xml| {
                xml.leaf("defaultVCpus", each.vcpus);
            });
            xml.node("memoryInfo", |xml| {
                xml.leaf("sizeInMiB", each.memory_mib);
            });
        },
    )
}

pub(super) fn describe_offerings(ctx: &mut Ctx<'_>, input: DescribeOfferings) -> Answer {
    let region = &ctx.region.name;
    let (kind, places): (&str, Vec<String>) = match input.location_type.unwrap_or(LocationType::Region) {
        LocationType::Region => ("region", vec![region.clone()]),
        LocationType::AvailabilityZone => ("availability-zone", zones_of(region).to_vec()),
        LocationType::AvailabilityZoneId => {
            ("availability-zone-id", zones_of(region).iter().map(|zone| zone_id(zone)).collect())
        }
    };
    let all = TYPES.iter().flat_map(|each| places.iter().map(move |place| (each.name, place)));
    let filters = Filters::<'_, (&str, &String)> {
        of: &[("instance-type", |(name, _)| one(name)), ("location", |(_, place)| one(place))],
        absent: &[],
        tags: None,
    };
    let found = filters.select(&input.filter, all)?;
    let pages = (input.next_token.as_deref(), input.max_results);
    let key = |(name, place): &(&str, &String)| format!("{name}/{place}");
    paged_within(5..=1000, found, key, pages, "instanceTypeOfferingSet", |xml, (name, place)| {
        xml.leaf("instanceType", name).leaf("locationType", kind).leaf("location", place);
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct AccountAttributes {
    #[serde(default)]
    attribute_name: Vec<String>,
}

/// What the account may have by default.
pub(super) fn describe_account(ctx: &mut Ctx<'_>, input: AccountAttributes) -> Answer {
    let default_vpc = ctx.region.ec2.vpcs.iter().find(|(_, vpc)| vpc.default).map_or("none", |(id, _)| id.as_str());
    let all = [
        ("supported-platforms", "VPC"),
        ("vpc-max-security-groups-per-interface", "5"),
        ("max-elastic-ips", "5"),
        ("max-instances", "20"),
        ("vpc-max-elastic-ips", "5"),
        ("default-vpc", default_vpc),
    ];
    if let Some(name) = input.attribute_name.iter().find(|name| !all.iter().any(|(known, _)| known == name)) {
        return Err(ApiError::ec2_value(format!("Value ({name}) for parameter attributeName is invalid.")));
    }
    let wanted = |name: &str| input.attribute_name.is_empty() || input.attribute_name.iter().any(|own| own == name);
    let mut xml = Xml::default();
    xml.list("accountAttributeSet", "item", all.into_iter().filter(|(name, _)| wanted(name)), |xml, (name, value)| {
        xml.leaf("attributeName", name).list("attributeValueSet", "item", Some(value), |xml, value| {
            xml.leaf("attributeValue", value);
        });
    });
    Ok(xml)
}
