//! SNS: topics.

use super::Operation;

/// The state of one region.
#[derive(Debug, Default)]
pub(crate) struct Sns {}

/// What is modelled, and what is missing of it.
pub(crate) const OPERATIONS: &[Operation] = &[];
