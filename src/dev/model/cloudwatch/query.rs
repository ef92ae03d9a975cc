//! A metric data query: a metric with its statistic and period, or an expression over others.

use serde::{Deserialize, Serialize};

use super::metric::{Dimension, Metric, check_unit, invalid};
use super::statistic::Statistic;
use crate::dev::wire::{ApiError, Fields, Value};

/// A query of a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct MetricDataQuery {
    id: String,
    metric_stat: Option<MetricStat>,
    expression: Option<String>,
    label: Option<String>,
    return_data: Option<bool>,
    period: Option<u32>,
    account_id: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct MetricStat {
    metric: GivenMetric,
    period: u32,
    stat: String,
    unit: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct GivenMetric {
    namespace: String,
    metric_name: String,
    #[serde(default)]
    dimensions: Vec<Dimension>,
}

/// A query that was checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Query {
    pub(super) id: String,
    pub(super) label: Option<String>,
    pub(super) returned: bool,
    pub(super) of: Of,
}

/// What a query asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Of {
    Metric { metric: Metric, statistic: Statistic, period_seconds: u32, unit: Option<String> },
    Expression { text: String, period_seconds: Option<u32> },
}

impl Query {
    /// Checks the queries of one request; `account` is the only one that they may name.
    pub(super) fn all(given: Vec<MetricDataQuery>, account: &str) -> Result<Vec<Self>, ApiError> {
        let mut queries: Vec<Self> = Vec::with_capacity(given.len());
        for query in given {
            let query = Self::of(query, account)?;
            if queries.iter().any(|other| other.id == query.id) {
                return Err(ApiError::validation(format!(
                    "The values for parameter id in the MetricDataQueries array must be unique: {}",
                    query.id
                )));
            }
            queries.push(query);
        }
        Ok(queries)
    }

    fn of(given: MetricDataQuery, account: &str) -> Result<Self, ApiError> {
        let MetricDataQuery { id, metric_stat, expression, label, return_data, period, account_id } = given;
        let mut letters = id.bytes();
        let fits = letters.next().is_some_and(|b| b.is_ascii_lowercase())
            && letters.all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && id.len() <= 255;
        if !fits {
            return Err(ApiError::validation(format!(
                "The value {id} for parameter MetricDataQueries.member.Id is not valid: it must begin with a lowercase \
                 letter and hold only letters, numbers and underscores"
            )));
        }
        if account_id.as_deref().is_some_and(|other| other != account) {
            return Err(ApiError::validation(format!(
                "Query '{id}': AccountId of another account is not modelled by the dev cloud"
            )));
        }
        if label.as_deref().is_some_and(|label| label.contains("${")) {
            return Err(ApiError::validation(format!(
                "Query '{id}': dynamic labels are not modelled by the dev cloud"
            )));
        }
        let of = match (metric_stat, expression) {
            (Some(stat), None) => {
                if period.is_some() {
                    return Err(ApiError::validation(format!("Query '{id}': Period belongs into MetricStat")));
                }
                check_period(stat.period)?;
                if let Some(unit) = &stat.unit {
                    check_unit(unit)?;
                }
                let GivenMetric { namespace, metric_name, dimensions } = stat.metric;
                let metric = Metric::of(namespace, metric_name, dimensions)?;
                let statistic = Statistic::parse(&stat.stat)?;
                Of::Metric { metric, statistic, period_seconds: stat.period, unit: stat.unit }
            }
            (None, Some(text)) => {
                if text.is_empty() || text.len() > 2048 {
                    return Err(ApiError::validation(format!("Query '{id}': an expression has 1 to 2048 characters")));
                }
                period.map_or(Ok(()), check_period)?;
                Of::Expression { text, period_seconds: period }
            }
            _ => {
                return Err(ApiError::validation(format!(
                    "Query '{id}' must have either MetricStat or Expression, and not both"
                )));
            }
        };
        Ok(Self { id, label, returned: return_data.unwrap_or(true), of })
    }

    /// Its period, where it has one of its own.
    pub(super) fn period_seconds(&self) -> Option<u32> {
        match &self.of {
            Of::Metric { period_seconds, .. } => Some(*period_seconds),
            Of::Expression { period_seconds, .. } => *period_seconds,
        }
    }

    /// As `DescribeAlarms` has it.
    pub(super) fn fields(&self) -> Fields {
        let fields = Fields::new().with("Id", &self.id).with_if("Label", self.label.as_ref());
        let fields = match &self.of {
            Of::Metric { metric, statistic, period_seconds, unit } => fields.with(
                "MetricStat",
                Fields::new()
                    .with("Metric", metric.fields())
                    .with("Period", *period_seconds)
                    .with("Stat", statistic.to_string())
                    .with_if("Unit", unit.as_ref()),
            ),
            Of::Expression { text, period_seconds } => {
                fields.with("Expression", text).with_if("Period", *period_seconds)
            }
        };
        fields.with("ReturnData", Value::Bool(self.returned))
    }
}

/// Points are of whole minutes, and so are periods.
pub(super) fn check_period(period_seconds: u32) -> Result<(), ApiError> {
    if [1, 5, 10, 20, 30].contains(&period_seconds) {
        return Err(invalid(format!(
            "The parameter Period of {period_seconds} needs high-resolution metrics, which the dev cloud does not model."
        )));
    }
    if period_seconds == 0 || !period_seconds.is_multiple_of(60) {
        return Err(invalid("The parameter Period must be a multiple of 60."));
    }
    Ok(())
}
