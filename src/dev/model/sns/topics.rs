//! Topics, their attributes and tags.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Answer, Ctx, invalid, not_found, page};
use crate::dev::model::tags::{self, Tag, Tags};
use crate::dev::wire::{ApiError, Fields, Service, Value};

/// How many topics a region may have.
const TOPICS_MAX: usize = 100_000;

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Topic {
    attributes: BTreeMap<String, String>,
    tags: Tags,
    /// How many subscriptions were deleted.
    pub(super) deleted: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Create {
    name: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Named {
    topic_arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct List {
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Set {
    topic_arn: String,
    attribute_name: String,
    attribute_value: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Tagging {
    resource_arn: String,
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Untagging {
    resource_arn: String,
    tag_keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Tagged {
    resource_arn: String,
}

fn check_attribute(name: &str, value: &str) -> Result<(), ApiError> {
    match name {
        "DisplayName" if value.chars().count() <= 100 => Ok(()),
        "DisplayName" => Err(invalid("Attributes Reason: DisplayName has at most 100 characters")),
        "Policy" if serde_json::from_str::<serde_json::Value>(value).is_ok_and(|policy| policy.is_object()) => Ok(()),
        "Policy" => Err(invalid("Policy Error: null")),
        other => Err(invalid(format!(
            "Attributes Reason: {other} is unknown (or not modelled by the dev cloud, which has DisplayName and Policy)"
        ))),
    }
}

/// Making the same topic again is no mistake.
pub(super) fn create(ctx: &mut Ctx<'_>, input: Create) -> Answer {
    let name = &input.name;
    if name.ends_with(".fifo") || input.attributes.contains_key("FifoTopic") {
        return Err(invalid("Name Reason: FIFO topics are not modelled by the dev cloud"));
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !(1..=256).contains(&name.len()) || !name.bytes().all(fits) {
        return Err(invalid("Topic Name"));
    }
    input.attributes.iter().try_for_each(|(name, value)| check_attribute(name, value))?;
    let mut tags = Tags::new();
    tags::put(&mut tags, &input.tags, "InvalidParameter", "TagLimitExceeded")?;
    let arn = ctx.region.arn(Service::Sns, name);
    if let Some(known) = ctx.region.sns.topics.get(&arn) {
        if input.attributes.iter().any(|(name, value)| known.attributes.get(name) != Some(value)) {
            return Err(invalid("Attributes Reason: Topic already exists with different attributes"));
        }
        if !input.tags.is_empty() && known.tags != tags {
            return Err(invalid("Tags Reason: Topic already exists with different tags"));
        }
        return Ok(Fields::new().with("TopicArn", arn).into());
    }
    if ctx.region.sns.topics.len() >= TOPICS_MAX {
        return Err(ApiError::new("TopicLimitExceeded", "Topic limit exceeded").status(403));
    }
    let topic = Topic { attributes: input.attributes, tags, deleted: 0 };
    ctx.region.sns.topics.insert(arn.clone(), topic);
    Ok(Fields::new().with("TopicArn", arn).into())
}

/// That it does not exist is success. Its subscriptions go with it.
pub(super) fn delete(ctx: &mut Ctx<'_>, input: Named) -> Answer {
    ctx.region.sns.topics.remove(&input.topic_arn);
    ctx.region.sns.subscriptions.retain(|_, subscription| subscription.topic != input.topic_arn);
    Ok(Fields::new().into())
}

pub(super) fn list(ctx: &mut Ctx<'_>, input: List) -> Answer {
    let arns = ctx.region.sns.topics.keys().map(|arn| Fields::new().with("TopicArn", arn)).collect();
    let (topics, next) = page(arns, input.next_token.as_deref())?;
    Ok(Fields::new().with("Topics", Value::list(topics)).with_if("NextToken", next).into())
}

pub(super) fn get(ctx: &mut Ctx<'_>, input: Named) -> Answer {
    let arn = &input.topic_arn;
    let topic = ctx.region.sns.topics.get(arn).ok_or_else(|| not_found("Topic"))?;
    let of_topic = || ctx.region.sns.subscriptions.values().filter(|subscription| subscription.topic == *arn);
    let pending = of_topic().filter(|subscription| subscription.token.is_some()).count();
    let owner = &ctx.region.account;
    let policy = serde_json::json!({
        "Version": "2008-10-17", "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID", "Effect": "Allow", "Principal": { "AWS": "*" },
            "Action": ["SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission",
                "SNS:DeleteTopic", "SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish"],
            "Resource": arn, "Condition": { "StringEquals": { "AWS:SourceOwner": owner } },
        }],
    });
    let mut attributes: BTreeMap<String, String> = [
        ("TopicArn", arn.clone()),
        ("Owner", owner.clone()),
        ("DisplayName", String::new()),
        ("Policy", policy.to_string()),
        ("SubscriptionsPending", pending.to_string()),
        ("SubscriptionsConfirmed", (of_topic().count() - pending).to_string()),
        ("SubscriptionsDeleted", topic.deleted.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    attributes.extend(topic.attributes.clone());
    Ok(Fields::new().with("Attributes", Value::map(attributes)).into())
}

pub(super) fn set(ctx: &mut Ctx<'_>, input: Set) -> Answer {
    let topic = ctx.region.sns.topics.get_mut(&input.topic_arn).ok_or_else(|| not_found("Topic"))?;
    let value = input.attribute_value.unwrap_or_default();
    check_attribute(&input.attribute_name, &value)?;
    topic.attributes.insert(input.attribute_name, value);
    Ok(Fields::new().into())
}

fn tags_of<'a>(ctx: &'a mut Ctx<'_>, arn: &str) -> Result<&'a mut Tags, ApiError> {
    let topic = ctx.region.sns.topics.get_mut(arn);
    topic
        .map(|topic| &mut topic.tags)
        .ok_or_else(|| ApiError::new("ResourceNotFound", "Resource does not exist").status(404))
}

pub(super) fn tag(ctx: &mut Ctx<'_>, input: Tagging) -> Answer {
    tags::put(tags_of(ctx, &input.resource_arn)?, &input.tags, "InvalidParameter", "TagLimitExceeded")?;
    Ok(Fields::new().into())
}

pub(super) fn untag(ctx: &mut Ctx<'_>, input: Untagging) -> Answer {
    tags_of(ctx, &input.resource_arn)?.retain(|key, _| !input.tag_keys.contains(key));
    Ok(Fields::new().into())
}

pub(super) fn list_tags(ctx: &mut Ctx<'_>, input: Tagged) -> Answer {
    let tags = tags_of(ctx, &input.resource_arn)?;
    let tags = tags.iter().map(|(key, value)| Fields::new().with("Key", key).with("Value", value));
    Ok(Fields::new().with("Tags", Value::list(tags)).into())
}
