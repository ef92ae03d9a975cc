//! A journal over a store that loses requests and replies, refuses, or falls silent.

use super::super::faults::{Fault, Faulty};
use super::*;
use crate::dev::faults::Fault as DevFault;

fn faulty() -> (Arc<Faulty>, Journal) {
    let store = Arc::new(Faulty::new(Arc::new(InMemory::new())));
    let journal = Journal::with_store(store.clone(), "shop-prod").with_clock(Clock::starting_at(start()));
    (store, journal)
}

fn count(log: &Log, wanted: &Event) -> usize {
    log.events().filter(|(_, event)| *event == wanted).count()
}

/// Every sequence of three faults while one event is appended: what is called committed is there exactly once,
/// what is called unknown is there at most once, and the next append works.
#[tokio::test(start_paused = true)]
async fn whatever_happens_to_its_puts_an_append_is_never_lost_and_never_doubled() {
    let (mut committed, mut undecided) = (0, 0);
    for first in Fault::AMBIGUOUS {
        for second in Fault::AMBIGUOUS {
            for third in Fault::AMBIGUOUS {
                let plan = [first, second, third];
                let (store, journal) = faulty();
                let mut session = acquire(&journal, "deploy").await.unwrap();
                store.puts(plan);
                let outcome = session.append(Event::Warmed).await.map(|entry| entry.seq);
                store.behave();
                // Let what is late arrive, and the session go on.
                pass(5).await;
                session.append(Event::Switched).await.unwrap_or_else(|error| panic!("{plan:?}: {error}"));
                let log = journal.load().await.unwrap();
                assert_eq!(count(&log, &Event::Switched), 1, "{plan:?}");
                assert_eq!(log.entries(), session.log().entries(), "{plan:?}");
                match outcome {
                    Ok(seq) => {
                        committed += 1;
                        assert_eq!((seq, count(&log, &Event::Warmed)), (2, 1), "{plan:?}");
                    }
                    Err(JournalError::Unknown { .. }) => {
                        undecided += 1;
                        assert!(count(&log, &Event::Warmed) <= 1, "{plan:?}");
                    }
                    Err(error) => panic!("{plan:?}: {error}"),
                }
            }
        }
    }
    assert_eq!(committed + undecided, 512);
    // Only where no put of three was carried out in time: lost, falsely in conflict, silent, or late.
    assert!(undecided <= 64, "{undecided}");
}

/// S3 says that with the status 400, which else stands for what does not get better.
#[tokio::test(start_paused = true)]
async fn a_request_that_took_s3_too_long_to_receive_is_sent_again() {
    let Bench { journal, cloud, .. } = bucket().await;
    let mut session = acquire(&journal, "deploy").await.unwrap();
    for calls in ["s3:PutObject", "s3:GetObject", "s3:ListObjectsV2"] {
        let said = "Your socket connection to the server was not read from or written to within the timeout period.";
        cloud.as_ref().unwrap().faults().add(DevFault::refuse(calls, "RequestTimeout", said).times(1));
        session.append(Event::Warmed).await.unwrap();
        assert_eq!(journal.load().await.unwrap().entries(), session.log().entries(), "{calls}");
    }
}

