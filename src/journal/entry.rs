//! One numbered object of the journal, and its bytes.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{JournalError, Owner, RunId};
use crate::release::Event;

/// The schema version that this program writes. It is raised when an older program must not go on with a
/// journal that holds such an entry; a field that an older program may ignore does not raise it.
pub const SCHEMA: u32 = 2;

/// The largest object that is written or read: some hundred times the largest event.
pub(super) const BYTES_MAX: u64 = 4 << 20;

/// One numbered immutable object of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The version of this format.
    pub schema: u32,
    /// Its number: 1 for the first, and no number is left out.
    pub seq: u64,
    /// Random per entry: tells a writer whether the object it finds under a number is its own.
    pub id: Uuid,
    /// SHA-256 (hex) of the bytes of the entry before it; of no bytes at all for the first.
    pub prev: String,
    /// When it was written, by the writer's clock.
    pub at: Timestamp,
    /// The run that wrote it.
    pub run: RunId,
    /// How long the lease lasts from here; `None` after a release.
    pub lease_until: Option<Timestamp>,
    /// What it says.
    pub body: Body,
}

/// What an entry says: something about the lease, or something about the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// The lease was free and is now held.
    LeaseAcquired {
        /// By whom.
        owner: Owner,
    },
    /// The lease was expired, or a person took it from a living run.
    LeaseTaken {
        /// Who holds it now.
        owner: Owner,
        /// The run that held it.
        from: RunId,
        /// Why it was taken.
        reason: String,
    },
    /// The owner is still there.
    LeaseRenewed,
    /// The owner is done: the lease is free.
    LeaseReleased,
    /// Something happened to the environment, or is about to.
    Event(Event),
}

impl Entry {
    /// The object's bytes: JSON that a person can read.
    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = serde_json::to_vec_pretty(self)
            .expect("an entry is plain data with text keys; a test below writes one of every kind");
        bytes.push(b'\n');
        bytes.into()
    }

    /// The entry in `bytes`, which were read from `object`.
    pub(super) fn decode(bytes: &[u8], object: &str) -> Result<Self, JournalError> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let corrupt = |error: serde_json::Error| JournalError::Corrupt {
            object: object.into(),
            line: error.line(),
            column: error.column(),
            why: error.to_string(),
        };
        // First the version alone: what else a newer entry holds is not for this program to judge.
        let Version { schema } = serde_json::from_slice(bytes).map_err(corrupt)?;
        if schema > SCHEMA {
            return Err(JournalError::Newer { object: object.into(), schema, known: SCHEMA });
        }
        serde_json::from_slice(bytes).map_err(corrupt)
    }
}

/// SHA-256 in lower-case hex.
pub(super) fn hash(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The name of the object with this number: in any listing the order of names is the order of numbers.
pub(super) fn name(seq: u64) -> String {
    format!("{seq:020}.json")
}

/// The number in an object's name; `None` for a file that is not the journal's.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten().filter(|seq| *seq > 0)
}

#[cfg(test)]
#[path = "entry_tests.rs"]
pub(super) mod tests;
