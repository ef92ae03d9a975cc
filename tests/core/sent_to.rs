//! Nothing is put on an idle color that a listener or a rule sends to: it would get traffic before it was checked.

use std::collections::BTreeSet;

use switchback::release::{
    Decision, Effect, Event, Facts, Phase, Question, References, Sender, State, Traffic, UsedGroup, admit,
};

use crate::admission::request;
use crate::build::{at, blue, fails, forward, green, state_in, targets, well};

fn sender() -> References {
    let place = "the rule 7 of the listener on port 80".into();
    let sender = Sender { place, weight: Some(5), run: "aws elbv2 describe-rules --rule-arns arn:7".into() };
    References { senders: vec![sender], others: vec![] }
}

/// Each step of provisioning, and the facts that lead to it.
fn steps() -> Vec<(&'static str, State, Facts)> {
    let provisioning = || state_in(Phase::Provisioning { since: at(0) });
    let mut unreferenced = well(blue());
    unreferenced.traffic = Some(Traffic::Only { color: blue(), idle_referenced: false });
    let mut launched = provisioning();
    launched.release.as_mut().unwrap().launched = ["a".into(), "b".into()].into();
    let mut unregistered = well(blue());
    unregistered.targets.insert(green(), targets(&[]));
    vec![
        ("reference", provisioning(), unreferenced),
        ("launch", provisioning(), well(blue())),
        ("register", launched, unregistered),
    ]
}

#[test]
fn a_release_fails_before_it_puts_anything_on_a_color_that_a_rule_sends_to() {
    for (step, state, mut facts) in steps() {
        let Decision::Act(effect) = forward(&state, 10, &facts) else { panic!("{step} is the next step") };
        facts.references.insert(green(), sender());
        let decision = forward(&state, 10, &facts);
        let Decision::Record(Event::Failed { problem }) = &decision else { panic!("{step}: {decision:?}") };
        assert!(problem.saw.contains("the rule 7") && problem.saw.contains("sends traffic to green"), "{problem:?}");
        assert!(problem.run[0].contains("describe-rules --rule-arns arn:7"), "{problem:?}");
        assert!(problem.run.iter().any(|run| run == "switchback status env.yaml"), "{problem:?}");
        assert_eq!(effect.needs_a_color_that_nothing_sends_to(), step == "register", "{effect:?}");
    }
}

#[test]
fn who_sends_to_the_color_is_asked_with_the_rest_before_every_step() {
    for (step, state, mut facts) in steps() {
        facts.references.remove(&green());
        let asked = Decision::Ask(BTreeSet::from([Question::References(green())]));
        assert_eq!(forward(&state, 10, &facts), asked, "{step}");
    }
}

#[test]
fn where_the_new_instances_serve_besides_is_not_asked_before_they_are_registered() {
    for (step, state, mut facts) in steps() {
        let targets = vec!["g1".to_owned(), "10.0.0.1".to_owned()];
        let admin = UsedGroup { arn: "arn:admin".into(), place: "a rule".into(), targets, run: String::new() };
        facts.references.insert(green(), References { senders: vec![], others: vec![admin] });
        assert!(matches!(forward(&state, 10, &facts), Decision::Act(_)), "{step}");
    }
}

#[test]
fn a_release_does_not_start_while_a_rule_sends_to_the_idle_color() {
    for (live, idle) in [(blue(), green()), (green(), blue())] {
        let mut facts = well(live.clone());
        // The live color is everybody's to send to.
        facts.references.insert(live, sender());
        admit(&State::default(), &request("ami-3"), &facts).expect("it is admitted");
        facts.references.insert(idle.clone(), sender());
        let problem = admit(&State::default(), &request("ami-3"), &facts).expect_err("it is refused");
        assert!(problem.saw.contains("the rule 7"), "{problem:?}");
        assert!(problem.run[0].contains("describe-rules --rule-arns arn:7"), "{problem:?}");
        facts.references.remove(&idle);
        let problem = admit(&State::default(), &request("ami-3"), &facts).expect_err("it is refused");
        assert!(problem.saw.contains("were not read"), "{problem:?}");
        let asked = request("ami-3").questions_about_the_idle_color(&facts);
        assert_eq!(asked, [Question::References(idle)]);
    }
}

#[test]
fn what_fails_for_a_rule_is_undone_like_any_failure() {
    let (_, mut state, mut facts) = steps().remove(1);
    facts.references.insert(green(), sender());
    facts.instances.insert(green(), vec![]);
    facts.targets.insert(green(), targets(&[]));
    let Decision::Record(event) = forward(&state, 10, &facts) else { panic!("it goes on") };
    assert!(fails(Decision::Record(event.clone())).contains("the rule 7"));
    state.apply(at(10), &event).unwrap();
    assert_eq!(forward(&state, 10, &facts), Decision::Record(Event::Aborted), "nothing of it is there");
}

#[test]
fn the_flip_itself_asks_nobody() {
    assert!(!Effect::Flip { from: blue(), to: green() }.needs_a_color_that_nothing_sends_to());
}
