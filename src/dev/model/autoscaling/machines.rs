//! All that Auto Scaling asks of EC2.

use jiff::Timestamp;

use super::group::Group;
use super::template::Pinned;
use crate::dev::model::Ctx;
use crate::dev::model::ec2::{self, InstanceState, LaunchRequest, TemplateRef};
use crate::dev::model::tags::Tags;
use crate::dev::wire::ApiError;

/// How an instance looks from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    Running,
    Stopping,
    Stopped,
    /// It is being terminated, or is terminated, or forgotten.
    Ended,
}

/// An instance that was just launched.
pub(super) struct Started {
    pub(super) id: String,
    pub(super) instance_type: String,
    pub(super) image: String,
}

/// An instance that somebody else launched.
pub(super) struct Existing {
    pub(super) id: String,
    pub(super) zone: String,
    pub(super) instance_type: String,
    pub(super) image: String,
    pub(super) template: Option<Pinned>,
    pub(super) launched: Timestamp,
}

/// The tag that says which group an instance belongs to.
const GROUP_TAG: &str = "aws:autoscaling:groupName";

fn named(id: Option<&str>, name: Option<&str>, version: &str) -> TemplateRef {
    TemplateRef {
        launch_template_id: id.map(str::to_owned),
        launch_template_name: name.map(str::to_owned),
        version: Some(version.to_owned()),
    }
}

/// What a launch template and version stand for now.
pub(super) fn resolve(ctx: &Ctx<'_>, id: Option<&str>, name: Option<&str>, version: &str) -> Result<Pinned, ApiError> {
    let (id, name, version) = ctx.region.ec2.template_version(&named(id, name, version))?;
    Ok(Pinned { id, name, version })
}

fn request(group: Option<&Group>, pinned: &Pinned, subnet: &str) -> LaunchRequest {
    let mut tags = Tags::new();
    if let Some(group) = group {
        let inherited = group.tags.iter().filter(|(_, tag)| tag.propagate);
        tags.extend(inherited.map(|(key, tag)| (key.clone(), tag.value.clone())));
        tags.insert(GROUP_TAG.to_owned(), group.name.clone());
    }
    LaunchRequest {
        template: named(Some(&pinned.id), None, &pinned.version.to_string()),
        instance_type: None,
        subnet: subnet.to_owned(),
        tags,
        requester: "autoscaling.amazonaws.com".to_owned(),
    }
}

/// Whether a launch from this template into this subnet would be refused.
pub(super) fn check(ctx: &Ctx<'_>, pinned: &Pinned, subnet: &str) -> Result<(), ApiError> {
    ec2::check_launch(ctx, &request(None, pinned, subnet)).map(drop)
}

/// Launches an instance into a subnet.
pub(super) fn launch(ctx: &mut Ctx<'_>, group: &Group, pinned: &Pinned, subnet: &str) -> Result<Started, ApiError> {
    let id = ec2::launch_one(ctx, &request(Some(group), pinned, subnet))?;
    let instance = ctx.region.ec2.instances.get(&id);
    let lost = || ApiError::new("InternalError", format!("instance {id} was launched and is not there")).status(500);
    let instance = instance.ok_or_else(lost)?;
    Ok(Started { id: id.clone(), instance_type: instance.instance_type.clone(), image: instance.image_id.clone() })
}

/// How an instance looks now.
pub(super) fn state(ctx: &Ctx<'_>, id: &str) -> State {
    match ctx.region.ec2.looks(id).map(|looks| looks.state) {
        Some(InstanceState::Pending) => State::Pending,
        Some(InstanceState::Running) => State::Running,
        Some(InstanceState::Stopping) => State::Stopping,
        Some(InstanceState::Stopped) => State::Stopped,
        Some(InstanceState::ShuttingDown | InstanceState::Terminated) | None => State::Ended,
    }
}

/// Whether its end is over.
pub(super) fn is_terminated(ctx: &Ctx<'_>, id: &str) -> bool {
    ctx.region.ec2.looks(id).is_none_or(|looks| looks.state == InstanceState::Terminated)
}

/// Whether EC2's status checks fail.
pub(super) fn is_impaired(ctx: &Ctx<'_>, id: &str) -> bool {
    ctx.region.ec2.looks(id).is_some_and(|looks| looks.impaired)
}

/// Why EC2 has ended it, in EC2's words.
pub(super) fn reason(ctx: &Ctx<'_>, id: &str) -> String {
    let reason = ctx.region.ec2.why(id);
    reason.map_or_else(|| "Termination Reason: unknown".to_owned(), |reason| format!("Termination Reason: {reason}"))
}

/// Ends an instance; that it is ending already is no mistake.
pub(super) fn terminate(ctx: &mut Ctx<'_>, id: &str) {
    ec2::terminate_one(ctx, id);
}

/// Stops an instance into the warm pool.
pub(super) fn stop(ctx: &mut Ctx<'_>, id: &str) {
    ec2::stop_one(ctx, id);
}

/// Starts an instance of the warm pool, unless it runs already.
///
/// # Errors
/// There is no capacity.
pub(super) fn start(ctx: &mut Ctx<'_>, id: &str) -> Result<(), ApiError> {
    ec2::start_one(ctx, id)
}

/// An instance as somebody else launched it.
pub(super) fn seen(ctx: &Ctx<'_>, id: &str) -> Option<Existing> {
    let instance = ctx.region.ec2.instances.get(id)?;
    let template =
        instance.tags.get("aws:ec2launchtemplate:id").zip(instance.tags.get("aws:ec2launchtemplate:version"));
    let template = template.and_then(|(id, version)| resolve(ctx, Some(id), None, version).ok());
    Some(Existing {
        id: id.to_owned(),
        zone: instance.zone.clone(),
        instance_type: instance.instance_type.clone(),
        image: instance.image_id.clone(),
        template,
        launched: instance.launched,
    })
}

/// Marks an instance as one of a group.
pub(super) fn adopt(ctx: &mut Ctx<'_>, group: &str, id: &str) {
    if let Some(instance) = ctx.region.ec2.instances.get_mut(id) {
        instance.tags.insert(GROUP_TAG.to_owned(), group.to_owned());
    }
}

/// The instance belongs to no group any more.
pub(super) fn release(ctx: &mut Ctx<'_>, id: &str) {
    if let Some(instance) = ctx.region.ec2.instances.get_mut(id) {
        instance.tags.remove(GROUP_TAG);
    }
}
