//! What `verify` finds and what `repair` does about it.

use object_store::ObjectStoreExt;

use super::tail::{at, bytes, journal_in, overwrite, write};
use super::*;
use crate::journal::snapshot;

pub(super) async fn a_whole_journal_is_found_whole_and_is_exported_as_it_is(journal: Journal) {
    write(&journal, 130).await.release().await.unwrap();
    let verdict = journal.verify().await.unwrap();
    let log = journal.load().await.unwrap();
    assert_eq!((&verdict.problems[..], &verdict.untidy[..]), (&[][..], &[][..]));
    assert_eq!((verdict.entries, verdict.snapshots, verdict.tip.as_str()), (log.head(), 2, log.tip()));
    let mut exported = Vec::new();
    journal.export(|entry| exported.push((entry.sha256.to_owned(), entry.entry.clone()))).await.unwrap();
    assert_eq!(exported.iter().map(|(_, entry)| entry.clone()).collect::<Vec<_>>(), log.entries());
    for pair in exported.windows(2) {
        assert_eq!(pair[0].0, pair[1].1.prev);
    }
    assert_eq!(exported.last().unwrap().0, log.tip());
    assert_eq!(journal.plan_repair().await.unwrap(), journal.repair().await.unwrap());
    assert!(journal.repair().await.unwrap().steps.is_empty());
}

fn entry(seq: u64) -> String {
    format!("{seq:020}.json")
}

/// A journal of about 70 entries whose lease was given back long ago.
async fn old() -> (Arc<InMemory>, Journal) {
    let inner = Arc::new(InMemory::new());
    let journal = journal_in(inner.clone());
    write(&journal, 70).await.release().await.unwrap();
    tokio::time::advance(Duration::from_secs(600)).await;
    (inner, journal)
}

/// What is wrong, and with which object.
async fn found(journal: &Journal) -> Vec<(Wrong, String)> {
    let name = |object: String| object.rsplit_once("shop-prod/").unwrap().1.to_owned();
    journal.verify().await.unwrap().problems.into_iter().map(|p| (p.what, name(p.object))).collect()
}

async fn change(store: &InMemory, seq: u64) {
    let text = String::from_utf8(bytes(store, &entry(seq)).await.to_vec()).unwrap();
    overwrite(store, &entry(seq), text.replacen("02:15:00", "02:15:01", 1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_entry_is_named_wherever_it_stands() {
    let (_, journal) = old().await;
    let head = journal.load().await.unwrap().head();
    for seq in 1..head {
        let (store, journal) = old().await;
        change(&store, seq).await;
        assert!(found(&journal).await.contains(&(Wrong::Changed, entry(seq))), "{seq}");
        // Nobody can tell what it said: it is left to a backup.
        let repair = journal.repair().await.unwrap();
        assert!(repair.steps.is_empty() && repair.left.iter().any(|f| f.what == Wrong::Changed), "{repair:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_entry_is_known_to_a_snapshot_that_was_made_of_it() {
    let (store, journal) = old().await;
    for seq in 65..=journal.load().await.unwrap().head() {
        store.delete(&at(&entry(seq))).await.unwrap();
    }
    assert_eq!(found(&journal).await, []);
    change(&store, 64).await;
    assert_eq!(found(&journal).await, [(Wrong::Changed, entry(64))]);
    store.delete(&at(&entry(64))).await.unwrap();
    assert_eq!(found(&journal).await, [(Wrong::CutOff, entry(64))]);
    assert_eq!(journal.repair().await.unwrap().left.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_hole_is_set_aside_and_kept_and_the_journal_goes_on_before_it() {
    for (seq, damaged) in [(40, false), (40, true), (1, false), (67, true)] {
        let (store, journal) = old().await;
        let (whole, head) = (journal.load().await.unwrap(), journal.load().await.unwrap().head());
        match damaged {
            true => overwrite(&store, &entry(seq), "{ \"schema\": 1").await,
            false => store.delete(&at(&entry(seq))).await.unwrap(),
        }
        let what = if damaged { Wrong::Damaged } else { Wrong::Missing };
        assert_eq!(found(&journal).await[0], (what, entry(seq)));
        journal.tail().await.err().or(journal.load().await.err()).expect("it cannot be used");
        let last = bytes(&store, &entry(head)).await;
        let plan = journal.plan_repair().await.unwrap();
        assert_eq!(found(&journal).await[0], (what, entry(seq)), "a plan changes nothing");
        assert_eq!(journal.repair().await.unwrap(), plan);
        assert!(plan.left.is_empty(), "{plan:?}");
        assert_eq!(found(&journal).await, []);
        let kept = journal.load().await.unwrap();
        assert_eq!(kept.entries(), &whole.entries()[..seq as usize - 1]);
        assert_eq!(journal.tail().await.unwrap().head(), kept.head());
        let aside = format!("set-aside/20261121-022500/{}", entry(head));
        assert_eq!(bytes(&store, &aside).await, last);
        acquire(&journal, "deploy").await.ok();
        preempt(&journal, "deploy").await.release().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_set_aside_while_a_run_may_be_alive() {
    let inner = Arc::new(InMemory::new());
    let journal = journal_in(inner.clone());
    let session = write(&journal, 10).await;
    inner.delete(&at(&entry(5))).await.unwrap();
    let error = journal.repair().await.unwrap_err();
    // The lease, the difference of two clocks, and a request on its way.
    assert!(
        matches!(error, JournalError::Alive { until, .. } if until == start() + Duration::from_secs(60 + 120 + 10))
    );
    assert_eq!(found(&journal).await, [(Wrong::Missing, entry(5))]);
    drop(session);
    tokio::time::advance(Duration::from_secs(191)).await;
    journal.repair().await.unwrap();
    assert_eq!(journal.load().await.unwrap().head(), 4);
}

#[tokio::test(start_paused = true)]
async fn snapshots_are_written_again_from_the_entries() {
    let (store, journal) = old().await;
    let good = bytes(&store, &snapshot::name(64)).await;
    let sum = snapshot::decode(&good, 64).unwrap();
    let lie = crate::journal::sum::Sum { lease: None, ..sum };
    overwrite(&store, &snapshot::name(64), snapshot::encode(&lie)).await;
    assert_eq!(found(&journal).await, [(Wrong::Snapshot, snapshot::name(64))]);
    let repair = journal.repair().await.unwrap();
    assert!(matches!(repair.steps[..], [Step::SetAside { .. }, Step::WriteSnapshot { .. }]), "{repair:?}");
    assert_eq!((found(&journal).await, bytes(&store, &snapshot::name(64)).await), (vec![], good.clone()));
    store.delete(&at(&snapshot::name(64))).await.unwrap();
    let verdict = journal.verify().await.unwrap();
    assert_eq!((verdict.problems.len(), verdict.untidy[0].what), (0, Wrong::NoSnapshot));
    journal.repair().await.unwrap();
    assert_eq!(bytes(&store, &snapshot::name(64)).await, good);
}

#[tokio::test(start_paused = true)]
async fn entries_of_a_newer_program_are_never_set_aside() {
    let (store, journal) = old().await;
    overwrite(&store, &entry(69), "{ \"schema\": 99 }").await;
    assert!(matches!(journal.verify().await, Err(JournalError::Newer { schema: 99, .. })));
    assert!(matches!(journal.repair().await, Err(JournalError::Newer { schema: 99, .. })));
}
