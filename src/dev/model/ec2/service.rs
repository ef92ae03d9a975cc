//! Launches and ends on behalf of another service of the account, such as Auto Scaling: typed, without the wire.

use jiff::Timestamp;

use super::instance::{InstanceState, Reason};
use super::launch::{self, Wish};
use super::lifecycle::{self, End};
use super::spec::LaunchSpec;
use super::templates::TemplateRef;
use super::{Ec2, power};
use crate::dev::model::Ctx;
use crate::dev::model::tags::Tags;
use crate::dev::wire::ApiError;

/// One instance from a launch template.
#[derive(Debug, Clone)]
pub(crate) struct LaunchRequest {
    /// The template and its version.
    pub(crate) template: TemplateRef,
    /// Another type than the template's.
    pub(crate) instance_type: Option<String>,
    /// Where to; it beats a subnet that the template names.
    pub(crate) subnet: String,
    /// Tags besides the template's; keys that begin with `aws:` are allowed.
    pub(crate) tags: Tags,
    /// The principal that asks, for example `autoscaling.amazonaws.com`.
    pub(crate) requester: String,
}

/// How an instance looks to the service that keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Looks {
    /// Its state.
    pub(crate) state: InstanceState,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Whether a status check fails.
    pub(crate) impaired: bool,
}

/// Launches one instance; it is pending when this returns.
///
/// # Errors
/// What `RunInstances` would refuse: the template or its image is gone, there is no capacity, …
pub(crate) fn launch_one(ctx: &mut Ctx<'_>, request: &LaunchRequest) -> Result<String, ApiError> {
    let (plan, _) = plan(ctx, request)?;
    let reservation = launch::launch(ctx, &plan, (1, 1), None, Some(&request.requester))?;
    let launched = ctx.region.ec2.instances.values().find(|instance| instance.reservation == reservation);
    let lost = || ApiError::new("InternalError", "the launch made no instance").status(500);
    launched.map(|instance| instance.id.clone()).ok_or_else(lost)
}

/// Checks a launch without making it: what creating a group with this template would refuse. Returns the version.
///
/// # Errors
/// As [`launch_one`], except for capacity and addresses.
pub(crate) fn check_launch(ctx: &Ctx<'_>, request: &LaunchRequest) -> Result<u32, ApiError> {
    plan(ctx, request).map(|(_, version)| version)
}

fn plan(ctx: &Ctx<'_>, request: &LaunchRequest) -> Result<(launch::Plan, u32), ApiError> {
    let own = LaunchSpec { instance_type: request.instance_type.clone(), ..LaunchSpec::default() };
    let (mut spec, origin) = launch::with_template(ctx.region, Some(&request.template), own)?;
    let mut wish = Wish::default();
    match spec.network_interface.first_mut() {
        Some(interface) => interface.subnet_id = Some(request.subnet.clone()),
        None => wish.subnet = Some(request.subnet.clone()),
    }
    // The zone is the subnet's, whatever the template says.
    spec.placement = None;
    let version = origin.as_ref().map_or(0, |(_, version)| *version);
    let mut plan = launch::plan(ctx, spec, wish, origin)?;
    plan.tags.instance.extend(request.tags.clone());
    Ok((plan, version))
}

/// Terminates an instance; termination protection does not keep a service from it.
pub(crate) fn terminate_one(ctx: &mut Ctx<'_>, id: &str) {
    if ctx.region.ec2.instances.get(id).is_some_and(|instance| !instance.state.is_over()) {
        lifecycle::end(ctx, id, End::Terminated, Reason::user(), false);
    }
}

/// Stops a running instance, for a warm pool.
pub(crate) fn stop_one(ctx: &mut Ctx<'_>, id: &str) {
    if ctx.region.ec2.instances.get(id).is_some_and(|instance| instance.state == InstanceState::Running) {
        lifecycle::end(ctx, id, End::Stopped, Reason::user(), false);
    }
}

/// Starts a stopped instance, out of a warm pool.
///
/// # Errors
/// There is no capacity.
pub(crate) fn start_one(ctx: &mut Ctx<'_>, id: &str) -> Result<(), ApiError> {
    match ctx.region.ec2.instances.get(id).map(|instance| instance.state) {
        Some(InstanceState::Stopped) => power::start_one(ctx, id),
        _ => Ok(()),
    }
}

impl Ec2 {
    /// How an instance looks now; `None` if there is none, or it was forgotten long after its end.
    pub(crate) fn looks(&self, id: &str) -> Option<Looks> {
        self.instances.get(id).map(|instance| Looks {
            state: instance.state,
            since: instance.since,
            impaired: instance.impaired.is_some(),
        })
    }

    /// Why an instance is in its state, in EC2's words.
    pub(crate) fn why(&self, id: &str) -> Option<&str> {
        let reason = self.instances.get(id).and_then(|instance| instance.reason.as_ref());
        reason.map(|reason| reason.message.as_str())
    }
}
