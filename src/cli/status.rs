//! `switchback status ENV`

use std::time::Instant;

use clap::Args;
use jiff::Timestamp;

use super::Exit;
use super::options::Env;
use super::output::Output;
use crate::report::status_text;

/// Show the live color as the load balancer has it, both colors' health, and what the journal thinks.
///
/// Where the journal cannot be read it shows the rest, says why, and ends with 3.
#[derive(Debug, Args)]
pub(super) struct StatusVerb {
    #[command(flatten)]
    env: Env,
}

impl StatusVerb {
    pub(super) async fn run(&self, out: &Output, started: Instant) -> Exit {
        let engine = match self.env.engine(out, started).await {
            Ok(engine) => engine,
            Err(exit) => return exit,
        };
        match engine.status().await {
            Ok(status) => {
                out.result("status", &status, || status_text(&status, Timestamp::now()));
                if status.journal_problem.is_some() { Exit::Refused } else { Exit::Done }
            }
            Err(error) => out.engine_error(&engine.environment.name, &error),
        }
    }
}
