//! What happened to alarms: `DescribeAlarmHistory`.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::data::ScanBy;
use super::{Answer, Ctx};
use crate::dev::wire::{ApiError, Fields, Time, Value};

/// How long AWS keeps it.
const KEPT: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How many items a region keeps at most.
const ITEMS_MAX: usize = 20_000;

/// All of a region, oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct History {
    items: VecDeque<Item>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Item {
    alarm: String,
    at: Timestamp,
    kind: Kind,
    summary: String,
    data: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    ConfigurationUpdate,
    StateUpdate,
    Action,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::ConfigurationUpdate => "ConfigurationUpdate",
            Self::StateUpdate => "StateUpdate",
            Self::Action => "Action",
        }
    }
}

impl History {
    /// An alarm was created, updated or deleted.
    pub(super) fn configured(&mut self, alarm: &str, what: &str, now: Timestamp) {
        let kind = what
            .strip_suffix('d')
            .map_or_else(|| what.to_owned(), |verb| format!("{}{}", verb[..1].to_uppercase(), &verb[1..]));
        let data = serde_json::json!({ "version": "1.0", "type": kind });
        self.push(alarm, Kind::ConfigurationUpdate, (format!("Alarm \"{alarm}\" {what}"), data.to_string()), now);
    }

    /// An alarm changed its state.
    pub(super) fn transitioned(&mut self, alarm: &str, (from, to): (&str, &str), data: String, now: Timestamp) {
        self.push(alarm, Kind::StateUpdate, (format!("Alarm updated from {from} to {to}"), data), now);
    }

    /// An action was run, or could not be.
    pub(super) fn acted(&mut self, alarm: &str, action: &str, failed: Option<&str>, now: Timestamp) {
        let state = if failed.is_some() { "Failed" } else { "Succeeded" };
        let summary = match failed {
            None => format!("Successfully executed action {action}"),
            Some(error) => format!("Failed to execute action {action}. Received error: \"{error}\""),
        };
        let data = serde_json::json!({
            "actionState": state, "stateUpdateTimestamp": now.as_millisecond(), "notificationResource": action,
            "error": failed,
        });
        self.push(alarm, Kind::Action, (summary, data.to_string()), now);
    }

    fn push(&mut self, alarm: &str, kind: Kind, (mut summary, data): (String, String), now: Timestamp) {
        if let Some((end, _)) = summary.char_indices().nth(255) {
            summary.truncate(end);
        }
        self.items.push_back(Item { alarm: alarm.to_owned(), at: now, kind, summary, data });
        while self.items.len() > ITEMS_MAX || self.items.front().is_some_and(|item| now.duration_since(item.at) > KEPT)
        {
            self.items.pop_front();
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    alarm_name: Option<String>,
    #[serde(default)]
    alarm_types: Vec<String>,
    history_item_type: Option<Kind>,
    start_date: Option<Time>,
    end_date: Option<Time>,
    max_records: Option<u32>,
    next_token: Option<String>,
    scan_by: Option<ScanBy>,
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let size = super::alarms::page_size(input.max_records)?;
    let metric_alarms = super::alarms::metric_alarms(&input.alarm_types)?;
    let mut items: Vec<&Item> = ctx
        .region
        .cloudwatch
        .history
        .items
        .iter()
        .filter(|_| metric_alarms)
        .filter(|item| input.alarm_name.as_ref().is_none_or(|name| *name == item.alarm))
        .filter(|item| input.history_item_type.is_none_or(|kind| kind == item.kind))
        .filter(|item| input.start_date.is_none_or(|from| item.at >= from.0))
        .filter(|item| input.end_date.is_none_or(|to| item.at <= to.0))
        .collect();
    if input.scan_by.unwrap_or_default() == ScanBy::TimestampDescending {
        items.reverse();
    }
    let from = match &input.next_token {
        None => 0,
        Some(token) => token
            .parse::<usize>()
            .ok()
            .filter(|from| *from <= items.len())
            .ok_or_else(|| ApiError::new("InvalidNextToken", "The NextToken is not valid."))?,
    };
    let next = (items.len() > from + size).then(|| (from + size).to_string());
    let page = items.into_iter().skip(from).take(size).map(|item| {
        Fields::new()
            .with("AlarmName", &item.alarm)
            .with("AlarmType", "MetricAlarm")
            .with("Timestamp", item.at)
            .with("HistoryItemType", item.kind.name())
            .with("HistorySummary", &item.summary)
            .with("HistoryData", &item.data)
    });
    Ok(Fields::new().with("AlarmHistoryItems", Value::list(page)).with_if("NextToken", next).into())
}
