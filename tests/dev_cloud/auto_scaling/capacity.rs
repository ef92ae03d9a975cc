//! Sizes: launching to the desired capacity, evenly over zones, and shrinking gently.

use std::time::Duration;

use tokio::time::sleep;

use super::super::support::{V0, V1};
use super::{Scaling, WEB, words};

#[tokio::test(start_paused = true)]
async fn a_group_launches_evenly_over_its_zones_and_registers_what_it_launches() {
    let it = Scaling::start().await;
    it.group(4).send().await.unwrap();
    it.settled(4).await;
    let group = it.seen().await;
    let mut zones: Vec<_> = group.instances().iter().map(|each| each.availability_zone().unwrap()).collect();
    zones.sort_unstable();
    assert_eq!(zones, ["eu-west-1a", "eu-west-1a", "eu-west-1b", "eu-west-1b"]);
    it.rig.until(&it.rig.world.target_groups[0], "healthy").await;
    assert_eq!(it.rig.health(&it.rig.world.target_groups[0]).await.len(), 4);
    let template = group.instances()[0].launch_template().unwrap();
    assert_eq!((template.version(), group.instances()[0].instance_type()), (Some("1"), Some("t3.micro")));
    let activity = &it.activities().await[0];
    assert!(activity.description().unwrap().starts_with("Launching a new EC2 instance: i-"), "{activity:?}");
    assert_eq!(activity.status_code().unwrap().as_str(), "Successful");
    let cause = activity.cause().unwrap();
    assert!(cause.contains("a user request created an AutoScalingGroup changing the desired capacity from 0 to 4."));
    assert!(cause.contains("in response to a difference between desired and actual capacity"), "{cause}");
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn scale_in_waits_for_the_whole_deregistration_delay() {
    let it = Scaling::start().await;
    it.group(3).send().await.unwrap();
    it.settled(3).await;
    let blue = it.rig.world.target_groups[0].clone();
    it.rig.until(&blue, "healthy").await;
    let before = it.in_service().await;
    it.want(2).await;
    let victim = it.until("Terminating").await;
    assert_eq!(victim, before[0], "the oldest of the zone that has most");
    sleep(Duration::from_secs(50)).await;
    assert_eq!(it.rig.instance_state(&victim).await, "running", "it drains");
    let draining = it.rig.states(&blue).await.iter().filter(|state| state.starts_with("draining")).count();
    assert_eq!(draining, 1);
    let activity = it.activities().await[0].clone();
    assert_eq!(activity.status_code().unwrap().as_str(), "WaitingForELBConnectionDraining");
    let took = it.settled(2).await;
    assert!((5..20).contains(&took.as_secs()), "{took:?}");
    assert_eq!(it.in_service().await, before[1..]);
    let cause = it.cause("Terminating EC2 instance").await;
    assert!(cause.contains("explicitly set group desired capacity changing the desired capacity from 3 to 2."));
    assert!(cause.contains("shrinking the capacity from 3 to 2."), "{cause}");
    assert!(cause.ends_with(&format!("instance {victim} was selected for termination.")), "{cause}");
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_pinned_version_stays_and_latest_moves_with_the_template() {
    let it = Scaling::start().await;
    it.group(1).send().await.unwrap();
    it.settled(1).await;
    it.new_version(V1).await;
    it.want(2).await;
    it.settled(2).await;
    assert_eq!(it.image_of(&it.in_service().await[1]).await, V0, "version 1 is pinned");

    // The trap: what is launched in place of an old instance is the new version.
    let update = it.asg.update_auto_scaling_group().auto_scaling_group_name(WEB);
    update.launch_template(it.template("$Latest")).send().await.unwrap();
    let old = it.in_service().await;
    it.terminate_in_ec2(&old[0]).await;
    sleep(Duration::from_secs(1)).await;
    it.settled(2).await;
    let now = it.in_service().await;
    assert_eq!(now[0], old[1]);
    assert_eq!((it.image_of(&now[0]).await, it.image_of(&now[1]).await), (V0.to_owned(), V1.to_owned()));
    let seen = it.seen().await;
    assert_eq!(seen.launch_template().unwrap().version(), Some("$Latest"));
    assert_eq!(seen.instances()[1].launch_template().unwrap().version(), Some("2"));
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn sizes_that_cannot_be_are_refused_in_awss_words() {
    let it = Scaling::start().await;
    let validation = |text: &str| ("ValidationError".to_owned(), text.to_owned());
    assert_eq!(
        words(it.group(1).min_size(3).max_size(2).send().await),
        validation("Max bound, 2, must be greater than or equal to min bound, 3")
    );
    assert_eq!(
        words(it.group(5).max_size(2).send().await),
        validation("Desired capacity:5 must be between the specified min size:0 and max size:2")
    );
    it.group(1).min_size(1).max_size(2).send().await.unwrap();
    let (code, _) = words(it.group(1).send().await);
    assert_eq!(code, "AlreadyExists");
    let set = |desired| it.asg.set_desired_capacity().auto_scaling_group_name(WEB).desired_capacity(desired).send();
    assert_eq!(
        words(set(3).await),
        validation("New SetDesiredCapacity value 3 is above max value 2 for the AutoScalingGroup.")
    );
    assert_eq!(
        words(set(0).await),
        validation("New SetDesiredCapacity value 0 is below min value 1 for the AutoScalingGroup.")
    );
    let none = it.asg.set_desired_capacity().auto_scaling_group_name("nobody").desired_capacity(1).send().await;
    assert_eq!(words(none), validation("AutoScalingGroup name not found - AutoScalingGroup 'nobody' not found"));

    // A new bound moves the desired capacity.
    let update = it.asg.update_auto_scaling_group().auto_scaling_group_name(WEB).min_size(2);
    update.send().await.unwrap();
    assert_eq!(it.seen().await.desired_capacity(), Some(2));
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn honored_cooldown_refuses_until_it_is_over() {
    let it = Scaling::start().await;
    it.group(1).default_cooldown(120).send().await.unwrap();
    let honoring = |desired| {
        let set = it.asg.set_desired_capacity().auto_scaling_group_name(WEB).desired_capacity(desired);
        set.honor_cooldown(true).send()
    };
    sleep(Duration::from_secs(1)).await;
    let (code, said) = words(honoring(2).await);
    assert_eq!(code, "ScalingActivityInProgress");
    assert!(
        said.starts_with("Scaling activity ") && said.ends_with(" is in progress and blocks this action"),
        "{said}"
    );
    it.settled(1).await;
    assert_eq!(words(honoring(2).await).0, "ScalingActivityInProgress");
    sleep(Duration::from_secs(121)).await;
    honoring(2).await.unwrap();
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn zones_are_evened_out_by_launching_first() {
    let it = Scaling::start().await;
    let subnets = &it.rig.world.subnets;
    it.group(4).vpc_zone_identifier(&subnets[0]).send().await.unwrap();
    it.settled(4).await;
    let update = it.asg.update_auto_scaling_group().auto_scaling_group_name(WEB);
    update.vpc_zone_identifier(subnets.join(",")).send().await.unwrap();
    let (mut most, mut least) = (0, usize::MAX);
    for _ in 0..600 {
        sleep(Duration::from_secs(1)).await;
        let states = it.states().await;
        let living = states.iter().filter(|(_, state)| !state.starts_with("Terminating")).count();
        let serving = states.iter().filter(|(_, state)| state == "InService").count();
        (most, least) = (most.max(living), least.min(serving));
    }
    it.settled(4).await;
    let group = it.seen().await;
    let in_a = group.instances().iter().filter(|each| each.availability_zone() == Some("eu-west-1a")).count();
    assert_eq!((in_a, most, least), (2, 5, 4));
    let cause = it.cause("Launching a new EC2 instance").await;
    assert!(cause.contains("availability zones eu-west-1a eu-west-1b had 3 1 instances respectively."), "{cause}");
    it.rig.cloud.shutdown().await;
}
