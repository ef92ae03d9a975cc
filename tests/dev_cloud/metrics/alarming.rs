//! Alarms by the clock, under paused time: when they go off, what they tell, when they come back.

use std::time::Duration;

use aws_sdk_cloudwatch::types::{
    ComparisonOperator, Dimension, HistoryItemType, Metric, MetricDataQuery, MetricStat, Statistic,
};
use serde_json::Value;
use tokio::time::sleep;

use super::publishing::{Stage, stage};
use super::{query, text};

const MINUTE: Duration = Duration::from_secs(60);

async fn topic(stage: &Stage) -> String {
    let (status, answer) = query(&stage.rig.cloud, "sns", &[("Action", "CreateTopic"), ("Name", "alerts")]).await;
    assert_eq!(status, 200, "{answer}");
    text(&answer, "TopicArn").to_owned()
}

async fn state(stage: &Stage, alarm: &str) -> String {
    let found = stage.watch.describe_alarms().alarm_names(alarm).send().await.unwrap();
    found.metric_alarms()[0].state_value().unwrap().as_str().to_owned()
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_load_balancer_raise_an_alarm_that_tells_a_topic_once() {
    let stage = stage(Duration::ZERO).await;
    let topic = topic(&stage).await;
    let put = stage.watch.put_metric_alarm().alarm_name("no-target").namespace("AWS/ApplicationELB");
    let put = put
        .metric_name("HTTPCode_ELB_503_Count")
        .dimensions(Dimension::builder().name("LoadBalancer").value(&stage.balancer).build());
    let put = put.statistic(Statistic::Sum).period(60).evaluation_periods(2).datapoints_to_alarm(2).threshold(2.0);
    let put = put.comparison_operator(ComparisonOperator::GreaterThanThreshold).treat_missing_data("notBreaching");
    put.alarm_actions(&topic).ok_actions(&topic).send().await.unwrap();
    assert_eq!(state(&stage, "no-target").await, "INSUFFICIENT_DATA");
    sleep(MINUTE).await;
    assert_eq!(state(&stage, "no-target").await, "OK", "missing errors are no errors");
    assert_eq!(stage.rig.cloud.published(&topic).len(), 1);

    stage.rig.forward([0, 1]).await;
    sleep(Duration::from_secs(10)).await;
    stage.send(3).await;
    sleep(MINUTE).await;
    assert_eq!(state(&stage, "no-target").await, "OK", "one of two");
    stage.send(4).await;
    sleep(MINUTE).await;
    assert_eq!(state(&stage, "no-target").await, "ALARM");
    let published = stage.rig.cloud.published(&topic);
    assert_eq!(published.len(), 2);
    assert_eq!(published[1].subject.as_deref(), Some("ALARM: \"no-target\" in eu-west-1"));
    let told: Value = serde_json::from_str(&published[1].message).unwrap();
    assert_eq!((told["OldStateValue"].as_str(), told["NewStateValue"].as_str()), (Some("OK"), Some("ALARM")));
    assert_eq!(told["Trigger"]["MetricName"], "HTTPCode_ELB_503_Count");
    let reason = told["NewStateReason"].as_str().unwrap();
    assert!(reason.starts_with("Threshold Crossed: 2 out of the last 2 datapoints [4.0 ("), "{reason}");
    assert!(
        reason.ends_with("were greater than the threshold (2.0) (minimum 2 datapoints for OK -> ALARM transition)."),
        "{reason}"
    );

    sleep(MINUTE).await;
    stage.rig.forward([1, 0]).await;
    sleep(5 * MINUTE).await;
    assert_eq!(state(&stage, "no-target").await, "OK", "the real points have left the evaluation range");
    assert_eq!(stage.rig.cloud.published(&topic).len(), 3, "told once for each change");
    let history =
        stage.watch.describe_alarm_history().alarm_name("no-target").history_item_type(HistoryItemType::Action);
    assert_eq!(history.send().await.unwrap().alarm_history_items().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_on_a_rate_uses_metric_math_and_disabled_actions_stay_silent() {
    let stage = stage(Duration::ZERO).await;
    let topic = topic(&stage).await;
    let sum = |id: &str, name: &str| {
        let metric = Metric::builder().namespace("AWS/ApplicationELB").metric_name(name);
        let metric =
            metric.dimensions(Dimension::builder().name("LoadBalancer").value(&stage.balancer).build()).build();
        let stat = MetricStat::builder().metric(metric).stat("Sum").period(60).build();
        MetricDataQuery::builder().id(id).metric_stat(stat).return_data(false).build()
    };
    let rate = MetricDataQuery::builder().id("rate").expression("100 * good / FILL(all, 1)").return_data(true).build();
    let put = stage.watch.put_metric_alarm().alarm_name("rate").metrics(sum("good", "HTTPCode_Target_2XX_Count"));
    let put = put.metrics(sum("all", "RequestCount")).metrics(rate).evaluation_periods(1).threshold(99.0);
    let put = put.comparison_operator(ComparisonOperator::GreaterThanOrEqualToThreshold).alarm_actions(&topic);
    put.actions_enabled(false).send().await.unwrap();
    stage.send(3).await;
    sleep(MINUTE).await;
    assert_eq!(state(&stage, "rate").await, "ALARM");
    assert!(stage.rig.cloud.published(&topic).is_empty());
    sleep(4 * MINUTE).await;
    assert_eq!(state(&stage, "rate").await, "INSUFFICIENT_DATA", "missing is missing");
    stage.watch.enable_alarm_actions().alarm_names("rate").send().await.unwrap();
    stage.send(3).await;
    sleep(MINUTE).await;
    assert_eq!(state(&stage, "rate").await, "ALARM");
    assert_eq!(stage.rig.cloud.published(&topic).len(), 1);
}
