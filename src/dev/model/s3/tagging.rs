//! Tags of objects and buckets.

use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetBucketTaggingOutput, GetObjectTaggingInput,
    GetObjectTaggingOutput, PutBucketTaggingInput, PutObjectTaggingInput, PutObjectTaggingOutput, Tag,
};
use s3s::{S3Result, s3_error};

use super::reads::find;
use super::{Bucket, Caller};
use crate::dev::model::tags::Tags;

/// Tags of an object, and of a bucket.
const OBJECT_TAGS_MAX: usize = 10;
const BUCKET_TAGS_MAX: usize = 50;

fn check(given: Vec<(String, String)>, max: usize) -> S3Result<Tags> {
    if given.len() > max {
        let said = format!("Object tags cannot be greater than {max}");
        return Err(super::custom(http::StatusCode::BAD_REQUEST, "BadRequest", said));
    }
    let mut tags = Tags::new();
    for (key, value) in given {
        if !(1..=128).contains(&key.chars().count()) {
            return Err(s3_error!(InvalidTag, "The TagKey you have provided is invalid"));
        }
        if value.chars().count() > 256 {
            return Err(s3_error!(InvalidTag, "The TagValue you have provided is invalid"));
        }
        if key.starts_with("aws:") {
            return Err(s3_error!(InvalidTag, "System tags cannot be added/updated by requester"));
        }
        if tags.insert(key, value).is_some() {
            return Err(s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key"));
        }
    }
    Ok(tags)
}

/// The `x-amz-tagging` header, which is written like a query string.
pub(super) fn of_header(header: Option<&str>) -> S3Result<Tags> {
    let pairs = url::form_urlencoded::parse(header.unwrap_or_default().as_bytes()).into_owned();
    check(pairs.collect(), OBJECT_TAGS_MAX)
}

fn read(given: Vec<Tag>, max: usize) -> S3Result<Tags> {
    check(given.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect(), max)
}

fn written(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect()
}

/// Changes the tags of the version that a request means; its id as answers show it.
fn change(bucket: &mut Bucket, key: &str, version: Option<&str>, tags: Tags) -> S3Result<Option<String>> {
    let found = find(bucket, key, version)?;
    if let Some(versions) = bucket.objects.get_mut(key)
        && let Some(object) =
            versions.iter_mut().find(|version| version.id == found.version.id).and_then(|it| it.object.as_mut())
    {
        object.tags = tags;
    }
    Ok(found.shown)
}

pub(super) fn put(caller: &Caller, input: PutObjectTaggingInput) -> S3Result<PutObjectTaggingOutput> {
    let tags = read(input.tagging.tag_set, OBJECT_TAGS_MAX)?;
    let version_id =
        caller.with(&input.bucket, |bucket| change(bucket, &input.key, input.version_id.as_deref(), tags))?;
    Ok(PutObjectTaggingOutput { version_id })
}

pub(super) fn get(caller: &Caller, input: &GetObjectTaggingInput) -> S3Result<GetObjectTaggingOutput> {
    let found = caller.with(&input.bucket, |bucket| find(bucket, &input.key, input.version_id.as_deref()))?;
    Ok(GetObjectTaggingOutput { tag_set: written(&found.object.tags), version_id: found.shown })
}

pub(super) fn delete(caller: &Caller, input: &DeleteObjectTaggingInput) -> S3Result<DeleteObjectTaggingOutput> {
    let version_id =
        caller.with(&input.bucket, |bucket| change(bucket, &input.key, input.version_id.as_deref(), Tags::new()))?;
    Ok(DeleteObjectTaggingOutput { version_id })
}

pub(super) fn put_bucket(caller: &Caller, input: PutBucketTaggingInput) -> S3Result<()> {
    let tags = read(input.tagging.tag_set, BUCKET_TAGS_MAX)?;
    caller.with(&input.bucket, |bucket| {
        bucket.tags = tags;
        Ok(())
    })
}

pub(super) fn get_bucket(caller: &Caller, name: &str) -> S3Result<GetBucketTaggingOutput> {
    caller.with(name, |bucket| {
        if bucket.tags.is_empty() {
            return Err(s3_error!(NoSuchTagSet, "The TagSet does not exist"));
        }
        Ok(GetBucketTaggingOutput { tag_set: written(&bucket.tags) })
    })
}

pub(super) fn delete_bucket(caller: &Caller, name: &str) -> S3Result<()> {
    caller.with(name, |bucket| {
        bucket.tags.clear();
        Ok(())
    })
}
