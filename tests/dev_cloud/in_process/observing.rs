//! What an observer is told, when, and that it sees the truth where the API does not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::TargetDescription;
use switchback::dev::Seen;
use switchback::dev::faults::Fault;
use switchback::dev::seed::Seed;
use tokio::time::sleep;

use super::super::support::{V0, V1};
use super::{options, rig};

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_of_calls_launches_health_and_routes_as_they_happen() {
    let rig = rig(options(), Seed { deregistration_delay_s: 30, ..Seed::new(V0) }).await;
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = lines.clone();
    rig.cloud.observe(move |view, seen| {
        let line = match seen {
            Seen::Call(call) if call.reads => return,
            Seen::Call(call) => format!("{call:?}, weights {:?}", weights(&view.rules()[0])),
            Seen::Target { id, state, .. } => format!("{id} is {state}"),
            Seen::Instance { id, state } => format!("{id} is {state}"),
            Seen::Routes { node, rules, .. } => format!("{node:?} routes {:?}", weights(&rules[0])),
        };
        kept.lock().unwrap().push(line);
    });
    let told = || std::mem::take(&mut *lines.lock().unwrap());
    let green = rig.world.target_groups[1].clone();

    let ids = rig.launch(V1, 1).await;
    rig.register(&green, &ids).await;
    rig.until(&green, "healthy").await;
    let by = "by DEVCLOUD, weights [100, 0]";
    let states = ["running", "healthy"].map(|state| format!("{} is {state}", ids[0]));
    let [running, healthy] = &states;
    let calls = ["ec2:RunInstances", "elbv2:RegisterTargets"].map(|call| format!("{call} {by}"));
    let expected = [&calls[0], running, &calls[1], healthy];
    assert_eq!(told().iter().collect::<Vec<_>>(), expected);

    // The call is told when the rule has changed, and the node when it follows.
    rig.forward([0, 100]).await;
    assert_eq!(told(), ["elbv2:ModifyListener by DEVCLOUD, weights [0, 100]"]);
    sleep(Duration::from_millis(4_900)).await;
    assert!(told().is_empty());
    sleep(Duration::from_millis(200)).await;
    assert_eq!(told(), ["None routes [0, 100]"]);

    // A refused call is told as one that has changed nothing; one whose answer is lost is told as it happened.
    rig.cloud.faults().add(Fault::throttle("elbv2:ModifyListener").times(1));
    rig.forward([100, 0]).await;
    let refused = "elbv2:ModifyListener by DEVCLOUD, refused: ThrottlingException, weights [0, 100]";
    assert_eq!(told(), [refused, "elbv2:ModifyListener by DEVCLOUD, weights [100, 0]"]);

    let target = TargetDescription::builder().id(&ids[0]).build();
    rig.elb.deregister_targets().target_group_arn(&green).targets(target).send().await.unwrap();
    sleep(Duration::from_secs(31)).await;
    rig.ec2.terminate_instances().instance_ids(&ids[0]).send().await.unwrap();
    sleep(Duration::from_secs(10)).await;
    let lines = told();
    assert!(lines.contains(&format!("{} is unused", ids[0])), "{lines:#?}");
    assert!(lines.contains(&format!("{} is terminated", ids[0])), "{lines:#?}");

    rig.cloud.unobserve();
    rig.forward([100, 0]).await;
    assert!(told().is_empty());
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_truth_is_there_while_the_api_is_throttled_and_stale() {
    let rig = rig(options(), Seed::new(V0)).await;
    let [blue, green] = &rig.world.target_groups;
    rig.cloud.faults().add(Fault::throttle("*"));
    let rules = rig.cloud.view().rules();
    assert_eq!(rules.len(), 1);
    assert!(rules[0].default && rules[0].listener == rig.world.listeners[0], "{rules:?}");
    assert_eq!(rules[0].weights, [(blue.clone(), 100), (green.clone(), 0)]);
    let targets = rig.cloud.view().targets(blue);
    assert_eq!(targets.iter().map(|target| target.state).collect::<Vec<_>>(), ["healthy"; 2]);
    assert!(rig.cloud.view().targets("arn:none").is_empty());

    rig.cloud.machine(&rig.world.instances[0]).unwrap().kill();
    sleep(Duration::from_secs(1)).await;
    let alive: Vec<bool> = rig.cloud.view().instances().iter().map(|instance| instance.alive).collect();
    assert_eq!(alive.iter().filter(|alive| **alive).count(), 1, "{alive:?}");
    let tags = rig.cloud.view().instances()[0].tags.clone();
    assert_eq!(tags["switchback:environment"], "shop");
    rig.cloud.shutdown().await;
}

fn weights(rule: &switchback::dev::Forwarding) -> Vec<u32> {
    rule.weights.iter().map(|(_, weight)| *weight).collect()
}
