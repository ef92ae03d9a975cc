//! What CloudWatch counts for a color, as the engine asks it: behind one load balancer, behind one of its own, and
//! behind a network load balancer.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{LoadBalancerTypeEnum, ProtocolEnum, TargetDescription};
use jiff::{SignedDuration, Timestamp};
use switchback::cloud::{Cloud, CloudError};
use switchback::dev::DevOptions;
use switchback::dev::seed::{Seed, SeedSwitch};
use switchback::release::{Color, GroupPin, Pins, RecordPin, RequestCount, RoutePin, SwitchPin};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use super::super::support::{Rig, V0, forward};
use super::{options, rig};

const MINUTE: Duration = Duration::from_secs(60);

fn blue() -> Color {
    Color::new("blue")
}

fn green() -> Color {
    Color::new("green")
}

fn pins(route: SwitchPin, groups: [&str; 2]) -> Pins {
    let group = |arn: &str| GroupPin { arn: arn.to_owned(), port: 8080, deregistration_delay_seconds: 300 };
    let groups = BTreeMap::from([(blue(), group(groups[0])), (green(), group(groups[1]))]);
    Pins { route, groups, template: "lt-1".into(), template_version: 1, subnets: Vec::new() }
}

fn entry() -> RoutePin {
    RoutePin { dns_name: "unused.example".into(), port: 8080, https: false, host: None }
}

fn records() -> SwitchPin {
    SwitchPin::Records(RecordPin {
        zone: "Z1".into(),
        name: "shop.example.".into(),
        record_type: "A".into(),
        ttl_seconds: 60,
        entries: BTreeMap::from([(blue(), entry()), (green(), entry())]),
    })
}

async fn asked(rig: &Rig, pins: &Pins, color: Color) -> Result<RequestCount, CloudError> {
    let cloud = Cloud::from_conf(&rig.cloud.sdk_config("eu-west-1"));
    cloud.requests(pins, &color, rig.cloud.clock().now(), SignedDuration::from_mins(30)).await
}

/// Up to when requests are counted, and the newest minute with requests: its end and how many.
async fn count(rig: &Rig, pins: &Pins, color: Color) -> (Timestamp, Option<(Timestamp, u64)>) {
    match asked(rig, pins, color).await.unwrap() {
        RequestCount::Counted { through, last, .. } => (through, last.map(|busy| (busy.end, busy.count))),
        unknown @ RequestCount::Unknown { .. } => panic!("{unknown:?}"),
    }
}

/// Waits for ten seconds into the next minute, and says when that minute ends.
async fn into_a_minute(rig: &Rig) -> Timestamp {
    let into = rig.cloud.clock().now().as_second() % 60;
    sleep(Duration::from_secs(u64::try_from(70 - into).unwrap())).await;
    let second = rig.cloud.clock().now().as_second();
    Timestamp::from_second(second - second % 60 + 60).unwrap()
}

async fn send(rig: &Rig, url: &str, requests: usize) {
    for _ in 0..requests {
        rig.cloud.get(&format!("{url}/version")).await.unwrap();
    }
}

