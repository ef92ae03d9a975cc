//! What load balancers publish every minute, under AWS's names and dimensions.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Ctx;
use super::metric::Metric;
use super::point::Point;
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
    for (metric, point) in points {
        ctx.region.cloudwatch.store.add(metric, "Count", minute, point, due);
    }
}
