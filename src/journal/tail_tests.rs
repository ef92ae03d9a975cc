//! Snapshots: what is read from them is what all entries add up to, whatever became of the snapshot.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};

use super::*;
use crate::chance::Chance;
use crate::journal::snapshot;
use crate::release::{GroupPin, Pins, ReleaseId, RoutePin, SwitchPin};

#[path = "../../tests/support/given_up.rs"]
mod given_up;

/// The events of a release that is given up at once; the call of every third one gets no answer.
pub(super) fn release(number: u64, at: Timestamp) -> [Event; 5] {
    let answer = match number.is_multiple_of(3) {
        true => EffectResult::Unknown { saw: "no answer".into() },
        false => EffectResult::Accepted { change: None },
    };
    given_up::given_up(number, at, answer)
}

/// Writes releases until the journal has at least so many entries.
pub(super) async fn write(journal: &Journal, entries: u64) -> Session {
    let mut session = acquire(journal, "deploy").await.unwrap();
    for number in 0.. {
        for event in release(number, journal.clock().now()) {
            session.append(event).await.unwrap();
        }
        if session.log().head() >= entries {
            break;
        }
    }
    session
}

/// What two logs say must be the same, but for the entries that one of them has read.
fn agree(one: &Log, other: &Log) {
    assert_eq!((one.head(), one.tip(), one.lease()), (other.head(), other.tip(), other.lease()));
    assert_eq!(one.replay().unwrap(), other.replay().unwrap());
    assert_eq!((one.unsettled(), one.open_intents()), (other.unsettled(), other.open_intents()));
    assert_eq!(one.last_at(), other.last_at());
}

pub(super) async fn a_long_journal_is_read_from_its_newest_snapshot(journal: Journal) {
    let session = write(&journal, 200).await;
    let (all, tail) = (journal.load().await.unwrap(), journal.tail().await.unwrap());
    agree(&all, &tail);
    agree(&all, session.log());
    assert_eq!(all.entries().len() as u64, all.head());
    assert_eq!(tail.entries(), &all.entries()[192..], "three snapshots of 64 entries");
    assert_eq!(tail.owner_of(session.owner().run), Some(session.owner()));
}

pub(super) async fn whoever_goes_on_from_a_snapshot_writes_what_follows(journal: Journal) {
    write(&journal, 70).await.release().await.unwrap();
    for number in 0..20 {
        let mut session = acquire(&journal, "deploy").await.unwrap();
        assert!(session.log().entries().len() <= 64 + 3, "{}", session.log().entries().len());
        for event in release(number, journal.clock().now()) {
            session.append(event).await.unwrap();
        }
        session.release().await.unwrap();
    }
    agree(&journal.load().await.unwrap(), &journal.tail().await.unwrap());
    let snapshots: Vec<u64> = journal.snapshots().await.unwrap().into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(snapshots, [64, 128, 192]);
}

/// A store in front of `inner` that takes its time, counts, shows old listings, or does not honor conditions.
#[derive(Debug)]
pub(super) struct Odd {
    pub(super) inner: Arc<InMemory>,
    pub(super) latency: Duration,
    /// Up to so many of the newest names are missing from a listing.
    pub(super) stale: Option<(Chance, u64)>,
    pub(super) ignores_conditions: bool,
    pub(super) puts: AtomicU64,
    pub(super) gets: AtomicU64,
    pub(super) lists: AtomicU64,
}

impl Odd {
    pub(super) fn new(inner: &Arc<InMemory>) -> Self {
        Self {
            inner: Arc::clone(inner),
            latency: Duration::ZERO,
            stale: None,
            ignores_conditions: false,
            puts: AtomicU64::new(0),
            gets: AtomicU64::new(0),
            lists: AtomicU64::new(0),
        }
    }

    fn listing(
        &self,
        prefix: Option<&Path>,
        offset: Option<&Path>,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        let stale = self.stale.as_ref().map_or(0, |(chance, most)| chance.below(most + 1));
        let (inner, latency) = (Arc::clone(&self.inner), self.latency);
        let (prefix, offset) = (prefix.cloned(), offset.cloned());
        let answer = async move {
            tokio::time::sleep(latency).await;
            let listing = match offset {
                Some(offset) => inner.list_with_offset(prefix.as_ref(), &offset),
                None => inner.list(prefix.as_ref()),
            };
            let mut all: Vec<_> = listing.collect().await;
            // Entries and snapshots grow at the end of their folders; what is stale lacks the newest of each.
            let newest = |all: &[object_store::Result<ObjectMeta>]| {
                all.iter().rposition(|m| m.as_ref().is_ok_and(|m| !m.location.as_ref().contains("conditional")))
            };
            for _ in 0..stale {
                if let Some(at) = newest(&all) {
                    drop(all.remove(at));
                }
            }
            futures_util::stream::iter(all)
        };
        futures_util::stream::once(answer).flatten().boxed()
    }
}

