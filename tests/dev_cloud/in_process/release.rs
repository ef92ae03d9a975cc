//! The real engine against the dev cloud in-process: a deploy and a rollback in virtual time, with traffic all the
//! while.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use object_store::memory::InMemory;
use switchback::cloud::{self, Cloud};
use switchback::config;
use switchback::dev::load::{Load, LoadOptions, LoadSummary};
use switchback::dev::seed::Seed;
use switchback::engine::{DeployRequest, Engine, Notices, Stop};
use switchback::journal::Journal;
use switchback::release::Ending;
use tempfile::NamedTempFile;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep};

use super::super::support::{Rig, V0, V1};
use super::environment::shop;
use super::{options, rig, version};

/// What a user would write for production, with a quarter of an hour of baking.
const ENVIRONMENT: &str = shop!(
    "\
health: { consecutive: 3, timeout: 10m }
smoke:
  - http: { path: /version, attempts: 2, expect: { within: 2s } }
  - tcp: { attempts: 1 }
release: { converge: { probe: /version, quiet: 1m, timeout: 5m }, bake: 15m }
retain: 24h
"
);

/// An engine whose AWS, network and time are the rig's.
pub(super) fn engine(rig: &Rig, sdk: &SdkConfig, journal: &Journal, file: &NamedTempFile, notices: Notices) -> Engine {
    let environment = config::load(file.path()).unwrap_or_else(|errors| panic!("{errors}"));
    let sdk = sdk.clone().into_builder();
    let sdk = sdk.retry_config(cloud::retries()).timeout_config(cloud::time_limits()).build();
    Engine {
        typed: "shop.yaml".into(),
        environment: Arc::new(environment),
        cloud: Cloud::from_conf(&sdk),
        journal: journal.clone(),
        dial: rig.cloud.dial(),
        notices,
        stop: Stop::default(),
        started: Instant::now(),
    }
}

/// One deploy of v1, ten minutes of pause, and a rollback; every notice as a line.
pub(in super::super) async fn deploy_and_roll_back(rig: &Rig, sdk: SdkConfig) -> (Vec<String>, LoadSummary) {
    let mut file = NamedTempFile::with_suffix(".yaml").unwrap();
    file.write_all(ENVIRONMENT.as_bytes()).unwrap();
    let journal = Journal::with_store(Arc::new(InMemory::new()), "shop");
    let journal = journal.with_clock(rig.cloud.clock().clone()).with_chance(rig.cloud.chance().fork());
    let load = LoadOptions { connections: 4, rate: Some(4), ..LoadOptions::default() };
    let load = Load::start_over(rig.cloud.dial(), &rig.world.url, load).await.unwrap();
    let (sender, mut told) = unbounded_channel();

    let deploying = engine(rig, &sdk, &journal, &file, Notices::new("shop", sender.clone()));
    let request = DeployRequest { image: V1.into(), accept_smaller: false, detach: false };
    let finish = deploying.deploy(&request).await.unwrap();
    assert!(matches!(finish.ending, Ending::Done), "{finish:?}");
    assert_eq!(version(rig).await, "v1");

    sleep(Duration::from_secs(600)).await;
    let undoing = engine(rig, &sdk, &journal, &file, Notices::new("shop", sender));
    let finish = undoing.rollback(false).await.unwrap();
    assert!(matches!(finish.ending, Ending::Done), "{finish:?}");
    sleep(Duration::from_secs(10)).await;
    assert_eq!(version(rig).await, "v0");

    let summary = load.stop().await;
    drop((deploying, undoing));
    let mut lines = Vec::new();
    while let Some(told) = told.recv().await {
        lines.push(serde_json::to_string(&told).unwrap());
    }
    (lines, summary)
}

#[tokio::test(start_paused = true)]
async fn a_deploy_and_a_rollback_fail_no_request() {
    let rig = rig(options(), Seed { deregistration_delay_s: 300, ..Seed::new(V0) }).await;
    let began = Instant::now();
    let (told, summary) = deploy_and_roll_back(&rig, rig.cloud.sdk_config("eu-west-1")).await;
    assert_eq!(summary.failed, 0, "{:?}", summary.errors);
    assert!(summary.by_version["v0"] > 100 && summary.by_version["v1"] > 1_000, "{:?}", summary.by_version);
    // The bake alone is a quarter of an hour, the pause another ten minutes.
    assert!(began.elapsed() > Duration::from_secs(25 * 60), "{:?}", began.elapsed());
    assert!(told.iter().any(|line| line.contains("\"rolled-back\"")), "{told:#?}");
    rig.cloud.shutdown().await;
}
