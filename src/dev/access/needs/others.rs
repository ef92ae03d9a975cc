//! CloudWatch's, SNS's, SSM's and ACM's operations.

use super::{Ask, Need, action, set_request_tags, set_resource_tags, tags_in};
use crate::dev::access::policy::Context;
use crate::dev::wire::{Node, Service};

pub(super) fn cloudwatch(ask: &Ask<'_>, operation: &str, form: &Node) -> Vec<Need> {
    let mut context = Context::default();
    if operation == "PutMetricData" {
        context.set_if("cloudwatch:namespace", form.text("Namespace"));
    }
    let about_alarms = operation.contains("Alarm") && operation != "DescribeAlarmsForMetric";
    let alarm = |name: &str| ask.arn("cloudwatch", &format!("alarm:{name}"));
    let mut arns: Vec<String> = form.texts("ResourceARN").into_iter().map(str::to_owned).collect();
    if about_alarms {
        let names = form.texts("AlarmName").into_iter().chain(form.texts("AlarmNames[]"));
        arns.extend(names.map(alarm));
        if arns.is_empty() {
            arns.push(alarm("*"));
        }
    }
    tagged(ask, (Service::CloudWatch, operation), (form, "ResourceARN"), arns, &context)
}

pub(super) fn sns(ask: &Ask<'_>, operation: &str, form: &Node) -> Vec<Need> {
    let mut context = Context::default();
    context.set_if("sns:Protocol", form.text("Protocol")).set_if("sns:Endpoint", form.text("Endpoint"));
    let named = ["TopicArn", "TargetArn", "ResourceArn"].into_iter().flat_map(|name| form.texts(name));
    let mut arns: Vec<String> = named.map(str::to_owned).collect();
    if operation == "CreateTopic" {
        arns.extend(form.text("Name").map(|name| ask.arn("sns", name)));
    }
    // A subscription's ARN is its topic's and one part more.
    let subscriptions = form.texts("SubscriptionArn").into_iter().filter_map(|arn| arn.rsplit_once(':'));
    arns.extend(subscriptions.map(|(topic, _)| topic.to_owned()));
    tagged(ask, (Service::Sns, operation), (form, "ResourceArn"), arns, &context)
}

pub(super) fn ssm(ask: &Ask<'_>, operation: &str, form: &Node) -> Vec<Need> {
    let mut context = Context::default();
    context.set_if("ssm:Overwrite", form.text("Overwrite"));
    if operation == "GetParametersByPath" {
        context.set("ssm:Recursive", form.text("Recursive").unwrap_or("false"));
    }
    let named = ["Name", "Names[]", "Path", "ResourceId"].into_iter().flat_map(|name| form.texts(name));
    let arn = |name: &str| {
        if name.starts_with("arn:") {
            return name.to_owned();
        }
        // A version or label behind a colon is no part of the ARN; public parameters belong to no account.
        let name = name.split(':').next().unwrap_or_default().trim_start_matches('/');
        if name.starts_with("aws/service/") {
            return format!("arn:aws:ssm:{}::parameter/{name}", ask.scope.place.region);
        }
        ask.arn("ssm", &format!("parameter/{name}"))
    };
    let arns = named.map(arn).collect();
    tagged(ask, (Service::Ssm, operation), (form, "ResourceId"), arns, &context)
}

pub(super) fn acm(ask: &Ask<'_>, operation: &str, form: &Node) -> Vec<Need> {
    let mut arns: Vec<String> = form.texts("CertificateArn").into_iter().map(str::to_owned).collect();
    if arns.is_empty() && matches!(operation, "ImportCertificate" | "RequestCertificate") {
        arns.push(ask.arn("acm", "certificate/*"));
    }
    tagged(ask, (Service::Acm, operation), (form, "CertificateArn"), arns, &Context::default())
}

/// The same for each of `arns`, with the tags that each has and those that the request gives.
fn tagged(
    ask: &Ask<'_>,
    (service, operation): (Service, &str),
    (form, resource): (&Node, &str),
    mut arns: Vec<String>,
    context: &Context,
) -> Vec<Need> {
    let given = tags_in(form, "Tags");
    let mut context = context.clone();
    set_request_tags(&mut context, &given);
    let removed = form.texts("TagKeys[]").into_iter().map(str::to_owned);
    context.set_all("aws:TagKeys", given.keys().cloned().chain(removed));
    if arns.is_empty() {
        arns.push("*".to_owned());
    }
    let action = action(service, operation);
    let own = action.split(':').next().unwrap_or_default().to_owned();
    arns.into_iter()
        .map(|arn| {
            let mut context = context.clone();
            let list = if service == Service::Acm { "ListTagsForCertificate" } else { "ListTagsForResource" };
            let parameter = arn.rsplit_once(":parameter").map_or(arn.as_str(), |(_, name)| name);
            let parameters = [(resource, parameter), ("ResourceType", "Parameter")];
            let parameters = if service == Service::Ssm { &parameters[..] } else { &parameters[..1] };
            set_resource_tags(&mut context, &own, &ask.operation(service, list, parameters).tags());
            Need::new(action.clone(), arn, context)
        })
        .collect()
}
