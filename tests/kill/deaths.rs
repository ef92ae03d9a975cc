//! When a run is killed, and what is counted of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;
use serde_json::Value;

/// A verb that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Deploy,
    Rollback,
    Abort,
    Sweep,
    Reconcile,
}

impl Verb {
    pub(crate) const ALL: [Self; 5] = [Self::Deploy, Self::Rollback, Self::Abort, Self::Sweep, Self::Reconcile];

    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Abort => "abort",
            Self::Sweep => "sweep",
            Self::Reconcile => "reconcile",
        }
    }

    /// How long it takes at most where nothing disturbs it and the machine is idle.
    fn length(self) -> Duration {
        match self {
            Self::Deploy => Duration::from_secs(8),
            Self::Rollback => Duration::from_millis(1_500),
            Self::Abort | Self::Sweep | Self::Reconcile => Duration::from_secs(4),
        }
    }

    /// How many events it records, about.
    fn events(self) -> usize {
        match self {
            Self::Deploy => 16,
            Self::Rollback => 4,
            Self::Abort | Self::Sweep | Self::Reconcile => 6,
        }
    }
}

/// The moment at which a run is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// So long after it was started.
    After(Duration),
    /// So long after it said that it had recorded its nth event.
    AfterEvent(usize, Duration),
    /// So long after it said that it is about to move the traffic.
    InTheFlip(Duration),
}

impl Moment {
    /// Any moment of the verb; its first milliseconds and the flip get more than their share.
    pub(crate) fn draw(verb: Verb, rng: &mut Rng) -> Self {
        let up_to_ms = |rng: &mut Rng, ms: u64| Duration::from_micros(rng.u64(0..ms * 1_000));
        match rng.u32(0..100) {
            0..12 => Self::After(up_to_ms(rng, 60)),
            12..45 => Self::After(verb.length().mul_f64(rng.f64())),
            45..75 => Self::AfterEvent(rng.usize(1..=verb.events()), up_to_ms(rng, 120)),
            _ if matches!(verb, Verb::Deploy | Verb::Rollback) => Self::InTheFlip(up_to_ms(rng, 500)),
            _ => Self::AfterEvent(rng.usize(1..=3), up_to_ms(rng, 40)),
        }
    }

    /// How long after this line the run is killed; `None` where it is not yet the one. `events` have been recorded
    /// with it.
    pub(crate) fn comes_after(self, line: &Value, events: usize) -> Option<Duration> {
        let event = (line["type"] == "recorded").then(|| &line["event"])?;
        match self {
            Self::After(_) => None,
            Self::AfterEvent(nth, after) => (events == nth).then_some(after),
            Self::InTheFlip(after) => {
                let flips = event["effect"].as_str().is_some_and(|effect| effect.contains("flip"));
                (event["type"] == "intent" && flips).then_some(after)
            }
        }
    }
}

/// A run that was killed.
#[derive(Debug, Clone)]
pub(crate) struct Death {
    pub(crate) verb: Verb,
    pub(crate) pid: u32,
    pub(crate) at: Timestamp,
}

/// Where a killed run stood, in the journal's words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stood {
    /// It had written nothing.
    BeforeItsFirstEntry,
    /// It had announced this call and no outcome.
    InACall(String),
    /// Its last entry was this.
    After(String),
}

impl fmt::Display for Stood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeforeItsFirstEntry => write!(f, "before its first entry"),
            Self::InACall(effect) => write!(f, "in the call {effect}"),
            Self::After(what) => write!(f, "after {what}"),
        }
    }
}

/// A run that took the lease of a killed one.
#[derive(Debug, Clone)]
pub(crate) struct Takeover {
    /// Whether the lease had expired.
    pub(crate) expired: bool,
    /// When it took it.
    pub(crate) at: Timestamp,
    /// From the death to the entry.
    pub(crate) after: Duration,
    /// From the entry to the first call that the new owner announced; `None` where it announced none.
    pub(crate) acted_after: Option<Duration>,
}

/// What all the deaths come to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) deaths: usize,
    pub(crate) where_from: BTreeMap<Verb, BTreeMap<Stood, usize>>,
    pub(crate) takeovers: Vec<Takeover>,
    /// How undisturbed runs ended, by verb and exit code.
    pub(crate) ended: BTreeMap<(Verb, i32), usize>,
    pub(crate) requests: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.deaths += other.deaths;
        for (verb, stood) in other.where_from {
            for (stood, count) in stood {
                *self.where_from.entry(verb).or_default().entry(stood).or_default() += count;
            }
        }
        self.takeovers.extend(other.takeovers);
        for (how, count) in other.ended {
            *self.ended.entry(how).or_default() += count;
        }
        self.requests += other.requests;
    }

    /// How many runs of the verb were killed.
    pub(crate) fn killed(&self, verb: Verb) -> usize {
        self.where_from.get(&verb).map_or(0, |stood| stood.values().sum())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} runs were killed; {} requests were answered, none failed", self.deaths, self.requests)?;
        for (verb, stood) in &self.where_from {
            writeln!(f, "  {} × {}", self.killed(*verb), verb.name())?;
            for (stood, count) in stood {
                writeln!(f, "    {count:>3} {stood}")?;
            }
        }
        let ended = self.ended.iter().map(|((verb, code), count)| format!("{count} × {} {code}", verb.name()));
        writeln!(f, "the other runs, with their exit codes: {}", ended.collect::<Vec<_>>().join(", "))?;
        for expired in [true, false] {
            let these: Vec<_> = self.takeovers.iter().filter(|takeover| takeover.expired == expired).collect();
            let Some(longest) = these.iter().map(|takeover| takeover.after).max() else { continue };
            let acted: Vec<_> = these.iter().filter_map(|takeover| takeover.acted_after).collect();
            let middle = |mut times: Vec<Duration>| {
                times.sort();
                times.get(times.len() / 2).copied().unwrap_or_default()
            };
            writeln!(
                f,
                "{} takeovers of a lease {}: {:.1?} after the death (at most {longest:.1?}); the first call then came \
                 after {:.1?} (at most {:.1?})",
                these.len(),
                if expired { "that had expired" } else { "that was living" },
                middle(these.iter().map(|takeover| takeover.after).collect()),
                middle(acted.clone()),
                acted.iter().max().copied().unwrap_or_default(),
            )?;
        }
        Ok(())
    }
}
