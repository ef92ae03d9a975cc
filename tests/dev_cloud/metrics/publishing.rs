//! What load balancers publish, under paused time.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use switchback::dev::app::AppOptions;
use switchback::dev::machine::{Catalogue, Image};
use switchback::dev::seed::Seed;
use switchback::dev::{DevCloud, DevOptions};
use tokio::time::sleep;

use super::super::support::{Rig, V0};

/// The end of an ARN that names a load balancer or a target group in a dimension.
fn name_in(arn: &str) -> String {
    let (_, name) = arn.split_once(":loadbalancer/").or_else(|| arn.split_once(":target")).unwrap();
    if arn.contains(":targetgroup/") { format!("target{name}") } else { name.to_owned() }
}

pub(super) struct Stage {
    pub(super) rig: Rig,
    pub(super) watch: aws_sdk_cloudwatch::Client,
    pub(super) balancer: String,
    pub(super) groups: [String; 2],
}

/// A load balancer with two healthy targets in its blue group and an empty green one, half a minute after a whole
/// minute.
pub(super) async fn stage(delay: Duration) -> Stage {
    let image = Image::in_memory(AppOptions::new("v0"), 8080);
    let options = DevOptions {
        catalogue: Catalogue { images: BTreeMap::from([(V0.to_owned(), image)]) },
        health_speed: 1,
        metrics_delay: delay,
        ..DevOptions::default()
    };
    let rig = Rig::on(DevCloud::in_process(options).await.unwrap(), Seed::new(V0), Duration::from_millis(500)).await;
    let blue = rig.world.target_groups[0].clone();
    rig.until(&blue, "healthy").await;
    let watch = aws_sdk_cloudwatch::Client::new(&rig.cloud.sdk_config("eu-west-1"));
    let balancers = rig.elb.describe_load_balancers().send().await.unwrap();
    let balancer = name_in(balancers.load_balancers()[0].load_balancer_arn().unwrap());
    let groups = rig.world.target_groups.clone().map(|arn| name_in(&arn));
    let stage = Stage { rig, watch, balancer, groups };
    let second = stage.now() % 60;
    sleep(Duration::from_secs(u64::try_from(90 - second).unwrap())).await;
    stage
}

impl Stage {
    /// What the cloud's clock shows, in seconds.
    pub(super) fn now(&self) -> i64 {
        self.rig.cloud.clock().now().as_second()
    }

    pub(super) async fn send(&self, requests: usize) {
        for _ in 0..requests {
            self.rig.cloud.get(&format!("{}/version", self.rig.world.url)).await.unwrap();
        }
    }

    /// Values of the last so many minutes before this one, oldest first, with the minutes that have none as `None`.
    async fn minutes(&self, metric: &str, stat: &str, of: &[(&str, &str)], count: i64) -> Vec<Option<f64>> {
        let dimensions = of.iter().map(|(name, value)| Dimension::builder().name(*name).value(*value).build());
        let metric = Metric::builder().namespace("AWS/ApplicationELB").metric_name(metric);
        let metric = metric.set_dimensions(Some(dimensions.collect())).build();
        let stat = MetricStat::builder().metric(metric).stat(stat).period(60).build();
        let query = MetricDataQuery::builder().id("m").metric_stat(stat).build();
        let end = self.now() / 60 * 60;
        let get = self.watch.get_metric_data().metric_data_queries(query).scan_by("TimestampAscending".into());
        let get = get.start_time(DateTime::from_secs(end - 60 * count)).end_time(DateTime::from_secs(end));
        let found = get.send().await.unwrap();
        let result = &found.metric_data_results()[0];
        let seen: BTreeMap<i64, f64> =
            result.timestamps().iter().map(DateTime::secs).zip(result.values().iter().copied()).collect();
        (0..count).map(|minute| seen.get(&(end - 60 * (count - minute))).copied()).collect()
    }

