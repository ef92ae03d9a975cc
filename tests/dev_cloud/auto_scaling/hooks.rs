//! Lifecycle hooks: instances that wait until someone says to go on.

use std::time::Duration;

use tokio::time::sleep;

use super::{Scaling, WEB, words};

async fn put(it: &Scaling, transition: &str, result: &str) {
    let hook = it.asg.put_lifecycle_hook().auto_scaling_group_name(WEB).lifecycle_hook_name("wait");
    let hook = hook.lifecycle_transition(transition).heartbeat_timeout(120).default_result(result);
    hook.send().await.unwrap();
}

async fn complete(it: &Scaling, id: &str, result: &str) {
    let complete = it.asg.complete_lifecycle_action().auto_scaling_group_name(WEB).lifecycle_hook_name("wait");
    complete.instance_id(id).lifecycle_action_result(result).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_launch_hook_holds_an_instance_out_of_its_target_group_until_it_is_completed() {
    let it = Scaling::start().await;
    it.group(0).send().await.unwrap();
    put(&it, "autoscaling:EC2_INSTANCE_LAUNCHING", "ABANDON").await;
    it.want(1).await;
    let id = it.until("Pending:Wait").await;
    sleep(Duration::from_secs(60)).await;
    assert!(it.rig.states(&it.rig.world.target_groups[0]).await.is_empty());

    // A heartbeat begins the time again.
    let beat = it.asg.record_lifecycle_action_heartbeat().auto_scaling_group_name(WEB).lifecycle_hook_name("wait");
    beat.instance_id(&id).send().await.unwrap();
    sleep(Duration::from_secs(100)).await;
    assert_eq!(it.until("Pending:Wait").await, id);
    complete(&it, &id, "CONTINUE").await;
    it.settled(1).await;
    assert_eq!(it.in_service().await, std::slice::from_ref(&id));
    let again = it.asg.complete_lifecycle_action().auto_scaling_group_name(WEB).lifecycle_hook_name("wait");
    let (code, said) = words(again.instance_id(&id).lifecycle_action_result("CONTINUE").send().await);
    assert_eq!(code, "ValidationError");
    assert_eq!(said, format!("No active Lifecycle Action found with instance ID {id}"));
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_nobody_completes_is_abandoned_and_tried_again() {
    let it = Scaling::start().await;
    it.group(0).send().await.unwrap();
    put(&it, "autoscaling:EC2_INSTANCE_LAUNCHING", "ABANDON").await;
    it.want(1).await;
    let first = it.until("Pending:Wait").await;
    sleep(Duration::from_secs(125)).await;
    let second = it.until("Pending:Wait").await;
    assert_ne!(first, second);
    assert_eq!(it.rig.instance_state(&first).await, "terminated");
    let all = it.activities().await;
    let cancelled = all.iter().find(|each| each.status_code().unwrap().as_str() == "Cancelled").unwrap();
    let said = cancelled.status_message().unwrap();
    assert!(said.ends_with("was abandoned: Heartbeat Timeout"), "{said}");
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_termination_hook_holds_a_drained_instance_until_its_time_is_over() {
    let it = Scaling::start().await;
    it.group(1).send().await.unwrap();
    it.settled(1).await;
    it.rig.until(&it.rig.world.target_groups[0], "healthy").await;
    put(&it, "autoscaling:EC2_INSTANCE_TERMINATING", "CONTINUE").await;
    let began = tokio::time::Instant::now();
    it.want(0).await;
    let id = it.until("Terminating:Wait").await;
    let drained = began.elapsed().as_secs();
    assert!((60..65).contains(&drained), "the deregistration delay comes first: {drained} s");
    assert_eq!(it.rig.instance_state(&id).await, "running");
    it.settled(0).await;
    let whole = began.elapsed().as_secs();
    assert!((180..200).contains(&whole), "{whole} s");
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn hooks_are_read_back_with_their_limits() {
    let it = Scaling::start().await;
    it.group(0).send().await.unwrap();
    put(&it, "autoscaling:EC2_INSTANCE_LAUNCHING", "ABANDON").await;
    let found = it.asg.describe_lifecycle_hooks().auto_scaling_group_name(WEB).send().await.unwrap();
    let hook = &found.lifecycle_hooks()[0];
    assert_eq!((hook.heartbeat_timeout(), hook.global_timeout()), (Some(120), Some(12_000)));
    let short = it.asg.put_lifecycle_hook().auto_scaling_group_name(WEB).lifecycle_hook_name("wait");
    assert_eq!(words(short.heartbeat_timeout(29).send().await).0, "ValidationError");
    it.asg.delete_lifecycle_hook().auto_scaling_group_name(WEB).lifecycle_hook_name("wait").send().await.unwrap();
    let none = it.asg.delete_lifecycle_hook().auto_scaling_group_name(WEB).lifecycle_hook_name("wait").send().await;
    assert_eq!(words(none).0, "ValidationError");
    it.rig.cloud.shutdown().await;
}
