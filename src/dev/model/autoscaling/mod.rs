//! Auto Scaling: groups that launch, watch, replace and terminate instances by themselves.
//!
//! | file | what it holds |
//! |---|---|
//! | `group`, `member`, `template` | what exists |
//! | `create`, `update`, `delete`, `describe`, `tagging`, `processes`, `limits` | calls on groups |
//! | `capacity`, `membership`, `health` | calls on sizes and instances, and what the group's loop does about them |
//! | `hooks`, `sources`, `schedule`, `policies`, `tracking`, `notifications`, … | what else a group can have |
//! | `select` | which instance ends, and where the next one starts |
//! | `activity` | what a group did, and why, in AWS's words |
//! | `machines`, `traffic`, `alarms` | all that this service asks of EC2, of load balancing and of CloudWatch |
//! | `pace` | the background task that runs the groups' loops |

mod activity;
mod alarms;
mod capacity;
mod create;
mod delete;
mod describe;
mod group;
mod health;
mod hooks;
mod lifecycle;
mod limits;
mod machines;
mod member;
mod membership;
mod notifications;
mod pace;
mod policies;
mod processes;
mod refresh;
mod schedule;
mod select;
mod sources;
mod tagging;
mod template;
mod tracking;
mod traffic;
mod update;
mod warm;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Ctx, Operation, input};
use crate::dev::wire::{ApiError, Node, Service, Xml, page};
use activity::Activity;
use group::Group;

pub(crate) use alarms::on_alarm;
pub(crate) use pace::start;

/// Auto Scaling's state in one region.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct AutoScaling {
    /// By name.
    groups: BTreeMap<String, Group>,
    /// What groups that are gone have done.
    past: Vec<Activity>,
}

