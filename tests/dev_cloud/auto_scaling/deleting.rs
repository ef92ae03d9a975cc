//! The end of a group.

use std::time::Duration;

use aws_sdk_autoscaling::types::DeletionProtection;
use tokio::time::sleep;

use super::{Scaling, WEB, words};

async fn gone(it: &Scaling) -> bool {
    let found = it.asg.describe_auto_scaling_groups().auto_scaling_group_names(WEB).send().await.unwrap();
    found.auto_scaling_groups().is_empty()
}

#[tokio::test(start_paused = true)]
async fn a_group_with_instances_is_not_deleted_and_an_empty_one_is() {
    let it = Scaling::start().await;
    it.group(1).send().await.unwrap();
    it.settled(1).await;
    it.rig.until(&it.rig.world.target_groups[0], "healthy").await;
    let delete = || it.asg.delete_auto_scaling_group().auto_scaling_group_name(WEB).send();
    let (code, said) = words(delete().await);
    assert_eq!(code, "ResourceInUse");
    assert!(said.starts_with("You cannot delete an AutoScalingGroup while there are instances"), "{said}");
    it.want(0).await;
    it.until("Terminating").await;
    let (code, said) = words(delete().await);
    assert_eq!(code, "ScalingActivityInProgress");
    assert!(said.starts_with("You cannot delete an AutoScalingGroup while there are scaling activities"), "{said}");
    it.settled(0).await;
    delete().await.unwrap();
    assert!(gone(&it).await);
    assert_eq!(words(delete().await).0, "ValidationError");
    let past = it.asg.describe_scaling_activities().include_deleted_groups(true).send().await.unwrap();
    assert_eq!(past.activities().len(), 2);
    assert_eq!(past.activities()[0].auto_scaling_group_state(), Some("Deleted"));
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn force_ends_everything_at_once_without_draining() {
    let it = Scaling::start().await;
    it.group(2).send().await.unwrap();
    it.settled(2).await;
    it.rig.until(&it.rig.world.target_groups[0], "healthy").await;
    let ids = it.in_service().await;
    it.asg.delete_auto_scaling_group().auto_scaling_group_name(WEB).force_delete(true).send().await.unwrap();
    sleep(Duration::from_secs(10)).await;
    assert!(gone(&it).await, "the deregistration delay is a minute");
    for id in ids {
        assert_eq!(it.rig.instance_state(&id).await, "terminated");
    }
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn protection_keeps_a_group() {
    let it = Scaling::start().await;
    it.group(0).deletion_protection(DeletionProtection::PreventForceDeletion).send().await.unwrap();
    let delete = || it.asg.delete_auto_scaling_group().auto_scaling_group_name(WEB);
    assert_eq!(words(delete().force_delete(true).send().await).0, "ResourceInUse");
    let update = it.asg.update_auto_scaling_group().auto_scaling_group_name(WEB);
    update.deletion_protection(DeletionProtection::PreventAllDeletion).send().await.unwrap();
    assert_eq!(words(delete().send().await).0, "ResourceInUse");
    let update = it.asg.update_auto_scaling_group().auto_scaling_group_name(WEB);
    update.deletion_protection(DeletionProtection::None).send().await.unwrap();
    delete().send().await.unwrap();
    assert!(gone(&it).await);
    it.rig.cloud.shutdown().await;
}
