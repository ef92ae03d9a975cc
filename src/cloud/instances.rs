//! Instances: found by their ownership tags, launched with them, and terminated only where they still carry them.

use aws_sdk_ec2::types::{
    Filter, Instance, InstanceStateName, LaunchTemplateSpecification, ResourceType, Tag, TagSpecification,
};
use jiff::Timestamp;

use super::calls::Trail;
use super::connect::within;
use super::{Cloud, CloudError};
use crate::release::{Color, InstanceFact, InstanceState, Pins, Problem, ReleaseId};

/// The tag that holds the environment's name.
pub const ENVIRONMENT_TAG: &str = "switchback:environment";
/// The tag that holds the color's name.
pub const COLOR_TAG: &str = "switchback:color";
/// The tag that holds the release's id; absent on instances that were handed over by tagging them.
pub const RELEASE_TAG: &str = "switchback:release";

/// Instances per page.
const PAGE: i32 = 1000;
/// Values per filter, AWS's limit.
const FILTER_VALUES_MAX: usize = 200;

/// Instances to be launched into one subnet.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// The environment's name.
    pub environment: &'a str,
    /// The color they belong to.
    pub color: &'a Color,
    /// The release they belong to.
    pub release: &'a ReleaseId,
    /// The image, in place of the template's.
    pub image: &'a str,
    /// Subnet id.
    pub subnet: &'a str,
    /// How many: all of them or none.
    pub count: u32,
    /// At most 64 characters. The same token and subnet never launch twice.
    pub client_token: &'a str,
}

impl Cloud {
    /// Every instance that carries the environment's ownership tags for `color`, in every state, by id.
    ///
    /// Tags can lag behind a launch by seconds, and a terminated instance is shown for about an hour.
    ///
    /// # Errors
    /// Without an answer, or without the permission.
    pub async fn instances(&self, environment: &str, color: &Color) -> Result<Vec<InstanceFact>, CloudError> {
        let found = self
            .describe(vec![
                filter(&format!("tag:{ENVIRONMENT_TAG}"), [environment]),
                filter(&format!("tag:{COLOR_TAG}"), [color.as_str()]),
            ])
            .await?;
        let mut facts = found.iter().map(fact).collect::<Result<Vec<_>, _>>()?;
        facts.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(facts)
    }

    /// Launch instances from the pinned template version; the answer is their ids.
    ///
    /// The tags are set by the launch itself, so there is no instance without them.
    ///
    /// # Errors
    /// When AWS has no capacity, or the template or a quota does not allow it; without an answer the outcome is
    /// unknown, and the same call with the same token tells.
    pub async fn launch(&self, pins: &Pins, launch: Launch<'_>) -> Result<Vec<String>, CloudError> {
        const OPERATION: &str = "ec2:RunInstances";
        let count = i32::try_from(launch.count).unwrap_or(i32::MAX);
        let trail = Trail::default();
        let answer = self
            .ec2
            .run_instances()
            .launch_template(
                LaunchTemplateSpecification::builder()
                    .launch_template_id(&pins.template)
                    .version(pins.template_version.to_string())
                    .build(),
            )
            .image_id(launch.image)
            .subnet_id(launch.subnet)
            .min_count(count)
            .max_count(count)
            .client_token(launch.client_token)
            .tag_specifications(tags(ResourceType::Instance, &launch))
            .tag_specifications(tags(ResourceType::Volume, &launch))
            .customize()
            .interceptor(trail.clone())
            .send()
            .await
            .map_err(|e| CloudError::change(OPERATION, &trail, e))?;
        Ok(answer.instances().iter().filter_map(Instance::instance_id).map(str::to_owned).collect())
    }

