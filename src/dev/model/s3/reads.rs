//! `GetObject`, `HeadObject` and `GetObjectAttributes`.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use s3s::dto::{
    GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, Range, StorageClass, Timestamp, TimestampFormat,
};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::checksums::set_checksum;
use super::conditions::ReadConditions;
use super::objects::{Object, encryption};
use super::{Bucket, Caller, Version, bodies, no_such_key, time};

/// A version that was read, and how answers name it.
pub(super) struct Read {
    pub(super) version: Version,
    pub(super) object: Object,
    pub(super) shown: Option<String>,
}

/// Finds what a read means: the current version of a key, or the one that it names.
pub(super) fn find(bucket: &Bucket, key: &str, version: Option<&str>) -> S3Result<Read> {
    let versions = bucket.objects.get(key).map(Vec::as_slice).unwrap_or_default();
    let found = match version {
        None => versions.last(),
        Some(id) => {
            let found = versions.iter().find(|version| version.id == id);
            Some(found.ok_or_else(|| s3_error!(NoSuchVersion, "The specified version does not exist."))?)
        }
    };
    let Some(found) = found else { return Err(no_such_key()) };
    match &found.object {
        Some(object) => Ok(Read { version: found.clone(), object: object.clone(), shown: bucket.shown(found) }),
        None => Err(deleted(found, version.is_some())),
    }
}

/// A delete marker can be neither read nor asked for by its version.
fn deleted(marker: &Version, named: bool) -> S3Error {
    let mut error = if named {
        s3_error!(MethodNotAllowed, "The specified method is not allowed against this resource.")
    } else {
        no_such_key()
    };
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    insert(&mut headers, "x-amz-version-id", &marker.id);
    if named {
        insert_date(&mut headers, "last-modified", &time(marker.modified));
    }
    error.set_headers(headers);
    error
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn insert_date(headers: &mut HeaderMap, name: &'static str, at: &Timestamp) {
    let mut text = Vec::new();
    // A time that has no form as an HTTP date is left out.
    if at.format(TimestampFormat::HttpDate, &mut text).is_ok() {
        insert(headers, name, &String::from_utf8_lossy(&text));
    }
}

fn not_modified(read: &Read) -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    error.set_status_code(StatusCode::NOT_MODIFIED);
    let mut headers = HeaderMap::new();
    insert(&mut headers, "etag", &format!("\"{}\"", read.object.etag));
    insert_date(&mut headers, "last-modified", &time(read.version.modified));
    if let Some(id) = &read.shown {
        insert(&mut headers, "x-amz-version-id", id);
    }
    error.set_headers(headers);
    error
}

/// The bytes of an object that a request asks for.
struct Piece {
    start: usize,
    end: usize,
    /// `Content-Range`, unless it is all of it.
    range: Option<String>,
}

impl Piece {
    fn of(object: &Object, range: Option<&Range>, part: Option<i32>) -> S3Result<Self> {
        let size = object.body.len();
        let (start, end) = match (range, part) {
            (None, None) => return Ok(Self { start: 0, end: size, range: None }),
            (Some(_), Some(_)) => {
                return Err(s3_error!(
                    InvalidRequest,
                    "Cannot specify both Range header and partNumber query parameter"
                ));
            }
            (Some(range), None) => {
                let invalid = |_| s3_error!(InvalidRange, "The requested range is not satisfiable");
                let range = range.check(size as u64).map_err(invalid)?;
                let at = |place: u64| usize::try_from(place).unwrap_or(size).min(size);
                (at(range.start), at(range.end))
            }
            (None, Some(number)) => {
                let whole = [size];
                let parts = if object.parts.is_empty() { &whole[..] } else { &object.parts };
                let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
                let at = at.filter(|at| *at < parts.len()).ok_or_else(|| {
                    super::custom(
                        StatusCode::RANGE_NOT_SATISFIABLE,
                        "InvalidPartNumber",
                        "The requested partnumber is not satisfiable".to_owned(),
                    )
                })?;
                let start: usize = parts[..at].iter().sum();
                (start, start + parts[at])
            }
        };
        let range = (end > start).then(|| format!("bytes {start}-{}/{size}", end - 1));
        Ok(Self { start, end, range })
    }

    fn length(&self) -> i64 {
        i64::try_from(self.end - self.start).unwrap_or(i64::MAX)
    }
}

/// Fills the fields that the outputs of `GetObject` and `HeadObject` share.
macro_rules! fill {
    ($output:expr, $read:expr, $piece:expr, $checksums:expr, $part:expr) => {{
        let (read, piece): (&Read, &Piece) = (&$read, &$piece);
        let attributes = &read.object.attributes;
        $output.accept_ranges = Some("bytes".to_owned());
        $output.cache_control = attributes.cache_control.clone();
        $output.content_disposition = attributes.content_disposition.clone();
        $output.content_encoding = attributes.content_encoding.clone();
        $output.content_language = attributes.content_language.clone();
        $output.content_length = Some(piece.length());
        $output.content_range = piece.range.clone();
        $output.content_type =
            Some(attributes.content_type.clone().unwrap_or_else(|| "binary/octet-stream".to_owned()));
        $output.e_tag = Some(read.object.tag());
        $output.expires = attributes
            .expires
            .and_then(|seconds| ::time::OffsetDateTime::from_unix_timestamp(seconds).ok())
            .map(Timestamp::from);
        $output.last_modified = Some(time(read.version.modified));
        $output.metadata = Some(attributes.metadata.clone().into_iter().collect());
        $output.parts_count =
            $part.filter(|_| !read.object.parts.is_empty()).and_then(|_| i32::try_from(read.object.parts.len()).ok());
        $output.server_side_encryption = encryption();
        $output.version_id = read.shown.clone();
        $output.website_redirect_location = attributes.website_redirect_location.clone();
        // A checksum is of the whole object.
        if $checksums && piece.range.is_none() {
            $output.checksum_type = Some(read.object.checksum.kind());
            set_checksum!($output, &read.object.checksum);
        }
    }};
}

pub(super) fn get(caller: &Caller, input: GetObjectInput) -> S3Result<GetObjectOutput> {
    let read = caller.with(&input.bucket, |bucket| find(bucket, &input.key, input.version_id.as_deref()))?;
    let conditions = ReadConditions {
        matches: input.if_match,
        none_matches: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    conditions.check(&read.version, &read.object, || not_modified(&read))?;
    let piece = Piece::of(&read.object, input.range.as_ref(), input.part_number)?;
    let mut output = GetObjectOutput::default();
    fill!(output, read, piece, input.checksum_mode.is_some(), input.part_number);
    output.tag_count = i32::try_from(read.object.tags.len()).ok().filter(|count| *count > 0);
    output.body = Some(bodies::blob(read.object.body.slice(piece.start..piece.end)));
    Ok(output)
}

pub(super) fn head(caller: &Caller, input: HeadObjectInput) -> S3Result<HeadObjectOutput> {
    let read = caller.with(&input.bucket, |bucket| find(bucket, &input.key, input.version_id.as_deref()))?;
    let conditions = ReadConditions {
        matches: input.if_match,
        none_matches: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    conditions.check(&read.version, &read.object, || not_modified(&read))?;
    let piece = Piece::of(&read.object, input.range.as_ref(), input.part_number)?;
    let mut output = HeadObjectOutput::default();
    fill!(output, read, piece, input.checksum_mode.is_some(), input.part_number);
    Ok(output)
}

/// How all objects are kept.
pub(super) const STORAGE_CLASS: &str = StorageClass::STANDARD;
