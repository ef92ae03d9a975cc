//! Every sort of record set, and the change batch that moves the traffic.

use aws_sdk_route53::types::{AliasTarget, ResourceRecord, RrType};

use super::*;
use crate::release::RoutePin;

fn pin() -> RecordPin {
    let entry = |color: &str| RoutePin { dns_name: lb(color), port: 443, https: true, host: None };
    RecordPin {
        zone: "Z1".into(),
        name: "shop.example.com.".into(),
        record_type: "A".into(),
        ttl_seconds: 60,
        entries: ["blue", "green"].map(|c| (Color::new(c), entry(c))).into(),
    }
}

fn lb(color: &str) -> String {
    format!("shop-{color}-1.eu-west-1.elb.amazonaws.com")
}

fn alias_to(color: &str, target: &str, weight: Option<i64>) -> ResourceRecordSet {
    let alias = AliasTarget::builder()
        .hosted_zone_id("Z32O12XQLNTSW2")
        .dns_name(target)
        .evaluate_target_health(true)
        .build()
        .expect("complete");
    ResourceRecordSet::builder()
        .name("shop.example.com.")
        .r#type(RrType::A)
        .set_identifier(color)
        .set_weight(weight)
        .alias_target(alias)
        .health_check_id("hc-1")
        .build()
        .expect("complete")
}

fn alias(color: &str, weight: i64) -> ResourceRecordSet {
    alias_to(color, &lb(color), Some(weight))
}

fn cname(color: &str, weight: i64) -> ResourceRecordSet {
    ResourceRecordSet::builder()
        .name("shop.example.com.")
        .r#type(RrType::Cname)
        .set_identifier(color)
        .weight(weight)
        .ttl(30)
        .resource_records(ResourceRecord::builder().value(lb(color)).build().expect("complete"))
        .build()
        .expect("complete")
}

#[test]
fn every_pair_of_weights_means_what_route_53_makes_of_it() {
    for blue in [0_u32, 1, 255] {
        for green in [0_u32, 1, 255] {
            let expected = match (blue, green) {
                (1.., 0) => Traffic::Only { color: Color::new("blue"), idle_referenced: true },
                (0, 1..) => Traffic::Only { color: Color::new("green"), idle_referenced: true },
                // Both at 0 is not "nowhere": each record is then answered equally often.
                _ => Traffic::Split { weights: [(Color::new("blue"), blue), (Color::new("green"), green)].into() },
            };
            let seen = traffic(&[alias("green", green.into()), alias("blue", blue.into())], &pin());
            assert_eq!(seen, Ok(expected), "blue={blue} green={green}");
        }
    }
}

#[test]
fn the_spelling_of_a_target_does_not_matter() {
    for target in [format!("dualstack.{}.", lb("blue")), lb("blue").to_uppercase(), format!("{}.", lb("blue"))] {
        let seen = traffic(&[alias_to("blue", &target, Some(1)), alias("green", 0)], &pin());
        assert_eq!(seen, Ok(Traffic::Only { color: Color::new("blue"), idle_referenced: true }), "{target}");
    }
}

#[test]
fn records_that_are_not_the_pair_are_foreign_and_named() {
    let mut simple = alias("blue", 1);
    (simple.set_identifier, simple.weight) = (None, None);
    let mut managed = alias("blue", 1);
    managed.traffic_policy_instance_id = Some("tp-1".into());
    let mut two_values = cname("blue", 1);
    two_values.resource_records = two_values.resource_records.map(|v| [v.clone(), v].concat());
    for (records, words) in [
        (vec![], "no record with the set identifier blue"),
        (vec![alias("blue", 1)], "no record with the set identifier green"),
        (vec![simple], "without a routing policy"),
        (vec![alias("blue", 1), alias("green", 0), alias("canary", 9)], "canary of neither color, with weight 9"),
        (vec![alias_to("blue", &lb("blue"), None), alias("green", 0)], "blue is not a weighted one"),
        (vec![managed, alias("green", 0)], "managed by a traffic policy"),
        (vec![alias_to("blue", &lb("green"), Some(1)), alias("green", 0)], "blue points at shop-green-1"),
        (vec![two_values, cname("green", 0)], "blue points at (none)"),
    ] {
        let saw = traffic(&records, &pin()).expect_err(words);
        assert!(saw.contains(words), "{saw}");
    }
}

fn batch(records: &[ResourceRecordSet], winner: &str) -> Vec<(String, String, i64)> {
    let changes = all_to(records, &Color::new(winner)).expect("complete");
    let one = |c: &Change| {
        let record = c.resource_record_set().expect("complete");
        let id = record.set_identifier().unwrap_or_default().to_owned();
        (c.action().as_str().to_owned(), id, record.weight().expect("weighted"))
    };
    changes.iter().map(one).collect()
}

#[test]
fn a_flip_deletes_exactly_what_was_read_and_creates_the_same_with_other_weights() {
    let before = [alias("blue", 0), alias("green", 7)];
    let expected = [("DELETE", "blue", 0), ("CREATE", "blue", 7), ("DELETE", "green", 7), ("CREATE", "green", 0)];
    assert_eq!(batch(&before, "blue"), expected.map(|(a, id, w)| (a.to_owned(), id.to_owned(), w)));
    for before in [before, [cname("blue", 0), cname("green", 7)]] {
        let changes = all_to(&before, &Color::new("blue")).expect("complete");
        for (old, pair) in before.iter().zip(changes.chunks(2)) {
            assert_eq!(pair[0].resource_record_set(), Some(old), "the DELETE matches to the letter");
            let mut new = pair[1].resource_record_set().expect("complete").clone();
            new.weight = old.weight;
            assert_eq!(&new, old, "all but the weight is kept");
        }
    }
}

#[test]
fn no_flip_leaves_both_records_at_weight_0() {
    for blue in [0, 1, 255] {
        for green in [0, 1, 255] {
            for winner in ["blue", "green"] {
                let after = batch(&[alias("blue", blue), alias("green", green)], winner);
                let weights: Vec<_> = after.iter().filter(|(action, ..)| action == "CREATE").collect();
                for (_, id, weight) in weights {
                    assert_eq!(*weight > 0, id == winner, "{id} has {weight}, from blue={blue} green={green}");
                }
            }
        }
    }
    assert_eq!(batch(&[alias("blue", 0), alias("green", 0)], "blue")[1].2, 255);
}

#[test]
fn the_command_for_a_person_holds_the_whole_batch() {
    let changes = all_to(&[cname("blue", 1)], &Color::new("green")).expect("complete");
    let command: serde_json::Value = serde_json::from_str(&crate::cloud::cli::change_batch(&changes)).expect("JSON");
    let set = |weight| {
        serde_json::json!({
            "Name": "shop.example.com.", "Type": "CNAME", "SetIdentifier": "blue", "Weight": weight, "TTL": 30,
            "ResourceRecords": [{ "Value": lb("blue") }],
        })
    };
    let expected = serde_json::json!({ "Changes": [
        { "Action": "DELETE", "ResourceRecordSet": set(1) },
        { "Action": "CREATE", "ResourceRecordSet": set(0) },
    ] });
    assert_eq!(command, expected);
}
