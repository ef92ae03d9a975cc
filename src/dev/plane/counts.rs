//! What load balancers and target groups count, for the metrics that are published from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Defines a struct of plain counts, its atomic twin, and how to read one from the other.
macro_rules! counts {
    ($(#[$doc:meta])* $plain:ident, $atomic:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $plain {
            $($(#[$field_doc])* pub $field: u64,)*
        }

        #[derive(Debug, Default)]
        pub(super) struct $atomic {
            $(pub(super) $field: Counter,)*
        }

        impl $atomic {
            pub(super) fn read(&self) -> $plain {
                $plain { $($field: self.$field.get(),)* }
            }
        }

        impl $plain {
            /// What has been added since `earlier`.
            pub fn since(&self, earlier: &Self) -> Self {
                Self { $($field: self.$field.saturating_sub(earlier.$field),)* }
            }
        }
    };
}

counts! {
    /// What a load balancer has seen since it was made. All of them only go up; the name of CloudWatch's metric is
    /// given where it is another one.
    BalancerCounts, BalancerCounters {
        /// `RequestCount`: requests for which a target could be chosen.
        requests,
        /// `NewConnectionCount` (of clients and to targets); for a network load balancer `NewFlowCount`.
        new_connections,
        /// Connections and flows that have ended. Those that are open now are `new_connections` less these:
        /// `ActiveConnectionCount`, `ActiveFlowCount`.
        ended_connections,
        /// `ProcessedBytes`: heads and bodies of requests and answers; for flows, everything in both directions.
        processed_bytes,
        /// `ClientTLSNegotiationErrorCount`.
        client_tls_errors,
        /// `HTTPCode_ELB_3XX_Count`: redirects that the load balancer itself answered with.
        elb_3xx,
        /// `HTTPCode_ELB_4XX_Count`.
        elb_4xx,
        /// `HTTPCode_ELB_5XX_Count`: with those that are also counted one by one.
        elb_5xx,
        /// `HTTPCode_ELB_500_Count`.
        elb_500,
        /// `HTTPCode_ELB_502_Count`.
        elb_502,
        /// `HTTPCode_ELB_503_Count`.
        elb_503,
        /// `HTTPCode_ELB_504_Count`.
        elb_504,
        /// `HTTP_Redirect_Count`: redirect actions that succeeded.
        redirects,
        /// `HTTP_Fixed_Response_Count`: fixed-response actions.
        fixed_responses,
        /// `RuleEvaluations`: rules that were looked at; the default rule is not counted.
        rule_evaluations,
        /// `GrpcRequestCount`.
        grpc_requests,
        /// Flows that the client reset: `TCP_Client_Reset_Count`.
        client_resets,
        /// Flows that the target reset: `TCP_Target_Reset_Count`.
        target_resets,
        /// Flows that the load balancer reset: `TCP_ELB_Reset_Count`.
        elb_resets,
    }
}

counts! {
    /// What a group has seen since it was made. Rates and shares are the reader's business.
    FlatGroupCounts, GroupCounters {
        /// Requests (flows) that a rule sent to this group, answered or not. CloudWatch's `RequestCount` and
        /// `RequestCountPerTarget` are without `untargeted`.
        requests,
        /// Those of them for which there was no target: 503.
        untargeted,
        /// Answers that the load balancer had to make up: no target (503), reset (502), too late (504).
        made_up,
        /// Requests that were sent although too few targets were healthy: `UnhealthyRoutingRequestCount`.
        failed_open,
        /// Connections to targets that could not be made: `TargetConnectionErrorCount`.
        connection_errors,
        /// Bytes that passed: `ProcessedBytes` of a network load balancer's group.
        processed_bytes,
        /// Connections that were made to targets: `NewConnectionCount` counts these too.
        new_connections,
    }
}

/// What a group has seen since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupCounts {
    /// The simple counts.
    pub flat: FlatGroupCounts,
    /// Answers that came from a target, by the first digit of the status: `[1xx, 2xx, 3xx, 4xx, 5xx]`
    /// (`HTTPCode_Target_2XX_Count` and so on).
    pub target_answers: [u64; 5],
    /// `TargetResponseTime`.
    pub response_times: ResponseTimes,
}

impl std::ops::Deref for GroupCounts {
    type Target = FlatGroupCounts;

    fn deref(&self) -> &FlatGroupCounts {
        &self.flat
    }
}

impl GroupCounts {
    /// What has been added since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            flat: self.flat.since(&earlier.flat),
            target_answers: std::array::from_fn(|class| {
                self.target_answers[class].saturating_sub(earlier.target_answers[class])
            }),
            response_times: self.response_times.since(&earlier.response_times),
        }
    }
}

