//! The journal from outside: a folder on disk, as a run of the program finds it and leaves it.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use switchback::config::JournalLocation;
use switchback::dev::{DevCloud, DevOptions};
use switchback::journal::{Acquire, Journal, JournalError, Owner, Session};
use switchback::release::Event;

#[path = "support/moto.rs"]
mod moto;

use moto::Moto;

/// A folder needs nothing of AWS.
fn open(location: &JournalLocation, environment: &str) -> Result<Journal, JournalError> {
    Journal::open(location, environment, &SdkConfig::builder().build())
}

fn journal(folder: &Path) -> Journal {
    open(&JournalLocation::Folder(folder.join("journal")), "shop-prod").unwrap()
}

fn object(folder: &Path, seq: u64) -> PathBuf {
    folder.join(format!("journal/shop-prod/{seq:020}.json"))
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// A journal with entries 1 to 4: acquired, cleared, warmed, released.
async fn written(folder: &Path) -> Journal {
    let journal = journal(folder);
    let mut session = acquire(&journal, Owner::this_process("deploy")).await.unwrap();
    session.append(Event::Cleared).await.unwrap();
    session.append(Event::Warmed).await.unwrap();
    session.release().await.unwrap();
    journal
}

/// What both reading and acquiring say; they must agree, and nothing may be written.
async fn refused(journal: &Journal, folder: &Path) -> JournalError {
    let before = files(folder);
    let read = journal.load().await.expect_err("reading must be refused");
    let acquired = acquire(journal, Owner::this_process("deploy")).await.expect_err("must be refused");
    assert_eq!(read.to_string(), acquired.to_string());
    assert_eq!(files(folder), before, "nothing may be written");
    read
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let listing = std::fs::read_dir(folder.join("journal/shop-prod")).unwrap();
    let mut found: Vec<_> = listing.map(|file| file.unwrap().path()).collect();
    found.sort();
    found
}

async fn acquire(journal: &Journal, owner: Owner) -> Result<Session, JournalError> {
    journal.acquire(journal.load().await?, owner, Acquire::IfFree).await
}

#[tokio::test]
async fn reading_a_journal_that_does_not_exist_finds_it_empty_and_creates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = journal(folder.path()).load().await.unwrap();
    assert!(log.entries().is_empty() && log.lease().is_none());
    assert!(!folder.path().join("journal").exists());
}

#[tokio::test]
async fn folders_and_files_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path()).await;
    assert_eq!(mode(&folder.path().join("journal")), 0o700);
    assert_eq!(mode(&folder.path().join("journal/shop-prod")), 0o700);
    for seq in 1..=4 {
        assert_eq!(mode(&object(folder.path(), seq)), 0o600, "entry {seq}");
    }
    assert_eq!(files(folder.path()).len(), 4, "no staged file is left");
}

#[tokio::test]
async fn another_process_reads_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path()).await;
    let log = journal(folder.path()).load().await.unwrap();
    let events: Vec<_> = log.events().map(|(entry, event)| (entry.seq, event.clone())).collect();
    assert_eq!(events, [(2, Event::Cleared), (3, Event::Warmed)]);
    assert_eq!(log.lease(), None);
}

#[tokio::test]
async fn an_entry_cut_short_is_refused_with_its_path_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let journal = written(folder.path()).await;
    let third = object(folder.path(), 3);
    let whole = std::fs::read(&third).unwrap();
    std::fs::write(&third, &whole[..whole.len() / 2]).unwrap();
    let error = refused(&journal, folder.path()).await;
    assert!(matches!(error, JournalError::Corrupt { line: 1.., .. }), "{error}");
    let shown = error.to_string();
    assert!(shown.contains(third.to_str().unwrap()) && shown.contains("restore this file from a backup"), "{shown}");
}

