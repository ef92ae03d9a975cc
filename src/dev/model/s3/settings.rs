//! Settings of buckets that cannot be changed here: reads show what a new bucket has.

use s3s::dto::{
    BucketName, GetBucketAclOutput, GetBucketEncryptionOutput, GetBucketOwnershipControlsOutput,
    GetBucketRequestPaymentOutput, GetPublicAccessBlockOutput, Grant, Grantee, ObjectOwnership, OwnershipControls,
    OwnershipControlsRule, Payer, Permission, PublicAccessBlockConfiguration, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Type,
};
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::{Caller, owner};

/// A setting that a new bucket does not have.
pub(super) fn absent<T>(caller: &Caller, bucket: &BucketName, code: S3ErrorCode, message: &'static str) -> S3Result<T> {
    caller.with(bucket, |_| {
        let mut error = S3Error::with_message(code, message);
        error.set_status_code(http::StatusCode::NOT_FOUND);
        Err(error)
    })
}

pub(super) fn acl(caller: &Caller, bucket: &BucketName) -> S3Result<GetBucketAclOutput> {
    caller.with(bucket, |bucket| {
        let by = owner(&bucket.owner);
        let grantee = Grantee {
            display_name: None,
            email_address: None,
            id: by.id.clone(),
            type_: Type::from_static(Type::CANONICAL_USER),
            uri: None,
        };
        let permission = Some(Permission::from_static(Permission::FULL_CONTROL));
        Ok(GetBucketAclOutput { grants: Some(vec![Grant { grantee: Some(grantee), permission }]), owner: Some(by) })
    })
}

pub(super) fn encryption(caller: &Caller, bucket: &BucketName) -> S3Result<GetBucketEncryptionOutput> {
    caller.with(bucket, |_| {
        let by_default = ServerSideEncryptionByDefault {
            kms_master_key_id: None,
            sse_algorithm: ServerSideEncryption::from_static(ServerSideEncryption::AES256),
        };
        let rule = ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(by_default),
            bucket_key_enabled: Some(false),
        };
        let configuration = ServerSideEncryptionConfiguration { rules: vec![rule] };
        Ok(GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) })
    })
}

pub(super) fn ownership(caller: &Caller, bucket: &BucketName) -> S3Result<GetBucketOwnershipControlsOutput> {
    caller.with(bucket, |_| {
        let object_ownership = ObjectOwnership::from_static(ObjectOwnership::BUCKET_OWNER_ENFORCED);
        let rules = vec![OwnershipControlsRule { object_ownership }];
        Ok(GetBucketOwnershipControlsOutput { ownership_controls: Some(OwnershipControls { rules }) })
    })
}

pub(super) fn public_access(caller: &Caller, bucket: &BucketName) -> S3Result<GetPublicAccessBlockOutput> {
    caller.with(bucket, |_| {
        let configuration = PublicAccessBlockConfiguration {
            block_public_acls: Some(true),
            block_public_policy: Some(true),
            ignore_public_acls: Some(true),
            restrict_public_buckets: Some(true),
        };
        Ok(GetPublicAccessBlockOutput { public_access_block_configuration: Some(configuration) })
    })
}

pub(super) fn payer(caller: &Caller, bucket: &BucketName) -> S3Result<GetBucketRequestPaymentOutput> {
    caller.with(bucket, |_| Ok(GetBucketRequestPaymentOutput { payer: Some(Payer::from_static(Payer::BUCKET_OWNER)) }))
}
