//! What a journal must do, run over every store that there is.
//!
//! Where a test meddles with the store's answers it is in `faulty_tests`; here the stores behave.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use jiff::{SignedDuration, Timestamp};
use object_store::memory::InMemory;
use tokio::time::Instant;

use super::*;
use crate::clock::Clock;
use crate::config::JournalLocation;
use crate::dev::{DevCloud, DevOptions};
use crate::release::{CLOCKS_APART_MAX, Color, Effect, EffectResult, Event, Unsent};

#[path = "faulty_tests.rs"]
mod faulty;
#[path = "race_tests.rs"]
mod race;
#[path = "tail_tests.rs"]
mod tail;
#[path = "verify_tests.rs"]
mod verify;

use tail::{a_long_journal_is_read_from_its_newest_snapshot, whoever_goes_on_from_a_snapshot_writes_what_follows};
use verify::a_whole_journal_is_found_whole_and_is_exported_as_it_is;

/// A journal in some store; whatever must outlive the test is kept beside it.
struct Bench {
    journal: Journal,
    _folder: Option<tempfile::TempDir>,
    cloud: Option<DevCloud>,
}

/// Where a test's clock starts.
fn start() -> Timestamp {
    "2026-11-21T02:15:00Z".parse().unwrap()
}

fn memory() -> Bench {
    let journal = Journal::with_store(Arc::new(InMemory::new()), "shop-prod").with_clock(Clock::starting_at(start()));
    Bench { journal, _folder: None, cloud: None }
}

fn folder() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let location = JournalLocation::Folder(folder.path().join("journal"));
    let journal = Journal::open(&location, "shop-prod", &SdkConfig::builder().build())
        .unwrap()
        .with_clock(Clock::starting_at(start()));
    Bench { journal, _folder: Some(folder), cloud: None }
}

/// A bucket of the dev cloud, through object_store's own client for S3.
async fn bucket() -> Bench {
    let cloud = DevCloud::in_process(DevOptions::default()).await.unwrap();
    let store = cloud.bucket("eu-west-1", "releases").unwrap();
    let journal = Journal::with_store(store, "shop-prod").with_clock(Clock::starting_at(start()));
    Bench { journal, _folder: None, cloud: Some(cloud) }
}

/// Runs each test over each store, under paused time.
macro_rules! over_every_store {
    ($($test:ident),* $(,)?) => {
        mod in_memory { $(#[tokio::test(start_paused = true)] async fn $test() {
            super::$test(super::memory().journal).await
        })* }
        mod in_a_folder { $(#[tokio::test(start_paused = true)] async fn $test() {
            let bench = super::folder();
            super::$test(bench.journal.clone()).await
        })* }
        mod in_a_bucket { $(#[tokio::test(start_paused = true)] async fn $test() {
            let bench = super::bucket().await;
            super::$test(bench.journal.clone()).await
        })* }
    };
}

over_every_store! {
    a_long_journal_is_read_from_its_newest_snapshot,
    a_whole_journal_is_found_whole_and_is_exported_as_it_is,
    an_empty_journal_is_free,
    what_is_appended_is_read_by_others_in_order,
    whoever_goes_on_from_a_snapshot_writes_what_follows,
    of_many_concurrent_acquires_exactly_one_wins,
    a_released_lease_is_free_at_once,
    an_expired_lease_is_taken_over_and_a_living_one_is_not,
    every_append_extends_the_lease,
    a_lease_is_renewed_when_a_third_of_its_term_has_passed,
    an_owner_whose_lease_expired_goes_on_while_nobody_took_it,
    a_preempted_owner_can_write_nothing_any_more,
    an_owner_is_fenced_by_whoever_took_over_and_not_by_whoever_came_later,
    a_successor_waits_out_the_calls_that_may_be_on_their_way,
    a_successor_waits_as_long_whatever_its_clock_says,
    a_successor_that_has_watched_has_waited_already,
    a_successor_waits_for_nothing_that_is_settled,
    time_does_not_run_backwards_in_a_journal,
    a_dead_owner_holds_the_lease_for_a_minute_whatever_its_clock_says,
    whoever_waits_for_a_lease_gets_it_when_it_is_given_back,
    whoever_waits_for_a_lease_gives_up_where_its_owner_lives,
    a_broken_lease_is_free_and_its_owner_fenced,
    open_intents_are_those_without_an_outcome,
    long_work_keeps_the_lease,
    long_work_is_dropped_when_the_lease_is_lost,
}

