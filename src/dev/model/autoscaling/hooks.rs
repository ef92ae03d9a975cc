//! Lifecycle hooks: instances wait, at launch or before their end, until someone says to go on.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::group::Group;
use super::{notifications, uuid, with_group};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// A lifecycle hook.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Hook {
    pub(super) name: String,
    pub(super) transition: Transition,
    pub(super) metadata: Option<String>,
    /// The topic that is told about instances that wait, and the role that may tell it.
    pub(super) target: Option<String>,
    role: Option<String>,
    heartbeat_s: u32,
    /// Whether an instance goes on when nobody says anything in time.
    go_on: bool,
}

/// When a hook holds instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Transition {
    Launching,
    Terminating,
}

/// One instance held by one hook.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Action {
    pub(super) hook: String,
    pub(super) token: String,
    /// When the heartbeat times out.
    deadline: Timestamp,
    /// When it ends whatever heartbeats come.
    last_deadline: Timestamp,
    heartbeat_s: u32,
    go_on: bool,
    /// What was decided: whether to go on.
    result: Option<Verdict>,
}

/// How a lifecycle action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verdict {
    Continue,
    /// Someone said so.
    Abandon,
    /// Nobody said anything.
    TimedOut,
}

/// Hooks of one group.
const HOOKS_MAX: usize = 50;
const HEARTBEAT_S_DEFAULT: u32 = 3600;
/// No instance waits longer than this, whatever heartbeats come.
const GLOBAL_S_MAX: u32 = 48 * 3600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Put {
    lifecycle_hook_name: String,
    auto_scaling_group_name: String,
    lifecycle_transition: Option<String>,
    #[serde(rename = "RoleARN")]
    role_arn: Option<String>,
    #[serde(rename = "NotificationTargetARN")]
    notification_target_arn: Option<String>,
    notification_metadata: Option<String>,
    heartbeat_timeout: Option<u32>,
    default_result: Option<String>,
}

/// A hook in the request that creates its group.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct HookIn {
    lifecycle_hook_name: String,
    lifecycle_transition: String,
    #[serde(rename = "RoleARN")]
    role_arn: Option<String>,
    #[serde(rename = "NotificationTargetARN")]
    notification_target_arn: Option<String>,
    notification_metadata: Option<String>,
    heartbeat_timeout: Option<u32>,
    default_result: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Delete {
    lifecycle_hook_name: String,
    auto_scaling_group_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    auto_scaling_group_name: String,
    #[serde(default)]
    lifecycle_hook_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Complete {
    lifecycle_hook_name: String,
    auto_scaling_group_name: String,
    lifecycle_action_token: Option<String>,
    lifecycle_action_result: String,
    instance_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Heartbeat {
    lifecycle_hook_name: String,
    auto_scaling_group_name: String,
    lifecycle_action_token: Option<String>,
    instance_id: Option<String>,
}

impl Transition {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Launching => "autoscaling:EC2_INSTANCE_LAUNCHING",
            Self::Terminating => "autoscaling:EC2_INSTANCE_TERMINATING",
        }
    }

    /// As the subject of a message has it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Launching => "LAUNCHING",
            Self::Terminating => "TERMINATING",
        }
    }

    fn read(name: &str) -> Result<Self, ApiError> {
        [Self::Launching, Self::Terminating].into_iter().find(|each| each.name() == name).ok_or_else(|| {
            ApiError::validation(format!(
                "Valid lifecycle transition types are autoscaling:EC2_INSTANCE_LAUNCHING and \
                 autoscaling:EC2_INSTANCE_TERMINATING, but it is '{name}'"
            ))
        })
    }
}

impl Hook {
    /// AWS's limit for all heartbeats together.
    const fn global_s(&self) -> u32 {
        let hundredfold = self.heartbeat_s.saturating_mul(100);
        if hundredfold < GLOBAL_S_MAX { hundredfold } else { GLOBAL_S_MAX }
    }
}

fn result(text: &str) -> Result<bool, ApiError> {
    match text {
        "CONTINUE" => Ok(true),
        "ABANDON" => Ok(false),
        other => Err(ApiError::validation(format!("Lifecycle result must be CONTINUE or ABANDON, but is '{other}'"))),
    }
}

