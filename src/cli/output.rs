//! Where output goes: results to stdout, words for a person to stderr.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::Instant;

use console::style;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::sync::mpsc;

use super::Exit;
use super::options::Env;
use crate::cloud::Calls;
use crate::config::ConfigErrors;
use crate::engine::{Engine, EngineError, Finish, Notice, Notices, Told};
use crate::release::{Ending, Event, Problem};
use crate::report::{json_line, notice_line, problem_text, result_line};

/// How this run talks.
#[derive(Debug)]
pub(super) struct Output {
    /// JSON lines instead of text.
    pub(super) json: bool,
    quiet: bool,
    watchers: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

impl Output {
    pub(super) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet, watchers: Mutex::default() }
    }

    /// Prints a result: `text` for a person, or `value` as a JSON line.
    pub(super) fn result(&self, kind: &str, value: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json { print(&json_line(Some(kind), value)) } else { print(text().trim_end()) }
    }

    /// Prints a result that is the same for people and programs.
    pub(super) fn text(&self, text: &str) {
        print(text);
    }

    /// Says that the verb was called in a way that cannot work.
    pub(super) fn usage(&self, text: &str) {
        eprint_line(&format!("{} {text}", style("error:").for_stderr().red().bold()));
    }

    /// Prints a line of JSON, where JSON is wanted.
    pub(super) fn json_line(&self, line: &str) {
        if self.json {
            print(line);
        }
    }

    /// Says something to a person who did not ask for quiet.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet && !self.json {
            eprint_line(text);
        }
    }

    /// Notices of an environment, shown as they come. [`Output::finish`] waits for the last of them.
    pub(super) fn notices(&self, environment: &str) -> Notices {
        let (sender, receiver) = mpsc::unbounded_channel();
        let watcher = tokio::spawn(watch(receiver, self.json, self.quiet));
        self.watchers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(watcher);
        Notices::new(environment, sender)
    }

    /// Waits until every notice has been shown.
    pub(super) async fn finish(&self) {
        let watchers: Vec<_> =
            std::mem::take(&mut *self.watchers.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for watcher in watchers {
            if let Err(error) = watcher.await {
                tracing::error!(%error, "the progress display failed");
            }
        }
    }

    /// Runs a verb that changes something, shows what it tells, and says how it ended.
    pub(super) async fn drive(
        &self,
        env: &Env,
        verb: &str,
        started: Instant,
        work: impl AsyncFnOnce(&Engine) -> Result<Finish, EngineError>,
    ) -> Exit {
        let engine = match env.engine(self, started).await {
            Ok(engine) => engine,
            Err(exit) => return exit,
        };
        let environment = engine.environment.name.clone();
        let ended = work(&engine).await;
        let calls = engine.cloud.calls();
        // The notices end with the engine that sends them.
        drop(engine);
        self.finish().await;
        self.calls(&calls);
        match ended {
            Ok(finish) => self.finished(verb, &environment, &finish),
            Err(error) => self.engine_error(&environment, &error),
        }
    }

    /// How often AWS was called, by operation.
    pub(super) fn calls(&self, calls: &Calls) {
        self.json_line(&json_line(Some("aws-calls"), calls));
        if !calls.by_operation.is_empty() {
            let list: Vec<_> = calls.by_operation.iter().map(|(operation, n)| format!("{operation} {n}")).collect();
            self.say(&format!("{} AWS calls: {}", calls.total(), list.join(", ")));
        }
    }

    /// Every mistake of an environment file.
    pub(super) fn config_errors(&self, errors: &ConfigErrors) -> Exit {
        for error in errors.to_json() {
            self.json_line(&json_line(Some("error"), &error));
        }
        eprint_line(&errors.to_string());
        Exit::Usage
    }

    /// How a run ended, in words and as a result line.
    pub(super) fn finished(&self, verb: &str, environment: &str, finish: &Finish) -> Exit {
        let exit = Exit::from(&finish.ending);
        self.json_line(&result_line(verb, environment, finish.release.as_ref(), &finish.ending, exit as u8));
        match &finish.ending {
            Ending::Done => self.say(&format!("{} {verb} of {environment} is done", style("ok").for_stderr().green())),
            Ending::Nothing(text) => self.say(&format!("nothing to do: {text}")),
            Ending::Refused(problem) => bad("refused, nothing was changed", problem),
            Ending::Failed(problem) => bad("the release failed and the traffic never moved", problem),
            Ending::MovedBack(problem) => bad("the release failed and the traffic was moved back", problem),
            Ending::Blocked(problem) => bad("stopped half-way, a person must look", problem),
        }
        exit
    }

    /// Why a run could not go on.
    pub(super) fn engine_error(&self, environment: &str, error: &EngineError) -> Exit {
        let exit = Exit::from(error);
        let problem = error.problem();
        self.json_line(
            &serde_json::json!({
                "type": "error", "environment": environment, "message": error.to_string(), "problem": problem, "exit": exit as u8,
            })
            .to_string(),
        );
        match problem {
            Some(problem) => bad(&error.headline(), &problem),
            None => eprint_line(&format!("{} {error}", style("error:").for_stderr().red().bold())),
        }
        exit
    }
}

/// Something went wrong: a headline, and what leads on.
fn bad(headline: &str, problem: &Problem) {
    eprint_line(&format!("{} {headline}", style("error:").for_stderr().red().bold()));
    eprint_line(problem_text(problem).trim_end());
}

/// Shows notices: JSON lines, or lines of text above a spinner where there is a terminal.
async fn watch(mut notices: mpsc::UnboundedReceiver<Told>, json: bool, quiet: bool) {
    let live = !json && !quiet && std::io::stderr().is_terminal();
    let spinner = live.then(|| {
        let spinner = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            spinner.set_style(style);
        }
        spinner.enable_steady_tick(std::time::Duration::from_millis(120));
        spinner
    });
    let mut last = None;
    while let Some(told) = notices.recv().await {
        if json {
            print(&json_line(None, &told));
            continue;
        }
        if let Notice::Recorded { event, .. } = &told.notice
            && let Event::ReleaseStarted { release, .. } = &**event
        {
            print(release.as_str());
        }
        let Some(line) = notice_line(&told.notice).filter(|_| !quiet) else { continue };
        match &spinner {
            Some(spinner) if matches!(told.notice, Notice::Waiting { .. }) => spinner.set_message(line),
            Some(spinner) => spinner.suspend(|| eprint_line(&line)),
            // A wait that goes on says nothing new in a log.
            None if last.as_ref() == Some(&line) => {}
            None => eprint_line(&line),
        }
        last = notice_line(&told.notice);
    }
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
}

/// A closed pipe (`| head`) is not an error of ours.
fn print(line: &str) {
    writeln!(std::io::stdout().lock(), "{line}").ok();
}

fn eprint_line(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").ok();
}
