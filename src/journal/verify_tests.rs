//! What `verify` finds and what `repair` does about it.

use object_store::ObjectStoreExt;

use super::tail::{at, bytes, journal_in, overwrite, release, write};
use super::*;
use crate::journal::{faults, snapshot};

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

/// Without the snapshot, or after it, an entry that cannot be read stops every run.
#[tokio::test(start_paused = true)]
async fn what_follows_a_hole_is_set_aside_and_kept_and_the_journal_goes_on_before_it() {
    for (seq, damaged) in [(40, false), (40, true), (1, false), (64, true), (67, true)] {
        let (store, journal) = old().await;
        if seq < 64 {
            store.delete(&at(&snapshot::name(64))).await.unwrap();
        }
        let (whole, head) = (journal.load().await.unwrap(), journal.load().await.unwrap().head());
        match damaged {
            true => overwrite(&store, &entry(seq), "{ \"schema\": 1").await,
            false => store.delete(&at(&entry(seq))).await.unwrap(),
        }
        let what = if damaged { Wrong::Damaged } else { Wrong::Missing };
        assert_eq!(found(&journal).await[0], (what, entry(seq)));
        journal.tail().await.unwrap_err();
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

/// Setting them aside would take the journal back to before the hole, and runs would act on what was so long ago.
#[tokio::test(start_paused = true)]
async fn entries_that_runs_go_on_from_are_not_set_aside_for_a_hole_before_the_snapshot() {
    for damaged in [false, true] {
        let (store, journal) = old().await;
        let before = journal.tail().await.unwrap();
        match damaged {
            true => overwrite(&store, &entry(40), "{ \"schema\": 1").await,
            false => store.delete(&at(&entry(40))).await.unwrap(),
        }
        let what = if damaged { Wrong::Damaged } else { Wrong::Missing };
        let repair = journal.repair().await.unwrap();
        assert!(repair.steps.is_empty(), "{repair:?}");
        assert_eq!(repair.left.iter().map(|finding| finding.what).collect::<Vec<_>>(), [what]);
        assert_eq!(journal.tail().await.unwrap().entries(), before.entries());
        // A second one, after the snapshot, stops the runs: what follows that one goes, and no more.
        store.delete(&at(&entry(67))).await.unwrap();
        let repair = journal.repair().await.unwrap();
        assert_eq!(repair.steps.len() as u64, before.head() - 67, "{repair:?}");
        assert_eq!(repair.left.iter().map(|finding| finding.what).collect::<Vec<_>>(), [what]);
        assert_eq!(journal.tail().await.unwrap().head(), 66);
    }
}

#[tokio::test(start_paused = true)]
async fn an_export_says_where_entries_are_missing_that_a_snapshot_knows_of() {
    let (store, journal) = old().await;
    for seq in 60..=journal.load().await.unwrap().head() {
        store.delete(&at(&entry(seq))).await.unwrap();
    }
    let mut exported = 0;
    let error = journal.export(|_| exported += 1).await.unwrap_err();
    assert!(error.to_string().contains("a snapshot of the first 64 entries"), "{error}");
    assert_eq!(exported, 59);
}

/// The list of the entries is answered first, then the run writes a snapshot, then the list of snapshots is answered.
#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_meanwhile_does_not_look_like_entries_that_were_cut_off() {
    let inner = Arc::new(InMemory::new());
    let writer = journal_in(inner.clone());
    let mut session = write(&writer, 60).await;
    let slow = Arc::new(faults::Faulty::new(inner));
    slow.lists([faults::Fault::Slow(2)]);
    let reader = journal_in(slow);
    let verified = tokio::spawn(async move { reader.verify().await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    for event in release(20, writer.clock().now()) {
        session.append(event).await.unwrap();
    }
    assert_eq!(writer.snapshots().await.unwrap(), [(64, snapshot::SNAPSHOT)]);
    assert_eq!(verified.await.unwrap().unwrap().problems, []);
}

#[tokio::test(start_paused = true)]
async fn a_stray_file_with_a_number_far_away_is_named_and_not_counted_up_to() {
    let (store, journal) = old().await;
    overwrite(&store, &entry(u64::MAX - 1), "{}").await;
    for error in [journal.verify().await.unwrap_err(), journal.repair().await.unwrap_err()] {
        let shown = error.to_string();
        assert!(matches!(error, JournalError::Broken { .. }) && shown.contains(&entry(u64::MAX - 1)), "{shown}");
    }
}

/// As after a run that was killed while it wrote a snapshot.
#[tokio::test]
async fn what_a_killed_run_has_left_among_the_snapshots_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let location = JournalLocation::Folder(folder.path().into());
    let journal = Journal::open(&location, "shop-prod", &SdkConfig::builder().build()).unwrap();
    write(&journal, 70).await.release().await.unwrap();
    let staged = folder.path().join("shop-prod/snapshots/00000000000000000128.v1.json#1");
    std::fs::write(&staged, "{").unwrap();
    std::fs::File::options().write(true).open(&staged).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    let untidy = journal.verify().await.unwrap().untidy;
    assert_eq!(untidy.iter().map(|finding| finding.what).collect::<Vec<_>>(), [Wrong::Leftover]);
    journal.repair().await.unwrap();
    assert!(!staged.exists() && journal.verify().await.unwrap().untidy.is_empty());
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

/// What stands in a damaged journal may be anything.
#[tokio::test(start_paused = true)]
async fn a_lease_until_the_end_of_the_calendar_keeps_a_repair_from_setting_aside_and_does_not_stop_it() {
    let inner = Arc::new(InMemory::new());
    let journal = journal_in(inner.clone());
    let head = write(&journal, 10).await.log().head();
    let last = String::from_utf8(bytes(&inner, &entry(head)).await.to_vec()).unwrap();
    let for_ever = last.replace("2026-11-21T02:16:00Z", &Timestamp::MAX.to_string());
    assert_ne!(last, for_ever);
    overwrite(&inner, &entry(head), for_ever).await;
    inner.delete(&at(&entry(5))).await.unwrap();
    let error = journal.repair().await.unwrap_err();
    assert!(matches!(error, JournalError::Alive { until, .. } if until == Timestamp::MAX), "{error}");
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
