//! The journal explains every write: an intent that says the same stands in it before the call, and the call leaves
//! before the intent's time is over.

use std::time::Duration;

use switchback::journal::{Body, SETTLE_MARGIN};
use switchback::release::{Effect, Event};

use super::Invariant;
use super::scene::{By, Call, Deed, Scene, Site, Written};

/// Clocks tick in milliseconds, and a request takes none to leave.
const SLACK: Duration = Duration::from_millis(100);

pub(super) struct Intents;

impl Invariant for Intents {
    fn name(&self) -> &'static str {
        "the journal explains every write"
    }

    fn entry(&mut self, scene: &Scene, written: &Written) -> Result<(), String> {
        let entries = &scene.sites[written.site].journal.entries;
        let before = entries.iter().rev().nth(1);
        let twice = before.is_some_and(|before| {
            before.entry.run == written.entry.run
                && before.entry.body == written.entry.body
                && matches!(written.entry.body, Body::Event(_))
        });
        match twice {
            true => Err(format!("entry {} says the same as the one before it", written.entry.seq)),
            false => Ok(()),
        }
    }

    fn call(&mut self, scene: &Scene, call: &Call<'_>) -> Result<(), String> {
        let (By::Runner(number), Some(at)) = (call.by, call.site) else { return Ok(()) };
        let site = &scene.sites[at];
        let mut announced = site.events().filter_map(|(written, event)| match event {
            Event::Intent { effect, deadline } if written.by == number => Some((written, effect, *deadline)),
            _ => None,
        });
        let Some((_, effect, deadline)) = announced.find(|(_, effect, _)| says(effect, &call.what)) else {
            let newest =
                site.events().find(|(written, event)| written.by == number && matches!(event, Event::Intent { .. }));
            let newest = newest.map(|(_, event)| event);
            return Err(format!(
                "runner {number} makes a call of {} that no intent of it explains: {:?}; newest: {newest:?}",
                site.name, call.what
            ));
        };
        // The deadline is of the process's own clock.
        let clock_ms = scene.processes.get(&number).map_or(0, |process| process.clock_ms);
        let deadline = deadline - jiff::SignedDuration::from_millis(clock_ms);
        let due = scene.since_start(deadline);
        if call.left.is_some_and(|left| left > due + SLACK) {
            return Err(format!(
                "runner {number} sends its {} of {} {:.3} s after the time for it was over",
                call.called.operation,
                site.name,
                (call.left.unwrap_or_default().saturating_sub(due)).as_secs_f64()
            ));
        }
        if scene.now() > due + SETTLE_MARGIN {
            return Err(format!("{} of runner {number} lands after its deadline: {effect:?}", call.called.operation));
        }
        Ok(())
    }
}

/// Whether the intent says what the call does.
fn says(effect: &Effect, deed: &Deed) -> bool {
    let same = |one: &[String], other: &[String]| {
        let sorted = |ids: &[String]| {
            let mut ids = ids.to_vec();
            ids.sort();
            ids
        };
        sorted(one) == sorted(other)
    };
    match (effect, deed) {
        (Effect::Reference { live, .. }, Deed::Weigh { after, .. }) => {
            let live = Site::place_of(live);
            after[live] > 0 && after[1 - live] == 0
        }
        (Effect::Flip { to, .. }, Deed::Weigh { after, .. }) => {
            let to = Site::place_of(to);
            after[to] > 0 && after[1 - to] == 0
        }
        (
            Effect::Launch { subnet, count, client_token, color },
            Deed::Launch { token, subnet: at, count: many, tags },
        ) => {
            token.as_ref() == Some(client_token)
                && at.as_ref().is_none_or(|at| at == subnet)
                && many.is_none_or(|many| many == *count)
                && tags.get("switchback:color").is_some_and(|name| name == color.as_str())
        }
        (Effect::Register { color, instances }, Deed::Register { color: place, ids })
        | (Effect::Deregister { color, instances }, Deed::Deregister { color: place, ids }) => {
            Site::place_of(color) == *place && same(instances, ids)
        }
        (Effect::Terminate { instances, .. }, Deed::Terminate { ids }) => same(instances, ids),
        (
            Effect::Reference { .. }
            | Effect::Launch { .. }
            | Effect::Register { .. }
            | Effect::Flip { .. }
            | Effect::Deregister { .. }
            | Effect::Terminate { .. },
            _,
        ) => false,
    }
}
