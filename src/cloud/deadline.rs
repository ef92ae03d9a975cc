//! Until when a change may be sent: looked at right before every attempt goes out.
//!
//! A process can stand still at any point: a laptop sleeps, a virtual machine is paused, somebody presses Ctrl-Z. Where
//! that happens between the announcement of a call and its sending, a successor may have waited the call out and be at
//! work. So the time is looked at by the SDK itself, as the last thing before a request is handed to the connector, of
//! every attempt. The monotonic clock stands still while a machine sleeps, so the time of day has to agree.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::planted::{Bug, bug};

tokio::task_local! {
    static SEND_BEFORE: SendBefore;
}

/// A moment, on two clocks, from which on nothing of a change is sent any more.
#[derive(Debug, Clone)]
pub struct SendBefore {
    clock: Clock,
    announced: (Instant, Timestamp),
    within: Duration,
    /// Whether an attempt of a changing call may have taken effect, or still take it, without an answer.
    unanswered: Arc<AtomicBool>,
}

impl SendBefore {
    /// Counts from now, which must be before the announcement is written.
    pub fn starting_now(clock: &Clock, within: Duration) -> Self {
        Self { announced: (Instant::now(), clock.now()), clock: clock.clone(), within, unanswered: Arc::default() }
    }

    /// How much time has passed: by the clock that says more.
    pub fn elapsed(&self) -> Duration {
        let by_time_of_day = self.clock.now().duration_since(self.announced.1);
        self.announced.0.elapsed().max(Duration::try_from(by_time_of_day).unwrap_or_default())
    }

    /// Makes the calls of `change`; those that come too late are not sent, and fail with
    /// [`Kind::TooLate`](super::Kind::TooLate).
    pub async fn send<T>(self, change: impl Future<Output = T>) -> T {
        SEND_BEFORE.scope(self, change).await
    }

    /// Whether an attempt had no answer, also where a repetition had one: it may be on its way until the deadline.
    pub fn an_attempt_is_unanswered(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// Notes that an attempt on this task had no answer.
    pub(super) fn note_unanswered() {
        // A call outside of any change is nobody's to wait for.
        SEND_BEFORE.try_with(|limit| limit.unanswered.store(true, Ordering::Relaxed)).ok();
    }

    /// Whether the call in flight on this task may be sent now.
    pub(super) fn check() -> Result<(), TooLate> {
        let late = SEND_BEFORE.try_with(|limit| (limit.elapsed() >= limit.within).then_some(limit.within));
        match late {
            Ok(Some(within)) if !bug(Bug::NoSendDeadline) => Err(TooLate { within }),
            // A call outside of any change has no deadline.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// An attempt was not sent: its time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLate {
    within: Duration,
}

impl fmt::Display for TooLate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not sent: more than {} s after it was announced", self.within.as_secs())
    }
}

impl std::error::Error for TooLate {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
    use aws_smithy_runtime_api::client::http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
    use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
    use aws_smithy_types::body::SdkBody;

    use super::super::{Cloud, CloudError, Kind, retries, time_limits};
    use super::*;
    use crate::release::Color;

    /// An AWS that answers 500 after some time, and counts what reaches it.
    #[derive(Debug, Clone)]
    struct Broken {
        reached: Arc<AtomicU32>,
        after: Duration,
    }

    impl HttpConnector for Broken {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            self.reached.fetch_add(1, Ordering::Relaxed);
            let after = self.after;
            HttpConnectorFuture::new(async move {
                tokio::time::sleep(after).await;
                let status = 500_u16.try_into().expect("a status");
                Ok(HttpResponse::new(status, SdkBody::from("<Error/>")))
            })
        }
    }

    impl HttpClient for Broken {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }

    fn cloud(after: Duration) -> (Cloud, Arc<AtomicU32>) {
        let reached = Arc::new(AtomicU32::new(0));
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("TEST", "test", None, None, "test")))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .retry_config(retries())
            .timeout_config(time_limits())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(SharedHttpClient::new(Broken { reached: reached.clone(), after }))
            .build();
        (Cloud::from_conf(&config), reached)
    }

    /// A change that announces itself, stands still for `frozen`, and then goes on.
    async fn change(cloud: &Cloud, limit: SendBefore) -> CloudError {
        let instances = ["i-1".to_owned()];
        limit.send(cloud.terminate("shop", &Color::new("blue"), &instances)).await.expect_err("AWS is broken")
    }

    #[tokio::test(start_paused = true)]
    async fn what_stood_still_between_announcement_and_sending_is_not_sent() {
        let clock = Clock::starting_at("2026-11-21T02:15:00Z".parse().unwrap());
        let (cloud, reached) = cloud(Duration::ZERO);
        let limit = SendBefore::starting_now(&clock, Duration::from_secs(15));
        tokio::time::advance(Duration::from_secs(15)).await;
        let error = change(&cloud, limit).await;
        assert_eq!(error.kind, Kind::TooLate, "{error}");
        assert!(!error.outcome_unknown() && !error.transient(), "{error}");
        assert!(error.to_string().contains("not sent: more than 15 s after"), "{error}");
        assert_eq!(reached.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeat_that_would_come_too_late_is_not_sent() {
        let clock = Clock::starting_at("2026-11-21T02:15:00Z".parse().unwrap());
        let (cloud, reached) = cloud(Duration::from_secs(8));
        let error = change(&cloud, SendBefore::starting_now(&clock, Duration::from_secs(15))).await;
        assert_eq!((error.kind.clone(), reached.load(Ordering::Relaxed)), (Kind::TooLate, 2), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_day_counts_where_the_monotonic_clock_stood_still() {
        // A machine that slept: tokio's clock has not moved, the time of day has.
        let asleep = Clock::starting_at("2026-11-21T02:15:00Z".parse().unwrap());
        let awake = Clock::starting_at("2026-11-21T02:15:15Z".parse().unwrap());
        let (cloud, reached) = cloud(Duration::ZERO);
        let announced = (Instant::now(), asleep.now());
        let error =
            change(&cloud, SendBefore { announced, ..SendBefore::starting_now(&awake, Duration::from_secs(15)) }).await;
        assert_eq!((error.kind, reached.load(Ordering::Relaxed)), (Kind::TooLate, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_knows_of_its_attempts_without_an_answer() {
        let clock = Clock::starting_at("2026-11-21T02:15:00Z".parse().unwrap());
        let (cloud, _) = cloud(Duration::ZERO);
        let limit = SendBefore::starting_now(&clock, Duration::from_secs(15));
        limit.clone().send(cloud.instances("shop", &Color::new("blue"))).await.expect_err("AWS is broken");
        assert!(!limit.an_attempt_is_unanswered(), "a question changes nothing");
        limit.clone().send(cloud.write_rule("arn:rule", vec![])).await.expect_err("AWS is broken");
        assert!(limit.an_attempt_is_unanswered());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_outside_of_any_change_has_no_deadline() {
        let (cloud, reached) = cloud(Duration::ZERO);
        let error = cloud.instances("shop", &Color::new("blue")).await.expect_err("AWS is broken");
        assert_ne!(error.kind, Kind::TooLate);
        assert_eq!(reached.load(Ordering::Relaxed), 5);
    }
}
