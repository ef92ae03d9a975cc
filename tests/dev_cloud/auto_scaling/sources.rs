//! Target groups as traffic sources: attached and detached while instances run.

use std::time::Duration;

use aws_sdk_autoscaling::types::TrafficSourceIdentifier;
use tokio::time::sleep;

use super::{Scaling, WEB, words};

async fn state(it: &Scaling) -> Option<String> {
    let found = it.asg.describe_traffic_sources().auto_scaling_group_name(WEB).send().await.unwrap();
    found.traffic_sources().first().map(|source| source.state().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn attaching_registers_what_runs_and_detaching_drains_it() {
    let it = Scaling::start().await;
    let blue = it.rig.world.target_groups[0].clone();
    it.group(2).set_target_group_arns(None).send().await.unwrap();
    it.settled(2).await;
    let source = TrafficSourceIdentifier::builder().identifier(&blue).r#type("elbv2").build();
    let attach = it.asg.attach_traffic_sources().auto_scaling_group_name(WEB);
    attach.traffic_sources(source.clone()).send().await.unwrap();
    assert_eq!(state(&it).await.as_deref(), Some("Adding"));
    it.rig.until(&blue, "healthy").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(state(&it).await.as_deref(), Some("InService"));
    assert_eq!(it.rig.states(&blue).await.len(), 2);

    // What was attached as a traffic source is not detached as a target group.
    let wrong = it.asg.detach_load_balancer_target_groups().auto_scaling_group_name(WEB).target_group_arns(&blue);
    assert_eq!(words(wrong.send().await).0, "ValidationError");
    let detach = it.asg.detach_traffic_sources().auto_scaling_group_name(WEB);
    detach.traffic_sources(source).send().await.unwrap();
    assert_eq!(state(&it).await.as_deref(), Some("Removing"));
    sleep(Duration::from_secs(50)).await;
    assert_eq!(it.rig.states(&blue).await, ["draining/Target.DeregistrationInProgress"; 2]);
    assert_eq!(it.in_service().await.len(), 2, "they go on running");
    sleep(Duration::from_secs(15)).await;
    assert_eq!((state(&it).await, it.rig.states(&blue).await.len()), (None, 0));
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_group_that_is_not_there_cannot_be_attached() {
    let it = Scaling::start().await;
    it.group(0).send().await.unwrap();
    let arn = format!("{}0", it.rig.world.target_groups[0]);
    let attach = it.asg.attach_load_balancer_target_groups().auto_scaling_group_name(WEB).target_group_arns(&arn);
    let (code, said) = words(attach.send().await);
    assert_eq!(code, "ValidationError");
    assert!(said.starts_with("Provided Target Groups may not be valid."), "{said}");
    let green = &it.rig.world.target_groups[1];
    let attach = it.asg.attach_load_balancer_target_groups().auto_scaling_group_name(WEB).target_group_arns(green);
    attach.send().await.unwrap();
    let found = it.asg.describe_load_balancer_target_groups().auto_scaling_group_name(WEB).send().await.unwrap();
    assert_eq!(found.load_balancer_target_groups().len(), 2);
    it.rig.cloud.shutdown().await;
}
