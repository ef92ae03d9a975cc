//! `DeleteObject` and `DeleteObjects`.

use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETagCondition, Error,
};
use s3s::{S3Result, s3_error};

use super::{Bucket, Caller, Versioning, conditions};

/// How many objects one call can delete.
const KEYS_MAX: usize = 1000;

/// What a delete did.
#[derive(Debug, Default)]
struct Deleted {
    /// The delete marker that it made or removed, or the version that it removed.
    version: Option<String>,
    marker: bool,
}

/// Deletes a key, or one version of it. That it is not there is success.
fn delete(
    caller: &Caller,
    (name, bucket): (&str, &mut Bucket),
    key: &str,
    version: Option<&str>,
    condition: Option<&ETagCondition>,
) -> S3Result<Deleted> {
    let condition = condition.filter(|_| !caller.cloud.buckets.ignores_conditions(name));
    if condition.is_some() && version.is_some() {
        return Err(super::not_modelled("If-Match together with versionId"));
    }
    conditions::check_delete(condition, bucket.current(key).map(|(_, object)| object))?;
    caller.cloud.s3_in_progress().deleted(name, key);
    if let Some(id) = version {
        let mut marker = false;
        if let Some(versions) = bucket.objects.get_mut(key) {
            marker = versions.iter().any(|version| version.id == id && version.object.is_none());
            versions.retain(|version| version.id != id);
            if versions.is_empty() {
                bucket.objects.remove(key);
            }
        }
        return Ok(Deleted { version: Some(id.to_owned()), marker });
    }
    if bucket.versioning == Versioning::Off {
        bucket.objects.remove(key);
        return Ok(Deleted::default());
    }
    let marker = bucket.put(caller, key, None);
    Ok(Deleted { version: Some(marker.id), marker: true })
}

pub(super) fn one(caller: &Caller, input: &DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
    let deleted = caller.with(&input.bucket, |bucket| {
        let version = input.version_id.as_deref();
        delete(caller, (&input.bucket, bucket), &input.key, version, input.if_match.as_ref())
    })?;
    Ok(DeleteObjectOutput {
        delete_marker: deleted.marker.then_some(true),
        version_id: deleted.version,
        ..Default::default()
    })
}

pub(super) fn many(caller: &Caller, input: DeleteObjectsInput) -> S3Result<DeleteObjectsOutput> {
    let malformed = || {
        s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        )
    };
    let objects = input.delete.objects;
    if !(1..=KEYS_MAX).contains(&objects.len()) {
        return Err(malformed());
    }
    if objects.iter().any(|object| object.last_modified_time.is_some() || object.size.is_some()) {
        return Err(super::not_modelled("LastModifiedTime and Size of objects to delete (directory buckets)"));
    }
    let quiet = input.delete.quiet == Some(true);
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    caller.with(&input.bucket, |bucket| {
        for object in objects {
            let condition = object.e_tag.map(ETagCondition::ETag);
            let version = object.version_id.as_deref();
            match delete(caller, (&input.bucket, bucket), &object.key, version, condition.as_ref()) {
                Ok(_) if quiet => {}
                Ok(deleted) => done.push(DeletedObject {
                    delete_marker: deleted.marker.then_some(true),
                    delete_marker_version_id: deleted.version.filter(|_| deleted.marker),
                    key: Some(object.key),
                    version_id: object.version_id,
                }),
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(object.key),
                    message: error.message().map(str::to_owned),
                    version_id: object.version_id,
                }),
            }
        }
        Ok(())
    })?;
    let some = |empty: bool| (!empty).then_some(());
    Ok(DeleteObjectsOutput {
        deleted: some(done.is_empty()).map(|()| done),
        errors: some(errors.is_empty()).map(|()| errors),
        ..Default::default()
    })
}
