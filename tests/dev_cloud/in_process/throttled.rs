//! Throttled is not converged, not healthy, not drained: wherever the engine asks, it asks again instead of going on.

use std::time::Duration;

use switchback::dev::DevOptions;
use switchback::dev::faults::Fault;
use switchback::dev::seed::{Seed, SeedSwitch};
use switchback::engine::Notice;
use switchback::release::Ending;
use tokio::time::sleep;

use super::super::support::V0;
use super::convergence::{Stage, late};
use super::rig;

const MINUTE: Duration = Duration::from_secs(60);

/// Throttles `call` for the time that the SDK's own attempts do not bridge, from the event `from` on; says how long
/// after it `to` was recorded.
async fn throttled_between(call: &'static str, from: &'static str, to: &'static str) -> (Stage, i64) {
    let release = "{ converge: { probe: /version, quiet: 20s, no-requests: 0s }, bake: 30s }";
    throttled_in(Stage::new(late(), release).await, call, from, to).await
}

/// The same in a world that is there.
async fn throttled_in(mut stage: Stage, call: &'static str, from: &'static str, to: &'static str) -> (Stage, i64) {
    let faults = stage.rig.cloud.faults();
    let mut deploy = stage.start_deploy();
    let mut seen = Vec::new();
    let finish = loop {
        tokio::select! {
            biased;
            told = stage.told.recv() => {
                let notice = told.unwrap().notice;
                if matches!(&notice, Notice::Recorded { event, .. } if event.name() == from) {
                    faults.add(Fault::throttle(call).times(40));
                }
                seen.push(notice);
            }
            finish = &mut deploy => break finish,
        }
    };
    drop(deploy);
    stage.seen = seen;
    stage.listen();
    assert_eq!(finish.unwrap().ending, Ending::Done);
    assert!(stage.seen.iter().any(|n| matches!(n, Notice::Retrying { .. })), "{:#?}", stage.seen);
    let took = stage.recorded(to).duration_since(stage.recorded(from)).as_secs();
    (stage, took)
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_health_cannot_be_read_does_not_converge_meanwhile() {
    let (_, took) = throttled_between("elbv2:DescribeTargetHealth", "switched", "converged").await;
    assert!(took > 40, "{took} s, of which 20 are the quiet time");
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_read_back_is_throttled_does_not_converge_meanwhile() {
    let (_, took) = throttled_between("elbv2:DescribeListeners", "switched", "converged").await;
    assert!(took > 40, "{took} s, of which 20 are the quiet time");
}

/// Two load balancers, and records that send the traffic to one of them.
const RECORDS: &str = "\
name: shop
region: eu-west-1
colors:
  blue: { target-group: shop-blue, load-balancer: shop }
  green: { target-group: shop-green, load-balancer: shop-green }
switches:
  - dns: { zone: example.test, record: shop.example.test, port: 8080 }
compute:
  instances: { launch-template: shop, count: 2, subnets: [subnet-a, subnet-b] }
release: { converge: { quiet: 5s }, bake: 1s }
";

#[tokio::test(start_paused = true)]
async fn a_change_of_records_that_cannot_be_asked_for_has_not_reached_anybody() {
    let switch = SeedSwitch::Dns { zone: "example.test".into(), record: "shop.example.test".into() };
    let options = DevOptions { dns_delay: MINUTE / 2, ..late() };
    let stage = Stage::on(rig(options, Seed { switch, ..Seed::new(V0) }).await, RECORDS);
    let (_, took) = throttled_in(stage, "route53:GetChange", "switched", "converged").await;
    assert!(took > 60 + 60, "{took} s, of which 60 are the time to live, counted from INSYNC");
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_health_cannot_be_read_is_not_called_good_meanwhile() {
    let (_, took) = throttled_between("elbv2:DescribeTargetHealth", "converged", "retained").await;
    assert!(took > 50, "{took} s, of which 30 are the bake");
}

#[tokio::test(start_paused = true)]
async fn a_takedown_whose_drain_cannot_be_read_terminates_nothing_meanwhile() {
    let mut stage = Stage::new(late(), "{ converge: { probe: /version, no-requests: 0s }, bake: 1s }").await;
    assert_eq!(stage.deploy().await.ending, Ending::Done);
    sleep(61 * MINUTE).await;
    let old = stage.rig.world.instances[0].clone();
    // From the second look on: the first leads to the deregistration.
    stage.rig.cloud.faults().add(Fault::throttle("elbv2:DescribeTargetHealth").after(4));
    assert!(stage.engine().sweep().await.is_err(), "it gives up, half-way");
    assert_eq!(stage.rig.instance_state(&old).await, "running");
    stage.rig.cloud.faults().clear();
    assert_eq!(stage.sweep().await.ending, Ending::Done);
    assert_ne!(stage.rig.instance_state(&old).await, "running");
}
