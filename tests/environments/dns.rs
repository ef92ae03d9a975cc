//! `route53.yaml`: a pair of weighted records. Once as it is, with aliases, whose 60 seconds to live pass on a clock
//! that the test moves; once through the program, with CNAME records that live for 2 seconds.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType};
use jiff::Timestamp;
use serde_json::Value;
use switchback::clock::Clock;
use switchback::cloud::Cloud;
use switchback::config::{self, Switch};
use switchback::dev::DevOptions;
use switchback::dev::seed::{Seed, SeedSwitch};
use switchback::dial::ThisMachine;
use switchback::engine::{DeployRequest, Engine, EngineError, Finish, Notice, Notices, Stop};
use switchback::journal::Journal;
use switchback::release::Ending;
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use super::example::{example, name, read};
use crate::world::{World, ami, until};

/// A change gets to every name server after this time.
const DNS_DELAY: Duration = Duration::from_millis(2500);

async fn world(text: &str) -> World {
    let environment = read(text);
    let options = DevOptions { dns_delay: DNS_DELAY, ..DevOptions::default() };
    let seed = |seed: &mut Seed| {
        name(seed, &environment);
        let Switch::Dns(dns) = &environment.switch else { panic!("{:?}", environment.switch) };
        seed.switch = SeedSwitch::Dns { zone: dns.zone.clone(), record: dns.record.clone() };
    };
    World::with(options, seed, text).await
}

impl World {
    fn route53(&self) -> aws_sdk_route53::Client {
        aws_sdk_route53::Client::new(&self.dev.sdk_config("eu-west-1"))
    }

    fn zone(&self) -> &str {
        self.seeded.hosted_zone.as_deref().expect("a zone")
    }

    /// The weighted records, blue first.
    async fn records(&self) -> Vec<ResourceRecordSet> {
        let list =
            self.route53().list_resource_record_sets().hosted_zone_id(self.zone()).send().await.expect("records");
        let mut pair: Vec<_> = list.resource_record_sets.into_iter().filter(|r| r.set_identifier().is_some()).collect();
        pair.sort_by_key(|r| r.set_identifier.clone());
        pair
    }

    async fn weights(&self) -> Vec<i64> {
        self.records().await.iter().map(|r| r.weight().expect("a weight")).collect()
    }

    /// Somebody gives these records these weights.
    async fn weigh(&self, records: &[ResourceRecordSet], weights: [i64; 2]) {
        let changes = records.iter().zip(weights).map(|(record, weight)| {
            let mut set = record.clone();
            set.weight = Some(weight);
            Change::builder().action(ChangeAction::Upsert).resource_record_set(set).build().expect("a change")
        });
        let batch = ChangeBatch::builder().set_changes(Some(changes.collect())).build().expect("a batch");
        let change = self.route53().change_resource_record_sets().hosted_zone_id(self.zone()).change_batch(batch);
        change.send().await.expect("Route 53 takes it");
        self.dev.forget_calls();
    }

    /// Somebody replaces the aliases by CNAMEs of this time to live.
    async fn use_cnames(&self, ttl_s: i64) {
        let change = |action, set| Change::builder().action(action).resource_record_set(set).build().expect("a change");
        let mut changes = Vec::new();
        for (old, address) in self.records().await.into_iter().zip(&self.seeded.addresses) {
            let value = ResourceRecord::builder().value(address.to_string()).build().expect("a value");
            let new = ResourceRecordSet::builder()
                .name(&old.name)
                .r#type(RrType::Cname)
                .set_set_identifier(old.set_identifier.clone())
                .set_weight(old.weight)
                .ttl(ttl_s)
                .resource_records(value);
            changes.push(change(ChangeAction::Delete, old));
            changes.push(change(ChangeAction::Create, new.build().expect("a record")));
        }
        // All the old ones go before a new one comes: an A record and a CNAME cannot share a name.
        changes.sort_by_key(|c| *c.action() == ChangeAction::Create);
        let batch = ChangeBatch::builder().set_changes(Some(changes)).build().expect("a batch");
        let change = self.route53().change_resource_record_sets().hosted_zone_id(self.zone()).change_batch(batch);
        change.send().await.expect("Route 53 takes it");
        tokio::time::sleep(DNS_DELAY).await;
        self.dev.forget_calls();
    }

