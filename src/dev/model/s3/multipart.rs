//! Uploads in parts.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use s3s::dto::{
    AbortMultipartUploadInput, ChecksumAlgorithm, ChecksumType, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedPart, CopyPartResult, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ETag, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput,
    ListPartsOutput, MultipartUpload, Part as PartOut, StorageClass, UploadPartCopyInput, UploadPartCopyOutput,
    UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::checksums::{Algorithm, Checksum, Wanted, check_md5, checksum_fields, hex, md5, set_checksum};
use super::conditions::{ReadConditions, WriteCondition};
use super::listing::{Asked, Entry, Writer, page, page_size};
use super::objects::{Attributes, Object, attributes_of, check_class, encryption};
use super::reads::STORAGE_CLASS;
use super::{Bucket, Caller, bodies, copy, owner, tagging, time};
use crate::dev::model::tags::Tags;

/// The numbers that parts can have.
const PART_NUMBERS: std::ops::RangeInclusive<i32> = 1..=10_000;
/// Every part but the last has at least 5 MiB.
const PART_BYTES_MIN: usize = 5 * 1024 * 1024;

/// An upload that is neither completed nor aborted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Upload {
    key: String,
    initiated: Timestamp,
    attributes: Attributes,
    tags: Tags,
    /// The checksum that the object is to have, and whether it is one of the parts' checksums.
    checksum: (Algorithm, bool),
    parts: BTreeMap<i32, Part>,
}

/// A part.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Part {
    #[serde(with = "bodies")]
    body: Bytes,
    md5: [u8; 16],
    checksum: Checksum,
    modified: Timestamp,
}

impl Part {
    fn tag(&self) -> ETag {
        ETag::Strong(hex(&self.md5))
    }
}

impl Bucket {
    fn upload(&mut self, key: &str, id: &str) -> S3Result<&mut Upload> {
        self.uploads.get_mut(id).filter(|upload| upload.key == key).ok_or_else(|| {
            s3_error!(
                NoSuchUpload,
                "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or \
                 completed."
            )
        })
    }
}

pub(super) fn create(caller: &Caller, mut input: CreateMultipartUploadInput) -> S3Result<CreateMultipartUploadOutput> {
    check_class(
        input.storage_class.as_ref().map(StorageClass::as_str),
        input.server_side_encryption.as_ref().map(s3s::dto::ServerSideEncryption::as_str),
    )?;
    let algorithm =
        input.checksum_algorithm.as_ref().map(|algorithm| Algorithm::read(algorithm.as_str())).transpose()?;
    let kind = input.checksum_type.as_ref().map(ChecksumType::as_str);
    let checksum = match (algorithm, kind) {
        (None, None | Some("FULL_OBJECT")) => (Algorithm::Crc64Nvme, false),
        (Some(Algorithm::Crc64Nvme), None | Some("FULL_OBJECT")) => (Algorithm::Crc64Nvme, false),
        (Some(algorithm @ (Algorithm::Crc32 | Algorithm::Crc32c)), Some("FULL_OBJECT")) => (algorithm, false),
        (Some(algorithm), None | Some("COMPOSITE")) if algorithm != Algorithm::Crc64Nvme => (algorithm, true),
        (algorithm, kind) => {
            let (kind, name) = (kind.unwrap_or_default(), algorithm.unwrap_or(Algorithm::Crc64Nvme).name());
            return Err(s3_error!(
                InvalidRequest,
                "The {kind} checksum type cannot be used with the {name} checksum algorithm."
            ));
        }
    };
    let upload = Upload {
        key: input.key.clone(),
        initiated: caller.now(),
        attributes: attributes_of!(input).check()?,
        tags: tagging::of_header(input.tagging.as_deref())?,
        checksum,
        parts: BTreeMap::new(),
    };
    let chance = &caller.cloud.chance;
    let id = format!("{:016x}{:016x}{:016x}", chance.number(), chance.number(), chance.number());
    caller.with(&input.bucket, |bucket| {
        bucket.uploads.insert(id.clone(), upload);
        Ok(())
    })?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        checksum_algorithm: algorithm.map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name())),
        checksum_type: algorithm.map(|_| kind_of(checksum)),
        key: Some(input.key),
        server_side_encryption: encryption(),
        upload_id: Some(id),
        ..Default::default()
    })
}

