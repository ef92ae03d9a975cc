//! IAM policy documents in AWS's own JSON grammar, and the answer to "may this be done".
//!
//! | file | what it holds |
//! |---|---|
//! | `document` | statements as they are written, checked when they are read |
//! | `pattern` | `*`, `?` and `${variables}` |
//! | `operator` | the condition operators and how each compares |
//! | `context` | what is known about a request: condition keys and their values |
//! | `evaluate` | statements against a question |

mod context;
mod document;
mod evaluate;
mod operator;
mod pattern;
#[cfg(test)]
mod tests;

pub(crate) use context::Context;
pub(crate) use document::Policy;
pub(crate) use evaluate::{Question, Verdict, allows_principal, verdict};
