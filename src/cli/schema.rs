//! `switchback schema`

use clap::Args;

use super::Exit;
use super::output::Output;
use crate::config;

/// Print the JSON Schema of environment files.
#[derive(Debug, Args)]
pub(super) struct Schema {}

impl Schema {
    pub(super) fn run(&self, out: &Output) -> Exit {
        out.text(&format!("{:#}", config::schema()));
        Exit::Done
    }
}
