//! The only two functions that print. A closed pipe (`| head`) is not an error of ours.

use std::io::Write;

/// A line of a result.
pub(super) fn print(line: &str) {
    writeln!(std::io::stdout().lock(), "{line}").ok();
}

/// A line for a person.
pub(super) fn eprint_line(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").ok();
}
