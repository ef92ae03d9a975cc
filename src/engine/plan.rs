//! `plan`: what deploy would do, read-only, live state beside intended state.

use std::time::Duration;

use jiff::fmt::friendly::{Designator, SpanPrinter};
use serde::Serialize;

use super::deploy::DeployRequest;
use super::run::replay;
use super::status::{ColorStatus, color_statuses};
use super::{Engine, EngineError};
use crate::release::{Admission, Color, Event, Problem, Traffic};

/// What deploy would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The environment.
    pub environment: String,
    /// The image.
    pub image: String,
    /// Where the traffic is now.
    pub traffic: Option<Traffic>,
    /// Both colors as they are now.
    pub colors: Vec<ColorStatus>,
    /// What would be done, in order; empty where nothing would.
    pub steps: Vec<PlanStep>,
    /// Why deploy would refuse, where it would.
    pub refused: Option<Problem>,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanStep {
    /// The phase it belongs to.
    pub phase: &'static str,
    /// What is done, in words.
    pub text: String,
}

impl Engine {
    /// What `deploy` would do now. Changes nothing.
    ///
    /// # Errors
    /// Where the journal or AWS cannot be read.
    pub async fn plan(&self, wanted: &DeployRequest) -> Result<Plan, EngineError> {
        let state = replay(&self.journal.tail().await?)?;
        let prepared = self.unless_stopped(self.prepare(state, wanted)).await?;
        let colors = color_statuses(
            &self.environment,
            &prepared.state,
            &prepared.facts,
            &prepared.request.pins,
            prepared.reading.as_ref(),
        );
        let (steps, refused) = match prepared.admission {
            Err(problem) => (Vec::new(), Some(problem)),
            Ok(Admission::AlreadyLive) => (Vec::new(), None),
            Ok(Admission::Resume) => (self.resume_step(&prepared.state), None),
            Ok(Admission::Start(event)) => match event {
                Event::ReleaseStarted { from, to, .. } => {
                    (self.steps(&prepared.request, &prepared.facts, &from, &to), None)
                }
                other => (vec![step("preparing", format!("record {}", other.name()))], None),
            },
        };
        Ok(Plan {
            environment: self.environment.name.clone(),
            image: wanted.image.clone(),
            traffic: prepared.facts.traffic,
            colors,
            steps,
            refused,
        })
    }

    fn resume_step(&self, state: &crate::release::State) -> Vec<PlanStep> {
        let release = state.release.iter();
        release.map(|r| step(r.phase.name(), format!("go on with release {} where it stands", r.id))).collect()
    }

    fn steps(
        &self,
        request: &crate::release::Request,
        facts: &crate::release::Facts,
        from: &Color,
        to: &Color,
    ) -> Vec<PlanStep> {
        let environment = &self.environment;
        let mut steps = Vec::new();
        let leftovers = facts.instances.get(to).into_iter().flatten().filter(|i| i.alive()).count();
        if leftovers > 0 {
            steps.push(step("clearing", format!("deregister, drain and terminate {leftovers} instance(s) of {to}")));
        }
        if matches!(facts.traffic, Some(Traffic::Only { idle_referenced: false, .. })) {
            steps.push(step(
                "provisioning",
                format!("put {to} into the rule at weight 0, so that it is health-checked"),
            ));
        }
        for subnet in request.pins.subnets.iter().filter(|s| s.count > 0) {
            steps.push(step(
                "provisioning",
                format!(
                    "launch {} instance(s) of {} in {} ({}) from {} version {}",
                    subnet.count,
                    request.image,
                    subnet.id,
                    subnet.zone,
                    request.pins.template,
                    request.pins.template_version
                ),
            ));
        }
        steps.push(step("provisioning", format!("register {} instance(s) with {to}", request.count)));
        steps.push(step(
            "warming",
            format!("wait until every target is healthy, {} looks in a row", environment.health.consecutive),
        ));
        steps.push(step("smoke", format!("run {} smoke check(s) on the private endpoints", environment.smoke.len())));
        steps.push(step("switching", format!("move the traffic from {from} to {to} in one write, and read it back")));
        let quiet = words(environment.release.converge.quiet);
        steps.push(match &environment.release.converge.probe {
            Some(path) => step("converging", format!("probe {path} until only {to} has answered for {quiet}")),
            None => step("converging", format!("wait {quiet}")),
        });
        let no_requests = environment.release.converge.no_requests;
        if !no_requests.is_zero() && request.pins.ttl_seconds() == 0 {
            let text = format!("wait until CloudWatch has counted no request for {from} in {}", words(no_requests));
            steps.push(step("converging", text));
        }
        steps.push(step("baking", format!("watch {to} for {}", words(environment.release.bake))));
        steps.push(step(
            "retaining",
            format!("keep {from} warm for {}; then `reconcile` takes it down", words(environment.retain)),
        ));
        steps
    }
}

/// A duration as the environment file writes it: `1h30m`.
fn words(duration: Duration) -> String {
    SpanPrinter::new().designator(Designator::Compact).unsigned_duration_to_string(&duration)
}

fn step(phase: &'static str, text: String) -> PlanStep {
    PlanStep { phase, text }
}
