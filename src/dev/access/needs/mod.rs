//! What a call needs: which actions on which resources, and what conditions can ask about each.
//!
//! Which resources and keys an operation has is what AWS's service authorization reference says. What policies ask
//! about resources, such as their tags, is asked of the model through its own operations, as any client would.
//!
//! | file | whose operations |
//! |---|---|
//! | `asked` | asking the model |
//! | `elb`, `ec2`, `run_instances`, `autoscaling`, `route53`, `s3` | a service's |
//! | `others` | CloudWatch, SNS, SSM, ACM |

mod asked;
mod autoscaling;
mod ec2;
mod elb;
mod others;
mod route53;
mod run_instances;
mod s3;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;

use super::denial;
use super::policy::{Context, Question, Verdict};
use crate::dev::cloud::Cloud;
use crate::dev::model::S3Call;
use crate::dev::wire::{ApiError, Node, Scope, Service};
use asked::Ask;

/// One action on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Need {
    /// For example `ec2:RunInstances`.
    action: String,
    /// An ARN; `*` for actions that have no resource.
    resource: String,
    /// What is known of this resource.
    context: Context,
}

/// A request whose operation is known.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked<'a> {
    /// With named parameters.
    Form(&'a Node),
    /// Told apart by its method and path.
    Rest(&'a Parts, &'a Bytes),
    /// S3's, which knows what it is about.
    S3(&'a S3Call),
}

/// Whether the caller's policies grant everything that a call needs.
///
/// # Errors
/// Something is not granted; in the words of the service.
pub(crate) fn authorize(cloud: &Arc<Cloud>, scope: &Scope, operation: &str, asked: Asked<'_>) -> Result<(), ApiError> {
    let Some(permissions) = &scope.caller.permissions else { return Ok(()) };
    let ask = Ask { cloud, scope };
    let needs = match (scope.service, asked) {
        // Everybody may ask who they are, and a role's own policy decides who may be in it.
        (Service::Sts, _) if matches!(operation, "GetCallerIdentity" | "AssumeRole" | "GetSessionToken") => {
            return Ok(());
        }
        (Service::Route53, Asked::Rest(head, body)) => route53::needs(operation, head, body),
        (Service::S3, Asked::S3(call)) => s3::needs(operation, call),
        (Service::Elbv2, Asked::Form(form)) => elb::needs(&ask, operation, form),
        (Service::Ec2, Asked::Form(form)) if operation == "RunInstances" => run_instances::needs(&ask, form),
        (Service::Ec2, Asked::Form(form)) => ec2::needs(&ask, operation, form),
        (Service::AutoScaling, Asked::Form(form)) => autoscaling::needs(&ask, operation, form),
        (Service::CloudWatch, Asked::Form(form)) => others::cloudwatch(&ask, operation, form),
        (Service::Sns, Asked::Form(form)) => others::sns(&ask, operation, form),
        (Service::Ssm, Asked::Form(form)) => others::ssm(&ask, operation, form),
        (Service::Acm, Asked::Form(form)) => others::acm(&ask, operation, form),
        (service, _) => vec![Need::anywhere(service, operation)],
    };
    let mut about_call = scope.caller.context();
    let now = cloud.clock.now();
    about_call.set("aws:CurrentTime", now.to_string()).set("aws:EpochTime", now.as_second().to_string());
    about_call.set("aws:RequestedRegion", &scope.place.region);
    // The dev cloud serves loopback in the clear.
    about_call.set("aws:SourceIp", "127.0.0.1").set("aws:SecureTransport", "false");
    for need in needs {
        let context = about_call.with(&need.context);
        let question = Question { action: &need.action, resource: &need.resource, context: &context };
        let verdict = permissions.verdict(&question);
        if verdict != Verdict::Allowed {
            let explicitly = verdict == Verdict::Denied;
            return Err(denial::denied(scope.service, &scope.caller, &need.action, &need.resource, explicitly));
        }
    }
    Ok(())
}

impl Need {
    fn new(action: impl Into<String>, resource: impl Into<String>, context: Context) -> Self {
        Self { action: action.into(), resource: resource.into(), context }
    }

    /// An action that has no resource.
    fn anywhere(service: Service, operation: &str) -> Self {
        Self::new(action(service, operation), "*", Context::default())
    }
}

/// IAM's name of an operation.
fn action(service: Service, operation: &str) -> String {
    let prefix = if service == Service::CloudWatch { "cloudwatch" } else { service.signing_name() };
    format!("{prefix}:{operation}")
}

/// The tags that a request gives, from a list of structures with `Key` and `Value`.
fn tags_in(form: &Node, list: &str) -> BTreeMap<String, String> {
    let tags = form.find(&format!("{list}[]")).into_iter();
    tags.filter_map(|tag| Some((tag.text("Key")?.to_owned(), tag.text("Value").unwrap_or_default().to_owned())))
        .collect()
}

/// `aws:RequestTag/…` and `aws:TagKeys`.
fn set_request_tags(context: &mut Context, tags: &BTreeMap<String, String>) {
    context.set_tags("aws:RequestTag", tags).set_all("aws:TagKeys", tags.keys().cloned());
}

/// `aws:ResourceTag/…`, and the same in a service's own spelling.
fn set_resource_tags(context: &mut Context, own: &str, tags: &BTreeMap<String, String>) {
    context.set_tags("aws:ResourceTag", tags).set_tags(&format!("{own}:ResourceTag"), tags);
}