fn owner(verb: &str) -> Owner {
    Owner::this_process(verb)
}

async fn acquire(journal: &Journal, verb: &str) -> Result<Session, JournalError> {
    journal.acquire(journal.tail().await?, owner(verb), Acquire::IfFree).await
}

async fn preempt(journal: &Journal, verb: &str) -> Session {
    let reason = format!("somebody asked for {verb}");
    journal.acquire(journal.tail().await.unwrap(), owner(verb), Acquire::Preempt { reason }).await.unwrap()
}

fn flip(deadline: Timestamp) -> Event {
    Event::Intent { effect: Effect::Flip { from: Color::new("blue"), to: Color::new("green") }, deadline }
}

fn accepted() -> Event {
    Event::Outcome { result: EffectResult::Accepted { change: None } }
}

fn unknown() -> Event {
    Event::Outcome { result: EffectResult::Unknown { saw: "no answer".into() } }
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

async fn an_empty_journal_is_free(journal: Journal) {
    let log = journal.load().await.unwrap();
    assert_eq!((log.entries().len(), log.lease(), log.open_intents().len()), (0, None, 0));
}

async fn what_is_appended_is_read_by_others_in_order(journal: Journal) {
    let mut session = acquire(&journal, "deploy").await.unwrap();
    let written = [Event::Cleared, Event::Warmed, flip(start()), accepted(), Event::Switched];
    for (event, seq) in written.iter().zip(2..) {
        let entry = session.append(event.clone()).await.unwrap();
        assert_eq!((entry.seq, &entry.body), (seq, &Body::Event(event.clone())));
    }
    let log = journal.load().await.unwrap();
    assert_eq!(log.entries(), session.log().entries());
    let read: Vec<_> = log.events().map(|(_, event)| event.clone()).collect();
    assert_eq!(read, written);
    assert_eq!(log.lease().unwrap().owner, *session.owner());
    assert!(log.entries().iter().all(|entry| entry.run == session.owner().run && entry.at == start()));
}

async fn of_many_concurrent_acquires_exactly_one_wins(journal: Journal) {
    let rivals = (0..8).map(|_| acquire(&journal, "deploy"));
    let outcomes = futures_util::future::join_all(rivals).await;
    let winners: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    assert_eq!(winners.len(), 1);
    for loser in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        let JournalError::Held { owner, until, .. } = loser else { panic!("{loser}") };
        assert_eq!((&**owner, *until), (winners[0].owner(), start() + LEASE_TERM));
    }
    assert_eq!(journal.load().await.unwrap().entries().len(), 1);
}

async fn a_released_lease_is_free_at_once(journal: Journal) {
    acquire(&journal, "deploy").await.unwrap().release().await.unwrap();
    assert_eq!(journal.load().await.unwrap().lease(), None);
    let next = acquire(&journal, "sweep").await.unwrap();
    assert!(matches!(next.log().entries().last().unwrap().body, Body::LeaseAcquired { .. }));
}

async fn an_expired_lease_is_taken_over_and_a_living_one_is_not(journal: Journal) {
    let dead = acquire(&journal, "deploy").await.unwrap();
    pass(59).await;
    let error = acquire(&journal, "sweep").await.unwrap_err();
    assert!(matches!(error, JournalError::Held { .. }), "{error}");
    pass(1).await;
    let next = acquire(&journal, "sweep").await.unwrap();
    let Body::LeaseTaken { from, reason, .. } = &next.log().entries().last().unwrap().body else { panic!() };
    assert_eq!((*from, reason.as_str()), (dead.owner().run, "the lease had expired at 2026-11-21T02:16:00Z"));
}

async fn every_append_extends_the_lease(journal: Journal) {
    let mut session = acquire(&journal, "deploy").await.unwrap();
    for minute in 0..5 {
        pass(50).await;
        session.append(Event::Warmed).await.unwrap();
        let until = journal.load().await.unwrap().lease().unwrap().until;
        assert_eq!(until, start() + Duration::from_secs(50 * (minute + 1)) + LEASE_TERM);
        assert!(acquire(&journal, "sweep").await.is_err());
    }
}

