//! Other clients than the Rust SDK: boto3, every answer held against botocore's own models.

use std::path::Path;
use std::process::Stdio;

use switchback::dev::DevCloud;
use tokio::process::Command;

use super::support::{V1, options};

#[path = "../support/python.rs"]
mod python;

/// The version whose models the answers are held against.
const BOTO3: &str = "boto3==1.43.11";

/// Runs `tests/clients/NAME.py` against a new dev cloud; it ends with 1 where an answer does not fit.
async fn story(name: &str) {
    let cloud = DevCloud::start(options()).await.unwrap();
    let python = tokio::task::spawn_blocking(|| python::environment("boto3", BOTO3)).await.unwrap();
    let python = python.expect("python3 with venv and a package index, or the environment from an earlier run");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name).with_extension("py");
    let output = Command::new(python)
        .arg("-B")
        .arg(script)
        .env("ENDPOINT", cloud.url())
        .env("NETWORK", cloud.network())
        .env("IMAGE", V1)
        .env_remove("AWS_PROFILE")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}\n{said}\n{complained}", output.status);
    println!("{name}: {said}");
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_release_with_boto3_gets_only_answers_that_the_models_know() {
    story("release").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_all_operations_is_that_of_botocore() {
    story("operations").await;
}
