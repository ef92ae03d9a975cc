//! Simple Notification Service: topics, what is published to them, and its delivery to HTTP endpoints.
//!
//! | file | what it holds |
//! |---|---|
//! | `topics` | topics, their attributes and tags |
//! | `publish` | `Publish`, and what other services publish |
//! | `attributes` | the attributes of a message |
//! | `subscriptions` | who gets what is published |
//! | `delivery` | AWS's documents, sent over the cloud's network |

mod attributes;
mod delivery;
mod publish;
mod subscriptions;
mod topics;

use std::collections::{BTreeMap, VecDeque};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Ctx, Operation, input};
use crate::dev::wire::{ApiError, Node, Service, Value};

pub use publish::PublishedMessage;
pub(crate) use publish::publish_internally;

/// How many messages are kept to be read again, newest first to stay.
const KEPT: usize = 1000;

/// The state of one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sns {
    /// By ARN.
    topics: BTreeMap<String, topics::Topic>,
    /// By ARN.
    subscriptions: BTreeMap<String, subscriptions::Subscription>,
    /// The newest messages of all topics, oldest first.
    published: VecDeque<PublishedMessage>,
}

/// What is modelled, and what is missing of it.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::value("CreateTopic", "FIFO topics, encryption, policies are not enforced", |ctx, form| {
        topics::create(ctx, read(form)?)
    }),
    Operation::value("DeleteTopic", "", |ctx, form| topics::delete(ctx, read(form)?)),
    Operation::value("ListTopics", "", |ctx, form| topics::list(ctx, read(form)?)),
    Operation::value("GetTopicAttributes", "", |ctx, form| topics::get(ctx, read(form)?)),
    Operation::value("SetTopicAttributes", "only DisplayName and Policy", |ctx, form| topics::set(ctx, read(form)?)),
    Operation::value("TagResource", "", |ctx, form| topics::tag(ctx, read(form)?)),
    Operation::value("UntagResource", "", |ctx, form| topics::untag(ctx, read(form)?)),
    Operation::value("ListTagsForResource", "", |ctx, form| topics::list_tags(ctx, read(form)?)),
    Operation::value("Publish", "phone numbers, FIFO topics; messages are not signed", |ctx, form| {
        publish::run(ctx, read(form)?)
    }),
    Operation::value("Subscribe", "only http endpoints with a loopback address, no filter policies", |ctx, form| {
        subscriptions::subscribe(ctx, read(form)?)
    }),
    Operation::value("ConfirmSubscription", "SubscribeURL leads to AWS: use the token", |ctx, form| {
        subscriptions::confirm(ctx, read(form)?)
    }),
    Operation::value("Unsubscribe", "", |ctx, form| subscriptions::unsubscribe(ctx, read(form)?)),
    Operation::value("ListSubscriptions", "", |ctx, form| subscriptions::list(ctx, read(form)?)),
    Operation::value("ListSubscriptionsByTopic", "", |ctx, form| subscriptions::list_by_topic(ctx, read(form)?)),
    Operation::value("GetSubscriptionAttributes", "", |ctx, form| subscriptions::get(ctx, read(form)?)),
    Operation::value("SetSubscriptionAttributes", "only RawMessageDelivery", |ctx, form| {
        subscriptions::set(ctx, read(form)?)
    }),
];

type Answer = Result<Value, ApiError>;

fn read<T: DeserializeOwned>(form: &Node) -> Result<T, ApiError> {
    input(Service::Sns, form)
}

/// SNS's word for a parameter that cannot be.
fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameter", format!("Invalid parameter: {}", message.into()))
}

fn not_found(what: &str) -> ApiError {
    ApiError::new("NotFound", format!("{what} does not exist")).status(404)
}

/// One page of 100, and the token of the next: the place where it starts.
fn page<T>(items: Vec<T>, token: Option<&str>) -> Result<(Vec<T>, Option<String>), ApiError> {
    let from = match token {
        None => 0,
        Some(token) => token
            .parse::<usize>()
            .ok()
            .filter(|from| *from <= items.len())
            .ok_or_else(|| invalid("NextToken Reason: it is not one that was given out"))?,
    };
    let next = (items.len() > from + 100).then(|| (from + 100).to_string());
    Ok((items.into_iter().skip(from).take(100).collect(), next))
}
