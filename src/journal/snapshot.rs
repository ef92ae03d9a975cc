//! Snapshots: what the first entries of a journal add up to, so that not all of them have to be read.
//!
//! A snapshot is a convenience and never the truth: one that is missing, damaged, of another version, or does not fit
//! its entry is passed over, and every entry is read. Its content is decided by the entries alone, so whoever writes it
//! writes the same bytes, once, with put-if-absent.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::entry::hash;
use super::sum::Sum;

/// A snapshot stands for so many entries, or for a multiple of it.
pub const SNAPSHOT_EVERY: u64 = 64;
/// The version of the format, and of what the program makes of events: raised when the same entries add up to something
/// else than before. A program uses snapshots of its own version only.
pub(super) const SNAPSHOT: u32 = 2;
/// The folder of snapshots in an environment's folder.
pub(super) const FOLDER: &str = "snapshots";

/// What the file says: the sum, and the hash of the file as it would be without the hash.
#[derive(Serialize, Deserialize)]
struct File<S> {
    snapshot: u32,
    sha256: String,
    #[serde(flatten)]
    sum: S,
}

/// The name of the snapshot after this entry.
pub(super) fn name(seq: u64) -> String {
    format!("{FOLDER}/{seq:020}.v{SNAPSHOT}.json")
}

/// The entry that a file in the folder of snapshots stands for, and its version.
pub(super) fn number(name: &str) -> Option<(u64, u32)> {
    let (digits, version) = name.strip_suffix(".json")?.split_once(".v")?;
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = digits.len() == 20 && plain(digits) && plain(version);
    fits.then(|| Some((digits.parse().ok()?, version.parse().ok()?))).flatten().filter(|(seq, _)| *seq > 0)
}

/// The file's bytes.
pub(super) fn encode(sum: &Sum) -> Bytes {
    let write = |sha256: String| {
        let mut bytes = serde_json::to_vec_pretty(&File { snapshot: SNAPSHOT, sha256, sum })
            .expect("a sum is plain data with text keys; a test writes one");
        bytes.push(b'\n');
        bytes
    };
    write(hash(&write(String::new()))).into()
}

/// The sum in `bytes`, or why they cannot be used.
///
/// What was read is written again and must be the same: a field that this program does not know, or would fill in, is
/// as good a reason to read the entries as a damage is.
pub(super) fn decode(bytes: &[u8], seq: u64) -> Result<Sum, String> {
    let file: File<Sum> = serde_json::from_slice(bytes).map_err(|error| format!("it cannot be read: {error}"))?;
    if file.snapshot != SNAPSHOT {
        return Err(format!("it has version {}, expected {SNAPSHOT}", file.snapshot));
    }
    if file.sum.seq != seq {
        return Err(format!("it says that it stands for {} entries, expected {seq}", file.sum.seq));
    }
    if encode(&file.sum) != bytes {
        return Err("its content does not fit its hash, or another version of switchback wrote it".into());
    }
    Ok(file.sum)
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
