//! Messages to SNS topics: what a group did, and which instances wait for a lifecycle action.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::activity::Activity;
use super::group::Group;
use super::hooks::{Action, Hook};
use super::{Paging, uuid, with_group};
use crate::dev::model::{Answer, Ctx, sns};
use crate::dev::wire::{ApiError, Xml};

/// What a topic can be told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Event {
    Launch,
    LaunchError,
    Terminate,
    TerminateError,
    Test,
}

impl Event {
    const ALL: [Self; 5] = [Self::Launch, Self::LaunchError, Self::Terminate, Self::TerminateError, Self::Test];

    const fn name(self) -> &'static str {
        match self {
            Self::Launch => "autoscaling:EC2_INSTANCE_LAUNCH",
            Self::LaunchError => "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
            Self::Terminate => "autoscaling:EC2_INSTANCE_TERMINATE",
            Self::TerminateError => "autoscaling:EC2_INSTANCE_TERMINATE_ERROR",
            Self::Test => "autoscaling:TEST_NOTIFICATION",
        }
    }

    /// As the message's subject has it.
    const fn words(self) -> &'static str {
        match self {
            Self::Launch => "launch",
            Self::LaunchError => "failed launch",
            Self::Terminate => "termination",
            Self::TerminateError => "failed termination",
            Self::Test => "test notification",
        }
    }
}

/// What the topics of a group are told about, by ARN.
pub(super) type Topics = BTreeMap<String, BTreeSet<Event>>;

