//! Calls on single instances: terminate, detach, attach, standby, protection.

use std::time::Duration;

use tokio::time::sleep;

use super::super::support::V0;
use super::{Scaling, WEB, words};

#[tokio::test(start_paused = true)]
async fn a_terminated_instance_is_replaced_or_the_capacity_goes_down() {
    let it = Scaling::start().await;
    it.group(2).min_size(1).send().await.unwrap();
    it.settled(2).await;
    let end = |id: &str, down| {
        let end = it.asg.terminate_instance_in_auto_scaling_group().instance_id(id);
        end.should_decrement_desired_capacity(down).send()
    };
    let before = it.in_service().await;
    let activity = end(&before[0], true).await.unwrap().activity.unwrap();
    let cause = activity.cause().unwrap().to_owned();
    assert!(
        cause.contains("was taken out of service in response to a user request, shrinking the capacity from 2 to 1.")
    );
    it.settled(1).await;
    assert_eq!(it.in_service().await, before[1..]);

    let (code, said) = words(end(&before[1], true).await);
    assert_eq!(code, "ValidationError");
    assert!(said.starts_with("Currently, desiredSize equals minSize (1)."), "{said}");
    end(&before[1], false).await.unwrap();
    assert_eq!(words(end(&before[1], false).await).0, "ScalingActivityInProgress");
    sleep(Duration::from_secs(1)).await;
    it.settled(1).await;
    assert_ne!(it.in_service().await[0], before[1]);
    let (_, said) = words(end("i-0123456789abcdef0", true).await);
    assert_eq!(said, "Instance Id not found - No managed instance found for instance ID: i-0123456789abcdef0");
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_detached_instance_goes_on_running_without_its_target_group_and_can_be_attached_again() {
    let it = Scaling::start().await;
    it.group(2).send().await.unwrap();
    it.settled(2).await;
    let blue = it.rig.world.target_groups[0].clone();
    it.rig.until(&blue, "healthy").await;
    let id = it.in_service().await.remove(0);
    let detach = it.asg.detach_instances().auto_scaling_group_name(WEB).instance_ids(&id);
    let done = detach.should_decrement_desired_capacity(true).send().await.unwrap();
    assert_eq!(done.activities()[0].description().unwrap(), format!("Detaching EC2 instance: {id}"));
    it.settled(1).await;
    assert_eq!(it.rig.instance_state(&id).await, "running");
    assert_eq!(it.rig.states(&blue).await.len(), 1);
    assert_eq!(it.seen().await.desired_capacity(), Some(1));

    let attach = || it.asg.attach_instances().auto_scaling_group_name(WEB).instance_ids(&id);
    attach().send().await.unwrap();
    it.settled(2).await;
    assert_eq!(it.seen().await.desired_capacity(), Some(2));
    it.rig.until(&blue, "healthy").await;
    assert_eq!(it.rig.states(&blue).await.len(), 2);
    let (_, said) = words(attach().send().await);
    assert_eq!(said, format!("Instance {id} is already part of AutoScalingGroup:{WEB}"));

    let other = it.rig.launch(V0, 1).await;
    let full = it.asg.update_auto_scaling_group().auto_scaling_group_name(WEB).max_size(2);
    full.send().await.unwrap();
    let attach = it.asg.attach_instances().auto_scaling_group_name(WEB).instance_ids(&other[0]);
    let (_, said) = words(attach.send().await);
    assert!(said.starts_with("AutoScalingGroup web has min-size=0, max-size=2, and desired-size=2. To attach 1"));
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn standby_takes_an_instance_out_of_traffic_and_back() {
    let it = Scaling::start().await;
    it.group(2).send().await.unwrap();
    it.settled(2).await;
    let blue = it.rig.world.target_groups[0].clone();
    it.rig.until(&blue, "healthy").await;
    let id = it.in_service().await.remove(0);
    let enter = it.asg.enter_standby().auto_scaling_group_name(WEB).instance_ids(&id);
    let done = enter.should_decrement_desired_capacity(true).send().await.unwrap();
    assert_eq!(done.activities()[0].description().unwrap(), format!("Moving EC2 instance to Standby: {id}"));
    assert_eq!(it.until("Standby").await, id);
    assert_eq!((it.seen().await.desired_capacity(), it.rig.states(&blue).await.len()), (Some(1), 1));
    let exit = || it.asg.exit_standby().auto_scaling_group_name(WEB).instance_ids(&id);
    exit().send().await.unwrap();
    it.settled(2).await;
    assert_eq!((it.seen().await.desired_capacity(), it.rig.states(&blue).await.len()), (Some(2), 2));
    assert_eq!(words(exit().send().await).1, format!("The instance {id} is not in Standby."));

    // Without going down, another one takes its place.
    let enter = it.asg.enter_standby().auto_scaling_group_name(WEB).instance_ids(&id);
    enter.should_decrement_desired_capacity(false).send().await.unwrap();
    it.until("Standby").await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(it.in_service().await.len(), 2);
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn protected_instances_stay_when_the_group_shrinks_but_not_when_they_are_sick() {
    let it = Scaling::start().await;
    it.group(2).new_instances_protected_from_scale_in(true).send().await.unwrap();
    it.settled(2).await;
    let before = it.in_service().await;
    it.want(0).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!((it.in_service().await, it.seen().await.desired_capacity()), (before.clone(), Some(0)));
    let free = it.asg.set_instance_protection().auto_scaling_group_name(WEB).instance_ids(&before[1]);
    free.protected_from_scale_in(false).send().await.unwrap();
    it.settled(1).await;
    assert_eq!(it.in_service().await, before[..1]);
    it.terminate_in_ec2(&before[0]).await;
    it.settled(0).await;
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn instances_carry_the_groups_tags_that_are_to_be_propagated() {
    let it = Scaling::start().await;
    let tag = |key: &str, value: &str, propagate| {
        let tag = aws_sdk_autoscaling::types::Tag::builder().key(key).value(value).propagate_at_launch(propagate);
        tag.resource_id(WEB).resource_type("auto-scaling-group").build()
    };
    it.group(1).tags(tag("color", "blue", true)).tags(tag("owner", "ops", false)).send().await.unwrap();
    it.settled(1).await;
    let id = it.in_service().await.remove(0);
    let found = it.rig.ec2.describe_instances().instance_ids(&id).send().await.unwrap();
    let tags = found.reservations()[0].instances()[0].tags().to_vec();
    let value = |key: &str| tags.iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value());
    assert_eq!((value("color"), value("owner")), (Some("blue"), None));
    assert_eq!(value("aws:autoscaling:groupName"), Some(WEB));

    it.asg.create_or_update_tags().tags(tag("color", "green", true)).send().await.unwrap();
    let filter = aws_sdk_autoscaling::types::Filter::builder().name("key").values("color").build();
    let found = it.asg.describe_tags().filters(filter).send().await.unwrap();
    assert_eq!(found.tags()[0].value(), Some("green"));
    it.asg.delete_tags().tags(tag("color", "green", true)).tags(tag("none", "", false)).send().await.unwrap();
    assert_eq!(it.seen().await.tags().len(), 1);
    it.rig.cloud.shutdown().await;
}