    /// Whether a resolver would be told what the records say now.
    async fn name_servers_follow(&self) -> bool {
        let told = self.dev.resolve("shop.example.com");
        let records = self.records().await;
        let live = records.iter().zip(&self.seeded.addresses).find(|(record, _)| record.weight() > Some(0));
        live.map(|(_, address)| *address) == told
    }

    /// When the event was recorded for the `times`th time.
    fn recorded_at(&self, event: &str, times: usize) -> Timestamp {
        let all = self.entries();
        let mut found = all.iter().filter(|entry| entry["body"]["event"]["type"] == event);
        let at = |entry: &Value| entry["at"].as_str().expect("a time").parse().expect("RFC 3339");
        at(found.nth(times - 1).unwrap_or_else(|| panic!("no {event} number {times}")))
    }
}

/// Clients that resolve the name as a resolver does, keep the address for its time to live, and send requests to it;
/// and somebody who looks at the weights all the time.
struct Clients {
    stop: CancellationToken,
    seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Default, Clone)]
struct Seen {
    versions: BTreeMap<String, u64>,
    failures: Vec<String>,
    weights: Vec<Vec<i64>>,
}

impl Clients {
    fn start(world: &Arc<World>, ttl: Duration) -> Self {
        let (stop, seen) = (CancellationToken::new(), Arc::new(Mutex::new(Seen::default())));
        let (world, stopped, notes) = (Arc::clone(world), stop.clone(), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
            let mut cached: Option<(IpAddr, Instant)> = None;
            while !stopped.is_cancelled() {
                let fresh = cached.filter(|(_, at)| at.elapsed() < ttl);
                let address = match fresh.or_else(|| Some((world.dev.resolve("shop.example.com")?, Instant::now()))) {
                    Some(known) => cached.insert(known).0,
                    None => {
                        notes.lock().expect("whole").failures.push("the name has no address".into());
                        continue;
                    }
                };
                let answer = client.get(format!("http://{address}:8080/version")).send().await;
                let answer = async { answer?.error_for_status()?.text().await }.await;
                let weights = world.weights().await;
                let mut notes = notes.lock().expect("whole");
                match answer {
                    Ok(version) => *notes.versions.entry(version).or_default() += 1,
                    Err(error) => notes.failures.push(format!("{address}: {error}")),
                }
                if notes.weights.last() != Some(&weights) {
                    notes.weights.push(weights);
                }
            }
        });
        Self { stop, seen, task }
    }

    /// Stops them and checks that no request failed, and that the weights went from one color to the other in one step
    /// each time.
    async fn saw_no_failure(self, weights: &[[i64; 2]]) -> BTreeMap<String, u64> {
        self.stop.cancel();
        self.task.await.expect("the clients end");
        let seen = self.seen.lock().expect("whole").clone();
        assert_eq!(seen.failures, Vec::<String>::new());
        assert_eq!(seen.weights, weights.iter().map(|pair| pair.to_vec()).collect::<Vec<_>>());
        seen.versions
    }
}

const FLIPS: [[i64; 2]; 4] = [[255, 0], [0, 255], [255, 0], [0, 255]];

