//! A release that is given up at once, for the journal's tests and its bench: few events, in an order that a journal
//! can have.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Color, Effect, EffectResult, Event, GroupPin, Pins, ReleaseId, RoutePin, SwitchPin, Timestamp};

/// Its five events; `answer` is how the one call that it announces `at` that time ends.
pub(crate) fn given_up(number: u64, at: Timestamp, answer: EffectResult) -> [Event; 5] {
    let (blue, green) = (Color::new("blue"), Color::new("green"));
    let group = |arn: &str| GroupPin { arn: arn.into(), port: 8080, deregistration_delay_seconds: 300 };
    let route = RoutePin { dns_name: "shop.elb".into(), port: 443, https: true, host: None };
    let pins = Pins {
        route: SwitchPin::Rule { rule: "arn:r".into(), route },
        groups: BTreeMap::from([(blue.clone(), group("arn:b")), (green.clone(), group("arn:g"))]),
        template: "lt-1".into(),
        template_version: 7,
        subnets: vec![],
    };
    let started = Event::ReleaseStarted {
        release: ReleaseId::new(format!("20261121-021500-{number:04x}")),
        image: format!("ami-{number}"),
        from: blue,
        to: green.clone(),
        count: 3,
        from_count: 3,
        pins,
    };
    let deregister = Effect::Deregister { color: green, instances: vec!["i-1".into()] };
    let announced = Event::Intent { effect: deregister, deadline: at + Duration::from_secs(40) };
    [started, announced, Event::Outcome { result: answer }, Event::AbortRequested, Event::Aborted]
}
