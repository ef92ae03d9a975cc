//! Buckets themselves.

use s3s::dto::{
    Bucket as BucketOut, BucketLocationConstraint, BucketVersioningStatus, CreateBucketInput, CreateBucketOutput,
    GetBucketLocationOutput, GetBucketVersioningOutput, HeadBucketOutput, ListBucketsInput, ListBucketsOutput,
    PutBucketVersioningInput,
};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::{Bucket, Caller, Versioning, not_modelled, owner, time};

/// The region whose endpoint needs no location constraint.
const FIRST_REGION: &str = "us-east-1";
/// Buckets per page, and of an account.
const BUCKETS_MAX: usize = 10_000;

pub(super) fn create(caller: &Caller, input: CreateBucketInput) -> S3Result<CreateBucketOutput> {
    if let Some(ownership) = input.object_ownership.filter(|ownership| ownership.as_str() != "BucketOwnerEnforced") {
        return Err(not_modelled(&format!("x-amz-object-ownership: {}", ownership.as_str())));
    }
    if input.object_lock_enabled_for_bucket == Some(true) {
        return Err(not_modelled("x-amz-bucket-object-lock-enabled: true"));
    }
    let configuration = input.create_bucket_configuration.unwrap_or_default();
    if configuration.bucket.is_some() || configuration.location.is_some() {
        return Err(not_modelled("CreateBucketConfiguration with Location or Bucket (directory buckets)"));
    }
    let constraint = configuration.location_constraint;
    let region = region_of(&caller.region, constraint.as_ref().map(BucketLocationConstraint::as_str))?;
    let mut world = caller.cloud.world();
    let buckets = &mut world.s3.buckets;
    if let Some(there) = buckets.get(&*input.bucket) {
        let ours = there.owner == caller.account;
        // Where S3 began, making one's own bucket again is no mistake.
        if ours && there.region == FIRST_REGION && region == FIRST_REGION {
            return Ok(CreateBucketOutput { location: Some(format!("/{}", input.bucket)) });
        }
        return Err(if ours {
            s3_error!(
                BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it."
            )
        } else {
            s3_error!(
                BucketAlreadyExists,
                "The requested bucket name is not available. The bucket namespace is shared by all users of the system. \
                 Please select a different name and try again."
            )
        });
    }
    if buckets.values().filter(|bucket| bucket.owner == caller.account).count() >= BUCKETS_MAX {
        return Err(s3_error!(TooManyBuckets, "You have attempted to create more buckets than allowed"));
    }
    buckets.insert(input.bucket.to_string(), Bucket::new(caller, region));
    Ok(CreateBucketOutput { location: Some(format!("/{}", input.bucket)) })
}

/// The region of a new bucket: the endpoint's, except that the first region's endpoint makes buckets everywhere.
fn region_of(endpoint: &str, constraint: Option<&str>) -> S3Result<String> {
    let illegal = |said: String| S3Error::with_message(S3ErrorCode::IllegalLocationConstraintException, said);
    // The old name of the second region.
    let constraint = constraint.map(|constraint| if constraint == "EU" { "eu-west-1" } else { constraint });
    match constraint.filter(|constraint| !constraint.is_empty()) {
        None if endpoint == FIRST_REGION => Ok(FIRST_REGION.to_owned()),
        None => Err(illegal(
            "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to."
                .to_owned(),
        )),
        Some(FIRST_REGION) => {
            Err(s3_error!(InvalidLocationConstraint, "The specified location-constraint is not valid"))
        }
        Some(region) if endpoint == FIRST_REGION || endpoint == region => Ok(region.to_owned()),
        Some(other) => Err(illegal(format!(
            "The {other} location constraint is incompatible for the region specific endpoint this request was sent to."
        ))),
    }
}

