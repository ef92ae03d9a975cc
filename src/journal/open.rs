//! Opening, reading and acquiring one environment's journal.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use jiff::Timestamp;
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::time::Instant;
use uuid::Uuid;

use super::bucket;
use super::entry::{self, Body, Entry, SCHEMA, hash};
use super::place::{Place, Slot};
use super::session::Session;
use super::snapshot::{self, SNAPSHOT_EVERY};
use super::{JournalError, Lease, Log, Owner, RunId};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::JournalLocation;
use crate::planted::{Bug, bug};
use crate::release::Event;

/// How long a lease lasts after the last entry of its owner.
pub const LEASE_TERM: Duration = Duration::from_secs(60);
/// How many objects are read at the same time.
pub(super) const READS_MAX: usize = 96;
/// Whoever waits for a lease looks so often.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How often a writer meets another writer's entry before it gives up; each time, somebody else got on.
pub(super) const CONFLICTS_MAX: u32 = 100;

/// One environment's journal. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal {
    environment: String,
    place: Place,
    clock: Clock,
    term: Duration,
}

/// How the lease is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquire {
    /// Only where nobody holds it, or where it has expired.
    IfFree,
    /// At once: a person's `rollback` or `abort` takes it from a living run.
    Preempt {
        /// Why; whoever loses the lease is told.
        reason: String,
    },
}

