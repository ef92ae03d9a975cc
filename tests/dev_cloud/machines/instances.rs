//! What describe calls show of instances: filters, pages, status checks.

use aws_sdk_ec2::types::{ResourceType, SummaryStatus, Tag, TagSpecification};

use super::*;

#[tokio::test(start_paused = true)]
async fn filters_match_by_all_names_any_value_and_wildcards() {
    let rig = rig(options()).await;
    let tagged = async |value: &str| {
        let tag = Tag::builder().key("path").value(value).build();
        let tags = TagSpecification::builder().resource_type(ResourceType::Instance).tags(tag).build();
        ids(&run(&rig, 1).tag_specifications(tags).send().await.unwrap()).remove(0)
    };
    let (star, plain) = (tagged("a*c").await, tagged("abc").await);
    assert_eq!(find(&rig, &[("tag:path", "a?c")]).await, [star.clone(), plain.clone()]);
    assert_eq!(find(&rig, &[("tag:path", "a\\*c")]).await, std::slice::from_ref(&star), "a backslash makes it a star");
    assert_eq!(find(&rig, &[("tag-key", "pa*"), ("instance-id", &plain)]).await, std::slice::from_ref(&plain));
    assert_eq!(find(&rig, &[("availability-zone-id", "euw1-az1"), ("instance-type", "t3.*")]).await.len(), 2);
    assert!(find(&rig, &[("spot-instance-request-id", "*")]).await.is_empty(), "no instance has one");
    assert_eq!(find(&rig, &[("network-interface.group-name", "default")]).await.len(), 2);
    let either = Filter::builder().name("tag:path").values("nothing").values("abc").build();
    let found = rig.ec2.describe_instances().filters(either).send().await.unwrap();
    assert_eq!(found.reservations().len(), 1);
    let unknown = rig.ec2.describe_instances().filters(filter("hue", "blue")).send().await;
    assert_eq!(code(unknown), "InvalidParameterValue");
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn pages_hold_what_was_asked_for_and_not_with_ids() {
    let rig = rig(options()).await;
    for _ in 0..7 {
        run(&rig, 1).send().await.unwrap();
    }
    let page = |token: Option<String>| rig.ec2.describe_instances().max_results(5).set_next_token(token).send();
    let first = page(None).await.unwrap();
    let second = page(first.next_token().map(str::to_owned)).await.unwrap();
    assert_eq!((first.reservations().len(), second.reservations().len(), second.next_token()), (5, 2, None));
    assert_eq!(code(page(Some("nonsense".into())).await), "InvalidNextToken");
    assert_eq!(code(rig.ec2.describe_instances().max_results(4).send().await), "InvalidParameterValue");
    let id = first.reservations()[0].instances()[0].instance_id().unwrap();
    let both = rig.ec2.describe_instances().instance_ids(id).max_results(5).send().await;
    assert_eq!(code(both), "InvalidParameterCombination");
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn status_checks_take_their_time_and_can_be_made_to_fail() {
    let rig = rig(DevOptions { status_delay: Duration::from_secs(120), ..options() }).await;
    let id = ids(&run(&rig, 1).send().await.unwrap()).remove(0);
    let status = async |all: bool| {
        let found = rig.ec2.describe_instance_status().include_all_instances(all).send().await.unwrap();
        let of =
            |summary: Option<&aws_sdk_ec2::types::InstanceStatusSummary>| summary.unwrap().status().cloned().unwrap();
        found.instance_statuses().first().map(|each| (of(each.instance_status()), of(each.system_status())))
    };
    assert_eq!(status(false).await, None, "only running ones, unless asked for all");
    assert_eq!(status(true).await, Some((SummaryStatus::NotApplicable, SummaryStatus::NotApplicable)));
    rig.until_instance(&id, "running").await;
    assert_eq!(status(false).await, Some((SummaryStatus::Initializing, SummaryStatus::Initializing)));
    sleep(Duration::from_secs(120)).await;
    assert_eq!(status(false).await, Some((SummaryStatus::Ok, SummaryStatus::Ok)));
    assert!(rig.cloud.set_impaired(&id, true));
    assert_eq!(status(false).await, Some((SummaryStatus::Impaired, SummaryStatus::Ok)));
    let impaired = rig.ec2.describe_instance_status().filters(filter("instance-status.status", "impaired"));
    assert_eq!(impaired.send().await.unwrap().instance_statuses().len(), 1);
    assert!(rig.cloud.set_impaired(&id, false) && !rig.cloud.set_impaired("i-0123456789abcdef0", true));
    assert_eq!(status(false).await, Some((SummaryStatus::Ok, SummaryStatus::Ok)));
    rig.cloud.shutdown().await;
}
