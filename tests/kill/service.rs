//! One environment: its clients, its runs, and what its journal says of the ones that were killed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{TargetHealthDescription, TargetHealthStateEnum};
use jiff::{SignedDuration, Timestamp};
use rustix::process::Signal;
use serde_json::Value;
use switchback::dev::load::{Load, LoadOptions};

use super::deaths::{Death, Moment, Stood, Takeover, Tally, Verb};
use super::running::Running;
use super::site::Site;
use crate::world::{Ran, ami, ended, until};

/// Of the clients of one environment: enough to hit every moment of a flip, and little enough for forty of them.
const REQUESTS_PER_SECOND: u32 = 10;

/// One environment of a site.
pub(crate) struct Service {
    pub(crate) site: Arc<Site>,
    pub(crate) index: usize,
    file: PathBuf,
    load: Option<Load>,
    deaths: Vec<Death>,
    tally: Tally,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum End {
    Killed,
    ByItself(Ran),
}

impl Service {
    /// The environment of this index, with clients that begin now and go on.
    pub(crate) async fn new(site: &Arc<Site>, index: usize) -> Self {
        let file = site.environment(index, "2s");
        let url = site.planted[index].1.url.clone();
        let elb = aws_sdk_elasticloadbalancingv2::Client::new(&site.sdk());
        let blue = &site.planted[index].1.target_groups[0];
        // The dev cloud has just been started again, and its instances with it.
        until("everything that was planted is healthy", async || {
            let answer = elb.describe_target_health().target_group_arn(blue).send().await.unwrap();
            let healthy = |d: &TargetHealthDescription| {
                d.target_health().unwrap().state() == Some(&TargetHealthStateEnum::Healthy)
            };
            answer.target_health_descriptions().iter().filter(|d| healthy(d)).count() == 2
        })
        .await;
        let options = LoadOptions { connections: 3, rate: Some(REQUESTS_PER_SECOND), ..LoadOptions::default() };
        let load = Load::start(&format!("{url}/"), options).await.unwrap();
        Self { site: site.clone(), index, file, load: Some(load), deaths: Vec::new(), tally: Tally::default() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.site.planted[self.index].0
    }

    /// How many of its runs were killed.
    pub(crate) fn deaths(&self) -> usize {
        self.deaths.len()
    }

    /// Who took the leases of the dead, and how long that took.
    pub(crate) async fn takeovers(&self) -> Vec<Takeover> {
        takeovers(&self.entries().await, &self.deaths)
    }

    /// Where its load balancer answers.
    pub(crate) fn url(&self) -> &str {
        &self.site.planted[self.index].1.url
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        ended(self.site.command(&self.typed(arguments)).spawn().unwrap()).await
    }

    /// `ENV` stands for the environment file.
    fn typed<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let file = self.file.to_str().unwrap();
        arguments.iter().map(|argument| if *argument == "ENV" { file } else { *argument }).collect()
    }

    /// Starts a verb that changes something.
    pub(crate) fn start(&self, verb: Verb, version: &str) -> Running {
        let image = ami(version);
        let mut line = vec!["--json", verb.name(), "ENV"];
        if verb == Verb::Deploy {
            line.extend(["--image", &image]);
        }
        Running::start(self.site.command(&self.typed(&line)))
    }

    /// Starts a deploy that waits until nobody holds the lease any more.
    pub(crate) fn start_waiting(&self, version: &str) -> Running {
        let line = ["--json", "deploy", "ENV", "--image", &ami(version), "--wait-for-lease", "5m"];
        Running::start(self.site.command(&self.typed(&line)))
    }

    /// Runs a verb that changes something, killed at this moment if it has not ended by then.
    pub(crate) async fn go(&mut self, verb: Verb, version: &str, moment: Option<Moment>) -> End {
        let mut running = self.start(verb, version);
        let strikes = match moment {
            Some(moment) => running.until(moment).await,
            None => false,
        };
        if strikes { self.kill(verb, running).await } else { self.ended(verb, running, false).await }
    }

    /// Kills this run.
    pub(crate) async fn kill(&mut self, verb: Verb, running: Running) -> End {
        running.signal(Signal::KILL);
        self.ended(verb, running, true).await
    }

    async fn ended(&mut self, verb: Verb, running: Running, strikes: bool) -> End {
        let (pid, at) = (running.pid(), Timestamp::now());
        let ran = running.end().await;
        let Some(code) = ran.code else {
            assert!(strikes, "{verb:?} of {} died by itself: {ran:#?}", self.name());
            self.deaths.push(Death { verb, pid, at });
            self.site.somebody_died();
            return End::Killed;
        };
        *self.tally.ended.entry((verb, code)).or_default() += 1;
        End::ByItself(ran)
    }

