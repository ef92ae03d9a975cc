//! The last proof of a flip: CloudWatch has counted no request for the old color. The real engine, in virtual time,
//! with the defaults of the environment file and metrics two minutes late, as AWS's are.

use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{PathPatternConditionConfig, RuleCondition};
use jiff::Timestamp;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use switchback::dev::faults::Fault;
use switchback::dev::load::{Load, LoadOptions};
use switchback::dev::seed::Seed;
use switchback::dev::{BalancingOptions, DevOptions};
use switchback::engine::{DeployRequest, Engine, EngineError, Finish, Notice, Notices, Told};
use switchback::journal::Journal;
use switchback::release::{Ending, Event};
use tempfile::NamedTempFile;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use super::super::support::{Rig, V0, V1, forward};
use super::environment::shop;
use super::{options, release, rig, version};

const MINUTE: Duration = Duration::from_secs(60);
const COUNT: &str = "cloudwatch:GetMetricData";

const HEAD: &str = shop!("retain: 1h\n");

/// A world, an environment in it, and what its runs have told.
pub(super) struct Stage {
    pub(super) rig: Rig,
    journal: Journal,
    file: NamedTempFile,
    sender: UnboundedSender<Told>,
    pub(super) told: UnboundedReceiver<Told>,
    pub(super) seen: Vec<Notice>,
}

impl Stage {
    /// With these rules in the environment file, under `release`.
    pub(super) async fn new(options: DevOptions, release: &str) -> Self {
        Self::on(rig(options, Seed::new(V0)).await, &format!("{HEAD}release: {release}\n"))
    }

    /// With this environment file.
    pub(super) fn on(rig: Rig, environment: &str) -> Self {
        Self::on_store(rig, environment, Arc::new(InMemory::new()))
    }

    /// With the journal in this store.
    pub(super) async fn with_journal(options: DevOptions, release: &str, store: Arc<dyn ObjectStore>) -> Self {
        Self::on_store(rig(options, Seed::new(V0)).await, &format!("{HEAD}release: {release}\n"), store)
    }

    fn on_store(rig: Rig, environment: &str, store: Arc<dyn ObjectStore>) -> Self {
        let mut file = NamedTempFile::with_suffix(".yaml").unwrap();
        file.write_all(environment.as_bytes()).unwrap();
        let journal = Journal::with_store(store, "shop");
        let journal = journal.with_clock(rig.cloud.clock().clone()).with_chance(rig.cloud.chance().fork());
        let (sender, told) = unbounded_channel();
        Self { rig, journal, file, sender, told, seen: Vec::new() }
    }

    pub(super) fn engine(&self) -> Engine {
        let notices = Notices::new("shop", self.sender.clone());
        release::engine(&self.rig, &self.rig.cloud.sdk_config("eu-west-1"), &self.journal, &self.file, notices)
    }

    /// A deploy that is not waited for here.
    pub(super) fn start_deploy(&self) -> Pin<Box<dyn Future<Output = Result<Finish, EngineError>>>> {
        self.start_deploy_of(V1)
    }

    fn start_deploy_of(&self, image: &str) -> Pin<Box<dyn Future<Output = Result<Finish, EngineError>>>> {
        let engine = self.engine();
        let wanted = DeployRequest { image: image.into(), accept_smaller: false, detach: false };
        Box::pin(async move { engine.deploy(&wanted).await })
    }

    pub(super) async fn deploy(&mut self) -> Finish {
        self.deploy_of(V1).await
    }

    pub(super) async fn deploy_of(&mut self, image: &str) -> Finish {
        let finish = self.start_deploy_of(image).await;
        self.listen();
        finish.unwrap()
    }

    pub(super) async fn sweep(&mut self) -> Finish {
        let finish = self.engine().sweep().await;
        self.listen();
        finish.unwrap()
    }

    pub(super) fn listen(&mut self) {
        while let Ok(told) = self.told.try_recv() {
            self.seen.push(told.notice);
        }
    }

    /// When the newest event of this name was recorded.
    pub(super) fn recorded(&self, name: &str) -> Timestamp {
        let at = |notice: &Notice| match notice {
            Notice::Recorded { at, event, .. } if event.name() == name => Some(*at),
            _ => None,
        };
        self.seen.iter().rev().find_map(at).unwrap_or_else(|| panic!("no {name}: {:#?}", self.seen))
    }

    /// Seconds from the flip to the proof.
    fn proven_after(&self) -> i64 {
        self.recorded("converged").duration_since(self.recorded("switched")).as_secs()
    }

    pub(super) fn waited_for(&self, text: &str) -> bool {
        self.seen.iter().any(|n| matches!(n, Notice::Waiting { reason, .. } if reason.contains(text)))
    }

    fn asked(&self) -> u64 {
        self.rig.cloud.calls().get(COUNT).copied().unwrap_or(0)
    }

