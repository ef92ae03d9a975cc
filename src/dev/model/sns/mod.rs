//! Simple Notification Service: topics, and what was published to them.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Ctx, Operation};

/// The state of one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sns {
    published: VecDeque<Published>,
}

/// A message that was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Published {
    pub(crate) topic: String,
    pub(crate) subject: Option<String>,
    pub(crate) message: String,
    pub(crate) at: Timestamp,
}

/// What is modelled, and what is missing of it.
pub(crate) const OPERATIONS: &[Operation] = &[];

/// Publishes for another service, such as an alarm. The error is for its history.
pub(crate) fn publish_internally(
    ctx: &mut Ctx<'_>,
    topic: &str,
    subject: Option<String>,
    message: String,
) -> Result<(), String> {
    let at = ctx.cloud.clock.now();
    ctx.region.sns.published.push_back(Published { topic: topic.to_owned(), subject, message, at });
    Ok(())
}
