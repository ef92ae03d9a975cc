//! One command without arguments, as quick as a few API calls, when everything else is on fire.

#[path = "support/world.rs"]
mod world;

use std::collections::BTreeMap;

use switchback::dev::faults::Fault;
use world::World;

/// A world in which v1 has the traffic on green and v0 is still warm on blue.
async fn released() -> World {
    let world = World::new().await;
    world.deploy("v1").await.exits(0);
    world.answers("v1").await;
    world.dev.forget_calls();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_reads_switch_and_health_at_once_compares_writes_and_reads_back() {
    let world = released().await;
    let load = world.load().await;
    world.run(&["rollback", "ENV"]).await.exits(0).says("the traffic goes to blue again");
    world.answers("v0").await;
    // The switch: to decide, once more right before the write, and read back.
    let expected = [("elbv2:DescribeListeners", 3), ("elbv2:DescribeTargetHealth", 1), ("elbv2:ModifyListener", 1)];
    assert_eq!(world.dev.calls(), BTreeMap::from(expected.map(|(call, n)| (call.to_owned(), n))));
    world.no_request_failed(load).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_rollback_needs_no_answer_about_health() {
    let world = released().await;
    world.dev.faults().add(Fault::refuse("elbv2:DescribeTargetHealth", "AccessDenied", "not for you"));
    world.run(&["rollback", "ENV"]).await.exits(3).says("elbv2:DescribeTargetHealth");
    assert_eq!(world.version().await, "v1");
    let forced = world.run(&["rollback", "ENV", "--force"]).await.exits(0);
    forced.says("the health of blue is not known").says("by force, skipping");
    world.answers("v0").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_rollback_is_refused_and_says_what_leads_on() {
    let world = released().await;
    world.run(&["rollback", "ENV"]).await.exits(0);
    world.run(&["rollback", "ENV"]).await.exits(3).says("was rolled back already").says("switchback deploy");
    world.end().await;
}
