//! What the tests of bad days share: a program that is watched while it runs, and the questions after each of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_ec2::types::Filter;
use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum, ForwardActionConfig, TargetGroupTuple};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use switchback::clock::Clock;
use switchback::cloud::Cloud;
use switchback::config;
use switchback::dev::DevOptions;
use switchback::dev::load::{Load, LoadOptions};
use switchback::dev::machine::Catalogue;
use switchback::dial::ThisMachine;
use switchback::engine::{Engine, Notices, Stop};
use switchback::journal::Journal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::world::{ENVIRONMENT, Ran, World, ami, image, until};

/// How long anything that a test waits for may take, on a machine that does other things as well.
const PATIENCE: Duration = Duration::from_secs(60);

/// A smoke check that runs until the test opens the gate; its process id is in the file `waiting`.
const GATE: &str =
    "  - command: { run: [sh, -c, 'echo $$ > waiting; while [ ! -e open ]; do sleep 0.05; done'], timeout: 90s }\n";

/// What the usual environment file says otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) enum But<'a> {
    /// `health.timeout`.
    HealthTimeout(&'a str),
    /// The smoke checks, in YAML.
    Smoke(&'a str),
    /// One more smoke check at the end, which waits for [`World::open_the_gate`].
    Gate,
    /// The path of the probe.
    Probe(&'a str),
    /// `release.converge.quiet`.
    Quiet(&'a str),
    /// `release.converge.timeout`.
    ConvergeTimeout(&'a str),
    /// `release.bake`.
    Bake(&'a str),
    /// `retain`.
    Retain(&'a str),
}

/// The usual environment file, but for these things.
pub(crate) fn environment(buts: &[But<'_>]) -> String {
    let usual_smoke = "  - http: { path: /version, attempts: 1, expect: { within: 2s } }\n";
    buts.iter().fold(ENVIRONMENT.to_owned(), |text, but| {
        let (from, to) = match but {
            But::HealthTimeout(time) => ("timeout: 1m".to_owned(), format!("timeout: {time}")),
            But::Smoke(checks) => (usual_smoke.to_owned(), format!("{checks}\n")),
            But::Gate => ("release:".to_owned(), format!("{GATE}release:")),
            But::Probe(path) => ("probe: /version".to_owned(), format!("probe: {path}")),
            But::Quiet(time) => ("quiet: 1s".to_owned(), format!("quiet: {time}")),
            But::ConvergeTimeout(time) => ("timeout: 2m".to_owned(), format!("timeout: {time}")),
            But::Bake(time) => ("bake: 1s".to_owned(), format!("bake: {time}")),
            But::Retain(time) => ("retain: 1h".to_owned(), format!("retain: {time}")),
        };
        assert!(text.contains(&from), "{from:?} is not in the environment file");
        text.replacen(&from, &to, 1)
    })
}

/// A program that runs with `--json`, and what it has said so far.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
    stderr: JoinHandle<String>,
}

/// What must stand on the color without traffic.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Idle<'a> {
    /// Nothing.
    Empty,
    /// All instances of this version, registered.
    Kept(&'a str),
}

impl Running {
    /// Starts it; the arguments must have `--json`.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines();
        let mut errors = child.stderr.take().expect("stderr is a pipe");
        let stderr = tokio::spawn(async move {
            let mut text = String::new();
            errors.read_to_string(&mut text).await.expect("stderr is text");
            text
        });
        Self { child, lines, said: Vec::new(), stderr }
    }

    /// The next line; `None` once the program has ended.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let line = self.lines.next_line().await.unwrap()?;
        let value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        self.said.push(line);
        Some(value)
    }

    /// Waits until it says a line like this.
    pub(crate) async fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let seen = async {
            while let Some(line) = self.next().await {
                if wanted(&line) {
                    return Some(line);
                }
            }
            None
        };
        if let Some(line) = tokio::time::timeout(PATIENCE, seen).await.unwrap_or_default() {
            return line;
        }
        self.signal(Signal::KILL);
        panic!(
            "it ended before {what}, or never came to it; it said {:#?}\n{}",
            self.said,
            (&mut self.stderr).await.unwrap()
        )
    }

    /// Waits until it has recorded an event of this name.
    pub(crate) async fn recorded(&mut self, event: &str) -> Value {
        self.until(event, |line| line["event"]["type"] == event).await
    }

    /// Waits until it waits for something in this phase.
    pub(crate) async fn waits(&mut self, phase: &str) -> Value {
        self.until(phase, |line| line["type"] == "waiting" && line["phase"] == phase).await
    }

    /// Waits until the smoke checks stand at the gate.
    pub(crate) async fn reaches_the_gate(&mut self, world: &World) {
        self.recorded("warmed").await;
        let there = async || std::fs::read(world.folder().join("waiting")).is_ok_and(|pid| pid.ends_with(b"\n"));
        until("the gate is reached", there).await;
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it has not been waited for")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().cast_signed()).expect("a process id is not 0");
        // It may have ended by itself just now.
        kill_process(pid, signal).ok();
    }

    /// Waits for its end.
    pub(crate) async fn end(mut self) -> Ran {
        let to_the_end = async {
            while self.next().await.is_some() {}
            self.child.wait().await.unwrap()
        };
        let status = tokio::time::timeout(PATIENCE, to_the_end).await;
        let status = status.unwrap_or_else(|_| panic!("it does not end; it said {:#?}", self.said));
        Ran { code: status.code(), stdout: self.said.join("\n"), stderr: self.stderr.await.unwrap() }
    }
}

impl World {
    /// The usual world, but for these things in the environment file.
    pub(crate) async fn but(buts: &[But<'_>]) -> Self {
        Self::with(DevOptions::default(), |_| {}, &environment(buts)).await
    }

    /// A world in which `v1` is started with further arguments.
    pub(crate) async fn where_v1(arguments: &[&str], buts: &[But<'_>]) -> Self {
        let catalogue = Catalogue { images: [image("v1", arguments)].into() };
        Self::with(DevOptions { catalogue, ..DevOptions::default() }, |_| {}, &environment(buts)).await
    }

    /// Starts the program with `--json`.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::of(self.command(&[&["--json"], arguments].concat()))
    }

    /// Starts a deploy of `version`.
    pub(crate) fn start_deploy(&self, version: &str) -> Running {
        self.start(&["deploy", "ENV", "--image", &ami(version)])
    }

    /// Lets the smoke checks pass.
    pub(crate) fn open_the_gate(&self) {
        std::fs::write(self.folder().join("open"), "").unwrap();
    }

    /// A light load, so that many worlds fit on one machine.
    pub(crate) async fn light_load(&self) -> Load {
        let options = LoadOptions { connections: 4, rate: Some(100), ..LoadOptions::default() };
        Load::start(&format!("{}/", self.seeded.url), options).await.expect("the load starts")
    }

    /// Makes every instance of the color end its process, as a crash would; its image must have been given `/die=exit`.
    pub(crate) async fn kill_the_processes_of(&self, color: &str, how_many: usize) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for instance in self.standing(color).await.iter().take(how_many) {
            // It dies of the question, so there is no answer.
            client.get(format!("http://{}:8080/die", instance.address)).send().await.unwrap_err();
        }
    }

    /// The engine of this environment in this process, as if so many seconds had passed.
    pub(crate) fn later(&self, seconds: u64) -> Engine {
        let environment = config::load(&self.env()).expect("the environment file is good");
        let clock = Clock::starting_at(Timestamp::now() + Duration::from_secs(seconds));
        let sdk = self.dev.sdk_config("eu-west-1");
        Engine {
            notices: Notices::silent(&environment.name),
            typed: self.env().display().to_string(),
            journal: Journal::open(&environment.journal, &environment.name, &sdk).expect("a journal").with_clock(clock),
            cloud: Cloud::from_conf(&sdk),
            environment: Arc::new(environment),
            dial: Arc::new(ThisMachine),
            stop: Stop::default(),
            started: Instant::now().into(),
        }
    }

    /// Somebody else writes weights: blue's and green's.
    pub(crate) async fn somebody_writes(&self, blue: i32, green: i32) {
        let groups = self
            .seeded
            .target_groups
            .iter()
            .zip([blue, green])
            .map(|(arn, weight)| TargetGroupTuple::builder().target_group_arn(arn).weight(weight).build());
        let forward = ForwardActionConfig::builder().set_target_groups(Some(groups.collect())).build();
        let action = Action::builder().r#type(ActionTypeEnum::Forward).forward_config(forward).build();
        let listener = &self.seeded.listeners[0];
        self.elb().modify_listener().listener_arn(listener).default_actions(action).send().await.unwrap();
    }

    /// The weights of blue and green as AWS has them; 0 for one that is not in the action.
    pub(crate) async fn weights(&self) -> [i32; 2] {
        let answer = self.elb().describe_listeners().listener_arns(&self.seeded.listeners[0]).send().await.unwrap();
        let [action] = answer.listeners()[0].default_actions() else { panic!("{answer:?}") };
        let groups = action.forward_config().unwrap().target_groups();
        [0, 1].map(|color| {
            let arn = Some(self.seeded.target_groups[color].as_str());
            groups.iter().find(|g| g.target_group_arn() == arn).map_or(0, |g| g.weight().unwrap())
        })
    }

    /// Waits until the color that waits for its end may be taken down.
    pub(crate) async fn until_it_expires(&self) {
        let status = self.status().await;
        let at: Timestamp = status["release"]["expires_at"].as_str().expect("something expires").parse().unwrap();
        until("the retention is over", async || Timestamp::now() > at).await;
    }

    /// The questions after a bad day: the traffic is on `live`, on the other color is what must be there and nothing
    /// else, nobody holds the lease, journal and load balancer agree, and the journal replays.
    pub(crate) async fn is_sound(&self, live: &str, idle: Idle<'_>) {
        self.lease_is_free();
        self.stands(live, idle).await;
    }

    /// The same, but a run that has died may hold the lease.
    pub(crate) async fn stands(&self, live: &str, idle: Idle<'_>) {
        self.answers(live).await;
        let status = self.status().await;
        assert_eq!(status["mismatch"], Value::Null, "{status:#}");
        for color in ["blue", "green"] {
            let is_live = status["traffic"]["color"] == color;
            let wanted = match (is_live, idle) {
                (true, _) => Some(ami(live)),
                (false, Idle::Kept(version)) => Some(ami(version)),
                (false, Idle::Empty) => None,
            };
            let standing = self.standing(color).await;
            let images: BTreeSet<_> = standing.iter().map(|i| i.image.clone()).collect();
            assert_eq!(images, wanted.clone().into_iter().collect(), "images on {color}: {status:#}");
            let ids: BTreeSet<_> = standing.into_iter().map(|i| i.id).collect();
            assert_eq!(ids.len(), if wanted.is_some() { 2 } else { 0 }, "instances of {color}: {status:#}");
            let targets: BTreeSet<_> = self.targets(usize::from(color == "green")).await.into_keys().collect();
            assert_eq!(targets, ids, "targets of {color}: {status:#}");
        }
        self.journal_replays().await;
    }

    /// Checks that every entry of the journal can be read, and that they follow one from the other.
    pub(crate) async fn journal_replays(&self) {
        self.run(&["history", "ENV"]).await.exits(0);
        let events = self.run(&["--json", "history", "ENV", "--events"]).await.exits(0);
        assert_eq!(events.lines().len(), self.entries().len());
    }

    /// The color's instances that are not terminated, by the environment's tags.
    pub(crate) async fn standing(&self, color: &str) -> Vec<Standing> {
        let filter = |name: &str, values: &[&str]| {
            let values = values.iter().map(|v| (*v).to_owned()).collect();
            Filter::builder().name(name).set_values(Some(values)).build()
        };
        let answer = self
            .ec2()
            .describe_instances()
            .filters(filter("tag:switchback:environment", &["shop"]))
            .filters(filter("tag:switchback:color", &[color]))
            .filters(filter("instance-state-name", &["pending", "running", "stopping", "stopped"]))
            .send()
            .await
            .expect("instances are listed");
        let standing = |i: &aws_sdk_ec2::types::Instance| Standing {
            id: i.instance_id.clone().unwrap(),
            image: i.image_id.clone().unwrap(),
            address: i.private_ip_address.clone().unwrap(),
        };
        answer.reservations().iter().flat_map(|r| r.instances()).map(standing).collect()
    }
}

/// An instance that exists.
pub(crate) struct Standing {
    pub(crate) id: String,
    pub(crate) image: String,
    pub(crate) address: String,
}
