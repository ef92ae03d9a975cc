//! Scaling policies: target tracking with its two alarms, steps, and the trap of the idle color.

use std::time::Duration;

use aws_sdk_autoscaling::operation::put_scaling_policy::PutScalingPolicyOutput;
use aws_sdk_autoscaling::types::{
    MetricType, PredefinedMetricSpecification, StepAdjustment, TargetTrackingConfiguration,
};
use switchback::dev::load::{Load, LoadOptions};
use tokio::time::sleep;

use super::{Scaling, WEB, words};

fn of_type(kind: MetricType, label: &str, target: f64) -> TargetTrackingConfiguration {
    let metric = PredefinedMetricSpecification::builder().predefined_metric_type(kind).resource_label(label).build();
    TargetTrackingConfiguration::builder().predefined_metric_specification(metric).target_value(target).build()
}

/// `app/NAME/ID/targetgroup/NAME/ID` of the live color.
fn label(it: &Scaling) -> String {
    let balancer = it.rig.world.load_balancers[0].split_once(":loadbalancer/").unwrap().1;
    let group = it.rig.world.target_groups[0].rsplit_once(':').unwrap().1;
    format!("{balancer}/{group}")
}

async fn track(it: &Scaling, target: f64) -> PutScalingPolicyOutput {
    let put = it.asg.put_scaling_policy().auto_scaling_group_name(WEB).policy_name("requests");
    let put = put.policy_type("TargetTrackingScaling");
    let config = of_type(MetricType::AlbRequestCountPerTarget, &label(it), target);
    put.target_tracking_configuration(config).send().await.unwrap()
}

/// Five requests a second, so 300 a minute.
async fn load(it: &Scaling) -> Load {
    let options = LoadOptions { connections: 2, rate: Some(5), ..LoadOptions::default() };
    Load::start_over(it.rig.cloud.dial(), &it.rig.world.url, options).await.unwrap()
}

async fn minutes(count: u64) {
    sleep(Duration::from_secs(60 * count)).await;
}

async fn desired(it: &Scaling) -> i32 {
    it.seen().await.desired_capacity().unwrap()
}

/// Three instances of blue at 100 requests a minute each, and one of green that waits.
async fn two_colors() -> (Scaling, Load) {
    let it = Scaling::start().await;
    it.group(3).min_size(1).send().await.unwrap();
    it.settled(3).await;
    let [blue, green] = it.rig.world.target_groups.clone();
    let ids = it.rig.launch(super::super::support::V1, 1).await;
    it.rig.register(&green, &ids).await;
    it.rig.until(&blue, "healthy").await;
    it.rig.until(&green, "healthy").await;
    track(&it, 100.0).await;
    let load = load(&it).await;
    minutes(30).await;
    assert_eq!(desired(&it).await, 3, "100 requests for each is what was asked for");
    (it, load)
}

