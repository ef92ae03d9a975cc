//! Entries that cannot stand where they stand, although each of them is whole.

use std::time::Duration;

use uuid::Uuid;

use super::super::entry::SCHEMA;
use super::*;

/// An entry that follows `log`, written by `owner`.
fn next(log: &Log, owner: &Owner, body: Body) -> Entry {
    let at: Timestamp = "2026-11-21T02:15:00Z".parse().unwrap();
    let lease_until = (body != Body::LeaseReleased).then(|| at + Duration::from_secs(60));
    let (seq, prev) = (log.head() + 1, log.tip().to_owned());
    Entry { schema: SCHEMA, seq, id: Uuid::now_v7(), prev, at, run: owner.run, lease_until, body }
}

fn add(log: &mut Log, entry: &Entry) -> Result<(), String> {
    log.admit(&entry.encode(), "j/x.json").map_err(|error| {
        assert!(matches!(error, JournalError::Broken { .. }), "{error}");
        error.to_string()
    })
}

/// What is said of an entry that does not fit; the log must stay as it was.
fn refused(log: &Log, entry: &Entry) -> String {
    let mut tried = log.clone();
    let said = add(&mut tried, entry).expect_err("it must be refused");
    assert_eq!((tried.entries(), tried.tip(), tried.lease()), (log.entries(), log.tip(), log.lease()));
    assert!(said.contains("j/x.json") && said.contains("from a backup"), "{said}");
    said
}

/// A log in which `owner` holds the lease.
fn held(owner: &Owner) -> Log {
    let mut log = Log::default();
    let acquired = next(&log, owner, Body::LeaseAcquired { owner: owner.clone() });
    add(&mut log, &acquired).unwrap();
    log
}

#[test]
fn an_entry_under_another_number_is_refused() {
    let owner = Owner::this_process("deploy");
    let log = held(&owner);
    let moved = Entry { seq: 7, ..next(&log, &owner, Body::LeaseRenewed) };
    assert!(refused(&log, &moved).contains("it says that it is entry 7, expected 2"));
}

#[test]
fn an_entry_that_follows_other_bytes_is_refused() {
    let owner = Owner::this_process("deploy");
    let log = held(&owner);
    let other = Entry { prev: hash(b"other"), ..next(&log, &owner, Body::LeaseRenewed) };
    assert!(refused(&log, &other).contains("but entry 1 before it has"));
    let first =
        Entry { prev: hash(b"other"), ..next(&Log::default(), &owner, Body::LeaseAcquired { owner: owner.clone() }) };
    assert!(refused(&Log::default(), &first).contains("but no entry before it has"));
}

#[test]
fn only_the_owner_of_the_lease_may_write() {
    let (owner, stranger) = (Owner::this_process("deploy"), Owner::this_process("sweep"));
    for body in [Body::LeaseRenewed, Body::LeaseReleased, Body::Event(Event::Cleared)] {
        let log = held(&owner);
        assert!(refused(&log, &next(&log, &stranger, body.clone())).contains("while `switchback deploy`"));
        let empty = Log::default();
        assert!(refused(&empty, &next(&empty, &owner, body)).contains("without holding the lease"));
    }
}

#[test]
fn a_lease_that_is_held_is_not_acquired_and_one_that_is_free_is_not_taken() {
    let (owner, stranger) = (Owner::this_process("deploy"), Owner::this_process("sweep"));
    let log = held(&owner);
    let acquired = Body::LeaseAcquired { owner: stranger.clone() };
    assert!(refused(&log, &next(&log, &stranger, acquired)).contains("acquired a lease that"));
    let taken = |from| Body::LeaseTaken { owner: stranger.clone(), from, reason: "a test".into() };
    assert!(refused(&log, &next(&log, &stranger, taken(stranger.run))).contains("which did not hold it"));
    let empty = Log::default();
    assert!(refused(&empty, &next(&empty, &stranger, taken(owner.run))).contains("which did not hold it"));
}

#[test]
fn a_held_lease_says_until_when() {
    let owner = Owner::this_process("deploy");
    let log = held(&owner);
    let endless = Entry { lease_until: None, ..next(&log, &owner, Body::Event(Event::Cleared)) };
    assert!(refused(&log, &endless).contains("until when the lease lasts"));
}

#[test]
fn after_a_release_nobody_holds_the_lease() {
    let owner = Owner::this_process("deploy");
    let mut log = held(&owner);
    let released = next(&log, &owner, Body::LeaseReleased);
    add(&mut log, &released).unwrap();
    assert_eq!(log.lease(), None);
}
