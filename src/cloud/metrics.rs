//! What CloudWatch has counted for a target group, minute by minute, and up to when it has counted everything.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy, StatusCode};
use jiff::{SignedDuration, Timestamp};

use super::{Cloud, CloudError, Kind};
use crate::release::{BusyMinute, COUNTED_LATE, Color, Pins, Problem, RequestCount, SwitchPin};

const OPERATION: &str = "cloudwatch:GetMetricData";
/// CloudWatch's resolution for load balancers.
const PERIOD_S: i32 = 60;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// After this time a load balancer that tells nothing at all without requests is taken to have had none. AWS names no
/// time for its metrics; two minutes are usual.
const LATE_AT_MOST: SignedDuration = SignedDuration::from_mins(5);
/// How far ahead of this machine's clock points may be.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// A metric of a load balancer, alone or of one of its target groups.
struct Wanted {
    id: &'static str,
    name: &'static str,
    stat: &'static str,
    /// The target group's name in dimensions; `None`: the load balancer's own metric.
    group: Option<String>,
    /// Whether its values are requests of the color; otherwise its points only show up to when minutes were published.
    counts: bool,
}

/// The load balancer in the words of CloudWatch.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Balancer {
    namespace: &'static str,
    /// `app/name/id` or `net/name/id`.
    name: String,
}

impl Cloud {
    /// What was counted for the color's target group in the last `back`, by the clock that shows `now`.
    ///
    /// CloudWatch has points only for minutes with requests, so that no point may mean "none" or "not yet". They are
    /// told apart by what is there every minute: the counts of hosts of the same load balancer (`HealthyHostCount`).
    /// Behind a Network Load Balancer of the color's own, flows are counted, new and open ones; AWS does not count them
    /// by target group.
    ///
    /// # Errors
    /// Without an answer, without the permission, or where the target group is behind no load balancer.
    pub async fn requests(
        &self,
        pins: &Pins,
        color: &Color,
        now: Timestamp,
        back: SignedDuration,
    ) -> Result<RequestCount, CloudError> {
        let balancer = self.balancer_of(pins, color).await?;
        let wanted = wanted(pins, color, &balancer)?;
        let from = minute_of(now - back);
        // On the heap: it would make the future of every look as large as the largest of the SDK.
        let series = Box::pin(self.series(&balancer, &wanted, from, minute_of(now) + AHEAD)).await?;
        Ok(judge(&wanted, &series, from, now))
    }

