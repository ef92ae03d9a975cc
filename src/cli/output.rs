//! Where output goes: results to stdout, words for a person to stderr.

use std::sync::Mutex;

use console::style;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Exit;
use super::print::{eprint_line, print};
use super::watcher::Watcher;
use crate::cloud::Calls;
use crate::config::ConfigErrors;
use crate::engine::{EngineError, Finish, Notices};
use crate::release::{Ending, Problem};
use crate::report::{json_line, problem_text, result_line};

/// How this run talks.
#[derive(Debug)]
pub(super) struct Output {
    /// JSON lines instead of text.
    pub(super) json: bool,
    quiet: bool,
    log: bool,
    watchers: Mutex<Vec<JoinHandle<()>>>,
}

impl Output {
    /// Output as JSON lines, without progress, or beside a `log` on stderr, which a spinner would garble.
    pub(super) fn new(json: bool, quiet: bool, log: bool) -> Self {
        Self { json, quiet, log, watchers: Mutex::default() }
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

    /// Says what could end badly, also to those who asked for quiet.
    pub(super) fn warn(&self, text: &str) {
        eprint_line(&format!("{} {text}", style("warning:").for_stderr().yellow().bold()));
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
        let (notices, watcher) = shown(environment, self.watcher());
        self.watchers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(watcher);
        notices
    }

    /// Notices of one environment of several, each line with its name. The task ends with the last of them.
    pub(super) fn notices_of_several(&self, environment: &str) -> (Notices, JoinHandle<()>) {
        shown(environment, Watcher::of_several(self.json, self.quiet))
    }

    /// Shows notices one by one.
    pub(super) fn watcher(&self) -> Watcher {
        Watcher::new(self.json, self.quiet, !self.log)
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

    /// How often AWS was called, by operation; to a person only where it is `worth_saying`.
    pub(super) fn calls(&self, calls: &Calls, worth_saying: bool) {
        self.json_line(&json_line(Some("aws-calls"), calls));
        if worth_saying && !calls.by_operation.is_empty() {
            let list: Vec<_> = calls.by_operation.iter().map(|(operation, n)| format!("{operation} {n}")).collect();
            self.say(&format!("{} AWS calls: {}", calls.total(), list.join(", ")));
        }
    }

    /// Every mistake of an environment file.
    pub(super) fn config_errors(&self, errors: &ConfigErrors) -> Exit {
        for error in errors.to_json() {
            self.json_line(&json_line(Some("error"), &error));
        }
        eprint_line(errors.render(console::colors_enabled_stderr()).trim_end());
        Exit::Usage
    }

    /// How a run ended, in words and as a result line.
    pub(super) fn finished(&self, verb: &str, environment: &str, finish: &Finish) -> Exit {
        let exit = Exit::from(&finish.ending);
        self.json_line(&result_line(verb, environment, finish.release.as_ref(), &finish.ending, exit as u8));
        match &finish.ending {
            Ending::Done => self.say(&format!("{} {verb} of {environment} is done", style("ok").for_stderr().green())),
            Ending::Nothing(text) => self.say(&format!("nothing to do: {text}")),
            Ending::Busy(text) => self.say(&format!("{environment}: {text}")),
            Ending::Later { reason, next } => {
                let next = next.map_or_else(|| "with the next `reconcile`".to_owned(), |at| format!("at {at}"));
                self.say(&format!(
                    "{verb} of {environment} leaves the rest to `switchback reconcile`: {reason}; next look {next}"
                ));
            }
            Ending::Refused(problem) => bad(environment, "refused, nothing was changed", problem),
            Ending::Failed(problem) => bad(environment, "the release failed and the traffic never moved", problem),
            Ending::MovedBack(problem) => {
                bad(environment, "the release failed and the traffic was moved back", problem)
            }
            Ending::Blocked(problem) => bad(environment, "stopped half-way, a person must look", problem),
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
            Some(problem) => bad(environment, &error.headline(), &problem),
            None => eprint_line(&format!("{} {error}", style("error:").for_stderr().red().bold())),
        }
        exit
    }
}

/// Notices, and the task that shows them.
fn shown(environment: &str, mut watcher: Watcher) -> (Notices, JoinHandle<()>) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let watcher = tokio::spawn(async move {
        while let Some(told) = receiver.recv().await {
            watcher.show(&told);
        }
    });
    (Notices::new(environment, sender), watcher)
}

/// Something went wrong: where, a headline, and what leads on.
fn bad(environment: &str, headline: &str, problem: &Problem) {
    eprint_line(&format!("{} {environment}: {headline}", style("error:").for_stderr().red().bold()));
    eprint_line(problem_text(problem).trim_end());
}
