//! Warm pools: instances that have started once, and wait.

use std::time::Duration;

use aws_sdk_autoscaling::types::{InstanceReusePolicy, WarmPoolState};
use tokio::time::{Instant, sleep};

use super::{Scaling, WEB};

/// `id state` of the instances in the pool.
async fn pool(it: &Scaling) -> Vec<(String, String)> {
    let found = it.asg.describe_warm_pool().auto_scaling_group_name(WEB).send().await.unwrap();
    let state = |each: &aws_sdk_autoscaling::types::Instance| {
        (each.instance_id().unwrap().to_owned(), each.lifecycle_state().unwrap().as_str().to_owned())
    };
    found.instances().iter().map(state).collect()
}

async fn until(it: &Scaling, count: usize, state: &str) -> Vec<String> {
    let mut seen = Vec::new();
    for _ in 0..1_000 {
        seen = pool(it).await;
        if seen.len() == count && seen.iter().all(|(_, each)| each == state) {
            return seen.into_iter().map(|(id, _)| id).collect();
        }
        sleep(Duration::from_secs(1)).await;
    }
    panic!("never {count} {state}: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn stopped_instances_wait_outside_of_the_target_group_and_come_in_before_new_ones() {
    let it = Scaling::start().await;
    it.group(1).max_size(3).send().await.unwrap();
    it.settled(1).await;
    it.asg.put_warm_pool().auto_scaling_group_name(WEB).send().await.unwrap();
    let waiting = until(&it, 2, "Warmed:Stopped").await;
    assert_eq!(it.rig.instance_state(&waiting[0]).await, "stopped");
    assert_eq!(it.rig.states(&it.rig.world.target_groups[0]).await.len(), 1);
    assert_eq!(it.in_service().await.len(), 1, "the pool is no part of the group");

    it.want(2).await;
    sleep(Duration::from_secs(1)).await;
    it.settled(2).await;
    assert_eq!(it.in_service().await[1], waiting[0]);
    let cause = it.cause("Launching a new EC2 instance from warm pool").await;
    assert!(cause.contains("difference between desired and actual capacity"), "{cause}");
    assert_eq!(until(&it, 1, "Warmed:Stopped").await, waiting[1..], "the pool and the group are the maximum together");

    it.asg.delete_warm_pool().auto_scaling_group_name(WEB).send().await.unwrap();
    until(&it, 0, "").await;
    assert_eq!(it.rig.instance_state(&waiting[1]).await, "terminated");
    assert!(it.seen().await.warm_pool_configuration().is_none());
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn running_instances_come_in_at_once_and_return_when_they_may() {
    let it = Scaling::start().await;
    it.group(1).send().await.unwrap();
    it.settled(1).await;
    let reuse = InstanceReusePolicy::builder().reuse_on_scale_in(true).build();
    let put = it.asg.put_warm_pool().auto_scaling_group_name(WEB).pool_state(WarmPoolState::Running);
    put.max_group_prepared_capacity(2).instance_reuse_policy(reuse).send().await.unwrap();
    let waiting = until(&it, 1, "Warmed:Running").await;
    let began = Instant::now();
    it.want(2).await;
    it.settled(2).await;
    assert!(began.elapsed() < Duration::from_secs(5), "EC2 alone takes 20 s to start one");
    it.want(1).await;
    let back = until(&it, 1, "Warmed:Running").await;
    assert_eq!(it.rig.instance_state(&back[0]).await, "running");
    it.want(2).await;
    sleep(Duration::from_secs(1)).await;
    it.settled(2).await;
    assert!(it.in_service().await.contains(&back[0]) && it.in_service().await.contains(&waiting[0]));
    it.rig.cloud.shutdown().await;
}
