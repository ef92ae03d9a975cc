//! Traffic sources: the target groups that a group's instances are registered with.

use serde::{Deserialize, Serialize};

use super::group::Group;
use super::pace::Step;
use super::{Paging, membership, traffic, with_group};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// A target group of an Auto Scaling group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Source {
    arn: String,
    /// Attached as a traffic source, and to be detached as one.
    as_source: bool,
    state: SourceState,
}

/// How far attaching or detaching has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum SourceState {
    /// Instances are being registered.
    Adding,
    /// All of them are; none has passed a health check yet.
    Added,
    /// One has passed a health check: from now on its health checks count.
    InService,
    /// Instances are being deregistered, and drain.
    Removing,
}

/// A traffic source in a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct SourceIn {
    identifier: String,
    #[serde(rename = "Type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Groups {
    auto_scaling_group_name: String,
    #[serde(rename = "TargetGroupARNs")]
    target_group_arns: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Sources {
    auto_scaling_group_name: String,
    traffic_sources: Vec<SourceIn>,
    #[serde(default)]
    skip_zonal_shift_validation: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    auto_scaling_group_name: String,
    traffic_source_type: Option<String>,
    next_token: Option<String>,
    max_records: Option<u32>,
}

/// How many one call may name.
const CALL_MAX: usize = 10;
/// How many a group may have.
const SOURCES_MAX: usize = 50;

impl SourceState {
    const fn name(self) -> &'static str {
        match self {
            Self::Adding => "Adding",
            Self::Added => "Added",
            Self::InService => "InService",
            Self::Removing => "Removing",
        }
    }
}

impl Group {
    /// The target groups that new instances are registered with.
    pub(super) fn attached(&self) -> Vec<String> {
        let attached = self.sources.iter().filter(|source| source.state != SourceState::Removing);
        attached.map(|source| source.arn.clone()).collect()
    }

    /// The target groups that its instances may be registered with, or draining from.
    pub(super) fn known_sources(&self) -> Vec<String> {
        self.sources.iter().map(|source| source.arn.clone()).collect()
    }

    /// The target groups that have found an instance healthy, and whose word counts since then.
    pub(super) fn proven_sources(&self) -> Vec<String> {
        let proven = self.sources.iter().filter(|source| source.state == SourceState::InService);
        proven.map(|source| source.arn.clone()).collect()
    }
}

fn check_count(count: usize) -> Result<(), ApiError> {
    if (1..=CALL_MAX).contains(&count) {
        return Ok(());
    }
    Err(ApiError::validation(format!(
        "Between 1 and {CALL_MAX} target groups can be named at once, but there are {count}"
    )))
}

/// Adds target groups to a group, or none.
fn extend(ctx: &mut Ctx<'_>, group: &mut Group, arns: Vec<&String>, as_source: bool) -> Result<(), ApiError> {
    for arn in &arns {
        traffic::check(ctx, arn)?;
    }
    let mut after = group.sources.clone();
    for arn in arns {
        match after.iter_mut().find(|source| source.arn == *arn) {
            // Attached again while it is being detached.
            Some(source) if source.state == SourceState::Removing => {
                *source = Source { arn: arn.clone(), as_source, state: SourceState::Adding };
            }
            Some(_) => {}
            None => after.push(Source { arn: arn.clone(), as_source, state: SourceState::Adding }),
        }
    }
    if after.len() > SOURCES_MAX {
        let said = format!("An Auto Scaling group has at most {SOURCES_MAX} target groups");
        return Err(ApiError::new("LimitExceeded", said));
    }
    group.sources = after;
    Ok(())
}

/// The identifiers of sources that are target groups of ELBv2.
fn identifiers(sources: &[SourceIn]) -> Result<Vec<&String>, ApiError> {
    let read = sources.iter().map(|source| match source.kind.as_deref() {
        None | Some("elbv2") => Ok(&source.identifier),
        Some(kind) => Err(ApiError::validation(format!(
            "Traffic source type '{kind}' is not valid (or not modelled by the dev cloud). Expected elbv2"
        ))),
    });
    read.collect()
}

pub(super) fn add_groups(ctx: &mut Ctx<'_>, group: &mut Group, arns: &[String]) -> Result<(), ApiError> {
    extend(ctx, group, arns.iter().collect(), false)
}

pub(super) fn add(ctx: &mut Ctx<'_>, group: &mut Group, sources: &[SourceIn]) -> Result<(), ApiError> {
    extend(ctx, group, identifiers(sources)?, true)
}

fn refuse_while_refreshing(group: &Group) -> Result<(), ApiError> {
    match group.refresh() {
        None => Ok(()),
        Some(refresh) => Err(ApiError::new(
            "InstanceRefreshInProgress",
            format!("Instance refresh {} is in progress and blocks this action", refresh.id),
        )),
    }
}

pub(super) fn attach_groups(ctx: &mut Ctx<'_>, input: Groups) -> Answer {
    check_count(input.target_group_arns.len())?;
    with_group(ctx, &input.auto_scaling_group_name, |ctx, group| {
        refuse_while_refreshing(group)?;
        add_groups(ctx, group, &input.target_group_arns)?;
        Ok(Xml::default())
    })
}

