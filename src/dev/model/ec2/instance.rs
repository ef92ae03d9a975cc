//! Instances as they are described.

use std::net::Ipv4Addr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::filter::{self, Filter};
use super::placement::architecture_name;
use super::{Ec2, paged};
use crate::dev::machine::{Architecture, Machine};
use crate::dev::model::tags::{Tags, ec2_tag_set};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// An instance. Terminated ones stay visible.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) id: String,
    /// Its place in the order of launches.
    pub(super) number: u64,
    pub(super) reservation: String,
    pub(super) image_id: String,
    pub(super) architecture: Architecture,
    pub(super) instance_type: String,
    pub(crate) subnet: String,
    pub(crate) vpc: String,
    pub(crate) zone: String,
    pub(super) security_groups: Vec<String>,
    pub(super) client_token: Option<String>,
    pub(super) launched: Timestamp,
    pub(crate) address: Ipv4Addr,
    pub(crate) state: InstanceState,
    /// Why it is in that state, where there is something to say: AWS's code and message.
    pub(super) reason: Option<(&'static str, String)>,
    pub(crate) machine: Option<Arc<Machine>>,
    pub(crate) tags: Tags,
}

/// The states that an instance passes through; nothing is ever stopped without being terminated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InstanceState {
    Pending,
    Running,
    ShuttingDown,
    Terminated,
}

impl InstanceState {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
        }
    }

    const fn code(self) -> u16 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
        }
    }
}

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct DescribeStatus {
    #[serde(default)]
    instance_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    include_all_instances: Option<bool>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

const FILTERS: [&str; 11] = [
    "instance-id",
    "instance-state-name",
    "instance-state-code",
    "client-token",
    "image-id",
    "subnet-id",
    "vpc-id",
    "availability-zone",
    "private-ip-address",
    "instance-type",
    "reservation-id",
];

impl Ec2 {
    /// All ids must exist: one bad id fails the whole call.
    pub(super) fn check_instances(&self, ids: &[String]) -> Result<(), ApiError> {
        let malformed = |id: &&String| {
            let digits = id.strip_prefix("i-").unwrap_or_default();
            !matches!(digits.len(), 8 | 17) || !digits.bytes().all(|b| b.is_ascii_hexdigit())
        };
        if let Some(id) = ids.iter().find(malformed) {
            return Err(ApiError::new("InvalidInstanceID.Malformed", format!("Invalid id: \"{id}\"")));
        }
        let unknown: Vec<&str> =
            ids.iter().filter(|id| !self.instances.contains_key(*id)).map(String::as_str).collect();
        match unknown.as_slice() {
            [] => Ok(()),
            [id] => Err(ApiError::new("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"))),
            many => Err(ApiError::new(
                "InvalidInstanceID.NotFound",
                format!("The instance IDs '{}' do not exist", many.join(", ")),
            )),
        }
    }

    fn in_order(&self) -> Vec<&Instance> {
        let mut all: Vec<_> = self.instances.values().collect();
        all.sort_by_key(|instance| instance.number);
        all
    }
}

fn passes(filters: &[Filter], instance: &Instance) -> bool {
    let (code, address) = (instance.state.code().to_string(), instance.address.to_string());
    filter::passes(filters, &instance.tags, |name| match name {
        "instance-id" => vec![instance.id.as_str()],
        "instance-state-name" => vec![instance.state.name()],
        "instance-state-code" => vec![code.as_str()],
        "client-token" => vec![instance.client_token.as_deref().unwrap_or_default()],
        "image-id" => vec![instance.image_id.as_str()],
        "subnet-id" => vec![instance.subnet.as_str()],
        "vpc-id" => vec![instance.vpc.as_str()],
        "availability-zone" => vec![instance.zone.as_str()],
        "private-ip-address" => vec![address.as_str()],
        "instance-type" => vec![instance.instance_type.as_str()],
        _ => vec![instance.reservation.as_str()],
    })
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    filter::check(&input.filter, &FILTERS)?;
    let ec2 = &ctx.region.ec2;
    if !input.instance_id.is_empty() && input.max_results.is_some() {
        let said = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(ApiError::new("InvalidParameterCombination", said));
    }
    ec2.check_instances(&input.instance_id)?;
    let mut reservations: Vec<Vec<&Instance>> = Vec::new();
    for instance in ec2.in_order() {
        let wanted = input.instance_id.is_empty() || input.instance_id.contains(&instance.id);
        if !wanted || !passes(&input.filter, instance) {
            continue;
        }
        match reservations.last_mut() {
            Some(last) if last[0].reservation == instance.reservation => last.push(instance),
            _ => reservations.push(vec![instance]),
        }
    }
    let pages = (input.next_token.as_deref(), input.max_results);
    let key = |reservation: &Vec<&Instance>| reservation[0].reservation.clone();
    paged(reservations, key, pages, "reservationSet", |xml, instances| {
        write_reservation(xml, &ctx.region.account, &instances)
    })
}

