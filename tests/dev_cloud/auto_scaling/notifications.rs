//! Messages to topics: what a group did, and which instances wait.

use switchback::dev::HttpConnection;

use super::{Scaling, WEB, words};

/// A topic, made without an SDK: its query protocol is plain enough.
async fn topic(it: &Scaling) -> String {
    let mut connection = HttpConnection::open(&*it.rig.cloud.dial(), &it.rig.cloud.url()).await.unwrap();
    let scope = "DEVCLOUD/20261121/eu-west-1/sns/aws4_request";
    let request = http::Request::post("/")
        .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(bytes::Bytes::from("Action=CreateTopic&Version=2010-03-31&Name=scaling"))
        .unwrap();
    let answer = connection.send(request).await.unwrap();
    let text = String::from_utf8(answer.into_body().to_vec()).unwrap();
    let (_, rest) = text.split_once("<TopicArn>").unwrap_or_else(|| panic!("{text}"));
    rest.split_once('<').unwrap().0.to_owned()
}

fn events(it: &Scaling, topic: &str) -> Vec<serde_json::Value> {
    let published = it.rig.cloud.published(topic);
    published.iter().map(|message| serde_json::from_str(&message.message).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_told_of_launches_and_of_instances_that_wait() {
    let it = Scaling::start().await;
    let topic = topic(&it).await;
    it.group(0).send().await.unwrap();
    let put = |topic: &str| {
        let put = it.asg.put_notification_configuration().auto_scaling_group_name(WEB).topic_arn(topic);
        put.notification_types("autoscaling:EC2_INSTANCE_LAUNCH").send()
    };
    let (_, said) = words(put(&topic.replace("scaling", "nobody")).await);
    assert!(said.starts_with("Unable to publish test message to notification target"), "{said}");
    put(&topic).await.unwrap();
    let hook = it.asg.put_lifecycle_hook().auto_scaling_group_name(WEB).lifecycle_hook_name("wait");
    let hook = hook.lifecycle_transition("autoscaling:EC2_INSTANCE_LAUNCHING").notification_target_arn(&topic);
    hook.role_arn("arn:aws:iam::000000000000:role/hooks").notification_metadata("blue").send().await.unwrap();
    it.want(1).await;
    let id = it.until("Pending:Wait").await;
    let told = events(&it, &topic);
    assert_eq!(told.len(), 3, "two tests and the waiting instance: {told:#?}");
    assert_eq!(
        (&told[0]["Event"], &told[2]["EC2InstanceId"]),
        (&"autoscaling:TEST_NOTIFICATION".into(), &id.as_str().into())
    );
    assert_eq!(told[2]["NotificationMetadata"], "blue");

    let complete = it.asg.complete_lifecycle_action().auto_scaling_group_name(WEB).lifecycle_hook_name("wait");
    let complete = complete.lifecycle_action_token(told[2]["LifecycleActionToken"].as_str().unwrap());
    complete.lifecycle_action_result("CONTINUE").send().await.unwrap();
    it.settled(1).await;
    let told = events(&it, &topic);
    assert_eq!(
        (&told[3]["Event"], &told[3]["EC2InstanceId"]),
        (&"autoscaling:EC2_INSTANCE_LAUNCH".into(), &id.as_str().into())
    );
    it.want(0).await;
    it.settled(0).await;
    assert_eq!(events(&it, &topic).len(), 4, "terminations were not asked for");
    it.rig.cloud.shutdown().await;
}