/// Topics of one group.
const TOPICS_MAX: usize = 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Put {
    auto_scaling_group_name: String,
    #[serde(rename = "TopicARN")]
    topic_arn: String,
    notification_types: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Delete {
    auto_scaling_group_name: String,
    #[serde(rename = "TopicARN")]
    topic_arn: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    auto_scaling_group_names: Vec<String>,
    next_token: Option<String>,
    max_records: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// What all messages have.
fn envelope(ctx: &Ctx<'_>, group: &Group) -> serde_json::Value {
    serde_json::json!({
        "Service": "AWS Auto Scaling",
        "Time": ctx.cloud.clock.now().to_string(),
        "RequestId": uuid(ctx),
        "AccountId": ctx.region.account,
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
    })
}

/// Sends a test message, which also finds out whether there is such a topic.
fn test(ctx: &mut Ctx<'_>, group: &Group, topic: &str) -> Result<(), ApiError> {
    let mut message = envelope(ctx, group);
    message["Event"] = Event::Test.name().into();
    let subject = format!("Auto Scaling: {} for group \"{}\"", Event::Test.words(), group.name);
    sns::publish_internally(ctx, topic, Some(subject), message.to_string()).map_err(|error| {
        ApiError::validation(format!("Unable to publish test message to notification target {topic}. {error}"))
    })
}

pub(super) fn put(ctx: &mut Ctx<'_>, input: Put) -> Answer {
    let mut events = BTreeSet::new();
    for name in &input.notification_types {
        let event = Event::ALL.into_iter().find(|event| event.name() == name).ok_or_else(|| {
            let known = Event::ALL.map(Event::name).join(", ");
            ApiError::validation(format!("'{name}' is not a valid notification type. Expected one of: {known}"))
        })?;
        events.insert(event);
    }
    with_group(ctx, &input.auto_scaling_group_name, |ctx, group| {
        if !group.topics.contains_key(&input.topic_arn) && group.topics.len() >= TOPICS_MAX {
            let said = format!("An Auto Scaling group notifies at most {TOPICS_MAX} topics");
            return Err(ApiError::new("LimitExceeded", said));
        }
        test(ctx, group, &input.topic_arn)?;
        group.topics.insert(input.topic_arn, events);
        Ok(Xml::default())
    })
}

pub(super) fn delete(ctx: &mut Ctx<'_>, input: Delete) -> Answer {
    let group = ctx.region.autoscaling.group_mut(&input.auto_scaling_group_name)?;
    group.topics.remove(&input.topic_arn);
    Ok(Xml::default())
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let names = &input.auto_scaling_group_names;
    let groups = ctx.region.autoscaling.groups.values();
    let wanted = groups.filter(|group| names.is_empty() || names.contains(&group.name));
    let rows = wanted.flat_map(|group| {
        let of_topic = move |(topic, events): (&'_ String, &'_ BTreeSet<Event>)| {
            events.iter().map(|event| (group.name.clone(), topic.clone(), event.name())).collect::<Vec<_>>()
        };
        group.topics.iter().flat_map(of_topic)
    });
    let paging = Paging { token: input.next_token.as_deref(), size: input.max_records, limits: (50, 100) };
    let mut xml = Xml::default();
    let key = |(group, topic, event): &(String, String, &str)| format!("{group} {topic} {event}");
    paging.write(&mut xml, rows.collect(), key, "NotificationConfigurations", |xml, (group, topic, event)| {
        xml.leaf("AutoScalingGroupName", group).leaf("TopicARN", topic).leaf("NotificationType", event);
    })?;
    Ok(xml)
}

pub(super) fn types(_: Nothing) -> Answer {
    let mut xml = Xml::default();
    xml.texts("AutoScalingNotificationTypes", "member", Event::ALL.map(Event::name));
    Ok(xml)
}

/// Tells the topics what has ended since they were last told.
pub(super) fn send(ctx: &mut Ctx<'_>, group: &mut Group) {
    for (event, activity) in std::mem::take(&mut group.outbox) {
        let topics = group.topics.iter().filter(|(_, events)| events.contains(&event));
        let topics: Vec<_> = topics.map(|(topic, _)| topic.clone()).collect();
        for topic in topics {
            let mut message = envelope(ctx, group);
            describe_activity(&mut message, event, &activity);
            let subject = format!("Auto Scaling: {} for group \"{}\"", event.words(), group.name);
            publish(ctx, &topic, subject, &message);
        }
    }
}

fn describe_activity(message: &mut serde_json::Value, event: Event, activity: &Activity) {
    message["Event"] = event.name().into();
    message["ActivityId"] = activity.id.as_str().into();
    message["Description"] = activity.description.as_str().into();
    message["Cause"] = activity.cause.as_str().into();
    message["StartTime"] = activity.start.to_string().into();
    message["EndTime"] = activity.end.map(|end| end.to_string()).into();
    // AWS says so even of what has ended.
    message["StatusCode"] = if activity.message.is_some() { "Failed" } else { "InProgress" }.into();
    message["StatusMessage"] = activity.message.as_deref().unwrap_or_default().into();
    message["Progress"] = if activity.message.is_some() { 100 } else { 50 }.into();
    message["Details"] = serde_json::from_str(&activity.details).unwrap_or_default();
    let instance = activity.description.split(": ").nth(1).and_then(|rest| rest.split('.').next());
    message["EC2InstanceId"] = instance.unwrap_or_default().into();
}

fn publish(ctx: &mut Ctx<'_>, topic: &str, subject: String, message: &serde_json::Value) {
    if let Err(error) = sns::publish_internally(ctx, topic, Some(subject), message.to_string()) {
        tracing::info!(topic, error, "a topic cannot be notified");
    }
}

/// Tests the target of a hook, which must be a topic.
pub(super) fn test_target(ctx: &mut Ctx<'_>, group: &Group, target: &str) -> Result<(), ApiError> {
    if !target.starts_with("arn:aws:sns:") {
        return Err(ApiError::validation(format!(
            "NotificationTargetARN '{target}' is not valid (or not modelled by the dev cloud, which has no queues): \
             expected an SNS topic"
        )));
    }
    test(ctx, group, target)
}

/// Tells a hook's target that an instance waits.
pub(super) fn announce(ctx: &mut Ctx<'_>, group: &Group, instance: &str, actions: &[Action]) {
    for action in actions {
        let Some(hook) = group.hooks.get(&action.hook) else { continue };
        let Some(target) = &hook.target else { continue };
        let message = waiting(ctx, group, hook, instance, action);
        let subject = format!(
            "Auto Scaling:  Lifecycle action '{}' for instance {instance} in progress.",
            hook.transition.word()
        );
        publish(ctx, target, subject, &message);
    }
}

fn waiting(ctx: &Ctx<'_>, group: &Group, hook: &Hook, instance: &str, action: &Action) -> serde_json::Value {
    let mut message = envelope(ctx, group);
    message["LifecycleHookName"] = hook.name.as_str().into();
    message["LifecycleTransition"] = hook.transition.name().into();
    message["LifecycleActionToken"] = action.token.as_str().into();
    message["EC2InstanceId"] = instance.into();
    if let Some(metadata) = &hook.metadata {
        message["NotificationMetadata"] = metadata.as_str().into();
    }
    message
}
