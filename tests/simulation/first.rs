//! The smallest runs: a deploy, and a deploy that is killed and taken up again.

use super::plan::{Behavior, EnvironmentPlan, Mishap, Plan, RunnerPlan, Switch, Trouble, Verb};
use super::run::simulate;
use super::runner::Ended;

/// One environment, in which nothing takes longer than it must; processes are numbered by their place.
pub(crate) fn small(mut runners: Vec<RunnerPlan>) -> Plan {
    (0..).zip(&mut runners).for_each(|(number, runner)| runner.number = number);
    let shop = EnvironmentPlan {
        name: "shop".into(),
        switch: Switch::DefaultAction,
        count: 2,
        retain_ms: 10 * 60_000,
        bake_ms: 60_000,
        quiet_ms: 30_000,
        converge_timeout_ms: 10 * 60_000,
        health_timeout_ms: 10 * 60_000,
        health_interval_ms: 10_000,
        probe: true,
        deregistration_delay_ms: 30_000,
    };
    Plan {
        seed: 0,
        environments: vec![shop],
        images: vec![Behavior::Well; 4],
        propagation_ms: 2_000,
        node_skew_ms: 1_000,
        runners,
        schedule: None,
        events: Vec::new(),
        calm_ms: 0,
    }
}

/// A process of the first environment with a true clock.
pub(crate) fn runner(at_ms: u64, verb: Verb, troubles: Vec<Trouble>) -> RunnerPlan {
    RunnerPlan { number: 0, at_ms, environment: 0, verb, clock_ms: 0, troubles }
}

const DEPLOY: Verb = Verb::Deploy { version: 1, detach: false };

#[test]
fn a_deploy_is_settled_by_itself_and_two_runs_are_the_same() {
    let plan = small(vec![runner(1_000, DEPLOY, vec![])]);
    let one = simulate(&plan, None);
    let lines: Vec<_> = one.trace.iter().map(ToString::to_string).collect();
    assert!(one.violations.is_empty(), "{:#?}\n{}", one.violations, lines.join("\n"));
    assert_eq!(one.ended[&0], Ended::Exit(0), "{}", lines.join("\n"));
    assert!(one.served[&(0, "v0".into())] > 5 && one.served[&(0, "v1".into())] > 5, "{:?}", one.served);
    let again = simulate(&plan, None);
    for (line, other) in one.trace.iter().zip(&again.trace) {
        assert_eq!(line.to_string(), other.to_string());
    }
    assert_eq!(one.digest, again.digest);
    assert_ne!(one.digest, simulate(&Plan { seed: 1, ..plan }, None).digest);
}

#[test]
fn a_deploy_that_is_killed_with_its_first_launch_in_the_network_is_finished_by_another() {
    let undisturbed = simulate(&small(vec![runner(1_000, DEPLOY, vec![])]), None);
    let launch = undisturbed.trace.iter().find_map(|line| match &line.what {
        super::trace::What::Reached { boundary, call } if call.name == "ec2:RunInstances" => Some(*boundary),
        _ => None,
    });
    let what = Mishap::CrashInFlight { lands_after_ms: 3_000 };
    let trouble = Trouble { boundary: launch.unwrap(), what };
    let plan = small(vec![runner(1_000, DEPLOY, vec![trouble]), runner(120_000, DEPLOY, vec![])]);
    let report = simulate(&plan, None);
    let lines: Vec<_> = report.trace.iter().map(ToString::to_string).collect();
    assert!(report.violations.is_empty(), "{:#?}\n{}", report.violations, lines.join("\n"));
    assert_eq!(report.ended[&0], Ended::Killed, "{}", lines.join("\n"));
    assert_eq!(report.ended[&1], Ended::Exit(0), "{}", lines.join("\n"));
    assert!(report.served[&(0, "v1".into())] > 5, "{:?}", report.served);
}
