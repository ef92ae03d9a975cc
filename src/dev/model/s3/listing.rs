//! Lists of objects and of versions: in the order of keys, in pages, with common prefixes.

use s3s::dto::{
    ChecksumAlgorithm, CommonPrefix, DeleteMarkerEntry, EncodingType, ListObjectVersionsInput,
    ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
    Object as ObjectOut, ObjectStorageClass, ObjectVersion, ObjectVersionStorageClass,
};
use s3s::{S3Result, s3_error};

use super::objects::Object;
use super::reads::STORAGE_CLASS;
use super::{Bucket, Caller, Version, not_modelled, owner, time};

/// Entries per page.
const PAGE_MAX: usize = 1000;

/// What a list is asked for.
pub(super) struct Asked<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: Option<&'a str>,
    /// The page starts behind this key or common prefix.
    pub(super) after: &'a str,
    pub(super) max: usize,
}

/// An entry of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<T> {
    Item(String, T),
    /// All keys with this beginning.
    Prefix(String),
}

impl<T> Entry<T> {
    fn key(&self) -> &str {
        match self {
            Self::Item(key, _) | Self::Prefix(key) => key,
        }
    }
}

/// A page of `items`, which come in the order of their keys; whether there are more behind it.
pub(super) fn page<T>(items: impl Iterator<Item = (String, T)>, asked: &Asked<'_>) -> (Vec<Entry<T>>, bool) {
    let mut entries: Vec<Entry<T>> = Vec::new();
    for (key, item) in items {
        let Some(rest) = key.strip_prefix(asked.prefix) else { continue };
        let cut = asked.delimiter.and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len()));
        let entry = match cut {
            Some(end) => Entry::Prefix(key[..asked.prefix.len() + end].to_owned()),
            None => Entry::Item(key, item),
        };
        if let Entry::Prefix(prefix) = &entry
            && (prefix == asked.after || entries.last().is_some_and(|last| last.key() == prefix))
        {
            continue;
        }
        if entries.len() == asked.max {
            return (entries, asked.max > 0);
        }
        entries.push(entry);
    }
    (entries, false)
}

/// How many entries a page may have.
pub(super) fn page_size(asked: Option<i32>, name: &str) -> S3Result<usize> {
    let Some(asked) = asked else { return Ok(PAGE_MAX) };
    let size = usize::try_from(asked);
    size.map(|size| size.min(PAGE_MAX))
        .map_err(|_| s3_error!(InvalidArgument, "Argument {name} must be an integer between 0 and 2147483647"))
}

/// Writes keys as they are or, where the request asks for it, in the form that URLs have.
#[derive(Clone, Copy)]
pub(super) struct Writer {
    url: bool,
}

impl Writer {
    pub(super) fn new(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self { url: false }),
            Some(EncodingType::URL) => Ok(Self { url: true }),
            Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
        }
    }

    pub(super) fn write(self, key: &str) -> String {
        const RESERVED: percent_encoding::AsciiSet = percent_encoding::NON_ALPHANUMERIC
            .remove(b'-')
            .remove(b'_')
            .remove(b'.')
            .remove(b'~')
            .remove(b'*')
            .remove(b'/');
        if self.url { percent_encoding::utf8_percent_encode(key, &RESERVED).to_string() } else { key.to_owned() }
    }

    fn write_if(self, text: Option<&String>) -> Option<String> {
        text.map(|text| self.write(text))
    }

    pub(super) fn prefixes<T>(self, entries: &[Entry<T>]) -> Option<Vec<CommonPrefix>> {
        let prefixes: Vec<_> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Prefix(prefix) => Some(CommonPrefix { prefix: Some(self.write(prefix)) }),
                Entry::Item(..) => None,
            })
            .collect();
        Some(prefixes).filter(|prefixes| !prefixes.is_empty())
    }
}

fn checksum_algorithm(object: &Object) -> Option<Vec<ChecksumAlgorithm>> {
    Some(vec![ChecksumAlgorithm::from_static(object.checksum.algorithm.name())])
}

fn object_out(writer: Writer, key: &str, (version, object): (&Version, &Object), by: Option<&str>) -> ObjectOut {
    ObjectOut {
        checksum_algorithm: checksum_algorithm(object),
        checksum_type: Some(object.checksum.kind()),
        e_tag: Some(object.tag()),
        key: Some(writer.write(key)),
        last_modified: Some(time(version.modified)),
        owner: by.map(owner),
        restore_status: None,
        size: Some(object.size()),
        storage_class: Some(ObjectStorageClass::from_static(STORAGE_CLASS)),
    }
}

