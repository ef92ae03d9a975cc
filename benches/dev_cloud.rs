//! What the dev cloud costs: SDK calls per second in-process, server time of a describe call, 10,000 targets, idling.
//!
//! `cargo bench --bench dev_cloud` runs everything; `cargo bench --bench dev_cloud -- calls describe` runs those named.
//! CPU times are the whole process's (user and system), so other work on the machine hardly matters.

#![expect(clippy::unwrap_used, reason = "a measurement that goes wrong may stop anywhere")]

mod cpu;

use std::fmt::Display;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_ec2 as ec2;
use aws_sdk_elasticloadbalancingv2 as elb;
use elb::types::{
    Action, ActionTypeEnum, ForwardActionConfig, PathPatternConditionConfig, RuleCondition, TargetDescription,
    TargetGroupTuple,
};
use object_store::client::{HttpRequest, HttpService};
use switchback::dev::app::AppOptions;
use switchback::dev::machine::{Catalogue, Image};
use switchback::dev::seed::{Seed, Seeded, plant};
use switchback::dev::{DevCloud, DevOptions};

use cpu::cpu_time;

const IMAGE: &str = "ami-00000000000000001";
const REGION: &str = "eu-west-1";
/// Load balancers × groups of each × targets of each group.
const BALANCERS: usize = 10;
const GROUPS: usize = 100;
const TARGETS: u32 = 10;

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|each| each == name);
    if wanted("calls") {
        paused(calls());
    }
    if wanted("describe") {
        paused(describe());
    }
    if wanted("scale") {
        paused(scale_in_process());
    }
    if wanted("scale-on-sockets") {
        real(scale_on_sockets());
    }
    if wanted("idle") {
        real(idle());
    }
}

/// SDK calls per second on one core, under paused time.
async fn calls() {
    let (cloud, world) = start(DevCloud::in_process(options()).await.unwrap(), &Seed::new(IMAGE)).await;
    let client = elb::Client::new(&cloud.sdk_config(REGION));
    const CALLS: u32 = 20_000;
    let measured = Measured::begin();
    for _ in 0..CALLS {
        client.describe_target_health().target_group_arn(&world.target_groups[0]).send().await.unwrap();
    }
    measured.say("calls: DescribeTargetHealth through the SDK", CALLS);
    let measured = Measured::begin();
    for _ in 0..CALLS {
        client.describe_listeners().listener_arns(&world.listeners[0]).send().await.unwrap();
    }
    measured.say("calls: DescribeListeners through the SDK", CALLS);
    let measured = Measured::begin();
    for turn in 0..CALLS {
        let weights = world.target_groups.iter().zip([turn % 2, (turn + 1) % 2]);
        let forward = forward(weights.map(|(arn, weight)| (arn.as_str(), i32::try_from(weight).unwrap())));
        client.modify_listener().listener_arn(&world.listeners[0]).default_actions(forward).send().await.unwrap();
    }
    measured.say("calls: ModifyListener through the SDK", CALLS);
    cloud.shutdown().await;
}

/// CPU time of the server alone: a request that was made once is handed to it again and again.
async fn describe() {
    let (cloud, world) = start(DevCloud::in_process(options()).await.unwrap(), &Seed::new(IMAGE)).await;
    let server = cloud.object_store_connector().unwrap();
    let balancer = &world.load_balancers[0];
    for (service, version, body) in [
        (
            "elasticloadbalancing",
            "2015-12-01",
            format!("Action=DescribeTargetHealth&TargetGroupArn={}", world.target_groups[0]),
        ),
        ("elasticloadbalancing", "2015-12-01", format!("Action=DescribeListeners&LoadBalancerArn={balancer}")),
        ("elasticloadbalancing", "2015-12-01", "Action=DescribeTargetGroups".to_owned()),
        ("ec2", "2016-11-15", "Action=DescribeInstances".to_owned()),
    ] {
        let body = format!("{body}&Version={version}");
        let request = || {
            let credential = format!(
                "AWS4-HMAC-SHA256 Credential=DEVCLOUD/20261121/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
            );
            let request = http::Request::post(cloud.url()).header("authorization", credential);
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            request.body(body.clone().into()).unwrap()
        };
        const CALLS: u32 = 20_000;
        let measured = Measured::begin();
        for _ in 0..CALLS {
            let request: HttpRequest = request();
            let answer = HttpService::call(&server, request).await.unwrap();
            assert_eq!(answer.status(), 200);
        }
        measured.say(format_args!("describe: server alone, {}", body.split('&').next().unwrap()), CALLS);
    }
    cloud.shutdown().await;
}

