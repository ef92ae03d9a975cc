//! What happened in a run: one line per event, in the order in which it happened.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::time::Instant;

/// An event, when it happened, and to which process.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// Since the start of the run.
    pub(crate) at: Duration,
    /// The process, by its number; `None` for what happens to the world.
    pub(crate) runner: Option<u64>,
    /// What happened.
    pub(crate) what: What,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// A process starts: its environment and its verb.
    Started { environment: usize, verb: String },
    /// A process reaches a request. It has not left yet.
    Reached { boundary: u64, call: Call },
    /// The request has taken effect, or was refused: the HTTP status, or that there is no answer. The process may be
    /// gone by now, and the answer may still be lost on its way.
    Effected { boundary: u64, call: Call, status: Option<u16> },
    /// A trouble of the plan happens to the process at this request.
    Trouble { boundary: u64, what: String },
    /// A frozen process goes on.
    Thawed,
    /// A process has been killed: nothing of it runs after this line.
    Crashed,
    /// A process ends by itself: its exit code, and why.
    Ended { exit: i32, why: String },
    /// A client's request to an environment failed.
    Failed { environment: usize, saw: String },
    /// Something happens to the world.
    World(String),
    /// The plan's faults have stopped.
    Calm,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// `elbv2:ModifyListener`, `journal:put`.
    pub(crate) name: String,
    /// Whether it changes nothing.
    pub(crate) reads: bool,
    /// A short hash of what was asked for: the same in two runs with the same seed.
    pub(crate) hash: u32,
}

/// Is told of every line when it is written, before anything else happens.
pub(crate) trait Watch: Send {
    /// A line was written.
    fn seen(&mut self, line: &Line);

    /// Some time has passed.
    fn passed(&mut self);
}

/// The lines of a run. Clones are the same trace.
#[derive(Clone)]
pub(crate) struct Trace(Arc<Shared>);

struct Shared {
    began: Instant,
    state: Mutex<State>,
    watch: Mutex<Option<Box<dyn Watch>>>,
    /// Wakes whoever waits for a change in AWS.
    changed: Notify,
}

#[derive(Default)]
struct State {
    lines: Vec<Line>,
    digest: Sha256,
    /// How many requests of clients were answered, by environment and version.
    served: BTreeMap<(usize, String), u64>,
    changed_at: Option<Instant>,
}

impl Trace {
    /// A trace that begins now.
    pub(crate) fn new() -> Self {
        let (state, watch) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { began: Instant::now(), state, watch, changed: Notify::new() }))
    }

    /// From now on `watch` sees every line.
    pub(crate) fn watch(&self, watch: Box<dyn Watch>) {
        *locked(&self.0.watch) = Some(watch);
    }

    /// When the run began.
    pub(crate) fn began(&self) -> Instant {
        self.0.began
    }

    /// Writes a line.
    pub(crate) fn write(&self, runner: Option<u64>, what: What) {
        let line = Line { at: self.0.began.elapsed(), runner, what };
        {
            let mut state = locked(&self.0.state);
            state.digest.update(line.to_string().as_bytes());
            let changes = match &line.what {
                What::Effected { call, .. } => !call.reads && !call.name.starts_with("journal:"),
                What::World(_) => true,
                _ => false,
            };
            if changes {
                state.changed_at = Some(Instant::now());
                self.0.changed.notify_waiters();
            }
            state.lines.push(line.clone());
        }
        if let Some(watch) = &mut *locked(&self.0.watch) {
            watch.seen(&line);
        }
    }

    /// A client's request was answered.
    pub(crate) fn served(&self, environment: usize, version: &str) {
        *locked(&self.0.state).served.entry((environment, version.to_owned())).or_default() += 1;
        if let Some(watch) = &mut *locked(&self.0.watch) {
            watch.passed();
        }
    }

    /// How many requests of clients were answered, by environment and version.
    pub(crate) fn served_so_far(&self) -> BTreeMap<(usize, String), u64> {
        locked(&self.0.state).served.clone()
    }

    /// When somebody last changed something in AWS.
    pub(crate) fn changed_at(&self) -> Option<Instant> {
        locked(&self.0.state).changed_at
    }

    /// Returns when somebody changes something in AWS.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> {
        self.0.changed.notified()
    }

    /// How many requests processes have reached.
    pub(crate) fn calls(&self) -> u64 {
        let state = locked(&self.0.state);
        state.lines.iter().filter(|line| matches!(line.what, What::Reached { .. })).count() as u64
    }

    /// All lines, and the hash over them.
    pub(crate) fn finish(&self) -> (Vec<Line>, String) {
        let state = std::mem::take(&mut *locked(&self.0.state));
        let hash = state.digest.finalize();
        let hex = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        (state.lines, hex)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.3} ", self.at.as_secs_f64())?;
        match self.runner {
            Some(runner) => write!(f, "runner {runner:<5} ")?,
            None => write!(f, "{:<12} ", "world")?,
        }
        match &self.what {
            What::Started { environment, verb } => write!(f, "starts {verb} of environment {environment}"),
            What::Reached { boundary, call } => write!(f, "{boundary:>4} {call}"),
            What::Effected { boundary, call, status: Some(status) } => write!(f, "{boundary:>4} {call} -> {status}"),
            What::Effected { boundary, call, status: None } => write!(f, "{boundary:>4} {call} -> no answer"),
            What::Trouble { boundary, what } => write!(f, "{boundary:>4} {what}"),
            What::Thawed => f.write_str("goes on"),
            What::Crashed => f.write_str("is dead"),
            What::Ended { exit, why } => write!(f, "ends with {exit}: {why}"),
            What::Failed { environment, saw } => write!(f, "a request to environment {environment} failed: {saw}"),
            What::World(what) => f.write_str(what),
            What::Calm => f.write_str("the faults stop"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.reads { ' ' } else { '*' };
        write!(f, "{sign}{} #{:08x}", self.name, self.hash)
    }
}
