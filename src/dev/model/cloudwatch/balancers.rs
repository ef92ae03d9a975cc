//! What load balancers publish every minute, under AWS's names and dimensions.
//!
//! A minute without requests has no points, except those of hosts. `RequestCountPerTarget` alone is there with the
//! value 0 for a group without requests while its load balancer has some for others: that is why a group of instances
//! that follows it shrinks when its traffic goes elsewhere. What the load balancer
//! itself answers (`HTTPCode_ELB_…`) is never told per target group, so a group without a healthy target shows as a 503
//! of its load balancer and as nothing else.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Ctx;
use super::metric::Metric;
use super::point::Point;
use super::store::Store;
use crate::dev::model::{BalancerSample, GroupSample, Hosts};
use crate::dev::plane::{BalancerCounts, GroupCounts};

/// The counts that were published before: since when they count is not in a snapshot, so neither are they.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Published {
    #[serde(skip)]
    balancers: BTreeMap<String, BalancerCounts>,
    #[serde(skip)]
    groups: BTreeMap<String, GroupCounts>,
}

/// Publishes what was counted in the minute that ends at `end`.
pub(super) fn publish(ctx: &mut Ctx<'_>, end: Timestamp) {
    let samples = ctx.region.elb.samples();
    let cloudwatch = &mut ctx.region.cloudwatch;
    let before = std::mem::take(&mut cloudwatch.published);
    for sample in samples {
        let mut paper = Paper {
            store: &mut cloudwatch.store,
            namespace: if sample.network { "AWS/NetworkELB" } else { "AWS/ApplicationELB" },
            balancer: &sample.name,
            end,
            delay: SignedDuration::try_from(ctx.cloud.timing.metrics).unwrap_or(SignedDuration::MAX),
        };
        let counts = sample.counts.since(&before.balancers.get(&sample.name).copied().unwrap_or_default());
        if sample.network {
            paper.flows(&sample, &counts);
        } else {
            paper.requests(&sample, &counts);
        }
        let mut answers = [0; 5];
        let (mut connection_errors, mut times) = (0, BTreeMap::new());
        let added: Vec<GroupCounts> = sample
            .groups
            .iter()
            .map(|group| group.counts.since(&before.groups.get(&group.name).copied().unwrap_or_default()))
            .collect();
        let busy = added.iter().any(|added| served(added) > 0);
        for (group, added) in sample.groups.iter().zip(&added) {
            paper.hosts(group);
            if !sample.network {
                paper.group(group, added, busy);
                answers.iter_mut().zip(added.target_answers).for_each(|(all, each)| *all += each);
                connection_errors += added.connection_errors;
                for (seconds, count) in added.response_times.values_s() {
                    *times.entry(seconds.to_bits()).or_insert(0) += count;
                }
            }
        }
        paper.targets(None, answers, connection_errors, times);
        cloudwatch.published.balancers.insert(sample.name, sample.counts);
        for group in sample.groups {
            cloudwatch.published.groups.insert(group.name, group.counts);
        }
    }
}

/// Where one load balancer's points are written.
struct Paper<'a> {
    store: &'a mut Store,
    namespace: &'static str,
    balancer: &'a str,
    end: Timestamp,
    delay: SignedDuration,
}

