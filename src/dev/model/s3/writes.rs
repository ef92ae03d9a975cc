//! `PutObject`.

use s3s::dto::{PutObjectInput, PutObjectOutput};
use s3s::{S3Request, S3Result};

use super::checksums::{Wanted, check_md5, checksum_fields, set_checksum};
use super::conditions::WriteCondition;
use super::objects::{Object, attributes_of, check_class, encryption};
use super::{Caller, bodies, tagging};

pub(super) async fn put(caller: &Caller, request: S3Request<PutObjectInput>) -> S3Result<PutObjectOutput> {
    let condition = WriteCondition::read(&request.headers)?;
    let mut input = request.input;
    check_class(
        input.storage_class.as_ref().map(s3s::dto::StorageClass::as_str),
        input.server_side_encryption.as_ref().map(s3s::dto::ServerSideEncryption::as_str),
    )?;
    let body = bodies::read(input.body.take(), caller.cloud.buckets.object_bytes_max).await?;
    check_md5(input.content_md5.as_deref(), &body)?;
    let algorithm = input.checksum_algorithm.as_ref().map(s3s::dto::ChecksumAlgorithm::as_str);
    let checksum = Wanted::new(checksum_fields!(input), algorithm)?.check(&body)?;
    let tags = tagging::of_header(input.tagging.as_deref())?;
    let attributes = attributes_of!(input).check()?;
    let object = Object::whole(body, checksum, attributes, tags);
    let mut output = PutObjectOutput {
        e_tag: Some(object.tag()),
        checksum_type: Some(object.checksum.kind()),
        server_side_encryption: encryption(),
        ..Default::default()
    };
    set_checksum!(output, &object.checksum);
    let (bucket, key) = (&input.bucket, &input.key);
    let write = condition.write(caller, bucket, key, |bucket| {
        let version = bucket.put(caller, key, Some(object));
        Ok(bucket.shown(&version))
    });
    output.version_id = write.await?;
    Ok(output)
}
