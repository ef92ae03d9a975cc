//! CloudWatch as the Rust SDK speaks to it: CBOR.

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::error::ProvideErrorMetadata;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    ComparisonOperator, Dimension, Metric, MetricDataQuery, MetricDatum, MetricStat, StandardUnit, StateValue,
    Statistic, StatisticSet,
};
use switchback::dev::{DevCloud, DevOptions};

struct Rig {
    // Ends the endpoint when it is dropped.
    _cloud: DevCloud,
    client: aws_sdk_cloudwatch::Client,
    /// The start of this minute.
    minute: i64,
}

async fn rig(options: DevOptions) -> Rig {
    let cloud = DevCloud::start(options).await.unwrap();
    let client = aws_sdk_cloudwatch::Client::new(&cloud.sdk_config("eu-west-1"));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    Rig { _cloud: cloud, client, minute: i64::try_from(now / 60 * 60).unwrap() }
}

fn color(value: &str) -> Dimension {
    Dimension::builder().name("Color").value(value).build()
}

fn datum(name: &str) -> aws_sdk_cloudwatch::types::builders::MetricDatumBuilder {
    MetricDatum::builder().metric_name(name).dimensions(color("blue"))
}

fn query(id: &str, name: &str, stat: &str, period: i32) -> MetricDataQuery {
    let metric = Metric::builder().namespace("Shop").metric_name(name).dimensions(color("blue")).build();
    let stat = MetricStat::builder().metric(metric).stat(stat).period(period).build();
    MetricDataQuery::builder().id(id).metric_stat(stat).build()
}

fn math(id: &str, expression: &str) -> MetricDataQuery {
    MetricDataQuery::builder().id(id).expression(expression).build()
}

impl Rig {
    /// A moment so many minutes before this one.
    fn ago(&self, minutes: i64) -> DateTime {
        DateTime::from_secs(self.minute - 60 * minutes)
    }

    async fn put(&self, data: Vec<MetricDatum>) {
        self.client.put_metric_data().namespace("Shop").set_metric_data(Some(data)).send().await.unwrap();
    }

    /// Values of each query over the last ten minutes, oldest first.
    async fn values(&self, queries: Vec<MetricDataQuery>) -> Vec<Vec<f64>> {
        let get = self.client.get_metric_data().set_metric_data_queries(Some(queries));
        let get = get.start_time(self.ago(10)).end_time(DateTime::from_secs(self.minute + 60));
        let found = get.scan_by("TimestampAscending".into()).send().await.unwrap();
        assert_eq!(found.next_token(), None);
        found.metric_data_results().iter().map(|result| result.values().to_vec()).collect()
    }
}

#[tokio::test]
async fn what_was_put_is_read_by_statistic_period_and_expression() {
    let rig = rig(DevOptions::default()).await;
    let values = (1..=100).map(f64::from).collect();
    rig.put(vec![
        datum("Latency").timestamp(rig.ago(4)).set_values(Some(values)).unit(StandardUnit::Milliseconds).build(),
        datum("Requests").timestamp(rig.ago(4)).value(8.0).build(),
        datum("Requests").timestamp(rig.ago(3)).value(2.0).build(),
        datum("Requests").timestamp(rig.ago(3)).value(4.0).build(),
        datum("Errors").timestamp(rig.ago(3)).value(3.0).build(),
        datum("Set")
            .timestamp(rig.ago(2))
            .statistic_values(StatisticSet::builder().sample_count(4.0).sum(10.0).minimum(1.0).maximum(5.0).build())
            .build(),
    ])
    .await;
    let read = rig
        .values(vec![
            query("p99", "Latency", "p99", 60),
            query("average", "Latency", "Average", 60),
            query("requests", "Requests", "Sum", 60),
            query("most", "Requests", "Maximum", 300),
            query("errors", "Errors", "Sum", 60),
            query("set", "Set", "Average", 60),
            query("unknown", "Nothing", "Sum", 60),
            math("rate", "100 * FILL(errors, 0) / requests"),
            math("both", "errors / requests"),
            math("busy", "IF(requests > 7, requests)"),
        ])
        .await;
    assert_eq!(read[0], [99.0]);
    assert_eq!(read[1], [50.5]);
    assert_eq!(read[2], [8.0, 6.0], "no point for a minute without samples");
    assert_eq!(read[3].iter().copied().fold(0.0, f64::max), 8.0);
    assert_eq!(read[5], [2.5]);
    assert_eq!(read[6], Vec::<f64>::new());
    assert_eq!(read[7], [0.0, 50.0]);
    assert_eq!(read[8], [0.5], "where one side is missing there is no point");
    assert_eq!(read[9], [8.0]);

    let statistics =
        rig.client.get_metric_statistics().namespace("Shop").metric_name("Latency").dimensions(color("blue"));
    let statistics = statistics.start_time(rig.ago(10)).end_time(rig.ago(0)).period(60);
    let found = statistics.statistics(Statistic::Sum).statistics(Statistic::Minimum).send().await.unwrap();
    let [point] = found.datapoints() else { panic!("{found:?}") };
    assert_eq!((point.sum(), point.minimum(), point.maximum()), (Some(5050.0), Some(1.0), None));
    assert_eq!((point.timestamp(), point.unit()), (Some(&rig.ago(4)), Some(&StandardUnit::Milliseconds)));
    let extended =
        rig.client.get_metric_statistics().namespace("Shop").metric_name("Latency").dimensions(color("blue"));
    let extended = extended.start_time(rig.ago(10)).end_time(rig.ago(0)).period(60);
    let found = extended.extended_statistics("p50").extended_statistics("p99.9").send().await.unwrap();
    let told = found.datapoints()[0].extended_statistics().unwrap();
    assert_eq!((told["p50"], told["p99.9"]), (50.0, 100.0));

    let listed = rig
        .client
        .list_metrics()
        .namespace("Shop")
        .dimensions(aws_sdk_cloudwatch::types::DimensionFilter::builder().name("Color").value("blue").build());
    let listed = listed.send().await.unwrap();
    let names: Vec<_> = listed.metrics().iter().filter_map(Metric::metric_name).collect();
    assert_eq!(names, ["Errors", "Latency", "Requests", "Set"]);
    let elsewhere = rig.client.list_metrics().namespace("Other").send().await.unwrap();
    assert!(elsewhere.metrics().is_empty());
}

