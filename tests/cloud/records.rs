//! The switch that is a pair of weighted records.

use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecordSet, RrType};
use switchback::release::{Pins, SwitchPin, Traffic};

use super::support::{World, blue, dns, green, refusal, until, world};

impl World {
    async fn sets(&self, pins: &Pins) -> Vec<ResourceRecordSet> {
        let SwitchPin::Records(pin) = &pins.route else { panic!("{:?}", pins.route) };
        let list = self.route53.list_resource_record_sets().hosted_zone_id(&pin.zone).send().await.expect("an answer");
        list.resource_record_sets.into_iter().filter(|r| *r.r#type() == RrType::A).collect()
    }

    /// Somebody else sets weights.
    async fn weigh(&self, pins: &Pins, weights: [i64; 2]) {
        let SwitchPin::Records(pin) = &pins.route else { panic!("{:?}", pins.route) };
        let changes = self.sets(pins).await.into_iter().map(|mut set| {
            set.weight = Some(weights[usize::from(set.set_identifier() == Some("green"))]);
            Change::builder().action(ChangeAction::Upsert).resource_record_set(set).build().expect("complete")
        });
        let batch = ChangeBatch::builder().set_changes(Some(changes.collect())).build().expect("complete");
        let change = self.route53.change_resource_record_sets().hosted_zone_id(&pin.zone).change_batch(batch);
        change.send().await.expect("Route 53 takes it");
    }
}

#[tokio::test]
async fn a_flip_of_records_is_one_batch_that_gets_in_sync_and_keeps_everything_but_the_weights() {
    let world = world(dns()).await;
    let pins = world.pins().await;
    let before = world.sets(&pins).await;
    let reading = world.cloud.traffic(&pins).await.expect("an answer");
    assert_eq!(reading.traffic, Traffic::Only { color: blue(), idle_referenced: true });
    world.cloud.reference(&pins, &reading, &blue(), &green()).await.expect("nothing to do");
    world.dev.forget_calls();
    let change = world.cloud.flip(&pins, &reading, &blue(), &green()).await.expect("flipped").expect("a change");
    assert_eq!(world.dev.calls().values().sum::<u64>(), 1);
    until("INSYNC", async || world.cloud.synced(&change).await.expect("an answer")).await;
    let after = world.cloud.traffic(&pins).await.expect("an answer");
    assert_eq!(after.traffic, Traffic::Only { color: green(), idle_referenced: true });
    let mut swapped = world.sets(&pins).await;
    for (new, old) in swapped.iter_mut().zip(&before) {
        assert_eq!(new.weight(), Some(255 - old.weight().expect("weighted")));
        new.weight = old.weight;
    }
    assert_eq!(swapped, before);
    world.dev.shutdown().await;
}

#[tokio::test]
async fn records_that_somebody_changed_since_they_were_read_are_left_alone() {
    let world = world(dns()).await;
    let pins = world.pins().await;
    let reading = world.cloud.traffic(&pins).await.expect("an answer");
    world.weigh(&pins, [200, 55]).await;
    let said = refusal(world.cloud.flip(&pins, &reading, &blue(), &green()).await);
    assert!(said.contains("Route 53 refused the change") && said.contains("somebody else writes there too"), "{said}");
    let after = world.cloud.traffic(&pins).await.expect("an answer");
    assert_eq!(after.traffic.describe(), "the traffic is split: blue=200, green=55");
    world.dev.shutdown().await;
}

#[tokio::test]
async fn both_weights_at_0_are_a_split_and_a_flip_ends_it() {
    let world = world(dns()).await;
    let pins = world.pins().await;
    world.weigh(&pins, [0, 0]).await;
    let reading = world.cloud.traffic(&pins).await.expect("an answer");
    assert_eq!(reading.traffic.describe(), "the traffic is split: blue=0, green=0");
    world.cloud.flip(&pins, &reading, &blue(), &green()).await.expect("flipped");
    let after = world.cloud.traffic(&pins).await.expect("an answer");
    assert_eq!(after.traffic, Traffic::Only { color: green(), idle_referenced: true });
    world.dev.shutdown().await;
}
