//! Conditional requests, as S3 has them: 412, 409 and 404 for writes, 412 and 304 for reads.

use std::collections::BTreeMap;

use http::HeaderMap;
use s3s::dto::{ETag, ETagCondition};
use s3s::{S3Error, S3Result, s3_error};

use super::objects::{Object, seconds};
use super::{Bucket, Caller, Version, no_such_key, not_modelled, time};

/// The condition of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WriteCondition {
    None,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match`: the entity tag without quotation marks.
    Matches(String),
}

/// Conditional writes that are under way, and whether their key was deleted meanwhile.
#[derive(Debug, Default)]
pub(crate) struct InProgress {
    next: u64,
    writes: BTreeMap<u64, (String, String, bool)>,
}

impl InProgress {
    fn begin(&mut self, bucket: &str, key: &str) -> u64 {
        self.next += 1;
        self.writes.insert(self.next, (bucket.to_owned(), key.to_owned(), false));
        self.next
    }

    /// Ends a write; whether its key was deleted while it was under way.
    fn end(&mut self, write: u64) -> bool {
        self.writes.remove(&write).is_some_and(|(.., deleted)| deleted)
    }

    pub(super) fn deleted(&mut self, bucket: &str, key: &str) {
        for (of, name, deleted) in self.writes.values_mut() {
            *deleted |= of == bucket && name == key;
        }
    }
}

/// Ends a write also if the client goes away before it is through.
struct Guard<'a> {
    caller: &'a Caller,
    write: u64,
}

impl Guard<'_> {
    fn end(&self) -> bool {
        self.caller.cloud.s3_in_progress().end(self.write)
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

fn failed() -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

fn conflict() -> S3Error {
    s3_error!(
        ConditionalRequestConflict,
        "The conditional request cannot succeed due to a conflicting operation against this resource."
    )
}

impl WriteCondition {
    /// The condition of a request: the same headers for every kind of write.
    pub(super) fn read(headers: &HeaderMap) -> S3Result<Self> {
        let text = |name: &str| {
            let value = headers.get(name)?;
            Some(value.to_str().map(str::to_owned).map_err(|_| not_modelled(name)))
        };
        match (text("if-none-match").transpose()?, text("if-match").transpose()?) {
            (None, None) => Ok(Self::None),
            (Some(_), Some(_)) => Err(not_modelled("If-Match together with If-None-Match")),
            (Some(star), None) if star == "*" => Ok(Self::Absent),
            (Some(other), None) => Err(not_modelled(&format!("If-None-Match: {other}"))),
            (None, Some(star)) if star == "*" => Err(not_modelled("If-Match: *")),
            (None, Some(tag)) => Ok(Self::Matches(tag.trim().trim_matches('"').to_owned())),
        }
    }

    /// Whether a write may happen, given what is there now.
    fn check(&self, current: Option<&Object>) -> S3Result<()> {
        match (self, current) {
            (Self::None, _) | (Self::Absent, None) => Ok(()),
            (Self::Matches(_), None) => Err(no_such_key()),
            (Self::Matches(tag), Some(object)) if *tag == object.etag => Ok(()),
            (Self::Absent | Self::Matches(_), Some(_)) => Err(failed()),
        }
    }

    /// Makes a change to a bucket if the condition holds when the write is through.
    pub(super) async fn write<T>(
        &self,
        caller: &Caller,
        bucket: &str,
        key: &str,
        change: impl FnOnce(&mut Bucket) -> S3Result<T>,
    ) -> S3Result<T> {
        let options = &caller.cloud.buckets;
        if *self == Self::None || options.ignores_conditions(bucket) {
            return caller.with(bucket, change);
        }
        caller.with(bucket, |_| Ok(()))?;
        let guard = Guard { caller, write: caller.cloud.s3_in_progress().begin(bucket, key) };
        if !options.write_time.is_zero() {
            tokio::time::sleep(options.write_time).await;
        }
        caller.with(bucket, |bucket| {
            // Whoever deletes does so under the same lock.
            if guard.end() {
                return Err(conflict());
            }
            self.check(bucket.current(key).map(|(_, object)| object))?;
            change(bucket)
        })
    }
}

/// The condition of a delete: a key that is not there is gone already. `*` asks only that.
pub(super) fn check_delete(condition: Option<&ETagCondition>, current: Option<&Object>) -> S3Result<()> {
    match (condition, current) {
        (None | Some(ETagCondition::Any), _) | (_, None) => Ok(()),
        (Some(ETagCondition::ETag(tag)), Some(object)) if tag.value() == object.etag => Ok(()),
        (Some(ETagCondition::ETag(_)), Some(_)) => Err(failed()),
    }
}

/// The four conditions of a read.
#[derive(Debug, Default)]
pub(super) struct ReadConditions {
    pub(super) matches: Option<ETagCondition>,
    pub(super) none_matches: Option<ETagCondition>,
    pub(super) modified_since: Option<s3s::dto::Timestamp>,
    pub(super) unmodified_since: Option<s3s::dto::Timestamp>,
}

impl ReadConditions {
    /// Whether a read may happen; `not_modified` is what it is answered with if there is nothing new.
    pub(super) fn check(
        &self,
        version: &Version,
        object: &Object,
        not_modified: impl FnOnce() -> S3Error,
    ) -> S3Result<()> {
        let tag_is = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(tag) => tag.weak_cmp(&ETag::Strong(object.etag.clone())),
        };
        // HTTP dates have whole seconds.
        let modified = seconds(time(version.modified));
        // The tag says more than the date: where both are given, the tag decides.
        match (&self.matches, &self.unmodified_since) {
            (Some(condition), _) if !tag_is(condition) => return Err(failed()),
            (None, Some(since)) if modified > seconds(since.clone()) => return Err(failed()),
            _ => {}
        }
        match (&self.none_matches, &self.modified_since) {
            (Some(condition), _) if tag_is(condition) => Err(not_modified()),
            (None, Some(since)) if modified <= seconds(since.clone()) => Err(not_modified()),
            _ => Ok(()),
        }
    }

    /// A copy has no use for "not modified": its source's conditions fail or hold.
    pub(super) fn check_source(&self, version: &Version, object: &Object) -> S3Result<()> {
        self.check(version, object, failed)
    }
}