#[tokio::test]
async fn an_empty_entry_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let journal = written(folder.path()).await;
    std::fs::write(object(folder.path(), 4), "").unwrap();
    let error = refused(&journal, folder.path()).await;
    assert!(matches!(error, JournalError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn one_changed_word_in_an_old_entry_breaks_the_chain_at_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let journal = written(folder.path()).await;
    let second = object(folder.path(), 2);
    let text = std::fs::read_to_string(&second).unwrap();
    assert!(text.contains("cleared"));
    std::fs::write(&second, text.replace("cleared", "aborted")).unwrap();
    let error = refused(&journal, folder.path()).await;
    assert!(matches!(&error, JournalError::Broken { .. }), "{error}");
    let shown = error.to_string();
    assert!(shown.contains(object(folder.path(), 3).to_str().unwrap()) && shown.contains("entry 2"), "{shown}");
}

#[tokio::test]
async fn a_missing_entry_is_a_gap_and_not_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let journal = written(folder.path()).await;
    std::fs::remove_file(object(folder.path(), 2)).unwrap();
    let shown = refused(&journal, folder.path()).await.to_string();
    assert!(shown.contains("00000000000000000002.json: it is missing, but entry 4 exists"), "{shown}");
}

#[tokio::test]
async fn an_entry_of_a_newer_version_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let journal = written(folder.path()).await;
    std::fs::write(object(folder.path(), 5), r#"{"schema": 9, "whatever": "comes"}"#).unwrap();
    let error = refused(&journal, folder.path()).await;
    assert!(matches!(error, JournalError::Newer { schema: 9, .. }), "{error}");
    assert!(error.to_string().contains("written by a newer switchback"), "{error}");
}

#[tokio::test]
async fn a_folder_in_an_entrys_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let journal = written(folder.path()).await;
    std::fs::create_dir(object(folder.path(), 5)).unwrap();
    let error = refused(&journal, folder.path()).await;
    assert!(matches!(error, JournalError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains("00000000000000000005.json: it is a folder"), "{error}");
}

#[tokio::test]
async fn an_entry_of_absurd_size_is_not_read_into_memory() {
    let folder = tempfile::tempdir().unwrap();
    let journal = written(folder.path()).await;
    // One byte more than an entry may have; a sparse file takes no room.
    std::fs::File::create(object(folder.path(), 5)).unwrap().set_len((4 << 20) + 1).unwrap();
    let error = refused(&journal, folder.path()).await;
    assert!(error.to_string().contains("it has 4194305 bytes, expected at most 4194304"), "{error}");
}

#[tokio::test]
async fn a_link_to_nothing_in_an_entrys_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let journal = written(folder.path()).await;
    std::os::unix::fs::symlink(folder.path().join("gone"), object(folder.path(), 5)).unwrap();
    let error = refused(&journal, folder.path()).await;
    assert!(
        error.to_string().contains("00000000000000000005.json: its name is listed, but there is nothing to read"),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_in_the_folders_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("journal")).unwrap();
    std::fs::write(folder.path().join("journal/shop-prod"), "not a folder").unwrap();
    let error = journal(folder.path()).load().await.unwrap_err();
    assert!(matches!(&error, JournalError::Unreadable { why, .. } if why == "it is not a folder"), "{error}");
}

