//! The operations that the dev cloud models: what runs them, and what is missing of each.

use super::{Ctx, acm, autoscaling, cloudwatch, dns, ec2, elb, s3, sns, ssm, sts};
use crate::dev::wire::{ApiError, Document, Node, Service, Value, Xml};

/// An operation of a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    /// AWS's name.
    pub(crate) name: &'static str,
    /// What is missing of it, in a few words; empty where nothing is.
    pub(crate) gap: &'static str,
    run: Run,
}

#[derive(Debug, Clone, Copy)]
enum Run {
    Xml(fn(&mut Ctx<'_>, &Node) -> Result<Xml, ApiError>),
    Value(fn(&mut Ctx<'_>, &Node) -> Result<Value, ApiError>),
    /// By the service itself, which tells its requests apart by method and path.
    Rest,
}

impl Operation {
    /// An operation that answers in XML.
    pub(super) const fn xml(
        name: &'static str,
        gap: &'static str,
        run: fn(&mut Ctx<'_>, &Node) -> Result<Xml, ApiError>,
    ) -> Self {
        Self { name, gap, run: Run::Xml(run) }
    }

    /// An operation that answers with a tree of values.
    pub(super) const fn value(
        name: &'static str,
        gap: &'static str,
        run: fn(&mut Ctx<'_>, &Node) -> Result<Value, ApiError>,
    ) -> Self {
        Self { name, gap, run: Run::Value(run) }
    }

    /// An operation of a service whose requests name it by method and path.
    pub(super) const fn rest(name: &'static str, gap: &'static str) -> Self {
        Self { name, gap, run: Run::Rest }
    }

    /// Runs it.
    pub(super) fn run(&self, ctx: &mut Ctx<'_>, form: &Node) -> Result<Document, ApiError> {
        match self.run {
            Run::Xml(run) => run(ctx, form).map(Document::from),
            Run::Value(run) => run(ctx, form).map(Document::from),
            Run::Rest => Err(ApiError::unknown_operation(self.name)),
        }
    }

    /// Whether it changes nothing.
    pub(crate) fn reads(&self) -> bool {
        ["Describe", "Get", "Head", "List"].iter().any(|verb| self.name.starts_with(verb))
    }
}

/// What is modelled of a service.
pub(crate) const fn operations(service: Service) -> &'static [Operation] {
    match service {
        Service::Elbv2 => elb::OPERATIONS,
        Service::Ec2 => ec2::OPERATIONS,
        Service::Sts => sts::OPERATIONS,
        Service::AutoScaling => autoscaling::OPERATIONS,
        Service::CloudWatch => cloudwatch::OPERATIONS,
        Service::Sns => sns::OPERATIONS,
        Service::Ssm => ssm::OPERATIONS,
        Service::Acm => acm::OPERATIONS,
        Service::Route53 => dns::OPERATIONS,
        Service::S3 => s3::OPERATIONS,
    }
}
