//! The only two functions that print. A closed pipe (`| head`) is not an error of ours; a full disk is one.

use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

/// Why a line of a result was lost.
static LOST: OnceLock<String> = OnceLock::new();

/// A line of a result.
pub(super) fn print(line: &str) {
    if let Err(error) = writeln!(std::io::stdout().lock(), "{line}")
        && error.kind() != ErrorKind::BrokenPipe
    {
        LOST.get_or_init(|| error.to_string());
    }
}

/// Why a line of a result could not be written, where one could not.
pub(super) fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// A line for a person; where nobody can read it, nobody can be told.
pub(super) fn eprint_line(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").ok();
}
