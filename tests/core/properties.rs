//! Random histories: no sequence of events reaches an impossible state, and a journal always tells the same story.

use jiff::Timestamp;
use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, proptest};
use proptest::test_runner::Config;
use switchback::release::{Effect, Event, Moved, Phase, State};

use crate::build::{all_events, at, blue, green, mirrored};

/// What must hold in every state, whatever happened.
pub(crate) fn assert_possible(state: &State) {
    let Some(release) = &state.release else {
        assert_eq!(state, &State::default(), "a state without a release is empty");
        return;
    };
    let phase = match &release.phase {
        Phase::Blocked { at, .. } => at.as_ref(),
        plain => plain,
    };
    assert!(!matches!(phase, Phase::Blocked { .. }), "a block within a block: {state:#?}");
    let moved_fits = match phase {
        Phase::Clearing
        | Phase::Provisioning { .. }
        | Phase::Warming { .. }
        | Phase::Smoke
        | Phase::Staged
        | Phase::Switching
        | Phase::Aborting
        | Phase::Aborted => release.moved == Moved::Not,
        Phase::Converging { .. } | Phase::Baking { .. } | Phase::Retaining { .. } | Phase::RollingBack => {
            release.moved == Moved::Forward
        }
        Phase::RolledBack { .. } => release.moved == Moved::Back,
        Phase::Retiring | Phase::Done => release.moved != Moved::Not,
        Phase::Blocked { .. } => false,
    };
    assert!(moved_fits, "where the traffic is does not fit the phase: {state:#?}");
    assert_ne!(release.live(), release.idle(), "{state:#?}");
    assert!([blue(), green()].contains(&release.from) && [blue(), green()].contains(&release.to), "{state:#?}");
    assert!(state.occupants.keys().all(|c| release.pins.groups.contains_key(c)), "an unknown color: {state:#?}");
    assert!(state.carried.keys().all(|c| release.pins.groups.contains_key(c)), "an unknown color: {state:#?}");

    let emptied = match phase {
        Phase::Provisioning { .. } | Phase::Aborted => Some(&release.to),
        Phase::Done => Some(release.idle()),
        _ => None,
    };
    assert!(emptied.is_none_or(|c| !state.occupants.contains_key(c)), "an emptied color is occupied: {state:#?}");
    let carrying = matches!(
        phase,
        Phase::Switching
            | Phase::Converging { .. }
            | Phase::Baking { .. }
            | Phase::Retaining { .. }
            | Phase::RollingBack
            | Phase::RolledBack { .. }
            | Phase::Retiring
    );
    assert!(
        !carrying || state.carried.contains_key(release.idle()),
        "nobody knows when the idle color had traffic: {state:#?}"
    );
    let came_up = carrying || matches!(phase, Phase::Warming { .. } | Phase::Smoke | Phase::Staged);
    assert!(
        !came_up
            || state.occupants.get(&release.to).is_some_and(|o| o.release == release.id)
            || phase == &Phase::Retiring
            || release.adopted.is_some(),
        "the new color is nobody's: {state:#?}"
    );

    if let Some(pending) = &state.pending {
        let fits = match &pending.effect {
            Effect::Reference { live, idle } => (live, idle) == (&release.from, &release.to),
            Effect::Launch { color, .. } | Effect::Register { color, .. } => *color == release.to,
            Effect::Flip { from, to } => from != to && release.flips > 0,
            Effect::Deregister { color, .. } | Effect::Terminate { color, .. } => {
                color == release.idle() || *color == release.to || release.phase.is_settled()
            }
        };
        assert!(fits, "a pending call that this release cannot have announced: {state:#?}");
    }
    assert!(!release.forced || release.moved != Moved::Not, "forced without a rollback: {state:#?}");
}

/// A history: at each step one of the events that may follow, or now and then any other, which must be refused.
fn histories() -> impl Strategy<Value = Vec<(Timestamp, Event)>> {
    prop::collection::vec((any::<prop::sample::Index>(), 0i64..400, any::<prop::sample::Index>()), 1..120).prop_map(
        |steps| {
            let (mut state, mut history, mut now) = (State::default(), Vec::new(), 0);
            for (choice, pause, any_event) in steps {
                now += pause;
                let every = events_for(&state, now);
                let stray = any_event.get(&every);
                let before = state.clone();
                if state.apply(at(now), stray).is_ok() {
                    history.push((at(now), stray.clone()));
                    continue;
                }
                assert_eq!(state, before, "a refused event changed the state");
                let legal: Vec<Event> =
                    every.into_iter().filter(|e| before.clone().apply(at(now), e).is_ok()).collect();
                // Most histories would abort early if every legal event were as likely.
                let onward: Vec<Event> = legal
                    .iter()
                    .filter(|e| !matches!(e, Event::AbortRequested | Event::Failed { .. } | Event::Blocked { .. }))
                    .cloned()
                    .collect();
                let Some(event) = (!onward.is_empty()).then(|| choice.get(&onward).clone()) else { continue };
                state.apply(at(now), &event).unwrap();
                history.push((at(now), event));
            }
            history
        },
    )
}

/// Every event, with the colors as the next release would have them.
fn events_for(state: &State, now: i64) -> Vec<Event> {
    let to_blue = state.release.as_ref().is_some_and(|r| match r.phase.is_settled() {
        true => *r.live() == green(),
        false => r.to == blue(),
    });
    let turn = |event: Event| match event {
        Event::ReleaseStarted { release, image, from, to, count, from_count, pins } if to_blue => {
            Event::ReleaseStarted { release, image, from: to, to: from, count, from_count, pins }
        }
        Event::Intent { effect, .. } => {
            Event::Intent { effect: if to_blue { mirrored(&effect) } else { effect }, deadline: at(now + 60) }
        }
        other => other,
    };
    all_events().into_iter().map(turn).collect()
}

fn config() -> Config {
    Config { failure_persistence: None, ..Config::with_cases(512) }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_history_reaches_an_impossible_state(history in histories()) {
        let mut state = State::default();
        for (at, event) in &history {
            state.apply(*at, event).unwrap();
            assert_possible(&state);
        }
    }

    #[test]
    fn a_journal_read_in_two_parts_or_through_json_tells_the_same(
        (history, cut) in histories().prop_flat_map(|h| { let n = h.len(); (Just(h), 0..=n) }),
    ) {
        let replay = |events: &[(Timestamp, Event)]| State::replay(events.iter().map(|(at, e)| (*at, e))).unwrap();
        let whole = replay(&history);
        let mut parts = replay(&history[..cut]);
        for (at, event) in &history[cut..] {
            parts.apply(*at, event).unwrap();
        }
        prop_assert_eq!(&parts, &whole);
        let written = serde_json::to_string(&history).unwrap();
        let read: Vec<(Timestamp, Event)> = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(&read, &history);
        prop_assert_eq!(replay(&read), whole);
    }
}

#[test]
fn random_histories_visit_every_phase() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let mut state = State::default();
        for (at, event) in histories().new_tree(&mut runner).unwrap().current() {
            state.apply(at, &event).unwrap();
            seen.insert(crate::build::phase(&state).name());
        }
    }
    assert_eq!(seen.len(), 16, "{seen:?}");
}

#[test]
fn every_event_survives_json() {
    for event in all_events() {
        let written = serde_json::to_string(&event).unwrap();
        assert!(written.contains(&format!("\"type\":\"{}\"", event.name())), "{written}");
        assert_eq!(serde_json::from_str::<Event>(&written).unwrap(), event, "{written}");
    }
}
