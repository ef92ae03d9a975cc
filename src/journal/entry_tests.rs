//! The format of an entry: every kind of it goes to JSON and back.

use std::collections::BTreeMap;

use super::*;
use crate::release::{
    Color, Effect, EffectResult, FlipReason, GroupPin, Launched, Person, Pins, Problem, RecordPin, ReleaseId, RoutePin,
    SubnetPin, SwitchPin, Unsent,
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn owner() -> Owner {
    Owner { user: "ana".into(), host: "laptop".into(), pid: 4711, ..Owner::this_process("deploy") }
}

fn problem() -> Problem {
    Problem::new("i-1 answered 500", "200", "switchback status environments/demo.yaml")
}

fn route(host: Option<&str>) -> RoutePin {
    RoutePin { dns_name: "shop.elb".into(), port: 443, https: true, host: host.map(Into::into) }
}

fn pins(switch: SwitchPin) -> Pins {
    let group = |arn: &str| GroupPin { arn: arn.into(), port: 8080, deregistration_delay_seconds: 300 };
    Pins {
        route: switch,
        groups: BTreeMap::from([(Color::new("blue"), group("arn:b")), (Color::new("green"), group("arn:g"))]),
        template: "lt-1".into(),
        template_version: 7,
        subnets: vec![SubnetPin { id: "subnet-a".into(), zone: "eu-west-1a".into(), count: 2 }],
    }
}

fn adopted(reason: Option<&str>) -> Event {
    Event::Adopted {
        by: Person { user: "ana".into(), host: "laptop".into() },
        reason: reason.map(Into::into),
        was: Color::new("green"),
        live: Color::new("blue"),
        until: at("2026-11-22T02:15:00Z"),
    }
}

fn effects() -> Vec<Effect> {
    let (blue, green) = (Color::new("blue"), Color::new("green"));
    let instances = vec!["i-1".to_owned(), "i-2".to_owned()];
    // The match makes the compiler ask for a new effect to be listed below.
    let known = |effect: &Effect| match effect {
        Effect::Reference { .. }
        | Effect::Launch { .. }
        | Effect::Register { .. }
        | Effect::Flip { .. }
        | Effect::Deregister { .. }
        | Effect::Terminate { .. } => (),
    };
    let all = vec![
        Effect::Reference { live: blue.clone(), idle: green.clone() },
        Effect::Launch { color: green.clone(), subnet: "subnet-a".into(), count: 3, client_token: "t-1".into() },
        Effect::Register { color: green.clone(), instances: instances.clone() },
        Effect::Flip { from: blue.clone(), to: green },
        Effect::Deregister { color: blue.clone(), instances: instances.clone() },
        Effect::Terminate { color: blue, instances },
    ];
    all.iter().for_each(known);
    all
}

/// One event of every kind, and of every kind of what it holds.
pub(in crate::journal) fn events() -> Vec<Event> {
    let until = at("2026-11-22T02:15:00Z");
    let started = |switch| Event::ReleaseStarted {
        release: ReleaseId::new("20261121-021500-7f3a"),
        image: "ami-1".into(),
        from: Color::new("blue"),
        to: Color::new("green"),
        count: 3,
        from_count: 2,
        pins: pins(switch),
    };
    let records = RecordPin {
        zone: "Z1".into(),
        name: "shop.example.com.".into(),
        record_type: "A".into(),
        ttl_seconds: 60,
        entries: BTreeMap::from([(Color::new("blue"), route(None)), (Color::new("green"), route(None))]),
    };
    let launched = Launched { id: "i-1".into(), address: "10.0.0.4".into(), subnet: "subnet-a".into() };
    let mut all = vec![
        started(SwitchPin::Rule { rule: "arn:r".into(), route: route(Some("shop.example.com")) }),
        started(SwitchPin::DefaultAction { listener: "arn:l".into(), route: route(None) }),
        started(SwitchPin::Records(records)),
        Event::Cleared,
        Event::Provisioned { instances: vec![launched] },
        Event::Warmed,
        Event::SmokePassed,
        Event::Outcome { result: EffectResult::Accepted { change: None } },
        Event::Outcome { result: EffectResult::Accepted { change: Some("/change/C1".into()) } },
        Event::Outcome { result: EffectResult::Repeated { change: None } },
        Event::Outcome { result: EffectResult::Refused { problem: problem() } },
        Event::Outcome { result: EffectResult::Unknown { saw: "no answer within 10 s".into() } },
        Event::Outcome { result: EffectResult::NotSent { why: Unsent::Late, saw: "the process stood still".into() } },
        Event::Switched,
        Event::NotSwitched,
        Event::Converged,
        Event::Retained { until },
        Event::Failed { problem: problem() },
        Event::AbortRequested,
        Event::RollbackStarted { reason: FlipReason::Requested, skipped: vec![] },
        Event::RollbackStarted { reason: FlipReason::Failed { problem: problem() }, skipped: vec!["health".into()] },
        Event::RolledBack { until },
        Event::Aborted,
        Event::RetirementStarted,
        Event::Retired,
        Event::Blocked { problem: problem() },
        Event::Resumed,
        Event::ClockRestarted { unwatched_since: until },
        Event::Synced,
        Event::LeftoversFound { color: Color::new("green"), instances: vec!["i-1".into()] },
        Event::LeftoversRemoved,
        adopted(None),
        adopted(Some("the console moved it")),
    ];
    for why in [Unsent::ForeignWriter, Unsent::Unread, Unsent::Late] {
        all.push(Event::Outcome { result: EffectResult::NotSent { why, saw: "not sent: it changed".into() } });
    }
    all.extend(effects().into_iter().map(|effect| Event::Intent { effect, deadline: until }));
    // The match makes the compiler ask for a new event to be listed above.
    let known = |event: &Event| match event {
        Event::ReleaseStarted { .. }
        | Event::Cleared
        | Event::Provisioned { .. }
        | Event::Warmed
        | Event::SmokePassed
        | Event::Intent { .. }
        | Event::Outcome { .. }
        | Event::Switched
        | Event::NotSwitched
        | Event::Converged
        | Event::Retained { .. }
        | Event::Failed { .. }
        | Event::AbortRequested
        | Event::RollbackStarted { .. }
        | Event::RolledBack { .. }
        | Event::Aborted
        | Event::RetirementStarted
        | Event::Retired
        | Event::Blocked { .. }
        | Event::Resumed
        | Event::ClockRestarted { .. }
        | Event::Synced
        | Event::LeftoversFound { .. }
        | Event::LeftoversRemoved
        | Event::Adopted { .. } => (),
    };
    all.iter().for_each(known);
    all
}

fn entry(body: Body) -> Entry {
    let lease_until = (body != Body::LeaseReleased).then(|| at("2026-11-21T02:16:00Z"));
    Entry {
        schema: SCHEMA,
        seq: 42,
        id: Uuid::now_v7(),
        prev: hash(b""),
        at: at("2026-11-21T02:15:00Z"),
        run: RunId::random(),
        lease_until,
        body,
    }
}

#[test]
fn every_kind_of_entry_is_read_back_as_it_was_written() {
    let taken = Body::LeaseTaken { owner: owner(), from: RunId::random(), reason: "ana asked for a rollback".into() };
    let lease = [Body::LeaseAcquired { owner: owner() }, taken, Body::LeaseRenewed, Body::LeaseReleased];
    for body in lease.into_iter().chain(events().into_iter().map(Body::Event)) {
        let written = entry(body);
        let read = Entry::decode(&written.encode(), "x.json");
        assert_eq!(read.unwrap(), written, "{}", String::from_utf8_lossy(&written.encode()));
    }
}

#[test]
fn an_event_has_the_same_name_in_the_journal_as_in_the_program() {
    for event in events() {
        assert_eq!(serde_json::to_value(&event).unwrap()["type"], event.name());
    }
}

#[test]
fn an_entry_reads_well_to_a_person() {
    let mut written = entry(Body::Event(Event::Intent {
        effect: Effect::Flip { from: Color::new("blue"), to: Color::new("green") },
        deadline: at("2026-11-21T02:15:30Z"),
    }));
    (written.id, written.run) = (Uuid::nil(), serde_json::from_value(serde_json::json!(Uuid::nil())).unwrap());
    insta::assert_snapshot!(String::from_utf8(written.encode().to_vec()).unwrap(), @r#"
    {
      "schema": 2,
      "seq": 42,
      "id": "00000000-0000-0000-0000-000000000000",
      "prev": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "at": "2026-11-21T02:15:00Z",
      "run": "00000000-0000-0000-0000-000000000000",
      "lease_until": "2026-11-21T02:16:00Z",
      "body": {
        "event": {
          "type": "intent",
          "effect": "flip",
          "from": "blue",
          "to": "green",
          "deadline": "2026-11-21T02:15:30Z"
        }
      }
    }
    "#);

    let rollback = Event::RollbackStarted { reason: FlipReason::Requested, skipped: vec!["health".into()] };
    insta::assert_snapshot!(serde_json::to_string(&Body::Event(rollback)).unwrap(), @r#"{"event":{"type":"rollback-started","reason":"requested","skipped":["health"]}}"#);
    insta::assert_snapshot!(serde_json::to_string(&Body::LeaseRenewed).unwrap(), @r#""lease-renewed""#);
    let outcome = Event::Outcome { result: EffectResult::Accepted { change: None } };
    insta::assert_snapshot!(
        serde_json::to_string(&Body::Event(outcome)).unwrap(), @r#"{"event":{"type":"outcome","result":"accepted"}}"#);
}

#[test]
fn a_newer_schema_is_refused_whatever_else_the_entry_holds() {
    let error = Entry::decode(br#"{"schema": 3, "of": "the future"}"#, "j/2.json").unwrap_err();
    assert!(matches!(error, JournalError::Newer { schema: 3, known: SCHEMA, .. }), "{error}");
    assert!(error.to_string().starts_with("j/2.json has schema version 3"), "{error}");
}

#[test]
fn a_field_that_a_later_program_added_is_ignored() {
    let written = entry(Body::LeaseRenewed);
    let text = String::from_utf8(written.encode().to_vec()).unwrap();
    let grown = text.replacen('{', "{ \"added-later\": true,", 1);
    assert_eq!(Entry::decode(grown.as_bytes(), "x.json").unwrap(), written);
}

#[test]
fn every_way_to_cut_an_entry_short_is_found() {
    let whole = entry(Body::LeaseAcquired { owner: owner() }).encode();
    // The last two bytes are the closing brace and the line end; only without the brace is it cut short.
    for length in 0..whole.len() - 1 {
        let error = Entry::decode(&whole[..length], "j/42.json").unwrap_err();
        assert!(matches!(error, JournalError::Corrupt { .. }), "{length} bytes: {error}");
        assert!(error.to_string().starts_with("j/42.json is damaged (line "), "{error}");
    }
}

#[test]
fn the_names_of_objects_sort_like_their_numbers() {
    assert_eq!(name(42), "00000000000000000042.json");
    assert_eq!(number("00000000000000000042.json"), Some(42));
    assert_eq!(number(&name(u64::MAX)), Some(u64::MAX));
    assert!(name(9) < name(10));
}

#[test]
fn files_that_are_not_the_journals_have_no_number() {
    let strange = [
        "",
        "42.json",
        "00000000000000000042.json#1",
        "00000000000000000042.json~",
        "00000000000000000000.json",
        "99999999999999999999.json",
        "+0000000000000000042.json",
        "README.md",
        ".DS_Store",
    ];
    for name in strange {
        assert_eq!(number(name), None, "{name}");
    }
}

#[test]
fn the_hash_is_sha_256() {
    assert_eq!(hash(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(hash(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
