//! The dev cloud without sockets under paused time: minutes pass in milliseconds, and a seed decides the rest.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::TargetDescription;
use switchback::dev::app::AppOptions;
use switchback::dev::faults::Fault;
use switchback::dev::load::{Load, LoadOptions};
use switchback::dev::machine::{Catalogue, Image};
use switchback::dev::seed::Seed;
use switchback::dev::{DevCloud, DevOptions, HttpConnection};
use tokio::time::{Instant, sleep};

use super::support::{Rig, V0, V1, code};

#[path = "../support/environment.rs"]
mod environment;

mod convergence;
mod counting;
mod determinism;
mod meddling;
mod observing;
mod phases;
pub(super) mod release;
mod strangers;
mod throttled;
mod unanswered;

/// What a minute of AWS is, with nothing made quicker.
pub(super) fn options() -> DevOptions {
    let images = [("v0", V0), ("v1", V1)].map(|(version, id)| (id.to_owned(), program(version, &[])));
    DevOptions {
        catalogue: Catalogue { images: BTreeMap::from(images) },
        propagation: Duration::from_secs(5),
        run_delay: Duration::from_secs(20),
        health_speed: 1,
        ..DevOptions::default()
    }
}

fn program(version: &str, faults: &[&str]) -> Image {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    Image::in_memory(AppOptions { faults, ..AppOptions::new(version) }, 8080)
}

pub(super) async fn rig(options: DevOptions, seed: Seed) -> Rig {
    Rig::on(DevCloud::in_process(options).await.unwrap(), seed, Duration::from_millis(500)).await
}

