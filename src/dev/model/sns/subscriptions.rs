//! Subscriptions of HTTP endpoints, and how they are confirmed.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use http::Uri;
use serde::{Deserialize, Serialize};

use super::{Answer, Ctx, delivery, invalid, not_found, page};
use crate::dev::wire::{ApiError, Fields, Value};

/// An endpoint that wants what is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subscription {
    pub(super) topic: String,
    pub(super) endpoint: Endpoint,
    /// The text is sent as it is, instead of AWS's document.
    pub(super) raw: bool,
    /// Proves that the endpoint agrees; `None` once it did.
    pub(super) token: Option<String>,
}

/// Where deliveries go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Endpoint {
    pub(super) url: String,
    pub(super) address: SocketAddr,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Subscribe {
    topic_arn: String,
    protocol: String,
    endpoint: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    return_subscription_arn: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Confirm {
    topic_arn: String,
    token: String,
    authenticate_on_unsubscribe: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Named {
    subscription_arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct List {
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct ListByTopic {
    topic_arn: String,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Set {
    subscription_arn: String,
    attribute_name: String,
    attribute_value: Option<String>,
}

impl Endpoint {
    fn parse(url: String) -> Result<Self, ApiError> {
        let wrong = || {
            invalid(format!(
                "Endpoint Reason: {url:?} is not http://ADDRESS:PORT/PATH with a loopback address, which is all that the \
                 dev cloud delivers to"
            ))
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let address = if host == "localhost" { "127.0.0.1" } else { host }.parse::<IpAddr>().map_err(|_| wrong())?;
        if uri.scheme_str() != Some("http") || !address.is_loopback() || url.len() > 2048 {
            return Err(wrong());
        }
        Ok(Self { address: SocketAddr::new(address, uri.port_u16().unwrap_or(80)), url })
    }
}

fn raw(name: &str, value: &str) -> Result<bool, ApiError> {
    if name != "RawMessageDelivery" {
        return Err(invalid(format!(
            "Attributes Reason: {name} is unknown (or not modelled by the dev cloud, which has RawMessageDelivery)"
        )));
    }
    value.parse().map_err(|_| invalid("Attributes Reason: RawMessageDelivery must be true or false"))
}

/// Asks the endpoint to confirm. The same endpoint again is the same subscription.
pub(super) fn subscribe(ctx: &mut Ctx<'_>, input: Subscribe) -> Answer {
    if !ctx.region.sns.topics.contains_key(&input.topic_arn) {
        return Err(not_found("Topic"));
    }
    if input.protocol != "http" {
        let known = ["https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose"];
        return Err(if known.contains(&input.protocol.as_str()) {
            invalid(format!("Protocol Reason: {} is not modelled by the dev cloud, which has http", input.protocol))
        } else {
            invalid("Amazon SNS does not support this protocol string")
        });
    }
    let endpoint = Endpoint::parse(input.endpoint.ok_or_else(|| invalid("Endpoint must be specified"))?)?;
    let mut raw_delivery = false;
    for (name, value) in &input.attributes {
        raw_delivery = raw(name, value)?;
    }
    let found = ctx.region.sns.subscriptions.iter();
    let known = found
        .map(|(arn, each)| (arn.clone(), each))
        .find(|(_, each)| each.topic == input.topic_arn && each.endpoint == endpoint);
    let (arn, pending) = match known {
        Some((arn, subscription)) => {
            if !input.attributes.is_empty() && subscription.raw != raw_delivery {
                return Err(invalid("Attributes Reason: Subscription already exists with different attributes"));
            }
            (arn, subscription.token.is_some())
        }
        None => {
            let arn = format!("{}:{}", input.topic_arn, ctx.cloud.uuid());
            let token = (0..4).map(|_| format!("{:016x}", ctx.cloud.chance.number())).collect();
            let topic = input.topic_arn.clone();
            let subscription = Subscription { topic, endpoint, raw: raw_delivery, token: Some(token) };
            ctx.region.sns.subscriptions.insert(arn.clone(), subscription);
            (arn, true)
        }
    };
    if pending {
        delivery::ask_to_confirm(ctx.cloud, &ctx.region.name, &arn, &ctx.region.sns.subscriptions[&arn]);
    }
    let told =
        if pending && input.return_subscription_arn != Some(true) { "pending confirmation".to_owned() } else { arn };
    Ok(Fields::new().with("SubscriptionArn", told).into())
}

pub(super) fn confirm(ctx: &mut Ctx<'_>, input: Confirm) -> Answer {
    if input.authenticate_on_unsubscribe == Some(true) {
        return Err(invalid("AuthenticateOnUnsubscribe Reason: true is not modelled by the dev cloud"));
    }
    if !ctx.region.sns.topics.contains_key(&input.topic_arn) {
        return Err(not_found("Topic"));
    }
    let mut all = ctx.region.sns.subscriptions.iter_mut();
    let found = all.find(|(_, each)| each.topic == input.topic_arn && each.token.as_ref() == Some(&input.token));
    let (arn, subscription) = found.ok_or_else(|| invalid("Token"))?;
    subscription.token = None;
    Ok(Fields::new().with("SubscriptionArn", arn).into())
}

/// That it does not exist is success.
pub(super) fn unsubscribe(ctx: &mut Ctx<'_>, input: Named) -> Answer {
    let sns = &mut ctx.region.sns;
    if let Some(subscription) = sns.subscriptions.remove(&input.subscription_arn)
        && let Some(topic) = sns.topics.get_mut(&subscription.topic)
    {
        topic.deleted += 1;
    }
    Ok(Fields::new().into())
}

fn fields(arn: &str, subscription: &Subscription, owner: &str) -> Fields {
    let arn = if subscription.token.is_some() { "PendingConfirmation" } else { arn };
    Fields::new()
        .with("SubscriptionArn", arn)
        .with("Owner", owner)
        .with("Protocol", "http")
        .with("Endpoint", &subscription.endpoint.url)
        .with("TopicArn", &subscription.topic)
}

fn listed(ctx: &Ctx<'_>, topic: Option<&str>, token: Option<&str>) -> Answer {
    let all = ctx.region.sns.subscriptions.iter();
    let wanted = all.filter(|(_, each)| topic.is_none_or(|topic| topic == each.topic));
    let found = wanted.map(|(arn, each)| fields(arn, each, &ctx.region.account)).collect();
    let (subscriptions, next) = page(found, token)?;
    Ok(Fields::new().with("Subscriptions", Value::list(subscriptions)).with_if("NextToken", next).into())
}

pub(super) fn list(ctx: &mut Ctx<'_>, input: List) -> Answer {
    listed(ctx, None, input.next_token.as_deref())
}

pub(super) fn list_by_topic(ctx: &mut Ctx<'_>, input: ListByTopic) -> Answer {
    if !ctx.region.sns.topics.contains_key(&input.topic_arn) {
        return Err(not_found("Topic"));
    }
    listed(ctx, Some(&input.topic_arn), input.next_token.as_deref())
}

pub(super) fn get(ctx: &mut Ctx<'_>, input: Named) -> Answer {
    let arn = &input.subscription_arn;
    let subscription = ctx.region.sns.subscriptions.get(arn).ok_or_else(|| not_found("Subscription"))?;
    let attributes = [
        ("SubscriptionArn", arn.clone()),
        ("TopicArn", subscription.topic.clone()),
        ("Owner", ctx.region.account.clone()),
        ("Protocol", "http".to_owned()),
        ("Endpoint", subscription.endpoint.url.clone()),
        ("RawMessageDelivery", subscription.raw.to_string()),
        ("PendingConfirmation", subscription.token.is_some().to_string()),
        ("ConfirmationWasAuthenticated", "true".to_owned()),
    ];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value));
    Ok(Fields::new().with("Attributes", Value::map(attributes)).into())
}

pub(super) fn set(ctx: &mut Ctx<'_>, input: Set) -> Answer {
    let found = ctx.region.sns.subscriptions.get_mut(&input.subscription_arn);
    let subscription = found.ok_or_else(|| not_found("Subscription"))?;
    subscription.raw = raw(&input.attribute_name, &input.attribute_value.unwrap_or_default())?;
    Ok(Fields::new().into())
}