fn late() -> DevOptions {
    DevOptions { metrics_delay: 2 * MINUTE, ..options() }
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_color_and_a_minute_that_is_not_told_yet_is_not_counted() {
    let rig = rig(late(), Seed::new(V0)).await;
    let listener = SwitchPin::DefaultAction { listener: rig.world.listeners[0].clone(), route: entry() };
    let pins = pins(listener, rig.world.target_groups.each_ref().map(String::as_str));
    rig.until(&rig.world.target_groups[0], "healthy").await;
    let end = into_a_minute(&rig).await;
    send(&rig, &rig.world.url, 8).await;
    sleep(MINUTE).await;
    // Ten seconds after the minute with requests nothing is told of it, and so nothing is taken for zero.
    let (through, last) = count(&rig, &pins, blue()).await;
    assert!(through < end && last.is_none(), "{through} {last:?} {end}");
    sleep(MINUTE).await;
    // Half of the nodes have told: what they told counts, but not as all there is.
    let (through, last) = count(&rig, &pins, blue()).await;
    assert_eq!(last, Some((end, 4)));
    assert!(through < end, "{through} {end}");
    sleep(MINUTE).await;
    assert_eq!(count(&rig, &pins, blue()).await, (end, Some((end, 8))));
    assert_eq!(count(&rig, &pins, green()).await, (end, None), "the other color had none");
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn behind_records_each_color_is_counted_at_its_own_load_balancer() {
    let switch = SeedSwitch::Dns { zone: "example.test".into(), record: "shop.example.test".into() };
    let rig = rig(late(), Seed { switch, ..Seed::new(V0) }).await;
    let pins = pins(records(), rig.world.target_groups.each_ref().map(String::as_str));
    rig.until(&rig.world.target_groups[0], "healthy").await;
    let end = into_a_minute(&rig).await;
    send(&rig, &rig.world.url, 6).await;
    sleep(3 * MINUTE).await;
    assert_eq!(count(&rig, &pins, blue()).await, (end, Some((end, 6))));
    assert_eq!(count(&rig, &pins, green()).await.1, None);
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn behind_a_network_load_balancer_an_old_flow_counts_for_as_long_as_it_is_open() {
    let rig = rig(late(), Seed::new(V0)).await;
    let (url, groups) = network_load_balancer(&rig).await;
    let pins = pins(records(), [&groups[0], &groups[1]]);
    into_a_minute(&rig).await;
    let (host, port) = url.trim_start_matches("http://").split_once(':').unwrap();
    let dial = rig.cloud.dial();
    let address = dial.resolve(host, port.parse().unwrap()).await.unwrap()[0];
    let mut flow = dial.connect(address).await.unwrap();
    flow.write_all(b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    flow.read_u8().await.unwrap();
    // An idle flow ends after 350 s.
    sleep(5 * MINUTE).await;
    let (through, last) = count(&rig, &pins, blue()).await;
    let (newest, open) = last.expect("an open flow");
    assert!(newest >= through && open == 1, "no request for minutes, and still open: {newest} {through} {open}");
    drop(flow);
    sleep(6 * MINUTE).await;
    let (through, last) = count(&rig, &pins, blue()).await;
    assert!(last.unwrap().0 + SignedDuration::from_mins(1) < through, "{through} {last:?}");

    // Two colors behind one: AWS counts no flows by target group, and says nothing that could be taken for zero.
    let listener = rig.elb.describe_listeners().load_balancer_arn(behind(&rig, &groups[0]).await).send().await.unwrap();
    let listener = listener.listeners()[0].listener_arn().unwrap().to_owned();
    let shared = pins_of(SwitchPin::DefaultAction { listener, route: entry() }, &groups);
    let refused = asked(&rig, &shared, blue()).await.unwrap_err().to_string();
    assert!(refused.contains("AWS does not count the flows of net/"), "{refused}");
    rig.cloud.shutdown().await;
}

fn pins_of(route: SwitchPin, groups: &[String; 2]) -> Pins {
    pins(route, [&groups[0], &groups[1]])
}

async fn behind(rig: &Rig, group: &str) -> String {
    let found = rig.elb.describe_target_groups().target_group_arns(group).send().await.unwrap();
    found.target_groups()[0].load_balancer_arns()[0].clone()
}

/// One network load balancer whose TCP listener forwards to the first of two groups, with the seed's instances in it.
async fn network_load_balancer(rig: &Rig) -> (String, [String; 2]) {
    let made = rig.elb.create_load_balancer().name("net").r#type(LoadBalancerTypeEnum::Network);
    let made = made.set_subnets(Some(rig.world.subnets.clone())).send().await.unwrap();
    let balancer = &made.load_balancers()[0];
    let mut groups = Vec::new();
    for name in ["net-blue", "net-green"] {
        let group = rig.elb.create_target_group().name(name).protocol(ProtocolEnum::Tcp).port(8080);
        let group = group.vpc_id(&rig.world.vpc).send().await.unwrap();
        groups.push(group.target_groups()[0].target_group_arn().unwrap().to_owned());
    }
    let listener = rig.elb.create_listener().load_balancer_arn(balancer.load_balancer_arn().unwrap());
    let listener = listener.protocol(ProtocolEnum::Tcp).port(9090);
    listener.default_actions(forward([(groups[0].as_str(), 1)])).send().await.unwrap();
    let targets = rig.world.instances.iter().map(|id| TargetDescription::builder().id(id).build()).collect();
    let register = rig.elb.register_targets().target_group_arn(&groups[0]).set_targets(Some(targets));
    register.send().await.unwrap();
    rig.until(&groups[0], "healthy").await;
    (format!("http://{}:9090", balancer.dns_name().unwrap()), groups.try_into().unwrap())
}