    /// Terminate instances of a color; the answer is the ids that AWS was asked to terminate.
    ///
    /// They are read again right before, and if any of them does not carry the ownership tags of this environment and
    /// color, none is terminated. Those that are gone or going are left out.
    ///
    /// # Errors
    /// When an instance is not ours or is protected against termination, or without an answer.
    pub async fn terminate(
        &self,
        environment: &str,
        color: &Color,
        instances: &[String],
    ) -> Result<Vec<String>, CloudError> {
        const OPERATION: &str = "ec2:TerminateInstances";
        within(OPERATION, async {
            let mut found = Vec::new();
            for chunk in instances.chunks(FILTER_VALUES_MAX) {
                // By filter and not by id: one id that is gone would fail the whole call.
                found.extend(self.describe(vec![filter("instance-id", chunk.iter().map(String::as_str))]).await?);
            }
            let ids = ours_and_alive(&found, environment, color).map_err(|p| CloudError::refused(OPERATION, p))?;
            for chunk in ids.chunks(FILTER_VALUES_MAX) {
                let trail = Trail::default();
                self.ec2
                    .terminate_instances()
                    .set_instance_ids(Some(chunk.to_vec()))
                    .customize()
                    .interceptor(trail.clone())
                    .send()
                    .await
                    .map_err(|e| protected(CloudError::change(OPERATION, &trail, e)))?;
            }
            Ok(ids)
        })
        .await
    }

    async fn describe(&self, filters: Vec<Filter>) -> Result<Vec<Instance>, CloudError> {
        const OPERATION: &str = "ec2:DescribeInstances";
        let mut found = Vec::new();
        let mut pages =
            self.ec2.describe_instances().set_filters(Some(filters)).into_paginator().page_size(PAGE).send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| CloudError::read(OPERATION, e))?;
            found.extend(
                page.reservations.unwrap_or_default().into_iter().flat_map(|r| r.instances.unwrap_or_default()),
            );
        }
        Ok(found)
    }
}

/// A protected instance holds back those in its zone only: AWS may have terminated others, and says that the call
/// failed.
fn protected(error: CloudError) -> CloudError {
    if error.code.as_deref() != Some("OperationNotPermitted") {
        return error;
    }
    let problem = Problem::new(
        format!("{}: {}", error.operation, error.message),
        "instances of a color without termination protection",
        "aws ec2 modify-instance-attribute --no-disable-api-termination --instance-id <the instance named above>",
    );
    CloudError::refused(error.operation, problem)
}

pub(super) fn filter<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().map(str::to_owned).collect())).build()
}

fn tags(resource: ResourceType, launch: &Launch<'_>) -> TagSpecification {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    TagSpecification::builder()
        .resource_type(resource)
        .tags(tag("Name", &format!("{}-{}", launch.environment, launch.color)))
        .tags(tag(ENVIRONMENT_TAG, launch.environment))
        .tags(tag(COLOR_TAG, launch.color.as_str()))
        .tags(tag(RELEASE_TAG, launch.release.as_str()))
        .build()
}

fn tag<'a>(instance: &'a Instance, key: &str) -> Option<&'a str> {
    instance.tags().iter().find(|t| t.key() == Some(key)).and_then(Tag::value)
}

fn state(instance: &Instance) -> InstanceState {
    match instance.state().and_then(|s| s.name()) {
        Some(InstanceStateName::Pending) => InstanceState::Pending,
        Some(InstanceStateName::Running) => InstanceState::Running,
        Some(InstanceStateName::ShuttingDown | InstanceStateName::Terminated) => InstanceState::Terminated,
        // Stopping, stopped, or newer than this program: it exists and does not serve.
        _ => InstanceState::Stopped,
    }
}

