//! The journal: an append-only event log of one environment, with a lease that says who may write to it.
//!
//! The log is a list of numbered immutable objects (`00000000000000000042.json`), each written with
//! put-if-absent: two writers cannot both write number 42, and the one that loses reads what the other
//! wrote. That one mechanism gives order, the lease, fencing and the audit trail, on a local folder and
//! on an object store alike. The format, the lease and every error are described for users in
//! `docs/reference/journal.md`.
//!
//! **What the lease does not do.** Put-if-absent keeps an old owner from *writing*; it cannot call back a
//! request that the old owner has already sent to AWS. So every mutating call has an intent with a deadline
//! before it, and whoever takes over waits until those deadlines are past: see [`Session::settles_in`].

mod answer;
mod bucket;
mod conditional;
#[cfg(test)]
mod conformance;
mod entry;
mod error;
mod export;
#[cfg(test)]
mod faults;
mod folder;
mod inspect;
mod log;
mod open;
mod owner;
mod place;
mod repair;
mod session;
mod snapshot;
mod sum;

pub use entry::{Body, Entry, SCHEMA};
pub use error::JournalError;
pub use export::Exported;
pub use inspect::{Finding, Verdict, Wrong};
pub use log::{Lease, Log, OpenIntent};
pub use open::{Acquire, Journal, LEASE_TERM};
pub use owner::{Owner, RunId};
pub use repair::{Repair, Step};
pub use session::{SETTLE_MARGIN, Session};
pub use snapshot::SNAPSHOT_EVERY;
