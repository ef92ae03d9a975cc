//! S3: buckets, objects and their versions in memory, under the wire format of the `s3s` crate.

mod backend;
mod bodies;
mod buckets;
mod call;
mod checksums;
mod chunks;
mod conditions;
mod copy;
mod deletes;
mod gate;
mod listing;
mod multipart;
mod objects;
mod operations;
mod options;
mod reads;
mod settings;
mod tagging;
mod unsigned;
mod writes;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::tags::Tags;
use crate::dev::cloud::Cloud;

pub(crate) use call::S3Call;
pub(crate) use conditions::InProgress;
pub(crate) use operations::OPERATIONS;
pub use options::BucketOptions;
pub(crate) use unsigned::refuse_unsigned;

use multipart::Upload;
use objects::Object;

/// All buckets of all accounts: their names are one list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct S3 {
    buckets: BTreeMap<String, Bucket>,
}

/// A bucket.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Bucket {
    /// The account that it belongs to.
    owner: String,
    region: String,
    created: Timestamp,
    versioning: Versioning,
    tags: Tags,
    /// The versions of each key, the current one last; never empty.
    objects: BTreeMap<String, Vec<Version>>,
    uploads: BTreeMap<String, Upload>,
}

/// Whether a bucket keeps versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Versioning {
    /// It never did.
    Off,
    Enabled,
    /// It did; new objects have the version `null`.
    Suspended,
}

/// A version of an object.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Version {
    /// `null` if the bucket kept no versions when it was written.
    id: String,
    modified: Timestamp,
    /// `None` for a delete marker.
    object: Option<Object>,
}

/// The version that objects have where versions are not kept.
const NULL_VERSION: &str = "null";

/// Who calls, and where.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    cloud: Arc<Cloud>,
    account: String,
    region: String,
}

impl Caller {
    fn now(&self) -> Timestamp {
        self.cloud.clock.now()
    }

    /// Does something with a bucket that the caller may use here.
    fn with<T>(&self, bucket: &str, act: impl FnOnce(&mut Bucket) -> S3Result<T>) -> S3Result<T> {
        let mut world = self.cloud.world();
        act(world.s3.bucket(self, bucket)?)
    }
}

impl S3 {
    /// A bucket of the caller's own, in the caller's region.
    fn bucket(&mut self, caller: &Caller, name: &str) -> S3Result<&mut Bucket> {
        let bucket = self.buckets.get_mut(name).ok_or_else(no_such_bucket)?;
        if bucket.owner != caller.account {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        if bucket.region == caller.region { Ok(bucket) } else { Err(elsewhere(&bucket.region)) }
    }
}

fn no_such_bucket() -> S3Error {
    s3_error!(NoSuchBucket, "The specified bucket does not exist")
}

fn no_such_key() -> S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

/// A feature that is not modelled, in AWS's words, and which.
fn not_modelled(what: &str) -> S3Error {
    s3_error!(
        NotImplemented,
        "A header or parameter you provided implies functionality that is not implemented (by the dev cloud): {what}"
    )
}

/// The bucket has to be asked for in its own region.
fn elsewhere(region: &str) -> S3Error {
    let mut error = s3_error!(
        PermanentRedirect,
        "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future \
         requests to this endpoint."
    );
    if let Ok(region) = http::HeaderValue::from_str(region) {
        error.set_headers(http::HeaderMap::from_iter([(http::HeaderName::from_static("x-amz-bucket-region"), region)]));
    }
    error
}

/// An error with a code that `s3s` does not list.
fn custom(status: http::StatusCode, code: &'static str, message: String) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message);
    error.set_status_code(status);
    error
}

impl Bucket {
    /// An empty bucket of the caller's.
    fn new(caller: &Caller, region: String) -> Self {
        Self {
            owner: caller.account.clone(),
            region,
            created: caller.now(),
            versioning: Versioning::Off,
            tags: Tags::new(),
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
        }
    }

    /// The current object, unless there is none or it was deleted.
    fn current(&self, key: &str) -> Option<(&Version, &Object)> {
        let version = self.objects.get(key)?.last()?;
        Some((version, version.object.as_ref()?))
    }

    /// Writes a version as the bucket's versioning has it.
    fn put(&mut self, caller: &Caller, key: &str, object: Option<Object>) -> Version {
        let id = match self.versioning {
            Versioning::Enabled => {
                let chance = &caller.cloud.chance;
                format!("{:016x}{:016x}", chance.number(), chance.number())
            }
            Versioning::Off | Versioning::Suspended => NULL_VERSION.to_owned(),
        };
        let version = Version { id, modified: caller.now(), object };
        let versions = self.objects.entry(key.to_owned()).or_default();
        versions.retain(|other| other.id != version.id);
        versions.push(version.clone());
        version
    }

    /// The version id that answers show: none in a bucket that never kept versions.
    fn shown(&self, version: &Version) -> Option<String> {
        (self.versioning != Versioning::Off).then(|| version.id.clone())
    }
}

/// A time as `s3s` has it.
fn time(at: Timestamp) -> s3s::dto::Timestamp {
    std::time::SystemTime::from(at).into()
}

/// The owner of what an account has, as answers show it.
fn owner(account: &str) -> s3s::dto::Owner {
    // AWS's canonical user ids are 64 hexadecimal digits.
    s3s::dto::Owner { display_name: None, id: Some(format!("{account:0>64}")) }
}

/// Makes a bucket of the default account where it is missing.
///
/// # Errors
/// The name cannot be a bucket's, or it is one of another account or region; says which.
pub(crate) fn make_bucket(cloud: &Arc<Cloud>, region: &str, name: &str) -> Result<(), String> {
    if !s3s::path::check_bucket_name(name) {
        return Err("it is no name of a bucket: 3 to 63 small letters, digits, dots and hyphens".to_owned());
    }
    let account = crate::dev::access::DEFAULT_ACCOUNT.to_owned();
    let caller = Caller { cloud: cloud.clone(), account, region: region.to_owned() };
    let mut world = cloud.world();
    if world.s3.buckets.contains_key(name) {
        return world
            .s3
            .bucket(&caller, name)
            .map(drop)
            .map_err(|error| error.message().unwrap_or_default().to_owned());
    }
    world.s3.buckets.insert(name.to_owned(), Bucket::new(&caller, region.to_owned()));
    Ok(())
}