pub(super) fn attach(ctx: &mut Ctx<'_>, input: Sources) -> Answer {
    check_count(input.traffic_sources.len())?;
    if input.skip_zonal_shift_validation {
        return Err(ApiError::validation(
            "Parameter 'SkipZonalShiftValidation' is unknown (or not modelled by the dev cloud)",
        ));
    }
    with_group(ctx, &input.auto_scaling_group_name, |ctx, group| {
        refuse_while_refreshing(group)?;
        add(ctx, group, &input.traffic_sources)?;
        Ok(Xml::default())
    })
}

/// Takes instances out of target groups, where they drain; the instances go on running.
fn remove(ctx: &mut Ctx<'_>, name: &str, arns: &[&String], as_source: bool) -> Answer {
    check_count(arns.len())?;
    with_group(ctx, name, |ctx, group| {
        for arn in arns {
            let fits = |source: &Source| {
                source.arn == **arn && source.as_source == as_source && source.state != SourceState::Removing
            };
            if !group.sources.iter().any(fits) {
                return Err(ApiError::validation(
                    "Trying to remove Target Groups that are not part of the group (or that were attached by the other \
                     call: AttachTrafficSources or AttachLoadBalancerTargetGroups)",
                ));
            }
        }
        for source in group.sources.iter_mut().filter(|source| arns.contains(&&source.arn)) {
            source.state = SourceState::Removing;
            for id in group.members.keys() {
                traffic::deregister(ctx, &source.arn, id);
            }
        }
        Ok(Xml::default())
    })
}

pub(super) fn detach_groups(ctx: &mut Ctx<'_>, input: Groups) -> Answer {
    let arns: Vec<_> = input.target_group_arns.iter().collect();
    remove(ctx, &input.auto_scaling_group_name, &arns, false)
}

pub(super) fn detach(ctx: &mut Ctx<'_>, input: Sources) -> Answer {
    if input.skip_zonal_shift_validation {
        return Err(ApiError::validation("Parameter 'SkipZonalShiftValidation' is unknown"));
    }
    let arns = identifiers(&input.traffic_sources)?;
    remove(ctx, &input.auto_scaling_group_name, &arns, true)
}

pub(super) fn describe_groups(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    if input.traffic_source_type.is_some() {
        return Err(ApiError::validation("Parameter 'TrafficSourceType' is unknown"));
    }
    let group = ctx.region.autoscaling.group(&input.auto_scaling_group_name)?;
    let found = group.sources.iter().filter(|source| !source.as_source).collect();
    let paging = Paging { token: input.next_token.as_deref(), size: input.max_records, limits: (100, 100) };
    let mut xml = Xml::default();
    let key = |source: &&Source| source.arn.clone();
    paging.write(&mut xml, found, key, "LoadBalancerTargetGroups", |xml, source| {
        xml.leaf("LoadBalancerTargetGroupARN", &source.arn).leaf("State", source.state.name());
    })?;
    Ok(xml)
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let wanted = match input.traffic_source_type.as_deref() {
        None | Some("elbv2") => true,
        Some("elb" | "vpc-lattice") => false,
        Some(kind) => return Err(ApiError::validation(format!("Traffic source type '{kind}' is not valid"))),
    };
    let group = ctx.region.autoscaling.group(&input.auto_scaling_group_name)?;
    let found = group.sources.iter().filter(|_| wanted).collect();
    let paging = Paging { token: input.next_token.as_deref(), size: input.max_records, limits: (50, 50) };
    let mut xml = Xml::default();
    let key = |source: &&Source| source.arn.clone();
    paging.write(&mut xml, found, key, "TrafficSources", |xml, source| {
        xml.leaf("TrafficSource", &source.arn).leaf("State", source.state.name());
        xml.leaf("Identifier", &source.arn).leaf("Type", "elbv2");
    })?;
    Ok(xml)
}

/// Moves every source as far as it can go now.
pub(super) fn advance(ctx: &mut Ctx<'_>, group: &mut Group, step: &mut Step) {
    for arn in group.known_sources() {
        let Some(state) = group.sources.iter().find(|source| source.arn == arn).map(|source| source.state) else {
            continue;
        };
        let next = match state {
            SourceState::Adding => match membership::register_all(ctx, group, &arn) {
                Ok(()) => Some(SourceState::Added),
                // The target group was deleted meanwhile: it stays as it is, and blocks launches.
                Err(_) => continue,
            },
            SourceState::Added => {
                let healthy = group
                    .members
                    .values()
                    .any(|member| member.is_in_service() && traffic::is_healthy(ctx, &arn, &member.id));
                if !healthy {
                    continue;
                }
                Some(SourceState::InService)
            }
            SourceState::InService => continue,
            SourceState::Removing => {
                let draining = group.members.keys().filter_map(|id| traffic::draining_until(ctx, &arn, id)).min();
                if let Some(until) = draining {
                    step.at(until);
                    continue;
                }
                None
            }
        };
        match next {
            Some(next) => {
                for source in group.sources.iter_mut().filter(|source| source.arn == arn) {
                    source.state = next;
                }
            }
            None => group.sources.retain(|source| source.arn != arn),
        }
        step.changed = true;
    }
}
