//! Rules across keys, which a JSON Schema does not express. They look at the tree, so that they are told together with
//! the mistakes of shape; what is missing or misshapen is not looked at here.

use std::time::Duration;

use super::duration;
use super::errors::{Mistakes, quote};
use super::file::ConvergeFile;
use super::tree::{Entry, Node};

/// Checks everything that takes more than one key to judge.
pub(super) fn check(root: &Node, mistakes: &mut Mistakes) {
    distinct(root, "target-group", "one color would replace the targets of the other", mistakes);
    let switches = root.get("switches").map_or(&[][..], |e| e.node.items());
    if let [switch] = switches
        && let [kind] = switch.entries()
    {
        if kind.key == "dns" {
            distinct(root, "load-balancer", "each color of a `dns` switch has one of its own", mistakes);
            load_balancers(root, mistakes);
            record(&kind.node, mistakes);
        } else if kind.key == "listener" {
            no_load_balancers(root, mistakes);
        }
    }
    converge(root, mistakes);
    for check in root.get("smoke").map_or(&[][..], |e| e.node.items()) {
        for argument in check.find(&["command", "run"]).map_or(&[][..], |e| e.node.items()) {
            placeholders(argument, mistakes);
        }
    }
}

fn colors(root: &Node) -> &[Entry] {
    root.get("colors").map_or(&[], |e| e.node.entries())
}

/// No two colors may share the value of `key`.
fn distinct(root: &Node, key: &str, why: &str, mistakes: &mut Mistakes) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for color in colors(root).iter().take(2) {
        let Some((entry, name)) = color.node.get(key).and_then(|e| Some((e, e.node.text()?))) else { continue };
        if let Some((_, other)) = seen.iter().find(|(seen, _)| *seen == name) {
            let message = format!("`{key}` of {} and of {} are both {}", quote(other), quote(&color.key), quote(name));
            mistakes.add(entry.node.at.clone(), message, format!("name two different ones: {why}"));
        }
        seen.push((name, &color.key));
    }
}

fn load_balancers(root: &Node, mistakes: &mut Mistakes) {
    for color in colors(root).iter().filter(|c| !c.node.entries().is_empty() && c.node.get("load-balancer").is_none()) {
        let message = format!("the key `load-balancer` is missing in {}", quote(&format!("colors.{}", color.key)));
        mistakes.add(
            color.key_at.clone(),
            message,
            "a `dns` switch moves the traffic between the colors' load balancers",
        );
    }
}

fn no_load_balancers(root: &Node, mistakes: &mut Mistakes) {
    for color in colors(root) {
        if let Some(entry) = color.node.get("load-balancer") {
            let message =
                format!("{} is for a `dns` switch only", quote(&format!("colors.{}.load-balancer", color.key)));
            let hint =
                "remove it: with a `listener` switch both colors are behind `switches[0].listener.load-balancer`";
            mistakes.add(entry.key_at.clone(), message, hint);
        }
    }
}

/// The record must be in the zone, and a CNAME cannot be the zone's own name.
fn record(dns: &Node, mistakes: &mut Mistakes) {
    let text = |key| dns.get(key).and_then(|e| e.node.text()).map(|t| t.trim_end_matches('.').to_lowercase());
    let (Some(zone), Some(record), Some(entry)) = (text("zone"), text("record"), dns.get("record")) else { return };
    if zone.is_empty() || record.is_empty() {
        return;
    }
    if record != zone && !record.ends_with(&format!(".{zone}")) {
        let message = format!("the record {} is not in the zone {}", quote(&record), quote(&zone));
        let hint = format!("write the full name, for example `{}.{zone}`", record.split('.').next().unwrap_or("shop"));
        mistakes.add(entry.node.at.clone(), message, hint);
    }
    if record == zone && text("type").as_deref() == Some("cname") {
        let message = format!("the zone's own name {} cannot be a CNAME", quote(&zone));
        mistakes.add(entry.node.at.clone(), message, "use `type: A` with alias records, or a name inside the zone");
    }
}

/// From a flip to the first whole minute, and from the end of a minute to its counts being told.
const COUNTED_WITHIN: Duration = Duration::from_mins(3);

/// What takes as long as the time-out can never be seen to have passed.
fn converge(root: &Node, mistakes: &mut Mistakes) {
    let entry = |key| root.find(&["release", "converge", key]);
    let keys = ["timeout", "quiet", "no-requests"].map(entry);
    let Some(at) = keys.iter().flatten().next().map(|e| e.node.at.clone()) else { return };
    let default = ConvergeFile::default();
    let written = |entry: Option<&Entry>, default: Duration| match entry {
        Some(entry) => entry.node.text().and_then(|text| Some((duration::parse(text)?, text.to_owned()))),
        None => Some((default, format!("{} by default", duration::print(default)))),
    };
    let [timeout, quiet, no_requests] = keys;
    let Some((timeout, timeout_text)) = written(timeout, default.timeout.0) else { return };
    if let Some((quiet, text)) = written(quiet, default.quiet.0)
        && timeout <= quiet
    {
        let message = format!(
            "`release.converge.timeout` ({timeout_text}) must be longer than `release.converge.quiet` ({text}): no flip \
             could be proven in time"
        );
        mistakes.add(at.clone(), message, "write both, for example `quiet: 2m` and `timeout: 10m`");
    }
    if let Some((no_requests, text)) = written(no_requests, default.no_requests.0)
        && !no_requests.is_zero()
        && timeout <= no_requests + COUNTED_WITHIN
    {
        let message = format!(
            "`release.converge.timeout` ({timeout_text}) must be longer than `release.converge.no-requests` ({text}) and \
             the {} that CloudWatch takes to count: no flip could be proven in time",
            duration::print(COUNTED_WITHIN)
        );
        mistakes.add(at, message, "write a longer `timeout`, or `no-requests: 0s`, which leaves CloudWatch unasked");
    }
}

/// What is replaced in the arguments of a command check.
const PLACEHOLDERS: [&str; 5] = ["color.name", "color.endpoint", "color.endpoints", "release.image", "release.id"];

fn placeholders(argument: &Node, mistakes: &mut Mistakes) {
    let Some(text) = argument.text() else { return };
    for (open, _) in text.match_indices('{') {
        let Some(name) = text[open + 1..].split_once('}').map(|(name, _)| name) else { continue };
        let ours = name.starts_with("color.") || name.starts_with("release.");
        if ours && !PLACEHOLDERS.contains(&name) {
            let hint = match super::check::nearest(name, PLACEHOLDERS.into_iter()) {
                Some(meant) => format!("did you mean `{{{meant}}}`?"),
                None => format!("there are: {}", PLACEHOLDERS.map(|p| format!("`{{{p}}}`")).join(", ")),
            };
            mistakes.add(argument.at.clone(), format!("unknown placeholder {}", quote(&format!("{{{name}}}"))), hint);
        }
    }
}