impl std::fmt::Display for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Odd")
    }
}

#[async_trait]
impl ObjectStore for Odd {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.puts.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.latency).await;
        let mode = if self.ignores_conditions { PutMode::Overwrite } else { opts.mode.clone() };
        self.inner.put_opts(location, payload, PutOptions { mode, ..opts }).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.latency).await;
        self.inner.get_opts(location, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        opts: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, opts).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.listing(prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.listing(prefix, Some(offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

pub(super) fn journal_in(store: Arc<dyn ObjectStore>) -> Journal {
    Journal::with_store(store, "shop-prod").with_clock(Clock::starting_at(start()))
}

pub(super) fn at(name: &str) -> Path {
    format!("shop-prod/{name}").as_str().into()
}

/// Puts other bytes in the place of an object, as switchback never does.
pub(super) async fn overwrite(store: &InMemory, name: &str, bytes: impl Into<Bytes>) {
    store.put(&at(name), PutPayload::from(bytes.into())).await.unwrap();
}

pub(super) async fn bytes(store: &InMemory, name: &str) -> Bytes {
    store.get(&at(name)).await.unwrap().bytes().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn of_ten_thousand_entries_the_last_few_are_read_in_three_requests_one_after_the_other() {
    let inner = Arc::new(InMemory::new());
    write(&journal_in(inner.clone()), 10_000).await;
    let store = Arc::new(Odd { latency: Duration::from_secs(1), ..Odd::new(&inner) });
    let journal = journal_in(store.clone());
    let began = tokio::time::Instant::now();
    let log = journal.tail().await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(3), "each request takes a second");
    assert!(log.head() >= 10_000 && log.entries().len() <= 64, "{} {}", log.head(), log.entries().len());
    let (gets, lists) = (store.gets.load(Ordering::SeqCst), store.lists.load(Ordering::SeqCst));
    assert!(lists == 2 && gets <= 66, "{lists} {gets}");
    agree(&log, &journal_in(inner).load().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_cannot_be_trusted_is_passed_over() {
    let inner = Arc::new(InMemory::new());
    let journal = journal_in(inner.clone());
    write(&journal, 70).await;
    let all = journal.load().await.unwrap();
    let name = snapshot::name(64);
    let good = String::from_utf8(bytes(&inner, &name).await.to_vec()).unwrap();
    let sum = snapshot::decode(good.as_bytes(), 64).unwrap();
    let of_other_entries = snapshot::encode(&crate::journal::sum::Sum { tip: "0".repeat(64), ..sum });
    let bad: [(&str, Bytes); 5] = [
        ("empty", Bytes::new()),
        ("cut short", good.as_bytes()[..good.len() / 2].to_vec().into()),
        ("one word changed", good.replace("ami-12", "ami-13").into()),
        ("a field of a newer program", good.replacen('{', "{\n  \"added-later\": true,", 1).into()),
        ("made of other entries", of_other_entries),
    ];
    for (what, bytes) in bad {
        assert_ne!(bytes, good.as_bytes(), "{what}");
        overwrite(&inner, &name, bytes).await;
        let tail = journal.tail().await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(tail.entries(), all.entries(), "{what}");
        agree(&tail, &all);
    }
    overwrite(&inner, &name, good).await;
    assert_eq!(journal.tail().await.unwrap().entries().len() as u64, all.head() - 64);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_another_version_is_left_to_that_version() {
    let inner = Arc::new(InMemory::new());
    let journal = journal_in(inner.clone());
    write(&journal, 70).await;
    let name = snapshot::name(64);
    let later = name.replace(&format!(".v{}.", snapshot::SNAPSHOT), ".v99.");
    assert_ne!(name, later);
    inner.rename(&at(&name), &at(&later)).await.unwrap();
    assert_eq!(journal.tail().await.unwrap().entries(), journal.load().await.unwrap().entries());
    // Whoever appends next writes one of its own.
    acquire(&journal, "sweep").await.unwrap_err();
    preempt(&journal, "rollback").await;
    assert!(journal.snapshots().await.unwrap().contains(&(64, snapshot::SNAPSHOT)));
}

#[tokio::test(start_paused = true)]
async fn entries_removed_from_the_end_are_missed_where_a_snapshot_knows_of_them() {
    let inner = Arc::new(InMemory::new());
    let journal = journal_in(inner.clone());
    write(&journal, 66).await;
    for seq in (60..=journal.load().await.unwrap().head()).rev() {
        inner.delete(&at(&format!("{seq:020}.json"))).await.unwrap();
    }
    for read in [journal.load().await, journal.tail().await] {
        let error = read.unwrap_err();
        assert!(matches!(error, JournalError::Broken { .. }), "{error}");
        assert!(error.to_string().contains("a snapshot of the first 64 entries"), "{error}");
    }
}

/// Writers take the lease from each other while readers look through listings that are old: each reading is what the
/// journal was at some time.
#[tokio::test(start_paused = true)]
async fn readers_see_a_prefix_of_the_journal_at_any_time_also_through_old_listings() {
    let inner = Arc::new(InMemory::new());
    let slow = |seed: u64, stale| {
        let latency = Duration::from_millis(3 + seed % 5);
        let stale = Some((Chance::of_seed(seed), stale));
        journal_in(Arc::new(Odd { latency, stale, ..Odd::new(&inner) }))
    };
    let mut tasks = tokio::task::JoinSet::new();
    for seed in 0..3 {
        let journal = slow(seed, 0);
        tasks.spawn(async move {
            for number in 0..25 {
                let mut session = preempt(&journal, "rollback").await;
                // A release that was fenced half-way is in the way of the next one: then this one is only given up.
                let mut events = release(number, journal.clock().now()).to_vec();
                if session.log().replay().unwrap().release.is_some_and(|r| !r.phase.is_settled()) {
                    events = vec![Event::AbortRequested, Event::Aborted];
                }
                for event in events {
                    let mut next = session.log().replay().unwrap();
                    if next.apply(journal.clock().now(), &event).is_err() {
                        continue;
                    }
                    match session.append(event).await {
                        Ok(_) => {}
                        Err(JournalError::Fenced { .. }) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            Vec::new()
        });
    }
    for seed in 10..14 {
        let journal = slow(seed, if seed % 2 == 0 { 3 } else { 80 });
        tasks.spawn(async move {
            let mut seen = Vec::new();
            for look in 0..60 {
                tokio::time::sleep(Duration::from_millis(60)).await;
                seen.push(if look % 3 == 0 { journal.load().await.unwrap() } else { journal.tail().await.unwrap() });
            }
            seen
        });
    }
    let seen = tasks.join_all().await.concat();
    let all = journal_in(inner).load().await.unwrap();
    assert!(all.head() > 200, "{}", all.head());
    let (mut short, mut from_snapshots) = (0, 0);
    for log in &seen {
        let then = all.sum_at(log.head()).expect("the events follow one from the other");
        assert_eq!((log.tip(), log.lease()), (then.tip.as_str(), then.lease.as_ref()), "entry {}", log.head());
        assert_eq!(log.replay().unwrap(), then.state, "entry {}", log.head());
        short += u32::from(log.head() < all.head());
        from_snapshots += u32::from((log.entries().len() as u64) < log.head());
    }
    assert!(seen.len() == 240 && short > 50 && from_snapshots > 20, "{} {short} {from_snapshots}", seen.len());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_ignores_conditions_is_refused_before_anything_is_written_and_every_time() {
    let inner = Arc::new(InMemory::new());
    let store = Arc::new(Odd { ignores_conditions: true, ..Odd::new(&inner) });
    for _ in 0..2 {
        let error = acquire(&journal_in(store.clone()), "deploy").await.unwrap_err();
        assert!(matches!(error, JournalError::Unconditional { .. }), "{error}");
        let shown = error.to_string();
        assert!(shown.contains("`If-None-Match: *`") && shown.contains("Amazon S3"), "{shown}");
        let left: Vec<_> = inner.list(None).map(|object| object.unwrap().location.to_string()).collect().await;
        assert_eq!(left, ["shop-prod/conditional.trial"], "nothing but what it was tried on");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_is_tried_once_and_again_where_the_journal_was_copied_to() {
    let inner = Arc::new(InMemory::new());
    let store = Arc::new(Odd::new(&inner));
    acquire(&journal_in(store.clone()), "deploy").await.unwrap().release().await.unwrap();
    assert_eq!(store.puts.swap(0, Ordering::SeqCst), 5, "the trial is three");
    acquire(&journal_in(store.clone()), "deploy").await.unwrap().release().await.unwrap();
    assert_eq!(store.puts.swap(0, Ordering::SeqCst), 2, "it is known");
    // The same objects in another place: one that calls itself otherwise.
    let copy = Arc::new(Odd { ignores_conditions: true, ..Odd::new(&inner) });
    let place = Journal::with_store_called(copy, "shop-prod", "elsewhere");
    let error = acquire(&place.with_clock(Clock::starting_at(start())), "deploy").await.unwrap_err();
    assert!(matches!(error, JournalError::Unconditional { .. }), "{error}");
}
