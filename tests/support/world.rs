//! A world for tests from outside: the dev cloud with a service in it, an environment file, and the real program.

#![allow(dead_code, reason = "each file of tests that includes this uses a part of it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use switchback::dev::load::{Load, LoadOptions};
use switchback::dev::machine::{Catalogue, Image};
use switchback::dev::seed::{Seed, Seeded, plant};
use switchback::dev::{DevCloud, DevOptions};
use tempfile::TempDir;
use tokio::process::{Child, Command};

#[path = "environment.rs"]
mod environment;

use environment::shop;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_switchback");

/// The environment file of most tests: short times, a probe, one smoke check.
pub(crate) const ENVIRONMENT: &str = shop!(
    "\
health: { consecutive: 2, timeout: 1m }
smoke:
  - http: { path: /version, attempts: 1, expect: { within: 2s } }
release: { converge: { probe: /version, quiet: 1s, no-requests: 0s, timeout: 2m }, bake: 1s }
retain: 1h
"
);

/// The dev cloud, a service that runs `v0` on blue, and an environment file for it.
pub(crate) struct World {
    pub(crate) dev: DevCloud,
    pub(crate) seeded: Seeded,
    folder: TempDir,
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Every line of stdout as JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e} in {l:?}"))).collect()
    }

    /// The journal events of a `--json` run, by name.
    pub(crate) fn events(&self) -> Vec<String> {
        self.lines().iter().filter_map(|l| Some(l.get("event")?.get("type")?.as_str()?.to_owned())).collect()
    }

    /// Checks the exit code and shows everything where it is another.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Checks that stderr has the text.
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is missing in stderr:\n{}", self.stderr);
        self
    }
}

/// Id of the image that runs the sample program as `version`.
pub(crate) fn ami(version: &str) -> String {
    let digits: String = version.bytes().map(|b| format!("{b:02x}")).collect();
    format!("ami-{digits:0>17}")
}

/// An image of the sample program, with further arguments for it.
pub(crate) fn image(version: &str, arguments: &[&str]) -> (String, Image) {
    let mut command = vec![PROGRAM.to_owned(), "dev-app".into(), "--app-version".into(), version.into()];
    command.extend(arguments.iter().map(|a| (*a).to_owned()));
    (ami(version), Image::new(command, 8080))
}

impl World {
    /// The usual world.
    pub(crate) async fn new() -> Self {
        Self::with(DevOptions::default(), |_| {}, ENVIRONMENT).await
    }

    /// A world with other options, another seed, another environment file.
    pub(crate) async fn with(options: DevOptions, change: impl FnOnce(&mut Seed), environment: &str) -> Self {
        let mut catalogue = Catalogue { images: ["v0", "v1", "v2", "v3"].iter().map(|v| image(v, &[])).collect() };
        catalogue.images.extend(options.catalogue.images.clone());
        let dev = DevCloud::start(DevOptions { catalogue, ..options }).await.expect("the dev cloud starts");
        let mut seed = Seed::new(ami("v0"));
        change(&mut seed);
        let seeded = plant(&dev, &seed).await.expect("the seed is planted");
        let folder = TempDir::new().expect("a folder");
        let world = Self { dev, seeded, folder };
        world.write_environment(environment);
        world
    }

    /// Replaces the environment file.
    pub(crate) fn write_environment(&self, text: &str) {
        std::fs::write(self.env(), text).expect("the environment file is written");
    }

    /// Path of the environment file.
    pub(crate) fn env(&self) -> PathBuf {
        self.folder.path().join("shop.yaml")
    }

    /// Folder of the journal's entries.
    pub(crate) fn journal(&self) -> PathBuf {
        let text = std::fs::read_to_string(self.env()).unwrap_or_default();
        let name = text.lines().find_map(|line| line.strip_prefix("name: ")).unwrap_or("shop").to_owned();
        self.folder.path().join(".switchback").join(name)
    }