/// What is modelled, and what is missing of it.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::xml("AttachInstances", "", |ctx, form| membership::attach(ctx, read(form)?)),
    Operation::xml("AttachLoadBalancerTargetGroups", "", |ctx, form| sources::attach_groups(ctx, read(form)?)),
    Operation::xml("AttachTrafficSources", "type elbv2 only", |ctx, form| sources::attach(ctx, read(form)?)),
    Operation::xml("BatchDeleteScheduledAction", "", |ctx, form| schedule::batch_delete(ctx, read(form)?)),
    Operation::xml("BatchPutScheduledUpdateGroupAction", "", |ctx, form| schedule::batch_put(ctx, read(form)?)),
    Operation::xml("CancelInstanceRefresh", "", |ctx, form| refresh::cancel(ctx, read(form)?)),
    Operation::xml("CompleteLifecycleAction", "", |ctx, form| hooks::complete(ctx, read(form)?)),
    Operation::xml(
        "CreateAutoScalingGroup",
        "launch templates only (no launch configurations, no mixed instances), subnets by VPCZoneIdentifier",
        |ctx, form| create::create(ctx, read(form)?),
    ),
    Operation::xml("CreateOrUpdateTags", "", |ctx, form| tagging::put(ctx, read(form)?)),
    Operation::xml("DeleteAutoScalingGroup", "", |ctx, form| delete::delete(ctx, read(form)?)),
    Operation::xml("DeleteLifecycleHook", "", |ctx, form| hooks::delete(ctx, read(form)?)),
    Operation::xml("DeleteNotificationConfiguration", "", |ctx, form| notifications::delete(ctx, read(form)?)),
    Operation::xml("DeletePolicy", "", |ctx, form| policies::delete(ctx, read(form)?)),
    Operation::xml("DeleteScheduledAction", "", |ctx, form| schedule::delete(ctx, read(form)?)),
    Operation::xml("DeleteTags", "", |ctx, form| tagging::delete(ctx, read(form)?)),
    Operation::xml("DeleteWarmPool", "", |ctx, form| warm::delete(ctx, read(form)?)),
    Operation::xml("DescribeAccountLimits", "", |ctx, form| limits::account(ctx, read(form)?)),
    Operation::xml("DescribeAdjustmentTypes", "", |_, form| limits::adjustment_types(read(form)?)),
    Operation::xml("DescribeAutoScalingGroups", "", |ctx, form| describe::groups(ctx, read(form)?)),
    Operation::xml("DescribeAutoScalingInstances", "", |ctx, form| describe::instances(ctx, read(form)?)),
    Operation::xml("DescribeAutoScalingNotificationTypes", "", |_, form| notifications::types(read(form)?)),
    Operation::xml("DescribeInstanceRefreshes", "", |ctx, form| refresh::describe(ctx, read(form)?)),
    Operation::xml("DescribeLifecycleHooks", "", |ctx, form| hooks::describe(ctx, read(form)?)),
    Operation::xml("DescribeLifecycleHookTypes", "", |_, form| limits::hook_types(read(form)?)),
    Operation::xml("DescribeLoadBalancerTargetGroups", "", |ctx, form| sources::describe_groups(ctx, read(form)?)),
    Operation::xml("DescribeNotificationConfigurations", "", |ctx, form| notifications::describe(ctx, read(form)?)),
    Operation::xml("DescribePolicies", "", |ctx, form| policies::describe(ctx, read(form)?)),
    Operation::xml("DescribeScalingActivities", "", |ctx, form| activity::describe(ctx, read(form)?)),
    Operation::xml("DescribeScalingProcessTypes", "", |_, form| limits::process_types(read(form)?)),
    Operation::xml("DescribeScheduledActions", "", |ctx, form| schedule::describe(ctx, read(form)?)),
    Operation::xml("DescribeTags", "", |ctx, form| tagging::describe(ctx, read(form)?)),
    Operation::xml("DescribeTerminationPolicyTypes", "", |_, form| limits::termination_types(read(form)?)),
    Operation::xml("DescribeTrafficSources", "", |ctx, form| sources::describe(ctx, read(form)?)),
    Operation::xml("DescribeWarmPool", "", |ctx, form| warm::describe(ctx, read(form)?)),
    Operation::xml("DetachInstances", "", |ctx, form| membership::detach(ctx, read(form)?)),
    Operation::xml("DetachLoadBalancerTargetGroups", "", |ctx, form| sources::detach_groups(ctx, read(form)?)),
    Operation::xml("DetachTrafficSources", "", |ctx, form| sources::detach(ctx, read(form)?)),
    Operation::xml("EnterStandby", "", |ctx, form| membership::enter_standby(ctx, read(form)?)),
    Operation::xml("ExecutePolicy", "", |ctx, form| policies::execute(ctx, read(form)?)),
    Operation::xml("ExitStandby", "", |ctx, form| membership::exit_standby(ctx, read(form)?)),
    Operation::xml("PutLifecycleHook", "notification targets are SNS topics", |ctx, form| hooks::put(ctx, read(form)?)),
    Operation::xml("PutNotificationConfiguration", "", |ctx, form| notifications::put(ctx, read(form)?)),
    Operation::xml(
        "PutScalingPolicy",
        "target tracking of ALBRequestCountPerTarget, step and simple scaling",
        |ctx, form| policies::put(ctx, read(form)?),
    ),
    Operation::xml("PutScheduledUpdateGroupAction", "", |ctx, form| schedule::put(ctx, read(form)?)),
    Operation::xml("PutWarmPool", "pool states Stopped and Running", |ctx, form| warm::put(ctx, read(form)?)),
    Operation::xml("RecordLifecycleActionHeartbeat", "", |ctx, form| hooks::heartbeat(ctx, read(form)?)),
    Operation::xml("ResumeProcesses", "", |ctx, form| processes::resume(ctx, read(form)?)),
    Operation::xml("RollbackInstanceRefresh", "", |ctx, form| refresh::rollback(ctx, read(form)?)),
    Operation::xml("SetDesiredCapacity", "", |ctx, form| capacity::set_desired(ctx, read(form)?)),
    Operation::xml("SetInstanceHealth", "", |ctx, form| health::set(ctx, read(form)?)),
    Operation::xml("SetInstanceProtection", "", |ctx, form| membership::protect(ctx, read(form)?)),
    Operation::xml("StartInstanceRefresh", "strategy Rolling; no checkpoints, no alarms", |ctx, form| {
        refresh::begin(ctx, read(form)?)
    }),
    Operation::xml("SuspendProcesses", "", |ctx, form| processes::suspend(ctx, read(form)?)),
    Operation::xml("TerminateInstanceInAutoScalingGroup", "", |ctx, form| membership::terminate(ctx, read(form)?)),
    Operation::xml("UpdateAutoScalingGroup", "as CreateAutoScalingGroup", |ctx, form| update::update(ctx, read(form)?)),
];

