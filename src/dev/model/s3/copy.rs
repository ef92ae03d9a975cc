//! `CopyObject`, and the source of `UploadPartCopy`.

use s3s::dto::{CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, MetadataDirective, TaggingDirective};
use s3s::{S3Request, S3Result, s3_error};

use super::checksums::{Algorithm, set_checksum};
use super::conditions::{ReadConditions, WriteCondition};
use super::objects::{Object, attributes_of, check_class, encryption};
use super::reads::{Read, find};
use super::{Caller, not_modelled, tagging, time};

/// The object that a copy is made of: any of the caller's own, also in another region.
pub(super) fn source(caller: &Caller, source: &CopySource, conditions: &ReadConditions) -> S3Result<Read> {
    let CopySource::Bucket { bucket, key, version_id } = source else {
        return Err(not_modelled("x-amz-copy-source with an access point"));
    };
    let mut world = caller.cloud.world();
    let found = world.s3.buckets.get_mut(&**bucket).ok_or_else(super::no_such_bucket)?;
    if found.owner != caller.account {
        return Err(s3_error!(AccessDenied, "Access Denied"));
    }
    let read = find(found, key, version_id.as_deref())?;
    conditions.check_source(&read.version, &read.object)?;
    Ok(read)
}

pub(super) async fn copy(caller: &Caller, request: S3Request<CopyObjectInput>) -> S3Result<CopyObjectOutput> {
    let condition = WriteCondition::read(&request.headers)?;
    let mut input = request.input;
    check_class(
        input.storage_class.as_ref().map(s3s::dto::StorageClass::as_str),
        input.server_side_encryption.as_ref().map(s3s::dto::ServerSideEncryption::as_str),
    )?;
    let conditions = ReadConditions {
        matches: input.copy_source_if_match.take(),
        none_matches: input.copy_source_if_none_match.take(),
        modified_since: input.copy_source_if_modified_since.take(),
        unmodified_since: input.copy_source_if_unmodified_since.take(),
    };
    let read = source(caller, &input.copy_source, &conditions)?;
    let replaces = |directive: Option<&str>| match directive {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(s3_error!(InvalidArgument, "Unknown metadata or tagging directive: {other}")),
    };
    let new_attributes = replaces(input.metadata_directive.as_ref().map(MetadataDirective::as_str))?;
    let new_tags = replaces(input.tagging_directive.as_ref().map(TaggingDirective::as_str))?;
    if let CopySource::Bucket { bucket, key, version_id: None } = &input.copy_source
        && (**bucket == *input.bucket && **key == *input.key && !new_attributes)
    {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's \
             metadata, storage class, website redirect location or encryption attributes."
        ));
    }
    let algorithm =
        input.checksum_algorithm.as_ref().map(|algorithm| Algorithm::read(algorithm.as_str())).transpose()?;
    let given = attributes_of!(input).check()?;
    let Read { object: from, shown, .. } = read;
    let attributes = if new_attributes { given } else { from.attributes };
    let tags = if new_tags { tagging::of_header(input.tagging.as_deref())? } else { from.tags };
    // A copy is written in one piece, whatever the source was.
    let checksum = algorithm.unwrap_or(from.checksum.algorithm).of(&from.body);
    let object = Object::whole(from.body, checksum, attributes, tags);
    let mut result = CopyObjectResult {
        e_tag: Some(object.tag()),
        checksum_type: Some(object.checksum.kind()),
        ..Default::default()
    };
    set_checksum!(result, &object.checksum);
    let write = condition.write(caller, &input.bucket, &input.key, |bucket| {
        let version = bucket.put(caller, &input.key, Some(object));
        Ok((bucket.shown(&version), version.modified))
    });
    let (version_id, modified) = write.await?;
    result.last_modified = Some(time(modified));
    Ok(CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: shown,
        server_side_encryption: encryption(),
        version_id,
        ..Default::default()
    })
}