    /// The world's own folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The program, pointed at the dev cloud, not started yet. `ENV` in the arguments stands for the environment file.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        for argument in arguments {
            if *argument == "ENV" {
                command.arg(self.env())
            } else {
                command.arg(argument)
            };
        }
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("NO_COLOR", "1")
            .env("AWS_ENDPOINT_URL", self.dev.url())
            .env("AWS_ACCESS_KEY_ID", "TEST")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        ended(self.command(arguments).spawn().expect("the program starts")).await
    }

    /// Deploys `version`.
    pub(crate) async fn deploy(&self, version: &str) -> Ran {
        self.run(&["deploy", "ENV", "--image", &ami(version)]).await
    }

    /// What `status --json` says.
    pub(crate) async fn status(&self) -> Value {
        self.run(&["--json", "status", "ENV"]).await.exits(0).lines().remove(0)
    }

    /// The version that answers through the load balancer, asked on a new connection.
    pub(crate) async fn version(&self) -> String {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer = client.get(format!("{}/version", self.seeded.url)).send().await.expect("an answer");
        answer.text().await.expect("a body").trim().to_owned()
    }

    /// Waits until the version answers through the load balancer.
    pub(crate) async fn answers(&self, version: &str) {
        until(&format!("{version} answers"), async || self.version().await == version).await;
    }

    /// A client's load through the load balancer.
    pub(crate) async fn load(&self) -> Load {
        self.load_on("/").await
    }

    /// The same, on another path.
    pub(crate) async fn load_on(&self, path: &str) -> Load {
        let options = LoadOptions { connections: 8, rate: Some(400), ..LoadOptions::default() };
        Load::start(&format!("{}{path}", self.seeded.url), options).await.expect("the load starts")
    }

    /// Ends the load and checks that no request failed.
    pub(crate) async fn no_request_failed(&self, load: Load) -> BTreeMap<String, u64> {
        let summary = load.stop().await;
        assert!(summary.sent > 0, "no request was sent");
        assert_eq!(summary.failed, 0, "of {} requests failed: {:?}", summary.sent, summary.errors);
        summary.by_version
    }

    /// A client of an independent kind: the raw SDK, for looking at the world.
    pub(crate) fn elb(&self) -> aws_sdk_elasticloadbalancingv2::Client {
        aws_sdk_elasticloadbalancingv2::Client::new(&self.dev.sdk_config("eu-west-1"))
    }

    /// As [`World::elb`], for instances and images.
    pub(crate) fn ec2(&self) -> aws_sdk_ec2::Client {
        aws_sdk_ec2::Client::new(&self.dev.sdk_config("eu-west-1"))
    }

    /// Ids of instances that run or start, by the value of their tag `switchback:color`.
    pub(crate) async fn instances(&self, color: &str) -> Vec<String> {
        let filter = |name: &str, values: &[&str]| {
            let values = values.iter().map(|v| (*v).to_owned()).collect();
            aws_sdk_ec2::types::Filter::builder().name(name).set_values(Some(values)).build()
        };
        let answer = self
            .ec2()
            .describe_instances()
            .filters(filter("tag:switchback:color", &[color]))
            .filters(filter("instance-state-name", &["pending", "running"]))
            .send()
            .await
            .expect("instances are listed");
        answer.reservations().iter().flat_map(|r| r.instances()).filter_map(|i| i.instance_id.clone()).collect()
    }

    /// The calls since the log was last emptied that change something, by `service:Operation`.
    pub(crate) fn writes(&self) -> BTreeMap<String, u64> {
        let reads = |call: &str| {
            let operation = call.split_once(':').map_or(call, |(_, operation)| operation);
            ["Describe", "List", "Get"].iter().any(|verb| operation.starts_with(verb))
        };
        self.dev.calls().into_iter().filter(|(call, _)| !reads(call)).collect()
    }

    /// Ids of the targets of a color (0 is the first), draining ones included, with their health.
    pub(crate) async fn targets(&self, color: usize) -> BTreeMap<String, String> {
        let group = &self.seeded.target_groups[color];
        let answer = self.elb().describe_target_health().target_group_arn(group).send().await.expect("target health");
        let described = answer.target_health_descriptions().iter();
        described
            .map(|d| {
                let id = d.target().and_then(|t| t.id()).expect("an id").to_owned();
                let state = d.target_health().and_then(|h| h.state()).map_or("", |s| s.as_str()).to_owned();
                (id, state)
            })
            .collect()
    }

    /// The journal's entries, in order.
    pub(crate) fn entries(&self) -> Vec<Value> {
        let Ok(folder) = std::fs::read_dir(self.journal()) else { return Vec::new() };
        let mut files: Vec<PathBuf> = folder.map(|entry| entry.expect("an entry").path()).collect();
        files.retain(|file| file.extension().is_some_and(|e| e == "json"));
        files.sort();
        let read = |file: &PathBuf| serde_json::from_slice(&std::fs::read(file).expect("an entry")).expect("JSON");
        files.iter().map(read).collect()
    }

    /// Names of the journal's events, in order.
    pub(crate) fn recorded(&self) -> Vec<String> {
        let name = |entry: &Value| Some(entry["body"]["event"]["type"].as_str()?.to_owned());
        self.entries().iter().filter_map(name).collect()
    }

    /// Waits until the journal holds an event of that name, as its `times`th one.
    pub(crate) async fn until_recorded(&self, event: &str, times: usize) {
        let what = format!("{event} is recorded");
        until(&what, async || self.recorded().iter().filter(|name| *name == event).count() >= times).await;
    }

    /// Checks that nobody holds the lease: there is no journal, or its last entry gives the lease back.
    pub(crate) fn lease_is_free(&self) {
        let entries = self.entries();
        let Some(last) = entries.last() else { return };
        assert_eq!(last["body"], "lease-released", "the last entry is {last:#}");
        assert!(last["lease_until"].is_null(), "{last:#}");
    }

    /// Checks that a color (0 is the first) has no instance and no target.
    pub(crate) async fn nothing_is_left_of(&self, color: usize) {
        let name = ["blue", "green"][color];
        assert_eq!(self.instances(name).await, Vec::<String>::new(), "instances of {name}");
        assert_eq!(self.targets(color).await, BTreeMap::new(), "targets of {name}");
    }

    /// Ends everything.
    pub(crate) async fn end(self) {
        self.dev.shutdown().await;
    }
}

/// Asks until it is so, at most 30 seconds.
pub(crate) async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .unwrap_or_else(|_| panic!("it never came to this: {what}"));
}

/// Waits for a started program.
pub(crate) async fn ended(child: Child) -> Ran {
    let output = tokio::time::timeout(Duration::from_secs(120), child.wait_with_output());
    let output = output.await.expect("the program ends within two minutes").expect("the program ran");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
