//! Ctrl-C in the demo: it ends soon, with 130, and leaves nothing.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::world::PROGRAM;

/// The demo under little load, with `folder` for its temporary files.
fn demo(folder: &Path, arguments: &[&str]) -> Child {
    Command::new(PROGRAM)
        .args(["--json", "demo", "--rate", "20", "--requests", "1", "--env"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("environments/demo.yaml"))
        .args(arguments)
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn interrupt(child: &Child) {
    let id = i32::try_from(child.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::INT).unwrap();
}

/// Interrupts the demo when it prints a line like this; the exit code, and every line it printed.
async fn interrupted_at(wanted: impl Fn(&Value) -> bool, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let mut child = demo(folder.path(), arguments);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    let mut since = None;
    while let Some(line) = tokio::time::timeout(Duration::from_secs(100), lines.next_line()).await.unwrap().unwrap() {
        said.push(serde_json::from_str(&line).unwrap());
        if since.is_none() && said.last().is_some_and(&wanted) {
            interrupt(&child);
            since = Some(Instant::now());
        }
    }
    let code = child.wait().await.unwrap().code();
    let took = since.expect("it came so far").elapsed();
    // Far less than the retention it may have been waiting for, and far more than a slow machine needs.
    assert!(took < Duration::from_secs(6), "it went on for {took:?}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "it left {left:?}");
    (code, said)
}

#[tokio::test]
async fn ctrl_c_before_the_stage_is_set_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let child = demo(folder.path(), &[]);
    // Its folder is the first thing it makes.
    crate::world::until("it has begun", async || std::fs::read_dir(folder.path()).unwrap().next().is_some()).await;
    interrupt(&child);
    let ran = crate::world::ended(child).await.exits(130);
    assert!(!ran.stdout.contains("\"step\""), "{}", ran.stdout);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn ctrl_c_in_a_release_ends_the_demo_with_130_and_the_summary_last() {
    let (code, said) = interrupted_at(|line| line["event"]["type"] == "provisioned", &[]).await;
    assert_eq!(code, Some(130));
    assert_eq!(said[0]["type"], "dev", "where the dev cloud is, before anything else");
    assert_eq!(said.last().unwrap()["type"], "summary");
}

#[tokio::test]
async fn ctrl_c_while_the_demo_waits_for_the_retention_ends_it_at_once() {
    let mut retained = 0;
    let counted = std::cell::RefCell::new(&mut retained);
    let fourth = |line: &Value| {
        if line["event"]["type"] == "retained" {
            **counted.borrow_mut() += 1;
        }
        // v1, v2 and v4 get there.
        **counted.borrow() == 3
    };
    let (code, said) = interrupted_at(fourth, &[]).await;
    assert_eq!(code, Some(130));
    assert!(!said.iter().any(|line| line["name"] == "sweep"), "nothing is swept after Ctrl-C");
}

#[tokio::test]
async fn a_dev_cloud_that_is_kept_ends_with_ctrl_c_and_the_demo_is_done() {
    let (code, said) = interrupted_at(|line| line["type"] == "summary", &["--keep"]).await;
    assert_eq!(code, Some(0));
    assert_eq!(said.last().unwrap()["type"], "summary");
    assert_eq!(said.last().unwrap()["failed"], 0);
    assert_eq!(said.last().unwrap()["flips"].as_array().unwrap().len(), 4, "three deploys and a rollback");
}
