//! A run of the program that is watched, and struck at some moment.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::deaths::Moment;
use crate::world::Ran;

/// No run may be silent for longer: the lease of a dead run, its calls that may still land, a busy machine.
const SILENCE_MAX: Duration = Duration::from_secs(240);

/// A run with `--json`.
pub(crate) struct Running {
    child: Child,
    started: Instant,
    lines: Lines<BufReader<ChildStdout>>,
    stderr: JoinHandle<std::io::Result<String>>,
    said: String,
    events: usize,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let started = Instant::now();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut errors = child.stderr.take().unwrap();
        let stderr = tokio::spawn(async move {
            let mut text = String::new();
            errors.read_to_string(&mut text).await.map(|_| text)
        });
        Self { child, started, lines, stderr, said: String::new(), events: 0 }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("nobody has waited for it")
    }

    /// Lets it go on until this moment; `false` where it has ended before.
    pub(crate) async fn until(&mut self, moment: Moment) -> bool {
        let mut strikes_at = match moment {
            Moment::After(after) => Some(self.started + after),
            Moment::AfterEvent(..) | Moment::InTheFlip(_) => None,
        };
        loop {
            let strike = async {
                match strikes_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let line = tokio::select! {
                biased;
                () = strike => return true,
                line = timeout(SILENCE_MAX, self.lines.next_line()) => line,
            };
            let Some(line) = self.take(line.ok()) else { return false };
            if let Some(after) = moment.comes_after(&line, self.events) {
                strikes_at = strikes_at.or(Some(Instant::now() + after));
            }
        }
    }

    /// Lets it go on until it waits for something.
    pub(crate) async fn waits(&mut self) {
        loop {
            let line = timeout(SILENCE_MAX, self.lines.next_line()).await;
            let Some(line) = self.take(line.ok()) else { panic!("it ended before it waited:\n{}", self.said) };
            if line["type"] == "waiting" {
                return;
            }
        }
    }

    /// Keeps a line that it has said; `None` at the end.
    fn take(&mut self, line: Option<std::io::Result<Option<String>>>) -> Option<Value> {
        let Some(line) = line else { panic!("it has said nothing for {SILENCE_MAX:?}, after:\n{}", self.said) };
        let line = line.unwrap()?;
        self.said.push_str(&line);
        self.said.push('\n');
        // What is cut short was the last word of a run that was killed.
        let value: Value = serde_json::from_str(&line).ok()?;
        self.events += usize::from(value["type"] == "recorded");
        Some(value)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid().cast_signed()).unwrap(), signal).unwrap();
    }

    /// Waits for its end; no exit code where a signal has ended it.
    pub(crate) async fn end(mut self) -> Ran {
        loop {
            let line = timeout(SILENCE_MAX, self.lines.next_line()).await;
            if self.take(line.ok()).is_none() {
                break;
            }
        }
        let status = self.child.wait().await.unwrap();
        let stderr = self.stderr.await.unwrap().unwrap_or_default();
        Ran { code: status.code(), stdout: self.said, stderr }
    }
}
