//! What reading a long journal costs: 10,000 entries in memory and in a folder, from the newest snapshot and in full.
//!
//! `cargo bench --bench journal`. CPU times are the whole process's (user and system).

#![expect(clippy::unwrap_used, reason = "a measurement that goes wrong may stop anywhere")]

mod cpu;
#[path = "../tests/support/given_up.rs"]
mod given_up;

use std::sync::Arc;

use aws_config::SdkConfig;
use jiff::Timestamp;
use object_store::memory::InMemory;
use switchback::config::JournalLocation;
use switchback::journal::{Acquire, Journal, Owner};
use switchback::release::{Color, Effect, EffectResult, Event, GroupPin, Pins, ReleaseId, RoutePin, SwitchPin};

use cpu::cpu_time;
use given_up::given_up;

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
        for event in given_up(number, journal.clock().now(), EffectResult::Accepted { change: None }) {
            session.append(event).await.unwrap();
        }
        if session.log().head() >= ENTRIES {
            return;
        }
    }
}