/// 1,000 groups of 10 targets, checked every 30 s, for ten virtual minutes on pipes in memory.
async fn scale_in_process() {
    let cloud = DevCloud::in_process(options()).await.unwrap();
    let (cloud, world) = start(cloud, &Seed { count: TARGETS, ..Seed::new(IMAGE) }).await;
    fill(&cloud, &world).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    all_healthy(&cloud).await;
    const MINUTES: u32 = 10;
    let measured = Measured::begin();
    tokio::time::sleep(Duration::from_secs(60) * MINUTES).await;
    let cpu = measured.cpu();
    let cores = cpu.as_secs_f64() / f64::from(MINUTES * 60);
    println!(
        "scale: 10,000 targets in-process: {MINUTES} virtual minutes took {cpu:?} of CPU: {cores:.3} cores; {}",
        memory()
    );
    describe_many(&cloud).await;
    cloud.shutdown().await;
}

/// The same over real sockets, for 60 real seconds. Targets answer in this process, so half of the time is theirs.
async fn scale_on_sockets() {
    let (cloud, world) =
        start(DevCloud::start(options()).await.unwrap(), &Seed { count: TARGETS, ..Seed::new(IMAGE) }).await;
    println!("scale-on-sockets: before: {}", memory());
    fill(&cloud, &world).await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    all_healthy(&cloud).await;
    let measured = Measured::begin();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let cores = measured.cpu().as_secs_f64() / measured.began.elapsed().as_secs_f64();
    println!("scale-on-sockets: 10,000 targets checked every 30 s: {cores:.3} cores; {}", memory());
    describe_many(&cloud).await;
    cloud.shutdown().await;
}

/// A small world that nobody uses.
async fn idle() {
    let (cloud, _) = start(DevCloud::start(options()).await.unwrap(), &Seed::new(IMAGE)).await;
    let measured = Measured::begin();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let share = 100.0 * measured.cpu().as_secs_f64() / measured.began.elapsed().as_secs_f64();
    println!("idle: {share:.2} % of one core with two targets checked every 5 s; {}", memory());
    cloud.shutdown().await;
}

async fn describe_many(cloud: &DevCloud) {
    let client = elb::Client::new(&cloud.sdk_config(REGION));
    const CALLS: u32 = 200;
    let measured = Measured::begin();
    for _ in 0..CALLS {
        client.describe_target_groups().page_size(400).send().await.unwrap();
    }
    measured.say("scale: a page of 400 of the 1,000 groups, SDK included", CALLS);
    let group = client.describe_target_groups().page_size(1).send().await.unwrap();
    let group = group.target_groups()[0].target_group_arn().unwrap().to_owned();
    let measured = Measured::begin();
    for _ in 0..CALLS {
        client.describe_target_health().target_group_arn(&group).send().await.unwrap();
    }
    measured.say("scale: health of one group, SDK included", CALLS);
}

fn options() -> DevOptions {
    let image = Image::in_memory(AppOptions::new("v1"), 8080);
    DevOptions {
        catalogue: Catalogue { images: [(IMAGE.to_owned(), image)].into() },
        health_speed: 1,
        seed: Some(1),
        ..DevOptions::default()
    }
}

async fn start(cloud: DevCloud, seed: &Seed) -> (DevCloud, Seeded) {
    let world = plant(&cloud, seed).await.unwrap();
    (cloud, world)
}