    async fn load(&self) -> Load {
        let load = LoadOptions { connections: 4, rate: Some(4), ..LoadOptions::default() };
        Load::start_over(self.rig.cloud.dial(), &self.rig.world.url, load).await.unwrap()
    }
}

/// Metrics are two minutes late, as AWS's are.
pub(super) fn late() -> DevOptions {
    DevOptions { metrics_delay: 2 * MINUTE, ..options() }
}

fn blocked(finish: &Finish) -> String {
    let Ending::Blocked(problem) = &finish.ending else { panic!("{finish:?}") };
    problem.to_string()
}

#[tokio::test(start_paused = true)]
async fn a_flip_under_load_is_proven_by_a_minute_without_requests_for_the_old_color() {
    let mut stage = Stage::new(late(), "{ converge: { probe: /version } }").await;
    let load = stage.load().await;
    assert_eq!(stage.deploy().await.ending, Ending::Done);
    // The rest of the minute of the flip, a minute without, two until it is told.
    assert!((180..=260).contains(&stage.proven_after()), "{} s", stage.proven_after());
    assert!(stage.waited_for("CloudWatch"), "{:#?}", stage.seen);
    assert!(stage.asked() < 30, "{} calls", stage.asked());
    assert_eq!(load.stop().await.failed, 0);
}

