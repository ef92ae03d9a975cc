//! The pages that a person trusts at 3 a.m. say what the program says.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;
use std::process::Command;

use regex::Regex;

/// The codes that match `row`, in order.
fn codes(text: &str, row: &str) -> Vec<u16> {
    Regex::new(row).unwrap().captures_iter(text).map(|code| code[1].parse().unwrap()).collect()
}

#[test]
fn the_page_of_exit_codes_has_those_that_help_shows() {
    let help = Command::new(env!("CARGO_BIN_EXE_switchback")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, shown) = help.split_once("Exit codes:").unwrap();
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/exit-codes.md")).unwrap();

    let shown = codes(shown, r"(?m)^ +(\d+) ");
    assert_eq!(shown.last(), Some(&130), "the codes were not found in --help");
    assert_eq!(codes(&page, r"(?m)^\| (\d+) \|"), shown);
}
