//! The seed's launch template, and the first version behind the first color.

use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{
    Instance, InstanceStateName, InstanceType, LaunchTemplateSpecification, RequestLaunchTemplateData, ResourceType,
    Tag, TagSpecification,
};
use aws_sdk_elasticloadbalancingv2::types::{TargetDescription, TargetHealthStateEnum};

use super::network::Ground;
use super::{Clients, Seed, failed, lacks, until};
use crate::dev::DevError;

pub(super) async fn create_template(clients: &Clients, seed: &Seed, ground: &Ground) -> Result<String, DevError> {
    let data = RequestLaunchTemplateData::builder()
        .instance_type(InstanceType::from(seed.instance_type.as_str()))
        .set_image_id(seed.image.clone())
        .security_group_ids(&ground.security_group)
        .build();
    let made =
        clients.ec2.create_launch_template().launch_template_name(&seed.launch_template).launch_template_data(data);
    let made = made.send().await.map_err(failed("create the launch template"))?;
    made.launch_template.and_then(|template| template.launch_template_id).ok_or_else(lacks("launch template"))
}

/// Launches the first version with the tags by which switchback knows its own, and waits until it runs.
pub(super) async fn run_first(
    clients: &Clients,
    seed: &Seed,
    ground: &Ground,
    template: &str,
) -> Result<Vec<String>, DevError> {
    let own = [
        ("Name", seed.target_groups[0].clone()),
        ("switchback:environment", seed.environment.clone()),
        ("switchback:color", seed.colors[0].clone()),
    ];
    let tags = own.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    let tags = TagSpecification::builder().resource_type(ResourceType::Instance).set_tags(Some(tags)).build();
    let template = LaunchTemplateSpecification::builder().launch_template_id(template).version("1").build();
    let mut ids = Vec::new();
    let subnets = u32::try_from(ground.subnets.len()).map_err(failed("count the subnets"))?;
    for (at, subnet) in (0..).zip(&ground.subnets) {
        let count = seed.count / subnets + u32::from(at < seed.count % subnets);
        let count = i32::try_from(count).map_err(failed("read the count of instances"))?;
        if count == 0 {
            continue;
        }
        let run = clients.ec2.run_instances().launch_template(template.clone()).subnet_id(subnet);
        let run = run.min_count(count).max_count(count).tag_specifications(tags.clone());
        let run = run.send().await.map_err(failed("launch the first version"))?;
        ids.extend(run.instances.unwrap_or_default().into_iter().filter_map(|instance| instance.instance_id));
    }
    if ids.is_empty() {
        return Ok(ids);
    }
    until("the first version in state running", async || {
        let look = clients.ec2.describe_instances().set_instance_ids(Some(ids.clone())).send().await;
        let found = match look {
            // As on AWS, an instance may be found only some time after its launch.
            Err(error) if error.code() == Some("InvalidInstanceID.NotFound") => {
                return Ok(Some("an instance is not found yet".to_owned()));
            }
            look => look.map_err(failed("look at the first version"))?,
        };
        let state = |each: &Instance| each.state().and_then(|state| state.name().cloned());
        let mut waits = None;
        for instance in found.reservations().iter().flat_map(|each| each.instances()) {
            match state(instance) {
                Some(InstanceStateName::Running) => {}
                Some(InstanceStateName::Terminated) => {
                    let why = instance.state_reason().and_then(|reason| reason.message()).unwrap_or("no reason given");
                    return Err(DevError::Seed(format!("the first version cannot be started: {why}")));
                }
                other => {
                    let name = other.map_or("in no state".to_owned(), |name| name.to_string());
                    waits = Some(format!("{} is {name}", instance.instance_id().unwrap_or("an instance")));
                }
            }
        }
        Ok(waits)
    })
    .await?;
    Ok(ids)
}

/// Registers instances and waits until all of them are healthy.
pub(super) async fn register(clients: &Clients, group: &str, instances: &[String]) -> Result<(), DevError> {
    if instances.is_empty() {
        return Ok(());
    }
    let targets = instances.iter().map(|id| TargetDescription::builder().id(id).build()).collect();
    let register = clients.elb.register_targets().target_group_arn(group).set_targets(Some(targets));
    register.send().await.map_err(failed("register the first version"))?;
    until("the first version in state healthy", async || {
        let look = clients.elb.describe_target_health().target_group_arn(group).send().await;
        let found = look.map_err(failed("look at the first version's health"))?;
        let sick = found.target_health_descriptions().iter().find(|each| {
            each.target_health().and_then(|health| health.state()) != Some(&TargetHealthStateEnum::Healthy)
        });
        Ok(sick.map(|each| {
            let id = each.target().and_then(|target| target.id()).unwrap_or("a target");
            let why = each.target_health().and_then(|health| health.description()).unwrap_or("no reason given");
            format!("{id}: {why} (a folder for the output of instances shows what the program says)")
        }))
    })
    .await
}