impl Put {
    /// The hook that this makes; what is not said is as in `old`, or as AWS has it.
    fn hook(self, old: Option<&Hook>) -> Result<Hook, ApiError> {
        let name = self.lifecycle_hook_name;
        let fits = (1..=255).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/'));
        if !fits {
            let said = format!("'{name}' is not a lifecycle hook name: 1 to 255 of A-Za-z0-9-_/");
            return Err(ApiError::validation(said));
        }
        let transition = match (self.lifecycle_transition, old) {
            (Some(text), _) => Transition::read(&text)?,
            (None, Some(old)) => old.transition,
            (None, None) => return Err(ApiError::validation("A new lifecycle hook needs a LifecycleTransition")),
        };
        let heartbeat_s = self.heartbeat_timeout.or(old.map(|old| old.heartbeat_s)).unwrap_or(HEARTBEAT_S_DEFAULT);
        if !(30..=7200).contains(&heartbeat_s) {
            return Err(ApiError::validation(format!(
                "Heartbeat timeout must be between 30 and 7200 seconds, but it is {heartbeat_s}"
            )));
        }
        let go_on = match self.default_result.as_deref() {
            Some(text) => result(text)?,
            None => old.is_some_and(|old| old.go_on),
        };
        let metadata = self.notification_metadata.or_else(|| old.and_then(|old| old.metadata.clone()));
        let role = self.role_arn.or_else(|| old.and_then(|old| old.role.clone()));
        // An empty target removes the one that was there.
        let target = self.notification_target_arn.or_else(|| old.and_then(|old| old.target.clone()));
        let target = target.filter(|target| !target.is_empty());
        if target.is_some() && role.is_none() {
            return Err(ApiError::validation("A NotificationTargetARN needs a RoleARN"));
        }
        Ok(Hook { name, transition, metadata, target, role, heartbeat_s, go_on })
    }
}

impl HookIn {
    pub(super) fn read(self, group: &str) -> Result<Hook, ApiError> {
        let put = Put {
            lifecycle_hook_name: self.lifecycle_hook_name,
            auto_scaling_group_name: group.to_owned(),
            lifecycle_transition: Some(self.lifecycle_transition),
            role_arn: self.role_arn,
            notification_target_arn: self.notification_target_arn,
            notification_metadata: self.notification_metadata,
            heartbeat_timeout: self.heartbeat_timeout,
            default_result: self.default_result,
        };
        put.hook(None)
    }
}

/// Adds a hook to a group, or replaces the one of its name.
pub(super) fn add(ctx: &mut Ctx<'_>, group: &mut Group, hook: Hook) -> Result<(), ApiError> {
    if !group.hooks.contains_key(&hook.name) && group.hooks.len() >= HOOKS_MAX {
        let said = format!("An Auto Scaling group has at most {HOOKS_MAX} lifecycle hooks");
        return Err(ApiError::new("LimitExceeded", said));
    }
    if let Some(target) = &hook.target {
        notifications::test_target(ctx, group, target)?;
    }
    group.hooks.insert(hook.name.clone(), hook);
    Ok(())
}

pub(super) fn put(ctx: &mut Ctx<'_>, input: Put) -> Answer {
    let group = input.auto_scaling_group_name.clone();
    with_group(ctx, &group, |ctx, group| {
        let old = group.hooks.get(&input.lifecycle_hook_name);
        let hook = input.hook(old)?;
        add(ctx, group, hook)?;
        Ok(Xml::default())
    })
}

/// Instances that it holds go on as if their actions were abandoned at launch, and continued at their end.
pub(super) fn delete(ctx: &mut Ctx<'_>, input: Delete) -> Answer {
    let group = ctx.region.autoscaling.group_mut(&input.auto_scaling_group_name)?;
    let hook = group.hooks.remove(&input.lifecycle_hook_name).ok_or_else(|| no_hook(&input.lifecycle_hook_name))?;
    let verdict = match hook.transition {
        Transition::Launching => Verdict::Abandon,
        Transition::Terminating => Verdict::Continue,
    };
    for action in group.members.values_mut().flat_map(|member| &mut member.actions) {
        if action.hook == hook.name {
            action.result.get_or_insert(verdict);
        }
    }
    Ok(Xml::default())
}

fn no_hook(name: &str) -> ApiError {
    ApiError::validation(format!("No Lifecycle Hook found with the specified name: {name}"))
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let group = ctx.region.autoscaling.group(&input.auto_scaling_group_name)?;
    let names = &input.lifecycle_hook_names;
    let found = group.hooks.values().filter(|hook| names.is_empty() || names.contains(&hook.name));
    let mut xml = Xml::default();
    xml.list("LifecycleHooks", "member", found, |xml, hook| {
        xml.leaf("LifecycleHookName", &hook.name).leaf("AutoScalingGroupName", &group.name);
        xml.leaf("LifecycleTransition", hook.transition.name());
        xml.leaf_if("NotificationTargetARN", hook.target.as_ref()).leaf_if("RoleARN", hook.role.as_ref());
        xml.leaf_if("NotificationMetadata", hook.metadata.as_ref());
        xml.leaf("HeartbeatTimeout", hook.heartbeat_s).leaf("GlobalTimeout", hook.global_s());
        xml.leaf("DefaultResult", if hook.go_on { "CONTINUE" } else { "ABANDON" });
    });
    Ok(xml)
}

