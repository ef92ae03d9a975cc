//! `ListMetrics`.

use jiff::SignedDuration;
use serde::Deserialize;

use super::metric::invalid;
use super::{Answer, Ctx};
use crate::dev::wire::{ApiError, Fields, Value};

/// How many metrics a page has.
const PAGE: usize = 500;
/// What `RecentlyActive` takes.
const RECENT: SignedDuration = SignedDuration::from_hours(3);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct List {
    namespace: Option<String>,
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Vec<Filter>,
    next_token: Option<String>,
    recently_active: Option<String>,
    include_linked_accounts: Option<bool>,
    owning_account: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Filter {
    name: String,
    value: Option<String>,
}

pub(super) fn run(ctx: &mut Ctx<'_>, input: List) -> Answer {
    if input.dimensions.len() > 10 {
        return Err(invalid("The collection Dimensions must not have a size greater than 10."));
    }
    if input.recently_active.as_deref().is_some_and(|recent| recent != "PT3H") {
        return Err(invalid("The parameter RecentlyActive can only be PT3H."));
    }
    if input.include_linked_accounts == Some(true) || input.owning_account.is_some() {
        return Err(invalid("Metrics of linked accounts are not modelled by the dev cloud."));
    }
    let now = ctx.cloud.clock.now();
    let listing = ctx.cloud.timing.metrics_listing;
    let store = &mut ctx.region.cloudwatch.store;
    store.settle(now);
    let wanted: Vec<_> = store
        .listed(now)
        .filter(|series| series.since + listing <= now)
        .filter(|series| input.recently_active.is_none() || now.duration_since(series.updated) <= RECENT)
        .map(|series| &series.metric)
        .filter(|metric| input.namespace.as_ref().is_none_or(|namespace| *namespace == metric.namespace))
        .filter(|metric| input.metric_name.as_ref().is_none_or(|name| *name == metric.name))
        .filter(|metric| {
            input.dimensions.iter().all(|filter| {
                let value = metric.dimensions.get(&filter.name);
                value.is_some_and(|value| filter.value.as_ref().is_none_or(|wanted| wanted == value))
            })
        })
        .collect();
    // The token is the place: metrics only come and go by days.
    let from = match &input.next_token {
        None => 0,
        Some(token) => token
            .parse::<usize>()
            .ok()
            .filter(|from| *from <= wanted.len())
            .ok_or_else(|| ApiError::new("InvalidParameterValue", "The NextToken is not valid."))?,
    };
    let page = wanted.iter().skip(from).take(PAGE).map(|metric| metric.fields());
    let next = (wanted.len() > from + PAGE).then(|| (from + PAGE).to_string());
    Ok(Fields::new().with("Metrics", Value::list(page)).with_if("NextToken", next).into())
}