    /// Whether CloudWatch may be asked at all.
    ///
    /// # Errors
    /// Where the caller's policies do not allow it. That it does not answer now says nothing about later.
    pub async fn may_count_requests(&self, pins: &Pins, now: Timestamp) -> Result<(), CloudError> {
        let Some(color) = pins.groups.keys().next() else { return Ok(()) };
        match self.requests(pins, color, now, MINUTE).await {
            Err(error) if error.kind == Kind::Denied => Err(error),
            Err(error) => {
                tracing::warn!(%error, "CloudWatch does not count requests now");
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// The load balancer that the color's target group is behind. The ARN of a listener or rule has it; for records
    /// it is asked for once.
    async fn balancer_of(&self, pins: &Pins, color: &Color) -> Result<Balancer, CloudError> {
        let arn = match &pins.route {
            SwitchPin::Rule { rule: arn, .. } | SwitchPin::DefaultAction { listener: arn, .. } => arn.clone(),
            SwitchPin::Records(_) => Box::pin(self.behind(&group_arn(pins, color)?)).await?,
        };
        balancer(&arn).ok_or_else(|| {
            let problem = Problem::new(
                format!("{arn} names no load balancer whose requests CloudWatch counts"),
                "an application or network load balancer",
                "aws elbv2 describe-load-balancers",
            );
            CloudError::refused(OPERATION, problem)
        })
    }

    async fn behind(&self, group: &str) -> Result<String, CloudError> {
        const OPERATION: &str = "elbv2:DescribeTargetGroups";
        if let Some(known) = self.behind.lock().unwrap_or_else(PoisonError::into_inner).get(group) {
            return Ok(known.clone());
        }
        let answer = self.elb.describe_target_groups().target_group_arns(group).send().await;
        let answer = answer.map_err(|e| CloudError::read(OPERATION, e))?;
        let Some(found) = answer.target_groups().iter().flat_map(|g| g.load_balancer_arns()).next() else {
            let problem = Problem::new(
                format!("the target group {group} is behind no load balancer, which alone counts its requests"),
                "a listener that forwards to it",
                self.aws(&["elbv2", "describe-target-groups", "--target-group-arns", group]),
            );
            return Err(CloudError::refused(OPERATION, problem));
        };
        self.behind.lock().unwrap_or_else(PoisonError::into_inner).insert(group.to_owned(), found.clone());
        Ok(found.clone())
    }

    /// The points of every metric, by the minute they are of.
    async fn series(
        &self,
        balancer: &Balancer,
        wanted: &[Wanted],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<BTreeMap<String, BTreeMap<Timestamp, f64>>, CloudError> {
        let queries = wanted.iter().map(|w| query(balancer, w)).collect();
        let mut pages = self
            .cloudwatch
            .get_metric_data()
            .set_metric_data_queries(Some(queries))
            .start_time(DateTime::from_secs(from.as_second()))
            .end_time(DateTime::from_secs(to.as_second()))
            .scan_by(ScanBy::TimestampAscending)
            .into_paginator()
            .send();
        let mut series = BTreeMap::<String, BTreeMap<Timestamp, f64>>::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| CloudError::read(OPERATION, e))?;
            let last = page.next_token().is_none();
            for result in page.metric_data_results() {
                complete(result, last)?;
                let points = series.entry(result.id().unwrap_or_default().to_owned()).or_default();
                points.extend(
                    result
                        .timestamps()
                        .iter()
                        .zip(result.values())
                        .filter_map(|(at, value)| Some((Timestamp::from_second(at.secs()).ok()?, *value))),
                );
            }
        }
        for w in wanted {
            if !series.contains_key(w.id) {
                return Err(CloudError::incomplete(OPERATION, w.name));
            }
        }
        Ok(series)
    }
}

/// A result that lacks points must not look like minutes without requests.
fn complete(result: &MetricDataResult, last: bool) -> Result<(), CloudError> {
    let told = |what: &str| {
        let messages: Vec<_> = result.messages().iter().filter_map(|m| m.value()).collect();
        format!("{what} {}", messages.join("; ")).trim_end().to_owned()
    };
    match result.status_code() {
        Some(StatusCode::Complete) => Ok(()),
        Some(StatusCode::PartialData) if !last => Ok(()),
        Some(StatusCode::Forbidden) => Err(CloudError::denied(OPERATION, told("the points of a metric are forbidden"))),
        Some(StatusCode::InternalError) => Err(CloudError::no_answer(OPERATION, told("an error inside of CloudWatch"))),
        Some(StatusCode::PartialData) | Some(_) | None => {
            Err(CloudError::no_answer(OPERATION, told("CloudWatch answered in part")))
        }
    }
}

fn query(balancer: &Balancer, wanted: &Wanted) -> MetricDataQuery {
    let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
    let group = wanted.group.as_deref().map(|group| dimension("TargetGroup", group));
    let dimensions = std::iter::once(dimension("LoadBalancer", &balancer.name)).chain(group).collect();
    let metric = Metric::builder()
        .namespace(balancer.namespace)
        .metric_name(wanted.name)
        .set_dimensions(Some(dimensions))
        .build();
    let stat = MetricStat::builder().metric(metric).period(PERIOD_S).stat(wanted.stat).build();
    MetricDataQuery::builder().id(wanted.id).metric_stat(stat).build()
}

/// What is asked for: the color's requests, and what shows that its load balancer publishes.
fn wanted(pins: &Pins, color: &Color, balancer: &Balancer) -> Result<Vec<Wanted>, CloudError> {
    let own = group_name(&group_arn(pins, color)?);
    let shared = !matches!(pins.route, SwitchPin::Records(_));
    let other = pins.other(color).filter(|_| shared).map(|other| group_arn(pins, other)).transpose()?;
    let hosts = |id, group| Wanted { id, name: HOSTS, stat: "Minimum", group, counts: false };
    let mut wanted = vec![hosts("hosts", own.clone())];
    if let Some(other) = other {
        wanted.push(hosts("other_hosts", group_name(&other)));
    }
    if balancer.namespace == NETWORK {
        if shared {
            let problem = Problem::new(
                format!("AWS does not count the flows of {} by target group", balancer.name),
                "`no-requests: 0s` under `release.converge`: CloudWatch cannot tell the colors of this switch apart",
                "aws elbv2 describe-load-balancers",
            );
            return Err(CloudError::refused(OPERATION, problem));
        }
        wanted.push(Wanted { id: "new", name: "NewFlowCount", stat: "Sum", group: None, counts: true });
        wanted.push(Wanted { id: "open", name: "ActiveFlowCount", stat: "Maximum", group: None, counts: true });
    } else {
        wanted.push(Wanted { id: "requests", name: "RequestCount", stat: "Sum", group: own, counts: true });
        wanted.push(Wanted { id: "all", name: "RequestCount", stat: "Sum", group: None, counts: false });
    }
    Ok(wanted)
}

const HOSTS: &str = "HealthyHostCount";
const APPLICATION: &str = "AWS/ApplicationELB";
const NETWORK: &str = "AWS/NetworkELB";

fn group_arn(pins: &Pins, color: &Color) -> Result<String, CloudError> {
    super::targets::group(OPERATION, pins, color).map(|group| group.arn.clone())
}

/// `targetgroup/name/id`, as dimensions have it: the end of the ARN.
fn group_name(arn: &str) -> Option<String> {
    arn.rsplit(':').next().map(str::to_owned)
}

/// The load balancer in its own ARN, or in that of one of its listeners or rules.
fn balancer(arn: &str) -> Option<Balancer> {
    let resource = arn.rsplit(':').next()?;
    let mut parts = resource.split('/').skip(1);
    let (kind, name, id) = (parts.next()?, parts.next()?, parts.next()?);
    let namespace = match kind {
        "app" => APPLICATION,
        "net" => NETWORK,
        _ => return None,
    };
    Some(Balancer { namespace, name: format!("{kind}/{name}/{id}") })
}

fn minute_of(moment: Timestamp) -> Timestamp {
    // A moment's minute begins at most a minute before it.
    Timestamp::from_second(moment.as_second().div_euclid(60) * 60).unwrap_or(moment)
}

/// The newest minute with requests, and up to when all minutes are known.
fn judge(
    wanted: &[Wanted],
    series: &BTreeMap<String, BTreeMap<Timestamp, f64>>,
    from: Timestamp,
    now: Timestamp,
) -> RequestCount {
    let points = |of: &Wanted| series.get(of.id).into_iter().flatten().map(|(at, value)| (*at, *value));
    let mut busy = BTreeMap::<Timestamp, f64>::new();
    for (at, value) in wanted.iter().filter(|w| w.counts).flat_map(points).filter(|(_, value)| *value > 0.0) {
        *busy.entry(at).or_default() += value;
    }
    let told = |is_hosts: bool| {
        let of = wanted.iter().filter(move |w| (w.name == HOSTS) == is_hosts);
        // A minute that has begun to be told is complete when every node has reported.
        of.flat_map(points).map(|(at, _)| at + MINUTE).max().map(|end| end.min(minute_of(now - COUNTED_LATE)))
    };
    // Hosts are counted every minute, with and without requests: a minute that lacks them is one not told yet. Where
    // they are not counted at all, requests of others show what was told, or else there is only time to wait for.
    let through = told(true).unwrap_or_else(|| told(false).unwrap_or(from).max(minute_of(now - LATE_AT_MOST)));
    RequestCount::Counted {
        from,
        through,
        last: busy.last_key_value().map(|(at, count)| BusyMinute { end: *at + MINUTE, count: whole(*count) }),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of a minute, never negative")]
fn whole(count: f64) -> u64 {
    count.ceil() as u64
}

#[cfg(test)]
mod tests;
