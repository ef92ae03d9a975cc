//! Points to counts: what is zero, what is late, and what the names in dimensions are.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

const ALB: &str =
    "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2/9683";

fn metrics() -> Vec<Wanted> {
    let group = || Some("targetgroup/blue/1".to_owned());
    vec![
        Wanted { id: "hosts", name: "HealthyHostCount", stat: "Minimum", group: group(), counts: false },
        Wanted { id: "requests", name: "RequestCount", stat: "Sum", group: group(), counts: true },
        Wanted { id: "all", name: "RequestCount", stat: "Sum", group: None, counts: false },
    ]
}

/// What is made of points at these minutes, looked at from minute 0 on at second `now`.
fn judged(hosts: &[i64], requests: &[(i64, f64)], all: &[i64], now: i64) -> (i64, Option<(i64, u64)>) {
    let points = |minutes: &[i64]| minutes.iter().map(|m| (at(m * 60), 2.0)).collect();
    let series = BTreeMap::from([
        ("hosts".to_owned(), points(hosts)),
        ("requests".to_owned(), requests.iter().map(|(m, value)| (at(m * 60), *value)).collect()),
        ("all".to_owned(), points(all)),
    ]);
    let RequestCount::Counted { from, through, last } = judge(&metrics(), &series, at(0), at(now)) else { panic!() };
    assert_eq!(from, at(0));
    let minutes = |t: Timestamp| (t.as_second() - at(0).as_second()) / 60;
    (minutes(through), last.map(|busy| (minutes(busy.end), busy.count)))
}

#[test]
fn a_minute_is_counted_two_minutes_after_its_end_where_the_load_balancer_has_told_it() {
    let hosts: Vec<i64> = (0..10).collect();
    assert_eq!(judged(&hosts, &[(3, 7.0)], &[], 10 * 60), (8, Some((4, 7))));
    assert_eq!(judged(&hosts, &[(3, 7.0)], &[], 10 * 60 + 59), (8, Some((4, 7))));
    assert_eq!(judged(&hosts, &[], &[], 10 * 60), (8, None));
}

#[test]
fn a_minute_that_nothing_was_told_of_is_late_and_not_zero() {
    let hosts: Vec<i64> = (0..5).collect();
    assert_eq!(judged(&hosts, &[], &[], 60 * 60), (5, None), "whatever time passes");
    assert_eq!(judged(&hosts, &[], &[5, 6], 60 * 60), (5, None), "one node may have told its part, and others not");
}

#[test]
fn a_request_in_a_minute_that_is_not_complete_yet_counts_all_the_same() {
    let hosts: Vec<i64> = (0..9).collect();
    assert_eq!(judged(&hosts, &[(9, 1.0)], &[], 10 * 60), (8, Some((10, 1))));
}

#[test]
fn a_point_of_zero_is_no_request() {
    let hosts: Vec<i64> = (0..10).collect();
    assert_eq!(judged(&hosts, &[(9, 0.0)], &[], 12 * 60), (10, None));
    assert_eq!(judged(&hosts, &[(9, 0.2)], &[], 12 * 60), (10, Some((10, 1))), "an average of flows is rounded up");
}

#[test]
fn a_load_balancer_that_tells_nothing_without_requests_is_given_five_minutes() {
    assert_eq!(judged(&[], &[], &[], 10 * 60), (5, None));
    assert_eq!(judged(&[], &[(1, 3.0)], &[1], 10 * 60), (5, Some((2, 3))));
    assert_eq!(judged(&[], &[], &[7], 10 * 60), (8, None), "its own requests tell sooner");
}

#[test]
fn a_load_balancer_is_named_in_the_arn_of_its_listener_its_rule_and_its_own() {
    let shop = Balancer { namespace: APPLICATION, name: "app/shop/50dc6c495c0c9188".into() };
    assert_eq!(balancer(ALB), Some(shop.clone()));
    assert_eq!(balancer("arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/shop/50dc6c495c0c9188/f2"), Some(shop));
    let network = Balancer { namespace: NETWORK, name: "net/app/5".into() };
    assert_eq!(balancer("arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/net/app/5"), Some(network));
    assert_eq!(balancer("arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/gwy/shop/5"), None);
    assert_eq!(
        group_name("arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/blue/1").unwrap(),
        "targetgroup/blue/1"
    );
}

#[test]
fn a_result_that_lacks_points_is_no_answer() {
    let result = |status: StatusCode| MetricDataResult::builder().status_code(status).build();
    assert!(complete(&result(StatusCode::Complete), true).is_ok());
    assert!(complete(&result(StatusCode::PartialData), false).is_ok(), "the rest is on the next page");
    assert!(complete(&result(StatusCode::PartialData), true).unwrap_err().transient());
    assert!(complete(&result(StatusCode::InternalError), false).unwrap_err().transient());
    let denied = complete(&result(StatusCode::Forbidden), true).unwrap_err();
    assert!(denied.to_string().contains("cloudwatch:GetMetricData"), "{denied}");
}
