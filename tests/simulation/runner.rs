//! A process of the real program in the simulated world: its own SDK clients, its own connection to the journal, its
//! own clock. It can be killed, and it can be frozen and go on minutes later as if nothing had been.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use object_store::RetryConfig;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use switchback::chance::Chance;
use switchback::cli::Exit;
use switchback::clock::Clock;
use switchback::cloud::{self, Cloud};
use switchback::dev::DevCloud;
use switchback::engine::{DeployRequest, Engine, EngineError, Finish, Notices, Stop};
use switchback::journal::Journal;
use switchback::release::Ending;
use tokio::time::{Instant, Sleep};

use super::boundary::{AwsClient, Boundary, Keys, Life, SECRET, StoreConnector, access_key};
use super::plan::Verb;
use super::trace::What;
use super::world::{BUCKET, Place, REGION, World, image_id};

/// What a process is started with.
pub(crate) struct Start {
    /// Where it meets the world.
    pub(crate) boundary: Boundary,
    /// A place in the plan's environments.
    pub(crate) environment: usize,
    /// What it runs.
    pub(crate) verb: Verb,
    /// How far its clock is ahead of the true time, in milliseconds.
    pub(crate) clock_ms: i64,
    /// What it leaves to chance.
    pub(crate) chance: Chance,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with this exit code.
    Exit(i32),
    /// It was killed.
    Killed,
}

/// Starts a process; the future ends when it does.
pub(crate) fn start(world: &World, start: Start) -> Process {
    let Start { boundary, environment, verb, clock_ms, chance } = start;
    boundary.note(What::Started { environment, verb: format!("{verb:?}") });
    let engine = engine(&world.cloud, &world.places[environment], &boundary, clock_ms, chance);
    let noted = boundary.clone();
    let run = async move {
        let ended = run(&engine, verb).await;
        let (exit, why) = meaning(&ended);
        noted.note(What::Ended { exit, why });
        exit
    };
    Process { boundary, run: Some(Box::pin(run)), thaw: None }
}

fn engine(cloud: &DevCloud, place: &Place, boundary: &Boundary, clock_ms: i64, chance: Chance) -> Engine {
    let now = cloud.clock().now() + SignedDuration::from_millis(clock_ms);
    Engine {
        environment: place.environment.clone(),
        typed: place.file(),
        cloud: Cloud::from_conf(&sdk_config(cloud, boundary)),
        journal: Journal::with_store(Arc::new(store(cloud, boundary)), &place.environment.name)
            .with_clock(Clock::starting_at(now))
            .with_chance(chance),
        dial: cloud.dial(),
        notices: Notices::silent(&place.environment.name),
        stop: Stop::default(),
        started: Instant::now(),
    }
}

/// The program's own configuration of the SDK, but for where its requests go, who sends them, and whose time it is.
fn sdk_config(cloud: &DevCloud, boundary: &Boundary) -> SdkConfig {
    let config = cloud.sdk_config(REGION);
    let to = config.http_client().expect("a dev cloud in-process has a client");
    let keys = Keys::new(boundary.clone());
    let mut config = config.into_builder();
    config
        .set_http_client(Some(SharedHttpClient::new(AwsClient::new(to, boundary.clone()))))
        .set_credentials_provider(Some(SharedCredentialsProvider::new(keys)))
        // Asked before every attempt: there a process can be frozen with a call that it is about to send.
        .set_identity_cache(Some(aws_sdk_ec2::config::IdentityCache::no_cache()))
        .set_retry_config(Some(cloud::retries()))
        .set_timeout_config(Some(cloud::time_limits()));
    config.build()
}

fn store(cloud: &DevCloud, boundary: &Boundary) -> object_store::aws::AmazonS3 {
    let to = cloud.object_store_connector().expect("a dev cloud in-process has a connector");
    AmazonS3Builder::new()
        .with_bucket_name(BUCKET)
        .with_region(REGION)
        .with_endpoint(cloud.url())
        .with_allow_http(true)
        .with_access_key_id(access_key(boundary.runner()))
        .with_secret_access_key(SECRET)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_http_connector(StoreConnector::new(to, boundary.clone()))
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
        .build()
        .expect("the configuration of the store is complete")
}

async fn run(engine: &Engine, verb: Verb) -> Result<Finish, EngineError> {
    match verb {
        Verb::Deploy { version, detach } => {
            engine.deploy(&DeployRequest { image: image_id(version), accept_smaller: false, detach }).await
        }
        Verb::Rollback { force } => engine.rollback(force).await,
        Verb::Abort => engine.abort().await,
        Verb::Reconcile => engine.reconcile().await,
        Verb::Sweep => engine.sweep().await,
        Verb::Adopt => engine.adopt(Some("what stands is right".into())).await,
        Verb::BreakLease => engine.break_lease("whoever held it is gone").await,
    }
}

/// The exit code, and why.
fn meaning(ended: &Result<Finish, EngineError>) -> (i32, String) {
    match ended {
        Ok(finish) => {
            let why = match &finish.ending {
                Ending::Done => "done".to_owned(),
                Ending::Nothing(why) | Ending::Busy(why) => why.clone(),
                Ending::Later { reason, .. } => reason.clone(),
                Ending::Refused(problem)
                | Ending::Failed(problem)
                | Ending::MovedBack(problem)
                | Ending::Blocked(problem) => format!("saw {}; expected {}", problem.saw, problem.expected),
            };
            (Exit::from(&finish.ending) as i32, why)
        }
        Err(error) => (Exit::from(error) as i32, error.to_string()),
    }
}

/// A running process. Nothing of it runs after its death, and nothing while it is frozen.
pub(crate) struct Process {
    boundary: Boundary,
    run: Option<BoxFuture<'static, i32>>,
    thaw: Option<Pin<Box<Sleep>>>,
}

impl Future for Process {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            match self.boundary.life() {
                Life::Dead => {
                    // As SIGKILL does: no drop of anything in it may act, and none does more than close a connection.
                    self.run = None;
                    self.boundary.note(What::Crashed);
                    return Poll::Ready(Ended::Killed);
                }
                Life::Frozen(until) => {
                    let sleep = self.thaw.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
                    if sleep.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    self.thaw = None;
                    self.boundary.thaw();
                }
                Life::Running => {
                    let Some(run) = &mut self.run else { return Poll::Pending };
                    let polled = run.as_mut().poll(cx);
                    match polled {
                        Poll::Ready(exit) => return Poll::Ready(Ended::Exit(exit)),
                        // Something in it may have met its trouble just now.
                        Poll::Pending if self.boundary.life() == Life::Running => return Poll::Pending,
                        Poll::Pending => {}
                    }
                }
            }
        }
    }
}
