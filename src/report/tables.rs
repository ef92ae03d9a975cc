//! Status, plan and history as a person reads them.

use comfy_table::{Table, presets};
use jiff::Timestamp;

use super::words::{age, problem_text};
use crate::engine::{ColorStatus, Expired, LeaseReport, Plan, ReleaseSummary, Status};
use crate::release::{Targets, Traffic};

/// The environment as it is.
pub fn status_text(status: &Status, now: Timestamp) -> String {
    let mut text = format!("{}: {}\n\n", status.environment, traffic(status.traffic.as_ref()));
    text.push_str(&colors(&status.colors, now));
    if let Some(release) = &status.release {
        text.push_str(&format!(
            "\nrelease {} ({}, {} to {}): {}, started {} ago\n",
            release.id,
            release.image,
            release.from,
            release.to,
            release.phase,
            age(release.started_at, now)
        ));
        if let (Some(color), Some(at)) = (&release.expires, release.expires_at) {
            text.push_str(&match at > now {
                true => format!("{color} expires in {} ({at})\n", age(now, at)),
                false => format!("{color} has expired; the next `reconcile` takes it down\n"),
            });
        }
        let nobody = status.lease.as_ref().is_none_or(|l| l.expired);
        // Where a person must decide, nobody else goes on; the problem below says what does.
        if nobody && release.unfinished && release.phase != "blocked" {
            text.push_str("nobody works on it: `reconcile` goes on, `abort` undoes it\n");
        }
        if let Some(adopted) = &release.adopted {
            let why = adopted.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
            let (by, live) = (&adopted.by, &adopted.live);
            text.push_str(&format!("{by} took the traffic on {live} as right {} ago{why}\n", age(adopted.at, now)));
        }
        if let Some(foreign) = &release.foreign_write {
            text.push_str(&format!("{} ago, a call was not sent: {}\n", age(foreign.at, now), foreign.saw));
        }
        if let Some(problem) = &release.problem {
            let why = if release.phase == "blocked" { "a person must decide" } else { "it failed" };
            text.push_str(&format!("\n{why}:\n{}", problem_text(problem)));
        }
    } else if let Some(problem) = &status.journal_problem {
        text.push_str(&format!("\nnothing is known of releases: {problem}\n"));
    } else {
        text.push_str("\nno release has been recorded\n");
    }
    if let Some(lease) = &status.lease {
        let state = if lease.expired { "has expired; the next run takes it over" } else { "is held" };
        text.push_str(&format!("the lease {state}: {}, until {}\n", lease.owner, lease.until));
    }
    if let Some(problem) = &status.mismatch {
        text.push_str(&format!("\nthe journal and the load balancer differ:\n{}", problem_text(problem)));
    }
    text
}

/// Who holds the lease, and what is in flight.
pub fn lease_text(report: &LeaseReport, now: Timestamp) -> String {
    let environment = &report.environment;
    let mut text = match &report.lease {
        None => format!("nobody holds the lease of {environment}\n"),
        Some(lease) => {
            let ends = match lease.expired {
                true => format!("it has expired at {}; the next run takes it over", lease.until),
                false => format!("until {} unless renewed", lease.until),
            };
            let since = format!("since {} ({} ago)", lease.since, age(lease.since, now));
            format!("the lease of {environment} is held by {}\n{since}, {ends}\n", lease.owner)
        }
    };
    for call in &report.in_flight {
        let when = match call.deadline > now {
            true => format!("not sent after {}", call.deadline),
            false => format!("its time was over at {}", call.deadline),
        };
        text.push_str(&format!("without an outcome: {} (entry {}; {when})\n", call.call, call.seq));
    }
    text
}

/// What deploy would do.
pub fn plan_text(plan: &Plan, now: Timestamp) -> String {
    let mut text = format!("{}: {}\n\n", plan.environment, traffic(plan.traffic.as_ref()));
    text.push_str(&colors(&plan.colors, now));
    if let Some(problem) = &plan.refused {
        text.push_str(&format!("\ndeploy would refuse {}:\n{}", plan.image, problem_text(problem)));
    } else if plan.steps.is_empty() {
        text.push_str(&format!("\nnothing to do: {} has the traffic already\n", plan.image));
    } else {
        text.push_str(&format!("\ndeploy {} would:\n", plan.image));
        for step in &plan.steps {
            text.push_str(&format!("  {:<12} {}\n", step.phase, step.text));
        }
    }
    text
}

/// Every release, the newest first.
pub fn history_text(releases: &[ReleaseSummary]) -> String {
    if releases.is_empty() {
        return "no release has been recorded\n".into();
    }
    let mut table = plain_table();
    table.set_header(["release", "image", "from", "to", "state", "started", "by"]);
    for release in releases.iter().rev() {
        table.add_row([
            release.release.to_string(),
            release.image.clone(),
            release.from.to_string(),
            release.to.to_string(),
            release.phase.to_string(),
            release.started_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            release.by.clone().unwrap_or_default(),
        ]);
    }
    let mut text = format!("{}\n", table.trim_fmt());
    for release in releases.iter().rev() {
        if let Some(problem) = &release.failure {
            text.push_str(&format!("\n{}:\n{}", release.release, problem_text(problem)));
        }
    }
    text
}

/// What a sweep would take down.
pub fn expired_text(environment: &str, expired: Option<&Expired>) -> String {
    match expired {
        None => format!("{environment}: nothing has expired\n"),
        Some(expired) if expired.instances.is_empty() => {
            format!(
                "{environment}: {} of release {} would be closed; it has no instances\n",
                expired.color, expired.release
            )
        }
        Some(expired) => format!(
            "{environment}: would take down {} of release {}: {}\n",
            expired.color,
            expired.release,
            expired.instances.join(", ")
        ),
    }
}

fn traffic(traffic: Option<&Traffic>) -> String {
    traffic.map_or_else(|| "the switch was not read".into(), Traffic::describe)
}

fn colors(colors: &[ColorStatus], now: Timestamp) -> String {
    let mut table = plain_table();
    table.set_header(["color", "traffic", "targets", "image", "instances", "age"]);
    for color in colors {
        let share = match (color.live, color.weight) {
            (true, Some(weight)) => format!("all (weight {weight})"),
            (true, None) => "all".to_string(),
            (false, Some(weight)) => format!("weight {weight}"),
            (false, None) => "none".to_string(),
        };
        table.add_row([
            color.color.to_string(),
            share,
            targets(&color.targets),
            color.image.clone().unwrap_or_else(|| "-".into()),
            color.instances.len().to_string(),
            color.since.map_or_else(|| "-".into(), |since| age(since, now)),
        ]);
    }
    let mut text = format!("{}\n", table.trim_fmt());
    for color in colors.iter().filter(|c| c.targets.healthy() < c.targets.list.len()) {
        text.push_str(&format!("\n{}: {}\n", color.color, color.targets.describe()));
    }
    text
}

/// The targets in short: who is not healthy stands below the table.
fn targets(targets: &Targets) -> String {
    match (targets.healthy(), targets.list.len()) {
        (_, 0) => "none".into(),
        (healthy, all) if healthy == all => format!("{healthy} healthy"),
        (healthy, all) => format!("{healthy} of {all} healthy"),
    }
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}
