//! `switchback plan ENV --image ami-…`

use std::time::Instant;

use clap::Args;
use jiff::Timestamp;

use super::Exit;
use super::deploy::Wanted;
use super::options::Env;
use super::output::Output;
use crate::report::plan_text;

/// Show what deploy would do, with the live state beside it. Changes nothing.
#[derive(Debug, Args)]
pub(super) struct PlanVerb {
    #[command(flatten)]
    env: Env,
    #[command(flatten)]
    wanted: Wanted,
}

impl PlanVerb {
    pub(super) async fn run(&self, out: &Output, started: Instant) -> Exit {
        let engine = match self.env.engine(out, started).await {
            Ok(engine) => engine,
            Err(exit) => return exit,
        };
        match engine.plan(&self.wanted.request()).await {
            Ok(plan) => {
                out.result("plan", &plan, || plan_text(&plan, Timestamp::now()));
                if plan.refused.is_some() { Exit::Refused } else { Exit::Done }
            }
            Err(error) => out.engine_error(&engine.environment.name, &error),
        }
    }
}