/// A page of the current objects of a bucket.
fn objects(bucket: &Bucket, asked: &Asked<'_>, writer: Writer, owned: bool) -> (Found, Option<Vec<CommonPrefix>>) {
    use std::ops::Bound;
    let from = (Bound::Excluded(asked.after.to_owned()), Bound::Unbounded);
    let current = bucket.objects.range::<String, _>(from).filter_map(|(key, versions)| {
        let version = versions.last()?;
        Some((key.clone(), (version, version.object.as_ref()?)))
    });
    let (entries, more) = page(current, asked);
    let last = entries.last().map(|entry| entry.key().to_owned());
    let prefixes = writer.prefixes(&entries);
    let by = owned.then_some(bucket.owner.as_str());
    let count = entries.len();
    let contents: Vec<_> = entries
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Item(key, found) => Some(object_out(writer, &key, found, by)),
            Entry::Prefix(_) => None,
        })
        .collect();
    (Found { contents, count, last: last.filter(|_| more), more }, prefixes)
}

struct Found {
    contents: Vec<ObjectOut>,
    /// With common prefixes.
    count: usize,
    /// The last entry, if there are more.
    last: Option<String>,
    more: bool,
}

pub(super) fn first(caller: &Caller, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
    if input.optional_object_attributes.is_some() {
        return Err(not_modelled("x-amz-optional-object-attributes"));
    }
    let writer = Writer::new(input.encoding_type.as_ref())?;
    let max = page_size(input.max_keys, "max-keys")?;
    let delimiter = input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    let asked = Asked {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter,
        after: input.marker.as_deref().unwrap_or_default(),
        max,
    };
    let (found, common_prefixes) = caller.with(&input.bucket, |bucket| Ok(objects(bucket, &asked, writer, true)))?;
    Ok(ListObjectsOutput {
        common_prefixes,
        contents: Some(found.contents),
        is_truncated: Some(found.more),
        marker: Some(writer.write(asked.after)),
        max_keys: i32::try_from(max).ok(),
        // Without a delimiter the last key is what the next page starts behind.
        next_marker: found.last.filter(|_| delimiter.is_some()).map(|last| writer.write(&last)),
        prefix: Some(writer.write(asked.prefix)),
        delimiter: writer.write_if(input.delimiter.as_ref()),
        encoding_type: input.encoding_type,
        name: Some(input.bucket),
        ..Default::default()
    })
}

pub(super) fn second(caller: &Caller, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
    if input.optional_object_attributes.is_some() {
        return Err(not_modelled("x-amz-optional-object-attributes"));
    }
    let writer = Writer::new(input.encoding_type.as_ref())?;
    let max = page_size(input.max_keys, "max-keys")?;
    let wrong = || s3_error!(InvalidArgument, "The continuation token provided is incorrect");
    let token = input.continuation_token.as_ref().map(|token| {
        let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token).map_err(|_| wrong())?;
        String::from_utf8(bytes).map_err(|_| wrong())
    });
    let token = token.transpose()?;
    let after = token.as_deref().or(input.start_after.as_deref()).unwrap_or_default();
    let asked = Asked {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()),
        after,
        max,
    };
    let owned = input.fetch_owner == Some(true);
    let (found, common_prefixes) = caller.with(&input.bucket, |bucket| Ok(objects(bucket, &asked, writer, owned)))?;
    Ok(ListObjectsV2Output {
        common_prefixes,
        contents: Some(found.contents),
        is_truncated: Some(found.more),
        key_count: i32::try_from(found.count).ok(),
        max_keys: i32::try_from(max).ok(),
        next_continuation_token: found.last.map(|last| base64_simd::URL_SAFE_NO_PAD.encode_to_string(last)),
        prefix: Some(writer.write(asked.prefix)),
        delimiter: writer.write_if(input.delimiter.as_ref()),
        start_after: writer.write_if(input.start_after.as_ref()),
        continuation_token: input.continuation_token,
        encoding_type: input.encoding_type,
        name: Some(input.bucket),
        ..Default::default()
    })
}