/// The body of an answer through the load balancer, or its status where it is no 200.
async fn version(rig: &Rig) -> String {
    let answer = rig.cloud.get(&format!("{}/version", rig.world.url)).await.unwrap();
    match answer.status().as_u16() {
        200 => String::from_utf8(answer.into_body().to_vec()).unwrap(),
        status => status.to_string(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_release_by_hand_takes_its_true_times_and_fails_no_request() {
    let rig = rig(options(), Seed { deregistration_delay_s: 300, ..Seed::new(V0) }).await;
    let [blue, green] = rig.world.target_groups.clone();
    let load = LoadOptions { connections: 4, rate: Some(5), ..LoadOptions::default() };
    let load = Load::start_over(rig.cloud.dial(), &rig.world.url, load).await.unwrap();

    let ids = rig.launch(V1, 2).await;
    rig.register(&green, &ids).await;
    assert_eq!(rig.states(&green).await, ["initial/Elb.InitialHealthChecking"; 2]);
    rig.until(&green, "healthy").await;
    assert_eq!(version(&rig).await, "v0");

    // The flip: AWS's answer comes before the load balancer follows.
    rig.forward([0, 100]).await;
    assert_eq!(version(&rig).await, "v0");
    sleep(Duration::from_millis(4_900)).await;
    assert_eq!(version(&rig).await, "v0");
    sleep(Duration::from_millis(200)).await;
    assert_eq!(version(&rig).await, "v1");

    // The drain: for the whole delay, to the second.
    let old: Vec<_> = rig.world.instances.iter().map(|id| TargetDescription::builder().id(id).build()).collect();
    let began = Instant::now();
    rig.elb.deregister_targets().target_group_arn(&blue).set_targets(Some(old)).send().await.unwrap();
    sleep(Duration::from_millis(299_900)).await;
    assert_eq!(rig.states(&blue).await, ["draining/Target.DeregistrationInProgress"; 2]);
    sleep(Duration::from_millis(200)).await;
    assert!(rig.states(&blue).await.is_empty());
    assert_eq!(began.elapsed().as_secs(), 300);

    let summary = load.stop().await;
    assert_eq!(summary.failed, 0, "{:?}", summary.errors);
    assert!(summary.by_version["v0"] > 50 && summary.by_version["v1"] > 1_500, "{:?}", summary.by_version);
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_sdk_retries_in_virtual_time() {
    let rig = rig(options(), Seed { count: 0, ..Seed::new(V0) }).await;
    rig.cloud.faults().add(Fault::throttle("elbv2:DescribeLoadBalancers").times(2));
    let began = Instant::now();
    rig.elb.describe_load_balancers().send().await.unwrap();
    assert!(!began.elapsed().is_zero(), "two pauses");
    assert_eq!(rig.cloud.calls()["elbv2:DescribeLoadBalancers"], 3);

    rig.cloud.faults().add(Fault::throttle("elbv2:DescribeLoadBalancers"));
    assert_eq!(code(rig.elb.describe_load_balancers().send().await), "ThrottlingException");
    rig.cloud.faults().clear();

    // The answer is lost, and the effect is there: the second attempt finds the first one's work.
    rig.cloud.faults().add(Fault::lose_answer("elbv2:DeleteTargetGroup").times(1));
    let vpc = &rig.world.vpc;
    let made = rig.elb.create_target_group().name("extra").protocol("HTTP".into()).port(80).vpc_id(vpc).send().await;
    let arn = made.unwrap().target_groups()[0].target_group_arn().unwrap().to_owned();
    rig.elb.delete_target_group().target_group_arn(&arn).send().await.unwrap();
    assert_eq!(rig.cloud.calls()["elbv2:DeleteTargetGroup"], 2);
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn health_is_checked_at_the_groups_own_interval() {
    let rig = rig(options(), Seed { count: 1, ..Seed::new(V0) }).await;
    let blue = &rig.world.target_groups[0];
    let machine = rig.cloud.machine(&rig.world.instances[0]).unwrap();

    // The seed checks every 5 s with a time-out of 2 s; two failures in a row make a target unhealthy.
    machine.freeze(true);
    let began = Instant::now();
    rig.until(blue, "unhealthy/Target.Timeout").await;
    let took = began.elapsed();
    assert!((7..=12).contains(&took.as_secs()), "{took:?}");

    machine.freeze(false);
    let began = Instant::now();
    rig.until(blue, "healthy").await;
    let took = began.elapsed();
    assert!((5..=12).contains(&took.as_secs()), "{took:?}");

    machine.kill();
    rig.until(blue, "unhealthy/Target.FailedHealthChecks").await;
    assert_eq!(rig.instance_state(&rig.world.instances[0]).await, "running", "AWS knows nothing of programs");
    assert_eq!(version(&rig).await, "502");
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn programs_in_memory_hang_answer_late_die_and_never_start() {
    let rig = rig(options(), Seed { count: 0, ..Seed::new(V0) }).await;
    let green = rig.world.target_groups[1].clone();
    rig.forward([0, 100]).await;
    let bad = [
        ("ami-000000000000000a1", program("late", &["/*=late:3s"]), "unhealthy/Target.Timeout"),
        ("ami-000000000000000a2", program("hung", &["/healthz=hang"]), "unhealthy/Target.Timeout"),
        ("ami-000000000000000a3", program("sick", &["/healthz=status:500"]), "unhealthy/Target.ResponseCodeMismatch"),
        ("ami-000000000000000a4", program("dies", &["/healthz=exit"]), "unhealthy/Target.FailedHealthChecks"),
        (
            "ami-000000000000000a5",
            Image::in_memory(AppOptions { start_delay: Duration::from_secs(3600), ..AppOptions::new("slow") }, 8080),
            "unhealthy/Target.FailedHealthChecks",
        ),
    ];
    for (id, image, state) in bad {
        rig.cloud.set_image(id, image);
        let ids = rig.launch(id, 1).await;
        rig.register(&green, &ids).await;
        rig.until(&green, state).await;
        let targets = TargetDescription::builder().id(&ids[0]).build();
        rig.elb.deregister_targets().target_group_arn(&green).targets(targets).send().await.unwrap();
        sleep(Duration::from_secs(2)).await;
    }
    // What is no program in memory cannot be started here, and says so.
    rig.cloud.set_image("ami-000000000000000a6", Image::new(vec!["true".into()], 8080));
    let run = rig.ec2.run_instances().image_id("ami-000000000000000a6").subnet_id(&rig.world.subnets[0]);
    let run = run.instance_type("t3.micro".into()).min_count(1).max_count(1).send().await.unwrap();
    let id = run.instances()[0].instance_id().unwrap();
    rig.until_instance(id, "terminated").await;
    let found = rig.ec2.describe_instances().instance_ids(id).send().await.unwrap();
    let reason = found.reservations()[0].instances()[0].state_reason().unwrap().message().unwrap().to_owned();
    assert!(reason.contains("without sockets runs the sample program only"), "{reason}");
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_kept_alive_connection_follows_a_flip_with_its_next_request() {
    let rig = rig(options(), Seed::new(V0)).await;
    let ids = rig.launch(V1, 1).await;
    rig.register(&rig.world.target_groups[1], &ids).await;
    rig.until(&rig.world.target_groups[1], "healthy").await;
    let mut connection = HttpConnection::open(&*rig.cloud.dial(), &rig.world.url).await.unwrap();
    assert_eq!(connection.get("/version").await.unwrap().body(), "v0");
    rig.forward([0, 1]).await;
    sleep(Duration::from_secs(6)).await;
    let answer = connection.get("/version").await.unwrap();
    assert_eq!((answer.body().as_ref(), &answer.headers()["x-version"]), (&b"v1"[..], &"v1".parse().unwrap()));
    rig.cloud.shutdown().await;
    assert!(connection.get("/version").await.is_err());
}
