//! Scaling activities: what a group did, and why, in AWS's words.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::group::Group;
use super::notifications::Event;
use super::{Paging, read_filters, uuid};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// An activity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Activity {
    pub(super) id: String,
    pub(super) group: String,
    pub(super) group_arn: String,
    pub(super) description: String,
    pub(super) cause: String,
    pub(super) start: Timestamp,
    pub(super) end: Option<Timestamp>,
    pub(super) status: Status,
    pub(super) message: Option<String>,
    /// JSON.
    pub(super) details: String,
}

/// AWS's status codes, as far as they can happen here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Status {
    PreInService,
    InProgress,
    WaitingForELBConnectionDraining,
    MidLifecycleAction,
    WaitingForInstanceWarmup,
    Successful,
    Failed,
    Cancelled,
}

/// How many activities a group remembers; AWS forgets them after six weeks.
const ACTIVITIES_MAX: usize = 2_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    activity_ids: Vec<String>,
    auto_scaling_group_name: Option<String>,
    #[serde(default)]
    include_deleted_groups: bool,
    #[serde(default)]
    filters: Vec<super::Filter>,
    next_token: Option<String>,
    max_records: Option<u32>,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::PreInService => "PreInService",
            Self::InProgress => "InProgress",
            Self::WaitingForELBConnectionDraining => "WaitingForELBConnectionDraining",
            Self::MidLifecycleAction => "MidLifecycleAction",
            Self::WaitingForInstanceWarmup => "WaitingForInstanceWarmup",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }

    const fn progress(self) -> u8 {
        match self {
            Self::PreInService => 30,
            Self::InProgress => 50,
            Self::WaitingForELBConnectionDraining => 50,
            Self::MidLifecycleAction => 60,
            Self::WaitingForInstanceWarmup => 80,
            Self::Successful | Self::Failed | Self::Cancelled => 100,
        }
    }
}

/// `At 2026-11-21T05:00:00Z `, to the second as AWS writes it.
pub(super) fn at(now: Timestamp) -> String {
    format!("At {}", second(now))
}

/// A time to the second.
pub(super) fn second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What an activity is begun with.
pub(super) struct Begin {
    pub(super) description: String,
    pub(super) cause: String,
    pub(super) status: Status,
    /// The zone, and the subnet where one is chosen.
    pub(super) zone: Option<(String, Option<String>)>,
}

/// Writes down that something has begun.
pub(super) fn begin(ctx: &Ctx<'_>, group: &mut Group, now: Timestamp, begin: Begin) -> String {
    let id = uuid(ctx);
    let details = match begin.zone {
        None => serde_json::json!({}),
        Some((zone, None)) => serde_json::json!({ "Availability Zone": zone }),
        Some((zone, Some(subnet))) => serde_json::json!({ "Subnet ID": subnet, "Availability Zone": zone }),
    };
    group.activities.push(Activity {
        id: id.clone(),
        group: group.name.clone(),
        group_arn: group.arn.clone(),
        description: begin.description,
        cause: begin.cause,
        start: now,
        end: None,
        status: begin.status,
        message: None,
        details: details.to_string(),
    });
    if group.activities.len() > ACTIVITIES_MAX {
        group.activities.remove(0);
    }
    id
}

/// Moves an activity on.
pub(super) fn advance(group: &mut Group, id: Option<&String>, status: Status) {
    let found = id.and_then(|id| group.activities.iter_mut().rev().find(|activity| activity.id == *id));
    if let Some(activity) = found.filter(|activity| activity.end.is_none()) {
        activity.status = status;
    }
}

/// Ends an activity.
pub(super) fn end(group: &mut Group, id: Option<&String>, now: Timestamp, status: Status, message: Option<String>) {
    let found = id.and_then(|id| group.activities.iter_mut().rev().find(|activity| activity.id == *id));
    if let Some(activity) = found.filter(|activity| activity.end.is_none()) {
        (activity.status, activity.end) = (status, Some(now));
        if let Some(message) = &message {
            activity.description = format!("{}.  Status Reason: {message}", activity.description);
        }
        activity.message = message;
        let failed = status != Status::Successful;
        let event = match activity.description.split_whitespace().next() {
            Some("Launching") if failed => Some(Event::LaunchError),
            Some("Launching" | "Attaching") => Some(Event::Launch),
            Some("Terminating") if failed => Some(Event::TerminateError),
            Some("Terminating" | "Detaching") => Some(Event::Terminate),
            _ => None,
        };
        if let Some(event) = event.filter(|_| !group.topics.is_empty()) {
            group.outbox.push((event, activity.clone()));
        }
        group.scaled = Some(now);
    }
}

impl Activity {
    pub(super) fn write(&self, xml: &mut Xml, deleted: bool) {
        xml.leaf("ActivityId", &self.id).leaf("AutoScalingGroupName", &self.group);
        xml.leaf("Description", &self.description).leaf("Cause", &self.cause);
        xml.leaf("StartTime", self.start).leaf_if("EndTime", self.end);
        xml.leaf("StatusCode", self.status.name()).leaf_if("StatusMessage", self.message.as_ref());
        xml.leaf("Progress", self.status.progress()).leaf("Details", &self.details);
        if deleted {
            xml.leaf("AutoScalingGroupState", "Deleted");
        }
        xml.leaf("AutoScalingGroupARN", &self.group_arn);
    }
}

/// Newest first.
pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let state = &ctx.region.autoscaling;
    let filters = read_filters(&input.filters, &["StartTimeLowerBound", "StartTimeUpperBound", "Status"])?;
    let bound = |name: &str| -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = filters.get(name).and_then(|values| values.first()) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| ApiError::validation(format!("Filter {name}: '{text}' is not a time")))
    };
    let (from, to) = (bound("StartTimeLowerBound")?, bound("StartTimeUpperBound")?);
    let statuses = filters.get("Status");
    if let Some(name) = &input.auto_scaling_group_name
        && !input.include_deleted_groups
    {
        state.group(name)?;
    }
    let living = state.groups.values().flat_map(|group| &group.activities).map(|activity| (activity, false));
    let dead = state.past.iter().filter(|_| input.include_deleted_groups).map(|activity| (activity, true));
    let mut found: Vec<_> = living
        .chain(dead)
        .filter(|(activity, _)| input.auto_scaling_group_name.as_ref().is_none_or(|name| *name == activity.group))
        .filter(|(activity, _)| input.activity_ids.is_empty() || input.activity_ids.contains(&activity.id))
        .filter(|(activity, _)| from.is_none_or(|from| activity.start >= from))
        .filter(|(activity, _)| to.is_none_or(|to| activity.start <= to))
        .filter(|(activity, _)| statuses.is_none_or(|wanted| wanted.contains(&activity.status.name())))
        .collect();
    found.reverse();
    found.sort_by_key(|(activity, _)| std::cmp::Reverse(activity.start));
    let paging = Paging { token: input.next_token.as_deref(), size: input.max_records, limits: (100, 100) };
    let mut xml = Xml::default();
    let key = |(activity, _): &(&Activity, bool)| activity.id.clone();
    paging.write(&mut xml, found, key, "Activities", |xml, (activity, deleted)| activity.write(xml, deleted))?;
    Ok(xml)
}
