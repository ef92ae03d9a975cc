//! Route 53's name servers: over DNS, through caches, by health, and while a change spreads.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, ChangeStatus, HealthCheckConfig, HealthCheckType, ResourceRecord,
    ResourceRecordSet, RrType,
};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use switchback::dev::seed::{Seed, SeedSwitch};
use switchback::dev::{DevCloud, DevOptions, NameOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::support::{Rig, code, options};

const BLUE: &str = "192.0.2.1";
const GREEN: &str = "192.0.2.2";
const SHOP: &str = "shop.example.com";

struct Zone {
    cloud: DevCloud,
    route53: aws_sdk_route53::Client,
    id: String,
}

impl Zone {
    async fn new(cloud: DevCloud) -> Self {
        let route53 = aws_sdk_route53::Client::new(&cloud.sdk_config("eu-west-1"));
        let made = route53.create_hosted_zone().name("example.com").caller_reference("test").send().await.unwrap();
        let id = made.hosted_zone().unwrap().id().to_owned();
        Self { cloud, route53, id }
    }

    async fn in_process(names: NameOptions, dns_delay: Duration) -> Self {
        let options = DevOptions { names, dns_delay, ..DevOptions::default() };
        Self::new(DevCloud::in_process(options).await.unwrap()).await
    }

    async fn serving() -> Self {
        let endpoint = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let names = NameOptions { endpoint, balancer_names: true, ..NameOptions::default() };
        Self::new(DevCloud::start(DevOptions { names, ..DevOptions::default() }).await.unwrap()).await
    }

    async fn apply(&self, records: impl IntoIterator<Item = ResourceRecordSet>) -> Result<String, String> {
        let change =
            |record| Change::builder().action(ChangeAction::Upsert).resource_record_set(record).build().unwrap();
        let batch =
            ChangeBatch::builder().set_changes(Some(records.into_iter().map(change).collect())).build().unwrap();
        let sent = self.route53.change_resource_record_sets().hosted_zone_id(&self.id).change_batch(batch).send().await;
        sent.map(|done| done.change_info.unwrap().id).map_err(|error| code(Err::<(), _>(error)))
    }

    async fn status(&self, change: &str) -> ChangeStatus {
        self.route53.get_change().id(change).send().await.unwrap().change_info.unwrap().status
    }

    /// How often each address comes in so many look-ups without a cache.
    fn counts(&self, times: usize) -> BTreeMap<IpAddr, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..times {
            *counts.entry(self.cloud.resolve(SHOP).unwrap()).or_default() += 1;
        }
        counts
    }

    /// The only address that comes.
    fn only(&self) -> String {
        let counts = self.counts(50);
        assert_eq!(counts.len(), 1, "{counts:?}");
        counts.into_keys().next().unwrap().to_string()
    }

    async fn check(&self, config: HealthCheckConfig) -> String {
        let reference = format!("check of {config:?}").chars().take(64).collect::<String>();
        let made = self.route53.create_health_check().caller_reference(reference).health_check_config(config);
        made.send().await.unwrap().health_check.unwrap().id
    }

    /// Asks the name server over UDP.
    async fn ask(&self, name: &str, kind: RecordType) -> Message {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        socket.send_to(&query(name, kind), self.cloud.dns_endpoint().unwrap()).await.unwrap();
        let mut buffer = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(20), socket.recv(&mut buffer)).await.unwrap().unwrap();
        Message::from_vec(&buffer[..read]).unwrap()
    }
}

fn query(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_str(&format!("{name}.")).unwrap(), kind));
    message.to_vec().unwrap()
}

/// `A 300 192.0.2.1` for each record of the answer.
fn lines(message: &Message) -> Vec<String> {
    message.answers.iter().map(|each| format!("{} {} {}", each.record_type(), each.ttl, each.data)).collect()
}

fn record(name: &str, kind: RrType, ttl: i64, values: &[&str]) -> ResourceRecordSet {
    let values = values.iter().map(|value| ResourceRecord::builder().value(*value).build().unwrap()).collect();
    ResourceRecordSet::builder().name(name).r#type(kind).ttl(ttl).set_resource_records(Some(values)).build().unwrap()
}

