//! Notices and results, turned into lines for a person or for a program.
//!
//! Human text goes to stderr and results to stdout; with `--json` every line on stdout is one JSON object with a
//! `type`. Nothing outside this room and `cli` prints.

mod journal;
mod json;
mod lines;
mod tables;
mod words;

pub use journal::{repair_text, verdict_text};
pub use json::{json_line, result_line};
pub use lines::notice_line;
pub use tables::{expired_text, history_text, lease_text, plan_text, status_text};
pub use words::{age, problem_text};
