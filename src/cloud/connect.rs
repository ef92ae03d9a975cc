//! The clients: region, credentials, time-outs and retries, set on purpose.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::retry::RetryPartition;

use super::calls::Observer;
use super::{Cloud, CloudError};

/// How often one call is sent at most.
const ATTEMPTS_MAX: u32 = 5;
/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a change of AWS may take, with all its calls and their attempts. Whoever announces a change before it is
/// sent adds this to the time of sending: later it cannot take effect any more.
pub const CHANGE_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A change that takes several calls, given up as a whole when a single call would be.
pub(super) async fn within<T>(
    operation: &'static str,
    change: impl Future<Output = Result<T, CloudError>>,
) -> Result<T, CloudError> {
    tokio::time::timeout(CHANGE_TIMEOUT, change)
        .await
        .unwrap_or_else(|_| Err(CloudError::cut_off(operation, CHANGE_TIMEOUT)))
}

/// How often, and in which way, a call is repeated.
pub fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX)
}

/// How long calls and their attempts may take.
pub fn time_limits() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(CHANGE_TIMEOUT)
        .build()
}

/// What every client of a run is made from, for `region` or for the region of the usual AWS sources (`AWS_REGION`,
/// `AWS_DEFAULT_REGION`, the profile).
///
/// Sends nothing: credentials are looked for when the first call needs them. The instance metadata service is asked for
/// credentials only where no other source has any, and never for the region, because a machine outside of AWS would
/// wait for its time-out on every run. `AWS_ENDPOINT_URL` and its kin are honored.
pub async fn configuration(region: Option<&str>) -> SdkConfig {
    let region = RegionProviderChain::first_try(region.map(|r| Region::new(r.to_owned())))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new());
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(region)
        .retry_config(retries())
        .timeout_config(time_limits())
        .load()
        .await
}

impl Cloud {
    /// Clients with this configuration as it is, for example with an in-process HTTP connector and paused time; see
    /// [`retries`] and [`time_limits`].
    pub fn from_conf(config: &SdkConfig) -> Self {
        let observer = Observer::default();
        // A bucket of retries per `Cloud` instead of one per process: who works beside us cannot use ours up.
        let partition = |service: &'static str| RetryPartition::custom(service).build();
        Self {
            elb: aws_sdk_elasticloadbalancingv2::Client::from_conf(
                aws_sdk_elasticloadbalancingv2::config::Builder::from(config)
                    .interceptor(observer.clone())
                    .retry_partition(partition("elbv2"))
                    .build(),
            ),
            ec2: aws_sdk_ec2::Client::from_conf(
                aws_sdk_ec2::config::Builder::from(config)
                    .interceptor(observer.clone())
                    .retry_partition(partition("ec2"))
                    .build(),
            ),
            route53: aws_sdk_route53::Client::from_conf(
                aws_sdk_route53::config::Builder::from(config)
                    .interceptor(observer.clone())
                    .retry_partition(partition("route53"))
                    .build(),
            ),
            sts: aws_sdk_sts::Client::from_conf(
                aws_sdk_sts::config::Builder::from(config)
                    .interceptor(observer.clone())
                    .retry_partition(partition("sts"))
                    .build(),
            ),
            cloudwatch: aws_sdk_cloudwatch::Client::from_conf(
                aws_sdk_cloudwatch::config::Builder::from(config)
                    .interceptor(observer.clone())
                    .retry_partition(partition("cloudwatch"))
                    .build(),
            ),
            region: config.region().map(|r| r.as_ref().to_owned()),
            observer,
            templates: Default::default(),
            behind: Default::default(),
        }
    }
}
