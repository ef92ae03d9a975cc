//! CloudWatch: metrics that load balancers and callers publish, and alarms on them.
//!
//! | file | what it holds |
//! |---|---|
//! | `metric`, `point`, `statistic`, `store` | what a metric is, its samples per minute, how long they are kept |
//! | `put`, `statistics`, `data`, `list` | `PutMetricData`, `GetMetricStatistics`, `GetMetricData`, `ListMetrics` |
//! | `query`, `expression`, `math` | the queries of `GetMetricData` and of alarms |
//! | `alarm`, `put_alarm`, `alarms`, `history` | alarms and the operations on them |
//! | `verdict`, `evaluate`, `notify` | what an alarm makes of its data points, every minute, and what follows |
//! | `balancers` | what load balancers publish |
//! | `pace` | the minute's beat |

mod alarm;
mod alarms;
mod balancers;
mod data;
mod evaluate;
mod expression;
mod history;
mod list;
mod math;
mod metric;
mod notify;
mod pace;
mod point;
mod put;
mod put_alarm;
mod query;
mod statistic;
mod statistics;
mod store;
mod tagging;
mod verdict;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Ctx, Operation, input};
use crate::dev::wire::{ApiError, Node, Service, Value};

pub(crate) use alarm::{Alarm, Comparison, Status, Watch};
pub(crate) use metric::Metric;
pub(crate) use notify::AlarmCall;
pub(crate) use pace::start;
pub(crate) use statistic::Statistic;
pub(crate) use verdict::State;

/// The state of one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct CloudWatch {
    store: store::Store,
    /// By name.
    alarms: BTreeMap<String, Alarm>,
    history: history::History,
    published: balancers::Published,
}

/// What is modelled, and what is missing of it.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::value("PutMetricData", "high-resolution metrics, entities", |ctx, form| put::run(ctx, read(form)?)),
    Operation::value("GetMetricData", "search and anomaly expressions, dynamic labels, other accounts", |ctx, form| {
        data::run(ctx, read(form)?)
    }),
    Operation::value("GetMetricStatistics", "periods below a minute", |ctx, form| statistics::run(ctx, read(form)?)),
    Operation::value("ListMetrics", "other accounts", |ctx, form| list::run(ctx, read(form)?)),
    Operation::value(
        "PutMetricAlarm",
        "anomaly detection, PromQL, actions other than SNS and Auto Scaling",
        |ctx, form| put_alarm::run(ctx, read(form)?),
    ),
    Operation::value("DescribeAlarms", "composite alarms", |ctx, form| alarms::describe(ctx, read(form)?)),
    Operation::value("DescribeAlarmsForMetric", "", |ctx, form| alarms::describe_for_metric(ctx, read(form)?)),
    Operation::value("DeleteAlarms", "", |ctx, form| alarms::delete(ctx, read(form)?)),
    Operation::value("SetAlarmState", "", |ctx, form| alarms::set_state(ctx, read(form)?)),
    Operation::value("EnableAlarmActions", "", |ctx, form| alarms::enable(ctx, read(form)?)),
    Operation::value("DisableAlarmActions", "", |ctx, form| alarms::disable(ctx, read(form)?)),
    Operation::value("DescribeAlarmHistory", "composite alarms", |ctx, form| history::describe(ctx, read(form)?)),
    Operation::value("TagResource", "only alarms", |ctx, form| tagging::add(ctx, read(form)?)),
    Operation::value("UntagResource", "only alarms", |ctx, form| tagging::remove(ctx, read(form)?)),
    Operation::value("ListTagsForResource", "only alarms", |ctx, form| tagging::list(ctx, read(form)?)),
];

fn read<T: DeserializeOwned>(form: &Node) -> Result<T, ApiError> {
    input(Service::CloudWatch, form)
}

type Answer = Result<Value, ApiError>;

impl CloudWatch {
    /// Makes an alarm, or replaces the one of the same name, which keeps its state.
    pub(crate) fn put_alarm(&mut self, mut alarm: Alarm, now: Timestamp) {
        let (old, what) = match self.alarms.get(&alarm.name) {
            Some(old) => {
                alarm.status = Status { configured: now, ..old.status.clone() };
                alarm.tags.clone_from(&old.tags);
                (Some(old.clone()), "updated")
            }
            None => (None, "created"),
        };
        if old.as_ref() != Some(&alarm) {
            self.history.configured(&alarm.name, what, now);
        }
        self.alarms.insert(alarm.name.clone(), alarm);
    }

    /// Deletes an alarm; `false` where there is none.
    pub(crate) fn delete_alarm(&mut self, name: &str, now: Timestamp) -> bool {
        let found = self.alarms.remove(name).is_some();
        if found {
            self.history.configured(name, "deleted", now);
        }
        found
    }

    /// The names of the alarms that have an action among those of the state `ALARM`.
    pub(crate) fn alarms_with_action(&self, action: &str) -> impl Iterator<Item = &str> {
        let calling = self.alarms.values().filter(move |alarm| alarm.alarm_actions.iter().any(|each| each == action));
        calling.map(|alarm| alarm.name.as_str())
    }
}

/// The ARN of an alarm.
fn arn(ctx: &Ctx<'_>, name: &str) -> String {
    alarm_arn(&ctx.region.name, &ctx.region.account, name)
}

/// The ARN of an alarm in a region of an account.
pub(crate) fn alarm_arn(region: &str, account: &str, name: &str) -> String {
    format!("arn:aws:cloudwatch:{region}:{account}:alarm:{name}")
}
