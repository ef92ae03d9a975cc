//! How S3 behaves in a dev cloud.

use std::collections::BTreeSet;
use std::time::Duration;

/// How S3 behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketOptions {
    /// The largest object, and the largest request, in bytes.
    pub object_bytes_max: u64,
    /// How long a write with a condition is under way before its condition is looked at: a delete of the same key
    /// meanwhile makes it a `ConditionalRequestConflict`.
    pub write_time: Duration,
    /// Buckets that ignore the conditions of writes and deletes, as some stores that call themselves compatible do; `*`
    /// means all.
    pub unconditional: BTreeSet<String>,
}

impl Default for BucketOptions {
    fn default() -> Self {
        Self { object_bytes_max: 64 * 1024 * 1024, write_time: Duration::ZERO, unconditional: BTreeSet::new() }
    }
}

impl BucketOptions {
    pub(super) fn ignores_conditions(&self, bucket: &str) -> bool {
        ["*", bucket].iter().any(|name| self.unconditional.contains(*name))
    }
}
