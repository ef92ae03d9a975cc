//! Where it all happens: `switchback dev` with many environments in it, and an S3 beside it for their journals.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::Credentials;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use switchback::dev::machine::Catalogue;
use switchback::dev::seed::{Seed, SeedCondition, SeedSwitch, Seeded, plant};
use switchback::dev::{DevCloud, DevOptions};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::moto::Moto;
use crate::world::{PROGRAM, ami, image};

/// The versions that there are images of.
pub(crate) const VERSIONS: [&str; 4] = ["v0", "v1", "v2", "v3"];
const REGION: &str = "eu-west-1";
const BUCKET: &str = "releases";

/// What `switchback dev` is told. The traffic follows a change late, and the answers to what changes something come
/// late, so that there is a middle to be killed in.
const DEV: [&str; 12] = [
    "--propagation=300ms",
    "--health-speed=10",
    "--fault=elbv2:ModifyListener=delay,by=250ms",
    "--fault=elbv2:ModifyRule=delay,by=250ms",
    "--fault=elbv2:RegisterTargets=delay,by=80ms",
    "--fault=elbv2:DeregisterTargets=delay,by=80ms",
    "--fault=ec2:RunInstances=delay,by=150ms",
    "--fault=ec2:TerminateInstances=delay,by=80ms",
    // A call in a dozen or two is lost on its way back, or refused for coming too often.
    "--fault=elbv2:ModifyListener=lose-answer,every=17",
    "--fault=elbv2:ModifyRule=lose-answer,every=17",
    "--fault=ec2:RunInstances=lose-answer,every=13",
    "--fault=*=throttle,every=61",
];

/// A dev cloud in a process of its own, and an S3 in another.
pub(crate) struct Site {
    dev: Child,
    moto: Moto,
    folder: TempDir,
    endpoint: String,
    deaths: AtomicUsize,
    pub(crate) planted: Vec<(String, Seeded)>,
}

impl Site {
    /// Starts both, with so many environments that all run `v0`.
    pub(crate) async fn start(environments: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let moto = Moto::start().await;
        make_bucket(&moto).await;
        let planted = build(environments, &folder.path().join("state.json")).await;
        let images: serde_json::Map<String, Value> = VERSIONS
            .map(|version| {
                let command = [PROGRAM, "dev-app", "--app-version", version];
                (ami(version), json!({ "command": command, "port": 8080 }))
            })
            .into_iter()
            .collect();
        std::fs::write(folder.path().join("images.json"), json!({ "images": images }).to_string()).unwrap();
        let mut dev = Command::new(PROGRAM);
        dev.args(["--json", "dev", "--port", "0", "--images", "images.json", "--state", "state.json"]).args(DEV);
        dev.current_dir(folder.path()).env_clear().env("NO_COLOR", "1").env("HOME", folder.path());
        dev.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
        let mut dev = dev.spawn().unwrap();
        let mut lines = BufReader::new(dev.stdout.take().unwrap()).lines();
        let told = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await;
        let told: Value = serde_json::from_str(&told.expect("it tells where it is").unwrap().unwrap()).unwrap();
        let endpoint = told["endpoint"].as_str().unwrap().to_owned();
        Self { dev, moto, folder, endpoint, deaths: AtomicUsize::new(0), planted }
    }

    /// How many runs were killed.
    pub(crate) fn deaths(&self) -> usize {
        self.deaths.load(Ordering::Relaxed)
    }

