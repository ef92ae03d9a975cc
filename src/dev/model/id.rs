//! Ids and time stamps that look like AWS's.

use jiff::{Timestamp, Unit};

/// `i-0123456789abcdef0`: a prefix and 17 hexadecimal digits.
pub(crate) fn resource_id(prefix: &str) -> String {
    format!("{prefix}-0{:016x}", rand::random::<u64>())
}

/// The 16 hexadecimal digits at the end of ELBv2's ARNs.
pub(crate) fn arn_suffix() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// The time of day, to the millisecond.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Millisecond).unwrap_or(now)
}
