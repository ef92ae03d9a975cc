//! What is unhealthy, from when on, and what a group does about it.

use std::time::Duration;

use tokio::time::sleep;

use super::super::support::SICK;
use super::{Scaling, WEB};

#[tokio::test(start_paused = true)]
async fn an_instance_that_does_not_run_is_replaced_even_in_its_grace_period() {
    let it = Scaling::start().await;
    it.group(2).health_check_grace_period(3600).send().await.unwrap();
    it.settled(2).await;
    let before = it.in_service().await;
    it.terminate_in_ec2(&before[0]).await;
    sleep(Duration::from_secs(1)).await;
    it.settled(2).await;
    assert!(!it.in_service().await.contains(&before[0]));
    let cause = it.cause("Terminating EC2 instance").await;
    assert!(cause.contains("in response to an EC2 health check indicating it has been terminated or stopped."));
    let cause = it.cause("Launching a new EC2 instance").await;
    assert!(cause.ends_with("an instance was launched in response to an unhealthy instance needing to be replaced."));
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_load_balancers_word_counts_after_the_grace_period_and_only_if_it_was_asked_for() {
    let it = Scaling::start().await;
    it.group(1).health_check_type("ELB").health_check_grace_period(300).send().await.unwrap();
    it.settled(1).await;
    let blue = &it.rig.world.target_groups[0];
    it.rig.until(blue, "healthy").await;
    let id = it.in_service().await.remove(0);
    it.rig.cloud.machine(&id).unwrap().freeze(true);
    it.rig.until(blue, "unhealthy/Target.Timeout").await;
    sleep(Duration::from_secs(200)).await;
    assert_eq!(it.in_service().await, std::slice::from_ref(&id), "in grace");
    sleep(Duration::from_secs(120)).await;
    assert!(!it.in_service().await.contains(&id));
    let cause = it.cause("Terminating EC2 instance").await;
    assert!(cause.contains("in response to an ELB system health check failure."), "{cause}");

    let update = it.asg.update_auto_scaling_group().auto_scaling_group_name(WEB).health_check_type("EC2");
    update.health_check_grace_period(0).send().await.unwrap();
    it.settled(1).await;
    it.rig.until(blue, "healthy").await;
    let id = it.in_service().await.remove(0);
    it.rig.cloud.machine(&id).unwrap().freeze(true);
    sleep(Duration::from_secs(600)).await;
    assert_eq!(it.in_service().await, [id], "EC2 finds nothing wrong with it");
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_group_that_never_found_an_instance_healthy_replaces_none() {
    let it = Scaling::start().await;
    it.new_version(SICK).await;
    it.group(1).launch_template(it.template("2")).health_check_type("ELB").send().await.unwrap();
    it.settled(1).await;
    let id = it.in_service().await;
    it.rig.until(&it.rig.world.target_groups[0], "unhealthy/Target.ResponseCodeMismatch").await;
    sleep(Duration::from_secs(1800)).await;
    assert_eq!(it.in_service().await, id);
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn one_of_several_target_groups_is_enough_to_be_replaced() {
    let it = Scaling::start().await;
    let [blue, green] = it.rig.world.target_groups.clone();
    it.group(1).target_group_arns(&green).health_check_type("ELB").send().await.unwrap();
    it.settled(1).await;
    it.rig.until(&blue, "healthy").await;
    it.rig.until(&green, "healthy").await;
    sleep(Duration::from_secs(5)).await;
    let id = it.in_service().await;
    it.rig.elb.modify_target_group().target_group_arn(&green).health_check_path("/nothing").send().await.unwrap();
    it.until("Terminating").await;
    assert!(!it.in_service().await.contains(&id[0]));
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_users_word_respects_the_grace_period_unless_it_says_otherwise() {
    let it = Scaling::start().await;
    it.group(1).health_check_grace_period(600).send().await.unwrap();
    it.settled(1).await;
    let id = it.in_service().await.remove(0);
    let sick = || it.asg.set_instance_health().instance_id(&id).health_status("Unhealthy");
    sick().send().await.unwrap();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(it.in_service().await, std::slice::from_ref(&id));
    sick().should_respect_grace_period(false).send().await.unwrap();
    assert_eq!(it.until("Terminating").await, id);
    let cause = it.cause("Terminating EC2 instance").await;
    assert!(cause.contains("in response to a user health-check."), "{cause}");
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_maintenance_policy_may_have_it_that_the_successor_comes_first() {
    let it = Scaling::start().await;
    let policy = aws_sdk_autoscaling::types::InstanceMaintenancePolicy::builder();
    let policy = policy.min_healthy_percentage(100).max_healthy_percentage(150).build();
    it.group(2).instance_maintenance_policy(policy).send().await.unwrap();
    it.settled(2).await;
    let before = it.in_service().await;
    it.asg.set_instance_health().instance_id(&before[0]).health_status("Unhealthy").send().await.unwrap();
    let new = it.until("Pending").await;
    assert_eq!(it.in_service().await, before, "the sick one goes on serving");
    let cause = it.cause("Launching a new EC2 instance").await;
    assert!(cause.ends_with("in response to an unhealthy instance needing to be replaced."), "{cause}");
    it.until("Terminating").await;
    assert_eq!(it.in_service().await, [before[1].clone(), new]);
    it.settled(2).await;
    it.rig.cloud.shutdown().await;
}
