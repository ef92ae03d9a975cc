//! What the service says about itself: limits, and the names of the things it knows.

use serde::Deserialize;

use super::create::GROUPS_MAX;
use super::hooks::Transition;
use super::processes::Process;
use super::select::Termination;
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::Xml;

/// An operation without parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

pub(super) fn account(ctx: &mut Ctx<'_>, _: Nothing) -> Answer {
    let mut xml = Xml::default();
    xml.leaf("MaxNumberOfAutoScalingGroups", GROUPS_MAX).leaf("MaxNumberOfLaunchConfigurations", 200);
    xml.leaf("NumberOfAutoScalingGroups", ctx.region.autoscaling.groups.len());
    xml.leaf("NumberOfLaunchConfigurations", 0);
    Ok(xml)
}

pub(super) fn adjustment_types(_: Nothing) -> Answer {
    let mut xml = Xml::default();
    let types = ["ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity"];
    xml.list("AdjustmentTypes", "member", types, |xml, name| {
        xml.leaf("AdjustmentType", name);
    });
    Ok(xml)
}

pub(super) fn hook_types(_: Nothing) -> Answer {
    let mut xml = Xml::default();
    xml.texts("LifecycleHookTypes", "member", [Transition::Launching, Transition::Terminating].map(Transition::name));
    Ok(xml)
}

pub(super) fn process_types(_: Nothing) -> Answer {
    let mut xml = Xml::default();
    xml.list("Processes", "member", Process::ALL, |xml, process| {
        xml.leaf("ProcessName", process.name());
    });
    Ok(xml)
}

pub(super) fn termination_types(_: Nothing) -> Answer {
    let mut xml = Xml::default();
    xml.texts("TerminationPolicyTypes", "member", Termination::ALL.map(Termination::name));
    Ok(xml)
}