pub(super) fn delete(caller: &Caller, name: &str) -> S3Result<()> {
    let mut world = caller.cloud.world();
    let bucket = world.s3.bucket(caller, name)?;
    if !bucket.objects.is_empty() {
        let said = if bucket.versioning == Versioning::Off {
            "The bucket you tried to delete is not empty"
        } else {
            "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
        };
        return Err(S3Error::with_message(S3ErrorCode::BucketNotEmpty, said));
    }
    world.s3.buckets.remove(name);
    Ok(())
}

pub(super) fn head(caller: &Caller, name: &str) -> S3Result<HeadBucketOutput> {
    caller
        .with(name, |bucket| Ok(HeadBucketOutput { bucket_region: Some(bucket.region.clone()), ..Default::default() }))
}

/// Any endpoint can tell where a bucket is.
pub(super) fn location(caller: &Caller, name: &str) -> S3Result<GetBucketLocationOutput> {
    let world = caller.cloud.world();
    let bucket = world.s3.buckets.get(name).ok_or_else(super::no_such_bucket)?;
    if bucket.owner != caller.account {
        return Err(s3_error!(AccessDenied, "Access Denied"));
    }
    let region = (bucket.region != FIRST_REGION).then(|| BucketLocationConstraint::from(bucket.region.clone()));
    // The first region is an empty element, not a missing one.
    Ok(GetBucketLocationOutput { location_constraint: Some(region.unwrap_or_else(|| String::new().into())) })
}

pub(super) fn list(caller: &Caller, input: ListBucketsInput) -> S3Result<ListBucketsOutput> {
    let size = input.max_buckets.map_or(Ok(BUCKETS_MAX), |size| {
        let size = usize::try_from(size).ok().filter(|size| (1..=BUCKETS_MAX).contains(size));
        size.ok_or_else(|| s3_error!(InvalidArgument, "Argument max-buckets must be an integer between 1 and 10000"))
    })?;
    let world = caller.cloud.world();
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let after = input.continuation_token.as_deref().unwrap_or_default();
    let mut found = world.s3.buckets.iter().filter(|(name, bucket)| {
        bucket.owner == caller.account
            && name.starts_with(prefix)
            && name.as_str() > after
            && input.bucket_region.as_ref().is_none_or(|region| *region == bucket.region)
    });
    let page: Vec<_> = found.by_ref().take(size).collect();
    let more = found.next().is_some();
    let continuation_token = page.last().filter(|_| more).map(|(name, _)| (*name).clone());
    let buckets = page.into_iter().map(|(name, bucket)| BucketOut {
        bucket_region: Some(bucket.region.clone()),
        creation_date: Some(time(bucket.created)),
        name: Some(name.clone()),
    });
    Ok(ListBucketsOutput {
        buckets: Some(buckets.collect()),
        continuation_token,
        owner: Some(owner(&caller.account)),
        prefix: input.prefix,
    })
}

pub(super) fn versioning(caller: &Caller, name: &str) -> S3Result<GetBucketVersioningOutput> {
    caller.with(name, |bucket| {
        let status = match bucket.versioning {
            Versioning::Off => None,
            Versioning::Enabled => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED)),
            Versioning::Suspended => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::SUSPENDED)),
        };
        Ok(GetBucketVersioningOutput { mfa_delete: None, status })
    })
}

pub(super) fn set_versioning(caller: &Caller, input: PutBucketVersioningInput) -> S3Result<()> {
    let given = input.versioning_configuration;
    if given.mfa_delete.as_ref().is_some_and(|delete| delete.as_str() != "Disabled") || input.mfa.is_some() {
        return Err(not_modelled("MfaDelete"));
    }
    let versioning = match given.status.as_ref().map(BucketVersioningStatus::as_str) {
        Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
        Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
        _ => {
            return Err(s3_error!(IllegalVersioningConfigurationException, "The Versioning element must be specified"));
        }
    };
    caller.with(&input.bucket, |bucket| {
        bucket.versioning = versioning;
        Ok(())
    })
}