fn kind_of((_, composite): (Algorithm, bool)) -> ChecksumType {
    ChecksumType::from_static(if composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT })
}

/// Keeps a part, in place of the one with the same number.
fn keep(
    caller: &Caller,
    (bucket, key, upload): (&str, &str, &str),
    number: i32,
    body: Bytes,
    wanted: Wanted,
) -> S3Result<Part> {
    if !PART_NUMBERS.contains(&number) {
        return Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"));
    }
    let checksum = wanted.check(&body)?;
    caller.with(bucket, |bucket| {
        let upload = bucket.upload(key, upload)?;
        // Parts of an upload with a checksum of its own have the same kind.
        let checksum = if checksum.algorithm == upload.checksum.0 { checksum } else { upload.checksum.0.of(&body) };
        let part = Part { md5: md5(&body), checksum, modified: caller.now(), body };
        upload.parts.insert(number, part.clone());
        Ok(part)
    })
}

pub(super) async fn upload_part(caller: &Caller, mut input: UploadPartInput) -> S3Result<UploadPartOutput> {
    let body = bodies::read(input.body.take(), caller.cloud.buckets.object_bytes_max).await?;
    check_md5(input.content_md5.as_deref(), &body)?;
    let algorithm = input.checksum_algorithm.as_ref().map(ChecksumAlgorithm::as_str);
    let wanted = Wanted::new(checksum_fields!(input), algorithm)?;
    let part = keep(caller, (&input.bucket, &input.key, &input.upload_id), input.part_number, body, wanted)?;
    let mut output =
        UploadPartOutput { e_tag: Some(part.tag()), server_side_encryption: encryption(), ..Default::default() };
    set_checksum!(output, &part.checksum);
    Ok(output)
}

pub(super) fn upload_part_copy(caller: &Caller, input: UploadPartCopyInput) -> S3Result<UploadPartCopyOutput> {
    let conditions = ReadConditions {
        matches: input.copy_source_if_match,
        none_matches: input.copy_source_if_none_match,
        modified_since: input.copy_source_if_modified_since,
        unmodified_since: input.copy_source_if_unmodified_since,
    };
    let read = copy::source(caller, &input.copy_source, &conditions)?;
    let body = match &input.copy_source_range {
        None => read.object.body,
        Some(range) => {
            let wrong = || {
                s3_error!(
                    InvalidArgument,
                    "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
                     zero-based offsets of the first and last bytes to copy"
                )
            };
            let (first, last) =
                range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or_else(wrong)?;
            let first: usize = first.parse().map_err(|_| wrong())?;
            let last: usize = last.parse().map_err(|_| wrong())?;
            let size = read.object.body.len();
            if first > last || last >= size {
                return Err(s3_error!(
                    InvalidArgument,
                    "Range specified is not valid for source object of size: {size}"
                ));
            }
            read.object.body.slice(first..=last)
        }
    };
    let target = (&*input.bucket, &*input.key, &*input.upload_id);
    let part = keep(caller, target, input.part_number, body, Wanted::default())?;
    let mut result =
        CopyPartResult { e_tag: Some(part.tag()), last_modified: Some(time(part.modified)), ..Default::default() };
    set_checksum!(result, &part.checksum);
    Ok(UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: read.shown,
        server_side_encryption: encryption(),
        ..Default::default()
    })
}

/// The parts that a completion lists, in their order.
fn chosen<'u>(upload: &'u Upload, listed: &[CompletedPart]) -> S3Result<Vec<&'u Part>> {
    let mut parts = Vec::with_capacity(listed.len());
    let mut before = 0;
    for each in listed {
        let number = each.part_number.unwrap_or_default();
        if number <= before {
            return Err(s3_error!(
                InvalidPartOrder,
                "The list of parts was not in ascending order. The parts list must be specified in order by part number."
            ));
        }
        before = number;
        let part = upload.parts.get(&number).filter(|part| {
            let said = checksum_fields!(each);
            let same_tag = each.e_tag.as_ref().is_some_and(|tag| tag.value() == hex(&part.md5));
            same_tag && said.into_iter().flatten().all(|value| value == part.checksum.value)
        });
        parts.push(part.ok_or_else(|| {
            s3_error!(
                InvalidPart,
                "One or more of the specified parts could not be found. The part may not have been uploaded, or the \
                 specified entity tag may not match the part's entity tag."
            )
        })?);
    }
    let all_but_last = &parts[..parts.len().saturating_sub(1)];
    if all_but_last.iter().any(|part| part.body.len() < PART_BYTES_MIN) {
        return Err(s3_error!(EntityTooSmall, "Your proposed upload is smaller than the minimum allowed size"));
    }
    Ok(parts)
}