/// Load balancers, groups that rules refer to, and targets: the seed's instances in every group.
async fn fill(cloud: &DevCloud, world: &Seeded) {
    let config: SdkConfig = cloud.sdk_config(REGION);
    let (elb, ec2) = (elb::Client::new(&config), ec2::Client::new(&config));
    let found = ec2.describe_instances().send().await.unwrap();
    let ids = found.reservations().iter().flat_map(|each| each.instances()).filter_map(|each| each.instance_id());
    let targets: Vec<_> = ids.map(|id| TargetDescription::builder().id(id).build()).collect();
    assert_eq!(targets.len(), TARGETS as usize);
    let measured = Measured::begin();
    for balancer in 0..BALANCERS {
        let made = elb.create_load_balancer().name(format!("many-{balancer}"));
        let made = made.set_subnets(Some(world.subnets.clone())).send().await.unwrap();
        let arn = made.load_balancers()[0].load_balancer_arn().unwrap().to_owned();
        let mut groups = Vec::new();
        for group in 0..GROUPS {
            let made = elb.create_target_group().name(format!("many-{balancer}-{group}")).protocol("HTTP".into());
            let made =
                made.port(8080).vpc_id(&world.vpc).health_check_path("/healthz").health_check_interval_seconds(30);
            let made = made.send().await.unwrap();
            groups.push(made.target_groups()[0].target_group_arn().unwrap().to_owned());
        }
        let listener = elb.create_listener().load_balancer_arn(&arn).protocol("HTTP".into()).port(80);
        let listener = listener.default_actions(forward([(groups[0].as_str(), 1)])).send().await.unwrap();
        let listener = listener.listeners()[0].listener_arn().unwrap().to_owned();
        for (priority, five) in (1..).zip(groups.chunks(5)) {
            let path = PathPatternConditionConfig::builder().values(format!("/{priority}/*")).build();
            let path = RuleCondition::builder().field("path-pattern").path_pattern_config(path).build();
            let rule = elb.create_rule().listener_arn(&listener).priority(priority).conditions(path);
            rule.actions(forward(five.iter().map(|arn| (arn.as_str(), 1)))).send().await.unwrap();
        }
        for group in &groups {
            let register = elb.register_targets().target_group_arn(group).set_targets(Some(targets.clone()));
            register.send().await.unwrap();
        }
    }
    let calls = u32::try_from(BALANCERS * (2 + 2 * GROUPS + GROUPS / 5)).unwrap();
    measured.say("scale: to build 1,000 groups of 10 targets", calls);
}

async fn all_healthy(cloud: &DevCloud) {
    let client = elb::Client::new(&cloud.sdk_config(REGION));
    let mut healthy = 0;
    let mut groups = client.describe_target_groups().into_paginator().items().send();
    while let Some(group) = groups.next().await {
        let arn = group.unwrap().target_group_arn().unwrap().to_owned();
        let health = client.describe_target_health().target_group_arn(arn).send().await.unwrap();
        let states = health.target_health_descriptions().iter().filter_map(|each| each.target_health()?.state());
        healthy += states.filter(|state| state.as_str() == "healthy").count();
    }
    assert_eq!(
        healthy,
        BALANCERS * GROUPS * TARGETS as usize + TARGETS as usize,
        "healthy targets, with the seed's own"
    );
}

fn forward<'a>(groups: impl IntoIterator<Item = (&'a str, i32)>) -> Action {
    let tuple = |(arn, weight)| TargetGroupTuple::builder().target_group_arn(arn).weight(weight).build();
    let config =
        ForwardActionConfig::builder().set_target_groups(Some(groups.into_iter().map(tuple).collect())).build();
    Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build()
}

/// A time and the CPU time at which a measurement began.
struct Measured {
    began: Instant,
    cpu: Duration,
}

impl Measured {
    fn begin() -> Self {
        Self { began: Instant::now(), cpu: cpu_time() }
    }

    fn cpu(&self) -> Duration {
        cpu_time() - self.cpu
    }

    fn say(&self, what: impl Display, calls: u32) {
        let (cpu, wall) = (self.cpu(), self.began.elapsed());
        let per_second = f64::from(calls) / cpu.as_secs_f64();
        println!(
            "{what}: {:?} of CPU each ({per_second:.0} per second and core); {:?} each by the clock",
            cpu / calls,
            wall / calls
        );
    }
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    format!("{} MiB resident, {} MiB at most", of("VmRSS:"), of("VmHWM:"))
}

fn paused(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(work);
}

fn real(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work);
}