#[tokio::test(start_paused = true)]
async fn the_idle_color_shrinks_to_its_minimum_a_quarter_of_an_hour_after_the_flip() {
    let (it, load) = two_colors().await;
    it.rig.forward([0, 100]).await;
    minutes(14).await;
    assert_eq!(desired(&it).await, 3, "fifteen minutes of little data are not over");
    minutes(10).await;
    assert_eq!(desired(&it).await, 1);
    it.settled(1).await;
    let cause = it.cause("Terminating EC2 instance").await;
    assert!(cause.contains("a monitor alarm TargetTracking-web-AlarmLow-"), "{cause}");
    assert!(cause.contains("in state ALARM triggered policy requests changing the desired capacity from"), "{cause}");
    load.stop().await;
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn without_alarm_notification_the_idle_color_keeps_its_size_until_it_is_resumed() {
    let (it, load) = two_colors().await;
    it.suspend("AlarmNotification").await;
    it.rig.forward([0, 100]).await;
    minutes(60).await;
    assert_eq!(desired(&it).await, 3);
    it.resume("AlarmNotification").await;
    minutes(2).await;
    assert!(desired(&it).await < 3, "an alarm that is still breaching acts at once");
    load.stop().await;
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn without_any_traffic_there_is_no_data_and_nothing_shrinks() {
    let (it, load) = two_colors().await;
    load.stop().await;
    minutes(60).await;
    assert_eq!(desired(&it).await, 3);
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_grows_in_proportion_after_three_minutes_above_its_target() {
    let it = Scaling::start().await;
    it.group(1).max_size(8).send().await.unwrap();
    it.settled(1).await;
    it.rig.until(&it.rig.world.target_groups[0], "healthy").await;
    let put = track(&it, 50.0).await;
    assert_eq!(put.alarms().len(), 2);
    let load = load(&it).await;
    minutes(2).await;
    assert_eq!(desired(&it).await, 1);
    minutes(5).await;
    assert_eq!(desired(&it).await, 6, "300 requests at 50 for each");
    it.settled(6).await;
    minutes(30).await;
    assert_eq!(desired(&it).await, 6);

    let cloudwatch = aws_sdk_cloudwatch::Client::new(&it.rig.cloud.sdk_config("eu-west-1"));
    let names = async || -> Vec<String> {
        let found = cloudwatch.describe_alarms().send().await.unwrap();
        found.metric_alarms().iter().filter_map(|alarm| alarm.alarm_name().map(str::to_owned)).collect()
    };
    assert_eq!(names().await.len(), 2);
    it.asg.delete_policy().auto_scaling_group_name(WEB).policy_name("requests").send().await.unwrap();
    assert!(names().await.is_empty(), "its alarms are its own");
    load.stop().await;
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_measured_is_refused_by_name() {
    let it = Scaling::start().await;
    it.group(0).send().await.unwrap();
    let put = |config| {
        let put = it.asg.put_scaling_policy().auto_scaling_group_name(WEB).policy_name("p");
        put.policy_type("TargetTrackingScaling").target_tracking_configuration(config).send()
    };
    let (code, said) = words(put(of_type(MetricType::AsgAverageCpuUtilization, &label(&it), 50.0)).await);
    assert_eq!(code, "ValidationError");
    assert!(said.contains("'ASGAverageCPUUtilization'"), "{said}");
    let green = label(&it).replace("shop-blue", "shop-green");
    let (_, said) = words(put(of_type(MetricType::AlbRequestCountPerTarget, &green, 50.0)).await);
    assert!(said.contains("is not attached to the Auto Scaling group web"), "{said}");
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_step_policy_goes_by_how_far_the_metric_is_beyond_the_threshold() {
    let it = Scaling::start().await;
    it.group(2).send().await.unwrap();
    it.settled(2).await;
    let step = |lower: f64, upper: Option<f64>, by| {
        let step = StepAdjustment::builder().metric_interval_lower_bound(lower).scaling_adjustment(by);
        step.set_metric_interval_upper_bound(upper).build()
    };
    let put = it.asg.put_scaling_policy().auto_scaling_group_name(WEB).policy_name("steps").policy_type("StepScaling");
    let put = put.adjustment_type("PercentChangeInCapacity");
    let put = put.step_adjustments(step(0.0, Some(20.0), 50)).step_adjustments(step(20.0, None, 100));
    put.send().await.unwrap();
    let execute = |value| {
        let execute = it.asg.execute_policy().auto_scaling_group_name(WEB).policy_name("steps");
        execute.metric_value(value).breach_threshold(50.0).send()
    };
    execute(60.0).await.unwrap();
    assert_eq!(desired(&it).await, 3);
    execute(75.0).await.unwrap();
    assert_eq!(desired(&it).await, 6);
    execute(40.0).await.unwrap();
    assert_eq!(desired(&it).await, 6, "no step is for below the threshold");

    // An alarm of one's own calls it too.
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&it.rig.cloud.sdk_config("eu-west-1"));
    let found = it.asg.describe_policies().auto_scaling_group_name(WEB).send().await.unwrap();
    let arn = found.scaling_policies()[0].policy_arn().unwrap();
    let alarm = cloudwatch.put_metric_alarm().alarm_name("busy").namespace("Test").metric_name("load");
    let alarm = alarm.statistic("Sum".into()).period(60).evaluation_periods(1).threshold(10.0);
    alarm.comparison_operator("GreaterThanThreshold".into()).alarm_actions(arn).send().await.unwrap();
    let datum = aws_sdk_cloudwatch::types::MetricDatum::builder().metric_name("load").value(15.0).build();
    cloudwatch.put_metric_data().namespace("Test").metric_data(datum).send().await.unwrap();
    minutes(3).await;
    assert!(desired(&it).await > 6);
    let found = it.asg.describe_policies().auto_scaling_group_name(WEB).send().await.unwrap();
    assert_eq!(found.scaling_policies()[0].alarms()[0].alarm_name(), Some("busy"));
    it.rig.cloud.shutdown().await;
}
