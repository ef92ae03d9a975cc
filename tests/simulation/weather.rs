//! What happens to the world by a plan: storms of faults, machines that die or hang, people who write by hand.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, TargetDescription, TargetGroupTuple,
};
use switchback::dev::Shortage;
use switchback::dev::faults::{Fault, FaultKind, Faults};
use tokio::task::JoinSet;

use super::plan::{Plan, TimedEvent, Weather, WorldEvent};
use super::trace::{Trace, What};
use super::world::{REGION, World, image_id};

/// The storms that rage now. The dev cloud removes all of its faults or none, so this keeps the list.
#[derive(Clone)]
struct Storms {
    faults: Faults,
    raging: Arc<Mutex<Vec<(usize, Fault)>>>,
}

impl Storms {
    fn change(&self, change: impl FnOnce(&mut Vec<(usize, Fault)>)) {
        let mut raging = self.raging.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut raging);
        self.faults.clear();
        raging.iter().for_each(|(_, fault)| self.faults.add(fault.clone()));
    }
}

/// Starts everything that happens to the world; what it returns ends when the last of it is over.
pub(crate) fn start(world: &Arc<World>, plan: &Plan, trace: &Trace) -> JoinSet<()> {
    let storms = Storms { faults: world.cloud.faults(), raging: Arc::default() };
    let mut events = JoinSet::new();
    for (number, TimedEvent { at_ms, what }) in plan.events.iter().cloned().enumerate() {
        let (world, trace, storms) = (world.clone(), trace.clone(), storms.clone());
        let at = trace.began() + Duration::from_millis(at_ms);
        events.spawn(async move {
            tokio::time::sleep_until(at).await;
            trace.write(None, What::World(format!("{what:?}")));
            happen(&world, (number, what), &storms, &trace).await;
        });
    }
    events
}

async fn happen(world: &World, (number, what): (usize, WorldEvent), storms: &Storms, trace: &Trace) {
    match what {
        WorldEvent::Storm { calls, weather, percent, for_ms } => {
            let fault = Fault::new(of_journal(calls), kind(weather)).probability(f64::from(percent) / 100.0);
            storms.change(|raging| raging.push((number, fault)));
            tokio::time::sleep(Duration::from_millis(for_ms)).await;
            storms.change(|raging| raging.retain(|(other, _)| *other != number));
            trace.write(None, What::World(format!("storm {number} is over")));
        }
        WorldEvent::Kill { environment, live, nth } => {
            if let Some(instance) = pick(world, environment, live, nth).await
                && let Some(machine) = world.cloud.machine(&instance)
            {
                machine.kill();
            }
        }
        WorldEvent::Hang { environment, live, nth, for_ms } => {
            if let Some(instance) = pick(world, environment, live, nth).await
                && let Some(machine) = world.cloud.machine(&instance)
            {
                machine.freeze(true);
                tokio::time::sleep(Duration::from_millis(for_ms)).await;
                machine.freeze(false);
            }
        }
        WorldEvent::Retire { environment, live, nth } => {
            if let Some(instance) = pick(world, environment, live, nth).await {
                let ec2 = aws_sdk_ec2::Client::new(&world.sdk_config("hand"));
                let ended = ec2.terminate_instances().instance_ids(instance).send().await;
                told(trace, "the termination", ended);
            }
        }
        WorldEvent::Foreign { environment, weights } => {
            let weights = weights.map(|weight| i32::try_from(weight).expect("weights are 0 to 999"));
            let written = forward(world, environment, weights).await;
            told(trace, "the foreign write", written);
        }
        WorldEvent::Squat { environment } => squat(world, environment, trace).await,
        WorldEvent::Shortage { for_ms } => {
            let none = Shortage { zone: None, instance_type: None, instances_max: 0, late: false };
            world.cloud.set_shortages(REGION, vec![none]);
            tokio::time::sleep(Duration::from_millis(for_ms)).await;
            world.cloud.set_shortages(REGION, Vec::new());
            trace.write(None, What::World("there is capacity again".into()));
        }
    }
}

/// A storm may keep a person's call from its end, as it does ours.
fn told<T, E: Display>(trace: &Trace, what: &str, done: Result<T, E>) {
    if let Err(error) = done {
        trace.write(None, What::World(format!("{what} failed: {error}")));
    }
}

/// The journal is a bucket: its requests have S3's names in the dev cloud.
fn of_journal(calls: String) -> String {
    match calls.as_str() {
        "journal:put" => "s3:PutObject".into(),
        "journal:get" => "s3:GetObject".into(),
        "journal:list" => "s3:ListObjectsV2".into(),
        "journal:*" => "s3:*".into(),
        _ => calls,
    }
}

