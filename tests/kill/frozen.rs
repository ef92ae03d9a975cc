//! Runs that are frozen in the middle of their work, as a machine under pressure freezes them, and wake up when
//! somebody else has finished it.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::audit;
use super::deaths::{Moment, Verb};
use super::running::Running;
use super::service::Service;
use super::site::Site;

/// Longer than a lease lasts, and than any call of the frozen run may take.
const FROZEN: Duration = Duration::from_secs(75);

/// Who finishes what the frozen run has begun, and when.
#[derive(Debug, Clone, Copy)]
enum Successor {
    /// A person, at once.
    Person(Verb),
    /// The next run of the scheduler or of CI, when the lease is over.
    Later(Verb),
    /// The next job of CI, which starts at once and waits for the lease.
    Waiting,
}

/// A run, where it is frozen, and who comes after it.
const CASES: [(Verb, Moment, Successor); 8] = [
    (Verb::Deploy, Moment::AfterEvent(2, Duration::ZERO), Successor::Later(Verb::Reconcile)),
    // In the middle of a launch.
    (Verb::Deploy, Moment::AfterEvent(5, Duration::from_millis(20)), Successor::Waiting),
    (Verb::Deploy, Moment::InTheFlip(Duration::ZERO), Successor::Later(Verb::Reconcile)),
    (Verb::Deploy, Moment::InTheFlip(Duration::from_millis(5)), Successor::Person(Verb::Rollback)),
    (Verb::Deploy, Moment::InTheFlip(Duration::from_millis(400)), Successor::Later(Verb::Deploy)),
    (Verb::Deploy, Moment::AfterEvent(9, Duration::from_millis(150)), Successor::Person(Verb::Abort)),
    (Verb::Rollback, Moment::InTheFlip(Duration::ZERO), Successor::Later(Verb::Reconcile)),
    (Verb::Sweep, Moment::AfterEvent(3, Duration::from_millis(5)), Successor::Later(Verb::Reconcile)),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_wakes_up_after_its_lease_sends_nothing_and_stops() {
    let site = Arc::new(Site::start(CASES.len()).await);
    let frozen = CASES.iter().enumerate().map(|(index, case)| freeze(&site, index, case));
    let frozen: Vec<(Service, Running)> = join_all(frozen).await;

    // Every successor is done, and nobody else is at work: whatever is sent from here on, a sleeper sends.
    let before = site.writes().await;
    let mut services = Vec::new();
    for (service, sleeper) in frozen {
        let entries = service.entries().await.len();
        sleeper.signal(Signal::CONT);
        let ran = sleeper.end().await.exits(7).says("was taken over by");
        let said: Vec<Value> = ran.lines();
        let last = said.last().unwrap();
        assert_eq!((&last["type"], &last["exit"]), (&Value::from("error"), &Value::from(7)), "{last:#}");
        assert_eq!(service.entries().await.len(), entries, "{} wrote in its sleep", service.name());
        services.push(service);
    }
    assert_eq!(site.writes().await, before, "something was sent after waking up");

    join_all(services.iter_mut().map(|service| super::walk::reconcile(service, Rng::new(), 0))).await;
    let standing = audit::instances(&site).await;
    for service in services {
        audit::nothing_is_left_over(&site, &service, &standing).await;
        service.end().await;
    }
    Arc::into_inner(site).expect("nobody else holds it any more").end().await;
}

/// Freezes a run in the middle of its work and lets its successor finish that.
async fn freeze(
    site: &Arc<Site>,
    index: usize,
    (verb, moment, successor): &(Verb, Moment, Successor),
) -> (Service, Running) {
    let service = Service::new(site, index).await;
    if *verb != Verb::Deploy {
        service.start(Verb::Deploy, "v1").end().await.exits(0);
        if *verb == Verb::Sweep {
            service.until_it_expires().await;
        }
    }
    let mut sleeper = service.start(*verb, "v1");
    let what = format!("{verb:?} of {} at {moment:?}", service.name());
    assert!(sleeper.until(*moment).await, "{what} ended too early: {:#?}", sleeper.end().await);
    sleeper.signal(Signal::STOP);
    let wakes_at = Instant::now() + FROZEN;
    let next = match successor {
        Successor::Person(verb) => service.start(*verb, "v1"),
        Successor::Later(verb) => {
            service.until_the_lease_is_over().await;
            service.start(*verb, "v1")
        }
        Successor::Waiting => service.start_waiting("v1"),
    };
    let ran = next.end().await;
    assert_eq!(ran.code, Some(0), "{successor:?} after {what}: {}{}", ran.stdout, ran.stderr);
    sleep_until(wakes_at).await;
    (service, sleeper)
}
