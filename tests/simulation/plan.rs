//! All that happens in a simulated run, as plain data: what exists, who runs which verb when, and what goes wrong.
//!
//! A plan and the code decide everything: two runs of one plan are the same run. Times are milliseconds since the start
//! of the run, after the first versions are healthy.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Decides what the dev cloud, the SDK and every runner leave to chance.
    pub(crate) seed: u64,
    /// The environments, each with a live first version.
    pub(crate) environments: Vec<EnvironmentPlan>,
    /// How the program of each version behaves; the number of a version is its place here, and 0 is live at the start.
    pub(crate) images: Vec<Behavior>,
    /// How long the first node of a load balancer takes to follow a change of its rules.
    pub(crate) propagation_ms: u64,
    /// How much later than the first node the last one does.
    pub(crate) node_skew_ms: u64,
    /// Processes of switchback that somebody starts.
    pub(crate) runners: Vec<RunnerPlan>,
    /// The scheduler that runs `reconcile` for every environment.
    pub(crate) schedule: Option<Schedule>,
    /// What happens to the world.
    pub(crate) events: Vec<TimedEvent>,
    /// When the faults stop: nothing of `runners`, `events` and troubles begins later. From then on a scheduler without
    /// troubles runs `reconcile` every minute until everything is settled, and then the end is judged.
    pub(crate) calm_ms: u64,
}

/// An environment and what its file says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EnvironmentPlan {
    /// Its name.
    pub(crate) name: String,
    /// What carries the traffic.
    pub(crate) switch: Switch,
    /// Instances per color.
    pub(crate) count: u32,
    /// `retain`.
    pub(crate) retain_ms: u64,
    /// `release.bake`.
    pub(crate) bake_ms: u64,
    /// `release.converge.quiet`.
    pub(crate) quiet_ms: u64,
    /// `release.converge.timeout`.
    pub(crate) converge_timeout_ms: u64,
    /// `health.timeout`.
    pub(crate) health_timeout_ms: u64,
    /// The interval of the target groups' health checks, 5 to 300 s; two of them in a row decide.
    pub(crate) health_interval_ms: u64,
    /// Whether probes through the load balancer tell the versions apart.
    pub(crate) probe: bool,
    /// The target groups' deregistration delay; whole seconds.
    pub(crate) deregistration_delay_ms: u64,
}

/// What carries an environment's traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Switch {
    /// The default action of the listener.
    DefaultAction,
    /// A rule, on a listener that has another service's rule beside it.
    Rule,
}

/// How the program of an image behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "behaves")]
pub(crate) enum Behavior {
    /// Well.
    Well,
    /// Its health checks fail.
    Sick,
    /// It is healthy, and fails the smoke check and its clients.
    FailsSmoke,
    /// It ends some time after its start.
    Dies {
        /// How long after its start.
        after_ms: u64,
    },
    /// It listens only some time after its start.
    StartsLate {
        /// How long after its start.
        after_ms: u64,
    },
}

/// One process of the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunnerPlan {
    /// Its number, which it keeps when others are taken out of the plan.
    pub(crate) number: u64,
    /// When it starts.
    pub(crate) at_ms: u64,
    /// Its environment: a place in [`Plan::environments`].
    pub(crate) environment: usize,
    /// What it runs.
    pub(crate) verb: Verb,
    /// How far its clock is ahead of the true time, or behind it.
    pub(crate) clock_ms: i64,
    /// What happens to it.
    pub(crate) troubles: Vec<Trouble>,
}

/// What a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verb")]
pub(crate) enum Verb {
    /// `deploy`.
    Deploy {
        /// Of which version: a place in [`Plan::images`].
        version: usize,
        /// With `--detach`.
        detach: bool,
    },
    /// `rollback`.
    Rollback {
        /// With `--force`.
        force: bool,
    },
    /// `abort`.
    Abort,
    /// `sweep`.
    Sweep,
    /// `reconcile`.
    Reconcile,
    /// `adopt`.
    Adopt,
    /// `lease break`.
    BreakLease,
}

/// What happens to a process at one of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    /// Which request: its number from 1, over all attempts to call AWS and all requests to the journal's store.
    pub(crate) boundary: u64,
    /// What happens there.
    #[serde(flatten)]
    pub(crate) what: Mishap,
}