async fn a_lease_is_renewed_when_a_third_of_its_term_has_passed(journal: Journal) {
    let mut session = acquire(&journal, "deploy").await.unwrap();
    pass(19).await;
    session.renew_if_due().await.unwrap();
    assert_eq!(session.log().entries().len(), 1);
    pass(1).await;
    session.renew_if_due().await.unwrap();
    session.renew_if_due().await.unwrap();
    assert_eq!(session.log().entries().len(), 2);
    assert_eq!(journal.load().await.unwrap().lease().unwrap().until, start() + Duration::from_secs(80));
}

async fn an_owner_whose_lease_expired_goes_on_while_nobody_took_it(journal: Journal) {
    let mut session = acquire(&journal, "deploy").await.unwrap();
    pass(3600).await;
    session.append(Event::Warmed).await.unwrap();
    assert!(matches!(acquire(&journal, "sweep").await, Err(JournalError::Held { .. })));
}

async fn a_preempted_owner_can_write_nothing_any_more(journal: Journal) {
    let mut old = acquire(&journal, "deploy").await.unwrap();
    let mut new = preempt(&journal, "rollback").await;
    for _ in 0..3 {
        let error = old.append(Event::Switched).await.unwrap_err();
        let JournalError::Fenced { by, reason, .. } = &error else { panic!("{error}") };
        assert_eq!((&**by, reason.as_str()), (new.owner(), "somebody asked for rollback"));
    }
    pass(30).await;
    assert!(matches!(old.renew_if_due().await, Err(JournalError::Fenced { .. })));
    assert!(matches!(old.release().await, Err(JournalError::Fenced { .. })));
    new.append(Event::Resumed).await.unwrap();
    assert_eq!(journal.load().await.unwrap().entries().len(), 3);
}

async fn an_owner_is_fenced_by_whoever_took_over_and_not_by_whoever_came_later(journal: Journal) {
    let mut old = acquire(&journal, "deploy").await.unwrap();
    let rollback = preempt(&journal, "rollback").await;
    let taker = rollback.owner().clone();
    rollback.release().await.unwrap();
    let _later = acquire(&journal, "sweep").await.unwrap();
    let error = old.append(Event::Switched).await.unwrap_err();
    assert!(matches!(&error, JournalError::Fenced { by, .. } if **by == taker), "{error}");
}

/// How long whoever takes over has to wait, in whole seconds.
fn settles(session: &Session) -> Option<u64> {
    session.settles_in().map(|left| left.as_millis().div_ceil(1000) as u64)
}

async fn a_successor_waits_out_the_calls_that_may_be_on_their_way(journal: Journal) {
    // Each case has its own deadlines, later than those before: what an earlier case left open must not help.
    let case = |n: u64| (start() + Duration::from_secs(30 + 2 * n), start() + Duration::from_secs(29 + 2 * n));
    let unanswered: [fn(Timestamp, Timestamp) -> Vec<Event>; 4] = [
        |late, _| vec![flip(late)],
        |late, _| vec![flip(late), unknown()],
        // An answer to a later call says nothing about the earlier one.
        |late, early| vec![flip(late), unknown(), flip(early), accepted(), Event::Switched],
        |late, early| vec![flip(late), flip(early), accepted()],
    ];
    for (n, events) in (0..).zip(unanswered) {
        let (late, early) = case(n);
        let events = events(late, early);
        let mut old = preempt(&journal, "deploy").await;
        for event in &events {
            old.append(event.clone()).await.unwrap();
        }
        let new = preempt(&journal, "rollback").await;
        let wait = Some(30 + 2 * n + SETTLE_MARGIN.as_secs());
        assert_eq!(settles(&new), wait, "{events:?}");
        // The successor dies before it settles: the next one has the same to wait for.
        let next = preempt(&journal, "abort").await;
        assert_eq!(settles(&next), wait, "{events:?}");
        // Also after an owner gave the lease back with the call unanswered.
        next.release().await.unwrap();
        let after = acquire(&journal, "sweep").await.unwrap();
        assert_eq!(settles(&after), wait, "{events:?}");
    }
    // As long as the clocks may be apart it costs as much; after that it is over by any clock.
    pass(36 + u64::try_from(CLOCKS_APART_MAX.as_secs()).unwrap()).await;
    assert_eq!(settles(&preempt(&journal, "rollback").await), Some(10));
    pass(10).await;
    assert_eq!(settles(&preempt(&journal, "rollback").await), None);
}

