//! AWS answers, but slowly: what rests on an answer must not wait for a quicker one that never comes.

use std::time::Duration;

use switchback::dev::faults::{Fault, FaultKind};

use crate::world::World;

#[tokio::test]
async fn a_rollback_moves_the_traffic_though_every_reading_of_the_listener_takes_longer_than_an_attempt_may() {
    let world = World::new().await;
    world.deploy("v1").await.exits(0);
    // Each first attempt is given up after ten seconds, and each second one is answered.
    let slow = FaultKind::Delay(Duration::from_secs(30));
    world.dev.faults().add(Fault::new("elbv2:DescribeListeners", slow).every(2));
    world.elb().describe_listeners().listener_arns(&world.seeded.listeners[0]).send().await.unwrap();
    world.run(&["rollback", "ENV"]).await.exits(0);
    world.answers("v0").await;
    world.end().await;
}
