//! Images, before anything is created.

use switchback::dev::seed::SeedSwitch;

use super::support::{ARM, GONE, IMAGE, refusal, world};

#[tokio::test]
async fn an_image_is_accepted_only_if_it_can_be_launched_from_the_template() {
    let world = world(SeedSwitch::DefaultAction).await;
    let pins = world.pins().await;
    let fact = world.cloud.check_image(&pins, IMAGE).await.expect("it fits");
    assert_eq!((fact.architecture.as_str(), fact.instance_type.as_str()), ("x86_64", "t3.micro"));
    for (image, words) in [
        ("ami-0123456789abcdef0", "does not exist in this account and region, or was deregistered"),
        (GONE, "does not exist in this account and region, or was deregistered"),
        (ARM, "is built for arm64; expected"),
        ("resolve:ssm:/shop/image", "expected an immutable image id"),
    ] {
        let said = refusal(world.cloud.check_image(&pins, image).await);
        assert!(said.contains(words) && said.contains(image), "{said}");
    }
    world.dev.shutdown().await;
}
