//! `DescribeInstanceStatus`, and instances that fail their checks on purpose.

use jiff::Timestamp;
use serde::Deserialize;

use super::filter::{Filter, Filters, one};
use super::instance::{Instance, InstanceState};
use super::paged;
use super::placement::zone_id;
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    instance_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    #[serde(default)]
    include_all_instances: bool,
    next_token: Option<String>,
    max_results: Option<u32>,
}

/// What the checks say of an instance.
struct Each<'a> {
    instance: &'a Instance,
    status: &'static str,
    reachability: Option<&'static str>,
    impaired_since: Option<Timestamp>,
}

impl<'a> Each<'a> {
    /// Checks need `settles` after the start to say anything.
    fn of(instance: &'a Instance, now: Timestamp, settles: std::time::Duration) -> Self {
        let (status, reachability) = match (instance.state, instance.impaired) {
            (InstanceState::Running, Some(_)) => ("impaired", Some("failed")),
            (InstanceState::Running, None) if now < instance.since + settles => ("initializing", Some("initializing")),
            (InstanceState::Running, None) => ("ok", Some("passed")),
            _ => ("not-applicable", None),
        };
        let impaired_since = instance.impaired.filter(|_| instance.state == InstanceState::Running);
        Self { instance, status, reachability, impaired_since }
    }

    /// What is broken on purpose is the instance; the system and the volumes under it are well.
    fn system(&self) -> (&'static str, Option<&'static str>) {
        match self.status {
            "impaired" => ("ok", Some("passed")),
            status => (status, self.reachability),
        }
    }
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let (ec2, now, settles) = (&ctx.region.ec2, ctx.cloud.clock.now(), ctx.cloud.timing.status);
    if !input.instance_id.is_empty() && input.max_results.is_some() {
        let said = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(ApiError::new("InvalidParameterCombination", said));
    }
    ec2.check_instances(&input.instance_id, now)?;
    let all = ec2.visible(now).into_iter().filter(|instance| {
        (input.include_all_instances || instance.state == InstanceState::Running)
            && (input.instance_id.is_empty() || input.instance_id.contains(&instance.id))
    });
    let found = filters().select(&input.filter, all.map(|instance| Each::of(instance, now, settles)))?;
    let pages = (input.next_token.as_deref(), input.max_results);
    paged(
        found,
        |each| each.instance.id.clone(),
        pages,
        "instanceStatusSet",
        |xml, each| {
            let zone = &each.instance.zone;
            xml.leaf("instanceId", &each.instance.id).leaf("availabilityZone", zone);
            xml.leaf("availabilityZoneId", zone_id(zone));
            xml.node("instanceState", |xml| each.instance.state.write(xml));
            let (system, passed) = each.system();
            write(xml, "systemStatus", system, passed, None);
            write(xml, "instanceStatus", each.status, each.reachability, each.impaired_since);
            write(xml, "attachedEbsStatus", system, passed, None);
        },
    )
}

fn write(xml: &mut Xml, name: &str, status: &str, reachability: Option<&str>, since: Option<Timestamp>) {
    xml.node(name, |xml| {
        xml.leaf("status", status);
        xml.list("details", "item", reachability, |xml, status| {
            xml.leaf("name", "reachability").leaf("status", status).leaf_if("impairedSince", since);
        });
    });
}

fn filters<'a>() -> Filters<'a, Each<'a>> {
    Filters {
        of: &[
            ("availability-zone", |each| one(&each.instance.zone)),
            ("availability-zone-id", |each| one(zone_id(&each.instance.zone))),
            ("instance-state-code", |each| one(each.instance.state.code())),
            ("instance-state-name", |each| one(each.instance.state.name())),
            ("instance-status.status", |each| one(each.status)),
            ("instance-status.reachability", |each| each.reachability.map(str::to_owned).into_iter().collect()),
            ("system-status.status", |each| one(each.system().0)),
            ("system-status.reachability", |each| each.system().1.map(str::to_owned).into_iter().collect()),
            ("attached-ebs-status.status", |each| one(each.system().0)),
        ],
        absent: &[
            "event.code",
            "event.description",
            "event.instance-event-id",
            "event.not-after",
            "event.not-before",
            "event.not-before-deadline",
            "operator.principal",
        ],
        tags: None,
    }
}