    /// Counts one more.
    pub(crate) fn somebody_died(&self) {
        self.deaths.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes the environment file of the environment with this index, with so long a retention.
    pub(crate) fn environment(&self, index: usize, retain: &str) -> PathBuf {
        let (name, seeded) = &self.planted[index];
        let rule = if seeded.rule.is_some() { ", rule: { path: /* }" } else { "" };
        let text = format!(
            "\
name: {name}
region: {REGION}
journal: s3://{BUCKET}/journals
colors:
  blue: {{ target-group: {name}-blue }}
  green: {{ target-group: {name}-green }}
switches:
  - listener: {{ load-balancer: {name}, port: 8080{rule} }}
compute:
  instances: {{ launch-template: {name}, count: 2, subnets: [subnet-a, subnet-b] }}
health: {{ consecutive: 2, timeout: 10m }}
smoke:
  - http: {{ path: /version, attempts: 3, expect: {{ within: 5s }} }}
release: {{ converge: {{ probe: /version, quiet: 1s, no-requests: 0s, timeout: 5m }}, bake: 1s }}
retain: {retain}
"
        );
        let file = self.folder.path().join(format!("{name}.yaml"));
        std::fs::write(&file, text).unwrap();
        file
    }

    /// The program, pointed at the dev cloud for everything but its journal.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("NO_COLOR", "1")
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ENDPOINT_URL_S3", self.moto.endpoint())
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "TEST")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Configuration for clients of the test's own, to look with.
    pub(crate) fn sdk(&self) -> SdkConfig {
        let credentials = Credentials::new("TEST", "test", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .endpoint_url(&self.endpoint)
            .credentials_provider(aws_sdk_ec2::config::SharedCredentialsProvider::new(credentials))
            .build()
    }

    /// How often each operation that changes something was called, by `service:Operation`.
    pub(crate) async fn writes(&self) -> BTreeMap<String, u64> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("{}/_switchback/calls", self.endpoint)).send().await.unwrap();
        let told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let calls: BTreeMap<String, u64> = serde_json::from_value(told["calls"].clone()).unwrap();
        let reads = |call: &str| {
            ["Describe", "List", "Get"].iter().any(|verb| call.split(':').nth(1).unwrap().starts_with(verb))
        };
        calls.into_iter().filter(|(call, _)| !reads(call)).collect()
    }

    /// Process ids of the instances: the children of the dev cloud that run the sample program.
    pub(crate) fn machines(&self) -> Vec<u32> {
        let dev = self.dev.id().unwrap();
        let children = std::fs::read_dir(format!("/proc/{dev}/task"))
            .unwrap()
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
        let children: Vec<u32> =
            children.collect::<String>().split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        // The one that sees to it that they all end with the dev cloud is no instance.
        let runs_the_sample = |pid: &u32| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.split(|b| *b == 0).any(|a| a == b"dev-app"))
        };
        children.into_iter().filter(runs_the_sample).collect()
    }

    /// Ends the dev cloud as Ctrl-C does.
    pub(crate) async fn end(mut self) {
        let pid = Pid::from_raw(self.dev.id().unwrap().cast_signed()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(30), self.dev.wait()).await;
        assert_eq!(ended.expect("the dev cloud ends").unwrap().code(), Some(0));
    }
}

/// The bucket that the journals are in.
async fn make_bucket(moto: &Moto) {
    let place = "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>\
                 eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let made = client.put(format!("{}/{BUCKET}", moto.endpoint())).body(place).send().await.unwrap();
    assert!(made.status().is_success(), "{made:?}");
}

/// A snapshot of a dev cloud in which the environments stand.
async fn build(environments: usize, file: &Path) -> Vec<(String, Seeded)> {
    let catalogue = Catalogue { images: VERSIONS.map(|version| image(version, &[])).into() };
    let options = DevOptions { catalogue, health_speed: 50, ..DevOptions::default() };
    let dev = DevCloud::start(options).await.unwrap();
    let mut planted = Vec::new();
    for index in 0..environments {
        let name = format!("shop-{index}");
        let switch = match index % 2 {
            0 => SeedSwitch::DefaultAction,
            _ => SeedSwitch::Rule { priority: 10, condition: SeedCondition::Path("/*".into()) },
        };
        let seed = Seed {
            environment: name.clone(),
            load_balancers: [name.clone(), format!("{name}-other")],
            target_groups: ["blue", "green"].map(|color| format!("{name}-{color}")),
            launch_template: name.clone(),
            switch,
            ..Seed::new(ami("v0"))
        };
        planted.push((name, plant(&dev, &seed).await.unwrap()));
    }
    dev.snapshot().save(file).unwrap();
    dev.shutdown().await;
    planted
}