/// The object that parts make together.
fn assemble(upload: &Upload, parts: &[&Part]) -> Object {
    let mut body = BytesMut::with_capacity(parts.iter().map(|part| part.body.len()).sum());
    let mut digests = Vec::with_capacity(parts.len() * 16);
    for part in parts {
        body.extend_from_slice(&part.body);
        digests.extend_from_slice(&part.md5);
    }
    let body = body.freeze();
    let (algorithm, composite) = upload.checksum;
    let checksum =
        if composite { algorithm.composite(parts.iter().map(|part| &*part.body)) } else { algorithm.of(&body) };
    Object {
        etag: format!("{}-{}", hex(&md5(&digests)), parts.len()),
        body,
        checksum,
        attributes: upload.attributes.clone(),
        tags: upload.tags.clone(),
        parts: parts.iter().map(|part| part.body.len()).collect(),
    }
}

pub(super) async fn complete(
    caller: &Caller,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<CompleteMultipartUploadOutput> {
    let condition = WriteCondition::read(&request.headers)?;
    let input = request.input;
    let listed = input.multipart_upload.as_ref().and_then(|upload| upload.parts.clone()).unwrap_or_default();
    if listed.is_empty() {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        ));
    }
    let wanted = Wanted::new(checksum_fields!(input), None)?;
    let object_bytes_max = caller.cloud.buckets.object_bytes_max;
    let (name, key) = (&input.bucket, &input.key);
    // A wrong request is refused before its condition is looked at.
    caller.with(name, |bucket| chosen(bucket.upload(key, &input.upload_id)?, &listed).map(drop))?;
    let write = condition.write(caller, name, key, |bucket| {
        let upload = bucket.upload(key, &input.upload_id)?;
        let parts = chosen(upload, &listed)?;
        let object = assemble(upload, &parts);
        let size = object.size();
        if input.mpu_object_size.is_some_and(|said| said != size) {
            return Err(s3_error!(
                InvalidRequest,
                "The provided 'x-amz-mp-object-size' header does not match what was computed."
            ));
        }
        if size.unsigned_abs() > object_bytes_max {
            return Err(bodies::too_large());
        }
        if wanted.given().is_some_and(|said| said != object.checksum.value) {
            let name = object.checksum.algorithm.name();
            return Err(s3_error!(BadDigest, "The {name} you specified did not match the calculated checksum."));
        }
        bucket.uploads.remove(&input.upload_id);
        let version = bucket.put(caller, key, Some(object.clone()));
        Ok((object, bucket.shown(&version)))
    });
    let (object, version_id) = write.await?;
    let mut output = CompleteMultipartUploadOutput {
        e_tag: Some(object.tag()),
        checksum_type: Some(object.checksum.kind()),
        location: Some(format!("https://{name}.s3.{}.amazonaws.com/{key}", caller.region)),
        bucket: Some(input.bucket.clone()),
        key: Some(input.key.clone()),
        server_side_encryption: encryption(),
        version_id,
        ..Default::default()
    };
    set_checksum!(output, &object.checksum);
    Ok(output)
}

pub(super) fn abort(caller: &Caller, input: &AbortMultipartUploadInput) -> S3Result<()> {
    if input.if_match_initiated_time.is_some() {
        return Err(super::not_modelled("x-amz-if-match-initiated-time (directory buckets)"));
    }
    caller.with(&input.bucket, |bucket| {
        bucket.upload(&input.key, &input.upload_id)?;
        bucket.uploads.remove(&input.upload_id);
        Ok(())
    })
}