/// What can happen to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "mishap")]
pub(crate) enum Mishap {
    /// It is killed before the request leaves.
    CrashBefore,
    /// It is killed after the effect, before it sees the answer.
    CrashAfter,
    /// It is killed once the request has left, which takes effect later.
    CrashInFlight {
        /// How much later.
        lands_after_ms: u64,
    },
    /// The request takes effect, and its answer is lost.
    LoseAnswer,
    /// The process stands still before the request leaves, and goes on later as if nothing had been.
    FreezeBefore {
        /// For how long.
        for_ms: u64,
    },
    /// The same after the effect, before it sees the answer.
    FreezeAfter {
        /// For how long.
        for_ms: u64,
    },
}

/// A scheduler that starts one `reconcile` per environment at every tick.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    /// When it ticks first.
    pub(crate) first_ms: u64,
    /// From one tick to the next.
    pub(crate) every_ms: u64,
    /// How far its clock is ahead.
    pub(crate) clock_ms: i64,
    /// What happens to which of its processes.
    pub(crate) troubles: Vec<TickTrouble>,
}

/// A trouble of a scheduler's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TickTrouble {
    /// At which tick, from 0.
    pub(crate) tick: u64,
    /// Of the process for which environment.
    pub(crate) environment: usize,
    /// What happens.
    #[serde(flatten)]
    pub(crate) trouble: Trouble,
}

/// Something that happens to the world at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TimedEvent {
    /// When.
    pub(crate) at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub(crate) what: WorldEvent,
}

/// What happens to the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub(crate) enum WorldEvent {
    /// Calls meet a fault for some time.
    Storm {
        /// Which calls: `elbv2:ModifyListener`, `ec2:*`, `*`; requests to the journal's store are `journal:put`,
        /// `journal:get` and `journal:list`.
        calls: String,
        /// What happens to them.
        weather: Weather,
        /// How likely it is, in percent.
        percent: u8,
        /// For how long.
        for_ms: u64,
    },
    /// The program of an instance ends; the instance runs on.
    Kill {
        /// Whose.
        environment: usize,
        /// Of the color with the traffic, or of the other one.
        live: bool,
        /// Which of the color's registered instances, counted round.
        nth: usize,
    },
    /// The program of an instance hangs for some time.
    Hang {
        /// Whose.
        environment: usize,
        /// Of the color with the traffic, or of the other one.
        live: bool,
        /// Which of the color's registered instances, counted round.
        nth: usize,
        /// For how long.
        for_ms: u64,
    },
    /// AWS takes an instance away: it is terminated by nobody whom we know.
    Retire {
        /// Whose.
        environment: usize,
        /// Of the color with the traffic, or of the other one.
        live: bool,
        /// Which of the color's registered instances, counted round.
        nth: usize,
    },
    /// Somebody else writes the weights of the switch.
    Foreign {
        /// Whose.
        environment: usize,
        /// The weights of the two colors, the first live one first.
        weights: [u32; 2],
    },
    /// Somebody else registers an instance of theirs with the color that has no traffic.
    Squat {
        /// Whose.
        environment: usize,
    },
    /// There is no capacity for new instances for some time.
    Shortage {
        /// For how long.
        for_ms: u64,
    },
}

impl WorldEvent {
    /// The environment that it happens to; `None` for what happens to all of them.
    pub(crate) fn environment(&self) -> Option<usize> {
        match self {
            Self::Storm { .. } | Self::Shortage { .. } => None,
            Self::Kill { environment, .. }
            | Self::Hang { environment, .. }
            | Self::Retire { environment, .. }
            | Self::Foreign { environment, .. }
            | Self::Squat { environment } => Some(*environment),
        }
    }

    /// Whether an environment can notice it.
    pub(crate) fn touches(&self, environment: usize) -> bool {
        self.environment().is_none_or(|whose| whose == environment)
    }

    /// How long it lasts; what happens in an instant lasts no time.
    pub(crate) fn lasts(&self) -> Duration {
        match self {
            Self::Storm { for_ms, .. } | Self::Hang { for_ms, .. } | Self::Shortage { for_ms } => {
                Duration::from_millis(*for_ms)
            }
            Self::Kill { .. } | Self::Retire { .. } | Self::Foreign { .. } | Self::Squat { .. } => Duration::ZERO,
        }
    }
}

/// What calls meet in a storm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "weather")]
pub(crate) enum Weather {
    /// They are throttled.
    Throttle,
    /// AWS has an internal error (500), and nothing changes.
    Internal,
    /// They take effect, and the answer is lost.
    LoseAnswer,
    /// The connection is reset before they take effect.
    Reset,
    /// They take effect at once and are answered late.
    Late {
        /// How late.
        by_ms: u64,
    },
    /// They take effect late.
    LateEffect {
        /// How late.
        by_ms: u64,
    },
    /// Reads are answered as the world was some time ago.
    Stale {
        /// How long ago.
        by_ms: u64,
    },
}