pub(super) fn versions(caller: &Caller, input: ListObjectVersionsInput) -> S3Result<ListObjectVersionsOutput> {
    if input.optional_object_attributes.is_some() {
        return Err(not_modelled("x-amz-optional-object-attributes"));
    }
    let writer = Writer::new(input.encoding_type.as_ref())?;
    let max = page_size(input.max_keys, "max-keys")?;
    let key_marker = input.key_marker.clone().unwrap_or_default();
    let version_marker = input.version_id_marker.clone().filter(|marker| !marker.is_empty());
    if version_marker.is_some() && key_marker.is_empty() {
        return Err(s3_error!(InvalidArgument, "A version-id marker cannot be specified without a key marker."));
    }
    let asked = Asked {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()),
        after: &key_marker,
        max,
    };
    let mut output = ListObjectVersionsOutput::default();
    caller.with(&input.bucket, |bucket| {
        let all = bucket.objects.range(key_marker.clone()..).flat_map(|(key, versions)| {
            // Of the marker's own key only what is older than the marker's version is left.
            let left = match &version_marker {
                _ if *key != key_marker => versions.len(),
                Some(marker) => versions.iter().position(|version| version.id == *marker).unwrap_or(0),
                None => 0,
            };
            let count = versions.len();
            let newest_first = versions[..left].iter().enumerate().rev();
            newest_first.map(move |(at, version)| (key.clone(), (version, at + 1 == count)))
        });
        let (entries, more) = page(all, &asked);
        output.is_truncated = Some(more);
        if let (true, Some(last)) = (more, entries.last()) {
            output.next_key_marker = Some(writer.write(last.key()));
            if let Entry::Item(_, (version, _)) = last {
                output.next_version_id_marker = Some(version.id.clone());
            }
        }
        output.common_prefixes = writer.prefixes(&entries);
        let (mut versions, mut markers) = (Vec::new(), Vec::new());
        for entry in entries {
            let Entry::Item(key, (version, latest)) = entry else { continue };
            let (key, is_latest) = (Some(writer.write(&key)), Some(latest));
            let (by, id) = (Some(owner(&bucket.owner)), Some(version.id.clone()));
            let last_modified = Some(time(version.modified));
            match &version.object {
                Some(object) => versions.push(ObjectVersion {
                    checksum_algorithm: checksum_algorithm(object),
                    checksum_type: Some(object.checksum.kind()),
                    e_tag: Some(object.tag()),
                    is_latest,
                    key,
                    last_modified,
                    owner: by,
                    restore_status: None,
                    size: Some(object.size()),
                    storage_class: Some(ObjectVersionStorageClass::from_static(STORAGE_CLASS)),
                    version_id: id,
                }),
                None => markers.push(DeleteMarkerEntry { is_latest, key, last_modified, owner: by, version_id: id }),
            }
        }
        output.versions = Some(versions);
        output.delete_markers = Some(markers);
        Ok(())
    })?;
    Ok(ListObjectVersionsOutput {
        delimiter: writer.write_if(input.delimiter.as_ref()),
        encoding_type: input.encoding_type,
        key_marker: Some(writer.write(&key_marker)),
        max_keys: i32::try_from(max).ok(),
        name: Some(input.bucket),
        prefix: Some(writer.write(asked.prefix)),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        ..output
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(keys: &[&str], asked: &Asked<'_>) -> (Vec<String>, bool) {
        let items = keys.iter().filter(|key| **key > asked.after).map(|key| ((*key).to_owned(), ()));
        let (entries, more) = page(items, asked);
        (entries.iter().map(|entry| entry.key().to_owned()).collect(), more)
    }

    #[test]
    fn keys_behind_a_delimiter_are_one_entry_also_over_pages() {
        let keys = ["a", "b/1", "b/2", "c/1", "d"];
        let all = |after, max| listed(&keys, &Asked { prefix: "", delimiter: Some("/"), after, max });
        assert_eq!(all("", 10), (["a", "b/", "c/", "d"].map(String::from).to_vec(), false));
        assert_eq!(all("", 2), (["a", "b/"].map(String::from).to_vec(), true));
        assert_eq!(all("b/", 2), (["c/", "d"].map(String::from).to_vec(), false));
        let below = listed(&keys, &Asked { prefix: "b/", delimiter: Some("/"), after: "", max: 10 });
        assert_eq!(below, (["b/1", "b/2"].map(String::from).to_vec(), false));
    }

    #[test]
    fn a_page_of_nothing_has_nothing_behind_it() {
        let asked = Asked { prefix: "", delimiter: None, after: "", max: 0 };
        assert_eq!(listed(&["a"], &asked), (Vec::new(), false));
    }
}
