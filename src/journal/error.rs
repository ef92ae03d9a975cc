//! Everything that can go wrong with a journal, in words for the person at 3 a.m.

use jiff::Timestamp;

use super::Owner;

/// Why the journal could not be read, taken or written. Nothing is ever repaired or skipped silently.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another run holds the lease; nothing was changed.
    #[error(
        "the lease of {environment} is held by {owner} until {until}; nothing was changed. \
         Wait until that run ends (a run that died loses the lease at that time), or take over at once with \
         `switchback rollback` or `switchback abort`"
    )]
    Held {
        /// The environment.
        environment: String,
        /// Who holds it.
        owner: Box<Owner>,
        /// When it expires unless it is renewed.
        until: Timestamp,
    },
    /// Another run took the lease over: this run must not do anything any more.
    #[error(
        "the lease of {environment} was taken over by {by}: {reason}. This run stopped and wrote nothing after that; \
         see what goes on with `switchback status`"
    )]
    Fenced {
        /// The environment.
        environment: String,
        /// Who took it.
        by: Box<Owner>,
        /// Why.
        reason: String,
    },
    /// The folder, or an object in it, cannot be read.
    #[error(
        "cannot read {object}: {why}. Give the user who runs switchback the right to read it (in a bucket, it is \
         s3:GetObject and s3:ListBucket), or put right what was seen, and try again"
    )]
    Unreadable {
        /// Its path.
        object: String,
        /// What was seen.
        why: String,
    },
    /// An object is not an entry: cut short or damaged.
    #[error(
        "{object} is damaged (line {line}, column {column}): {why}. An entry is never changed once it is written: \
         restore this file from a backup (in a versioned bucket, its earlier version). See all that is wrong with \
         `switchback journal verify`, and what can be done without a backup with `switchback journal repair --dry-run`"
    )]
    Corrupt {
        /// Its path.
        object: String,
        /// Where the reading stopped; 0 where that is not known.
        line: usize,
        /// Where the reading stopped; 0 where that is not known.
        column: usize,
        /// What was seen.
        why: String,
    },
    /// An entry was written by a newer switchback.
    #[error(
        "{object} has schema version {schema}, and this program knows versions up to {known}: it was written by a \
         newer switchback. Run that one (or a newer one) for this environment; nothing was changed"
    )]
    Newer {
        /// Its path.
        object: String,
        /// Its version.
        schema: u32,
        /// The highest version that this program reads.
        known: u32,
    },
    /// The entries do not follow one from the other: one is missing, changed or out of place.
    #[error(
        "the journal is broken at {object}: {why}. Entries are never changed or deleted by switchback: restore the \
         folder from a backup (in a versioned bucket, the objects' earlier versions). See all that is wrong with \
         `switchback journal verify`, and what can be done without a backup with `switchback journal repair --dry-run`"
    )]
    Broken {
        /// The path of the object that does not fit.
        object: String,
        /// What was seen, and what was expected.
        why: String,
    },
    /// The journal cannot be written; nothing was changed.
    #[error(
        "cannot write {object}: {why}. The journal must be writable before anything is changed in AWS: give the user \
         who runs switchback the right to write there (in a folder, the file system must have hard links; in a bucket, \
         it is s3:PutObject), or set `journal` in the environment file to another place"
    )]
    ReadOnly {
        /// The path that was to be written.
        object: String,
        /// What was seen.
        why: String,
    },
    /// There is no room for the next entry; it was not written.
    #[error("cannot write {object}: {why}. Make room on that disk, then run the same command again: it goes on")]
    NoSpace {
        /// The path that was to be written.
        object: String,
        /// What was seen.
        why: String,
    },
    /// It is not known whether the entry was written: there was no answer, and reading back gave none either.
    #[error(
        "it is not known whether {object} was written: {why}. Nothing more was done; run the same command again once \
         the journal's storage answers: it reads what is there and goes on"
    )]
    Unknown {
        /// The path that was to be written.
        object: String,
        /// What was seen.
        why: String,
    },
    /// A run may be at work, so no entry is set aside; nothing was changed.
    #[error(
        "a run may hold the lease of {environment} until {until}, so no entry is set aside; nothing was changed. Stop \
         whatever runs switchback for this environment, and run the same command after that time"
    )]
    Alive {
        /// The environment.
        environment: String,
        /// When it is certain that no run holds the lease.
        until: Timestamp,
    },
    /// The bucket cannot be used at all; nothing was changed.
    #[error("the journal's bucket {bucket} cannot be used: {why}")]
    Bucket {
        /// Its name.
        bucket: String,
        /// What was seen, and what to do.
        why: String,
    },
    /// The store takes conditions and does not honor them: two runs could write the same entry.
    #[error(
        "{place} cannot hold a journal: {why}. Two runs must not be able to write the same entry, so switchback needs \
         a store that honors `If-None-Match: *` on PutObject, as Amazon S3 does. Use a bucket of Amazon S3, or a \
         version of this store that honors it, or set `journal` in the environment file to a folder; nothing was \
         changed"
    )]
    Unconditional {
        /// The bucket and prefix.
        place: String,
        /// What was seen.
        why: String,
    },
    /// An entry is larger than the journal reads back.
    #[error("the entry {object} would have {bytes} bytes, and a journal's entry has at most {max}; it was not written")]
    TooLarge {
        /// The path that was to be written.
        object: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// The environment's name cannot be the name of a folder.
    #[error("{name:?} cannot name a journal: expected 1 to 64 of a-z, 0-9 and -")]
    Name {
        /// The name.
        name: String,
    },
    /// The storage failed in a way that has no better name here.
    #[error("cannot {doing} {object}: {why}")]
    Store {
        /// What was being done: `read`, `list` or `write`.
        doing: &'static str,
        /// The path.
        object: String,
        /// What was seen.
        why: String,
    },
}
