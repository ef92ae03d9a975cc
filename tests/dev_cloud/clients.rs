//! Other clients than the Rust SDK: boto3, every answer held against botocore's own models.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use switchback::dev::{DevCloud, operations};
use tokio::process::Command;

use super::support::{V1, options};

#[path = "../support/python.rs"]
mod python;

/// The version whose models the answers are held against.
const BOTO3: [&str; 2] = ["boto3==1.43.11", "botocore==1.43.11"];

/// Runs `tests/clients/NAME.py` against a new dev cloud; it ends with 1 where an answer does not fit.
async fn story(name: &str) {
    let cloud = DevCloud::start(options()).await.unwrap();
    let python = tokio::task::spawn_blocking(|| python::environment("boto3", &BOTO3)).await.unwrap();
    let python = python.expect("python3 with venv and a package index, or the environment from an earlier run");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name).with_extension("py");
    let output = Command::new(python)
        .arg("-B")
        .arg(script)
        .env("ENDPOINT", cloud.url())
        .env("NETWORK", cloud.network())
        .env("IMAGE", V1)
        .env("MODELLED", modelled())
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

/// Operations by service, as JSON.
fn modelled() -> String {
    let mut by_service = BTreeMap::<_, Vec<_>>::new();
    // Requests of these two are not told apart by an operation's name, but by path and method.
    for each in operations().into_iter().filter(|each| !["route53", "s3"].contains(&each.service)) {
        by_service.entry(each.service).or_default().push(each.operation);
    }
    serde_json::to_string(&by_service).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_release_with_boto3_gets_only_answers_that_the_models_know() {
    story("release").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_with_boto3_behaves_as_aws_documents_it() {
    story("buckets").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn route_53_with_boto3_behaves_as_aws_documents_it() {
    story("names").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_beside_a_release_give_boto3_only_answers_that_the_models_know() {
    story("services").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_all_operations_is_that_of_botocore() {
    story("operations").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_parameters_that_are_not_modelled_is_what_is_refused() {
    story("parameters").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_terraforms_provider_asks_is_answered() {
    story("terraform").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_scaling_with_boto3_gets_only_answers_that_the_models_know() {
    story("scaling").await;
}