/// A counter that many threads add to.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, many: u64) {
        self.0.fetch_add(many, Ordering::Relaxed);
    }

    pub(super) fn one(&self) {
        self.add(1);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Each power of two is cut into so many parts: a time is known to an eighth, or 12.5 %.
const PARTS: u64 = 8;
/// Microseconds up to 2^32, a bit more than the longest idle timeout.
const BUCKETS: usize = 8 + 29 * 8;

/// How long targets took to answer, from the last byte sent to the first byte of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseTimes {
    sum_us: u64,
    buckets: [u64; BUCKETS],
}

/// The same while it is counted.
#[derive(Debug)]
pub(super) struct ResponseTimers {
    sum_us: Counter,
    buckets: [Counter; BUCKETS],
}

fn bucket(us: u64) -> usize {
    let us = us.min(u64::from(u32::MAX));
    if us < PARTS {
        return usize::try_from(us).unwrap_or_default();
    }
    let power = u64::from(us.ilog2());
    let part = (us >> (power - 3)) & (PARTS - 1);
    usize::try_from((power - 2) * PARTS + part).unwrap_or_default().min(BUCKETS - 1)
}

/// The middle of a bucket.
fn middle_us(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < PARTS {
        return bucket;
    }
    let power = bucket / PARTS + 2;
    let width = 1 << (power - 3);
    (PARTS + bucket % PARTS) * width + width / 2
}

impl Default for ResponseTimers {
    fn default() -> Self {
        Self { sum_us: Counter::default(), buckets: std::array::from_fn(|_| Counter::default()) }
    }
}

impl ResponseTimers {
    pub(super) fn record(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.add(us);
        self.buckets[bucket(us)].one();
    }

    pub(super) fn read(&self) -> ResponseTimes {
        ResponseTimes { sum_us: self.sum_us.get(), buckets: std::array::from_fn(|at| self.buckets[at].get()) }
    }
}

impl ResponseTimes {
    /// How many answers.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// All times together, in seconds; exact to the microsecond.
    pub fn sum_s(&self) -> f64 {
        Duration::from_micros(self.sum_us).as_secs_f64()
    }

    /// Times in seconds, ascending, and how many answers took about that long (known to 6 % either way): what a metric
    /// of values and counts wants.
    pub fn values_s(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let seen = self.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
        seen.map(|(at, count)| (Duration::from_micros(middle_us(at)).as_secs_f64(), *count))
    }

    /// The time in seconds that `percent` of the answers did not exceed; `None` where there was no answer.
    pub fn percentile_s(&self, percent: f64) -> Option<f64> {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank among answers; 52 bits are more than were ever counted"
        )]
        let rank = (self.count() as f64 * percent.clamp(0.0, 100.0) / 100.0).ceil().max(1.0) as u64;
        let mut below = 0;
        self.values_s().find_map(|(value, count)| {
            below += count;
            (below >= rank).then_some(value)
        })
    }

    /// What has been added since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            sum_us: self.sum_us.saturating_sub(earlier.sum_us),
            buckets: std::array::from_fn(|at| self.buckets[at].saturating_sub(earlier.buckets[at])),
        }
    }
}

impl Default for ResponseTimes {
    fn default() -> Self {
        Self { sum_us: 0, buckets: [0; BUCKETS] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_found_again_within_its_bucket() {
        for us in [0, 1, 7, 8, 9, 15, 16, 100, 999, 1_000, 65_535, 1_000_000, 4_000_000_000] {
            let found = middle_us(bucket(us));
            assert!(found.abs_diff(us) * 16 <= us.max(16), "{us} became {found}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_and_differences() {
        let timers = ResponseTimers::default();
        let before = timers.read();
        assert_eq!((before.count(), before.percentile_s(50.0)), (0, None));
        for ms in 1..=100 {
            timers.record(Duration::from_millis(ms));
        }
        let times = timers.read().since(&before);
        assert_eq!(times.count(), 100);
        assert!((times.sum_s() - 5.05).abs() < 1e-9);
        assert!((0.045..0.055).contains(&times.percentile_s(50.0).unwrap()));
        assert!((0.09..0.11).contains(&times.percentile_s(99.0).unwrap()));
    }
}
