//! The environment file: what a user writes and reviews, turned into a validated [`Environment`].
//!
//! The types in `file.rs` are the one description of the file. The JSON Schema is made from them, the file's tree is
//! checked against that schema (every mistake with its line), and serde decodes into them what has passed.

mod check;
mod convert;
mod duration;
mod environment;
mod errors;
mod file;
mod rule;
mod scalar;
mod schema;
mod sense;
mod smoke_file;
mod source;
mod tree;

use std::path::Path;

pub use environment::{
    ColorConfig, CommandCheck, Compute, Converge, Dns, DnsKind, Environment, Expect, Health, HttpCheck, Instances,
    JournalLocation, Listener, ReleasePolicy, RuleMatch, SmokeCheck, Switch, TcpCheck,
};
pub use errors::{ConfigErrors, Mistake};
pub use schema::schema;

use errors::Mistakes;

/// Reads the environment file at `path`.
///
/// # Errors
///
/// Everything that is wrong with the file, not only the first mistake. A file that cannot be read, or whose YAML
/// cannot, has one.
pub fn load(path: &Path) -> Result<Environment, ConfigErrors> {
    let text = source::read(path)?;
    let mut mistakes = Mistakes::new(path, text.clone());
    if let Some(root) = tree::read(&text, &mut mistakes) {
        check::check(&schema::RULE, &root, &mut mistakes);
        sense::check(&root, &mut mistakes);
        if mistakes.is_empty() {
            match serde_yaml::from_str::<file::EnvironmentFile>(&text) {
                Ok(file) => return Ok(convert::environment(file, &root, path)),
                // The check and serde follow the same types; should they differ, the file is refused.
                Err(error) => mistakes.add_to_file(
                    format!("this file cannot be decoded: {}", error.without_snippet()),
                    "this mistake should have been found with its line; please report it",
                ),
            }
        }
    }
    Err(mistakes.into_errors())
}
