//! EC2: instances and what they are made from; mostly in-process, where minutes pass in milliseconds.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ec2::operation::run_instances::RunInstancesOutput;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder as Run;
use aws_sdk_ec2::types::{Filter, Instance, InstanceType};
use switchback::dev::app::AppOptions;
use switchback::dev::machine::{Catalogue, Image};
use switchback::dev::{DevCloud, DevOptions};
use tokio::time::sleep;

use super::support::{Rig, V0, V1, code, empty};

mod catalogue;
mod containers;
mod instances;
mod launches;
mod metadata;
mod networks;
mod power;
mod rules;
mod shortages;
mod templates;

const REGION: &str = "eu-west-1";

/// Programs in memory, and instances that are pending for 20 s.
fn options() -> DevOptions {
    let program = |version: &str| Image::in_memory(AppOptions::new(version), 8080);
    DevOptions {
        catalogue: Catalogue { images: BTreeMap::from([(V0.into(), program("v0")), (V1.into(), program("v1"))]) },
        run_delay: Duration::from_secs(20),
        ..DevOptions::default()
    }
}

/// A VPC with two subnets in two zones, and no instances.
async fn rig(options: DevOptions) -> Rig {
    Rig::on(DevCloud::in_process(options).await.unwrap(), empty(), Duration::from_millis(500)).await
}

fn run(rig: &Rig, count: i32) -> Run {
    let run = rig.ec2.run_instances().image_id(V1).instance_type(InstanceType::T3Micro);
    run.min_count(count).max_count(count).subnet_id(&rig.world.subnets[0])
}

fn ids(launched: &RunInstancesOutput) -> Vec<String> {
    launched.instances().iter().filter_map(|each| each.instance_id().map(str::to_owned)).collect()
}

/// Launches one instance and waits until it runs.
async fn running(rig: &Rig) -> String {
    let id = ids(&run(rig, 1).send().await.unwrap()).remove(0);
    rig.until_instance(&id, "running").await;
    id
}

async fn instance(rig: &Rig, id: &str) -> Instance {
    let found = rig.ec2.describe_instances().instance_ids(id).send().await.unwrap();
    found.reservations()[0].instances()[0].clone()
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// The ids that `DescribeInstances` finds.
async fn find(rig: &Rig, filters: &[(&str, &str)]) -> Vec<String> {
    let filters = filters.iter().map(|(name, value)| filter(name, value)).collect();
    let found = rig.ec2.describe_instances().set_filters(Some(filters)).send().await.unwrap();
    let all = found.reservations().iter().flat_map(|each| each.instances());
    all.filter_map(|each| each.instance_id().map(str::to_owned)).collect()
}
