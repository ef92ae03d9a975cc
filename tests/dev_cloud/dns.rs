//! Route 53: batches, weights, and when resolvers get to know.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecord, ResourceRecordSet, RrType,
};
use switchback::dev::DevOptions;
use switchback::dev::seed::{Seed, SeedSwitch};

use super::support::{Rig, code, empty, options};

const RECORD: &str = "shop.example.com";

fn seed() -> Seed {
    let switch = SeedSwitch::Dns { zone: "example.com".into(), record: RECORD.into() };
    Seed { switch, ..empty() }
}

async fn rig(options: DevOptions) -> (Rig, String) {
    let rig = Rig::start(options, seed()).await;
    let zone = rig.world.hosted_zone.clone().unwrap();
    (rig, zone)
}

async fn records(rig: &Rig, zone: &str) -> Vec<ResourceRecordSet> {
    let found = rig.route53.list_resource_record_sets().hosted_zone_id(zone).send().await.unwrap();
    found.resource_record_sets
}

/// The two weighted records, with other weights.
async fn weighted(rig: &Rig, zone: &str, weights: [i64; 2]) -> Vec<Change> {
    let pair: Vec<_> = records(rig, zone).await.into_iter().filter(|each| each.weight.is_some()).collect();
    assert_eq!(pair.len(), 2);
    let with = |(mut record, weight): (ResourceRecordSet, i64)| {
        record.weight = Some(weight);
        change(ChangeAction::Upsert, record)
    };
    pair.into_iter().zip(weights).map(with).collect()
}

fn change(action: ChangeAction, record: ResourceRecordSet) -> Change {
    Change::builder().action(action).resource_record_set(record).build().unwrap()
}

fn simple(name: &str, value: &str) -> ResourceRecordSet {
    let value = ResourceRecord::builder().value(value).build().unwrap();
    ResourceRecordSet::builder().name(name).r#type(RrType::A).ttl(60).resource_records(value).build().unwrap()
}

async fn apply(rig: &Rig, zone: &str, changes: Vec<Change>) -> Result<String, String> {
    let batch = ChangeBatch::builder().set_changes(Some(changes)).build().unwrap();
    let sent = rig.route53.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch).send().await;
    sent.map(|done| done.change_info.unwrap().id).map_err(|error| code(Err::<(), _>(error)))
}

#[tokio::test]
async fn weights_decide_and_all_weights_0_means_all_alike() {
    let (rig, zone) = rig(options()).await;
    let asked = || {
        let mut counts = BTreeMap::new();
        for _ in 0..400 {
            *counts.entry(rig.cloud.resolve(RECORD).unwrap()).or_insert(0) += 1;
        }
        rig.world.addresses.iter().map(|address| counts.get(address).copied().unwrap_or(0)).collect::<Vec<i32>>()
    };
    assert_eq!(asked(), [400, 0]);
    apply(&rig, &zone, weighted(&rig, &zone, [0, 255]).await).await.unwrap();
    assert_eq!(asked(), [0, 400]);
    apply(&rig, &zone, weighted(&rig, &zone, [0, 0]).await).await.unwrap();
    assert!(asked().iter().all(|count| *count > 100), "{:?}", asked());
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_change_is_listed_at_once_and_resolved_only_when_it_is_insync() {
    let delay = Duration::from_secs(1);
    let (rig, zone) = rig(DevOptions { dns_delay: delay, ..options() }).await;
    let began = Instant::now();
    let id = apply(&rig, &zone, weighted(&rig, &zone, [0, 255]).await).await.unwrap();
    let listed = records(&rig, &zone).await.into_iter().find(|each| each.set_identifier.as_deref() == Some("green"));
    assert_eq!(listed.unwrap().weight, Some(255));
    let status = async || {
        let found = rig.route53.get_change().id(&id).send().await.unwrap();
        found.change_info.unwrap().status
    };
    let (seen, resolved) = (status().await, rig.cloud.resolve(RECORD).unwrap());
    if began.elapsed() < delay {
        assert_eq!((seen, resolved), (ChangeStatus::Pending, rig.world.addresses[0]));
    }
    while status().await == ChangeStatus::Pending {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() >= delay);
    assert_eq!(rig.cloud.resolve(RECORD), Some(rig.world.addresses[1]));
    assert_eq!(code(rig.route53.get_change().id("C0000").send().await), "NoSuchChange");
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_batch_happens_as_a_whole_or_not_at_all() {
    let (rig, zone) = rig(options()).await;
    let before = records(&rig, &zone).await;
    let good = || change(ChangeAction::Create, simple("new.example.com", "192.0.2.1"));
    for (bad, why) in [
        (change(ChangeAction::Create, simple(RECORD, "192.0.2.1")), "weighted ones are there"),
        (change(ChangeAction::Delete, simple("gone.example.com", "192.0.2.1")), "it is not there"),
        (change(ChangeAction::Create, simple("example.org", "192.0.2.1")), "another zone"),
        (change(ChangeAction::Create, simple("new.example.com", "192.0.2.2")), "twice in one batch"),
        (change(ChangeAction::Create, simple("other.example.com", "192.0.2")), "no address"),
    ] {
        let refused = apply(&rig, &zone, vec![good(), bad]).await;
        assert_eq!(refused, Err("InvalidChangeBatch".into()), "{why}");
        assert_eq!(records(&rig, &zone).await, before, "{why}");
    }
    assert_eq!(apply(&rig, &zone, weighted(&rig, &zone, [1, 256]).await).await, Err("InvalidInput".into()));
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_delete_must_match_exactly_which_makes_compare_and_swap() {
    let (rig, zone) = rig(options()).await;
    let name = "one.example.com";
    apply(&rig, &zone, vec![change(ChangeAction::Create, simple(name, "192.0.2.1"))]).await.unwrap();
    let swap = |from: &str, to: &str| {
        vec![change(ChangeAction::Delete, simple(name, from)), change(ChangeAction::Create, simple(name, to))]
    };
    assert_eq!(apply(&rig, &zone, swap("192.0.2.9", "192.0.2.2")).await, Err("InvalidChangeBatch".into()));
    apply(&rig, &zone, swap("192.0.2.1", "192.0.2.2")).await.unwrap();
    assert_eq!(rig.cloud.resolve(name), Some("192.0.2.2".parse().unwrap()));
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn records_are_listed_in_pages_from_any_start() {
    let (rig, zone) = rig(options()).await;
    let list = || rig.route53.list_resource_record_sets().hosted_zone_id(&zone).max_items(1);
    let (mut seen, mut page) = (Vec::new(), list().send().await.unwrap());
    loop {
        seen.extend(page.resource_record_sets().iter().map(|each| {
            let id = each.set_identifier().unwrap_or_default();
            format!("{} {} {id}", each.name(), each.r#type().as_str())
        }));
        if !page.is_truncated() {
            break;
        }
        let next = list().set_start_record_name(page.next_record_name).set_start_record_type(page.next_record_type);
        page = next.set_start_record_identifier(page.next_record_identifier).send().await.unwrap();
    }
    let expected = ["example.com. NS ", "example.com. SOA ", "shop.example.com. A blue", "shop.example.com. A green"];
    assert_eq!(seen, expected);
    let named = rig.route53.list_hosted_zones_by_name().dns_name("example.com").send().await.unwrap();
    assert!(named.hosted_zones()[0].id().ends_with(&zone.replace("/hostedzone/", "")));
    assert_eq!(code(rig.route53.get_hosted_zone().id("ZNONE").send().await), "NoSuchHostedZone");
    rig.cloud.shutdown().await;
}
