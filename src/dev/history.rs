//! The world as it was, for stale reads. It is kept only while a fault asks for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::cloud::Cloud;
use super::model::Account;

/// How many worlds are kept; of more changes than that within the age of the oldest stale read, the first are
/// forgotten, and such a read sees the oldest world that is left.
const WORLDS_MAX: usize = 256;

/// All accounts as they once were.
pub(crate) type Past = Arc<BTreeMap<String, Account>>;

/// Worlds and when they were so, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<VecDeque<(Timestamp, Past)>>);

impl History {
    /// Keeps the world as it is now.
    fn keep(&self, now: Timestamp, accounts: &BTreeMap<String, Account>, by: Duration) {
        let mut worlds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        worlds.push_back((now, Arc::new(accounts.clone())));
        // One world older than anybody asks for is what the oldest read sees.
        let cutoff = cutoff(now, by);
        while worlds.len() > WORLDS_MAX || worlds.get(1).is_some_and(|(at, _)| *at <= cutoff) {
            worlds.pop_front();
        }
    }

    fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The world as it was, or the oldest that is known.
    pub(crate) fn at(&self, now: Timestamp, by: Duration) -> Option<Past> {
        let worlds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cutoff = cutoff(now, by);
        let then = worlds.iter().rev().find(|(at, _)| *at <= cutoff).or(worlds.front());
        then.map(|(_, past)| past.clone())
    }
}

fn cutoff(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| now.checked_sub(by).ok()).unwrap_or(Timestamp::MIN)
}

impl Cloud {
    /// Keeps the world as it is now, if a fault may ask for it later.
    pub(crate) fn keep_world(&self) {
        match self.faults.stale_by_at_most() {
            Some(by) => {
                let world = self.world();
                self.history.keep(self.clock.now(), &world.accounts, by);
            }
            None => self.history.forget(),
        }
    }
}

/// Keeps every world that a change leads to, for as long as a fault may ask for it.
pub(crate) async fn record(cloud: Arc<Cloud>) {
    let mut changes = cloud.changes();
    let mut faults = cloud.faults.changes();
    loop {
        cloud.keep_world();
        let armed = cloud.faults.stale_by_at_most().is_some();
        tokio::select! {
            biased;
            changed = changes.changed(), if armed => if changed.is_err() { return },
            changed = faults.changed() => if changed.is_err() { return },
        }
    }
}