/// One of a weighted pair.
fn weighted(id: &str, weight: i64, value: &str, check: Option<&str>) -> ResourceRecordSet {
    let mut record = record(SHOP, RrType::A, 60, &[value]);
    record.set_identifier = Some(id.into());
    record.weight = Some(weight);
    record.health_check_id = check.map(str::to_owned);
    record
}

#[tokio::test]
async fn a_dns_client_gets_values_times_to_live_denials_and_refusals() {
    let zone = Zone::serving().await;
    zone.apply([
        record("www.example.com", RrType::Cname, 30, &["shop.example.com"]),
        record(SHOP, RrType::A, 300, &[BLUE, GREEN]),
        record(SHOP, RrType::Txt, 60, &["\"two words\" \"more\""]),
        record("*.wild.example.com", RrType::A, 5, &[GREEN]),
        record("part.example.com", RrType::Ns, 60, &["ns.example.net"]),
    ])
    .await
    .unwrap();
    let answer = zone.ask("www.example.com", RecordType::A).await;
    assert_eq!(lines(&answer), ["CNAME 30 shop.example.com.", "A 300 192.0.2.1", "A 300 192.0.2.2"]);
    assert!(answer.metadata.authoritative && !answer.metadata.recursion_available);
    assert_eq!(lines(&zone.ask("ShOp.Example.com", RecordType::TXT).await), ["TXT 60 two wordsmore"]);
    assert_eq!(lines(&zone.ask("any.wild.example.com", RecordType::A).await), ["A 5 192.0.2.2"]);
    assert_eq!(zone.ask("example.com", RecordType::NS).await.answers.len(), 4);
    for (name, kind, code) in [
        ("nobody.example.com", RecordType::A, ResponseCode::NXDomain),
        (SHOP, RecordType::AAAA, ResponseCode::NoError),
        ("wild.example.com", RecordType::A, ResponseCode::NoError),
    ] {
        let answer = zone.ask(name, kind).await;
        assert_eq!((answer.metadata.response_code, answer.answers.len()), (code, 0), "{name}");
        let authority: Vec<_> = answer.authorities.iter().map(|each| (each.record_type(), each.ttl)).collect();
        assert_eq!(authority, [(RecordType::SOA, 900)], "{name}");
    }
    let given_away = zone.ask("x.part.example.com", RecordType::A).await;
    assert_eq!((given_away.authorities[0].record_type(), given_away.metadata.authoritative), (RecordType::NS, false));
    assert_eq!(zone.ask("example.org", RecordType::A).await.metadata.response_code, ResponseCode::Refused);
    // The same over TCP, where the length stands first.
    let mut stream = TcpStream::connect(zone.cloud.dns_endpoint().unwrap()).await.unwrap();
    let question = query(SHOP, RecordType::A);
    stream.write_u16(question.len().try_into().unwrap()).await.unwrap();
    stream.write_all(&question).await.unwrap();
    let mut answer = vec![0; stream.read_u16().await.unwrap().into()];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(lines(&Message::from_vec(&answer).unwrap()), ["A 300 192.0.2.1", "A 300 192.0.2.2"]);
    zone.cloud.shutdown().await;
}

#[tokio::test]
async fn weights_decide_each_answer_over_dns() {
    let zone = Zone::serving().await;
    zone.apply([weighted("blue", 90, BLUE, None), weighted("green", 10, GREEN, None)]).await.unwrap();
    let mut green = 0;
    for _ in 0..400 {
        let answer = zone.ask(SHOP, RecordType::A).await;
        assert_eq!(answer.answers.len(), 1);
        green += usize::from(lines(&answer)[0].ends_with(GREEN));
    }
    assert!((10..=90).contains(&green), "{green} of 400 at weight 10 of 100");
    zone.cloud.shutdown().await;
}

