//! Images: their states, who sees them, what can be launched.

use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{LaunchPermission, LaunchPermissionModifications};
use switchback::dev::machine::ImageState;

use super::*;

const PUBLIC: &str = "ami-0000000000000000f";

async fn listed(rig: &Rig, owner: &str) -> Vec<String> {
    let found = rig.ec2.describe_images().owners(owner).send().await.unwrap();
    found.images().iter().filter_map(|image| image.image_id().map(str::to_owned)).collect()
}

fn at(rig: &Rig, seconds: i64) -> DateTime {
    DateTime::from_secs(rig.cloud.clock().now().as_second() + seconds)
}

#[tokio::test(start_paused = true)]
async fn a_disabled_image_is_hidden_and_cannot_be_launched_until_it_is_enabled() {
    let rig = rig(options()).await;
    rig.ec2.disable_image().image_id(V1).send().await.unwrap();
    assert_eq!(code(run(&rig, 1).send().await), "InvalidAMIID.Unavailable");
    assert_eq!(listed(&rig, "self").await, [V0]);
    let all = rig.ec2.describe_images().include_disabled(true).send().await.unwrap();
    assert_eq!(all.images().len(), 2);
    let named = rig.ec2.describe_images().image_ids(V1).send().await.unwrap();
    assert_eq!(named.images()[0].state().unwrap().as_str(), "disabled");
    rig.ec2.enable_image().image_id(V1).send().await.unwrap();
    assert_eq!(ids(&run(&rig, 1).send().await.unwrap()).len(), 1);
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_deprecated_image_still_launches_and_disappears_for_others() {
    let rig = rig(options()).await;
    let image = Image { owner: Some("137112412989".into()), ..Image::in_memory(AppOptions::new("v2"), 8080) };
    rig.cloud.set_image(PUBLIC, image);
    assert_eq!(listed(&rig, "amazon").await, [PUBLIC]);
    assert_eq!(code(rig.ec2.deregister_image().image_id(PUBLIC).send().await), "AuthFailure", "somebody else's");
    let past = rig.ec2.enable_image_deprecation().image_id(V1).deprecate_at(at(&rig, -60)).send().await;
    assert_eq!(code(past), "InvalidParameterValue");
    rig.ec2.enable_image_deprecation().image_id(V1).deprecate_at(at(&rig, 60)).send().await.unwrap();
    sleep(Duration::from_secs(61)).await;
    assert_eq!(listed(&rig, "self").await, [V0, V1], "its owner still sees it");
    assert_eq!(ids(&run(&rig, 1).send().await.unwrap()).len(), 1);
    let named = rig.ec2.describe_images().image_ids(V1).send().await.unwrap();
    assert!(named.images()[0].deprecation_time().is_some());
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_image_is_pending_before_it_is_available_and_belongs_to_its_region() {
    let rig = rig(options()).await;
    let id = running(&rig).await;
    let made = rig.ec2.create_image().instance_id(&id).name("golden").no_reboot(true).send().await.unwrap();
    let image = made.image_id.unwrap();
    assert_eq!(code(run(&rig, 1).image_id(&image).send().await), "InvalidAMIID.Unavailable");
    sleep(Duration::from_secs(20)).await;
    let launched = ids(&run(&rig, 1).image_id(&image).send().await.unwrap());
    rig.until_instance(&launched[0], "running").await;
    let twice = rig.ec2.create_image().instance_id(&id).name("golden").send().await;
    assert_eq!(code(twice), "InvalidAMIName.Duplicate");
    let elsewhere = aws_sdk_ec2::Client::new(&rig.cloud.sdk_config("us-east-1"));
    assert_eq!(code(elsewhere.describe_images().image_ids(&image).send().await), "InvalidAMIID.NotFound");
    let copy = rig.ec2.copy_image().name("copy").source_image_id(&image).source_region("eu-west-1").send().await;
    assert_eq!(code(copy), "InvalidAction");

    rig.ec2.enable_image_deregistration_protection().image_id(&image).send().await.unwrap();
    let deregister = || rig.ec2.deregister_image().image_id(&image).send();
    assert_eq!(code(deregister().await), "OperationNotPermitted");
    rig.ec2.disable_image_deregistration_protection().image_id(&image).send().await.unwrap();
    deregister().await.unwrap();
    assert_eq!(code(run(&rig, 1).image_id(&image).send().await), "InvalidAMIID.NotFound");
    rig.ec2.stop_instances().instance_ids(&launched[0]).send().await.unwrap();
    rig.until_instance(&launched[0], "stopped").await;
    rig.ec2.start_instances().instance_ids(&launched[0]).send().await.unwrap();
    rig.until_instance(&launched[0], "running").await;
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn launch_permissions_are_given_and_taken() {
    let rig = rig(options()).await;
    let other = LaunchPermission::builder().user_id("111122223333").build();
    let give = LaunchPermissionModifications::builder().add(other).build();
    rig.ec2.modify_image_attribute().image_id(V1).launch_permission(give).send().await.unwrap();
    let read = || rig.ec2.describe_image_attribute().image_id(V1).attribute("launchPermission".into()).send();
    assert_eq!(read().await.unwrap().launch_permissions()[0].user_id(), Some("111122223333"));
    let found = rig.ec2.describe_images().executable_users("111122223333").send().await.unwrap();
    assert_eq!(found.images().len(), 1);
    rig.ec2.reset_image_attribute().image_id(V1).attribute("launchPermission".into()).send().await.unwrap();
    assert!(read().await.unwrap().launch_permissions().is_empty());
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_image_that_failed_says_so() {
    let rig = rig(options()).await;
    let image = Image { state: ImageState::Failed, ..Image::in_memory(AppOptions::new("v2"), 8080) };
    rig.cloud.set_image(PUBLIC, image);
    let found = rig.ec2.describe_images().filters(filter("state", "failed")).send().await.unwrap();
    assert_eq!(found.images()[0].image_id(), Some(PUBLIC));
    assert_eq!(code(run(&rig, 1).image_id(PUBLIC).send().await), "InvalidAMIID.Unavailable");
    rig.cloud.shutdown().await;
}
