//! What is said to the person at 3 a.m.

use serde::{Deserialize, Serialize};

/// Something that is not as it must be: what was seen, what was expected, and what to run next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What was seen, with names and numbers.
    pub saw: String,
    /// What was expected instead.
    pub expected: String,
    /// The command, or commands, that lead on.
    pub run: Vec<String>,
}

impl Problem {
    /// A problem with the one command that leads on.
    pub fn new(saw: impl Into<String>, expected: impl Into<String>, run: impl Into<String>) -> Self {
        Self { saw: saw.into(), expected: expected.into(), run: vec![run.into()] }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; expected {}", self.saw, self.expected)
    }
}