#[tokio::test]
async fn records_with_a_short_time_to_live_are_flipped_in_one_batch_and_waited_for() {
    let text = example(
        "route53.yaml",
        &[
            ("type: A  ", "type: CNAME"),
            ("port: 80 ", "port: 8080"),
            ("quiet: 1m", "quiet: 1s, no-requests: 0s"),
            ("timeout: 15m", "timeout: 30s"),
            ("bake: 5m", "bake: 0s"),
            ("retain: 12h", "retain: 1s"),
        ],
    );
    let ttl = Duration::from_secs(2);
    let world = Arc::new(world(&text).await);
    world.use_cnames(2).await;
    let clients = Clients::start(&world, ttl);
    let batches = || world.dev.calls().get("route53:ChangeResourceRecordSets").copied().unwrap_or(0);

    for (release, version) in [(1, "v1"), (2, "v2")] {
        world.deploy(version).await.exits(0).says("the traffic has followed");
        assert_eq!(batches(), release as u64, "a flip is not one batch");
        let took = world.recorded_at("converged", release).duration_since(world.recorded_at("switched", release));
        let least = jiff::SignedDuration::try_from(ttl + DNS_DELAY - Duration::from_millis(500)).expect("short");
        assert!(took >= least, "converged after {took:?}, before every resolver could know");
    }
    assert!(world.dev.calls()["route53:GetChange"] >= 2, "{:?}", world.dev.calls());

    let rollback = world.run(&["rollback", "ENV"]).await.exits(0).says("goes to green again");
    assert_eq!((rollback.stdout.as_str(), batches()), ("", 3));
    let status = world.status().await;
    assert_eq!(status["traffic"]["color"], "green");
    until("blue is swept", async || {
        world.run(&["sweep", "ENV"]).await.exits(0);
        world.instances("blue").await.is_empty()
    })
    .await;
    world.nothing_is_left_of(0).await;
    assert_eq!(world.instances("green").await.len(), 3);
    assert_eq!(batches(), 3, "something else was written");
    world.lease_is_free();
    let versions = clients.saw_no_failure(&FLIPS).await;
    assert_eq!(versions.into_keys().collect::<Vec<_>>(), ["v0", "v1", "v2"]);
    Arc::into_inner(world).expect("the clients are gone").end().await;
}

#[tokio::test]
async fn records_that_are_split_or_both_0_are_refused_and_left_as_they_are() {
    let text = example("route53.yaml", &[("port: 80 ", "port: 8080")]);
    let world = world(&text).await;
    let before = world.records().await;
    for (weights, words) in [
        ([200, 55], "the traffic is split: blue=200, green=55"),
        // Route 53 answers with every record alike when all weights are 0.
        ([0, 0], "the traffic is split: blue=0, green=0"),
    ] {
        world.weigh(&before, weights).await;
        for verb in ["deploy", "plan"] {
            let ran = world.run(&[verb, "ENV", "--image", &ami("v1")]).await.exits(3);
            let told = format!("{}{}", ran.stdout, ran.stderr);
            assert!(told.contains(words) && told.contains("switchback status"), "{told}");
        }
        assert_eq!((world.writes(), world.weights().await), ([].into(), weights.to_vec()));
        let status = world.run(&["status", "ENV"]).await.exits(0);
        assert!(
            status.stdout.contains(words) && status.stdout.contains("aws route53 change-resource-record-sets"),
            "{}",
            status.stdout
        );
    }
    assert!(!world.journal().exists());
    world.nothing_is_left_of(1).await;
    world.end().await;
}

