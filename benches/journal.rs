//! What reading a long journal costs: 10,000 entries in memory and in a folder, from the newest snapshot and in full.
//!
//! `cargo bench --bench journal`. CPU times are the whole process's (user and system).

#![expect(clippy::unwrap_used, reason = "a measurement that goes wrong may stop anywhere")]

mod cpu;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use object_store::memory::InMemory;
use switchback::config::JournalLocation;
use switchback::journal::{Acquire, Journal, Owner};
use switchback::release::{Color, Effect, EffectResult, Event, GroupPin, Pins, ReleaseId, RoutePin, SwitchPin};

use cpu::cpu_time;

const ENTRIES: u64 = 10_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        read("in memory", Journal::with_store(Arc::new(InMemory::new()), "shop-prod")).await;
        let folder = tempfile::tempdir().unwrap();
        let location = JournalLocation::Folder(folder.path().into());
        read("in a folder", Journal::open(&location, "shop-prod", &SdkConfig::builder().build()).unwrap()).await;
    });
}

async fn read(place: &str, journal: Journal) {
    write(&journal).await;
    for (what, times, whole) in [("from the newest snapshot", 100, false), ("every entry", 5, true)] {
        let before = cpu_time();
        for _ in 0..times {
            let log = if whole { journal.load().await.unwrap() } else { journal.tail().await.unwrap() };
            assert!(log.head() >= ENTRIES);
            log.replay().unwrap();
        }
        println!("{ENTRIES} entries {place}, {what}: {:?} of CPU", (cpu_time() - before) / times);
    }
}

/// Writes releases that are given up at once, until there are so many entries.
async fn write(journal: &Journal) {
    let owner = Owner { run: journal.new_run(), ..Owner::this_process("deploy") };
    let mut session = journal.acquire(journal.tail().await.unwrap(), owner, Acquire::IfFree).await.unwrap();
    for number in 0.. {
        for event in release(number, journal) {
            session.append(event).await.unwrap();
        }
        if session.log().head() >= ENTRIES {
            return;
        }
    }
}

fn release(number: u32, journal: &Journal) -> [Event; 5] {
    let (blue, green) = (Color::new("blue"), Color::new("green"));
    let group = |arn: &str| GroupPin { arn: arn.into(), port: 8080, deregistration_delay_seconds: 300 };
    let route = RoutePin { dns_name: "shop.elb".into(), port: 443, https: true, host: None };
    let pins = Pins {
        route: SwitchPin::Rule { rule: "arn:r".into(), route },
        groups: BTreeMap::from([(blue.clone(), group("arn:b")), (green.clone(), group("arn:g"))]),
        template: "lt-1".into(),
        template_version: 7,
        subnets: vec![],
    };
    let deregister = Effect::Deregister { color: green.clone(), instances: vec!["i-1".into()] };
    [
        Event::ReleaseStarted {
            release: ReleaseId::new(format!("20261121-021500-{number:04x}")),
            image: format!("ami-{number}"),
            from: blue,
            to: green,
            count: 3,
            from_count: 3,
            pins,
        },
        Event::Intent { effect: deregister, deadline: journal.clock().now() + Duration::from_secs(40) },
        Event::Outcome { result: EffectResult::Accepted { change: None } },
        Event::AbortRequested,
        Event::Aborted,
    ]
}
