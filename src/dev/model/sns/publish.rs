//! `Publish`, and what other services publish.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::attributes::{self, Attribute, Given};
use super::{Answer, Ctx, KEPT, delivery, invalid, not_found};
use crate::dev::wire::{ApiError, Fields};

/// How large a message may be, attributes included.
const BYTES_MAX: usize = 262_144;

/// A message that was published to a topic of the dev cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedMessage {
    /// SNS's id of it.
    pub id: String,
    /// The ARN of the topic.
    pub topic: String,
    /// Its subject, where it has one.
    pub subject: Option<String>,
    /// Its text; for a message of several structures the one for HTTP.
    pub message: String,
    /// When it was published.
    pub at: Timestamp,
    pub(super) attributes: BTreeMap<String, Attribute>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Publish {
    topic_arn: Option<String>,
    target_arn: Option<String>,
    message: String,
    subject: Option<String>,
    message_structure: Option<String>,
    #[serde(default)]
    message_attributes: BTreeMap<String, Given>,
}

pub(super) fn run(ctx: &mut Ctx<'_>, input: Publish) -> Answer {
    let topic = match (input.topic_arn, input.target_arn) {
        (Some(arn), None) | (None, Some(arn)) => arn,
        _ => return Err(invalid("TopicArn or TargetArn Reason: exactly one of them must be given")),
    };
    let attributes = attributes::check(input.message_attributes)?;
    let of_attributes: usize =
        attributes.iter().map(|(name, each)| name.len() + each.kind.len() + each.value.len()).sum();
    if input.message.is_empty() {
        return Err(invalid("Empty message"));
    }
    if input.message.len() + of_attributes > BYTES_MAX {
        return Err(invalid("Message too long"));
    }
    if let Some(subject) = &input.subject {
        let starts = subject.starts_with(|c: char| c.is_ascii_alphanumeric() || c.is_ascii_punctuation());
        if !starts || subject.chars().count() > 100 || subject.chars().any(char::is_control) {
            return Err(invalid("Subject"));
        }
    }
    let message = match input.message_structure.as_deref() {
        None => input.message,
        Some("json") => structured(&input.message)?,
        Some(_) => return Err(invalid("MessageStructure Reason: it can only be json")),
    };
    let message = publish(ctx, topic, input.subject, message, attributes)?;
    Ok(Fields::new().with("MessageId", message).into())
}

/// The text for HTTP endpoints among those for all protocols.
fn structured(message: &str) -> Result<String, ApiError> {
    let wrong = |why: &str| invalid(format!("Message Structure - {why}"));
    let texts: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(message).map_err(|_| wrong("JSON message body failed to parse"))?;
    let default = texts.get("default").and_then(serde_json::Value::as_str);
    let default = default.ok_or_else(|| wrong("No default entry in JSON message body"))?;
    Ok(texts.get("http").and_then(serde_json::Value::as_str).unwrap_or(default).to_owned())
}

/// Publishes for another service, such as an alarm. The error is for its history.
pub(crate) fn publish_internally(
    ctx: &mut Ctx<'_>,
    topic: &str,
    subject: Option<String>,
    message: String,
) -> Result<(), String> {
    let subject = subject.map(|subject| subject.chars().take(100).collect());
    let published = publish(ctx, topic.to_owned(), subject, message, BTreeMap::new());
    published.map(drop).map_err(|error| error.message)
}

fn publish(
    ctx: &mut Ctx<'_>,
    topic: String,
    subject: Option<String>,
    message: String,
    attributes: BTreeMap<String, Attribute>,
) -> Result<String, ApiError> {
    if !ctx.region.sns.topics.contains_key(&topic) {
        return Err(not_found("Topic"));
    }
    let at = ctx.cloud.clock.now();
    let id = ctx.cloud.uuid();
    let message = PublishedMessage { id: id.clone(), topic, subject, message, at, attributes };
    for (arn, subscription) in &ctx.region.sns.subscriptions {
        if subscription.topic == message.topic && subscription.token.is_none() {
            delivery::notify(ctx.cloud, arn, subscription, &message);
        }
    }
    let published = &mut ctx.region.sns.published;
    published.push_back(message);
    while published.len() > KEPT {
        published.pop_front();
    }
    Ok(id)
}

impl super::Sns {
    /// The newest messages to a topic, oldest first.
    pub(crate) fn messages(&self, topic: &str) -> Vec<PublishedMessage> {
        self.published.iter().filter(|message| message.topic == topic).cloned().collect()
    }
}
