//! The dev cloud with a user's own programs.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::world::{ENVIRONMENT, PROGRAM, Ran, ended};

const IMAGE: &str = "ami-0000000000000001a";

/// `dev --for` the usual environment, not started yet, with an image that runs `command`.
fn dev(folder: &std::path::Path, command: &str) -> Command {
    std::fs::write(folder.join("shop.yaml"), ENVIRONMENT).unwrap();
    let images = format!("images:\n  {IMAGE}: {{ command: {command}, port: 8080 }}\n");
    std::fs::write(folder.join("images.yaml"), images).unwrap();
    let mut dev = Command::new(PROGRAM);
    dev.args(["dev", "--port", "0", "--for", "shop.yaml", "--images", "images.yaml", "--live", IMAGE])
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    dev
}

async fn fails(command: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    ended(dev(folder.path(), command).spawn().unwrap()).await.exits(1)
}

#[tokio::test]
async fn the_folder_for_logs_is_made_private_and_every_client_learns_the_region() {
    let folder = tempfile::tempdir().unwrap();
    let command = format!("[{PROGRAM}, dev-app, --app-version, v1]");
    let mut child = dev(folder.path(), &command).args(["--logs", "new/logs"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = String::new();
    while !said.contains("AWS_SECRET_ACCESS_KEY") {
        let line = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await.unwrap().unwrap();
        said.push_str(&line.expect("it goes on"));
        said.push('\n');
    }
    // Some SDKs read the one, some the other.
    assert!(said.contains("export AWS_REGION=eu-west-1\n"), "{said}");
    assert!(said.contains("export AWS_DEFAULT_REGION=eu-west-1\n"), "{said}");
    let logs = folder.path().join("new/logs");
    assert_eq!(std::fs::metadata(&logs).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::read_dir(&logs).unwrap().count(), 2, "one for each instance");
    kill_process(Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap(), Signal::INT).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let ran = fails("[./no-such-program]").await.says("no-such-program").says("No such file");
    assert!(!ran.stderr.contains("see the log"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_seed_file_is_a_world_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("world.yaml"), "load-balancers: [pay, pay-green]\n").unwrap();
    let mut dev = Command::new(PROGRAM);
    dev.args(["dev", "--port", "0", "--seed-file", "world.yaml", "--json"]).current_dir(folder.path());
    dev.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = dev.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await.unwrap().unwrap().unwrap();
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    let config = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
        .region(aws_config::Region::new("eu-west-1"))
        .endpoint_url(told["endpoint"].as_str().unwrap())
        .credentials_provider(aws_sdk_ec2::config::SharedCredentialsProvider::new(
            aws_sdk_ec2::config::Credentials::new("DEVCLOUD", "dev-cloud", None, None, "test"),
        ))
        .build();
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&config);
    let found = elb.describe_load_balancers().names("pay").send().await.unwrap();
    assert_eq!(found.load_balancers().len(), 1);
    assert_eq!(elb.describe_target_groups().send().await.unwrap().target_groups().len(), 2);

    std::fs::write(folder.path().join("world.yaml"), "load-balancer: pay\n").unwrap();
    let mut dev = Command::new(PROGRAM);
    dev.args(["dev", "--port", "0", "--seed-file", "world.yaml"]).current_dir(folder.path());
    dev.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    ended(dev.spawn().unwrap()).await.exits(2).says("load-balancer").says("world.yaml");
}

#[tokio::test]
async fn a_dev_cloud_with_a_state_file_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = None;
    for round in 0..2 {
        let command = format!("[{PROGRAM}, dev-app, --app-version, v1]");
        let mut child = dev(folder.path(), &command).args(["--state", "state.json", "--json"]).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await.unwrap().unwrap().unwrap();
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(told["url"].is_string(), round == 0, "the world is built once: {told}");
        let url = before.get_or_insert_with(|| told["url"].as_str().unwrap().to_owned()).clone();
        let answers = async || reqwest::get(format!("{url}/version")).await.is_ok_and(|answer| answer.status() == 200);
        for _ in 0..1000 {
            if answers().await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(answers().await, "round {round}: nobody answers at {url}");
        kill_process(Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap(), Signal::INT).unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(0));
        let kept = std::fs::metadata(folder.path().join("state.json")).unwrap();
        assert_eq!(kept.permissions().mode() & 0o777, 0o600);
    }
}
