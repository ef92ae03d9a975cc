//! Auto Scaling's operations: nearly all of them are about one group.

use super::{Ask, Need, action, set_request_tags, set_resource_tags, tags_in};
use crate::dev::access::policy::Context;
use crate::dev::wire::{Node, Service};

pub(super) fn needs(ask: &Ask<'_>, operation: &str, form: &Node) -> Vec<Need> {
    let action = action(Service::AutoScaling, operation);
    if operation.starts_with("Describe") || operation.starts_with("Get") {
        return vec![Need::new(action, "*", Context::default())];
    }
    let tags = tags_in(form, "Tags");
    let mut about_request = Context::default();
    set_request_tags(&mut about_request, &tags);
    about_request.set_if("autoscaling:MinSize", form.text("MinSize"));
    about_request.set_if("autoscaling:MaxSize", form.text("MaxSize"));
    let groups = form.texts("TargetGroupARNs[]").into_iter().map(str::to_owned);
    about_request.set_all("autoscaling:TargetGroupARNs", groups);
    let sources = form.texts("TrafficSources[].Identifier").into_iter().map(str::to_owned);
    about_request.set_all("autoscaling:TrafficSourceIdentifiers", sources);
    if form.has("LaunchTemplate") {
        let version = form.text("LaunchTemplate.Version").is_some_and(|version| !version.starts_with('$'));
        about_request.set("autoscaling:LaunchTemplateVersionSpecified", version.to_string());
    }
    let mut names = form.texts("AutoScalingGroupName");
    names.extend(form.texts("Tags[].ResourceId"));
    let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    for instance in form.texts("InstanceId") {
        let found =
            ask.operation(Service::AutoScaling, "DescribeAutoScalingInstances", &[("InstanceIds.member.1", instance)]);
        names.extend(found.find("AutoScalingGroupName").map(str::to_owned));
    }
    names.sort();
    names.dedup();
    if names.is_empty() {
        names.push("*".to_owned());
    }
    let about_group = |name: String| {
        let found = ask.operation(
            Service::AutoScaling,
            "DescribeAutoScalingGroups",
            &[("AutoScalingGroupNames.member.1", &name)],
        );
        let arn = found.find("AutoScalingGroupARN").map(str::to_owned);
        // A group that does not exist has no number yet.
        let arn =
            arn.unwrap_or_else(|| ask.arn("autoscaling", &format!("autoScalingGroup:*:autoScalingGroupName/{name}")));
        let mut context = about_request.clone();
        let tags = found.all("Tags").into_iter().flat_map(super::asked::Element::tags).collect();
        set_resource_tags(&mut context, "autoscaling", &tags);
        Need::new(action.clone(), arn, context)
    };
    names.into_iter().map(about_group).collect()
}
