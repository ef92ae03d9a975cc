//! An image that cannot be released is refused with 3 before anything is created.

use switchback::dev::DevOptions;
use switchback::dev::machine::{Architecture, Catalogue, ImageState};

use crate::world::{ENVIRONMENT, World, ami, image};

const MISSING: &str = "ami-0123456789abcdef0";

/// A world whose catalogue also holds images that cannot be released.
async fn world() -> World {
    let mut images = Catalogue::default().images;
    for version in ["gone", "arm", "failed", "pending"] {
        let (id, mut image) = image(version, &[]);
        match version {
            "arm" => image.architecture = Architecture::Arm64,
            "gone" => image.state = ImageState::Deregistered,
            "failed" => image.state = ImageState::Failed,
            _ => image.state = ImageState::Pending,
        }
        images.insert(id, image);
    }
    World::with(DevOptions { catalogue: Catalogue { images }, ..DevOptions::default() }, |_| {}, ENVIRONMENT).await
}

#[tokio::test]
async fn an_image_that_cannot_be_launched_is_refused_with_3_and_nothing_is_created() {
    let world = world().await;
    let load = world.load().await;
    let before = world.targets(0).await;
    for (image, words) in [
        (MISSING.to_owned(), "does not exist in this account and region, or was deregistered"),
        (ami("gone"), "does not exist in this account and region, or was deregistered"),
        (ami("arm"), "is built for arm64"),
        (ami("failed"), "is failed"),
        (ami("pending"), "is pending"),
        ("latest".to_owned(), "an immutable image id (ami-…)"),
    ] {
        world.dev.forget_calls();
        for verb in ["deploy", "plan"] {
            let ran = world.run(&[verb, "ENV", "--image", &image]).await.exits(3);
            let ran = ran.says(words).says(&image).says("refused, nothing was changed").says("aws ec2 describe-images");
            assert_eq!(ran.stdout, "", "{verb} {image}");
        }
        assert_eq!(world.writes(), [].into(), "{image}");
    }
    let line =
        world.run(&["--json", "deploy", "ENV", "--image", MISSING]).await.exits(3).lines().pop().expect("a line");
    assert_eq!((line["type"].as_str(), line["exit"].as_u64()), (Some("error"), Some(3)), "{line}");
    assert!(line["problem"]["run"][0].as_str().is_some_and(|run| run.contains(MISSING)), "{line}");
    assert!(!world.journal().exists(), "a journal was begun");
    assert_eq!(world.targets(0).await, before);
    world.nothing_is_left_of(1).await;
    assert_eq!(world.no_request_failed(load).await.into_keys().collect::<Vec<_>>(), ["v0"]);
    world.end().await;
}
