//! Auto Scaling groups, in-process under paused time: hours of scaling in milliseconds.

mod capacity;
mod deleting;
mod failing;
mod health;
mod hooks;
mod instances;
mod notifications;
mod policies;
mod processes;
mod refresh;
mod scheduling;
mod sources;
mod warm;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::operation::create_auto_scaling_group::builders::CreateAutoScalingGroupFluentBuilder as Create;
use aws_sdk_autoscaling::types::{Activity, AutoScalingGroup, LaunchTemplateSpecification};
use switchback::dev::app::AppOptions;
use switchback::dev::machine::{Catalogue, Image};
use switchback::dev::seed::Seed;
use switchback::dev::{DevCloud, DevOptions};
use tokio::time::{Instant, sleep};

use super::support::{Rig, SICK, V0, V1};

/// The group of the tests.
const WEB: &str = "web";

fn program(version: &str, faults: &[&str]) -> Image {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    Image::in_memory(AppOptions { faults, ..AppOptions::new(version) }, 8080)
}

/// A dev cloud with AWS's own times, two subnets in two zones, and no instances.
struct Scaling {
    rig: Rig,
    asg: Client,
}

impl Scaling {
    async fn start() -> Self {
        let images = BTreeMap::from([
            (V0.to_owned(), program("v0", &[])),
            (V1.to_owned(), program("v1", &[])),
            (SICK.to_owned(), program("sick", &["/healthz=status:500"])),
        ]);
        let options = DevOptions {
            catalogue: Catalogue { images },
            propagation: Duration::from_secs(5),
            run_delay: Duration::from_secs(20),
            health_speed: 1,
            ..DevOptions::default()
        };
        let cloud = DevCloud::in_process(options).await.unwrap();
        let seed = Seed { count: 0, deregistration_delay_s: 60, ..Seed::new(V0) };
        let rig = Rig::on(cloud, seed, Duration::from_secs(1)).await;
        let asg = Client::new(&rig.cloud.sdk_config("eu-west-1"));
        Self { rig, asg }
    }

    fn template(&self, version: &str) -> LaunchTemplateSpecification {
        let id = &self.rig.world.launch_template;
        LaunchTemplateSpecification::builder().launch_template_id(id).version(version).build()
    }

    /// A group of `desired` instances from version 1 of the seed's template, in the target group of the live color.
    fn group(&self, desired: i32) -> Create {
        let create = self.asg.create_auto_scaling_group().auto_scaling_group_name(WEB);
        let create = create.launch_template(self.template("1")).min_size(0).max_size(10).desired_capacity(desired);
        let create = create.vpc_zone_identifier(self.rig.world.subnets.join(","));
        create.target_group_arns(&self.rig.world.target_groups[0])
    }

    async fn seen(&self) -> AutoScalingGroup {
        let found = self.asg.describe_auto_scaling_groups().auto_scaling_group_names(WEB).send().await.unwrap();
        found.auto_scaling_groups()[0].clone()
    }

    /// `id state` of the group's instances, in the order of their launches.
    async fn states(&self) -> Vec<(String, String)> {
        let group = self.seen().await;
        let state = |each: &aws_sdk_autoscaling::types::Instance| {
            (each.instance_id().unwrap().to_owned(), each.lifecycle_state().unwrap().as_str().to_owned())
        };
        group.instances().iter().map(state).collect()
    }

    async fn in_service(&self) -> Vec<String> {
        let states = self.states().await;
        states.into_iter().filter(|(_, state)| state == "InService").map(|(id, _)| id).collect()
    }

    /// Waits until exactly `count` instances are in service and none is anything else; says how long that took.
    async fn settled(&self, count: usize) -> Duration {
        let began = Instant::now();
        let mut seen = Vec::new();
        for _ in 0..4_000 {
            seen = self.states().await;
            if seen.len() == count && seen.iter().all(|(_, state)| state == "InService") {
                return began.elapsed();
            }
            sleep(Duration::from_secs(1)).await;
        }
        panic!("never {count} in service: {seen:?}, {:#?}", self.activities().await);
    }

    /// Waits until an instance is in a lifecycle state, and says which.
    async fn until(&self, wanted: &str) -> String {
        let mut seen = Vec::new();
        for _ in 0..4_000 {
            seen = self.states().await;
            if let Some((id, _)) = seen.iter().find(|(_, state)| state == wanted) {
                return id.clone();
            }
            sleep(Duration::from_secs(1)).await;
        }
        panic!("never {wanted}: {seen:?}");
    }

    async fn want(&self, desired: i32) {
        let set = self.asg.set_desired_capacity().auto_scaling_group_name(WEB).desired_capacity(desired);
        set.send().await.unwrap();
    }

    /// The group's activities, newest first.
    async fn activities(&self) -> Vec<Activity> {
        let found = self.asg.describe_scaling_activities().auto_scaling_group_name(WEB).send().await.unwrap();
        found.activities().to_vec()
    }

    /// What the newest activity whose description begins so says as its cause.
    async fn cause(&self, description: &str) -> String {
        let all = self.activities().await;
        let found = all.iter().find(|each| each.description().unwrap().starts_with(description));
        found.unwrap_or_else(|| panic!("no activity {description}: {all:#?}")).cause().unwrap().to_owned()
    }

    /// Version 2 of the template: of another image.
    async fn new_version(&self, image: &str) {
        let data = aws_sdk_ec2::types::RequestLaunchTemplateData::builder().image_id(image).build();
        let make = self.rig.ec2.create_launch_template_version();
        let make = make.launch_template_id(&self.rig.world.launch_template).source_version("1");
        make.launch_template_data(data).send().await.unwrap();
    }

    async fn image_of(&self, id: &str) -> String {
        let found = self.rig.ec2.describe_instances().instance_ids(id).send().await.unwrap();
        found.reservations()[0].instances()[0].image_id().unwrap().to_owned()
    }

    async fn terminate_in_ec2(&self, id: &str) {
        self.rig.ec2.terminate_instances().instance_ids(id).send().await.unwrap();
    }

    async fn suspend(&self, process: &str) {
        let suspend = self.asg.suspend_processes().auto_scaling_group_name(WEB).scaling_processes(process);
        suspend.send().await.unwrap();
    }

    async fn resume(&self, process: &str) {
        let resume = self.asg.resume_processes().auto_scaling_group_name(WEB).scaling_processes(process);
        resume.send().await.unwrap();
    }
}

/// AWS's code and words of a refused call.
fn words<T: std::fmt::Debug, E: aws_sdk_autoscaling::error::ProvideErrorMetadata>(
    result: Result<T, E>,
) -> (String, String) {
    let error = result.expect_err("it was not refused");
    (error.code().unwrap_or_default().to_owned(), error.message().unwrap_or_default().to_owned())
}
