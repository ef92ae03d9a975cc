//! Launches that fail: what the activities say, when the group tries again, and when it stops trying.

use std::time::Duration;

use tokio::time::sleep;

use super::super::support::V0;
use super::{Scaling, WEB};

#[tokio::test(start_paused = true)]
async fn a_deregistered_image_fails_launches_with_ec2s_words_and_ever_longer_pauses() {
    let it = Scaling::start().await;
    it.group(0).send().await.unwrap();
    it.rig.ec2.deregister_image().image_id(V0).send().await.unwrap();
    it.want(1).await;
    sleep(Duration::from_secs(600)).await;
    let failed = it.activities().await;
    assert!((5..12).contains(&failed.len()), "{failed:#?}");
    let last = &failed[0];
    assert_eq!(last.status_code().unwrap().as_str(), "Failed");
    let said = last.status_message().unwrap();
    assert!(said.contains(V0) && said.ends_with("Launching EC2 instance failed."), "{said}");
    let description = last.description().unwrap();
    assert_eq!(description, format!("Launching a new EC2 instance.  Status Reason: {said}"));
    let pauses: Vec<_> = failed
        .windows(2)
        .map(|pair| pair[0].start_time().unwrap().secs() - pair[1].start_time().unwrap().secs())
        .collect();
    assert!(pauses.iter().rev().is_sorted(), "{pauses:?}");

    // After a day AWS stops trying, and says so.
    sleep(Duration::from_secs(24 * 3600)).await;
    let suspended = it.seen().await.suspended_processes().to_vec();
    assert_eq!(suspended[0].process_name(), Some("Launch"));
    assert!(suspended[0].suspension_reason().unwrap().starts_with("Administrative suspension"));
    let before = it.activities().await[0].activity_id().unwrap().to_owned();
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(it.activities().await[0].activity_id(), Some(before.as_str()));
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_target_group_that_is_still_attached_blocks_every_launch() {
    let it = Scaling::start().await;
    let [blue, green] = it.rig.world.target_groups.clone();
    it.group(1).target_group_arns(&green).send().await.unwrap();
    it.settled(1).await;
    let listener = &it.rig.world.listeners[0];
    let modify = it.rig.elb.modify_listener().listener_arn(listener);
    modify.default_actions(super::super::support::forward([(blue.as_str(), 1)])).send().await.unwrap();
    for _ in 0..60 {
        if it.rig.elb.delete_target_group().target_group_arn(&green).send().await.is_ok() {
            break;
        }
        sleep(Duration::from_secs(2)).await;
    }
    it.want(2).await;
    sleep(Duration::from_secs(120)).await;
    assert_eq!(it.in_service().await.len(), 1);
    let all = it.activities().await;
    let failed = all.iter().find(|each| each.status_code().unwrap().as_str() == "Failed").unwrap();
    let said = failed.status_message().unwrap();
    assert!(said.starts_with(&format!("Failed to update target group {green}: ")), "{said}");
    assert!(said.ends_with("not found. Updating load balancer configuration failed."), "{said}");

    let detach = it.asg.detach_load_balancer_target_groups().auto_scaling_group_name(WEB);
    detach.target_group_arns(&green).send().await.unwrap();
    it.settled(2).await;
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_template_that_cannot_launch_is_refused_when_the_group_is_created() {
    let it = Scaling::start().await;
    let (code, said) = super::words(it.group(1).launch_template(it.template("7")).send().await);
    assert_eq!(code, "ValidationError");
    assert!(said.starts_with("You must use a valid fully-formed launch template."), "{said}");
    let (_, said) = super::words(it.group(1).launch_template(it.template("latest")).send().await);
    assert!(said.starts_with("Invalid launch template version: either '$Default', '$Latest'"), "{said}");
    it.rig.cloud.shutdown().await;
}
