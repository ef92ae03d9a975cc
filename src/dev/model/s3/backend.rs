//! The operations as `s3s` calls them. What is not here answers `NotImplemented`, with the operation's name.

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CopyObjectInput, CopyObjectOutput, CreateBucketInput, CreateBucketOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, DeleteBucketInput, DeleteBucketOutput, DeleteBucketTaggingInput,
    DeleteBucketTaggingOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectTaggingInput,
    DeleteObjectTaggingOutput, DeleteObjectsInput, DeleteObjectsOutput, GetBucketAccelerateConfigurationInput,
    GetBucketAccelerateConfigurationOutput, GetBucketAclInput, GetBucketAclOutput, GetBucketCorsInput,
    GetBucketCorsOutput, GetBucketEncryptionInput, GetBucketEncryptionOutput, GetBucketLifecycleConfigurationInput,
    GetBucketLifecycleConfigurationOutput, GetBucketLocationInput, GetBucketLocationOutput, GetBucketLoggingInput,
    GetBucketLoggingOutput, GetBucketOwnershipControlsInput, GetBucketOwnershipControlsOutput, GetBucketPolicyInput,
    GetBucketPolicyOutput, GetBucketReplicationInput, GetBucketReplicationOutput, GetBucketRequestPaymentInput,
    GetBucketRequestPaymentOutput, GetBucketTaggingInput, GetBucketTaggingOutput, GetBucketVersioningInput,
    GetBucketVersioningOutput, GetBucketWebsiteInput, GetBucketWebsiteOutput, GetObjectInput,
    GetObjectLockConfigurationInput, GetObjectLockConfigurationOutput, GetObjectOutput, GetObjectTaggingInput,
    GetObjectTaggingOutput, GetPublicAccessBlockInput, GetPublicAccessBlockOutput, HeadBucketInput, HeadBucketOutput,
    HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput,
    ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput, PutBucketTaggingInput,
    PutBucketTaggingOutput, PutBucketVersioningInput, PutBucketVersioningOutput, PutObjectInput, PutObjectOutput,
    PutObjectTaggingInput, PutObjectTaggingOutput, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::{Caller, buckets, copy, deletes, listing, multipart, reads, settings, tagging, writes};

/// S3 over the state that each request brings along.
pub(super) struct Backend;

fn caller<T>(request: &S3Request<T>) -> S3Result<Caller> {
    let caller = request.extensions.get::<Caller>().cloned();
    caller.ok_or_else(|| s3_error!(InternalError, "the request has lost its caller"))
}

/// Methods of the trait: name, input, output, and what answers for `caller` and `request`.
macro_rules! operations {
    ($(async fn $name:ident($caller:ident, $request:ident: $input:ty) -> $output:ty $body:block)*) => {
        #[async_trait::async_trait]
        impl S3 for Backend {
            $(async fn $name(&self, $request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                let $caller = &caller(&$request)?;
                let output: S3Result<$output> = $body;
                output.map(S3Response::new)
            })*
        }
    };
}

