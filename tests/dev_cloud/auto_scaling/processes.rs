//! Suspended processes: what each of them stops, and what it does not.

use std::time::Duration;

use tokio::time::sleep;

use super::{Scaling, WEB, words};

#[tokio::test(start_paused = true)]
async fn without_launch_what_is_unhealthy_still_ends_and_nothing_takes_its_place() {
    let it = Scaling::start().await;
    it.group(2).send().await.unwrap();
    it.settled(2).await;
    it.suspend("Launch").await;
    let suspended = it.seen().await.suspended_processes().to_vec();
    assert!(suspended[0].suspension_reason().unwrap().starts_with("User suspended at 20"), "{suspended:?}");
    let id = it.in_service().await.remove(0);
    it.terminate_in_ec2(&id).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(it.states().await.len(), 1);
    it.resume("Launch").await;
    it.settled(2).await;
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn without_terminate_or_replace_unhealthy_the_sick_stay_until_it_is_resumed() {
    let it = Scaling::start().await;
    it.group(2).send().await.unwrap();
    it.settled(2).await;
    for process in ["Terminate", "ReplaceUnhealthy"] {
        it.suspend(process).await;
        let id = it.in_service().await.remove(0);
        it.asg.set_instance_health().instance_id(&id).health_status("Unhealthy").send().await.unwrap();
        sleep(Duration::from_secs(300)).await;
        assert!(it.in_service().await.contains(&id), "{process}");
        let seen = it.seen().await;
        let sick = seen.instances().iter().find(|each| each.instance_id() == Some(&id)).unwrap();
        assert_eq!(sick.health_status(), Some("Unhealthy"));
        it.resume(process).await;
        it.until("Terminating").await;
        it.settled(2).await;
    }
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn without_add_to_load_balancer_instances_are_never_registered_not_even_later() {
    let it = Scaling::start().await;
    it.group(0).send().await.unwrap();
    it.suspend("AddToLoadBalancer").await;
    it.want(1).await;
    sleep(Duration::from_secs(1)).await;
    it.settled(1).await;
    it.resume("AddToLoadBalancer").await;
    sleep(Duration::from_secs(300)).await;
    assert!(it.rig.states(&it.rig.world.target_groups[0]).await.is_empty());
    it.want(2).await;
    sleep(Duration::from_secs(1)).await;
    it.settled(2).await;
    assert_eq!(it.rig.states(&it.rig.world.target_groups[0]).await.len(), 1);
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn without_health_check_nobody_is_found_sick() {
    let it = Scaling::start().await;
    it.group(1).send().await.unwrap();
    it.settled(1).await;
    it.suspend("HealthCheck").await;
    let id = it.in_service().await.remove(0);
    it.terminate_in_ec2(&id).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(it.in_service().await, [id]);
    it.resume("HealthCheck").await;
    sleep(Duration::from_secs(1)).await;
    it.settled(1).await;
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn processes_have_names_and_no_name_means_all() {
    let it = Scaling::start().await;
    it.group(0).send().await.unwrap();
    let bad = it.asg.suspend_processes().auto_scaling_group_name(WEB).scaling_processes("Sleep").send().await;
    let (code, said) = words(bad);
    assert_eq!(code, "ValidationError");
    assert!(said.contains("'Sleep'"), "{said}");
    it.asg.suspend_processes().auto_scaling_group_name(WEB).send().await.unwrap();
    let types = it.asg.describe_scaling_process_types().send().await.unwrap();
    assert_eq!(it.seen().await.suspended_processes().len(), types.processes().len());
    it.rig.cloud.shutdown().await;
}