#[tokio::test]
async fn a_load_balancer_can_have_a_name_as_with_aws_that_aliases_lead_to_for_a_minute() {
    let endpoint = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let names = NameOptions { endpoint, balancer_names: true, ..NameOptions::default() };
    let seed = Seed { count: 0, ..Seed::new(super::support::V0) };
    let rig = Rig::start(DevOptions { names, ..options() }, seed).await;
    let balancer = rig.elb.describe_load_balancers().send().await.unwrap().load_balancers.unwrap().remove(0);
    let name = balancer.dns_name().unwrap().to_owned();
    assert!(name.ends_with(".eu-west-1.elb.amazonaws.com"), "{name}");
    let zone = Zone::new(rig.cloud).await;
    let alias = |hosted_zone: &str| {
        let target = AliasTarget::builder().hosted_zone_id(hosted_zone).dns_name(format!("dualstack.{name}"));
        let target = target.evaluate_target_health(false).build().unwrap();
        ResourceRecordSet::builder().name(SHOP).r#type(RrType::A).alias_target(target).build().unwrap()
    };
    // Under the record's own zone it is no load balancer.
    assert_eq!(zone.apply([alias(zone.id.trim_start_matches("/hostedzone/"))]).await, Err("InvalidChangeBatch".into()));
    zone.apply([alias(balancer.canonical_hosted_zone_id().unwrap())]).await.unwrap();
    let address = rig.world.addresses[0];
    assert_eq!(lines(&zone.ask(SHOP, RecordType::A).await), [format!("A 60 {address}")]);
    assert_eq!(lines(&zone.ask(&name, RecordType::A).await), [format!("A 60 {address}")]);
    zone.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_resolver_keeps_an_answer_for_its_time_to_live_and_a_denial_for_the_zones() {
    let zone = Zone::in_process(NameOptions::default(), Duration::ZERO).await;
    let resolver = zone.cloud.resolver();
    assert_eq!(resolver.resolve(SHOP), Vec::<IpAddr>::new());
    zone.apply([weighted("blue", 1, BLUE, None), weighted("green", 0, GREEN, None)]).await.unwrap();
    assert_eq!(resolver.resolve(SHOP), Vec::<IpAddr>::new(), "the denial lives for 900 s");
    tokio::time::advance(Duration::from_secs(900)).await;
    assert_eq!(resolver.resolve(SHOP), [BLUE.parse::<IpAddr>().unwrap()]);
    zone.apply([weighted("blue", 0, BLUE, None), weighted("green", 1, GREEN, None)]).await.unwrap();
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(resolver.resolve(SHOP), [BLUE.parse::<IpAddr>().unwrap()]);
    assert_eq!(zone.cloud.resolver().resolve(SHOP), [GREEN.parse::<IpAddr>().unwrap()], "another cache is empty");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(resolver.resolve(SHOP), [GREEN.parse::<IpAddr>().unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn a_change_spreads_over_the_name_servers_one_by_one() {
    let skewed = NameOptions { skew: true, ..NameOptions::default() };
    let zone = Zone::in_process(skewed, Duration::from_secs(60)).await;
    zone.apply([record(SHOP, RrType::A, 60, &[BLUE])]).await.unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    let change = zone.apply([record(SHOP, RrType::A, 60, &[GREEN])]).await.unwrap();
    assert_eq!(zone.only(), BLUE);
    tokio::time::advance(Duration::from_millis(59_000)).await;
    let counts = zone.counts(200);
    assert_eq!((counts.len(), zone.status(&change).await), (2, ChangeStatus::Pending), "{counts:?}");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!((zone.only().as_str(), zone.status(&change).await), (GREEN, ChangeStatus::Insync));
}

#[tokio::test(start_paused = true)]
async fn a_zone_takes_no_change_while_the_one_before_is_in_process() {
    let slow = NameOptions { processing: Duration::from_secs(5), ..NameOptions::default() };
    let zone = Zone::in_process(slow, Duration::ZERO).await;
    let change = || zone.apply([record(SHOP, RrType::A, 60, &[BLUE])]);
    change().await.unwrap();
    // The SDK does not repeat what is refused with HTTP 400.
    assert_eq!(change().await, Err("PriorRequestNotComplete".into()));
    tokio::time::advance(Duration::from_secs(5)).await;
    change().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn weight_0_is_no_hard_off_where_the_others_are_unhealthy() {
    let zone = Zone::in_process(NameOptions::default(), Duration::ZERO).await;
    let dead = HealthCheckConfig::builder().r#type(HealthCheckType::Tcp).ip_address("127.0.0.1").port(9);
    let dead = dead.request_interval(10).failure_threshold(3).build().unwrap();
    let check = zone.check(dead).await;
    let blue = |check| weighted("blue", 255, BLUE, check);
    assert_eq!(zone.apply([blue(Some("00000000-0000-0000-0000-000000000000"))]).await, Err("NoSuchHealthCheck".into()));
    zone.apply([blue(Some(&check)), weighted("green", 0, GREEN, None)]).await.unwrap();
    assert_eq!(zone.only(), BLUE, "a new check takes its endpoint for healthy");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(zone.only(), GREEN);
    let status = zone.route53.get_health_check_status().health_check_id(&check).send().await.unwrap();
    let report = status.health_check_observations()[0].status_report().unwrap().status().unwrap().to_owned();
    assert!(report.starts_with("Failure: "), "{report}");
    // Where nobody is healthy everybody counts as healthy, and weights decide again.
    zone.apply([weighted("green", 0, GREEN, Some(&check))]).await.unwrap();
    assert_eq!(zone.only(), BLUE);
    zone.apply([weighted("green", 0, GREEN, None)]).await.unwrap();
    assert_eq!(zone.only(), GREEN);
    // A disabled check finds its endpoint healthy.
    zone.route53.update_health_check().health_check_id(&check).disabled(true).send().await.unwrap();
    assert_eq!(zone.only(), BLUE);
    let stale = zone.route53.update_health_check().health_check_id(&check).health_check_version(1).disabled(false);
    assert_eq!(code(stale.send().await), "HealthCheckVersionMismatch");
}

#[tokio::test]
async fn a_health_check_asks_over_http_and_needs_so_many_results_in_a_row() {
    let status = Arc::new(AtomicU16::new(200));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers = status.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 2048];
            let read = stream.read(&mut request).await.unwrap_or(0);
            let said = String::from_utf8_lossy(&request[..read]).into_owned();
            let asked =
                said.starts_with("GET /healthz HTTP/1.1") && said.contains("Amazon-Route53-Health-Check-Service");
            let status = if asked { answers.load(Ordering::SeqCst) } else { 400 };
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok");
            // The checker may have gone.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let zone = Zone::new(DevCloud::start(DevOptions::default()).await.unwrap()).await;
    let config = HealthCheckConfig::builder().r#type(HealthCheckType::Http).ip_address("127.0.0.1").port(port.into());
    let config = config.resource_path("/healthz").request_interval(10).failure_threshold(2).build().unwrap();
    let check = zone.check(config).await;
    zone.apply([weighted("blue", 255, BLUE, Some(&check)), weighted("green", 0, GREEN, None)]).await.unwrap();
    for (answered, expected) in [(500, GREEN), (302, BLUE)] {
        status.store(answered, Ordering::SeqCst);
        let mut seen = String::new();
        for _ in 0..1000 {
            seen = zone.only();
            if seen == expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(seen, expected, "after HTTP {answered}");
    }
    zone.cloud.shutdown().await;
}

#[tokio::test]
async fn an_alias_that_evaluates_health_takes_an_empty_target_group_for_unhealthy() {
    let switch = SeedSwitch::Dns { zone: "example.com".into(), record: SHOP.into() };
    let rig = Rig::start(options(), Seed { switch, ..super::support::one() }).await;
    rig.until(&rig.world.target_groups[0], "healthy").await;
    let zone = rig.world.hosted_zone.clone().unwrap();
    let found = rig.route53.list_resource_record_sets().hosted_zone_id(&zone).send().await.unwrap();
    let apply = async |weights: [i64; 2], evaluate: bool| {
        let pair = found.resource_record_sets().iter().filter(|record| record.weight().is_some()).zip(weights);
        let change = |(record, weight): (&ResourceRecordSet, i64)| {
            let mut record = record.clone();
            record.weight = Some(weight);
            record.alias_target.as_mut().unwrap().evaluate_target_health = evaluate;
            Change::builder().action(ChangeAction::Upsert).resource_record_set(record).build().unwrap()
        };
        let batch = ChangeBatch::builder().set_changes(Some(pair.map(change).collect())).build().unwrap();
        rig.route53.change_resource_record_sets().hosted_zone_id(&zone).change_batch(batch).send().await.unwrap();
    };
    let seen = || (0..50).map(|_| rig.cloud.resolve(SHOP).unwrap()).collect::<std::collections::BTreeSet<_>>();
    apply([0, 255], false).await;
    assert_eq!(seen(), [rig.world.addresses[1]].into());
    // Green's group has no targets: the weight 0 of blue does not keep the traffic away.
    apply([0, 255], true).await;
    assert_eq!(seen(), [rig.world.addresses[0]].into());
    rig.cloud.shutdown().await;
}