impl Journal {
    /// The journal of `environment` at `location`. A folder is created, private to the user, by the first
    /// append; neither opening nor reading creates it. A bucket is reached with the region, the endpoint and the
    /// credentials of `sdk`; nothing is sent yet.
    ///
    /// # Errors
    /// [`JournalError::Name`] where the environment's name is not one; [`JournalError::Bucket`] where there is no
    /// region to look for a bucket in.
    pub fn open(location: &JournalLocation, environment: &str, sdk: &SdkConfig) -> Result<Self, JournalError> {
        // The name becomes a folder's: nothing may lead out of the journal's folder, whoever calls.
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=64).contains(&environment.len()) || !environment.chars().all(fits) {
            return Err(JournalError::Name { name: environment.into() });
        }
        let chance = Chance::unseeded();
        let place = match location {
            JournalLocation::Folder(folder) => Place::folder(folder.join(environment), chance),
            JournalLocation::S3 { bucket, prefix } => {
                let prefix = Path::from(prefix.as_str()).join(environment);
                Place::store(bucket::open(bucket, sdk)?, prefix, format!("s3://{bucket}"), chance)
            }
        };
        Ok(Self::at(place, environment))
    }

    /// The journal of `environment` in `store`, under the environment's name.
    pub fn with_store(store: Arc<dyn ObjectStore>, environment: &str) -> Self {
        let shown = store.to_string();
        Self::with_store_called(store, environment, &shown)
    }

    /// As [`Journal::with_store`], for a store that is called `shown` in messages and in the proof of its conditions.
    pub(super) fn with_store_called(store: Arc<dyn ObjectStore>, environment: &str, shown: &str) -> Self {
        let shown = shown.to_owned();
        Self::at(Place::store(store, Path::default().join(environment), shown, Chance::unseeded()), environment)
    }

    fn at(place: Place, environment: &str) -> Self {
        Self { environment: environment.into(), place, clock: Clock::system(), term: LEASE_TERM }
    }

    /// The same journal with another clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The same journal with another source of ids and pauses, for runs that must be repeatable.
    #[must_use]
    pub fn with_chance(self, chance: Chance) -> Self {
        Self { place: self.place.with_chance(chance), ..self }
    }

    /// The same journal with leases that last `term` after the owner's last entry.
    #[must_use]
    pub fn with_term(self, term: Duration) -> Self {
        Self { term, ..self }
    }

    /// The environment's name.
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// The clock that the lease runs by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where ids come from that nobody else may have.
    pub fn chance(&self) -> &Chance {
        self.place.chance()
    }

    /// The random name of a new run.
    pub fn new_run(&self) -> RunId {
        RunId::of(self.new_id())
    }

    /// An id that sorts by time.
    fn new_id(&self) -> Uuid {
        let (high, low) = (self.chance().number().to_be_bytes(), self.chance().number().to_be_bytes());
        let random: [u8; 10] = std::array::from_fn(|at| if at < 8 { high[at] } else { low[at - 8] });
        let now_ms = u64::try_from(self.clock.now().as_millisecond()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(now_ms, &random).into_uuid()
    }

    pub(super) fn term(&self) -> Duration {
        self.term
    }

    /// Every entry, checked. A journal that does not exist is empty.
    ///
    /// # Errors
    /// Whatever is wrong with any entry: nothing is skipped.
    pub async fn load(&self) -> Result<Log, JournalError> {
        let (snapshots, names) = futures_util::try_join!(self.snapshots(), self.place.names(None))?;
        let mut log = self.read_on(Log::default(), last(&names), newest(&snapshots)).await?;
        log.snapshot = newest_of_ours(&snapshots).unwrap_or(0);
        log.mark_read();
        Ok(log)
    }

    /// What the newest snapshot stands for, and every entry after it, checked. It takes three requests one after the
    /// other: the list of snapshots; the newest one, beside the list of the entries after it; all of those at once.
    ///
    /// # Errors
    /// Whatever is wrong with any entry that is read. A snapshot that cannot be used is passed over.
    pub async fn tail(&self) -> Result<Log, JournalError> {
        let snapshots = self.snapshots().await?;
        let Some(seq) = newest_of_ours(&snapshots) else {
            return self.load_after(&snapshots).await;
        };
        let (name, before) = (snapshot::name(seq), entry::name(seq - 1));
        let (bytes, names) =
            futures_util::try_join!(self.place.read_file(&name), self.place.names(Some(before.as_str())))?;
        let sum = bytes.map_or_else(|| Err("there is nothing to read".into()), |bytes| snapshot::decode(&bytes, seq));
        let sum = match sum {
            Ok(sum) => sum,
            Err(why) => {
                tracing::warn!(snapshot = self.place.path_of(&name), why, "a snapshot is passed over");
                return self.load().await;
            }
        };
        let (listed, newest) = (last(&names), newest(&snapshots));
        // The entry that the snapshot ends with is read too: the two must fit.
        let first = async { self.place.read(seq).await };
        let rest = self.read_on(Log::after(sum.clone()), listed, newest);
        let (first, rest) = futures_util::join!(first, rest);
        match first? {
            Some(bytes) if hash(&bytes) == sum.tip => {}
            Some(_) => {
                let snapshot = self.place.path_of(&name);
                tracing::warn!(snapshot, "a snapshot does not fit its entry and is passed over");
                return self.load().await;
            }
            None => return Err(self.missing(seq, listed, newest)),
        }
        let mut log = rest?;
        log.mark_read();
        Ok(log)
    }

    /// As [`Journal::load`], where the list of snapshots is there and none of them can be used.
    async fn load_after(&self, snapshots: &[(u64, u32)]) -> Result<Log, JournalError> {
        let listed = last(&self.place.names(None).await?);
        let mut log = self.read_on(Log::default(), listed, newest(snapshots)).await?;
        log.mark_read();
        Ok(log)
    }

    /// The snapshots that there are: the entry that each stands for, and its version.
    pub(super) async fn snapshots(&self) -> Result<Vec<(u64, u32)>, JournalError> {
        let names = self.place.names_of(snapshot::FOLDER).await?;
        let mut found: Vec<_> = names.iter().filter_map(|name| snapshot::number(name)).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Reads the entries after `log`, many at a time, up to the last that is `listed`, or that the `newest` snapshot
    /// stands for.
    async fn read_on(&self, mut log: Log, listed: u64, newest: u64) -> Result<Log, JournalError> {
        let mut objects = self.entries(log.head() + 1, listed, newest);
        while let Some((object, bytes)) = objects.try_next().await? {
            log.admit(&bytes, &object)?;
        }
        drop(objects);
        Ok(log)
    }

    /// The entries from `first` on, in order, up to the last that is `listed`, or that the `newest` snapshot stands
    /// for: each with its path.
    pub(super) fn entries(
        &self,
        first: u64,
        listed: u64,
        newest: u64,
    ) -> impl Stream<Item = Result<(String, Bytes), JournalError>> + Unpin {
        futures_util::stream::iter(first..=listed.max(newest))
            .map(move |seq| async move {
                let bytes = self.place.read(seq).await?.ok_or_else(|| self.missing(seq, listed, newest))?;
                Ok((self.place.object(seq), bytes))
            })
            .buffered(READS_MAX)
            .boxed()
    }

    /// The error of an entry that is not there, though the last one that is `listed`, or the `newest` snapshot, is.
    pub(super) fn missing(&self, seq: u64, listed: u64, newest: u64) -> JournalError {
        let why = if seq > listed {
            format!("it is missing, but there is a snapshot of the first {newest} entries: it was removed from the end")
        } else if seq == listed {
            "its name is listed, but there is nothing to read (a link that leads nowhere?)".into()
        } else {
            format!("it is missing, but entry {listed} exists")
        };
        JournalError::Broken { object: self.place.object(seq), why }
    }

    /// Writes the snapshot that is due, in one attempt: without it the next run reads more, and whoever appends next
    /// tries again.
    async fn write_due_snapshot(&self, log: &mut Log) {
        let due = log.head() / SNAPSHOT_EVERY * SNAPSHOT_EVERY;
        if due <= log.snapshot {
            return;
        }
        log.snapshot = due;
        let Some(sum) = log.sum_at(due) else { return };
        let name = snapshot::name(due);
        if let Err(why) = self.place.try_to_create(&name, &snapshot::encode(&sum)).await {
            tracing::warn!(snapshot = self.place.path_of(&name), why, "a snapshot was not written");
        }
        log.keep(sum);
    }

    /// Takes the lease, by writing an entry that says so. `log` is what was loaded before; it is read on from there.
    ///
    /// # Errors
    /// [`JournalError::Held`] where a living run holds it and `mode` is [`Acquire::IfFree`]; whatever is wrong
    /// with the journal, which must be whole and writable before anything else happens.
    pub async fn acquire(&self, mut log: Log, owner: Owner, mode: Acquire) -> Result<Session, JournalError> {
        self.catch_up(&mut log).await?;
        for _ in 0..CONFLICTS_MAX {
            let (began, now) = (Instant::now(), self.clock.now());
            let body = match (log.lease(), &mode) {
                (None, _) => Body::LeaseAcquired { owner: owner.clone() },
                (Some(lease), Acquire::IfFree) if self.over(lease, &log, now) && !bug(Bug::LeaseForEver) => {
                    let reason = match lease.expired(now) {
                        true => format!("the lease had expired at {}", lease.until),
                        false => format!("its owner has written nothing for {} s", self.term.as_secs()),
                    };
                    Body::LeaseTaken { owner: owner.clone(), from: lease.owner.run, reason }
                }
                (Some(lease), Acquire::IfFree) => return Err(self.held(lease)),
                (Some(lease), Acquire::Preempt { reason }) => {
                    let reason = match lease.expired(now) {
                        true => format!("{reason} (it had expired at {})", lease.until),
                        false => reason.clone(),
                    };
                    Body::LeaseTaken { owner: owner.clone(), from: lease.owner.run, reason }
                }
            };
            if self.append(&mut log, owner.run, body, now).await? == Slot::Committed {
                return Ok(Session::new(self.clone(), log, owner, began));
            }
        }
        Err(self.crowded(&log))
    }

    /// Whether anybody may take the lease over: it has expired by our clock, or, whatever the clocks say, its owner was
    /// seen to write nothing for a whole term. Where a clock is wrong this comes early, which costs a run and breaks
    /// nothing.
    pub(super) fn over(&self, lease: &Lease, log: &Log, now: Timestamp) -> bool {
        lease.expired(now) || log.unmoved_for() >= self.term
    }

    /// Waits until the lease can be acquired without taking it from a living run, reading on what is written meanwhile;
    /// `tell` hears of every owner that is waited for. Returns the log as it is then: what was watched for a while has
    /// not to be waited out after a takeover.
    ///
    /// # Errors
    /// [`JournalError::Held`] where it is still held after `patience`; whatever is wrong with the journal.
    pub async fn until_free(&self, patience: Duration, mut tell: impl FnMut(&Lease)) -> Result<Log, JournalError> {
        let mut log = self.tail().await?;
        let give_up_at = Instant::now() + patience;
        let mut told = None;
        loop {
            let Some(lease) = log.lease().filter(|lease| !self.over(lease, &log, self.clock.now())) else {
                return Ok(log);
            };
            if Instant::now() >= give_up_at {
                return Err(self.held(lease));
            }
            if told.replace(lease.since) != Some(lease.since) {
                tell(lease);
            }
            tokio::time::sleep_until((Instant::now() + LOOK_AGAIN).min(give_up_at)).await;
            self.catch_up(&mut log).await?;
        }
    }

    /// Takes the lease from whoever holds it, with the reason, and gives it free at once. Returns who held it; `None`
    /// where nobody did. The run that held it can write nothing any more, and whoever acquires the lease next still
    /// waits for its calls.
    ///
    /// # Errors
    /// Whatever is wrong with the journal.
    pub async fn break_lease(&self, by: Owner, reason: String) -> Result<Option<Owner>, JournalError> {
        let log = self.tail().await?;
        if log.lease().is_none() {
            return Ok(None);
        }
        let session = self.acquire(log, by, Acquire::Preempt { reason }).await?;
        let held = session.taken_from();
        session.release().await?;
        Ok(held)
    }

    fn held(&self, lease: &Lease) -> JournalError {
        JournalError::Held {
            environment: self.environment.clone(),
            owner: Box::new(lease.owner.clone()),
            until: lease.until,
        }
    }

    /// Writes `body` as the entry after the last one of `log`. Either way `log` then holds every entry up to
    /// that number or beyond: one's own, or those of whoever was faster.
    pub(super) async fn append(
        &self,
        log: &mut Log,
        run: RunId,
        body: Body,
        now: Timestamp,
    ) -> Result<Slot, JournalError> {
        let seq = log.head() + 1;
        let lease_until = (body != Body::LeaseReleased).then(|| now + self.term);
        // A writer whose clock is behind does not write history backwards.
        let at = log.last_at().map_or(now, |last| last.max(now));
        let entry =
            Entry { schema: SCHEMA, seq, id: self.new_id(), prev: log.tip().into(), at, run, lease_until, body };
        let bytes = entry.encode();
        let slot = self.place.create(seq, &bytes).await?;
        match slot {
            Slot::Committed => {
                log.admit(&bytes, &self.place.object(seq))?;
                // The call that an intent announces is not kept waiting.
                if !matches!(log.entries().last().map(|e| &e.body), Some(Body::Event(Event::Intent { .. }))) {
                    self.write_due_snapshot(log).await;
                }
            }
            Slot::Taken => self.catch_up(log).await?,
        }
        Ok(slot)
    }

    /// Reads on from the last entry of `log` to the end.
    async fn catch_up(&self, log: &mut Log) -> Result<(), JournalError> {
        loop {
            let seq = log.head() + 1;
            let Some(bytes) = self.place.read(seq).await? else { break };
            log.admit(&bytes, &self.place.object(seq))?;
        }
        log.mark_read();
        Ok(())
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The error after too many conflicts.
    pub(super) fn crowded(&self, log: &Log) -> JournalError {
        JournalError::Store {
            doing: "write",
            object: self.place.object(log.head() + 1),
            why: format!("another writer was faster {CONFLICTS_MAX} times in a row; try again"),
        }
    }
}

/// The highest number among the names, 0 for none. Files with other names are not the journal's.
pub(super) fn last(names: &[String]) -> u64 {
    names.iter().filter_map(|name| entry::number(name)).max().unwrap_or(0)
}

/// What the newest snapshot of any version stands for, 0 where there is none.
pub(super) fn newest(snapshots: &[(u64, u32)]) -> u64 {
    snapshots.iter().map(|(seq, _)| *seq).max().unwrap_or(0)
}

/// The newest snapshot of this program's version.
fn newest_of_ours(snapshots: &[(u64, u32)]) -> Option<u64> {
    snapshots.iter().filter(|(_, version)| *version == snapshot::SNAPSHOT).map(|(seq, _)| *seq).max()
}