operations! {
    async fn list_buckets(caller, request: ListBucketsInput) -> ListBucketsOutput {
        buckets::list(caller, request.input)
    }
    async fn create_bucket(caller, request: CreateBucketInput) -> CreateBucketOutput {
        buckets::create(caller, request.input)
    }
    async fn delete_bucket(caller, request: DeleteBucketInput) -> DeleteBucketOutput {
        buckets::delete(caller, &request.input.bucket).map(|()| DeleteBucketOutput {})
    }
    async fn head_bucket(caller, request: HeadBucketInput) -> HeadBucketOutput {
        buckets::head(caller, &request.input.bucket)
    }
    async fn get_bucket_location(caller, request: GetBucketLocationInput) -> GetBucketLocationOutput {
        buckets::location(caller, &request.input.bucket)
    }
    async fn get_bucket_versioning(caller, request: GetBucketVersioningInput) -> GetBucketVersioningOutput {
        buckets::versioning(caller, &request.input.bucket)
    }
    async fn put_bucket_versioning(caller, request: PutBucketVersioningInput) -> PutBucketVersioningOutput {
        buckets::set_versioning(caller, request.input).map(|()| PutBucketVersioningOutput {})
    }
    async fn put_object(caller, request: PutObjectInput) -> PutObjectOutput {
        writes::put(caller, request).await
    }
    async fn get_object(caller, request: GetObjectInput) -> GetObjectOutput {
        reads::get(caller, request.input)
    }
    async fn head_object(caller, request: HeadObjectInput) -> HeadObjectOutput {
        reads::head(caller, request.input)
    }
    async fn copy_object(caller, request: CopyObjectInput) -> CopyObjectOutput {
        copy::copy(caller, request).await
    }
    async fn delete_object(caller, request: DeleteObjectInput) -> DeleteObjectOutput {
        deletes::one(caller, &request.input)
    }
    async fn delete_objects(caller, request: DeleteObjectsInput) -> DeleteObjectsOutput {
        deletes::many(caller, request.input)
    }
    async fn list_objects(caller, request: ListObjectsInput) -> ListObjectsOutput {
        listing::first(caller, request.input)
    }
    async fn list_objects_v2(caller, request: ListObjectsV2Input) -> ListObjectsV2Output {
        listing::second(caller, request.input)
    }
    async fn list_object_versions(caller, request: ListObjectVersionsInput) -> ListObjectVersionsOutput {
        listing::versions(caller, request.input)
    }
    async fn create_multipart_upload(caller, request: CreateMultipartUploadInput) -> CreateMultipartUploadOutput {
        multipart::create(caller, request.input)
    }
    async fn upload_part(caller, request: UploadPartInput) -> UploadPartOutput {
        multipart::upload_part(caller, request.input).await
    }
    async fn upload_part_copy(caller, request: UploadPartCopyInput) -> UploadPartCopyOutput {
        multipart::upload_part_copy(caller, request.input)
    }
    async fn complete_multipart_upload(caller, request: CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput {
        multipart::complete(caller, request).await
    }
    async fn abort_multipart_upload(caller, request: AbortMultipartUploadInput) -> AbortMultipartUploadOutput {
        multipart::abort(caller, &request.input).map(|()| AbortMultipartUploadOutput::default())
    }
    async fn list_parts(caller, request: ListPartsInput) -> ListPartsOutput {
        multipart::list_parts(caller, request.input)
    }
    async fn list_multipart_uploads(caller, request: ListMultipartUploadsInput) -> ListMultipartUploadsOutput {
        multipart::list(caller, request.input)
    }
    async fn put_object_tagging(caller, request: PutObjectTaggingInput) -> PutObjectTaggingOutput {
        tagging::put(caller, request.input)
    }
    async fn get_object_tagging(caller, request: GetObjectTaggingInput) -> GetObjectTaggingOutput {
        tagging::get(caller, &request.input)
    }
    async fn delete_object_tagging(caller, request: DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput {
        tagging::delete(caller, &request.input)
    }
    async fn put_bucket_tagging(caller, request: PutBucketTaggingInput) -> PutBucketTaggingOutput {
        tagging::put_bucket(caller, request.input).map(|()| PutBucketTaggingOutput {})
    }
    async fn get_bucket_tagging(caller, request: GetBucketTaggingInput) -> GetBucketTaggingOutput {
        tagging::get_bucket(caller, &request.input.bucket)
    }
    async fn delete_bucket_tagging(caller, request: DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput {
        tagging::delete_bucket(caller, &request.input.bucket).map(|()| DeleteBucketTaggingOutput {})
    }
    async fn get_bucket_acl(caller, request: GetBucketAclInput) -> GetBucketAclOutput {
        settings::acl(caller, &request.input.bucket)
    }
    async fn get_bucket_encryption(caller, request: GetBucketEncryptionInput) -> GetBucketEncryptionOutput {
        settings::encryption(caller, &request.input.bucket)
    }
    async fn get_bucket_ownership_controls(
        caller, request: GetBucketOwnershipControlsInput
    ) -> GetBucketOwnershipControlsOutput {
        settings::ownership(caller, &request.input.bucket)
    }
    async fn get_public_access_block(caller, request: GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput {
        settings::public_access(caller, &request.input.bucket)
    }
    async fn get_bucket_request_payment(
        caller, request: GetBucketRequestPaymentInput
    ) -> GetBucketRequestPaymentOutput {
        settings::payer(caller, &request.input.bucket)
    }
    async fn get_bucket_logging(caller, request: GetBucketLoggingInput) -> GetBucketLoggingOutput {
        buckets::head(caller, &request.input.bucket).map(|_| GetBucketLoggingOutput::default())
    }
    async fn get_bucket_accelerate_configuration(
        caller, request: GetBucketAccelerateConfigurationInput
    ) -> GetBucketAccelerateConfigurationOutput {
        buckets::head(caller, &request.input.bucket).map(|_| GetBucketAccelerateConfigurationOutput::default())
    }
    async fn get_bucket_policy(caller, request: GetBucketPolicyInput) -> GetBucketPolicyOutput {
        let bucket = &request.input.bucket;
        settings::absent(caller, bucket, S3ErrorCode::NoSuchBucketPolicy, "The bucket policy does not exist")
    }
    async fn get_bucket_cors(caller, request: GetBucketCorsInput) -> GetBucketCorsOutput {
        let code = S3ErrorCode::Custom("NoSuchCORSConfiguration".into());
        settings::absent(caller, &request.input.bucket, code, "The CORS configuration does not exist")
    }
    async fn get_bucket_lifecycle_configuration(
        caller, request: GetBucketLifecycleConfigurationInput
    ) -> GetBucketLifecycleConfigurationOutput {
        let code = S3ErrorCode::Custom("NoSuchLifecycleConfiguration".into());
        settings::absent(caller, &request.input.bucket, code, "The lifecycle configuration does not exist")
    }
    async fn get_bucket_website(caller, request: GetBucketWebsiteInput) -> GetBucketWebsiteOutput {
        let code = S3ErrorCode::Custom("NoSuchWebsiteConfiguration".into());
        let said = "The specified bucket does not have a website configuration";
        settings::absent(caller, &request.input.bucket, code, said)
    }
    async fn get_bucket_replication(caller, request: GetBucketReplicationInput) -> GetBucketReplicationOutput {
        let code = S3ErrorCode::Custom("ReplicationConfigurationNotFoundError".into());
        settings::absent(caller, &request.input.bucket, code, "The replication configuration was not found")
    }
    async fn get_object_lock_configuration(
        caller, request: GetObjectLockConfigurationInput
    ) -> GetObjectLockConfigurationOutput {
        let code = S3ErrorCode::Custom("ObjectLockConfigurationNotFoundError".into());
        let said = "Object Lock configuration does not exist for this bucket";
        settings::absent(caller, &request.input.bucket, code, said)
    }
}
