//! Snapshots: a dev cloud goes on where another one ended.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::TargetDescription;
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType};
use object_store::ObjectStoreExt;
use switchback::dev::app::AppOptions;
use switchback::dev::machine::{Catalogue, Image};
use switchback::dev::seed::Seed;
use switchback::dev::{DevCloud, DevOptions, Snapshot};
use tokio::time::sleep;

use super::support::{Rig, V0, V1};

fn options(restore: Option<Snapshot>) -> DevOptions {
    let program = |version: &str| Image::in_memory(AppOptions::new(version), 8080);
    let images = BTreeMap::from([(V0.to_owned(), program("v0")), (V1.to_owned(), program("v1"))]);
    DevOptions { catalogue: Catalogue { images }, health_speed: 1, restore, ..DevOptions::default() }
}

async fn version(rig: &Rig) -> String {
    let answer = rig.cloud.get(&format!("{}/version", rig.world.url)).await.unwrap();
    assert_eq!(answer.status(), 200);
    String::from_utf8(answer.into_body().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_restored_cloud_serves_as_before_and_finishes_what_had_begun() {
    let seed = Seed { deregistration_delay_s: 300, ..Seed::new(V0) };
    let pause = Duration::from_millis(500);
    let rig = Rig::on(DevCloud::in_process(options(None)).await.unwrap(), seed, pause).await;
    let [blue, green] = rig.world.target_groups.clone();
    let ids = rig.launch(V1, 2).await;
    rig.register(&green, &ids).await;
    rig.until(&green, "healthy").await;
    rig.forward([0, 100]).await;
    let old: Vec<_> = rig.world.instances.iter().map(|id| TargetDescription::builder().id(id).build()).collect();
    rig.elb.deregister_targets().target_group_arn(&blue).set_targets(Some(old)).send().await.unwrap();
    sleep(Duration::from_secs(100)).await;
    let zone = rig.route53.create_hosted_zone().name("example.com").caller_reference("1").send().await.unwrap();
    let record = ResourceRecordSet::builder()
        .name("www.example.com")
        .r#type(RrType::A)
        .ttl(10)
        .resource_records(ResourceRecord::builder().value("127.0.0.9").build().unwrap())
        .build()
        .unwrap();
    let change = Change::builder().action(ChangeAction::Create).resource_record_set(record).build().unwrap();
    let batch = ChangeBatch::builder().changes(change).build().unwrap();
    let zone_id = zone.hosted_zone().unwrap().id().to_owned();
    rig.route53.change_resource_record_sets().hosted_zone_id(zone_id).change_batch(batch).send().await.unwrap();
    let bucket = rig.cloud.bucket("eu-west-1", "journal").unwrap();
    bucket.put(&"1.json".into(), "{}".into()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");

    rig.cloud.snapshot().save(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "it holds secrets");
    let Rig { cloud, world, .. } = rig;
    cloud.shutdown().await;
    let restored = DevCloud::in_process(options(Some(Snapshot::load(&file).unwrap()))).await.unwrap();
    let rig = Rig::of(restored, world, pause);

    assert_eq!(rig.states(&blue).await, ["draining/Target.DeregistrationInProgress"; 2]);
    rig.until(&green, "healthy").await;
    assert_eq!(version(&rig).await, "v1");
    assert_eq!(rig.cloud.resolve("www.example.com").unwrap().to_string(), "127.0.0.9");
    let read = rig.cloud.bucket("eu-west-1", "journal").unwrap().get(&"1.json".into()).await.unwrap();
    assert_eq!(read.bytes().await.unwrap(), "{}");
    sleep(Duration::from_secs(190)).await;
    assert_eq!(rig.states(&blue).await.len(), 2, "10 s of the drain are left");
    sleep(Duration::from_secs(15)).await;
    assert!(rig.states(&blue).await.is_empty());
    // New ones can be made beside the old ones.
    let more = rig.launch(V1, 1).await;
    rig.register(&green, &more).await;
    rig.until(&green, "healthy").await;
    assert_eq!(rig.states(&green).await.len(), 3);
}

#[tokio::test]
async fn a_file_that_is_no_snapshot_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    std::fs::write(&file, "{\"version\": 1}").unwrap();
    let told = Snapshot::load(&file).unwrap_err().to_string();
    assert!(told.contains("state.json") && told.contains("taken"), "{told}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"version\": 1}");
    let missing = Snapshot::load(&folder.path().join("none")).unwrap_err().to_string();
    assert!(missing.contains("none"), "{missing}");
}

#[tokio::test(start_paused = true)]
async fn what_a_restored_cloud_launches_is_new() {
    let pause = Duration::from_millis(500);
    let rig = Rig::on(DevCloud::in_process(options(None)).await.unwrap(), Seed::new(V0), pause).await;
    let (world, snapshot) = (rig.world.clone(), rig.cloud.snapshot());
    rig.cloud.shutdown().await;
    // With the seed of the cloud before.
    let rig = Rig::of(DevCloud::in_process(options(Some(snapshot))).await.unwrap(), world, pause);
    for _ in 0..40 {
        let ids = rig.launch(V1, 1).await;
        assert!(!rig.world.instances.contains(&ids[0]), "{ids:?} is the id of an instance that runs");
    }
    rig.cloud.shutdown().await;
}