pub(super) fn list_parts(caller: &Caller, input: ListPartsInput) -> S3Result<ListPartsOutput> {
    let max = page_size(input.max_parts, "max-parts")?;
    let after = input.part_number_marker.unwrap_or(0);
    caller.with(&input.bucket, |bucket| {
        let by = owner(&bucket.owner);
        let upload = bucket.upload(&input.key, &input.upload_id)?;
        let mut found = upload.parts.range(after.saturating_add(1)..);
        let page: Vec<_> = found.by_ref().take(max).collect();
        let more = found.next().is_some();
        let next = page.last().map(|(number, _)| **number).filter(|_| more);
        let parts = page.into_iter().map(|(number, part)| {
            let mut out = PartOut {
                e_tag: Some(part.tag()),
                last_modified: Some(time(part.modified)),
                part_number: Some(*number),
                size: i64::try_from(part.body.len()).ok(),
                ..Default::default()
            };
            set_checksum!(out, &part.checksum);
            out
        });
        Ok(ListPartsOutput {
            checksum_algorithm: Some(ChecksumAlgorithm::from_static(upload.checksum.0.name())),
            checksum_type: Some(kind_of(upload.checksum)),
            is_truncated: Some(more),
            max_parts: i32::try_from(max).ok(),
            next_part_number_marker: next,
            owner: Some(by),
            part_number_marker: Some(after),
            parts: Some(parts.collect()),
            storage_class: Some(StorageClass::from_static(STORAGE_CLASS)),
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            upload_id: Some(input.upload_id.clone()),
            ..Default::default()
        })
    })
}

pub(super) fn list(caller: &Caller, input: ListMultipartUploadsInput) -> S3Result<ListMultipartUploadsOutput> {
    let writer = Writer::new(input.encoding_type.as_ref())?;
    let max = page_size(input.max_uploads, "max-uploads")?;
    let key_marker = input.key_marker.clone().unwrap_or_default();
    let id_marker = input.upload_id_marker.clone().filter(|_| !key_marker.is_empty());
    let asked = Asked {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()),
        after: &key_marker,
        max,
    };
    let (mut is_truncated, mut next, mut common_prefixes, mut uploads) = (false, None, None, Vec::new());
    caller.with(&input.bucket, |bucket| {
        let mut all: Vec<_> = bucket.uploads.iter().map(|(id, upload)| (upload.key.clone(), (id, upload))).collect();
        all.sort_by(|(key, (id, one)), (other_key, (other_id, other))| {
            (key, one.initiated, id).cmp(&(other_key, other.initiated, other_id))
        });
        let marked = id_marker.as_ref().and_then(|marker| all.iter().position(|(_, (id, _))| *id == marker));
        let behind = all.into_iter().enumerate().filter(|(at, (key, _))| {
            *key > key_marker || (*key == key_marker && marked.is_some_and(|marked| *at > marked))
        });
        let (entries, more) = page(behind.map(|(_, each)| each), &asked);
        is_truncated = more;
        common_prefixes = writer.prefixes(&entries);
        next = entries.last().filter(|_| more).map(|last| match last {
            Entry::Item(key, (id, _)) => (key.clone(), Some((*id).clone())),
            Entry::Prefix(prefix) => (prefix.clone(), None),
        });
        for entry in entries {
            let Entry::Item(key, (id, upload)) = entry else { continue };
            uploads.push(MultipartUpload {
                checksum_algorithm: Some(ChecksumAlgorithm::from_static(upload.checksum.0.name())),
                checksum_type: Some(kind_of(upload.checksum)),
                initiated: Some(time(upload.initiated)),
                initiator: None,
                key: Some(writer.write(&key)),
                owner: Some(owner(&bucket.owner)),
                storage_class: Some(StorageClass::from_static(STORAGE_CLASS)),
                upload_id: Some(id.clone()),
            });
        }
        Ok(())
    })?;
    let (next_key_marker, next_upload_id_marker) = next.unzip();
    Ok(ListMultipartUploadsOutput {
        common_prefixes,
        delimiter: input.delimiter.as_ref().map(|delimiter| writer.write(delimiter)),
        encoding_type: input.encoding_type,
        is_truncated: Some(is_truncated),
        key_marker: Some(writer.write(&key_marker)),
        max_uploads: i32::try_from(max).ok(),
        next_key_marker: next_key_marker.map(|key| writer.write(&key)),
        next_upload_id_marker: next_upload_id_marker.flatten(),
        prefix: Some(writer.write(asked.prefix)),
        upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
        uploads: Some(uploads),
        bucket: Some(input.bucket),
        ..Default::default()
    })
}
