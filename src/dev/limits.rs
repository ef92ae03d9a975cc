//! How often calls may come: AWS's token buckets, for each account and region.
//!
//! The sizes are those that AWS documents. Auto Scaling and SNS document none for most operations, so theirs are not
//! limited. Calls that the dev cloud makes to itself take no tokens, as on AWS.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::model::Place;
use super::wire::{ApiError, Node, Service};

/// How many buckets are kept; those that are full again go first.
const BUCKETS_MAX: usize = 10_000;

/// A bucket, and how many tokens a call takes from it.
#[derive(Debug, Clone, PartialEq)]
struct Draw {
    bucket: String,
    size: f64,
    per_second: f64,
    tokens: f64,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    tokens: f64,
    at: Timestamp,
    full_after_s: f64,
}

/// The buckets of a dev cloud.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    levels: Mutex<BTreeMap<(Place, String), Level>>,
}

impl Limits {
    /// Takes the tokens of a call, or none of them.
    ///
    /// # Errors
    /// A bucket does not hold enough; in the words of the service.
    pub(crate) fn take(
        &self,
        (service, operation): (Service, &str),
        form: Option<&Node>,
        place: &Place,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let draws = draws(service, operation, form);
        let mut place = place.clone();
        if service == Service::Route53 {
            // Route 53 has no regions.
            place.region.clear();
        }
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut after = Vec::with_capacity(draws.len());
        for draw in draws {
            let key = (place.clone(), draw.bucket.clone());
            let left = levels.get(&key).map_or(draw.size, |level| {
                let passed_s = now.duration_since(level.at).as_secs_f64().max(0.0);
                (level.tokens + passed_s * draw.per_second).min(draw.size)
            });
            // A call for more than a bucket can ever hold waits for a full one.
            if left < draw.tokens.min(draw.size) {
                return Err(ApiError::throttled(service));
            }
            let tokens = (left - draw.tokens).max(0.0);
            after.push((key, Level { tokens, at: now, full_after_s: (draw.size - tokens) / draw.per_second }));
        }
        levels.extend(after);
        if levels.len() > BUCKETS_MAX {
            levels.retain(|_, level| now.duration_since(level.at).as_secs_f64() < level.full_after_s);
        }
        Ok(())
    }
}

/// The buckets that a call draws from.
fn draws(service: Service, operation: &str, form: Option<&Node>) -> Vec<Draw> {
    let name = service.name();
    let one = |bucket: &str, size: f64, per_second: f64| Draw {
        bucket: format!("{name}:{bucket}"),
        size,
        per_second,
        tokens: 1.0,
    };
    match service {
        Service::Elbv2 => {
            let class = match operation {
                "RegisterTargets" | "DeregisterTargets" => one("register", 20.0, 4.0),
                "CreateLoadBalancer" | "SetSubnets" | "SetSecurityGroups" | "SetIpAddressType" => {
                    one("resource-intensive", 10.0, 0.2)
                }
                _ if operation.starts_with("Describe") => one("describe", 40.0, 10.0),
                _ => one("mutate", 20.0, 3.0),
            };
            vec![one("all", 40.0, 10.0), class]
        }
        Service::Ec2 => ec2(operation, form, one),
        Service::Route53 => vec![one("all", 5.0, 5.0)],
        Service::CloudWatch => match operation {
            "DescribeAlarms" => vec![one(operation, 9.0, 9.0)],
            "DeleteAlarms"
            | "DescribeAlarmHistory"
            | "DescribeAlarmsForMetric"
            | "DisableAlarmActions"
            | "EnableAlarmActions"
            | "SetAlarmState"
            | "PutMetricAlarm" => vec![one(operation, 3.0, 3.0)],
            "GetMetricData" => vec![one(operation, 50.0, 50.0)],
            "GetMetricStatistics" => vec![one(operation, 400.0, 400.0)],
            "ListMetrics" => vec![one(operation, 25.0, 25.0)],
            "PutMetricData" => vec![one(operation, 500.0, 500.0)],
            _ => Vec::new(),
        },
        Service::Ssm => match operation {
            "GetParameter" | "GetParameters" => vec![one("read", 40.0, 40.0)],
            _ => Vec::new(),
        },
        Service::Acm => match operation {
            "DescribeCertificate" | "DeleteCertificate" | "GetCertificate" | "ListTagsForCertificate" => {
                vec![one(operation, 10.0, 10.0)]
            }
            "ImportCertificate" | "ListCertificates" => vec![one(operation, 1.0, 1.0)],
            "AddTagsToCertificate" | "RemoveTagsFromCertificate" | "RequestCertificate" => {
                vec![one(operation, 5.0, 5.0)]
            }
            _ => Vec::new(),
        },
        Service::Sts => vec![one("all", 600.0, 600.0)],
        Service::AutoScaling | Service::Sns | Service::S3 => Vec::new(),
    }
}

