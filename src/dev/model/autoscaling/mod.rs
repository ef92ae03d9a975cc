//! Auto Scaling: groups that keep a number of instances running.

use super::Operation;

/// The state of one region.
#[derive(Debug, Default)]
pub(crate) struct AutoScaling {}

/// What is modelled, and what is missing of it.
pub(crate) const OPERATIONS: &[Operation] = &[];