/// Instances of one launch, never none.
pub(super) fn write_reservation(xml: &mut Xml, account: &str, instances: &[&Instance]) {
    xml.leaf_if("reservationId", instances.first().map(|first| &first.reservation)).leaf("ownerId", account);
    xml.list("groupSet", "item", None::<()>, |_, ()| {});
    xml.list("instancesSet", "item", instances.iter().enumerate(), |xml, (index, instance)| {
        write(xml, index, instance);
    });
}

fn write(xml: &mut Xml, index: usize, instance: &Instance) {
    xml.leaf("instanceId", &instance.id).leaf("imageId", &instance.image_id);
    xml.node("instanceState", |xml| write_state(xml, instance.state));
    let gone = instance.state == InstanceState::Terminated;
    xml.leaf("amiLaunchIndex", index).leaf("instanceType", &instance.instance_type);
    xml.leaf("launchTime", instance.launched).leaf("architecture", architecture_name(instance.architecture));
    xml.node("placement", |xml| {
        xml.leaf("availabilityZone", &instance.zone).leaf("tenancy", "default");
    });
    xml.node("monitoring", |xml| {
        xml.leaf("state", "disabled");
    });
    // A terminated instance has left its network.
    if !gone {
        xml.leaf("subnetId", &instance.subnet).leaf("vpcId", &instance.vpc);
        xml.leaf("privateIpAddress", instance.address).leaf("privateDnsName", instance.address);
        xml.list("groupSet", "item", &instance.security_groups, |xml, id| {
            xml.leaf("groupId", id);
        });
    }
    if let Some((code, message)) = &instance.reason {
        xml.leaf("reason", message).node("stateReason", |xml| {
            xml.leaf("code", code).leaf("message", message);
        });
    }
    xml.leaf_if("clientToken", instance.client_token.as_ref());
    xml.leaf("rootDeviceType", "ebs").leaf("virtualizationType", "hvm");
    ec2_tag_set(xml, &instance.tags);
}

pub(super) fn write_state(xml: &mut Xml, state: InstanceState) {
    xml.leaf("code", state.code()).leaf("name", state.name());
}

pub(super) fn describe_status(ctx: &mut Ctx<'_>, input: DescribeStatus) -> Answer {
    filter::check(&input.filter, &FILTERS)?;
    let ec2 = &ctx.region.ec2;
    ec2.check_instances(&input.instance_id)?;
    let all = input.include_all_instances.unwrap_or(false);
    let mut found = ec2.in_order();
    found.retain(|instance| {
        (all || instance.state == InstanceState::Running)
            && (input.instance_id.is_empty() || input.instance_id.contains(&instance.id))
            && passes(&input.filter, instance)
    });
    let pages = (input.next_token.as_deref(), input.max_results);
    paged(
        found,
        |instance| instance.id.clone(),
        pages,
        "instanceStatusSet",
        |xml, instance| {
            let status = if instance.state == InstanceState::Running { "ok" } else { "not-applicable" };
            xml.leaf("instanceId", &instance.id).leaf("availabilityZone", &instance.zone);
            xml.node("instanceState", |xml| write_state(xml, instance.state));
            for name in ["systemStatus", "instanceStatus"] {
                xml.node(name, |xml| {
                    xml.leaf("status", status);
                });
            }
        },
    )
}
