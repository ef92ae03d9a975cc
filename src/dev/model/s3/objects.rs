//! What is known of an object, beside its bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use s3s::dto::ETag;
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::checksums::{Checksum, hex, md5};
use super::{bodies, not_modelled};
use crate::dev::model::tags::Tags;

/// How large the names and values of an object's own metadata may be together.
const METADATA_BYTES_MAX: usize = 2048;

/// An object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Object {
    #[serde(with = "bodies")]
    pub(super) body: Bytes,
    /// Without quotation marks: the MD5 in hexadecimal digits; of parts' MD5s, with `-N` behind it, for multipart
    /// uploads.
    pub(super) etag: String,
    pub(super) checksum: Checksum,
    pub(super) attributes: Attributes,
    pub(super) tags: Tags,
    /// The sizes of the parts of a multipart upload; empty for others.
    pub(super) parts: Vec<usize>,
}

/// Headers that are kept with an object and come back with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attributes {
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) content_type: Option<String>,
    /// Seconds since 1970.
    pub(super) expires: Option<i64>,
    pub(super) website_redirect_location: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
}

impl Object {
    /// An object written in one piece.
    pub(super) fn whole(body: Bytes, checksum: Checksum, attributes: Attributes, tags: Tags) -> Self {
        let etag = hex(&md5(&body));
        Self { body, etag, checksum, attributes, tags, parts: Vec::new() }
    }

    pub(super) fn tag(&self) -> ETag {
        ETag::Strong(self.etag.clone())
    }

    pub(super) fn size(&self) -> i64 {
        i64::try_from(self.body.len()).unwrap_or(i64::MAX)
    }
}

/// Takes the attributes out of an input that has fields of these names.
macro_rules! attributes_of {
    ($input:expr) => {
        $crate::dev::model::s3::objects::Attributes {
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $input.content_encoding.take(),
            content_language: $input.content_language.take(),
            content_type: $input.content_type.take(),
            expires: $input.expires.take().map($crate::dev::model::s3::objects::seconds),
            website_redirect_location: $input.website_redirect_location.take(),
            metadata: $input.metadata.take().unwrap_or_default().into_iter().collect(),
        }
    };
}

pub(super) use attributes_of;

pub(super) fn seconds(at: s3s::dto::Timestamp) -> i64 {
    ::time::OffsetDateTime::from(at).unix_timestamp()
}

impl Attributes {
    pub(super) fn check(self) -> S3Result<Self> {
        let size: usize = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size > METADATA_BYTES_MAX {
            return Err(s3_error!(MetadataTooLarge, "Your metadata headers exceed the maximum allowed metadata size"));
        }
        Ok(self)
    }
}

/// What a write may ask for without any effect: what the dev cloud does anyway.
pub(super) fn check_class(storage_class: Option<&str>, encryption: Option<&str>) -> S3Result<()> {
    if let Some(class) = storage_class.filter(|class| *class != "STANDARD") {
        return Err(not_modelled(&format!("x-amz-storage-class: {class}")));
    }
    if let Some(kind) = encryption.filter(|kind| *kind != "AES256") {
        return Err(not_modelled(&format!("x-amz-server-side-encryption: {kind}")));
    }
    Ok(())
}

/// How every object is kept, as answers say it.
pub(super) fn encryption() -> Option<s3s::dto::ServerSideEncryption> {
    Some(s3s::dto::ServerSideEncryption::from_static("AES256"))
}