#[tokio::test(start_paused = true)]
async fn a_service_without_any_requests_at_night_converges() {
    let mut stage = Stage::new(late(), "{ converge: { quiet: 10s } }").await;
    assert_eq!(stage.deploy().await.ending, Ending::Done);
    assert!((180..=260).contains(&stage.proven_after()), "{} s", stage.proven_after());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_follows_late_keeps_a_flip_from_having_converged_though_nothing_probes_it() {
    let balancing = BalancingOptions { nodes_per_zone: 2, node_skew: 3 * MINUTE, ..BalancingOptions::default() };
    let mut stage = Stage::new(DevOptions { balancing, ..late() }, "{ converge: { quiet: 10s, timeout: 20m } }").await;
    // Enough connections for one to be at the last node.
    let load = LoadOptions { connections: 32, rate: Some(32), ..LoadOptions::default() };
    let load = Load::start_over(stage.rig.cloud.dial(), &stage.rig.world.url, load).await.unwrap();
    assert_eq!(stage.deploy().await.ending, Ending::Done);
    assert!(stage.waited_for("blue still got"), "{:#?}", stage.seen);
    // The last node follows after three minutes; then a whole minute, and two until it is told.
    assert!((3 + 1 + 2) * 60 <= stage.proven_after(), "{} s", stage.proven_after());
    assert_eq!(load.stop().await.failed, 0);
}

#[tokio::test(start_paused = true)]
async fn metrics_that_come_late_are_waited_for() {
    let mut stage =
        Stage::new(DevOptions { metrics_delay: 6 * MINUTE, ..late() }, "{ converge: { quiet: 10s } }").await;
    sleep(10 * MINUTE).await;
    let load = stage.load().await;
    assert_eq!(stage.deploy().await.ending, Ending::Done);
    assert!(stage.proven_after() >= 7 * 60, "{} s", stage.proven_after());
    load.stop().await;
}

#[tokio::test(start_paused = true)]
async fn metrics_that_do_not_come_are_not_taken_for_zero() {
    let mut stage =
        Stage::new(DevOptions { metrics_delay: 60 * MINUTE, ..late() }, "{ converge: { quiet: 10s } }").await;
    sleep(70 * MINUTE).await;
    let saw = blocked(&stage.deploy().await);
    assert!(saw.contains("CloudWatch has counted the requests of blue only up to"), "{saw}");
    assert_eq!(version(&stage.rig).await, "v1", "the traffic stays where it was proven to be well");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_cloudwatch_is_not_converged_and_the_release_goes_on_when_it_answers() {
    let mut stage = Stage::new(late(), "{ converge: { probe: /version } }").await;
    stage.rig.cloud.faults().add(Fault::throttle(COUNT));
    let saw = blocked(&stage.deploy().await);
    assert!(saw.contains("cannot tell whether blue still gets requests") && saw.contains(COUNT), "{saw}");
    assert_eq!(version(&stage.rig).await, "v1");
    let took = stage.recorded("blocked").duration_since(stage.recorded("switched"));
    assert!(took.as_mins() >= 10, "{took:#}");
    stage.rig.cloud.faults().clear();
    assert_eq!(stage.deploy().await.ending, Ending::Done);
    assert!(stage.recorded("converged") > stage.recorded("resumed"));
}

#[tokio::test(start_paused = true)]
async fn a_cloudwatch_that_cannot_be_reached_for_a_while_is_only_waited_for() {
    let mut stage = Stage::new(late(), "{ converge: { probe: /version } }").await;
    stage.rig.cloud.faults().add(Fault::lose_answer(COUNT).times(12));
    assert_eq!(stage.deploy().await.ending, Ending::Done);
    assert!(stage.waited_for("cannot tell whether blue still gets requests"), "{:#?}", stage.seen);
}

#[tokio::test(start_paused = true)]
async fn without_the_permission_a_release_does_not_begin() {
    let mut stage = Stage::new(late(), "{ converge: { probe: /version } }").await;
    let denied =
        || Fault::refuse(COUNT, "AccessDenied", "User: x is not authorized to perform: cloudwatch:GetMetricData");
    stage.rig.cloud.faults().add(denied());
    let refused = stage.start_deploy().await.unwrap_err().to_string();
    assert!(refused.contains("the caller's policies allow cloudwatch:GetMetricData"), "{refused}");
    assert!(stage.journal.load().await.unwrap().entries().is_empty(), "nothing was written");

    // Taken away in the middle, it is named, and the traffic stays.
    stage.rig.cloud.faults().clear();
    stage.rig.cloud.faults().add(denied().after(1));
    let saw = blocked(&stage.deploy().await);
    assert!(saw.contains("cannot tell whether blue still gets requests") && saw.contains(COUNT), "{saw}");
    assert_eq!(version(&stage.rig).await, "v1");
}

#[tokio::test(start_paused = true)]
async fn with_zero_cloudwatch_is_never_asked() {
    let mut stage = Stage::new(late(), "{ converge: { probe: /version, no-requests: 0s } }").await;
    assert_eq!(stage.deploy().await.ending, Ending::Done);
    assert!(stage.proven_after() < 180, "{} s", stage.proven_after());
    sleep(61 * MINUTE).await;
    assert_eq!(stage.sweep().await.ending, Ending::Done);
    assert_eq!(stage.asked(), 0);
}

/// Somebody else's rule, whose requests go to the old color, though every request for the switch goes to the new one.
async fn rule_for_admins(rig: &Rig) -> String {
    let path = PathPatternConditionConfig::builder().values("/admin").build();
    let path = RuleCondition::builder().field("path-pattern").path_pattern_config(path).build();
    let rule = rig.elb.create_rule().listener_arn(&rig.world.listeners[0]).priority(1).conditions(path);
    let made = rule.actions(forward([(rig.world.target_groups[0].as_str(), 1)])).send().await.unwrap();
    made.rules()[0].rule_arn().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn requests_that_another_rule_sends_to_the_old_color_are_found_and_a_person_decides() {
    let mut stage = Stage::new(late(), "{ converge: { probe: /version } }").await;
    let rule = rule_for_admins(&stage.rig).await;
    let load = LoadOptions { connections: 1, rate: Some(1), ..LoadOptions::default() };
    let url = format!("{}/admin", stage.rig.world.url);
    let load = Load::start_over(stage.rig.cloud.dial(), &url, load).await.unwrap();
    let saw = blocked(&stage.deploy().await);
    assert!(saw.contains("blue still got") && saw.contains("request(s) in the minute to"), "{saw}");
    assert!(saw.contains(&rule) && saw.contains("sends all its traffic to blue"), "it is named: {saw}");
    assert_eq!(version(&stage.rig).await, "v1");
    stage.rig.elb.delete_rule().rule_arn(rule).send().await.unwrap();
    assert_eq!(stage.deploy().await.ending, Ending::Done);
    load.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_asks_cloudwatch_nothing_and_what_it_left_is_taken_down_only_when_it_gets_no_requests() {
    let mut stage = Stage::new(late(), "{ converge: { probe: /version } }").await;
    let load = stage.load().await;
    assert_eq!(stage.deploy().await.ending, Ending::Done);
    let before = stage.asked();
    assert_eq!(stage.engine().rollback(false).await.unwrap().ending, Ending::Done);
    assert_eq!(stage.asked(), before);
    sleep(61 * MINUTE).await;
    assert_eq!(stage.sweep().await.ending, Ending::Done);
    assert!(stage.asked() > before, "a takedown rests on a proof of its own");
    assert_eq!(load.stop().await.failed, 0);
}

#[tokio::test(start_paused = true)]
async fn a_takedown_waits_for_cloudwatch_and_then_asks_a_person_once() {
    let mut stage = Stage::new(late(), "{ converge: { probe: /version } }").await;
    assert_eq!(stage.deploy().await.ending, Ending::Done);
    sleep(61 * MINUTE).await;
    stage.rig.cloud.faults().add(Fault::throttle(COUNT));
    let blue = stage.rig.world.target_groups[0].clone();
    for _ in 0..3 {
        let saw = blocked(&stage.sweep().await);
        assert!(saw.contains("cannot tell whether blue still gets requests"), "{saw}");
        assert_eq!(stage.rig.states(&blue).await, ["healthy"; 2], "nothing is deregistered meanwhile");
    }
    let events = stage
        .seen
        .iter()
        .filter(|n| matches!(n, Notice::Recorded { event, .. } if matches!(**event, Event::Blocked { .. })));
    assert_eq!(events.count(), 1, "a scheduler that looks again and again writes nothing");
    stage.rig.cloud.faults().clear();
    assert_eq!(stage.sweep().await.ending, Ending::Done);
}