async fn a_successor_waits_as_long_whatever_its_clock_says(journal: Journal) {
    let mut old = acquire(&journal, "deploy").await.unwrap();
    old.append(flip(old.stamp() + Duration::from_secs(15))).await.unwrap();
    for apart in [-60, -59, -1, 0, 1, 59, 60] {
        let clock = Clock::starting_at(journal.clock().now() + SignedDuration::from_secs(apart));
        let new = preempt(&journal.clone().with_clock(clock), "rollback").await;
        assert_eq!(settles(&new), Some(15 + 10), "a clock that is {apart} s off");
    }
}

async fn a_successor_that_has_watched_has_waited_already(journal: Journal) {
    let mut old = acquire(&journal, "deploy").await.unwrap();
    old.append(flip(old.stamp() + Duration::from_secs(15))).await.unwrap();
    let watched = journal.load().await.unwrap();
    pass(20).await;
    let mode = Acquire::Preempt { reason: "a test".into() };
    let new = journal.acquire(watched, Owner::this_process("rollback"), mode).await.unwrap();
    assert_eq!(settles(&new), Some(5));
}

async fn time_does_not_run_backwards_in_a_journal(journal: Journal) {
    let ahead = journal.clone().with_clock(Clock::starting_at(start() + Duration::from_secs(60)));
    acquire(&ahead, "deploy").await.unwrap().release().await.unwrap();
    let mut behind = acquire(&journal, "rollback").await.unwrap();
    behind.append(Event::Warmed).await.unwrap();
    let log = journal.load().await.unwrap();
    assert!(log.entries().is_sorted_by_key(|entry| entry.at), "{:#?}", log.entries());
    assert_eq!(behind.stamp(), start() + Duration::from_secs(60));
    // The lease ends by the clock of whoever holds it, or a clock that is wrong would block for longer than the term.
    assert_eq!(log.lease().unwrap().until, start() + LEASE_TERM);
}

async fn a_successor_waits_for_nothing_that_is_settled(journal: Journal) {
    let mut old = acquire(&journal, "deploy").await.unwrap();
    old.append(flip(start() + Duration::from_secs(30))).await.unwrap();
    old.append(accepted()).await.unwrap();
    old.append(Event::Switched).await.unwrap();
    let mut new = preempt(&journal, "rollback").await;
    assert_eq!(settles(&new), None);
    new.append(flip(start() + Duration::from_secs(30))).await.unwrap();
    let late = EffectResult::NotSent { why: Unsent::Late, saw: "it stood still".into() };
    new.append(Event::Outcome { result: late }).await.unwrap();
    assert_eq!(settles(&preempt(&journal, "rollback").await), None);
}

async fn a_dead_owner_holds_the_lease_for_a_minute_whatever_its_clock_says(journal: Journal) {
    for apart in [-120, -60, 0, 60, 120] {
        let clock = Clock::starting_at(journal.clock().now() + SignedDuration::from_secs(apart));
        let dead = preempt(&journal.clone().with_clock(clock), "deploy").await;
        let began = Instant::now();
        let mut told = 0;
        let log = journal.until_free(Duration::from_secs(90), |_| told += 1).await.unwrap();
        let waited = began.elapsed();
        assert!(waited <= LEASE_TERM + Duration::from_secs(2), "{apart}: {waited:?}");
        if apart >= 0 {
            assert!(waited >= LEASE_TERM - Duration::from_secs(2), "{apart}: {waited:?}");
        }
        let session = journal.acquire(log, owner("deploy"), Acquire::IfFree).await.unwrap();
        assert_eq!(session.taken_from().as_ref(), Some(dead.owner()));
        assert!(told <= 1, "{told}");
    }
}

