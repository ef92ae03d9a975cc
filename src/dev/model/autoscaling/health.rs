//! Which instances count as unhealthy: what EC2 says, what load balancers say after the grace period, what users say.

use serde::Deserialize;

use super::group::Group;
use super::lifecycle::after;
use super::machines::{self, State};
use super::member::Sickness;
use super::pace::Step;
use super::processes::Process;
use super::{traffic, with_group};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Set {
    instance_id: String,
    health_status: String,
    should_respect_grace_period: Option<bool>,
}

pub(super) fn set(ctx: &mut Ctx<'_>, input: Set) -> Answer {
    let now = ctx.cloud.clock.now();
    let healthy = match input.health_status.as_str() {
        "Healthy" => true,
        "Unhealthy" => false,
        other => {
            let said = format!("Valid instance health states are: [Healthy, Unhealthy], but it is '{other}'");
            return Err(ApiError::validation(said));
        }
    };
    let name = ctx.region.autoscaling.group_of(&input.instance_id)?.name.clone();
    with_group(ctx, &name, |_, group| {
        let grace_s = group.settings.grace_s;
        let Some(member) = group.members.get_mut(&input.instance_id) else { return Ok(Xml::default()) };
        let in_grace = member.in_service.is_none_or(|since| after(since, grace_s) > now);
        if healthy {
            member.unhealthy = None;
        } else if !(in_grace && input.should_respect_grace_period.unwrap_or(true)) {
            member.unhealthy = Some(Sickness::User);
        }
        Ok(Xml::default())
    })
}

/// Looks at every instance in service.
pub(super) fn advance(ctx: &mut Ctx<'_>, group: &mut Group, step: &mut Step) {
    if !group.runs(Process::HealthCheck) {
        return;
    }
    // A load balancer that has never found an instance healthy says nothing about this one.
    let asked: Vec<_> = if group.settings.asks_load_balancers() { group.proven_sources() } else { Vec::new() };
    let grace_s = group.settings.grace_s;
    for member in group.members.values_mut().filter(|member| member.is_in_service()) {
        let before = member.unhealthy;
        if matches!(before, Some(Sickness::User | Sickness::NotRunning)) {
            continue;
        }
        let state = machines::state(ctx, &member.id);
        let grace_end = member.in_service.map_or(step.now, |since| after(since, grace_s));
        member.unhealthy = if !matches!(state, State::Running | State::Pending) {
            Some(Sickness::NotRunning)
        } else if grace_end > step.now {
            step.at(grace_end);
            None
        } else if machines::is_impaired(ctx, &member.id) {
            Some(Sickness::StatusCheck)
        } else if asked.iter().any(|arn| traffic::is_unhealthy(ctx, arn, &member.id)) {
            Some(Sickness::LoadBalancer)
        } else {
            None
        };
        step.changed |= member.unhealthy != before;
    }
}
