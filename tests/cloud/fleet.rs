//! Instances and targets, from the launch to the end.

use aws_sdk_ec2::types::Tag;
use switchback::cloud::Launch;
use switchback::release::{HealthState, InstanceState, Pins, ReleaseId, Targets};

use super::support::{IMAGE, World, blue, green, refusal, rule, until, world};

impl World {
    async fn launch(&self, pins: &Pins, count: u32, token: &str) -> Vec<String> {
        let launch = Launch {
            environment: "shop",
            color: &green(),
            release: &ReleaseId::new("r-1"),
            image: IMAGE,
            subnet: &pins.subnets[0].id,
            count,
            client_token: token,
        };
        self.cloud.launch(pins, launch).await.expect("launched")
    }

    async fn running(&self, ids: &[String]) {
        until("running", async || {
            let found = self.cloud.instances("shop", &green()).await.expect("an answer");
            found.iter().filter(|i| ids.contains(&i.id) && i.state == InstanceState::Running).count() == ids.len()
        })
        .await;
    }

    async fn green_targets(&self, pins: &Pins) -> Targets {
        self.cloud.targets(pins, &green()).await.expect("an answer")
    }
}

#[tokio::test]
async fn a_color_is_launched_once_registered_drained_and_terminated() {
    let world = world(rule()).await;
    let pins = world.pins().await;
    assert_eq!(pins.subnets.iter().map(|s| s.count).collect::<Vec<_>>(), [2, 1]);
    let mut ids = world.launch(&pins, 2, "token-1").await;
    let mut again = world.launch(&pins, 2, "token-1").await;
    ids.sort();
    again.sort();
    assert_eq!(again, ids, "the same token launches nothing more");
    world.running(&ids).await;
    let found = world.cloud.instances("shop", &green()).await.expect("an answer");
    assert_eq!(found.iter().map(|i| i.id.clone()).collect::<Vec<_>>(), ids);
    for instance in &found {
        assert_eq!(instance.release, Some(ReleaseId::new("r-1")));
        assert_eq!((instance.image.as_str(), &instance.subnet), (IMAGE, &pins.subnets[0].id));
        assert!(instance.address.is_some() && instance.launched_at.is_some(), "{instance:?}");
    }
    assert_eq!(world.cloud.instances("shop", &blue()).await, Ok(vec![]));
    assert_eq!(world.cloud.instances("other", &green()).await, Ok(vec![]));

    assert_eq!(world.green_targets(&pins).await, Targets::default());
    world.cloud.register(&pins, &green(), &ids).await.expect("registered");
    until("healthy", async || world.green_targets(&pins).await.healthy() == 2).await;
    let targets = world.green_targets(&pins).await;
    assert_eq!(
        targets.list.iter().map(|t| (t.id.clone(), t.port)).collect::<Vec<_>>(),
        [(ids[0].clone(), 8080), (ids[1].clone(), 8080)]
    );

    world.cloud.deregister(&pins, &green(), &ids[..1]).await.expect("deregistered");
    world.cloud.deregister(&pins, &green(), &["i-0123456789abcdef0".into()]).await.expect("an unknown one is no error");
    let draining = world.green_targets(&pins).await;
    assert!(draining.list.iter().all(|t| (t.health == HealthState::Draining) == (t.id == ids[0])), "{draining:?}");
    until("drained", async || world.green_targets(&pins).await.list.len() == 1).await;

    let asked = [ids[0].clone(), "i-0123456789abcdef0".into()];
    assert_eq!(world.cloud.terminate("shop", &green(), &asked).await, Ok(vec![ids[0].clone()]));
    until("terminated", async || {
        let found = world.cloud.instances("shop", &green()).await.expect("an answer");
        found.iter().filter(|i| i.alive()).count() == 1
    })
    .await;
    assert_eq!(world.cloud.terminate("shop", &green(), &ids[..1]).await, Ok(vec![]), "it is gone already");
    world.dev.shutdown().await;
}

#[tokio::test]
async fn an_instance_that_lost_its_tags_is_not_terminated_nor_are_the_others() {
    let world = world(rule()).await;
    let pins = world.pins().await;
    let ids = world.launch(&pins, 2, "token-1").await;
    world.running(&ids).await;
    let tag = Tag::builder().key("switchback:color").value("blue").build();
    world.ec2.create_tags().resources(&ids[1]).tags(tag).send().await.expect("tagged");
    let said = refusal(world.cloud.terminate("shop", &green(), &ids).await);
    assert!(said.contains(&ids[1]) && said.contains("switchback:color=blue; nothing was terminated"), "{said}");
    assert_eq!(world.dev.calls().get("ec2:TerminateInstances"), None);
    world.dev.shutdown().await;
}