/// One verb of the engine on a clock of its own, which goes on by 10 seconds whenever the engine waits and the name
/// servers have nothing left to do: they keep the real time. Of the program only the command line is left out.
fn on_a_fast_clock<W>(world: &World, hours_later: u64, verb: W) -> Result<Finish, EngineError>
where
    W: AsyncFnOnce(&Engine) -> Result<Finish, EngineError> + Send,
{
    let (file, sdk) = (world.env(), world.dev.sdk_config("eu-west-1"));
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let environment = Arc::new(config::load(&file).unwrap_or_else(|errors| panic!("{errors}")));
            let last = Timestamp::now() + Duration::from_secs(3600 * hours_later);
            let journal = Journal::open(&environment.journal, &environment.name, &sdk).expect("a journal");
            let journal = journal.with_clock(Clock::starting_at(last));
            let (sender, mut told) = unbounded_channel();
            let engine = Engine {
                notices: Notices::new(&environment.name, sender),
                typed: file.display().to_string(),
                environment,
                cloud: Cloud::from_conf(&sdk),
                journal,
                dial: Arc::new(ThisMachine),
                stop: Stop::default(),
                started: tokio::time::Instant::now(),
            };
            let clock = async {
                while let Some(told) = told.recv().await {
                    // Nothing is on its way to AWS while the engine waits.
                    if let Notice::Waiting { phase: "converging" | "baking" | "retiring", .. } = told.notice
                        && world.name_servers_follow().await
                    {
                        tokio::time::pause();
                        tokio::time::advance(Duration::from_secs(10)).await;
                        tokio::time::resume();
                    }
                }
            };
            let verb = async move {
                let ended = verb(&engine).await;
                // And with it the notices, and the clock.
                drop(engine);
                ended
            };
            tokio::join!(verb, clock).0
        })
    };
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_of_records_with_its_own_times_is_deployed_twice_rolled_back_and_swept() {
    // Only `quiet` is shorter, so that it cannot stand in for the aliases' 60 seconds to live.
    let text = example("route53.yaml", &[("port: 80 ", "port: 8080"), ("quiet: 1m", "quiet: 5s, no-requests: 0s")]);
    let world = Arc::new(world(&text).await);
    assert!(world.records().await.iter().all(|r| r.alias_target().is_some()), "the records are no aliases");
    // The clock of these clients is the real one: they keep no address.
    let clients = Clients::start(&world, Duration::ZERO);
    let done = |finish: Result<Finish, EngineError>| finish.expect("it ends").ending;
    let run = async |hours: u64, image: Option<&str>, verb: &'static str| {
        let (world, image) = (Arc::clone(&world), image.map(ami));
        let verb = move || {
            on_a_fast_clock(&world, hours, async move |engine: &Engine| match (verb, image) {
                ("deploy", Some(image)) => {
                    engine.deploy(&DeployRequest { image, accept_smaller: false, detach: false }).await
                }
                ("rollback", _) => engine.rollback(false).await,
                _ => engine.sweep().await,
            })
        };
        tokio::task::spawn_blocking(verb).await.expect("the engine ends")
    };
    for (release, version, hours) in [(1, "v1", 0), (2, "v2", 1)] {
        assert_eq!(done(run(hours, Some(version), "deploy").await), Ending::Done);
        let took = world.recorded_at("converged", release).duration_since(world.recorded_at("switched", release));
        assert!(took >= jiff::SignedDuration::from_secs(60), "converged after {took:?}, before the aliases had died");
        let baked = world.recorded_at("retained", release).duration_since(world.recorded_at("converged", release));
        assert!(baked >= jiff::SignedDuration::from_mins(5), "baked for {baked:?}");
    }
    assert_eq!(done(run(2, None, "rollback").await), Ending::Done);
    assert!(matches!(done(run(13, None, "sweep").await), Ending::Nothing(_)), "swept before 12 hours were over");
    assert_eq!(world.instances("blue").await.len(), 3);
    assert_eq!(done(run(15, None, "sweep").await), Ending::Done);
    world.nothing_is_left_of(0).await;
    assert_eq!(world.instances("green").await.len(), 3);
    let calls = world.dev.calls();
    assert_eq!(calls["route53:ChangeResourceRecordSets"], 3, "{calls:?}");
    assert!(calls["route53:GetChange"] >= 2, "{calls:?}");
    world.lease_is_free();
    let versions = clients.saw_no_failure(&FLIPS).await;
    assert_eq!(versions.into_keys().collect::<Vec<_>>(), ["v0", "v1", "v2"]);
    Arc::into_inner(world).expect("the clients are gone").end().await;
}
