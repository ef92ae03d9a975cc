//! The calls that change something in AWS, as values.

use serde::{Deserialize, Serialize};

use super::{Color, Problem};

/// A mutating call (or a few that belong together), recorded before it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum Effect {
    /// Put the idle color's target group into the rule at weight 0, so that it is health-checked at all.
    Reference {
        /// The color that carries the traffic, and goes on carrying it.
        live: Color,
        /// The color that joins at weight 0.
        idle: Color,
    },
    /// Launch instances into one subnet. The client token makes a repeat harmless.
    Launch {
        /// The color they belong to.
        color: Color,
        /// Subnet id.
        subnet: String,
        /// How many.
        count: u32,
        /// Derived from the environment, the release and the subnet, so a crashed run repeats the same one.
        client_token: String,
    },
    /// Register instances with the color's target group.
    Register {
        /// The color.
        color: Color,
        /// Instance ids.
        instances: Vec<String>,
    },
    /// Move all traffic from one color to the other in one write.
    Flip {
        /// The color that has all the traffic (the pre-image: its weight goes to 0, and back on undo).
        from: Color,
        /// The color that gets all the traffic.
        to: Color,
    },
    /// Deregister instances from the color's target group; they drain.
    Deregister {
        /// The color.
        color: Color,
        /// Instance ids.
        instances: Vec<String>,
    },
    /// Terminate instances that carry our ownership tags.
    Terminate {
        /// The color.
        color: Color,
        /// Instance ids.
        instances: Vec<String>,
    },
}

/// How an effect ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum EffectResult {
    /// AWS accepted it. That proves nothing about the world: the next look does.
    Accepted {
        /// Id of the DNS change, where it was one: it tells when every server has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change: Option<String>,
    },
    /// AWS accepted it on a repetition, after an attempt that had no answer: that attempt may still land, until the
    /// deadline, also on what somebody has changed since.
    Repeated {
        /// Id of the DNS change, where it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change: Option<String>,
    },
    /// AWS refused it; nothing changed.
    Refused {
        /// What AWS said, and what to do about it.
        problem: Problem,
    },
    /// No answer: it may or may not have happened. The next look tells.
    Unknown {
        /// What was seen instead of an answer.
        saw: String,
    },
    /// It was not sent, so nothing of it can land.
    NotSent {
        /// Why.
        why: Unsent,
        /// What was seen, in words.
        saw: String,
    },
}

/// Why an announced call was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unsent {
    /// Right before, the world was not as it was when the call was decided: somebody else has written.
    ForeignWriter,
    /// The look right before had no answer, so nothing shows that the world is still as it was.
    Unread,
    /// Its time was over before it could be sent.
    Late,
}

impl Effect {
    /// Whether it changes where the traffic goes, or can go: the rule, the default action or the records.
    pub(super) fn writes_the_switch(&self) -> bool {
        match self {
            Self::Reference { .. } | Self::Flip { .. } => true,
            Self::Launch { .. } | Self::Register { .. } | Self::Deregister { .. } | Self::Terminate { .. } => false,
        }
    }

    /// Whether it is sent only while no listener and no rule sends to the color: what is registered must get no traffic
    /// before its checks have passed, and what is taken down none any more.
    pub fn needs_a_color_that_nothing_sends_to(&self) -> bool {
        match self {
            Self::Register { .. } | Self::Deregister { .. } | Self::Terminate { .. } => true,
            Self::Reference { .. } | Self::Launch { .. } | Self::Flip { .. } => false,
        }
    }

    /// What it does, for a person: a fragment that follows "about to" or "failed to".
    pub fn describe(&self) -> String {
        match self {
            Self::Reference { idle, .. } => format!("put {idle} into the rule at weight 0"),
            Self::Launch { color, subnet, count, .. } => format!("launch {count} instance(s) of {color} in {subnet}"),
            Self::Register { color, instances } => format!("register {} instance(s) with {color}", instances.len()),
            Self::Flip { from, to } => format!("move the traffic from {from} to {to}"),
            Self::Deregister { color, instances } => format!("deregister {} instance(s) from {color}", instances.len()),
            Self::Terminate { color, instances } => format!("terminate {} instance(s) of {color}", instances.len()),
        }
    }
}