/// As a clock that is far off may write it.
#[tokio::test(start_paused = true)]
async fn a_deadline_at_the_end_of_the_calendar_is_waited_for_like_any_other() {
    let (_, journal) = faulty();
    let mut session = acquire(&journal, "deploy").await.unwrap();
    session.append(flip(Timestamp::MAX)).await.unwrap();
    session.append(unknown()).await.unwrap();
    let next = preempt(&journal, "rollback").await;
    assert!(next.settles_in().is_some_and(|wait| wait > Duration::from_secs(3600)));
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_and_without_reading_back_the_outcome_is_unknown() {
    for (put, there) in [(Fault::ReplyLost, 1), (Fault::RequestLost, 0), (Fault::Silence, 0), (Fault::SilenceAfter, 1)]
    {
        for get in [Fault::RequestLost, Fault::Silence] {
            let (store, journal) = faulty();
            let mut session = acquire(&journal, "deploy").await.unwrap();
            store.puts([put; 5]);
            store.gets([get; 5]);
            let error = session.append(Event::Warmed).await.unwrap_err();
            assert!(matches!(error, JournalError::Unknown { .. }), "{put:?} {get:?}: {error}");
            assert!(error.to_string().contains("shop-prod/00000000000000000002.json"), "{error}");
            store.behave();
            assert_eq!(count(&journal.load().await.unwrap(), &Event::Warmed), there, "{put:?} {get:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_append_that_was_cancelled_and_arrives_late_does_not_fence_its_own_session() {
    let (store, journal) = faulty();
    let mut session = acquire(&journal, "deploy").await.unwrap();
    store.puts([Fault::Late]);
    let cut = tokio::time::timeout(Duration::from_millis(10), session.append(Event::Warmed)).await;
    assert!(cut.is_err(), "the append must be cut short for this test to say anything");
    pass(5).await;
    tokio::task::yield_now().await;
    session.append(Event::Switched).await.unwrap();
    let log = journal.load().await.unwrap();
    assert_eq!((count(&log, &Event::Warmed), count(&log, &Event::Switched)), (1, 1));
    assert_eq!(log.entries(), session.log().entries());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_operating_system_is_named_and_not_repeated() {
    let (store, journal) = faulty();
    let mut session = acquire(&journal, "deploy").await.unwrap();
    let began = tokio::time::Instant::now();
    for (code, what_to_do) in [
        (libc::ENOSPC, "Make room on that disk"),
        (libc::EDQUOT, "Make room on that disk"),
        (libc::EROFS, "must be writable"),
        (libc::EACCES, "must be writable"),
        (libc::EPERM, "hard links"),
    ] {
        store.puts([Fault::Os(code)]);
        let error = session.append(Event::Warmed).await.unwrap_err();
        let full = [libc::ENOSPC, libc::EDQUOT].contains(&code);
        assert_eq!(matches!(error, JournalError::NoSpace { .. }), full, "{error}");
        assert_eq!(matches!(error, JournalError::ReadOnly { .. }), !full, "{error}");
        assert!(error.to_string().contains(what_to_do), "{error}");
        assert!(error.to_string().contains("shop-prod/00000000000000000002.json"), "{error}");
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(journal.load().await.unwrap().entries().len(), 1);
    session.append(Event::Warmed).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_cannot_be_read_is_named() {
    let (store, journal) = faulty();
    acquire(&journal, "deploy").await.unwrap().release().await.unwrap();
    store.gets([Fault::None, Fault::Os(libc::EACCES)]);
    let error = journal.load().await.unwrap_err();
    assert!(matches!(error, JournalError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains("shop-prod/00000000000000000002.json"), "{error}");
    assert_eq!(journal.load().await.unwrap().entries().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_was_begun_is_finished_though_the_work_is_done() {
    let (store, journal) = faulty();
    let mut session = acquire(&journal, "deploy").await.unwrap();
    store.puts([Fault::Slow(5)]);
    let work = tokio::time::sleep(Duration::from_secs(22));
    let began = tokio::time::Instant::now();
    session.while_renewing(work).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 25, "20 s until the renewal, 5 s for it");
    assert_eq!(session.log().entries().last().unwrap().body, Body::LeaseRenewed);
    assert_eq!(journal.load().await.unwrap().entries(), session.log().entries());
}

#[tokio::test(start_paused = true)]
async fn an_entry_too_large_to_read_back_is_not_written() {
    let (_, journal) = faulty();
    let mut session = acquire(&journal, "deploy").await.unwrap();
    let huge = Event::Outcome { result: EffectResult::Unknown { saw: "x".repeat(5 << 20) } };
    let error = session.append(huge).await.unwrap_err();
    assert!(matches!(error, JournalError::TooLarge { max: 4_194_304, .. }), "{error}");
    assert_eq!(journal.load().await.unwrap().entries().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_listing_and_a_read_are_repeated_until_they_are_answered_or_no_answer_can_be_expected() {
    let (store, journal) = faulty();
    let session = acquire(&journal, "deploy").await.unwrap();
    store.lists([Fault::RequestLost, Fault::Silence]);
    store.gets([Fault::RequestLost, Fault::Silence]);
    assert_eq!(journal.load().await.unwrap().entries(), session.log().entries());
    store.lists([Fault::RequestLost; 10]);
    let error = journal.load().await.unwrap_err();
    assert!(matches!(&error, JournalError::Store { doing: "list", .. }), "{error}");
    let began = tokio::time::Instant::now();
    store.behave();
    store.lists([Fault::Os(libc::EACCES)]);
    journal.load().await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::ZERO, "a refusal is not repeated");
}
