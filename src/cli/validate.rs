//! `switchback validate ENV`

use clap::Args;

use super::Exit;
use super::options::Env;
use super::output::Output;
use crate::config;

/// Check an environment file: every mistake at once, with line and column. Asks AWS nothing.
#[derive(Debug, Args)]
pub(super) struct Validate {
    #[command(flatten)]
    env: Env,
}

impl Validate {
    pub(super) fn run(&self, out: &Output) -> Exit {
        match config::load(&self.env.env) {
            Ok(environment) => {
                let file = environment.file.display().to_string();
                out.result("valid", &serde_json::json!({ "environment": environment.name, "file": file }), || {
                    format!("{file}: valid; the environment is {}", environment.name)
                });
                Exit::Done
            }
            Err(errors) => out.config_errors(&errors),
        }
    }
}