fn kind(weather: Weather) -> FaultKind {
    match weather {
        Weather::Throttle => FaultKind::Throttle,
        Weather::Internal => FaultKind::Refuse {
            status: 500,
            code: "InternalFailure".into(),
            message: "The request processing has failed because of an unknown error, exception or failure.".into(),
        },
        Weather::LoseAnswer => FaultKind::LoseAnswer,
        Weather::Reset => FaultKind::Reset,
        Weather::Late { by_ms } => FaultKind::Delay(Duration::from_millis(by_ms)),
        Weather::LateEffect { by_ms } => FaultKind::DelayEffect(Duration::from_millis(by_ms)),
        Weather::Stale { by_ms } => FaultKind::Stale(Duration::from_millis(by_ms)),
    }
}

/// The weights of the colors, the first live one first; 0 for one that the switch does not name.
pub(crate) async fn weights(world: &World, environment: usize) -> Option<[i32; 2]> {
    let seeded = &world.places[environment].seeded;
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&world.sdk_config("hand"));
    let actions = match &seeded.rule {
        Some(rule) => {
            let found = elb.describe_rules().rule_arns(rule).send().await.ok()?;
            found.rules()[0].actions().to_vec()
        }
        None => {
            let found = elb.describe_listeners().listener_arns(&seeded.listeners[0]).send().await.ok()?;
            found.listeners()[0].default_actions().to_vec()
        }
    };
    let groups = actions.iter().find_map(Action::forward_config)?.target_groups().to_vec();
    let weight = |arn: &String| {
        let named = groups.iter().find(|group| group.target_group_arn() == Some(arn));
        named.and_then(TargetGroupTuple::weight).unwrap_or(0)
    };
    Some([weight(&seeded.target_groups[0]), weight(&seeded.target_groups[1])])
}

/// One of the registered instances of the color that has the traffic, or of the other one.
async fn pick(world: &World, environment: usize, live: bool, nth: usize) -> Option<String> {
    let [first, second] = weights(world, environment).await?;
    let color = usize::from((second > first) == live);
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&world.sdk_config("hand"));
    let group = &world.places[environment].seeded.target_groups[color];
    let found = elb.describe_target_health().target_group_arn(group).send().await.ok()?;
    let targets = found.target_health_descriptions().iter().filter_map(|each| each.target()?.id());
    let mut ids: Vec<_> = targets.map(str::to_owned).collect();
    ids.sort();
    let at = nth.checked_rem(ids.len())?;
    Some(ids.swap_remove(at))
}

/// Somebody else writes the switch with a client of their own, as a Terraform apply does.
async fn forward(world: &World, environment: usize, weights: [i32; 2]) -> Result<(), aws_sdk_ec2::error::BoxError> {
    let seeded = &world.places[environment].seeded;
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&world.sdk_config("foreign"));
    let tuples = seeded.target_groups.iter().zip(weights);
    let tuples = tuples.map(|(arn, weight)| TargetGroupTuple::builder().target_group_arn(arn).weight(weight).build());
    let forward = ForwardActionConfig::builder().set_target_groups(Some(tuples.collect())).build();
    let action = Action::builder().r#type(ActionTypeEnum::Forward).forward_config(forward).build();
    match &seeded.rule {
        Some(rule) => drop(elb.modify_rule().rule_arn(rule).actions(action).send().await?),
        None => {
            let modify = elb.modify_listener().listener_arn(&seeded.listeners[0]);
            modify.default_actions(action).send().await?;
        }
    }
    Ok(())
}

/// Somebody else's instance, without our tags, on the color that has no traffic.
async fn squat(world: &World, environment: usize, trace: &Trace) {
    let seeded = &world.places[environment].seeded;
    let Some([first, second]) = weights(world, environment).await else { return };
    let idle = &seeded.target_groups[usize::from(second <= first)];
    let config = world.sdk_config("foreign");
    let ec2 = aws_sdk_ec2::Client::new(&config);
    let run = ec2.run_instances().image_id(image_id(0)).instance_type("t3.micro".into());
    let run = run.subnet_id(&seeded.subnets[0]).min_count(1).max_count(1).client_token("squatter");
    let ran = match run.send().await {
        Ok(ran) => ran,
        Err(error) => return told::<(), _>(trace, "the foreign launch", Err(error)),
    };
    let Some(id) = ran.instances().first().and_then(|instance| instance.instance_id()) else { return };
    // What is pending cannot be registered.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&config);
    let target = TargetDescription::builder().id(id).build();
    let registered = elb.register_targets().target_group_arn(idle).targets(target).send().await;
    told(trace, "the foreign registration", registered);
}
