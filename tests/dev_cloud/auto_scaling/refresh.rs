//! Instance refresh: every instance replaced, a few at a time.

use std::time::Duration;

use aws_sdk_autoscaling::types::{DesiredConfiguration, InstanceRefresh, RefreshPreferences};
use tokio::time::sleep;

use super::super::support::{V0, V1};
use super::{Scaling, WEB, words};

async fn latest(it: &Scaling) -> InstanceRefresh {
    let found = it.asg.describe_instance_refreshes().auto_scaling_group_name(WEB).send().await.unwrap();
    found.instance_refreshes()[0].clone()
}

async fn until(it: &Scaling, status: &str) -> InstanceRefresh {
    for _ in 0..20_000 {
        let refresh = latest(it).await;
        if refresh.status().unwrap().as_str() == status {
            return refresh;
        }
        sleep(Duration::from_secs(1)).await;
    }
    panic!("never {status}: {:?}, {:?}", latest(it).await, it.states().await);
}

fn to_version(it: &Scaling, version: &str) -> DesiredConfiguration {
    DesiredConfiguration::builder().launch_template(it.template(version)).build()
}

async fn images(it: &Scaling) -> Vec<String> {
    let mut images = Vec::new();
    for id in it.in_service().await {
        images.push(it.image_of(&id).await);
    }
    images
}

#[tokio::test(start_paused = true)]
async fn a_refresh_keeps_the_healthy_percentage_and_brings_the_group_to_the_new_version() {
    let it = Scaling::start().await;
    it.group(4).send().await.unwrap();
    it.settled(4).await;
    it.rig.until(&it.rig.world.target_groups[0], "healthy").await;
    it.new_version(V1).await;
    let preferences = RefreshPreferences::builder().min_healthy_percentage(75).instance_warmup(60).build();
    let begin = || it.asg.start_instance_refresh().auto_scaling_group_name(WEB);
    let begun = begin().preferences(preferences).desired_configuration(to_version(&it, "2")).send().await.unwrap();
    assert!(begun.instance_refresh_id().is_some());
    let (code, said) = words(begin().send().await);
    assert_eq!(code, "InstanceRefreshInProgress");
    assert!(said.starts_with("An Instance Refresh is already in progress"), "{said}");
    let attach = it.asg.attach_load_balancer_target_groups().auto_scaling_group_name(WEB);
    let attach = attach.target_group_arns(&it.rig.world.target_groups[1]).send().await;
    assert_eq!(words(attach).0, "InstanceRefreshInProgress");

    let mut fewest = usize::MAX;
    while latest(&it).await.status().unwrap().as_str() != "Successful" {
        fewest = fewest.min(it.in_service().await.len());
        sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(fewest, 3);
    assert_eq!(images(&it).await, [V1; 4]);
    assert_eq!(it.seen().await.launch_template().unwrap().version(), Some("2"));
    assert_eq!(latest(&it).await.percentage_complete(), Some(100));
    let cause = it.cause("Terminating EC2 instance").await;
    assert!(cause.contains("in response to an instance refresh."), "{cause}");
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn with_room_above_the_capacity_new_instances_come_first() {
    let it = Scaling::start().await;
    it.group(2).send().await.unwrap();
    it.settled(2).await;
    it.new_version(V1).await;
    let preferences = RefreshPreferences::builder().min_healthy_percentage(100).max_healthy_percentage(200);
    let begin = it.asg.start_instance_refresh().auto_scaling_group_name(WEB);
    let begin = begin.preferences(preferences.instance_warmup(0).build());
    begin.desired_configuration(to_version(&it, "2")).send().await.unwrap();
    let (mut fewest, mut most) = (usize::MAX, 0);
    while latest(&it).await.status().unwrap().as_str() != "Successful" {
        let states = it.states().await;
        let serving = states.iter().filter(|(_, state)| state == "InService").count();
        let living = states.iter().filter(|(_, state)| !state.starts_with("Terminating")).count();
        (fewest, most) = (fewest.min(serving), most.max(living));
        sleep(Duration::from_secs(1)).await;
    }
    it.settled(2).await;
    assert_eq!((fewest, most), (2, 4));
    assert_eq!(images(&it).await, [V1; 2]);
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_brings_back_the_version_from_before() {
    let it = Scaling::start().await;
    it.group(2).send().await.unwrap();
    it.settled(2).await;
    it.new_version(V1).await;
    let begin = || it.asg.start_instance_refresh().auto_scaling_group_name(WEB);
    let roll_back = || it.asg.rollback_instance_refresh().auto_scaling_group_name(WEB).send();
    assert_eq!(words(roll_back().await).0, "ActiveInstanceRefreshNotFound");
    begin().send().await.unwrap();
    assert_eq!(words(roll_back().await).0, "IrreversibleInstanceRefresh", "it has no desired configuration");
    it.asg.cancel_instance_refresh().auto_scaling_group_name(WEB).send().await.unwrap();
    until(&it, "Cancelled").await;
    it.settled(2).await;

    let preferences = RefreshPreferences::builder().instance_warmup(120).build();
    begin().preferences(preferences).desired_configuration(to_version(&it, "2")).send().await.unwrap();
    sleep(Duration::from_secs(150)).await;
    assert!(images(&it).await.contains(&V1.to_owned()));
    roll_back().await.unwrap();
    let done = until(&it, "RollbackSuccessful").await;
    assert!(done.rollback_details().unwrap().rollback_reason().is_some());
    it.settled(2).await;
    assert_eq!(images(&it).await, [V0; 2]);
    assert_eq!(it.seen().await.launch_template().unwrap().version(), Some("1"));
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn it_waits_an_hour_for_protected_instances_and_skips_what_matches() {
    let it = Scaling::start().await;
    it.group(1).new_instances_protected_from_scale_in(true).send().await.unwrap();
    it.settled(1).await;
    let begin = || it.asg.start_instance_refresh().auto_scaling_group_name(WEB);
    begin().send().await.unwrap();
    sleep(Duration::from_secs(3500)).await;
    assert_eq!(latest(&it).await.status().unwrap().as_str(), "InProgress");
    let failed = until(&it, "Failed").await;
    assert!(failed.status_reason().unwrap().contains("protected from scale in"), "{failed:?}");

    let id = it.in_service().await;
    begin().preferences(RefreshPreferences::builder().skip_matching(true).build()).send().await.unwrap();
    until(&it, "Successful").await;
    assert_eq!(it.in_service().await, id);
    it.rig.cloud.shutdown().await;
}
