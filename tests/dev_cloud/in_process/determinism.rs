//! Two runs with the same seed are the same run: every call, every answer, every time.

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use switchback::dev::faults::Fault;
use switchback::dev::seed::Seed;
use switchback::dev::{DevCloud, DevOptions};
use tokio::time::{Instant, sleep};

use super::super::support::{Rig, V0, V1};
use super::release::deploy_and_roll_back;
use super::{options, version};

/// Writes down what goes to AWS and what comes back, and when.
#[derive(Debug, Clone)]
struct Recorder {
    to: SharedHttpClient,
    began: Instant,
    lines: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug)]
struct Recording {
    to: SharedHttpConnector,
    by: Recorder,
}

impl Recorder {
    fn of(config: SdkConfig) -> (SdkConfig, Arc<Mutex<Vec<String>>>) {
        let recorder = Self { to: config.http_client().unwrap(), began: Instant::now(), lines: Arc::default() };
        let lines = recorder.lines.clone();
        (config.into_builder().http_client(recorder).build(), lines)
    }
}

impl HttpClient for Recorder {
    fn http_connector(&self, settings: &HttpConnectorSettings, parts: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Recording { to: self.to.http_connector(settings, parts), by: self.clone() })
    }
}

impl HttpConnector for Recording {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut line = format!("{:?} {} {}", self.by.began.elapsed(), request.method(), request.uri());
        for (name, value) in request.headers() {
            write!(line, "\n  {name}: {value}").unwrap();
        }
        write!(line, "\n  {}", String::from_utf8_lossy(request.body().bytes().unwrap_or_default())).unwrap();
        let (answer, by) = (self.to.call(request), self.by.clone());
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            write!(line, "\n{:?} ", by.began.elapsed()).unwrap();
            match &answer {
                Ok(answer) => {
                    let body = String::from_utf8_lossy(answer.body().bytes().unwrap_or_default());
                    write!(line, "{} {:?} {body}", answer.status(), answer.headers()).unwrap();
                }
                Err(error) => write!(line, "{error:?}").unwrap(),
            }
            by.lines.lock().unwrap().push(line);
            answer
        })
    }
}

/// A world, changes, faults, traffic: everything that was called and answered, and what clients saw.
fn play(seed: u64) -> Vec<String> {
    under_paused_time(async move {
        let options = DevOptions { seed: Some(seed), ..options() };
        let cloud = DevCloud::in_process(options).await.unwrap();
        let mut rig = Rig::on(cloud, Seed::new(V0), Duration::from_millis(500)).await;
        let (config, lines) = Recorder::of(rig.cloud.sdk_config("eu-west-1"));
        rig.elb = aws_sdk_elasticloadbalancingv2::Client::new(&config);
        rig.ec2 = aws_sdk_ec2::Client::new(&config);
        rig.cloud.faults().add(Fault::throttle("*").every(7));
        rig.cloud.faults().add(Fault::lose_answer("ec2:RunInstances").times(1));
        let green = rig.world.target_groups[1].clone();
        let ids = rig.launch(V1, 3).await;
        rig.register(&green, &ids).await;
        rig.until(&green, "healthy").await;
        let mut seen = Vec::new();
        for minute in 0..10 {
            rig.forward([10 - minute, minute]).await;
            for _ in 0..12 {
                seen.push(version(&rig).await);
                sleep(Duration::from_secs(5)).await;
            }
            if minute == 5 {
                rig.cloud.machine(&ids[0]).unwrap().kill();
            }
            seen.push(rig.states(&green).await.join(" "));
        }
        let mut lines = lines.lock().unwrap().clone();
        lines.extend(seen);
        lines
    })
}

/// The engine's calls and notices of a deploy and a rollback.
fn release(seed: u64) -> Vec<String> {
    under_paused_time(async move {
        let options = DevOptions { seed: Some(seed), ..options() };
        let cloud = DevCloud::in_process(options).await.unwrap();
        let rig = Rig::on(cloud, Seed::new(V0), Duration::from_millis(500)).await;
        let (config, lines) = Recorder::of(rig.cloud.sdk_config("eu-west-1"));
        let (told, summary) = deploy_and_roll_back(&rig, config).await;
        let mut lines = lines.lock().unwrap().clone();
        lines.extend(told);
        lines.push(format!("{summary:?}"));
        lines
    })
}

fn under_paused_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

/// Names the first difference instead of showing megabytes.
fn assert_same(one: &[String], other: &[String]) {
    for (at, (one, other)) in one.iter().zip(other).enumerate() {
        assert_eq!(one, other, "entry {at}");
    }
    assert_eq!(one.len(), other.len());
}

#[test]
fn the_same_seed_gives_the_same_calls_answers_and_times_and_another_seed_others() {
    let one = play(7);
    assert!(one.len() > 150, "{}", one.len());
    assert!(one.iter().any(|line| line.contains("ThrottlingException")), "the faults were met");
    assert_same(&one, &play(7));
    assert_ne!(one, play(8));
}

#[test]
fn the_same_seed_gives_the_same_release() {
    let one = release(7);
    assert!(one.len() > 100, "{}", one.len());
    assert_same(&one, &release(7));
}