fn read<T: serde::de::DeserializeOwned>(form: &Node) -> Result<T, ApiError> {
    input(Service::AutoScaling, form)
}

impl AutoScaling {
    fn group(&self, name: &str) -> Result<&Group, ApiError> {
        self.groups.get(name).ok_or_else(|| not_found(name))
    }

    fn group_mut(&mut self, name: &str) -> Result<&mut Group, ApiError> {
        self.groups.get_mut(name).ok_or_else(|| not_found(name))
    }

    /// The group that an instance belongs to.
    fn group_of(&self, instance: &str) -> Result<&Group, ApiError> {
        let found = self.groups.values().find(|group| group.members.contains_key(instance));
        found.ok_or_else(|| no_instance(instance))
    }
}

fn not_found(name: &str) -> ApiError {
    ApiError::validation(format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"))
}

fn no_instance(id: &str) -> ApiError {
    ApiError::validation(format!("Instance Id not found - No managed instance found for instance ID: {id}"))
}

/// Works on a group with the rest of the region at hand, and puts the group back.
fn with_group<T>(
    ctx: &mut Ctx<'_>,
    name: &str,
    work: impl FnOnce(&mut Ctx<'_>, &mut Group) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let mut group = ctx.region.autoscaling.groups.remove(name).ok_or_else(|| not_found(name))?;
    let result = work(ctx, &mut group);
    ctx.region.autoscaling.groups.insert(name.to_owned(), group);
    result
}

/// How much of a list an answer may hold, and where it begins.
struct Paging<'a> {
    token: Option<&'a str>,
    size: Option<u32>,
    /// How many items a page has unless the call says otherwise, and at most.
    limits: (u32, u32),
}

impl Paging<'_> {
    /// Writes one page of `items`, and `NextToken` where there is another.
    fn write<T>(
        &self,
        xml: &mut Xml,
        items: Vec<T>,
        key: impl Fn(&T) -> String,
        list: &str,
        write: impl FnMut(&mut Xml, T),
    ) -> Result<(), ApiError> {
        let (usual, most) = self.limits;
        let size = self.size.unwrap_or(usual);
        if size == 0 || size > most {
            return Err(ApiError::validation(format!(
                "1 validation error detected: Value '{size}' at 'maxRecords' failed to satisfy constraint: Member must \
                 have value between 1 and {most}"
            )));
        }
        let token = self.token.filter(|token| !token.is_empty());
        let (items, next) = page(items, key, token, size as usize)
            .ok_or_else(|| ApiError::new("InvalidNextToken", "The NextToken value is not valid."))?;
        xml.list(list, "member", items, write).leaf_if("NextToken", next);
        Ok(())
    }
}

/// A UUID, drawn from the cloud's own randomness.
fn uuid(ctx: &Ctx<'_>) -> String {
    let (high, low) = (u128::from(ctx.cloud.chance.number()), u128::from(ctx.cloud.chance.number()));
    uuid::Builder::from_random_bytes((high << 64 | low).to_be_bytes()).into_uuid().to_string()
}

/// A filter of a describe call.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Filter {
    name: String,
    #[serde(default)]
    values: Vec<String>,
}

/// The values of each filter; filters that the operation does not have are refused.
fn read_filters<'a>(filters: &'a [Filter], known: &[&str]) -> Result<BTreeMap<&'a str, Vec<&'a str>>, ApiError> {
    let mut read = BTreeMap::<_, Vec<_>>::new();
    for filter in filters {
        let name = filter.name.as_str();
        if !known.contains(&name) {
            let known = known.join(", ");
            let said = format!("Filter '{name}' is not valid (or not modelled by the dev cloud): expected {known}");
            return Err(ApiError::validation(said));
        }
        read.entry(name).or_default().extend(filter.values.iter().map(String::as_str));
    }
    Ok(read)
}
