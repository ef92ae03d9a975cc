//! Many plans on all cores, and the shortest plan that still breaks what a long one broke.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use switchback::planted::{self, Bug};

use super::judge::Violation;
use super::plan::Plan;
use super::run::{Report, simulate};
use super::trace::{Line, What};

/// So many runs are spent on making a failing plan shorter.
const SHRINKS_MAX: usize = 150;
/// So many failing seeds are kept; the rest is counted.
const FAILURES_KEPT: usize = 20;
/// The stack of a thread that plays a plan.
const STACK_BYTES: usize = 32 << 20;

/// What is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hunt {
    /// The first seed.
    pub(crate) from: u64,
    /// How many seeds.
    pub(crate) seeds: u64,
    /// On how many threads.
    pub(crate) jobs: usize,
    /// What is planted.
    pub(crate) bug: Option<Bug>,
    /// Whether the first failure ends it.
    pub(crate) stop_at_first: bool,
}

/// What it came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Plans that were played.
    pub(crate) runs: u64,
    /// Releases that they started.
    pub(crate) releases: u64,
    /// Requests that processes made.
    pub(crate) calls: u64,
    /// Virtual time that passed in them.
    pub(crate) lived: Duration,
    /// Real time that it took.
    pub(crate) took: Duration,
    /// How many plans broke an invariant.
    pub(crate) failed: u64,
    /// The first of them, by seed, with what was broken first.
    pub(crate) failures: Vec<(u64, Violation)>,
}

impl Hunt {
    /// Plays all its plans.
    pub(crate) fn run(&self) -> Tally {
        let (stop, began, tally) = (AtomicBool::new(false), Instant::now(), Mutex::new(Tally::default()));
        on_threads(self.jobs, self.seeds, |at| {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let seed = self.from + at;
            let report = play(&Plan::of_seed(seed), self.bug);
            if !report.violations.is_empty() && self.stop_at_first {
                stop.store(true, Ordering::Relaxed);
            }
            tally.lock().expect("nobody panics while counting").count(seed, &report);
        });
        let mut tally = tally.into_inner().expect("nobody panics while counting");
        tally.took = began.elapsed();
        tally.failures.sort_by_key(|(seed, _)| *seed);
        tally
    }
}

impl Tally {
    fn count(&mut self, seed: u64, report: &Report) {
        self.runs += 1;
        self.releases += report.releases as u64;
        self.calls += report.calls;
        self.lived += report.took;
        let Some(first) = report.violations.first() else { return };
        self.failed += 1;
        if self.failures.len() < FAILURES_KEPT {
            self.failures.push((seed, first.clone()));
        }
    }
}

/// Does `work` for every number below `count`, on so many threads.
pub(crate) fn on_threads(threads: usize, count: u64, work: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let work = || {
                while let Some(at) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < count) {
                    work(at);
                }
            };
            // The futures of the SDK are large where nothing is optimized.
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            thread.spawn_scoped(scope, work).expect("a thread can be started");
        }
    });
}

/// [`simulate`], where a panic of the program is a violation like any other.
pub(crate) fn play(plan: &Plan, bug: Option<Bug>) -> Report {
    let played = catch_unwind(AssertUnwindSafe(|| simulate(plan, bug)));
    played.unwrap_or_else(|panic| {
        planted::plant(None);
        let violation = Violation { invariant: "nothing panics", at: Duration::ZERO, saw: said(&*panic) };
        Report { violations: vec![violation], ..Report::default() }
    })
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

/// The fewest parts of a failing plan with which the same invariant still breaks.
pub(crate) fn shrink(plan: &Plan, bug: Option<Bug>, invariant: &str) -> BTreeSet<usize> {
    let breaks = |kept: &BTreeSet<usize>| {
        let report = play(&plan.keep(|part| kept.contains(&part)), bug);
        report.violations.iter().any(|violation| violation.invariant == invariant)
    };
    let mut kept: BTreeSet<usize> = (0..plan.parts()).collect();
    let (mut size, mut runs) = (kept.len().div_ceil(2), 0);
    while size > 0 && runs < SHRINKS_MAX {
        let mut dropped = false;
        let parts: Vec<usize> = kept.iter().copied().collect();
        for chunk in parts.chunks(size) {
            let fewer: BTreeSet<usize> = kept.iter().filter(|part| !chunk.contains(part)).copied().collect();
            runs += 1;
            if runs < SHRINKS_MAX && breaks(&fewer) {
                (kept, dropped) = (fewer, true);
            }
        }
        if !dropped || size > kept.len() {
            size /= 2;
        }
    }
    kept
}

/// A report as somebody reads it who looks for the mistake: what changed something, what happened to whom, and what was
/// broken; with `everything`, also what only looked.
pub(crate) fn told(plan: &Plan, report: &Report, everything: bool) -> String {
    let mut lines = Vec::new();
    for environment in &plan.environments {
        lines.push(format!("{environment:?}"));
    }
    for runner in &plan.runners {
        let images = match runner.verb {
            super::plan::Verb::Deploy { version, .. } => format!(" ({:?})", plan.images[version]),
            _ => String::new(),
        };
        lines.push(format!("{runner:?}{images}"));
    }
    lines.push(format!("{:?}", plan.schedule));
    let mut violations = report.violations.iter().peekable();
    for line in report.trace.iter().filter(|line| everything || matters(line)) {
        while let Some(violation) = violations.next_if(|violation| violation.at < line.at) {
            lines.push(violation.to_string());
        }
        lines.push(line.to_string());
    }
    lines.extend(violations.map(ToString::to_string));
    lines.join("\n")
}

fn matters(line: &Line) -> bool {
    match &line.what {
        What::Reached { .. } => false,
        What::Effected { call, status, .. } => !call.reads || status.is_none(),
        _ => true,
    }
}
