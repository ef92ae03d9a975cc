//! Notices as they come: JSON lines, or lines of text above a spinner where there is a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::print::{eprint_line, print};
use crate::engine::{Notice, Told};
use crate::release::{Event, ReleaseId};
use crate::report::{json_line, notice_line};

/// Shows the notices of one run.
#[derive(Debug)]
pub(super) struct Watcher {
    json: bool,
    quiet: bool,
    spinner: Option<ProgressBar>,
    /// Whether other environments are shown at the same time: each line has its environment's name.
    several: bool,
    last: Option<String>,
}

impl Watcher {
    /// A watcher that shows a spinner only where `live` is wanted and there is a terminal.
    pub(super) fn new(json: bool, quiet: bool, live: bool) -> Self {
        let live = live && !json && !quiet && std::io::stderr().is_terminal();
        let spinner = live.then(|| {
            let spinner = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
                spinner.set_style(style);
            }
            spinner.enable_steady_tick(Duration::from_millis(120));
            spinner
        });
        Self { json, quiet, spinner, several: false, last: None }
    }

    /// A watcher of one environment of several: no spinner, no id of a release on a line of its own.
    pub(super) fn of_several(json: bool, quiet: bool) -> Self {
        let mut watcher = Self::new(json, quiet, false);
        watcher.several = true;
        watcher
    }

    /// Shows one notice. The id of a release is a result, so it goes to stdout.
    pub(super) fn show(&mut self, told: &Told) {
        if self.json {
            print(&json_line(None, told));
            return;
        }
        if let Some(release) = begins(&told.notice).filter(|_| !self.several) {
            match &self.spinner {
                // On the spinner's own line it would be overwritten.
                Some(spinner) => spinner.suspend(|| print(release.as_str())),
                None => print(release.as_str()),
            }
        }
        let Some(mut line) = notice_line(&told.notice).filter(|_| !self.quiet) else { return };
        if self.several {
            line = format!("{}: {line}", told.environment);
        }
        match &self.spinner {
            Some(spinner) if matches!(told.notice, Notice::Waiting { .. }) => spinner.set_message(line.clone()),
            Some(spinner) => {
                spinner.set_message("");
                spinner.suspend(|| eprint_line(&line));
            }
            // A wait that goes on says nothing new in a log.
            None if self.last.as_ref() == Some(&line) => {}
            None => eprint_line(&line),
        }
        self.last = Some(line);
    }
}

/// The release that a run begins with, or goes on with.
fn begins(notice: &Notice) -> Option<&ReleaseId> {
    match notice {
        Notice::Continuing { release, .. } => Some(release),
        Notice::Recorded { event, .. } => match &**event {
            Event::ReleaseStarted { release, .. } => Some(release),
            _ => None,
        },
        Notice::Waiting { .. } | Notice::Flipped { .. } | Notice::Retrying { .. } | Notice::Warning { .. } => None,
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
