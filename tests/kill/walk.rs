//! A hundred deaths and more, spread over every verb; then `reconcile`, and a look at what is left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use rustix::process::Signal;
use serde_json::Value;

use super::audit;
use super::deaths::{Moment, Tally, Verb};
use super::service::{End, Service};
use super::site::{Site, VERSIONS};
use crate::world::Ran;

/// So many environments at the same time: while the next run of one waits for what a dead one may have sent, runs of
/// others die.
const ENVIRONMENTS: usize = 36;
/// So many are looked through at the same time.
const AUDITS: usize = 4;
/// So many runs are killed in all of them together.
const DEATHS: usize = 100;

/// How the lease of a dead run gets free, where no verb comes that takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lease {
    /// Nobody takes it before its time.
    RunsOut,
    /// A person breaks it.
    IsBroken,
}

impl Lease {
    /// In every tenth environment the wait is the real one.
    fn of(index: usize) -> Self {
        if index.is_multiple_of(10) { Self::RunsOut } else { Self::IsBroken }
    }

    /// How many runs may die in an environment: what waits for a whole lease takes minutes for each.
    fn deaths_max(self) -> usize {
        match self {
            Self::RunsOut => 1,
            Self::IsBroken => usize::MAX,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_lose_no_request_and_leave_nothing_behind() {
    let seed =
        std::env::var("SWITCHBACK_TEST_SEED").ok().map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    println!("SWITCHBACK_TEST_SEED={seed} draws the same moments again");
    let began = Instant::now();
    // One more for the deploy that waits for the lease.
    let site = Arc::new(Site::start(ENVIRONMENTS + 1).await);
    println!("everything stands after {:.0?}", began.elapsed());
    let walks = (0..ENVIRONMENTS).map(|index| {
        let (site, rng) = (site.clone(), Rng::with_seed(seed.wrapping_add(index as u64)));
        async move { walk(Service::new(&site, index).await, rng).await }
    });
    let waits = async { wait_for_the_lease(Service::new(&site, ENVIRONMENTS).await).await };
    let (mut services, waited): (Vec<Service>, Service) = tokio::join!(join_all(walks), waits);
    services.push(waited);

    let standing = audit::instances(&site).await;
    // The emulator reads one journal after the other; asked for all at once it answers some of them too late.
    let audits = services.iter().map(|service| audit::nothing_is_left_over(&site, service, &standing));
    stream::iter(audits).buffer_unordered(AUDITS).collect::<Vec<()>>().await;
    assert_eq!(standing.len(), 2 * services.len(), "instances in the whole cloud: {standing:?}");
    assert_eq!(site.machines().len(), 2 * services.len(), "processes of instances");
    let mut tally = Tally::default();
    join_all(services.into_iter().map(Service::end)).await.into_iter().for_each(|one| tally.add(one));
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
    // In one half of the environments sweeps die first, in the other one deploys.
    let mut retires = service.index.is_multiple_of(2);
    while service.site.deaths() < DEATHS && service.deaths() < Lease::of(service.index).deaths_max() {
        if retires {
            retirement(&mut service, &mut rng).await;
        } else {
            release(&mut service, &mut rng).await;
        }
        retires = !retires;
        reconcile(&mut service, rng.fork(), 40).await;
        service.no_request_has_failed();
    }
    println!("{} has come to rest after {} deaths, of {}", service.name(), service.deaths(), service.site.deaths());
    service
}

/// A run dies in its flip while another one waits for its lease: that one goes on as soon as the lease is over.
async fn wait_for_the_lease(mut service: Service) -> Service {
    let mut owner = service.start(Verb::Deploy, "v1");
    assert!(owner.until(Moment::InTheFlip(Duration::from_millis(50))).await, "{:#?}", owner.end().await);
    // It is held there, so that it dies when the other one certainly waits.
    owner.signal(Signal::STOP);
    let mut next = service.start_waiting("v1");
    next.waits().await;
    assert!(matches!(service.kill(Verb::Deploy, owner).await, End::Killed));
    let lease_until = service.entries().await.pop().unwrap()["lease_until"].clone();
    next.end().await.exits(0);
    let [takeover] = &service.takeovers().await[..] else { panic!("one takeover") };
    assert!(takeover.expired, "{takeover:?}");
    let lease_until: jiff::Timestamp = lease_until.as_str().unwrap().parse().unwrap();
    let late = takeover.at.duration_since(lease_until);
    println!("a deploy that waits went on {:.1?} after the death, {late:#} after the end of the lease", takeover.after);
    assert!((0..20).contains(&late.as_secs()), "{late:#}");
    reconcile(&mut service, Rng::new(), 0).await;
    service
}

/// A release that is killed, and what people do about that.
async fn release(service: &mut Service, rng: &mut Rng) {
    let live = service.version().await;
    let others: Vec<_> = VERSIONS.into_iter().filter(|version| *version != live).collect();
    let version = others[rng.usize(..others.len())];
    service.act(rng, Verb::Deploy, version, 90).await;
    for _ in 0..rng.usize(..4) {
        if service.site.deaths() >= DEATHS {
            return;
        }
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
    service.until_it_expires().await;
    for _ in 0..rng.usize(1..3) {
        service.act(rng, Verb::Sweep, version, 90).await;
        let status = service.status().await;
        service.free_the_lease(&status, rng).await;
    }
}

/// What a scheduler does: `reconcile` until nothing is left to do. Each of the first two is killed with this chance (of
/// 100).
pub(crate) async fn reconcile(service: &mut Service, mut rng: Rng, chance: u32) {
    for attempt in 0.. {
        let status = service.status().await;
        let idle = status["colors"].as_array().unwrap().iter().find(|color| color["live"] == false);
        let empty = idle.is_some_and(|color| color["instances"] == Value::Array(Vec::new()));
        let at_rest = empty && status["lease"].is_null() && status["release"]["unfinished"] != true;
        if attempt > 0 && at_rest {
            return;
        }
        assert!(attempt < 20, "{} does not come to rest: {status:#}", service.name());
        if attempt > 0 {
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        service.free_the_lease(&status, &mut rng).await;
        service.act(&mut rng, Verb::Reconcile, "", if attempt < 2 { chance } else { 0 }).await;
    }
}

impl Service {
    /// Runs the verb; with this chance (of 100) it is killed at some moment. One that is not must end as it should.
    async fn act(&mut self, rng: &mut Rng, verb: Verb, version: &str, chance: u32) {
        let may_die = self.site.deaths() < DEATHS && self.deaths() < Lease::of(self.index).deaths_max();
        let kill = rng.u32(..100) < chance && may_die;
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

    /// Sees to it that nobody holds the lease that its status tells of.
    async fn free_the_lease(&self, status: &Value, rng: &mut Rng) {
        if status["lease"].is_null() || status["lease"]["expired"] == true {
            return;
        }
        match Lease::of(self.index) {
            Lease::IsBroken => {
                let reason = format!("its run was killed ({})", rng.u8(..));
                self.run(&["lease", "break", "ENV", "--reason", &reason]).await.exits(0);
            }
            Lease::RunsOut => self.until_the_lease_is_over().await,
        }
    }
}
