//! A metric alarm: what it watches, when it goes off, and what it is now.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::metric::{Metric, dimensions};
use super::query::Query;
use super::statistic::Statistic;
use super::verdict::{Missing, State};
use crate::dev::model::tags::Tags;
use crate::dev::wire::{Fields, Value};

/// A metric alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alarm {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) actions_enabled: bool,
    pub(crate) ok_actions: Vec<String>,
    pub(crate) alarm_actions: Vec<String>,
    pub(crate) insufficient_data_actions: Vec<String>,
    pub(crate) watch: Watch,
    pub(crate) evaluation_periods: u32,
    pub(crate) datapoints_to_alarm: Option<u32>,
    pub(crate) threshold: f64,
    pub(crate) comparison: Comparison,
    pub(crate) missing: Option<Missing>,
    /// Whether a percentile of too few samples leaves the state as it is.
    pub(crate) ignore_low_samples: bool,
    pub(crate) tags: Tags,
    pub(crate) status: Status,
}

/// What an alarm watches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Watch {
    Metric { metric: Metric, statistic: Statistic, period_seconds: u32, unit: Option<String> },
    Math { queries: Vec<Query> },
}

/// How a value is compared with the threshold.
#[expect(clippy::enum_variant_names, reason = "AWS's names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Comparison {
    GreaterThanOrEqualToThreshold,
    GreaterThanThreshold,
    LessThanThreshold,
    LessThanOrEqualToThreshold,
}

/// Where an alarm stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) state: State,
    pub(crate) reason: String,
    pub(crate) reason_data: Option<String>,
    /// When it last changed, reason included.
    pub(crate) updated: Timestamp,
    /// When the state last changed.
    pub(crate) transitioned: Timestamp,
    /// When the alarm was last put.
    pub(crate) configured: Timestamp,
}

impl Status {
    /// That of a new alarm.
    pub(crate) fn unchecked(now: Timestamp) -> Self {
        Self {
            state: State::InsufficientData,
            reason: "Unchecked: Initial alarm creation".to_owned(),
            reason_data: None,
            updated: now,
            transitioned: now,
            configured: now,
        }
    }
}

impl Comparison {
    /// Whether a value breaches the threshold.
    pub(super) fn breaches(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::GreaterThanOrEqualToThreshold => value >= threshold,
            Self::GreaterThanThreshold => value > threshold,
            Self::LessThanThreshold => value < threshold,
            Self::LessThanOrEqualToThreshold => value <= threshold,
        }
    }

    /// In a sentence.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::GreaterThanOrEqualToThreshold => "greater than or equal to",
            Self::GreaterThanThreshold => "greater than",
            Self::LessThanThreshold => "less than",
            Self::LessThanOrEqualToThreshold => "less than or equal to",
        }
    }

    /// AWS's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::GreaterThanOrEqualToThreshold => "GreaterThanOrEqualToThreshold",
            Self::GreaterThanThreshold => "GreaterThanThreshold",
            Self::LessThanThreshold => "LessThanThreshold",
            Self::LessThanOrEqualToThreshold => "LessThanOrEqualToThreshold",
        }
    }
}

impl Alarm {
    /// The period of its data points, in seconds.
    pub(super) fn period_seconds(&self) -> u32 {
        match &self.watch {
            Watch::Metric { period_seconds, .. } => *period_seconds,
            Watch::Math { queries } => queries.iter().find_map(Query::period_seconds).unwrap_or(60),
        }
    }

    /// How many of how many data points must breach.
    pub(super) fn m_of_n(&self) -> (usize, usize) {
        let of = self.evaluation_periods as usize;
        (self.datapoints_to_alarm.map_or(of, |needed| needed as usize), of)
    }

    /// What follows when it goes into `state`.
    pub(super) fn actions(&self, state: State) -> &[String] {
        match state {
            State::Ok => &self.ok_actions,
            State::Alarm => &self.alarm_actions,
            State::InsufficientData => &self.insufficient_data_actions,
        }
    }

    /// As `DescribeAlarms` has it.
    pub(super) fn fields(&self, arn: &str) -> Fields {
        let texts = |texts: &[String]| Value::list(texts.iter());
        let fields = Fields::new()
            .with("AlarmName", &self.name)
            .with("AlarmArn", arn)
            .with_if("AlarmDescription", self.description.as_ref())
            .with("AlarmConfigurationUpdatedTimestamp", self.status.configured)
            .with("ActionsEnabled", self.actions_enabled)
            .with("OKActions", texts(&self.ok_actions))
            .with("AlarmActions", texts(&self.alarm_actions))
            .with("InsufficientDataActions", texts(&self.insufficient_data_actions))
            .with("StateValue", self.status.state.name())
            .with("StateReason", &self.status.reason)
            .with_if("StateReasonData", self.status.reason_data.as_ref())
            .with("StateUpdatedTimestamp", self.status.updated)
            .with("StateTransitionedTimestamp", self.status.transitioned);
        let fields = match &self.watch {
            Watch::Metric { metric, statistic, period_seconds, unit } => {
                let fields = fields.with("MetricName", &metric.name).with("Namespace", &metric.namespace);
                let name = if let Statistic::Percentile(_) = statistic { "ExtendedStatistic" } else { "Statistic" };
                fields
                    .with(name, statistic.to_string())
                    .with("Dimensions", dimensions(&metric.dimensions))
                    .with("Period", *period_seconds)
                    .with_if("Unit", unit.as_ref())
            }
            Watch::Math { queries } => fields
                .with("Dimensions", dimensions(&BTreeMap::new()))
                .with("Metrics", Value::list(queries.iter().map(Query::fields))),
        };
        fields
            .with("EvaluationPeriods", self.evaluation_periods)
            .with_if("DatapointsToAlarm", self.datapoints_to_alarm)
            .with("Threshold", self.threshold)
            .with("ComparisonOperator", self.comparison.name())
            .with_if("TreatMissingData", self.missing.map(Missing::name))
            .with_if("EvaluateLowSampleCountPercentile", self.ignore_low_samples.then_some("ignore"))
    }
}
