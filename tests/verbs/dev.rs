//! `switchback dev`: the dev cloud alone, for any AWS client and for a user's own programs.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::world::{ENVIRONMENT, PROGRAM, Ran, ami, ended, until};

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(folder).env_clear().env("NO_COLOR", "1").env("HOME", folder);
    command.env("AWS_ACCESS_KEY_ID", "TEST").env("AWS_SECRET_ACCESS_KEY", "test");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn run(folder: &Path, arguments: &[&str]) -> Ran {
    ended(program(folder, arguments).spawn().expect("the program starts")).await
}

/// A folder with an environment file and a catalogue of two images of a user's own program.
fn folder() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("shop.yaml"), ENVIRONMENT).expect("written");
    let image = |version: &str| json!({ "command": [PROGRAM, "dev-app", "--app-version", version], "port": 8080, "environment": { "A": "b" } });
    let images = json!({ "images": { ami("v1"): image("v1"), ami("v2"): image("v2") } });
    std::fs::write(folder.path().join("images.json"), images.to_string()).expect("written");
    folder
}

/// Starts `switchback dev` and returns what it tells first.
async fn start(folder: &Path, arguments: &[&str]) -> (Child, Value) {
    let mut line = vec!["--json", "dev", "--port", "0"];
    line.extend(arguments);
    let mut child = program(folder, &line).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let first = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await.expect("it tells where it is");
    let first = first.expect("a line").expect("not the end");
    (child, serde_json::from_str(&first).expect("JSON"))
}

/// Ends it as Ctrl-C does.
async fn interrupt(mut child: Child) -> Option<i32> {
    let pid = Pid::from_raw(i32::try_from(child.id().expect("it runs")).expect("a number")).expect("a process id");
    kill_process(pid, Signal::INT).expect("it is interrupted");
    tokio::time::timeout(Duration::from_secs(30), child.wait()).await.expect("it ends").expect("it ran").code()
}

async fn version(url: &str) -> Result<String, reqwest::Error> {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    client.get(format!("{url}/version")).send().await?.text().await
}

#[tokio::test]
async fn a_users_own_program_is_deployed_to_the_dev_cloud_and_rolled_back() {
    let folder = folder();
    let live = ami("v1");
    let arguments = [
        "--images",
        "images.json",
        "--for",
        "shop.yaml",
        "--live",
        &live,
        "--propagation",
        "0s",
        "--health-speed",
        "50",
    ];
    let (dev, told) = start(folder.path(), &arguments).await;
    assert_eq!(told["type"], "dev");
    let (endpoint, url) = (told["endpoint"].as_str().expect("an endpoint"), told["url"].as_str().expect("a URL"));
    assert_eq!(version(url).await.expect("an answer"), "v1");
    let verb = async |arguments: &[&str]| {
        let mut command = program(folder.path(), arguments);
        command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_REGION", told["region"].as_str().expect("a region"));
        ended(command.spawn().expect("the program starts")).await
    };
    verb(&["deploy", "shop.yaml", "--image", &ami("v2")]).await.exits(0);
    assert_eq!(version(url).await.expect("an answer"), "v2");
    verb(&["rollback", "shop.yaml"]).await.exits(0);
    assert_eq!(version(url).await.expect("an answer"), "v1");
    let status = verb(&["--json", "status", "shop.yaml"]).await.exits(0).lines().remove(0);
    let instances = status["colors"].as_array().into_iter().flatten().flat_map(|c| c["instances"].as_array().cloned());
    let addresses: Vec<String> = instances.flatten().filter_map(|i| i["address"].as_str().map(str::to_owned)).collect();
    assert_eq!(addresses.len(), 4, "{status:#}");

    assert_eq!(interrupt(dev).await, Some(0));
    // Nothing of it is left: not the load balancer, not one process.
    assert!(version(url).await.is_err());
    for address in addresses {
        until("the instance has ended", async || version(&format!("http://{address}:8080")).await.is_err()).await;
    }
}

#[tokio::test]
async fn a_dev_cloud_that_cannot_start_says_why() {
    let folder = folder();
    let help = run(folder.path(), &["dev", "--help"]).await.exits(0);
    assert!(help.stdout.contains("[default: 4566]"), "{}", help.stdout);
    run(folder.path(), &["dev", "--port", "0", "--images", "nowhere.yaml"]).await.exits(2).says("nowhere.yaml");
    std::fs::write(folder.path().join("bad.yaml"), "images: { ami-1: { command: [], port: 0 } }").expect("written");
    run(folder.path(), &["dev", "--port", "0", "--images", "bad.yaml"]).await.exits(2).says("bad.yaml").says("ami-1");
    let missing = ami("v9");
    let line = ["dev", "--port", "0", "--images", "images.json", "--for", "shop.yaml", "--live", &missing];
    run(folder.path(), &line).await.exits(2).says(&format!("{missing} is not in the image catalogue"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    run(folder.path(), &["dev", "--port", &port]).await.exits(1).says("cannot listen on").says("choose another port");
}
