//! A journal that cannot be read or written: nothing is changed in AWS without one.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use switchback::engine::DeployRequest;
use switchback::journal::SCHEMA;
use switchback::release::Ending;
use tokio::process::Command;

use super::scene::{But, Idle, Running};
use crate::world::{Ran, World, ami, ended};

/// The file of the nth entry.
fn entry(world: &World, nth: usize) -> PathBuf {
    world.journal().join(format!("{nth:020}.json"))
}

/// Runs every verb that reads the journal: each is refused with this text, and nothing is changed in AWS.
async fn everything_is_refused(world: &World, text: &str) {
    let entries = fs::read_dir(world.journal()).unwrap().count();
    world.dev.forget_calls();
    let deploy = ["deploy", "ENV", "--image", &ami("v2")];
    for arguments in [&deploy[..], &["rollback", "ENV"], &["abort", "ENV"], &["sweep", "ENV"]] {
        let ran = world.run(arguments).await.exits(3).says(text);
        assert_eq!(ran.stdout, "", "{arguments:?}");
        // The same as a value, for programs.
        let ran = world.run(&[&["--json"], arguments].concat()).await.exits(3);
        let last = ran.lines().pop().unwrap();
        assert_eq!((&last["type"], &last["exit"]), (&Value::from("error"), &Value::from(3)), "{arguments:?}");
        assert!(last["message"].as_str().unwrap().contains(text), "{arguments:?}: {last}");
    }
    world.run(&["history", "ENV"]).await.exits(3).says(text);
    // Whoever has to decide what to do still sees what the load balancer does.
    let status = world.run(&["status", "ENV"]).await.exits(3);
    for part in ["shop: all traffic goes to green", &ami("v1"), "nothing is known of releases", text] {
        assert!(status.stdout.contains(part), "no {part:?} in\n{}", status.stdout);
    }
    let status = world.run(&["--json", "status", "ENV"]).await.exits(3).lines().remove(0);
    assert_eq!((&status["traffic"]["color"], &status["release"]), (&Value::from("green"), &Value::Null));
    assert!(status["journal_problem"].as_str().unwrap().contains(text), "{status:#}");
    assert_eq!(world.writes(), BTreeMap::new());
    assert_eq!(fs::read_dir(world.journal()).unwrap().count(), entries);
}

/// A world with one release, whose journal's nth entry is then made so; afterwards it is as it was.
async fn damaged(nth: usize, damage: impl FnOnce(&Path, &[u8]), texts: &[&str]) {
    let world = World::new().await;
    world.deploy("v1").await.exits(0);
    let load = world.light_load().await;
    let path = entry(&world, nth);
    let whole = fs::read(&path).unwrap();
    damage(&path, &whole);
    everything_is_refused(&world, texts[0]).await;
    let mut ran = world.run(&["rollback", "ENV"]).await.exits(3).says(path.to_str().unwrap());
    for text in texts {
        ran = ran.says(text);
    }
    world.answers("v1").await;
    // With the backup in its place everything goes on.
    match fs::metadata(&path) {
        Ok(there) if there.is_dir() => fs::remove_dir(&path).unwrap(),
        Ok(_) => fs::remove_file(&path).unwrap(),
        Err(_) => {}
    }
    fs::write(&path, &whole).unwrap();
    world.run(&["rollback", "ENV"]).await.exits(0);
    world.no_request_failed(load).await;
    world.is_sound("v0", Idle::Kept("v1")).await;
    world.end().await;
}

#[tokio::test]
async fn an_entry_that_is_cut_short_is_named() {
    let damage = |path: &Path, whole: &[u8]| fs::write(path, &whole[..whole.len() / 2]).unwrap();
    damaged(5, damage, &["is damaged (line", "restore this file from a backup"]).await;
}

#[tokio::test]
async fn an_entry_that_is_empty_is_named() {
    damaged(1, |path, _| fs::write(path, "").unwrap(), &["is damaged", "restore this file from a backup"]).await;
}

#[tokio::test]
async fn an_entry_of_a_newer_version_is_named() {
    let newer = |path: &Path, whole: &[u8]| {
        let text = std::str::from_utf8(whole).unwrap();
        let own = format!("\"schema\": {SCHEMA},");
        assert!(text.contains(&own), "{text}");
        fs::write(path, text.replace(&own, "\"schema\": 7, \"from-the-future\": [true],")).unwrap();
    };
    damaged(18, newer, &["has schema version 7", "newer switchback"]).await;
}

#[tokio::test]
async fn an_event_that_this_version_does_not_know_is_named() {
    let unknown = |path: &Path, whole: &[u8]| {
        let text = std::str::from_utf8(whole).unwrap();
        assert!(text.contains("\"warmed\""), "{text}");
        fs::write(path, text.replace("\"warmed\"", "\"canary-started\"")).unwrap();
    };
    damaged(11, unknown, &["canary-started", "restore this file from a backup"]).await;
}