    async fn minute(&self, metric: &str, stat: &str, of: &[(&str, &str)]) -> Option<f64> {
        self.minutes(metric, stat, of, 1).await[0]
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_the_minute_and_a_minute_without_any_has_no_point() {
    let stage = stage(Duration::ZERO).await;
    let lb = ("LoadBalancer", stage.balancer.as_str());
    let blue = ("TargetGroup", stage.groups[0].as_str());
    stage.send(5).await;
    sleep(MINUTE).await;
    sleep(MINUTE).await;
    stage.send(2).await;
    sleep(MINUTE).await;
    assert_eq!(stage.minutes("RequestCount", "Sum", &[lb], 3).await, [Some(5.0), None, Some(2.0)]);
    assert_eq!(stage.minutes("RequestCount", "Sum", &[lb, blue], 3).await, [Some(5.0), None, Some(2.0)]);
    assert_eq!(stage.minutes("HTTPCode_Target_2XX_Count", "Sum", &[lb, blue], 3).await, [Some(5.0), None, Some(2.0)]);
    assert_eq!(stage.minute("HTTPCode_Target_2XX_Count", "Maximum", &[lb]).await, Some(1.0), "each is a sample of 1");
    assert_eq!(stage.minutes("HTTPCode_Target_5XX_Count", "Sum", &[lb], 3).await, [None; 3]);
    assert_eq!(stage.minutes("RequestCountPerTarget", "Sum", &[lb, blue], 3).await, [Some(2.5), None, Some(1.0)]);
    assert_eq!(
        stage.minute("RequestCountPerTarget", "Sum", &[blue]).await,
        Some(1.0),
        "also without the load balancer"
    );
    assert_eq!(stage.minutes("HealthyHostCount", "Minimum", &[lb, blue], 3).await, [Some(2.0); 3]);
    assert_eq!(stage.minutes("UnHealthyHostCount", "Maximum", &[lb, blue], 3).await, [Some(0.0); 3]);
    assert_eq!(stage.minute("HealthyHostCount", "Minimum", &[lb]).await, None, "only together with the target group");
    let p99 = stage.minute("TargetResponseTime", "p99", &[lb, blue]).await.unwrap();
    assert!((0.0..1.0).contains(&p99), "{p99}");
    let listed = stage.watch.list_metrics().metric_name("HealthyHostCount").send().await.unwrap();
    let zones =
        listed.metrics().iter().flat_map(Metric::dimensions).filter(|each| each.name() == Some("AvailabilityZone"));
    assert_ne!(zones.count(), 0, "by zone too");
}

#[tokio::test(start_paused = true)]
async fn an_empty_group_shows_as_503_of_the_load_balancer_and_never_of_the_group() {
    let stage = stage(Duration::ZERO).await;
    let lb = ("LoadBalancer", stage.balancer.as_str());
    let green = ("TargetGroup", stage.groups[1].as_str());
    stage.rig.forward([0, 1]).await;
    sleep(Duration::from_secs(10)).await;
    stage.send(4).await;
    sleep(MINUTE).await;
    for name in ["HTTPCode_ELB_503_Count", "HTTPCode_ELB_5XX_Count"] {
        assert_eq!(stage.minute(name, "Sum", &[lb]).await, Some(4.0), "{name}");
        assert_eq!(stage.minute(name, "Sum", &[lb, green]).await, None, "{name}");
    }
    assert_eq!(stage.minute("HTTPCode_Target_5XX_Count", "Sum", &[lb]).await, None);
    assert_eq!(stage.minute("RequestCount", "Sum", &[lb]).await, None, "no target was chosen");
    assert_eq!(stage.minute("HealthyHostCount", "Minimum", &[lb, green]).await, None, "no targets, no hosts");
}

#[tokio::test(start_paused = true)]
async fn the_newest_minute_is_incomplete_until_the_last_node_has_reported() {
    let stage = stage(2 * MINUTE).await;
    let lb = ("LoadBalancer", stage.balancer.as_str());
    stage.send(8).await;
    sleep(MINUTE).await;
    assert_eq!(stage.minutes("RequestCount", "Sum", &[lb], 1).await, [None]);
    sleep(MINUTE).await;
    assert_eq!(stage.minutes("RequestCount", "Sum", &[lb], 2).await, [Some(4.0), None]);
    sleep(MINUTE).await;
    assert_eq!(stage.minutes("RequestCount", "Sum", &[lb], 3).await, [Some(8.0), None, None]);
}
