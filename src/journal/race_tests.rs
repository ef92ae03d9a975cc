//! Writers that race: on threads over every store, and in every order of their requests over one.

use std::collections::BTreeMap;

use object_store::ObjectStore;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::super::faults::Faulty;
use super::*;

/// Writers take the lease from each other as fast as they can and note what they were told is committed: no
/// number is given twice, and every committed entry is in the journal under its number.
async fn preempting_writers_never_share_a_number_and_never_lose_an_entry(journal: Journal) {
    let mut writers = JoinSet::new();
    for writer in 0..6 {
        let journal = journal.clone();
        writers.spawn(async move {
            let mut told = Vec::new();
            for round in 0..8 {
                let mut session = preempt(&journal, "rollback").await;
                for step in 0..4 {
                    let saw = format!("writer {writer}, round {round}, step {step}");
                    match session.append(Event::Outcome { result: EffectResult::Unknown { saw } }).await {
                        Ok(entry) => told.push(entry.clone()),
                        Err(JournalError::Fenced { .. }) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            told
        });
    }
    let told = writers.join_all().await.concat();
    let log = journal.load().await.unwrap();
    let mut by_number = BTreeMap::new();
    for entry in &told {
        assert!(by_number.insert(entry.seq, entry).is_none(), "two writers were given number {}", entry.seq);
    }
    let events: Vec<_> = log.events().map(|(entry, _)| entry).collect();
    assert_eq!(events, by_number.into_values().collect::<Vec<_>>());
    let takeovers = log.entries().iter().filter(|entry| !matches!(entry.body, Body::Event(_))).count();
    assert_eq!(takeovers, 6 * 8);
}

/// Polite writers: between an owner's acquire and its release nobody else writes, and nobody is fenced.
async fn owners_exclude_each_other(journal: Journal) {
    let mut writers = JoinSet::new();
    for _ in 0..4 {
        let journal = journal.clone();
        writers.spawn(async move {
            let mut turns = 0;
            while turns < 5 {
                match acquire(&journal, "deploy").await {
                    Ok(mut session) => {
                        session.append(Event::Warmed).await.unwrap();
                        session.append(Event::Switched).await.unwrap();
                        session.release().await.unwrap();
                        turns += 1;
                    }
                    Err(JournalError::Held { .. }) => tokio::task::yield_now().await,
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    writers.join_all().await;
    let log = journal.load().await.unwrap();
    assert_eq!(log.entries().len(), 4 * 5 * 4);
    for turn in log.entries().chunks(4) {
        assert!(turn.iter().all(|entry| entry.run == turn[0].run), "{turn:#?}");
        assert!(matches!(turn[0].body, Body::LeaseAcquired { .. }) && turn[3].body == Body::LeaseReleased);
    }
}

macro_rules! on_threads {
    ($($test:ident),* $(,)?) => {
        mod in_memory { $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)] async fn $test() {
            super::$test(super::memory().journal).await
        })* }
        mod in_a_folder { $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)] async fn $test() {
            let bench = super::folder();
            super::$test(bench.journal.clone()).await
        })* }
    };
}

on_threads! {
    preempting_writers_never_share_a_number_and_never_lose_an_entry,
    owners_exclude_each_other,
}

/// An owner that appends twice meets a person's takeover, in every order of their requests to the store: the
/// owner's committed events all stand before the takeover, and nothing of the owner's stands after it.
#[tokio::test(start_paused = true)]
async fn in_every_order_of_requests_nothing_of_the_old_owner_follows_the_takeover() {
    const REQUESTS: u32 = 12;
    let (mut fenced_at_once, mut fenced_later, mut never) = (0, 0, 0);
    for order in 0_u32..1 << REQUESTS {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let turns = [Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0))];
        let [old, new] = turns.clone().map(|turns| {
            let stepped = Arc::new(Faulty::stepped(Arc::clone(&store), turns));
            Journal::with_store(stepped, "shop-prod").with_clock(Clock::starting_at(start()))
        });
        let plain = Journal::with_store(Arc::clone(&store), "shop-prod").with_clock(Clock::starting_at(start()));
        turns[0].add_permits(7);
        let mut owner = acquire(&old, "deploy").await.unwrap();
        assert_eq!(
            turns[0].available_permits(),
            0,
            "two listings, a look beyond them, the trial of conditions (3) and a put"
        );

        let owner = tokio::spawn(async move {
            let mut committed = 0;
            for event in [Event::Warmed, Event::Switched] {
                match owner.append(event).await {
                    Ok(_) => committed += 1,
                    Err(JournalError::Fenced { .. }) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            committed
        });
        let taker = tokio::spawn(async move { preempt(&new, "rollback").await.log().clone() });
        for request in 0..REQUESTS {
            turns[(order >> request & 1) as usize].add_permits(1);
            // Until both wait for their next turn (or are done): nothing else runs on this thread.
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        }
        turns.iter().for_each(|turns| turns.add_permits(100));
        let committed: usize = owner.await.unwrap();
        let seen = taker.await.unwrap();

        let log = plain.load().await.unwrap();
        let takeover = log.entries().iter().position(|entry| matches!(entry.body, Body::LeaseTaken { .. })).unwrap();
        assert_eq!(log.entries().len(), 2 + committed, "order {order:b}");
        assert_eq!(takeover, 1 + committed, "order {order:b}: the takeover stands last");
        assert_eq!(seen.entries(), log.entries(), "order {order:b}: whoever takes over has seen everything before");
        match committed {
            0 => fenced_at_once += 1,
            1 => fenced_later += 1,
            _ => never += 1,
        }
    }
    // All three happen, or the test has not tried what it says.
    assert!(fenced_at_once > 0 && fenced_later > 0 && never > 0, "{fenced_at_once} {fenced_later} {never}");
}
