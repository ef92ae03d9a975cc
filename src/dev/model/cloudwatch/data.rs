//! `GetMetricData`.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::math::{Line, Math};
use super::query::{MetricDataQuery, Of, Query};
use super::statistics::span;
use super::store::moment_of;
use super::{Answer, Ctx};
use crate::dev::wire::{ApiError, Fields, Time, Value};

/// How many queries a call may carry.
const QUERIES_MAX: usize = 500;
/// How many data points an answer has, unless the call asks for fewer.
const POINTS_MAX: u32 = 100_800;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Get {
    metric_data_queries: Vec<MetricDataQuery>,
    start_time: Time,
    end_time: Time,
    next_token: Option<String>,
    scan_by: Option<ScanBy>,
    max_datapoints: Option<u32>,
    /// Only dynamic labels would show the time zone, and those are refused.
    #[serde(rename = "LabelOptions")]
    _label_options: Option<LabelOptions>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(super) enum ScanBy {
    #[default]
    TimestampDescending,
    TimestampAscending,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct LabelOptions {
    #[serde(rename = "Timezone")]
    _timezone: Option<String>,
}

pub(super) fn run(ctx: &mut Ctx<'_>, input: Get) -> Answer {
    if input.metric_data_queries.is_empty() || input.metric_data_queries.len() > QUERIES_MAX {
        return Err(ApiError::validation(format!(
            "The collection MetricDataQueries must have a size between 1 and {QUERIES_MAX}."
        )));
    }
    if input.start_time >= input.end_time {
        return Err(ApiError::validation("The parameter StartTime must be less than the parameter EndTime."));
    }
    let most = input.max_datapoints.unwrap_or(POINTS_MAX);
    if !(1..=POINTS_MAX).contains(&most) {
        return Err(ApiError::validation(format!("The parameter MaxDatapoints must be between 1 and {POINTS_MAX}.")));
    }
    let queries = Query::all(input.metric_data_queries, &ctx.region.account)?;
    if !queries.iter().any(|query| query.returned) {
        return Err(ApiError::validation("At least one of the MetricDataQueries must have ReturnData set to true."));
    }
    let span = span(input.start_time.0, input.end_time.0);
    let scan = input.scan_by.unwrap_or_default();
    let digest = digest(&queries, span, scan);
    let skip = input.next_token.map_or(Ok(0), |token| offset(&token, &digest))?;

    let now = ctx.cloud.clock.now();
    let store = &mut ctx.region.cloudwatch.store;
    store.settle(now);
    let mut math = Math::new(store, &queries, span);
    let mut page = Page { skip, left: most as usize, cut: false };
    let mut results = Vec::new();
    for query in queries.iter().filter(|query| query.returned) {
        let line = math.line(query)?;
        results.push(page.result(query, &line, scan));
    }
    let next = page.cut.then(|| format!("{}.{digest}", skip + most as usize));
    Ok(Fields::new()
        .with("MetricDataResults", Value::list(results))
        .with_if("NextToken", next)
        .with("Messages", Value::List(Vec::new()))
        .into())
}

/// Which part of all points an answer has.
struct Page {
    skip: usize,
    left: usize,
    cut: bool,
}

impl Page {
    fn result(&mut self, query: &Query, line: &Line, scan: ScanBy) -> Fields {
        let mut points: Vec<_> = line.iter().map(|(slot, value)| (*slot, *value)).collect();
        if scan == ScanBy::TimestampDescending {
            points.reverse();
        }
        let skipped = self.skip.min(points.len());
        self.skip -= skipped;
        points.drain(..skipped);
        let partial = points.len() > self.left;
        points.truncate(self.left);
        self.left -= points.len();
        self.cut |= partial;
        let label = query.label.as_deref().unwrap_or(match &query.of {
            Of::Metric { metric, .. } => &metric.name,
            Of::Expression { .. } => &query.id,
        });
        Fields::new()
            .with("Id", &query.id)
            .with("Label", label)
            .with("Timestamps", Value::list(points.iter().map(|(slot, _)| moment_of(*slot))))
            .with("Values", Value::list(points.iter().map(|(_, value)| *value)))
            .with("StatusCode", if partial { "PartialData" } else { "Complete" })
    }
}

/// Ties a token to its query.
fn digest(queries: &[Query], span: (i64, i64), scan: ScanBy) -> String {
    let hash = Sha256::digest(format!("{queries:?}{span:?}{scan:?}"));
    hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

fn offset(token: &str, digest: &str) -> Result<usize, ApiError> {
    let (offset, of) = token.split_once('.').unwrap_or_default();
    let offset = offset.parse().ok().filter(|_| of == digest);
    offset.ok_or_else(|| ApiError::new("InvalidNextToken", "The NextToken is not valid for these queries."))
}