fn fact(instance: &Instance) -> Result<InstanceFact, CloudError> {
    let id = instance.instance_id().ok_or_else(|| CloudError::incomplete("ec2:DescribeInstances", "instance id"))?;
    Ok(InstanceFact {
        id: id.to_owned(),
        release: tag(instance, RELEASE_TAG).map(ReleaseId::new),
        image: instance.image_id().unwrap_or_default().to_owned(),
        subnet: instance.subnet_id().unwrap_or_default().to_owned(),
        address: instance.private_ip_address().filter(|a| !a.is_empty()).map(str::to_owned),
        state: state(instance),
        reason: instance.state_reason().and_then(|r| r.code()).map(str::to_owned),
        launched_at: instance
            .launch_time()
            .and_then(|t| Timestamp::new(t.secs(), i32::try_from(t.subsec_nanos()).unwrap_or(0)).ok()),
    })
}

/// The ids that may be terminated and still have to be, or the problem that one of the instances is not ours.
fn ours_and_alive(found: &[Instance], environment: &str, color: &Color) -> Result<Vec<String>, Problem> {
    let mut ids = Vec::new();
    for instance in found {
        if state(instance) == InstanceState::Terminated {
            // AWS takes the tags off some time before it stops showing the instance.
            continue;
        }
        let id = instance.instance_id().unwrap_or("(an instance without an id)");
        let tagged = (tag(instance, ENVIRONMENT_TAG), tag(instance, COLOR_TAG));
        if tagged != (Some(environment), Some(color.as_str())) {
            return Err(Problem::new(
                format!(
                    "instance {id} has the tags {ENVIRONMENT_TAG}={} and {COLOR_TAG}={}; nothing was terminated",
                    tagged.0.unwrap_or("(none)"),
                    tagged.1.unwrap_or("(none)")
                ),
                format!("{ENVIRONMENT_TAG}={environment} and {COLOR_TAG}={color}"),
                format!("aws ec2 describe-instances --instance-ids {id}"),
            ));
        }
        ids.push(id.to_owned());
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::InstanceState as Ec2State;

    use super::*;

    fn instance(id: &str, state: &str, tags: &[(&str, &str)]) -> Instance {
        let tags = tags.iter().map(|(k, v)| Tag::builder().key(*k).value(*v).build()).collect();
        Instance::builder()
            .instance_id(id)
            .state(Ec2State::builder().name(state.into()).build())
            .set_tags(Some(tags))
            .build()
    }

    const OURS: &[(&str, &str)] = &[(ENVIRONMENT_TAG, "shop"), (COLOR_TAG, "blue")];

    #[test]
    fn every_state_of_ec2_has_one_of_ours_and_an_unknown_one_still_exists() {
        for (aws, ours) in [
            ("pending", InstanceState::Pending),
            ("running", InstanceState::Running),
            ("stopping", InstanceState::Stopped),
            ("stopped", InstanceState::Stopped),
            ("shutting-down", InstanceState::Terminated),
            ("terminated", InstanceState::Terminated),
            ("hibernating", InstanceState::Stopped),
        ] {
            assert_eq!(state(&instance("i-1", aws, OURS)), ours, "{aws}");
        }
    }

    #[test]
    fn instances_that_are_going_are_not_terminated_again() {
        let found = [
            instance("i-1", "running", OURS),
            instance("i-2", "shutting-down", OURS),
            instance("i-3", "terminated", &[]),
        ];
        assert_eq!(ours_and_alive(&found, "shop", &Color::new("blue")), Ok(vec!["i-1".to_owned()]));
    }

    #[test]
    fn one_instance_that_is_not_ours_stops_the_termination_of_all() {
        let foreign: [&[(&str, &str)]; 4] = [
            &[],
            &[(ENVIRONMENT_TAG, "shop")],
            &[(ENVIRONMENT_TAG, "shop"), (COLOR_TAG, "green")],
            &[(ENVIRONMENT_TAG, "other"), (COLOR_TAG, "blue")],
        ];
        for tags in foreign {
            let found = [instance("i-1", "running", OURS), instance("i-2", "running", tags)];
            let problem = ours_and_alive(&found, "shop", &Color::new("blue")).expect_err("i-2 is not ours");
            assert!(problem.saw.contains("i-2") && problem.saw.contains("nothing was terminated"), "{problem}");
        }
    }
}
