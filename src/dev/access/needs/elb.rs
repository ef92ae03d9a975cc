//! ELBv2's operations.

use super::{Ask, Need, action, set_request_tags, set_resource_tags, tags_in};
use crate::dev::access::policy::Context;
use crate::dev::wire::{Node, Service};

/// What a request names its resources by.
const ARNS: [&str; 8] = [
    "LoadBalancerArn",
    "ListenerArn",
    "RuleArn",
    "TargetGroupArn",
    "ResourceArns[]",
    "RulePriorities[].RuleArn",
    "ResourceArn",
    "TrustStoreArn",
];

pub(super) fn needs(ask: &Ask<'_>, operation: &str, form: &Node) -> Vec<Need> {
    let action = action(Service::Elbv2, operation);
    // None of them is about a resource, as IAM sees it.
    if operation.starts_with("Describe") {
        return vec![Need::new(action, "*", Context::default())];
    }
    let given = tags_in(form, "Tags");
    let mut about_request = Context::default();
    set_request_tags(&mut about_request, &given);
    about_request
        .set_all("aws:TagKeys", given.keys().cloned().chain(form.texts("TagKeys[]").into_iter().map(str::to_owned)));
    about_request.set_if("elasticloadbalancing:Scheme", form.text("Scheme"));
    about_request.set_if(
        "elasticloadbalancing:ListenerProtocol",
        form.text("Protocol").filter(|_| operation.ends_with("Listener")),
    );
    about_request.set_if("elasticloadbalancing:SecurityPolicy", form.text("SslPolicy"));
    about_request.set_all("elasticloadbalancing:Subnet", form.texts("Subnets[]").into_iter().map(str::to_owned));
    about_request
        .set_all("elasticloadbalancing:SecurityGroup", form.texts("SecurityGroups[]").into_iter().map(str::to_owned));
    let name = form.text("Name").unwrap_or("*");
    // What is created, as IAM names it before it has an ARN; and what it is created in, which is what is asked for.
    let created = match operation {
        "CreateLoadBalancer" => {
            let kind = if form.text("Type") == Some("network") { "net" } else { "app" };
            Some(ask.arn("elasticloadbalancing", &format!("loadbalancer/{kind}/{name}/*")))
        }
        "CreateTargetGroup" => Some(ask.arn("elasticloadbalancing", &format!("targetgroup/{name}/*"))),
        "CreateListener" => {
            form.text("LoadBalancerArn").map(|arn| format!("{}/*", arn.replacen(":loadbalancer/", ":listener/", 1)))
        }
        "CreateRule" => {
            form.text("ListenerArn").map(|arn| format!("{}/*", arn.replacen(":listener/", ":listener-rule/", 1)))
        }
        _ => None,
    };
    let mut arns: Vec<String> = match operation {
        "CreateLoadBalancer" | "CreateTargetGroup" => created.iter().cloned().collect(),
        "CreateListener" => form.texts("LoadBalancerArn").into_iter().map(str::to_owned).collect(),
        _ => ARNS.into_iter().flat_map(|path| form.texts(path)).map(str::to_owned).collect(),
    };
    if arns.is_empty() {
        arns.push("*".to_owned());
    }
    let mut needs: Vec<_> = arns
        .into_iter()
        .map(|arn| {
            let mut context = about_request.clone();
            let tags = ask.operation(Service::Elbv2, "DescribeTags", &[("ResourceArns.member.1", &arn)]).tags();
            set_resource_tags(&mut context, "elasticloadbalancing", &tags);
            Need::new(action.clone(), arn, context)
        })
        .collect();
    if let Some(created) = created.filter(|_| !given.is_empty()) {
        let mut context = about_request;
        context.set("elasticloadbalancing:CreateAction", operation);
        needs.push(Need::new("elasticloadbalancing:AddTags", created, context));
    }
    needs
}