#[tokio::test]
async fn long_answers_come_in_pages_and_the_end_is_exclusive() {
    let rig = rig(DevOptions::default()).await;
    let data = (1..=8).map(|minute| {
        datum("Requests").timestamp(rig.ago(minute)).value(f64::from(u8::try_from(minute).unwrap())).build()
    });
    rig.put(data.collect()).await;
    let (mut token, mut seen, mut pages) = (None, Vec::new(), 0);
    loop {
        let get = rig.client.get_metric_data().metric_data_queries(query("a", "Requests", "Sum", 60));
        let get = get.metric_data_queries(query("b", "Requests", "Maximum", 60)).max_datapoints(3);
        let page = get.start_time(rig.ago(8)).end_time(rig.ago(2)).set_next_token(token).send().await.unwrap();
        for result in page.metric_data_results() {
            seen.extend(result.values().iter().map(|value| (result.id().unwrap().to_owned(), *value)));
        }
        pages += 1;
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    let expected: Vec<_> = ["a", "b"].iter().flat_map(|id| (3..=8).map(|v| ((*id).to_owned(), f64::from(v)))).collect();
    assert_eq!((seen, pages), (expected, 4), "newest first, the minute of the end left out");
    let get = rig.client.get_metric_data().metric_data_queries(query("a", "Requests", "Sum", 60));
    let wrong = get.start_time(rig.ago(8)).end_time(rig.ago(2)).next_token("3.abc").send().await.unwrap_err();
    assert_eq!(wrong.code(), Some("InvalidNextToken"));
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_the_codes_of_aws() {
    let rig = rig(DevOptions::default()).await;
    let put = |namespace: &str, datum: MetricDatum| {
        rig.client.put_metric_data().namespace(namespace).metric_data(datum).send()
    };
    let error = put("AWS/ApplicationELB", datum("RequestCount").value(1.0).build()).await.unwrap_err();
    assert!(error.as_service_error().unwrap().is_invalid_parameter_value_exception(), "{error:?}");
    let error = put("Shop", datum("a").build()).await.unwrap_err();
    assert!(error.as_service_error().unwrap().is_missing_required_parameter_exception(), "{error:?}");
    let both = datum("a").value(1.0).values(2.0).build();
    let error = put("Shop", both).await.unwrap_err();
    assert!(error.as_service_error().unwrap().is_invalid_parameter_combination_exception(), "{error:?}");
    let old = datum("a").value(1.0).timestamp(rig.ago(15 * 24 * 60)).build();
    assert_eq!(put("Shop", old).await.unwrap_err().code(), Some("InvalidParameterValue"));

    let get = rig.client.get_metric_statistics().namespace("Shop").metric_name("a").statistics(Statistic::Sum);
    let error = get.start_time(rig.ago(2 * 1440)).end_time(rig.ago(0)).period(60).send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterCombination"));
    assert!(error.message().unwrap().contains("up to 2,880 datapoints"), "{error:?}");

    let get =
        |query| rig.client.get_metric_data().metric_data_queries(query).start_time(rig.ago(5)).end_time(rig.ago(0));
    let error = get(math("e", "SEARCH('{Shop}', 'Sum', 60)")).send().await.unwrap_err();
    assert_eq!(error.code(), Some("ValidationError"));
    assert!(error.message().unwrap().contains("SEARCH"), "{error:?}");
    let error = get(math("e", "e + 1")).send().await.unwrap_err();
    assert!(error.message().unwrap().contains("itself"), "{error:?}");
    let error = get(query("a", "b", "tm90", 60)).send().await.unwrap_err();
    assert!(error.message().unwrap().contains("tm90"), "{error:?}");

    let dashboards = rig.client.list_dashboards().send().await.unwrap_err();
    assert!(dashboards.message().unwrap().contains("ListDashboards"), "{dashboards:?}");
}

#[tokio::test]
async fn a_late_cloud_shows_points_later_and_lists_metrics_later_still() {
    let late = DevOptions {
        metrics_delay: Duration::from_secs(3600),
        metrics_listing_delay: Duration::from_secs(60),
        ..DevOptions::default()
    };
    let rig = rig(late).await;
    rig.put(vec![datum("Requests").timestamp(rig.ago(1)).value(1.0).build()]).await;
    assert_eq!(rig.values(vec![query("a", "Requests", "Sum", 60)]).await, [Vec::<f64>::new()]);
    assert!(rig.client.list_metrics().send().await.unwrap().metrics().is_empty());
}

#[tokio::test]
async fn an_alarm_is_put_described_set_and_deleted() {
    let rig = rig(DevOptions::default()).await;
    let put = || {
        let put = rig.client.put_metric_alarm().alarm_name("errors").namespace("Shop").metric_name("Errors");
        let put = put.dimensions(color("blue")).statistic(Statistic::Sum).period(60).evaluation_periods(3);
        put.datapoints_to_alarm(2).threshold(5.0).comparison_operator(ComparisonOperator::GreaterThanThreshold)
    };
    put().send().await.unwrap();
    let described = || async {
        rig.client.describe_alarms().alarm_names("errors").send().await.unwrap().metric_alarms()[0].clone()
    };
    let alarm = described().await;
    assert_eq!(alarm.alarm_arn(), Some("arn:aws:cloudwatch:eu-west-1:000000000000:alarm:errors"));
    assert_eq!((alarm.state_value(), alarm.threshold()), (Some(&StateValue::InsufficientData), Some(5.0)));
    assert_eq!(alarm.dimensions(), [color("blue")]);

    let set = rig.client.set_alarm_state().alarm_name("errors").state_value(StateValue::Alarm).state_reason("a test");
    set.send().await.unwrap();
    put().alarm_description("now with words").send().await.unwrap();
    let alarm = described().await;
    assert_eq!((alarm.state_value(), alarm.alarm_description()), (Some(&StateValue::Alarm), Some("now with words")));
    let for_metric =
        rig.client.describe_alarms_for_metric().namespace("Shop").metric_name("Errors").dimensions(color("blue"));
    assert_eq!(for_metric.send().await.unwrap().metric_alarms().len(), 1);

    let history = rig.client.describe_alarm_history().alarm_name("errors").send().await.unwrap();
    let summaries: Vec<_> = history.alarm_history_items().iter().filter_map(|item| item.history_summary()).collect();
    assert_eq!(
        summaries,
        ["Alarm \"errors\" updated", "Alarm updated from INSUFFICIENT_DATA to ALARM", "Alarm \"errors\" created"]
    );

    let unknown = rig.client.delete_alarms().alarm_names("errors").alarm_names("nobody").send().await.unwrap_err();
    assert!(unknown.as_service_error().unwrap().is_resource_not_found(), "{unknown:?}");
    assert_eq!(rig.client.describe_alarms().send().await.unwrap().metric_alarms().len(), 1, "all of them or none");
    rig.client.delete_alarms().alarm_names("errors").send().await.unwrap();
    assert!(rig.client.describe_alarms().send().await.unwrap().metric_alarms().is_empty());
    let error = put().treat_missing_data("sometimes").send().await.unwrap_err();
    assert!(error.message().unwrap().contains("notBreaching"), "{error:?}");
    let error = put().alarm_actions("arn:aws:automate:eu-west-1:ec2:reboot").send().await.unwrap_err();
    assert!(error.message().unwrap().contains("automate"), "{error:?}");
    let error = put().period(3600 * 24).evaluation_periods(8).send().await.unwrap_err();
    assert!(error.message().unwrap().contains("7 days"), "{error:?}");
}
