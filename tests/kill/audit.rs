//! What must be left when everything is over, asked of AWS with clients that owe nothing to the program.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::Filter;

use super::service::Service;
use super::site::Site;

/// Every instance of the cloud that is not terminated: its id, with the environment that its tags name.
pub(crate) async fn instances(site: &Site) -> BTreeMap<String, String> {
    let ec2 = aws_sdk_ec2::Client::new(&site.sdk());
    let states = ["pending", "running", "shutting-down", "stopping", "stopped"].map(str::to_owned);
    let filter = Filter::builder().name("instance-state-name").set_values(Some(states.into())).build();
    let mut pages = ec2.describe_instances().filters(filter).into_paginator().items().send();
    let mut found = BTreeMap::new();
    while let Some(reservation) = pages.next().await {
        for instance in reservation.unwrap().instances() {
            let tag = instance.tags().iter().find(|tag| tag.key() == Some("switchback:environment"));
            let environment = tag.and_then(|tag| tag.value()).unwrap_or("nobody's").to_owned();
            found.insert(instance.instance_id().unwrap().to_owned(), environment);
        }
    }
    found
}

/// Checks that the environment is two instances behind the color that has all the traffic, and nothing else.
pub(crate) async fn nothing_is_left_over(site: &Site, service: &Service, standing: &BTreeMap<String, String>) {
    let (name, seeded) = &site.planted[service.index];
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&site.sdk());
    let actions = match &seeded.rule {
        Some(rule) => {
            let answer = elb.describe_rules().rule_arns(rule).send().await.unwrap();
            answer.rules()[0].actions().to_vec()
        }
        None => {
            let answer = elb.describe_listeners().listener_arns(&seeded.listeners[0]).send().await.unwrap();
            answer.listeners()[0].default_actions().to_vec()
        }
    };
    let [action] = actions.as_slice() else { panic!("{name}: {actions:?}") };
    let tuples = action.forward_config().unwrap().target_groups();
    let weight = |arn: &String| {
        let of = tuples.iter().find(|tuple| tuple.target_group_arn() == Some(arn));
        of.map_or(0, |tuple| tuple.weight().unwrap())
    };
    let weights = seeded.target_groups.each_ref().map(weight);
    assert!(weights[0].min(weights[1]) == 0 && weights[0].max(weights[1]) > 0, "{name}: weights {weights:?}");

    let owned: BTreeSet<&String> = standing.iter().filter(|(_, of)| *of == name).map(|(id, _)| id).collect();
    assert_eq!(owned.len(), 2, "instances of {name}");
    for (group, weight) in seeded.target_groups.iter().zip(weights) {
        let answer = elb.describe_target_health().target_group_arn(group).send().await.unwrap();
        let described = answer.target_health_descriptions().iter();
        let targets: BTreeSet<String> = described.map(|d| d.target().unwrap().id().unwrap().to_owned()).collect();
        let wanted = if weight > 0 { owned.clone() } else { BTreeSet::new() };
        assert_eq!(targets.iter().collect::<BTreeSet<_>>(), wanted, "registrations of {group}");
    }

    let status = service.status().await;
    assert!(status["lease"].is_null() && status["mismatch"].is_null(), "{status:#}");
    assert!(status["release"]["unfinished"] != true, "{status:#}");
    let last = service.entries().await.pop();
    assert!(last.as_ref().is_none_or(|entry| entry["lease_until"].is_null()), "the lease of {name}: {last:#?}");
}