#[tokio::test]
async fn files_that_are_not_the_journals_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let journal = written(folder.path()).await;
    // What a crashed writer, an editor and a desktop leave behind.
    let foreign = ["00000000000000000005.json#1", "00000000000000000002.json~", ".DS_Store", "notes.txt"];
    for name in foreign {
        std::fs::write(folder.path().join("journal/shop-prod").join(name), "{").unwrap();
    }
    let mut session = acquire(&journal, Owner::this_process("sweep")).await.unwrap();
    session.append(Event::Retired).await.unwrap();
    assert_eq!(journal.load().await.unwrap().entries().len(), 6);
    for name in foreign {
        assert!(folder.path().join("journal/shop-prod").join(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_refused_before_anything_else_happens() {
    // Not even root makes a folder there.
    let nowhere = JournalLocation::Folder("/sys/switchback".into());
    let journal = open(&nowhere, "shop-prod").unwrap();
    assert!(journal.load().await.unwrap().entries().is_empty());
    let error = acquire(&journal, Owner::this_process("deploy")).await.unwrap_err();
    assert!(matches!(error, JournalError::ReadOnly { .. }), "{error}");
    assert!(error.to_string().starts_with("cannot write /sys/switchback/shop-prod: "), "{error}");
}

#[tokio::test]
async fn whoever_finds_the_lease_held_is_told_by_whom() {
    let folder = tempfile::tempdir().unwrap();
    let ana = Owner { user: "ana".into(), host: "laptop".into(), pid: 4711, ..Owner::this_process("deploy") };
    let _session = acquire(&journal(folder.path()), ana.clone()).await.unwrap();
    let error = acquire(&journal(folder.path()), Owner::this_process("sweep")).await.unwrap_err();
    assert!(matches!(&error, JournalError::Held { owner, .. } if **owner == ana), "{error}");
    let shown = error.to_string();
    assert!(shown.contains("`switchback deploy` of ana on laptop (process 4711"), "{shown}");
    assert!(shown.contains("nothing was changed") && shown.contains("`switchback rollback`"), "{shown}");
}

#[test]
fn an_environments_name_cannot_lead_out_of_the_journals_folder() {
    for name in ["..", ".", "", "a/b", "/etc", "Shop", "a\0b", &"x".repeat(65)] {
        let error = open(&JournalLocation::Folder("/tmp".into()), name).unwrap_err();
        assert!(matches!(error, JournalError::Name { .. }), "{name:?}: {error}");
    }
}

/// What the program says to these arguments, with its exit code.
fn switchback(sdk: &[(&str, &str)], arguments: &[&str]) -> (i32, String, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_switchback"))
        .args(arguments)
        .env_clear()
        .envs(sdk.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// An environment file whose journal is in this bucket.
fn file_with_bucket(folder: &Path, bucket: &str) -> String {
    let text = std::fs::read_to_string("tests/config/good/journal-s3.yaml").unwrap();
    let file = folder.join("shop.yaml");
    let text = text.replace("s3://acme-releases/switchback", &format!("s3://{bucket}/switchback"));
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

/// A journal in an emulator's bucket: written here, read and checked by the program in a process of its own.
async fn in_a_bucket_of(endpoint: &str, sdk: &SdkConfig) {
    let folder = tempfile::tempdir().unwrap();
    let location = |bucket: &str| JournalLocation::S3 { bucket: bucket.into(), prefix: "switchback".into() };
    let journal = Journal::open(&location("releases"), "shop", sdk).unwrap();
    assert_eq!(journal.load().await.unwrap().head(), 0);
    for verb in ["deploy", "sweep"] {
        let mut session = acquire(&journal, Owner::this_process(verb)).await.unwrap();
        let error = acquire(&journal, Owner::this_process("rival")).await.unwrap_err();
        assert!(matches!(error, JournalError::Held { .. }), "{error}");
        session.append(Event::Cleared).await.unwrap();
        session.release().await.unwrap();
    }
    let log = journal.tail().await.unwrap();
    assert_eq!(log.head(), 6);

    let environment = [
        ("AWS_ENDPOINT_URL_S3", endpoint),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let file = file_with_bucket(folder.path(), "releases");
    let (code, told, why) = switchback(&environment, &["journal", "export", &file]);
    assert_eq!((code, told.lines().count()), (0, 6), "{why}");
    assert!(told.lines().all(|line| line.starts_with("{\"sha256\":\"") && line.contains("\"prev\":\"")), "{told}");
    // What was written above is no release, and whoever replays it is told so.
    let (code, told, why) = switchback(&environment, &["journal", "verify", &file]);
    assert_eq!((code, told.contains("s3://releases/switchback/shop: 6 entries")), (3, true), "{told} {why}");
    assert!(told.contains("the events do not follow one from the other"), "{told}");

    let nowhere = Journal::open(&location("nowhere"), "shop", sdk).unwrap();
    let error = nowhere.load().await.unwrap_err();
    assert!(error.to_string().contains("bucket s3://nowhere cannot be used: it does not exist"), "{error}");
    let (code, _, why) = switchback(&environment, &["history", &file_with_bucket(folder.path(), "nowhere")]);
    assert!(code == 3 && why.contains("s3://nowhere cannot be used: it does not exist"), "{code} {why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_lives_in_a_bucket_of_the_dev_cloud() {
    let cloud = DevCloud::start(DevOptions::default()).await.unwrap();
    cloud.bucket("eu-west-1", "releases").unwrap();
    in_a_bucket_of(&cloud.url(), &cloud.sdk_config("eu-west-1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_lives_in_a_bucket_of_somebody_elses_emulator() {
    let moto = Moto::start().await;
    let [(_, endpoint), ..] = moto.variables();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let place = "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>\
                 eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    let made = client.put(format!("{endpoint}/releases")).body(place).send().await.unwrap();
    assert!(made.status().is_success(), "{made:?}");
    in_a_bucket_of(endpoint, &moto.sdk().await).await;
}
