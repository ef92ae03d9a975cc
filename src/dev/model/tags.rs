//! Tags, which ELBv2 and EC2 write alike and check alike.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dev::wire::{ApiError, Xml};

/// The tags of one resource.
pub(crate) type Tags = BTreeMap<String, String>;

/// A tag in a request.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) value: String,
}

/// How many tags a resource may have.
const TAGS_MAX: usize = 50;

/// Adds `given` to `tags` or changes nothing. `code` is the service's word for a tag that cannot be.
pub(crate) fn put(tags: &mut Tags, given: &[Tag], code: &'static str, too_many: &'static str) -> Result<(), ApiError> {
    let mut after = tags.clone();
    for Tag { key, value } in given {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(ApiError::new(code, format!("tag {key:?}: keys have 1 to 128 characters, values at most 256")));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(ApiError::new(code, format!("tag {key:?}: keys that begin with 'aws:' are reserved")));
        }
        after.insert(key.clone(), value.clone());
    }
    if after.len() > TAGS_MAX {
        return Err(ApiError::new(too_many, format!("a resource has at most {TAGS_MAX} tags")));
    }
    *tags = after;
    Ok(())
}

/// `<key>` and `<value>` in EC2's spelling.
pub(crate) fn ec2_tag_set(xml: &mut Xml, tags: &Tags) {
    xml.list("tagSet", "item", tags, |xml, (key, value)| {
        xml.leaf("key", key).leaf("value", value);
    });
}
