//! `switchback lease show|break ENV`

use std::time::Instant;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::Exit;
use super::options::{Env, reason};
use super::output::Output;
use crate::report::lease_text;

/// Show who holds the lease of an environment, or break it.
#[derive(Debug, Args)]
pub(super) struct LeaseVerb {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show who holds the lease, since when, until when, and which calls to AWS are in flight. Asks AWS nothing.
    Show {
        #[command(flatten)]
        env: Env,
    },
    /// Take the lease from a run that hangs, and give it free.
    ///
    /// The reason and who gave it are recorded. The run that held the lease can write nothing any more and stops before
    /// its next call to AWS; its release stays as it is. The next run waits until what is in flight cannot land any
    /// more. For a run that was killed there is no need: its lease ends by itself within a minute. `rollback` and
    /// `abort` take the lease over by themselves.
    Break {
        #[command(flatten)]
        env: Env,
        /// Why, for whoever reads the journal later.
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,
    },
}

impl LeaseVerb {
    pub(super) async fn run(&self, out: &Output, started: Instant) -> Exit {
        match &self.verb {
            Verb::Show { env } => {
                let engine = match env.engine(out, started).await {
                    Ok(engine) => engine,
                    Err(exit) => return exit,
                };
                match engine.lease().await {
                    Ok(lease) => {
                        out.result("lease", &lease, || lease_text(&lease, Timestamp::now()));
                        Exit::Done
                    }
                    Err(error) => out.engine_error(&engine.environment.name, &error),
                }
            }
            Verb::Break { env, reason } => {
                env.drive(out, "lease break", started, async |engine| engine.break_lease(reason).await).await
            }
        }
    }
}
