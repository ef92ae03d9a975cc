//! What a run tells while it goes on. The report room turns notices into lines.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc::UnboundedSender;

use crate::release::{Color, Event, ReleaseId};

/// One thing that a person or a program watching a run wants to know.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Notice {
    /// An event was recorded in the journal.
    Recorded {
        /// Number of its journal entry.
        seq: u64,
        /// When.
        at: Timestamp,
        /// The release it belongs to.
        release: Option<ReleaseId>,
        /// The event.
        event: Box<Event>,
    },
    /// An unfinished release goes on where it stands.
    Continuing {
        /// The release.
        release: ReleaseId,
        /// Its image.
        image: String,
        /// Where it stands.
        phase: &'static str,
    },
    /// The run waits before it looks again.
    Waiting {
        /// The phase it waits in.
        phase: &'static str,
        /// What for.
        reason: String,
    },
    /// The traffic was moved and read back.
    Flipped {
        /// Whether it went forward or back.
        kind: FlipKind,
        /// The color that has the traffic now.
        to: Color,
        /// Milliseconds until it was read back: from the announcement of the write, of a rollback from its start.
        ms: u64,
    },
    /// A look or a call failed and is tried again.
    Retrying {
        /// What was seen.
        saw: String,
    },
    /// Something a person should know that does not stop the run.
    Warning {
        /// What.
        text: String,
    },
}

/// Which way the traffic was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlipKind {
    /// To the new color.
    Deploy,
    /// Back to the previous color.
    Rollback,
}

/// A notice and the environment it is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// What happened.
    #[serde(flatten)]
    pub notice: Notice,
    /// Name of the environment.
    pub environment: String,
}

/// Where the notices of one environment go.
#[derive(Debug, Clone)]
pub struct Notices {
    environment: String,
    sender: Option<UnboundedSender<Told>>,
}

impl Notices {
    /// Notices of `environment`, sent to `sender`.
    pub fn new(environment: &str, sender: UnboundedSender<Told>) -> Self {
        Self { environment: environment.into(), sender: Some(sender) }
    }

    /// Notices that nobody reads.
    pub fn silent(environment: &str) -> Self {
        Self { environment: environment.into(), sender: None }
    }

    pub(super) fn tell(&self, notice: Notice) {
        if let Some(sender) = &self.sender {
            // A watcher that has gone away must not stop a release.
            sender.send(Told { environment: self.environment.clone(), notice }).ok();
        }
    }

    pub(super) fn flipped(&self, kind: FlipKind, to: &Color, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.tell(Notice::Flipped { kind, to: to.clone(), ms });
    }
}