    /// What `status --json` says.
    pub(crate) async fn status(&self) -> Value {
        self.run(&["--json", "status", "ENV"]).await.exits(0).lines().remove(0)
    }

    /// Waits until the color without traffic may be taken down.
    pub(crate) async fn until_it_expires(&self) {
        let status = self.status().await;
        let at = status["release"]["expires_at"].as_str().unwrap_or_else(|| panic!("nothing expires: {status:#}"));
        sleep_until(at.parse().unwrap()).await;
    }

    /// Waits until the lease of a run that is gone is over.
    pub(crate) async fn until_the_lease_is_over(&self) {
        // What it sent last may still be written, and lengthen it.
        loop {
            let lease = &self.status().await["lease"];
            if lease.is_null() || lease["expired"] == true {
                return;
            }
            sleep_until(lease["until"].as_str().unwrap().parse().unwrap()).await;
        }
    }

    /// Every entry of the journal, in order.
    pub(crate) async fn entries(&self) -> Vec<Value> {
        self.run(&["--json", "history", "ENV", "--events"]).await.exits(0).lines()
    }

    /// Checks that no request has failed so far.
    pub(crate) fn no_request_has_failed(&self) {
        let summary = self.load.as_ref().unwrap().snapshot();
        assert_eq!(summary.failed, 0, "{}: of {} requests: {:?}", self.name(), summary.sent, summary.errors);
    }

    /// Ends the clients, and says what there is to count.
    pub(crate) async fn end(mut self) -> Tally {
        let summary = self.load.take().unwrap().stop().await;
        assert_eq!(summary.failed, 0, "{}: of {} requests: {:?}", self.name(), summary.sent, summary.errors);
        self.tally.requests = summary.sent;
        let entries = self.entries().await;
        self.tally.deaths = self.deaths.len();
        for death in &self.deaths {
            let stood = stood(&entries, death);
            *self.tally.where_from.entry(death.verb).or_default().entry(stood).or_default() += 1;
        }
        self.tally.takeovers = takeovers(&entries, &self.deaths);
        self.tally
    }
}

/// Waits until this time of day.
async fn sleep_until(at: Timestamp) {
    let left = at.duration_since(Timestamp::now()) + SignedDuration::from_millis(1);
    tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
}

/// When an entry was written.
fn at(entry: &Value) -> Timestamp {
    entry["at"].as_str().unwrap().parse().unwrap()
}

/// The id of the run that died this death, where it ever held the lease.
fn run_of<'a>(entries: &'a [Value], death: &Death) -> Option<&'a str> {
    let owner =
        |entry: &Value| ["lease-acquired", "lease-taken"].iter().any(|b| entry["body"][b]["owner"]["pid"] == death.pid);
    // Process ids come again: the last one before the death is meant.
    entries.iter().rev().find(|entry| owner(entry) && at(entry) <= death.at)?["run"].as_str()
}

/// Where the run that died this death stood.
fn stood(entries: &[Value], death: &Death) -> Stood {
    let Some(run) = run_of(entries, death) else { return Stood::BeforeItsFirstEntry };
    let last = entries.iter().rev().find(|entry| entry["run"] == run).unwrap();
    let event = &last["body"]["event"];
    match (event["type"].as_str(), last["body"].as_str()) {
        (Some("intent"), _) => Stood::InACall(event["effect"].as_str().unwrap().to_owned()),
        (Some(event), _) => Stood::After(event.to_owned()),
        (None, Some(lease)) => Stood::After(lease.to_owned()),
        (None, None) => Stood::After("taking the lease".to_owned()),
    }
}

/// Who took the leases of the dead, and how long that took.
fn takeovers(entries: &[Value], deaths: &[Death]) -> Vec<Takeover> {
    let since = |from: Timestamp, to: Timestamp| Duration::try_from(to.duration_since(from)).unwrap_or_default();
    let of = |death: &Death| {
        let run = run_of(entries, death)?;
        let nth = entries.iter().position(|entry| entry["body"]["lease-taken"]["from"] == run)?;
        let taken = &entries[nth];
        let body = &taken["body"]["lease-taken"];
        let acted = entries[nth..]
            .iter()
            .take_while(|entry| entry["run"] == taken["run"])
            .find(|entry| entry["body"]["event"]["type"] == "intent");
        Some(Takeover {
            expired: body["reason"].as_str().unwrap().contains("expired"),
            at: at(taken),
            after: since(death.at, at(taken)),
            acted_after: acted.map(|entry| since(at(taken), at(entry))),
        })
    };
    deaths.iter().filter_map(of).collect()
}