#[tokio::test]
async fn an_entry_that_was_changed_is_found_by_the_one_after_it() {
    let change = |path: &Path, whole: &[u8]| {
        let text = std::str::from_utf8(whole).unwrap();
        let folder = path.parent().unwrap();
        fs::write(folder.join("00000000000000000002.json"), text.replace("\"count\": 2", "\"count\": 1")).unwrap();
    };
    // Entry 3 says what entry 2 was: it is the one that does not fit.
    let world = World::new().await;
    world.deploy("v1").await.exits(0);
    let whole = fs::read(entry(&world, 2)).unwrap();
    change(&entry(&world, 2), &whole);
    everything_is_refused(&world, "that one was changed after it was written").await;
    fs::write(entry(&world, 2), whole).unwrap();
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

#[tokio::test]
async fn an_entry_that_is_missing_is_named() {
    damaged(4, |path, _| fs::remove_file(path).unwrap(), &["it is missing", "restore the folder from a backup"]).await;
}

#[tokio::test]
async fn an_entry_that_is_a_folder_cannot_be_read() {
    let folder = |path: &Path, _: &[u8]| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    };
    damaged(3, folder, &["cannot read"]).await;
}

/// The same command without the right of root to read and write everything.
fn like_anybody(command: Command) -> Command {
    if !rustix::process::geteuid().is_root() {
        return command;
    }
    let given = command.as_std();
    let mut other = Command::new("setpriv");
    other.args(["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]);
    other.arg(given.get_program()).args(given.get_args()).env_clear();
    other.envs(given.get_envs().filter_map(|(name, value)| Some((name, value?))));
    other.current_dir(given.get_current_dir().expect("the world sets it"));
    other.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    other.stderr(std::process::Stdio::piped()).kill_on_drop(true);
    other
}

async fn run_like_anybody(world: &World, arguments: &[&str]) -> Ran {
    ended(like_anybody(world.command(arguments)).spawn().expect("as root this test needs setpriv (util-linux)")).await
}

/// Lets nobody do more with it than this.
fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn an_entry_that_nobody_may_read_is_named() {
    let world = World::new().await;
    world.deploy("v1").await.exits(0);
    let path = entry(&world, 6);
    allow(&path, 0);
    for arguments in [&["rollback", "ENV"][..], &["history", "ENV"]] {
        let ran = run_like_anybody(&world, arguments).await.exits(3).says("cannot read").says(path.to_str().unwrap());
        ran.says("the right to read it");
    }
    allow(&path, 0o600);
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

#[tokio::test]
async fn a_folder_that_is_read_only_lets_nothing_begin() {
    let world = World::new().await;
    world.deploy("v1").await.exits(0);
    world.run(&["rollback", "ENV"]).await.exits(0);
    let load = world.light_load().await;
    allow(&world.journal(), 0o500);
    world.dev.forget_calls();
    let deploy = ["deploy", "ENV", "--image", &ami("v2")];
    let ran = run_like_anybody(&world, &deploy).await.exits(3).says("cannot write").says("must be writable");
    assert_eq!(ran.stdout, "", "no release has begun");
    assert_eq!(world.writes(), BTreeMap::new());
    // Looking is no writing.
    run_like_anybody(&world, &["status", "ENV"]).await.exits(0);
    run_like_anybody(&world, &["history", "ENV"]).await.exits(0);
    allow(&world.journal(), 0o700);
    world.deploy("v2").await.exits(0);
    world.no_request_failed(load).await;
    world.is_sound("v2", Idle::Kept("v0")).await;
    world.end().await;
}

#[tokio::test]
async fn a_folder_where_none_can_be_made_lets_nothing_begin() {
    let world = World::new().await;
    fs::create_dir(world.folder().join(".switchback")).unwrap();
    allow(&world.folder().join(".switchback"), 0o500);
    let deploy = ["deploy", "ENV", "--image", &ami("v1")];
    run_like_anybody(&world, &deploy).await.exits(3).says("cannot write").says("must be writable");
    assert_eq!(world.writes(), BTreeMap::new());
    allow(&world.folder().join(".switchback"), 0o700);
    // A file in its place is no better.
    fs::remove_dir(world.folder().join(".switchback")).unwrap();
    fs::write(world.folder().join(".switchback"), "").unwrap();
    world.deploy("v1").await.exits(3).says(".switchback");
    assert_eq!(world.writes(), BTreeMap::new());
    world.answers("v0").await;
    world.end().await;
}

/// The deploy at the gate could not write what came next, and the run is dead: a person takes over at once.
async fn stopped_half_way(world: &World, deploy: Running, texts: &[&str]) {
    world.open_the_gate();
    let mut ran = deploy.end().await.exits(6).says("stopped half-way").says("is smoke").says("cannot write");
    for text in texts {
        ran = ran.says(text);
    }
    assert_eq!(world.weights().await, [100, 0]);
    world.journal_replays().await;
}

#[tokio::test]
async fn a_folder_that_becomes_read_only_stops_a_release_half_way() {
    let world = World::but(&[But::Gate]).await;
    let load = world.light_load().await;
    let command = like_anybody(world.command(&["--json", "deploy", "ENV", "--image", &ami("v1")]));
    let mut deploy = Running::of(command);
    deploy.reaches_the_gate(&world).await;
    allow(&world.journal(), 0o500);
    stopped_half_way(&world, deploy, &["must be writable"]).await;
    allow(&world.journal(), 0o700);
    // The lease could not be given back, so the same verb waits for its end.
    world.deploy("v1").await.exits(7).says("a run that died loses the lease at that time");
    let wanted = DeployRequest { image: ami("v1"), accept_smaller: false, detach: false };
    assert_eq!(world.later(61).deploy(&wanted).await.unwrap().ending, Ending::Done);
    world.no_request_failed(load).await;
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

/// Says to the test that it has a mount table of its own.
const OWN_MOUNTS: &str = "SWITCHBACK_TEST_OWN_MOUNTS";

/// Runs this test again where it may mount: in a user and mount namespace of its own. `true` inside of it.
///
/// Where the machine allows no such namespace (some containers), the reason is printed, and that a full disk is named
/// is then proven by the journal's own tests alone.
fn in_a_mount_table_of_its_own(test: &str) -> bool {
    if std::env::var_os(OWN_MOUNTS).is_some() {
        return true;
    }
    let unshare = || {
        let mut command = std::process::Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "--"]);
        command
    };
    let may_mount = unshare().args(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/tmp"]).output();
    match may_mount {
        Ok(output) if output.status.success() => {
            let this = std::env::current_exe().unwrap();
            let name = format!("bad_days::journal::{test}");
            let inner = unshare().arg(this).args(["--exact", &name, "--nocapture"]).env(OWN_MOUNTS, "1").output();
            let inner = inner.unwrap();
            let said = String::from_utf8_lossy(&inner.stdout) + String::from_utf8_lossy(&inner.stderr);
            assert!(inner.status.success() && said.contains("1 passed"), "{said}");
        }
        Ok(output) => eprintln!("no tiny disk on this machine: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("no tiny disk on this machine: unshare: {error}"),
    }
    false
}

/// Puts a disk of 256 KiB under the journal.
async fn tiny_disk(world: &World) -> PathBuf {
    let folder = world.folder().join(".switchback");
    fs::create_dir(&folder).unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&folder);
    assert!(mount.status().await.unwrap().success());
    folder
}

/// Fills the disk to its last byte.
fn fill(disk: &Path) -> PathBuf {
    use std::io::Write;
    let path = disk.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    for size in [4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

#[tokio::test]
async fn a_disk_that_is_full_lets_nothing_begin() {
    if !in_a_mount_table_of_its_own("a_disk_that_is_full_lets_nothing_begin") {
        return;
    }
    let world = World::new().await;
    let disk = tiny_disk(&world).await;
    let filler = fill(&disk);
    let load = world.light_load().await;
    let ran = world.deploy("v1").await.exits(3).says("cannot write").says("Make room on that disk");
    assert_eq!(ran.stdout, "");
    assert_eq!(world.writes(), BTreeMap::new());
    fs::remove_file(filler).unwrap();
    world.deploy("v1").await.exits(0);
    let filler = fill(&disk);
    world.dev.forget_calls();
    world.run(&["rollback", "ENV"]).await.exits(3).says("Make room on that disk");
    assert_eq!(world.writes(), BTreeMap::new());
    fs::remove_file(filler).unwrap();
    world.run(&["rollback", "ENV"]).await.exits(0);
    world.no_request_failed(load).await;
    world.is_sound("v0", Idle::Kept("v1")).await;
    world.end().await;
}

#[tokio::test]
async fn a_disk_that_gets_full_stops_a_release_half_way() {
    if !in_a_mount_table_of_its_own("a_disk_that_gets_full_stops_a_release_half_way") {
        return;
    }
    let world = World::but(&[But::Gate]).await;
    let disk = tiny_disk(&world).await;
    let load = world.light_load().await;
    let mut deploy = world.start_deploy("v1");
    deploy.reaches_the_gate(&world).await;
    let filler = fill(&disk);
    stopped_half_way(&world, deploy, &["Make room on that disk", "run the same command again"]).await;
    fs::remove_file(filler).unwrap();
    world.run(&["abort", "ENV"]).await.exits(0);
    world.no_request_failed(load).await;
    world.is_sound("v0", Idle::Empty).await;
    world.end().await;
}
