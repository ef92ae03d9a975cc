//! Flags and arguments that several verbs share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use aws_config::SdkConfig;
use clap::Args;
use tracing_subscriber::EnvFilter;

use super::output::Output;
use super::{Exit, run};
use crate::cloud::{Cloud, configuration};
use crate::config::{self, Environment};
use crate::dial::ThisMachine;
use crate::engine::{Engine, EngineError, Finish, Notices, Stop};
use crate::journal::Journal;
use crate::release::Ending;

/// Flags of every verb.
#[derive(Debug, Clone, Args)]
pub(super) struct Shared {
    /// One JSON object per line on stdout, with stable field names.
    #[arg(long, global = true)]
    json: bool,
    /// No progress, only results and errors.
    #[arg(long, short, global = true)]
    quiet: bool,
    /// More log on stderr: -v the AWS calls, -vv every decision.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl Shared {
    pub(super) fn output(&self) -> Output {
        Output::new(self.json, self.quiet, self.verbose > 0)
    }

    /// The log goes to stderr; `SWITCHBACK_LOG` overrides the flags with a filter of its own.
    pub(super) fn start_log(&self) {
        let by_flags = match self.verbose {
            0 => "error",
            1 => "switchback=info",
            _ => "switchback=debug,aws_smithy_runtime=debug",
        };
        let filter = EnvFilter::try_from_env("SWITCHBACK_LOG").unwrap_or_else(|_| EnvFilter::new(by_flags));
        let spans = match self.verbose {
            0 => tracing_subscriber::fmt::format::FmtSpan::NONE,
            _ => tracing_subscriber::fmt::format::FmtSpan::CLOSE,
        };
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_span_events(spans)
            .with_ansi(console::colors_enabled_stderr())
            .with_writer(std::io::stderr)
            .init();
    }
}

/// The environment a verb works on.
#[derive(Debug, Clone, Args)]
pub(super) struct Env {
    /// Path of the environment file.
    #[arg(value_name = "ENV")]
    pub(super) env: PathBuf,
}

impl Env {
    /// The environment, with everything a verb needs to work on it.
    pub(super) async fn engine(&self, out: &Output, started: Instant) -> Result<Engine, Exit> {
        let stop = Stop::default();
        run::stop_on_signals(stop.clone());
        self.engine_told(out, started, stop, |name| out.notices(name)).await
    }

    /// The same, with notices that go elsewhere, and with a stop that others share.
    pub(super) async fn engine_told(
        &self,
        out: &Output,
        started: Instant,
        stop: Stop,
        notices: impl FnOnce(&str) -> Notices,
    ) -> Result<Engine, Exit> {
        let (environment, sdk, journal) = self.open(out).await?;
        let cloud = Cloud::from_conf(&sdk);
        Ok(Engine {
            notices: notices(&environment.name),
            typed: self.env.display().to_string(),
            environment: Arc::new(environment),
            cloud,
            journal,
            dial: Arc::new(ThisMachine),
            stop,
            started: started.into(),
        })
    }

    /// The environment with its journal, for verbs that ask AWS nothing else.
    pub(super) async fn journal(&self, out: &Output) -> Result<(Environment, Journal), Exit> {
        self.open(out).await.map(|(environment, _, journal)| (environment, journal))
    }

    async fn open(&self, out: &Output) -> Result<(Environment, SdkConfig, Journal), Exit> {
        let environment = config::load(&self.env).map_err(|errors| out.config_errors(&errors))?;
        let sdk = configuration(environment.region.as_deref()).await;
        let journal = Journal::open(&environment.journal, &environment.name, &sdk)
            .map_err(|error| out.engine_error(&environment.name, &error.into()))?;
        Ok((environment, sdk, journal))
    }

    /// Runs a verb that changes something, shows what it tells, and says how it ended.
    pub(super) async fn drive(
        &self,
        out: &Output,
        verb: &str,
        started: Instant,
        work: impl AsyncFnOnce(&Engine) -> Result<Finish, EngineError>,
    ) -> Exit {
        let engine = match self.engine(out, started).await {
            Ok(engine) => engine,
            Err(exit) => return exit,
        };
        let environment = engine.environment.name.clone();
        let ended = work(&engine).await;
        let calls = engine.cloud.calls();
        // The notices end with the engine that sends them.
        drop(engine);
        out.finish().await;
        // Before a refusal, the calls that led to it would only be in the way of a person.
        let acted = ended
            .as_ref()
            .is_ok_and(|f| !matches!(f.ending, Ending::Refused(_) | Ending::Nothing(_) | Ending::Busy(_)));
        out.calls(&calls, acted);
        match ended {
            Ok(finish) => out.finished(verb, &environment, &finish),
            Err(error) => out.engine_error(&environment, &error),
        }
    }
}

/// Every environment file of the folder `environments` below the working folder, by name.
pub(super) fn every_environment(out: &Output) -> Result<Vec<PathBuf>, Exit> {
    environments_in(Path::new("environments")).map_err(|error| {
        out.usage(&format!("cannot list the folder `environments`: {error}; name the environment files instead"));
        Exit::Usage
    })
}

fn environments_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The longest reason that is recorded, in characters.
const REASON_CHARS_MAX: usize = 500;

/// A reason that a person gives, for whoever reads the journal later.
pub(super) fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        1..=REASON_CHARS_MAX => Ok(text.to_owned()),
        _ => Err(format!("expected 1 to {REASON_CHARS_MAX} characters that say why")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something_and_is_no_novel() {
        assert_eq!(reason(" the job hangs "), Ok("the job hangs".into()));
        assert!(reason("  ").is_err() && reason(&"x".repeat(501)).is_err());
        assert!(reason(&"ü".repeat(500)).is_ok());
    }
}