/// Who is held, by its token or its id.
fn held<'a>(
    group: &'a mut Group,
    hook: &str,
    token: Option<&String>,
    instance: Option<&String>,
) -> Result<&'a mut Action, ApiError> {
    if !group.hooks.contains_key(hook) {
        return Err(no_hook(hook));
    }
    let none = || {
        ApiError::validation(match (token, instance) {
            (Some(token), _) => format!("No active Lifecycle Action found with token {token}"),
            (None, Some(id)) => format!("No active Lifecycle Action found with instance ID {id}"),
            (None, None) => "Either a LifecycleActionToken or an InstanceId is needed".to_owned(),
        })
    };
    if token.is_none() && instance.is_none() {
        return Err(none());
    }
    let members = group.members.values_mut().filter(|member| instance.is_none_or(|id| *id == member.id));
    let mut actions = members.flat_map(|member| &mut member.actions);
    let fits = |action: &&mut Action| {
        action.hook == hook && action.result.is_none() && token.is_none_or(|token| *token == action.token)
    };
    actions.find(fits).ok_or_else(none)
}

pub(super) fn complete(ctx: &mut Ctx<'_>, input: Complete) -> Answer {
    let go_on = result(&input.lifecycle_action_result)?;
    let (token, instance) = (input.lifecycle_action_token.as_ref(), input.instance_id.as_ref());
    with_group(ctx, &input.auto_scaling_group_name, |_, group| {
        let action = held(group, &input.lifecycle_hook_name, token, instance)?;
        action.result = Some(if go_on { Verdict::Continue } else { Verdict::Abandon });
        Ok(Xml::default())
    })
}

pub(super) fn heartbeat(ctx: &mut Ctx<'_>, input: Heartbeat) -> Answer {
    let now = ctx.cloud.clock.now();
    let (token, instance) = (input.lifecycle_action_token.as_ref(), input.instance_id.as_ref());
    with_group(ctx, &input.auto_scaling_group_name, |_, group| {
        let action = held(group, &input.lifecycle_hook_name, token, instance)?;
        let renewed = now + SignedDuration::from_secs(action.heartbeat_s.into());
        action.deadline = renewed.min(action.last_deadline);
        Ok(Xml::default())
    })
}

/// The actions that an instance has to wait for at a transition; the hooks' targets are told of them.
pub(super) fn actions(
    ctx: &mut Ctx<'_>,
    group: &Group,
    transition: Transition,
    instance: &str,
    now: Timestamp,
) -> Vec<Action> {
    let hooks = group.hooks.values().filter(|hook| hook.transition == transition);
    let held = hooks.map(|hook| Action {
        hook: hook.name.clone(),
        token: uuid(ctx),
        deadline: now + SignedDuration::from_secs(hook.heartbeat_s.into()),
        last_deadline: now + SignedDuration::from_secs(hook.global_s().into()),
        heartbeat_s: hook.heartbeat_s,
        go_on: hook.go_on,
        result: None,
    });
    let held: Vec<_> = held.collect();
    notifications::announce(ctx, group, instance, &held);
    held
}

/// What the actions of an instance come to: a verdict, or the time of the next deadline.
pub(super) fn outcome(actions: &mut [Action], now: Timestamp) -> Result<Verdict, Timestamp> {
    for action in actions.iter_mut().filter(|action| action.result.is_none() && action.deadline <= now) {
        action.result = Some(if action.go_on { Verdict::Continue } else { Verdict::TimedOut });
    }
    // One that is abandoned ends the others too.
    let bad = actions.iter().filter_map(|action| action.result).find(|result| *result != Verdict::Continue);
    if let Some(verdict) = bad {
        return Ok(verdict);
    }
    let next = actions.iter().filter(|action| action.result.is_none()).map(|action| action.deadline).min();
    next.map_or(Ok(Verdict::Continue), Err)
}

/// The token of the action that was not continued.
pub(super) fn abandoned(actions: &[Action]) -> Option<String> {
    let bad = actions.iter().find(|action| action.result.is_some_and(|result| result != Verdict::Continue));
    bad.map(|action| action.token.clone())
}
