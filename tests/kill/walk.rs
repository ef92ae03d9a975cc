//! A hundred deaths and more, spread over every verb; then `reconcile`, and a look at what is left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use serde_json::Value;

use super::audit;
use super::deaths::{Moment, Tally, Verb};
use super::service::{End, Service};
use super::site::{Site, VERSIONS};
use crate::world::Ran;

/// So many environments at the same time: while the next run of one waits for what a dead one may have sent, runs of
/// others die.
const ENVIRONMENTS: usize = 20;
/// So many runs are killed in all of them together.
const DEATHS: usize = 104;

/// How the lease of a dead run gets free, where no verb comes that takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lease {
    /// Nobody takes it before its time.
    RunsOut,
    /// A person breaks it.
    IsBroken,
}

impl Lease {
    /// In every fifth environment the wait is the real one.
    fn of(index: usize) -> Self {
        if index.is_multiple_of(5) { Self::RunsOut } else { Self::IsBroken }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_lose_no_request_and_leave_nothing_behind() {
    let seed =
        std::env::var("SWITCHBACK_TEST_SEED").ok().map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    println!("SWITCHBACK_TEST_SEED={seed} draws the same moments again");
    let began = Instant::now();
    let site = Arc::new(Site::start(ENVIRONMENTS).await);
    let walks = (0..ENVIRONMENTS).map(|index| {
        let (site, rng) = (site.clone(), Rng::with_seed(seed.wrapping_add(index as u64)));
        async move { walk(Service::new(&site, index).await, rng).await }
    });
    let services: Vec<Service> = join_all(walks).await;

    let standing = audit::instances(&site).await;
    for service in &services {
        audit::nothing_is_left_over(&site, service, &standing).await;
    }
    assert_eq!(standing.len(), 2 * ENVIRONMENTS, "instances in the whole cloud: {standing:?}");
    assert_eq!(site.machines().len(), 2 * ENVIRONMENTS, "processes of instances");
    let mut tally = Tally::default();
    for service in services {
        tally.add(service.end().await);
    }
    println!("{tally}in {:.0?}", began.elapsed());
    assert!(tally.deaths >= 100, "{} deaths", tally.deaths);
    for verb in Verb::ALL {
        assert!(tally.killed(verb) > 0, "no {} was killed", verb.name());
    }
    let site = Arc::into_inner(site).expect("nobody else holds it any more");
    site.end().await;
}

/// Runs of all verbs, most of them killed, until enough have died everywhere; then everything is put in order.
async fn walk(mut service: Service, mut rng: Rng) -> Service {
    while service.site.deaths() < DEATHS {
        release(&mut service, &mut rng).await;
        reconcile(&mut service, &mut rng).await;
        if rng.bool() {
            retirement(&mut service, &mut rng).await;
            reconcile(&mut service, &mut rng).await;
        }
        service.no_request_has_failed();
    }
    service
}

/// A release that is killed, and what people do about that.
async fn release(service: &mut Service, rng: &mut Rng) {
    let live = service.version().await;
    let others: Vec<_> = VERSIONS.into_iter().filter(|version| *version != live).collect();
    let version = others[rng.usize(..others.len())];
    service.act(rng, Verb::Deploy, version, 90).await;
    for _ in 0..rng.usize(..4) {
        let verb = rng.choice([Verb::Rollback, Verb::Rollback, Verb::Abort, Verb::Abort, Verb::Deploy]).unwrap();
        service.act(rng, verb, version, 75).await;
    }
}

/// A release that goes well, whose previous color is then taken down by runs that are killed.
async fn retirement(service: &mut Service, rng: &mut Rng) {
    let live = service.version().await;
    let version = *VERSIONS.iter().find(|version| **version != live).unwrap();
    match service.go(Verb::Deploy, version, None).await {
        End::ByItself(ran) => drop(ran.exits(0)),
        End::Killed => unreachable!("nobody was to kill it"),
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    for _ in 0..rng.usize(1..3) {
        service.act(rng, Verb::Sweep, version, 90).await;
        service.free_the_lease(rng).await;
    }
}

/// What a scheduler does: `reconcile` until nothing is left to do. It is killed now and then too.
pub(crate) async fn reconcile(service: &mut Service, rng: &mut Rng) {
    for attempt in 0.. {
        service.free_the_lease(rng).await;
        let chance = if attempt < 2 { 40 } else { 0 };
        service.act(rng, Verb::Reconcile, "", chance).await;
        let status = service.status().await;
        let idle = status["colors"].as_array().unwrap().iter().find(|color| color["live"] == false);
        let empty = idle.is_some_and(|color| color["instances"] == Value::Array(Vec::new()));
        if empty && status["lease"].is_null() && status["release"]["unfinished"] != true {
            return;
        }
        assert!(attempt < 20, "{} does not come to rest: {status:#}", service.name());
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
}

impl Service {
    /// Runs the verb; with this chance (of 100) it is killed at some moment. One that is not must end as it should.
    async fn act(&mut self, rng: &mut Rng, verb: Verb, version: &str, chance: u32) {
        let kill = rng.u32(..100) < chance && self.site.deaths() < DEATHS;
        let moment = kill.then(|| Moment::draw(verb, rng));
        let End::ByItself(ran) = self.go(verb, version, moment).await else { return };
        let expected: &[i32] = match verb {
            // What the dead left behind is in the way, or their lease is.
            Verb::Deploy => &[0, 3, 7],
            // There may be nothing to go back to, or nothing to give up.
            Verb::Rollback | Verb::Abort => &[0, 3],
            Verb::Sweep | Verb::Reconcile => &[0, 7],
        };
        self.ended_as(verb, &ran, expected);
    }

    fn ended_as(&self, verb: Verb, ran: &Ran, expected: &[i32]) {
        let code = ran.code.unwrap();
        let name = self.name();
        assert!(expected.contains(&code), "{verb:?} of {name} ended with {code}\n{}{}", ran.stdout, ran.stderr);
    }

    /// The version that answers through the load balancer.
    async fn version(&self) -> String {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("{}/version", self.url())).send().await.unwrap();
        answer.text().await.unwrap().trim().to_owned()
    }

    /// Sees to it that nobody holds the lease.
    async fn free_the_lease(&self, rng: &mut Rng) {
        let status = self.status().await;
        if status["lease"].is_null() || status["lease"]["expired"] == true {
            return;
        }
        match Lease::of(self.index) {
            Lease::IsBroken => {
                let reason = format!("its run was killed ({})", rng.u8(..));
                self.run(&["lease", "break", "ENV", "--reason", &reason]).await.exits(0);
            }
            Lease::RunsOut => {
                let until: jiff::Timestamp = status["lease"]["until"].as_str().unwrap().parse().unwrap();
                let left = until.duration_since(jiff::Timestamp::now());
                tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
            }
        }
    }
}
