//! Lists that come in pages, and calls that are cut into several.

use switchback::release::{Color, Traffic};

use super::script::{Reply, aws, plain, result};
use super::world::{blue, group, record, record_pins, records, rule_pins};

fn instance(id: &str, tags: &[(&str, &str)]) -> String {
    let tags: String = tags.iter().map(|(k, v)| format!("<item><key>{k}</key><value>{v}</value></item>")).collect();
    format!(
        "<item><reservationId>r-{id}</reservationId><instancesSet><item><instanceId>{id}</instanceId>\
         <instanceState><code>16</code><name>running</name></instanceState><tagSet>{tags}</tagSet>\
         <launchTime>2026-11-21T02:00:00.000Z</launchTime></item></instancesSet></item>"
    )
}

const OURS: &[(&str, &str)] =
    &[("switchback:environment", "shop"), ("switchback:color", "blue"), ("switchback:release", "r-7")];

#[tokio::test(start_paused = true)]
async fn instances_of_every_page_are_found_by_their_tags() {
    let (cloud, log) = aws(|asked| {
        let page = usize::from(asked.text.contains("NextToken=page-1"));
        let next = if page == 0 { "<nextToken>page-1</nextToken>" } else { "" };
        let list = format!("<reservationSet>{}</reservationSet>{next}", instance(&format!("i-{}", 2 - page), OURS));
        plain("DescribeInstances", &list)
    });
    let found = cloud.instances("shop", &blue()).await.expect("an answer");
    assert_eq!(found.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), ["i-1", "i-2"]);
    assert_eq!(found[0].release.as_ref().map(|r| r.as_str()), Some("r-7"));
    assert_eq!(found[0].launched_at.map(|t| t.to_string()).as_deref(), Some("2026-11-21T02:00:00Z"));
    let asked = &log.of("DescribeInstances")[0];
    assert!(asked.contains("Filter.1.Name=tag:switchback:environment\nFilter.1.Value.1=shop\n"), "{asked}");
    assert!(asked.contains("Filter.2.Name=tag:switchback:color\nFilter.2.Value.1=blue\n"), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn records_of_every_page_are_read_and_the_list_ends_at_another_name() {
    let (cloud, log) = aws(|asked| {
        let list = if asked.text.contains("identifier=green") {
            records(&[record("shop.example.com.", "green", 0), record("tail.example.com.", "red", 9)], Some(("z", "z")))
        } else {
            records(&[record("shop.example.com.", "blue", 1)], Some(("shop.example.com.", "green")))
        };
        plain("ListResourceRecordSets", &list)
    });
    let reading = cloud.traffic(&record_pins()).await.expect("an answer");
    assert_eq!(reading.traffic, Traffic::Only { color: blue(), idle_referenced: true });
    assert_eq!(log.of("ListResourceRecordSets").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn many_instances_are_registered_in_several_calls_each_id_once() {
    let (cloud, log) = aws(|_| result("RegisterTargets", ""));
    let ids: Vec<_> = (0..450).map(|i| format!("i-{i:04}")).collect();
    cloud.register(&rule_pins(), &blue(), &ids).await.expect("accepted");
    let sent = log.of("RegisterTargets").concat();
    let mut seen: Vec<_> = sent.lines().filter_map(|l| l.split_once(".Id=")).map(|(_, id)| id.to_owned()).collect();
    seen.sort();
    assert_eq!(seen, ids);
    assert_eq!(cloud.calls().by_operation["elbv2:RegisterTargets"], 3);
}

#[tokio::test(start_paused = true)]
async fn instances_are_read_again_right_before_they_are_terminated() {
    let (cloud, log) = aws(|asked| match asked.operation.as_str() {
        "DescribeInstances" => {
            plain("DescribeInstances", &format!("<reservationSet>{}</reservationSet>", instance("i-1", OURS)))
        }
        _ => plain("TerminateInstances", "<instancesSet/>"),
    });
    let asked = ["i-1".to_owned(), "i-gone".to_owned()];
    assert_eq!(cloud.terminate("shop", &blue(), &asked).await, Ok(vec!["i-1".to_owned()]));
    let sent = log.of("TerminateInstances");
    assert_eq!(sent.len(), 1);
    assert!(sent[0].contains("InstanceId.1=i-1\n") && !sent[0].contains("i-gone"), "{}", sent[0]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_terminated_when_one_instance_is_not_ours_or_when_the_look_fails() {
    for (environment, color) in [("other", "blue"), ("shop", "green")] {
        let (cloud, log) =
            aws(|_| plain("DescribeInstances", &format!("<reservationSet>{}</reservationSet>", instance("i-1", OURS))));
        let e = cloud.terminate(environment, &Color::new(color), &["i-1".into()]).await.expect_err("not ours");
        assert!(e.to_string().contains("nothing was terminated"), "{e}");
        assert!(log.of("TerminateInstances").is_empty());
    }
    let (cloud, log) = aws(|_| Reply::Silence);
    let e = cloud.terminate("shop", &blue(), &["i-1".into()]).await.expect_err("no answer");
    assert!(e.transient(), "{e:?}");
    assert!(log.of("TerminateInstances").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_launch_asks_for_all_or_nothing_of_one_template_version_with_tags_and_token() {
    let (cloud, log) =
        aws(|_| plain("RunInstances", "<instancesSet><item><instanceId>i-1</instanceId></item></instancesSet>"));
    let launch = switchback::cloud::Launch {
        environment: "shop",
        color: &blue(),
        release: &switchback::release::ReleaseId::new("r-7"),
        image: "ami-7",
        subnet: "subnet-a",
        count: 3,
        client_token: "token-1",
    };
    assert_eq!(cloud.launch(&rule_pins(), launch).await, Ok(vec!["i-1".to_owned()]));
    let sent = &log.of("RunInstances")[0];
    for line in [
        "ImageId=ami-7",
        "SubnetId=subnet-a",
        "MinCount=3",
        "MaxCount=3",
        "ClientToken=token-1",
        "LaunchTemplate.LaunchTemplateId=lt-1",
        "LaunchTemplate.Version=7",
        "TagSpecification.1.ResourceType=instance",
        "TagSpecification.2.ResourceType=volume",
        "TagSpecification.1.Tag.2.Key=switchback:environment",
        "TagSpecification.1.Tag.2.Value=shop",
        "TagSpecification.1.Tag.3.Value=blue",
        "TagSpecification.1.Tag.4.Key=switchback:release",
        "TagSpecification.1.Tag.4.Value=r-7",
    ] {
        assert!(sent.lines().any(|l| l == line), "{line} is not in\n{sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_on_the_second_page_that_sends_to_a_color_is_found() {
    let rule = |priority: u32, group: &str, weight: u32| {
        format!(
            "<member><RuleArn>arn:rule-{priority}</RuleArn><Priority>{priority}</Priority><Actions><member>\
             <Type>forward</Type><ForwardConfig><TargetGroups><member><TargetGroupArn>{group}</TargetGroupArn>\
             <Weight>{weight}</Weight></member><member><TargetGroupArn>arn:other</TargetGroupArn><Weight>1</Weight>\
             </member></TargetGroups></ForwardConfig></member></Actions></member>"
        )
    };
    let (cloud, log) = aws(move |asked| match asked.operation.as_str() {
        "DescribeTargetGroups" => result("DescribeTargetGroups", "<TargetGroups/>"),
        "DescribeListeners" => {
            let listener = "<member><ListenerArn>arn:listener</ListenerArn><Port>80</Port></member>";
            result("DescribeListeners", &format!("<Listeners>{listener}</Listeners>"))
        }
        "DescribeRules" if asked.text.contains("Marker=page-1") => {
            result("DescribeRules", &format!("<Rules>{}</Rules>", rule(401, &group("blue"), 5)))
        }
        "DescribeRules" => {
            let first: String = (1..=400).map(|priority| rule(priority, &group("blue"), 0)).collect();
            result("DescribeRules", &format!("<Rules>{first}</Rules><NextMarker>page-1</NextMarker>"))
        }
        _ => result("DescribeTargetHealth", "<TargetHealthDescriptions/>"),
    });
    let references = cloud.references(&rule_pins(), &blue()).await.expect("an answer");
    let senders: Vec<_> = references.senders.iter().map(|s| (s.place.as_str(), s.weight)).collect();
    assert_eq!(senders, [("the rule 401 of the listener on port 80 of shop (arn:rule-401)", Some(5))]);
    assert_eq!(references.others.iter().map(|g| g.arn.as_str()).collect::<Vec<_>>(), ["arn:other"]);
    assert_eq!(log.of("DescribeRules").len(), 2);
    assert!(log.of("DescribeRules")[0].contains("PageSize=400"), "{:?}", log.of("DescribeRules"));
    // Behind the switch's own load balancer, although AWS names none for the target groups.
    assert!(log.of("DescribeListeners")[0].contains("loadbalancer/app/shop/1"), "{:?}", log.of("DescribeListeners"));
}