impl Paper<'_> {
    fn write(&mut self, name: &str, dimensions: &[(&str, &str)], unit: &str, points: [Point; 2]) {
        let mut metric = Metric::new(self.namespace, name, []);
        metric.dimensions = dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let minute = self.end - SignedDuration::from_mins(1);
        let [early, late] = points;
        // Every node reports by itself, one of them last: until then the newest minute is incomplete.
        self.store.add(metric.clone(), unit, minute, early, self.end + self.delay / 2);
        self.store.add(metric, unit, minute, late, self.end + self.delay);
    }

    /// Something that happened so often; nothing where it did not. Each is one sample of 1, as on AWS.
    fn count(&mut self, name: &str, dimensions: &[(&str, &str)], many: u64) {
        if many > 0 {
            self.write(name, dimensions, "Count", halves(many).map(|many| Point::counted([(1.0, many)])));
        }
    }

    /// One value of the whole load balancer or group.
    fn value(&mut self, name: &str, dimensions: &[(&str, &str)], unit: &str, value: f64) {
        self.write(name, dimensions, unit, [Point::default(), Point::of(value)]);
    }

    /// An Application Load Balancer.
    fn requests(&mut self, sample: &BalancerSample, counts: &BalancerCounts) {
        let balancer = self.balancer.to_owned();
        let of = [("LoadBalancer", balancer.as_str())];
        for (name, many) in [
            ("RequestCount", counts.requests),
            ("NewConnectionCount", counts.new_connections),
            ("ClientTLSNegotiationErrorCount", counts.client_tls_errors),
            ("HTTPCode_ELB_3XX_Count", counts.elb_3xx),
            ("HTTPCode_ELB_4XX_Count", counts.elb_4xx),
            ("HTTPCode_ELB_5XX_Count", counts.elb_5xx),
            ("HTTPCode_ELB_500_Count", counts.elb_500),
            ("HTTPCode_ELB_502_Count", counts.elb_502),
            ("HTTPCode_ELB_503_Count", counts.elb_503),
            ("HTTPCode_ELB_504_Count", counts.elb_504),
            ("HTTP_Redirect_Count", counts.redirects),
            ("HTTP_Fixed_Response_Count", counts.fixed_responses),
            ("RuleEvaluations", counts.rule_evaluations),
        ] {
            self.count(name, &of, many);
        }
        self.bytes(&of, counts.processed_bytes);
        let open = sample.counts.new_connections.saturating_sub(sample.counts.ended_connections);
        if open > 0 {
            self.value("ActiveConnectionCount", &of, "Count", number(open));
        }
    }

    /// A Network Load Balancer.
    fn flows(&mut self, sample: &BalancerSample, counts: &BalancerCounts) {
        let balancer = self.balancer.to_owned();
        let of = [("LoadBalancer", balancer.as_str())];
        for (name, many) in [
            ("NewFlowCount", counts.new_connections),
            ("NewFlowCount_TCP", counts.new_connections),
            ("TCP_Client_Reset_Count", counts.client_resets),
            ("TCP_Target_Reset_Count", counts.target_resets),
            ("TCP_ELB_Reset_Count", counts.elb_resets),
        ] {
            self.count(name, &of, many);
        }
        self.bytes(&of, counts.processed_bytes);
        let open = sample.counts.new_connections.saturating_sub(sample.counts.ended_connections);
        if open > 0 {
            self.value("ActiveFlowCount", &of, "Count", number(open));
        }
    }

    fn bytes(&mut self, of: &[(&str, &str)], bytes: u64) {
        if bytes > 0 {
            self.value("ProcessedBytes", of, "Bytes", number(bytes));
        }
    }

    /// Reported for as long as targets are registered, whether or not requests come.
    fn hosts(&mut self, group: &GroupSample) {
        let balancer = self.balancer.to_owned();
        let mut all = Hosts::default();
        for (zone, hosts) in &group.hosts {
            all.healthy += hosts.healthy;
            all.unhealthy += hosts.unhealthy;
            let of = [("AvailabilityZone", zone.as_str()), ("LoadBalancer", &balancer), ("TargetGroup", &group.name)];
            self.value("HealthyHostCount", &of, "Count", f64::from(hosts.healthy));
            self.value("UnHealthyHostCount", &of, "Count", f64::from(hosts.unhealthy));
        }
        if !group.hosts.is_empty() {
            let of = [("LoadBalancer", balancer.as_str()), ("TargetGroup", &group.name)];
            self.value("HealthyHostCount", &of, "Count", f64::from(all.healthy));
            self.value("UnHealthyHostCount", &of, "Count", f64::from(all.unhealthy));
        }
    }

    fn group(&mut self, group: &GroupSample, added: &GroupCounts, busy: bool) {
        let balancer = self.balancer.to_owned();
        let of = [("LoadBalancer", balancer.as_str()), ("TargetGroup", group.name.as_str())];
        let requests = served(added);
        self.count("RequestCount", &of, requests);
        self.count("UnhealthyRoutingRequestCount", &of, added.failed_open);
        let sum = |of: fn(&Hosts) -> u32| group.hosts.values().map(of).sum::<u32>();
        let (healthy, registered) = (sum(|hosts| hosts.healthy), sum(|hosts| hosts.registered));
        let among = if healthy > 0 { healthy } else { registered };
        if among > 0 && busy {
            let each = number(requests) / f64::from(among);
            self.value("RequestCountPerTarget", &of, "None", each);
            self.value("RequestCountPerTarget", &of[1..], "None", each);
        }
        let mut times = BTreeMap::new();
        for (seconds, count) in added.response_times.values_s() {
            times.insert(seconds.to_bits(), count);
        }
        self.targets(Some(&group.name), added.target_answers, added.connection_errors, times);
    }

    /// What targets answered: of one group, or of all groups of the load balancer. Times are by the bits of the
    /// seconds, which for positive numbers have the same order.
    fn targets(&mut self, group: Option<&str>, answers: [u64; 5], connection_errors: u64, times: BTreeMap<u64, u64>) {
        let balancer = self.balancer.to_owned();
        let mut of = vec![("LoadBalancer", balancer.as_str())];
        of.extend(group.map(|group| ("TargetGroup", group)));
        for (class, name) in [(1, "2XX"), (2, "3XX"), (3, "4XX"), (4, "5XX")] {
            self.count(&format!("HTTPCode_Target_{name}_Count"), &of, answers[class]);
        }
        self.count("TargetConnectionErrorCount", &of, connection_errors);
        let (mut early, mut late) = (Vec::new(), Vec::new());
        for (seconds, many) in times {
            let [first, second] = halves(many);
            early.push((f64::from_bits(seconds), first));
            late.push((f64::from_bits(seconds), second));
        }
        self.write("TargetResponseTime", &of, "Seconds", [Point::counted(early), Point::counted(late)]);
    }
}

/// Requests for which there was a target.
fn served(counts: &GroupCounts) -> u64 {
    counts.requests.saturating_sub(counts.untargeted)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a minute")]
fn number(many: u64) -> f64 {
    many as f64
}

fn halves(many: u64) -> [f64; 2] {
    [number(many / 2), number(many - many / 2)]
}
