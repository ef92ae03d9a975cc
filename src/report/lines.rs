//! One line per notice, for a person.

use crate::engine::{FlipKind, Notice};
use crate::release::{EffectResult, Event, FlipReason};

/// The notice as a line, or `None` where it says nothing to a person.
pub fn notice_line(notice: &Notice) -> Option<String> {
    match notice {
        Notice::Recorded { event, .. } => event_line(event),
        Notice::Continuing { release, image, phase } => {
            Some(format!("{phase:<12} going on with release {release} of {image}"))
        }
        Notice::Waiting { phase, reason } => Some(format!("{phase:<12} waiting: {reason}")),
        Notice::Flipped { kind, to, ms } => Some(match kind {
            FlipKind::Deploy => format!("switching    the traffic goes to {to} ({ms} ms)"),
            FlipKind::Rollback => format!("rolling-back the traffic goes to {to} again, {ms} ms after the start"),
        }),
        Notice::Retrying { saw } => Some(format!("retrying     {saw}")),
        Notice::Warning { text } => Some(format!("warning      {text}")),
    }
}

fn event_line(event: &Event) -> Option<String> {
    Some(match event {
        Event::ReleaseStarted { release, image, from, to, .. } => {
            format!("preparing    release {release}: {image} on {to}, while {from} carries the traffic")
        }
        Event::Cleared => "clearing     the idle color is empty".into(),
        Event::Provisioned { instances } => {
            format!("provisioning {} instance(s) run and are registered", instances.len())
        }
        Event::Warmed => "warming      every target is healthy".into(),
        Event::SmokePassed => "smoke        the smoke checks passed".into(),
        Event::Intent { effect, .. } => format!("             {}", effect.describe()),
        Event::Outcome { result: EffectResult::Accepted { .. } | EffectResult::Repeated { .. } } => return None,
        Event::Outcome { result: EffectResult::Refused { problem } } => {
            format!("             refused: {}", problem.saw)
        }
        Event::Outcome { result: EffectResult::Unknown { saw } } => format!("             no answer: {saw}"),
        Event::Outcome { result: EffectResult::NotSent { saw, .. } } => format!("             not sent: {saw}"),
        Event::Switched => "switching    read back: all traffic goes to the new color".into(),
        Event::NotSwitched => "switching    read back: the traffic has not moved".into(),
        Event::Converged => "converging   the traffic has followed".into(),
        Event::Retained { until } => format!("retaining    the previous color stays warm until {until}"),
        Event::Failed { problem } => format!("failed       {}", problem.saw),
        Event::AbortRequested => "aborting     undoing the release".into(),
        Event::RollbackStarted { reason: FlipReason::Requested, skipped } if skipped.is_empty() => {
            "rolling-back the previous color can take the traffic".into()
        }
        Event::RollbackStarted { reason: FlipReason::Requested, skipped } => {
            format!("rolling-back by force, skipping: {}", skipped.join("; "))
        }
        Event::RollbackStarted { reason: FlipReason::Failed { problem }, .. } => {
            format!("rolling-back {}", problem.saw)
        }
        Event::RolledBack { until } => format!("rolled-back  read back; the color that was left stays until {until}"),
        Event::Aborted => "aborted      the idle color is empty again; the traffic never moved".into(),
        Event::RetirementStarted => "retiring     the retention is over".into(),
        Event::Retired => "done         the idle color has been taken down".into(),
        Event::Blocked { problem } => format!("blocked      {}", problem.saw),
        Event::Resumed => "resumed      going on where it was blocked".into(),
        Event::ClockRestarted { unwatched_since } => {
            format!("continuing   nobody has watched since {unwatched_since}: the time-out counts anew")
        }
        Event::Synced => "             every authoritative server has the DNS change".into(),
        Event::LeftoversFound { color, instances } => {
            format!("leftovers    no release explains {} of {color}: taking them down", instances.join(", "))
        }
        Event::LeftoversRemoved => "leftovers    gone".into(),
        Event::Adopted { by, reason, was, live, until } => {
            let why = reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
            format!("adopted      {by} takes the traffic on {live} as right{why}; {was} stays until {until}")
        }
    })
}