/// EC2 has a bucket of requests for each operation, and one of resources for those that start and stop instances.
fn ec2(operation: &str, form: Option<&Node>, one: impl Fn(&str, f64, f64) -> Draw) -> Vec<Draw> {
    let has = |name: &str| form.is_some_and(|form| form.has(name));
    let (size, per_second) = match operation {
        "RunInstances" | "StartInstances" => (5.0, 2.0),
        "TerminateInstances" | "CreateLaunchTemplateVersion" | "ModifyLaunchTemplate" => (100.0, 5.0),
        "CreateTags" => (100.0, 10.0),
        _ if operation.starts_with("Describe") || operation.starts_with("Get") => {
            if has("Filter") || has("MaxResults") || has("NextToken") {
                (100.0, 20.0)
            } else {
                return vec![one(&format!("{operation} of everything"), 50.0, 10.0)];
            }
        }
        _ => (50.0, 5.0),
    };
    let mut draws = vec![one(operation, size, per_second)];
    let instances = || form.map_or(0, |form| form.texts("InstanceId[]").len());
    #[expect(clippy::cast_precision_loss, reason = "a request has at most 10,000 parameters")]
    let resources = match operation {
        "RunInstances" => {
            let most = form.and_then(|form| form.text("MaxCount")).and_then(|count| count.parse().ok());
            Some((2.0, most.unwrap_or(1.0)))
        }
        "StartInstances" => Some((2.0, instances() as f64)),
        "StopInstances" | "TerminateInstances" => Some((20.0, instances() as f64)),
        _ => None,
    };
    if let Some((per_second, tokens)) = resources {
        draws.push(Draw { tokens, ..one(&format!("resources of {operation}"), 1_000.0, per_second) });
    }
    draws
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::wire::parse_form;

    /// How many calls in a row go well.
    fn run(limits: &Limits, call: (Service, &str), form: &str, region: &str, now: Timestamp) -> usize {
        let form = parse_form(form.as_bytes()).unwrap();
        let place = Place { account: "111111111111".into(), region: region.into() };
        (0..10_000).take_while(|_| limits.take(call, Some(&form), &place, now).is_ok()).count()
    }

    #[test]
    fn buckets_have_the_sizes_and_refills_that_aws_documents() {
        for (call, form, size, after_10_s) in [
            ((Service::Elbv2, "ModifyRule"), "", 20, 20),
            ((Service::Elbv2, "RegisterTargets"), "", 20, 20),
            ((Service::Elbv2, "DescribeRules"), "", 40, 40),
            ((Service::Elbv2, "CreateLoadBalancer"), "", 10, 2),
            ((Service::Ec2, "DescribeInstances"), "", 50, 50),
            ((Service::Ec2, "DescribeInstances"), "Filter.1.Name=x", 100, 100),
            ((Service::Ec2, "RunInstances"), "MaxCount=1", 5, 5),
            ((Service::Ec2, "CreateVpc"), "", 50, 50),
            ((Service::Ec2, "TerminateInstances"), "InstanceId.1=i-1", 100, 50),
            ((Service::Route53, "GetChange"), "", 5, 5),
            ((Service::CloudWatch, "DescribeAlarms"), "", 9, 9),
            ((Service::Ssm, "GetParameter"), "", 40, 40),
            ((Service::Sts, "GetCallerIdentity"), "", 600, 600),
        ] {
            let limits = Limits::default();
            let now = Timestamp::UNIX_EPOCH;
            assert_eq!(run(&limits, call, form, "eu-west-1", now), size, "{call:?}");
            let later = now + jiff::SignedDuration::from_secs(10);
            assert_eq!(run(&limits, call, form, "eu-west-1", later), after_10_s, "{call:?} 10 s later");
        }
    }

    #[test]
    fn a_launch_takes_a_token_for_each_instance() {
        let limits = Limits::default();
        let now = Timestamp::UNIX_EPOCH;
        let call = (Service::Ec2, "RunInstances");
        assert_eq!(run(&limits, call, "MaxCount=600", "eu-west-1", now), 1, "400 are left");
        assert_eq!(run(&limits, call, "MaxCount=400", "eu-west-1", now), 1, "a refused launch takes nothing");
    }

    #[test]
    fn classes_accounts_and_regions_have_buckets_of_their_own() {
        let limits = Limits::default();
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(run(&limits, (Service::Elbv2, "ModifyRule"), "", "eu-west-1", now), 20);
        assert_eq!(run(&limits, (Service::Elbv2, "RegisterTargets"), "", "eu-west-1", now), 20);
        assert_eq!(run(&limits, (Service::Elbv2, "DescribeRules"), "", "eu-west-1", now), 0, "40 in all");
        assert_eq!(run(&limits, (Service::Elbv2, "ModifyRule"), "", "eu-west-2", now), 20);
        assert_eq!(run(&limits, (Service::Route53, "GetChange"), "", "eu-west-1", now), 5);
        assert_eq!(run(&limits, (Service::Route53, "GetChange"), "", "us-east-1", now), 0, "one for all regions");
    }

    #[test]
    fn waiting_for_longer_than_a_bucket_takes_to_fill_gives_no_more_than_a_full_one() {
        let limits = Limits::default();
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(run(&limits, (Service::Route53, "GetChange"), "", "", now), 5);
        let later = now + jiff::SignedDuration::from_hours(1);
        assert_eq!(run(&limits, (Service::Route53, "GetChange"), "", "", later), 5);
    }
}