async fn whoever_waits_for_a_lease_gets_it_when_it_is_given_back(journal: Journal) {
    let mut living = acquire(&journal, "deploy").await.unwrap();
    let work = async {
        living.while_renewing(tokio::time::sleep(Duration::from_secs(200))).await.unwrap();
        living.release().await.unwrap();
    };
    let began = Instant::now();
    let (log, ()) = tokio::join!(journal.until_free(Duration::from_secs(300), |_| {}), work);
    assert!((200..=203).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!(log.unwrap().lease(), None);
}

async fn whoever_waits_for_a_lease_gives_up_where_its_owner_lives(journal: Journal) {
    let mut living = acquire(&journal, "deploy").await.unwrap();
    let patience = Duration::from_secs(150);
    let began = Instant::now();
    tokio::select! {
        _ = living.while_renewing(std::future::pending::<()>()) => unreachable!("it is never done"),
        gave_up = journal.until_free(patience, |_| {}) => {
            assert!(matches!(gave_up, Err(JournalError::Held { .. })), "{gave_up:?}");
        }
    }
    assert_eq!(began.elapsed().as_secs(), patience.as_secs());
}

async fn a_broken_lease_is_free_and_its_owner_fenced(journal: Journal) {
    assert_eq!(journal.break_lease(owner("lease break"), "a test".into()).await.unwrap(), None);
    assert!(journal.load().await.unwrap().entries().is_empty());
    let mut old = acquire(&journal, "deploy").await.unwrap();
    old.append(flip(old.stamp() + Duration::from_secs(15))).await.unwrap();
    let held = journal.break_lease(owner("lease break"), "it hangs".into()).await.unwrap();
    assert_eq!(held.as_ref(), Some(old.owner()));
    let error = old.append(accepted()).await.unwrap_err();
    assert!(
        matches!(&error, JournalError::Fenced { by, reason, .. } if by.verb == "lease break" && reason == "it hangs")
    );
    // The next run has it at once, and waits for what is in flight.
    let next = acquire(&journal, "deploy").await.unwrap();
    assert_eq!((settles(&next), next.taken_from()), (Some(25), None));
}

async fn open_intents_are_those_without_an_outcome(journal: Journal) {
    let deadline = start() + Duration::from_secs(30);
    let mut old = acquire(&journal, "deploy").await.unwrap();
    old.append(flip(deadline)).await.unwrap();
    old.append(accepted()).await.unwrap();
    assert!(old.log().open_intents().is_empty());
    old.append(Event::Warmed).await.unwrap();
    old.append(flip(deadline)).await.unwrap();
    let new = preempt(&journal, "rollback").await;
    let effect = &Effect::Flip { from: Color::new("blue"), to: Color::new("green") };
    assert_eq!(new.log().open_intents(), [OpenIntent { seq: 5, run: old.owner().run, effect, deadline }]);
}

async fn long_work_keeps_the_lease(journal: Journal) {
    let mut session = acquire(&journal, "deploy").await.unwrap();
    let others = journal.clone();
    let work = async move {
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let error = acquire(&others, "sweep").await.unwrap_err();
            assert!(matches!(error, JournalError::Held { .. }), "{error}");
        }
        "done"
    };
    assert_eq!(session.while_renewing(work).await.unwrap(), "done");
    let renewals = session.log().entries().iter().filter(|entry| entry.body == Body::LeaseRenewed).count();
    // Every 20 s of 600, and none beyond need.
    assert!((29..=30).contains(&renewals), "{renewals}");
    assert_eq!(journal.load().await.unwrap().entries(), session.log().entries());
}

async fn long_work_is_dropped_when_the_lease_is_lost(journal: Journal) {
    let mut session = acquire(&journal, "deploy").await.unwrap();
    let taken = preempt(&journal, "rollback").await;
    let began = tokio::time::Instant::now();
    let error = session.while_renewing(std::future::pending::<()>()).await.unwrap_err();
    assert!(matches!(&error, JournalError::Fenced { by, .. } if **by == *taken.owner()), "{error}");
    assert!(began.elapsed() <= Duration::from_secs(21), "noticed after {:?}", began.elapsed());
}
