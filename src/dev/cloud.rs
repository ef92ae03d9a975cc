//! What all parts of a running dev cloud share: the world behind its lock, faults, the call log, background tasks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::access::Access;
use super::faults::Faults;
use super::history::History;
use super::limits::Limits;
use super::machine::Catalogue;
use super::model::{BucketOptions, InProgress, World};
use super::name_server::NameOptions;
use super::network::Network;
use super::observe::Observing;
use super::options::BalancingOptions;
use crate::chance::Chance;
use crate::clock::Clock;

/// How long connections and instances may take to end when the cloud is shut down.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// How long things take in the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    /// From a rule change's success to the data plane following it.
    pub(crate) propagation: Duration,
    /// From `RunInstances` to `running`, at least.
    pub(crate) run: Duration,
    /// How long after a launch describe calls may still not find the instance.
    pub(crate) consistency: Duration,
    /// From `running` to status checks that say something.
    pub(crate) status: Duration,
    /// From a record change's success to `INSYNC`.
    pub(crate) dns: Duration,
    /// Load balancers and target groups.
    pub(crate) balancing: BalancingOptions,
    /// Health-check intervals and time-outs are divided by this.
    pub(crate) health_speed: u32,
    /// From the end of a minute, or from `PutMetricData`, to the point being there to read.
    pub(crate) metrics: Duration,
    /// From a metric's first point to `ListMetrics` showing it.
    pub(crate) metrics_listing: Duration,
}

impl Timing {
    /// How long a group that was just let go still counts as used: a fifth of the most, at least.
    pub(crate) fn linger_by(&self, chance: &Chance) -> Duration {
        let most = self.balancing.linger;
        let least = most / 5;
        least + chance.up_to(most.saturating_sub(least))
    }
}

/// The running cloud, shared by the endpoint and the background tasks.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) timing: Timing,
    /// How names and their servers behave.
    pub(crate) names: NameOptions,
    /// How S3 behaves.
    pub(crate) buckets: BucketOptions,
    s3_in_progress: Mutex<InProgress>,
    /// What the model takes for the time of day.
    pub(crate) clock: Clock,
    /// When the cloud was started.
    pub(crate) started: Timestamp,
    /// Every id, choice and delay that is not decided by a request.
    pub(crate) chance: Chance,
    /// What load balancers, instances and their health checks talk over.
    pub(crate) network: Network,
    pub(crate) faults: Faults,
    /// Who may do what.
    pub(crate) access: Access,
    /// How often calls may come; `None` for as often as they like.
    pub(crate) limits: Option<Limits>,
    /// Where the output of instances goes; nowhere if `None`.
    pub(crate) logs: Option<PathBuf>,
    /// The world as it was, for stale reads.
    pub(crate) history: History,
    /// Who is told of everything.
    pub(super) observing: Observing,
    catalogue: Mutex<Catalogue>,
    world: Mutex<World>,
    /// Goes up with every change of the world; health checkers wait on it.
    changes: watch::Sender<u64>,
    calls: Mutex<BTreeMap<String, u64>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Cloud {
    pub(crate) fn new(
        timing: Timing,
        (names, buckets): (NameOptions, BucketOptions),
        (clock, chance, network): (Clock, Chance, Network),
        (faults, access, limits): (Faults, Access, Option<Limits>),
        world: World,
        (catalogue, logs): (Catalogue, Option<PathBuf>),
    ) -> Arc<Self> {
        Arc::new(Self {
            timing,
            names,
            started: clock.now(),
            buckets,
            s3_in_progress: Mutex::default(),
            clock,
            chance,
            network,
            faults,
            access,
            limits,
            logs,
            history: History::default(),
            observing: Observing::default(),
            catalogue: Mutex::new(catalogue),
            world: Mutex::new(world),
            changes: watch::Sender::new(0),
            calls: Mutex::default(),
            tasks: Mutex::default(),
        })
    }

    /// The world. Held only for as long as one operation takes, never across an await.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.world)
    }

    /// Conditional writes to S3 that are under way. Its lock is taken under the world's, never the other way round.
    pub(crate) fn s3_in_progress(&self) -> MutexGuard<'_, InProgress> {
        locked(&self.s3_in_progress)
    }

    /// The images that instances can run.
    pub(crate) fn catalogue(&self) -> MutexGuard<'_, Catalogue> {
        locked(&self.catalogue)
    }

    /// Tells everyone who waits that the world has changed.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// To wait for changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until the cloud's clock shows `due`.
    pub(crate) async fn until(&self, due: Timestamp) {
        loop {
            // The machine's clock may be set back while this sleeps; tokio's may wake a millisecond early.
            let Ok(left) = Duration::try_from(due.duration_since(self.clock.now())) else { return };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }

    /// Runs `task` in the background until the cloud is shut down.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = locked(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Ends all background tasks.
    pub(crate) async fn end_tasks(&self) {
        let mut tasks = std::mem::take(&mut *locked(&self.tasks));
        tasks.shutdown().await;
    }

    /// Tells all background tasks to end, without waiting for them.
    pub(crate) fn abort_tasks(&self) {
        locked(&self.tasks).abort_all();
    }

    /// A random id, decided by the cloud's chance.
    pub(crate) fn uuid(&self) -> String {
        let (high, low) = (self.chance.number(), self.chance.number());
        let bytes = ((u128::from(high) << 64) | u128::from(low)).to_be_bytes();
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// Ends all listeners and instances.
    pub(crate) async fn take_down(&self) {
        let (listeners, machines) = self.world().take_down();
        let listeners = listeners.into_iter().map(|listener| listener.close(SHUTDOWN_GRACE));
        let machines = machines.iter().map(|machine| machine.stop(SHUTDOWN_GRACE));
        tokio::join!(join_all(listeners), join_all(machines));
    }

    /// Starts anew, with the images as they are: nothing in any account, no faults, no counts.
    pub(crate) async fn reset(&self) {
        self.faults.clear();
        self.take_down().await;
        self.world().clear();
        *self.s3_in_progress() = InProgress::default();
        self.forget_calls();
        self.changed();
    }

    /// Counts a call that reached the endpoint.
    pub(crate) fn count(&self, service: &str, operation: &str) {
        *locked(&self.calls).entry(format!("{service}:{operation}")).or_default() += 1;
    }

    /// How often each operation was called.
    pub(crate) fn calls(&self) -> BTreeMap<String, u64> {
        locked(&self.calls).clone()
    }

    /// Counts from 0 again.
    pub(crate) fn forget_calls(&self) {
        locked(&self.calls).clear();
    }
}

/// The value behind a lock. A holder that panicked left whole values behind: every operation checks before it changes.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
