//! Whether a release may start.

use switchback::release::{
    Admission, Event, Facts, HealthState, Phase, Problem, Question, ReleaseId, Request, State, Traffic, admit,
};

use crate::build::{all_phases, at, blocked, blue, foreign, green, only, pins, split, state_in, target, targets, well};

pub(crate) fn request(image: &str) -> Request {
    Request {
        release: ReleaseId::new("r3"),
        image: image.into(),
        count: 2,
        accept_smaller: false,
        pins: pins(),
        name: "env".into(),
        env: "env.yaml".into(),
    }
}

#[track_caller]
fn refused(state: &State, request: &Request, facts: &Facts) -> Problem {
    admit(state, request, facts).expect_err("it was admitted")
}

#[test]
fn the_color_without_traffic_gets_the_release() {
    for (live, idle) in [(blue(), green()), (green(), blue())] {
        let Ok(Admission::Start(event)) = admit(&State::default(), &request("ami-3"), &well(live.clone())) else {
            panic!("refused")
        };
        let Event::ReleaseStarted { from, to, from_count, .. } = &event else { panic!("{event:?}") };
        assert_eq!((from, to, *from_count), (&live, &idle, 2));
        assert_eq!(State::default().apply(at(0), &event), Ok(()));
    }
}

#[test]
fn everything_about_both_colors_is_asked() {
    let asked = request("ami-3").questions();
    for color in [blue(), green()] {
        assert!(asked.contains(&Question::Targets(color.clone())) && asked.contains(&Question::Instances(color)));
    }
    assert!(asked.contains(&Question::Traffic));
}

#[test]
fn one_release_at_a_time_and_the_same_image_goes_on_with_it() {
    for phase in all_phases() {
        let state = state_in(phase.clone());
        let facts = well(state.release.as_ref().unwrap().live().clone());
        if phase.is_settled() {
            assert!(matches!(admit(&state, &request("ami-3"), &facts), Ok(Admission::Start(_))), "{phase:?}");
        } else {
            assert_eq!(admit(&state, &request("ami-2"), &facts), Ok(Admission::Resume), "{phase:?}");
            let problem = refused(&state, &request("ami-3"), &facts);
            assert!(problem.saw.contains("unfinished") && problem.run.len() == 2, "{problem:?}");
        }
    }
}

#[test]
fn the_image_that_has_the_traffic_already_is_not_released_again() {
    let state = state_in(Phase::Retaining { until: at(1000) });
    assert_eq!(admit(&state, &request("ami-2"), &well(green())), Ok(Admission::AlreadyLive));
    let mut more = request("ami-2");
    more.count = 3;
    assert!(matches!(admit(&state, &more, &well(green())), Ok(Admission::Start(_))));
    let back = state_in(Phase::RolledBack { until: at(1000) });
    assert!(matches!(admit(&back, &request("ami-2"), &well(blue())), Ok(Admission::Start(_))));
}

#[test]
fn traffic_that_is_not_on_one_color_is_in_the_way() {
    for traffic in [split(), Traffic::Nowhere, foreign()] {
        let mut facts = well(blue());
        facts.traffic = Some(traffic.clone());
        let problem = refused(&State::default(), &request("ami-3"), &facts);
        assert!(problem.saw.contains(&traffic.describe()), "{problem:?}");
    }
    assert!(refused(&State::default(), &request("ami-3"), &Facts::default()).saw.contains("not read"));
}

#[test]
fn traffic_that_somebody_else_moved_is_in_the_way_and_every_named_command_works() {
    let kept = state_in(Phase::Retaining { until: at(1000) });
    let problem = refused(&kept, &request("ami-3"), &well(blue()));
    assert!(problem.saw.contains("somebody else") && problem.run[0].contains("adopt env.yaml"), "{problem:?}");
    let back = state_in(Phase::RolledBack { until: at(1000) });
    let mut facts = well(green());
    facts.traffic = Some(only(green()));
    let problem = refused(&back, &request("ami-3"), &facts);
    assert!(problem.run[0].contains("adopt env.yaml"), "{problem:?}");
}

#[test]
fn a_retirement_that_is_blocked_does_not_keep_new_releases_out() {
    let state = state_in(blocked(&Phase::Retiring));
    assert!(matches!(admit(&state, &request("ami-3"), &well(green())), Ok(Admission::Start(_))));
}

#[test]
fn strangers_on_the_idle_color_are_in_the_way() {
    let mut facts = well(blue());
    facts.targets.get_mut(&green()).unwrap().list.push(target("i-stranger", HealthState::Healthy));
    let problem = refused(&State::default(), &request("ami-3"), &facts);
    assert!(problem.saw.contains("i-stranger") && problem.run.iter().any(|r| r.contains("create-tags")));
}

#[test]
fn a_smaller_color_needs_a_word() {
    use HealthState::Healthy;
    let mut facts = well(blue());
    facts.targets.insert(blue(), targets(&[("b1", Healthy), ("b2", Healthy), ("b3", Healthy)]));
    let mut request = request("ami-3");
    assert!(refused(&State::default(), &request, &facts).run.iter().any(|r| r.contains("--accept-smaller")));
    request.accept_smaller = true;
    assert!(matches!(admit(&State::default(), &request, &facts), Ok(Admission::Start(_))));
}
