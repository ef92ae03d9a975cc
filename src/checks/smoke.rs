//! The smoke checks of an environment, in order, and the problem that a failed one becomes.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::words::command_line;
use super::{command, http, tcp};
use crate::config::{SmokeCheck, TcpCheck};
use crate::dial::Dial;
use crate::release::{Color, Problem, ReleaseId};

/// How many instances are checked at the same time.
const PARALLEL_MAX: usize = 64;
/// How many failed instances a message names; the rest is counted.
const NAMED_MAX: usize = 3;
/// Pause between two attempts of a TCP check.
const TCP_PAUSE: Duration = Duration::from_secs(1);

/// The idle color, as the smoke checks see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmokeTarget {
    /// Its name.
    pub color: Color,
    /// The release that it was built for.
    pub release: ReleaseId,
    /// The image that its instances run.
    pub image: String,
    /// Private address and target-group port of every instance, in order.
    pub endpoints: Vec<SocketAddr>,
}

/// Runs `checks` in order, each against every instance of `target`; the first one that fails ends it.
///
/// `dial` opens the connections of HTTP and TCP checks. `folder` is the folder of the environment file: commands run
/// there. No endpoint is a failure, not a pass. When the future is dropped, whatever a command has started is ended.
///
/// # Errors
/// The problem names the check, the instances, the number of attempts, what was seen last and what was expected.
pub async fn smoke(dial: &dyn Dial, checks: &[SmokeCheck], target: &SmokeTarget, folder: &Path) -> Result<(), Problem> {
    if !checks.is_empty() && target.endpoints.is_empty() {
        return Err(Problem::new(
            format!("there is no instance of {} to run the smoke checks against", target.color),
            "at least one instance with a private address",
            format!("aws ec2 describe-instances --filters Name=tag:switchback:color,Values={}", target.color),
        ));
    }
    for (index, check) in checks.iter().enumerate() {
        let name = format!("smoke check {} of {} ({})", index + 1, checks.len(), describe(check));
        tracing::debug!(check = name, color = %target.color, "running");
        run(dial, check, &name, target, folder).await?;
    }
    Ok(())
}

async fn run(
    dial: &dyn Dial,
    check: &SmokeCheck,
    name: &str,
    target: &SmokeTarget,
    folder: &Path,
) -> Result<(), Problem> {
    match check {
        SmokeCheck::Http(check) => {
            let plan = Plan { name, port: check.port, attempts: check.attempts, pause: check.pause };
            let failures = plan.every_instance(target, |endpoint| http::attempt(dial, check, endpoint)).await;
            plan.problem(&failures, http::expected(&check.expect), |endpoint| http::by_hand(check, endpoint))
        }
        SmokeCheck::Tcp(TcpCheck { port, within, attempts }) => {
            let plan = Plan { name, port: *port, attempts: *attempts, pause: TCP_PAUSE };
            let failures = plan.every_instance(target, |endpoint| tcp::attempt(dial, *within, endpoint)).await;
            let by_hand = |endpoint: SocketAddr| format!("nc -vz {} {}", endpoint.ip(), endpoint.port());
            plan.problem(&failures, format!("a connection within {within:?}"), by_hand)
        }
        SmokeCheck::Command(check) => command::run(check, target, folder).await.map_err(|failure| {
            let saw = format!("{name} failed at its only attempt: {}", failure.saw);
            let expected = format!("exit code 0 within {:?}", check.timeout);
            Problem::new(saw, expected, failure.by_hand)
        }),
    }
}

fn describe(check: &SmokeCheck) -> String {
    match check {
        SmokeCheck::Http(check) => format!("GET {}", check.path),
        SmokeCheck::Tcp(TcpCheck { port: Some(port), .. }) => format!("TCP port {port}"),
        SmokeCheck::Tcp(TcpCheck { port: None, .. }) => "TCP".into(),
        SmokeCheck::Command(check) => format!("command {}", command_line(&check.run)),
    }
}

/// How a check is tried on every instance.
struct Plan<'a> {
    name: &'a str,
    port: Option<u16>,
    attempts: u32,
    pause: Duration,
}

/// An instance on which every attempt failed, and what the last one saw.
type Failure = (SocketAddr, String);

impl Plan<'_> {
    /// Tries every instance, several at the same time; the failures are in the order of the instances.
    async fn every_instance<F, A>(&self, target: &SmokeTarget, attempt: F) -> Vec<Failure>
    where
        F: Fn(SocketAddr) -> A,
        A: Future<Output = Result<(), String>>,
    {
        let tries = target.endpoints.iter().copied().map(|endpoint| {
            let endpoint = SocketAddr::new(endpoint.ip(), self.port.unwrap_or(endpoint.port()));
            let attempt = &attempt;
            async move { self.one_instance(endpoint, attempt).await.err().map(|saw| (endpoint, saw)) }
        });
        let results: Vec<_> = stream::iter(tries).buffered(PARALLEL_MAX).collect().await;
        results.into_iter().flatten().collect()
    }

    async fn one_instance<F, A>(&self, endpoint: SocketAddr, attempt: &F) -> Result<(), String>
    where
        F: Fn(SocketAddr) -> A,
        A: Future<Output = Result<(), String>>,
    {
        let mut number = 1;
        loop {
            match attempt(endpoint).await {
                Ok(()) => return Ok(()),
                Err(saw) => {
                    tracing::debug!(check = self.name, %endpoint, attempt = number, of = self.attempts, saw, "failed");
                    if number >= self.attempts {
                        return Err(saw);
                    }
                }
            }
            number += 1;
            tokio::time::sleep(self.pause).await;
        }
    }

    /// The failures as one problem, with the way to look at the first instance by hand.
    fn problem(
        &self,
        failures: &[Failure],
        expected: String,
        by_hand: impl Fn(SocketAddr) -> String,
    ) -> Result<(), Problem> {
        let Some((first, _)) = failures.first() else { return Ok(()) };
        let mut named: Vec<_> =
            failures.iter().take(NAMED_MAX).map(|(endpoint, saw)| format!("{endpoint}: {saw}")).collect();
        if failures.len() > NAMED_MAX {
            named.push(format!("and {} more", failures.len() - NAMED_MAX));
        }
        let saw = format!("{} failed after {} attempt(s) on {}", self.name, self.attempts, named.join("; "));
        Err(Problem::new(saw, expected, by_hand(*first)))
    }
}
