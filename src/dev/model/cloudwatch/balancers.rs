//! What load balancers publish every minute, under AWS's names and dimensions.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Ctx;
use super::metric::Metric;
use super::point::Point;
use crate::dev::model::elb::Sample;
use crate::dev::plane::GroupCounts;

/// The counts that were already published, by target group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Published {
    #[serde(skip)]
    groups: BTreeMap<String, GroupCounts>,
}

/// Publishes what was counted in the minute that ends at `end`.
pub(super) fn publish(ctx: &mut Ctx<'_>, end: Timestamp) {
    let minute = end - SignedDuration::from_mins(1);
    let due = end + ctx.cloud.timing.metrics;
    let mut before = std::mem::take(&mut ctx.region.cloudwatch.published.groups);
    let mut points = Vec::new();
    let mut shares = Shares::default();
    for (arn, sample) in ctx.region.elb.samples() {
        let Some((_, group)) = arn.split_once(":targetgroup/") else { continue };
        let group = format!("targetgroup/{group}");
        let of = |name: &str| {
            Metric::new("AWS/ApplicationELB", name, [("LoadBalancer", &*sample.balancer), ("TargetGroup", &*group)])
        };
        let earlier = before.remove(&arn).unwrap_or_default();
        let counts = sample.counts;
        let mut count = |name: &str, now: u64, then: u64| {
            #[expect(clippy::cast_precision_loss, reason = "requests of a minute")]
            let added = now.saturating_sub(then) as f64;
            points.push((of(name), Point::counted([(1.0, added)])));
        };
        count("RequestCount", counts.requests, earlier.requests);
        let served = |counts: &GroupCounts| counts.requests.saturating_sub(counts.untargeted);
        let requests = served(&counts).saturating_sub(served(&earlier));
        shares.add(&sample, of("RequestCountPerTarget"), requests);
        for (class, name) in ["2XX", "3XX", "4XX", "5XX"].into_iter().enumerate() {
            let (now, then) = (counts.target_answers[class + 1], earlier.target_answers[class + 1]);
            count(&format!("HTTPCode_Target_{name}_Count"), now, then);
        }
        count("UnhealthyRoutingRequestCount", counts.failed_open, earlier.failed_open);
        for (name, hosts) in [("HealthyHostCount", sample.healthy), ("UnHealthyHostCount", sample.unhealthy)] {
            points.push((of(name), Point::of(f64::from(hosts))));
        }
        ctx.region.cloudwatch.published.groups.insert(arn, counts);
    }
    for (metric, point) in points.into_iter().chain(shares.points()) {
        ctx.region.cloudwatch.store.add(metric, "Count", minute, point, due);
    }
}

/// `RequestCountPerTarget`: alone among the metrics it is there with the value 0 while its load balancer has requests
/// for others. That is why a group of instances that follows it shrinks when its traffic goes elsewhere.
#[derive(Debug, Default)]
struct Shares {
    /// Requests by load balancer.
    totals: BTreeMap<String, u64>,
    /// Load balancer, metric, requests and targets of each target group.
    groups: Vec<(String, Metric, u64, u32)>,
}

impl Shares {
    fn add(&mut self, sample: &Sample, metric: Metric, requests: u64) {
        *self.totals.entry(sample.balancer.clone()).or_default() += requests;
        // Where none is healthy, all targets count.
        let targets = if sample.healthy > 0 { sample.healthy } else { sample.unhealthy };
        self.groups.push((sample.balancer.clone(), metric, requests, targets));
    }

    fn points(self) -> impl Iterator<Item = (Metric, Point)> {
        let Self { totals, groups } = self;
        let busy = move |balancer: &String| totals.get(balancer).is_some_and(|total| *total > 0);
        let told = groups.into_iter().filter(move |(balancer, _, _, targets)| *targets > 0 && busy(balancer));
        told.flat_map(|(_, metric, requests, targets)| {
            #[expect(clippy::cast_precision_loss, reason = "requests of a minute")]
            let share = requests as f64 / f64::from(targets);
            let mut of_group = metric.clone();
            of_group.dimensions.remove("LoadBalancer");
            [(metric, Point::of(share)), (of_group, Point::of(share))]
        })
    }
}
