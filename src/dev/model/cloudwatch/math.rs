//! Metric math: the expressions that queries and alarms may compute from other queries.

use std::collections::BTreeMap;

use super::expression::{Call, Expression, Operator};
use super::query::{Of, Query};
use super::store::{Range, Store};
use crate::dev::wire::ApiError;

/// Values by the minute that their period begins with.
pub(super) type Line = BTreeMap<i64, f64>;

/// What a part of an expression comes to.
#[derive(Debug, Clone)]
enum Number {
    Scalar(f64),
    Line(Line),
    Lines(Vec<Line>),
}

/// Computes queries over a range of time.
#[derive(Debug)]
pub(super) struct Math<'a> {
    store: &'a Store,
    queries: &'a [Query],
    /// Both as minutes since 1970.
    span: (i64, i64),
    /// What is being computed, to find a circle.
    open: Vec<&'a str>,
}

impl<'a> Math<'a> {
    /// Over the minutes from the first of `span` to before the second.
    pub(super) fn new(store: &'a Store, queries: &'a [Query], span: (i64, i64)) -> Self {
        Self { store, queries, span, open: Vec::new() }
    }

    /// The values of one query.
    pub(super) fn line(&mut self, query: &'a Query) -> Result<Line, ApiError> {
        let (text, period_seconds) = match &query.of {
            Of::Metric { metric, statistic, period_seconds, unit } => {
                let range = Range { start: self.span.0, end: self.span.1, period: i64::from(period_seconds / 60) };
                let points = self.store.sum(metric, unit.as_deref(), range);
                return Ok(points
                    .into_iter()
                    .filter_map(|(slot, point)| statistic.of(&point).map(|value| (slot, value)))
                    .collect());
            }
            Of::Expression { text, period_seconds } => (text, period_seconds),
        };
        let wrong = |message: String| ApiError::validation(format!("Error in expression '{}': {message}", query.id));
        if self.open.contains(&query.id.as_str()) || self.open.len() > 32 {
            return Err(wrong("it refers to itself".to_owned()));
        }
        self.open.push(&query.id);
        let parsed = Expression::parse(text).map_err(wrong)?;
        let period = period_seconds.or_else(|| self.period_of(&parsed)).unwrap_or(60);
        let number = self.value(&parsed, period).map_err(wrong);
        self.open.pop();
        match number? {
            Number::Line(line) => Ok(line),
            Number::Scalar(_) => Err(wrong("it gives a number, but must give a time series".to_owned())),
            Number::Lines(_) => {
                Err(wrong("it gives several time series, which the dev cloud does not return".to_owned()))
            }
        }
    }

    /// The shortest period of what an expression refers to.
    fn period_of(&self, expression: &Expression) -> Option<u32> {
        let named = expression.names();
        self.queries.iter().filter(|query| named.contains(&query.id.as_str())).filter_map(Query::period_seconds).min()
    }

    fn named(&mut self, name: &str) -> Result<Line, String> {
        let query = self.queries.iter().find(|query| query.id == name).ok_or_else(|| format!("{name} is no query"))?;
        self.line(query).map_err(|error| error.message)
    }

    fn value(&mut self, expression: &Expression, period: u32) -> Result<Number, String> {
        Ok(match expression {
            Expression::Number(number) => Number::Scalar(*number),
            Expression::Name(name) => Number::Line(self.named(name)?),
            Expression::List(items) => {
                let lines = items.iter().map(|item| match self.value(item, period)? {
                    Number::Line(line) => Ok(line),
                    Number::Scalar(_) | Number::Lines(_) => Err("an array holds time series only".to_owned()),
                });
                Number::Lines(lines.collect::<Result<_, String>>()?)
            }
            Expression::Negative(of) => match self.value(of, period)? {
                Number::Scalar(number) => Number::Scalar(-number),
                Number::Line(line) => Number::Line(each(line, |value| -value)),
                Number::Lines(lines) => {
                    Number::Lines(lines.into_iter().map(|line| each(line, |value| -value)).collect())
                }
            },
            Expression::Operation(operator, left, right) => {
                let (left, right) = (self.value(left, period)?, self.value(right, period)?);
                operate(*operator, left, right)?
            }
            Expression::Text(_) => return Err("text belongs into METRICS(\"…\") only".to_owned()),
            Expression::Call(call, given) => self.call(*call, given, period)?,
        })
    }

    fn call(&mut self, call: Call, given: &[Expression], period: u32) -> Result<Number, String> {
        let count = |most: usize| {
            if (1..=most).contains(&given.len()) {
                return Ok(());
            }
            Err(format!("{} takes 1 to {most} arguments", call.name()))
        };
        match call {
            Call::Sum | Call::Avg | Call::Min | Call::Max => {
                count(1)?;
                Ok(match self.value(&given[0], period)? {
                    Number::Scalar(number) => Number::Scalar(number),
                    Number::Line(line) => Number::Scalar(call.over(line.values().copied()).unwrap_or(f64::NAN)),
                    Number::Lines(lines) => {
                        let minutes: std::collections::BTreeSet<i64> =
                            lines.iter().flat_map(|line| line.keys().copied()).collect();
                        let at = |minute: &i64| call.over(lines.iter().filter_map(|line| line.get(minute).copied()));
                        Number::Line(minutes.iter().filter_map(|minute| Some((*minute, at(minute)?))).collect())
                    }
                })
            }
            Call::Abs | Call::Ceil | Call::Floor => {
                count(1)?;
                let of = match call {
                    Call::Abs => f64::abs,
                    Call::Ceil => f64::ceil,
                    _ => f64::floor,
                };
                Ok(match self.value(&given[0], period)? {
                    Number::Scalar(number) => Number::Scalar(of(number)),
                    Number::Line(line) => Number::Line(each(line, of)),
                    Number::Lines(lines) => Number::Lines(lines.into_iter().map(|line| each(line, of)).collect()),
                })
            }
            Call::Period => {
                let Some(Expression::Name(name)) = given.first().filter(|_| given.len() == 1) else {
                    return Err("PERIOD takes the name of a query".to_owned());
                };
                let query = self.queries.iter().find(|query| query.id == *name);
                let period = query.and_then(Query::period_seconds).ok_or_else(|| format!("{name} has no period"))?;
                Ok(Number::Scalar(f64::from(period)))
            }
            Call::Metrics => {
                let part = match given {
                    [] => "",
                    [Expression::Text(part)] => part,
                    _ => return Err("METRICS takes nothing, or a text that ids contain".to_owned()),
                };
                let queries = self.queries.iter().filter(|query| matches!(query.of, Of::Metric { .. }));
                let named: Vec<_> = queries.filter(|query| query.id.contains(part)).collect();
                named
                    .into_iter()
                    .map(|query| self.line(query).map_err(|error| error.message))
                    .collect::<Result<_, _>>()
                    .map(Number::Lines)
            }
            Call::Fill => self.fill(given, period),
            Call::If => self.choose(given, period),
        }
    }

    /// `FILL(line, value)` and `FILL(line, REPEAT)`: a value for every period.
    fn fill(&mut self, given: &[Expression], period: u32) -> Result<Number, String> {
        let [line, filler] = given else { return Err("FILL takes a time series and a filler".to_owned()) };
        let Number::Line(mut line) = self.value(line, period)? else {
            return Err("FILL takes a time series".to_owned());
        };
        let step = i64::from(period / 60).max(1);
        let slots = (self.span.0..self.span.1).step_by(usize::try_from(step).unwrap_or(1));
        if matches!(filler, Expression::Name(name) if name == "REPEAT") {
            let mut last = None;
            for slot in slots {
                match (line.get(&slot).copied(), last) {
                    (Some(value), _) => last = Some(value),
                    (None, Some(value)) => {
                        line.insert(slot, value);
                    }
                    (None, None) => {}
                }
            }
            return Ok(Number::Line(line));
        }
        match self.value(filler, period)? {
            Number::Scalar(value) => line = slots.map(|slot| (slot, value)).chain(std::mem::take(&mut line)).collect(),
            Number::Line(other) => line = other.into_iter().chain(std::mem::take(&mut line)).collect(),
            Number::Lines(_) => {
                return Err("FILL takes a number, REPEAT or a time series (LINEAR is not modelled)".to_owned());
            }
        }
        Ok(Number::Line(line))
    }

    /// `IF(condition, then, else)`: where there is no else, what does not meet the condition is missing.
    fn choose(&mut self, given: &[Expression], period: u32) -> Result<Number, String> {
        if !(2..=3).contains(&given.len()) {
            return Err("IF takes a condition, a value and perhaps another value".to_owned());
        }
        let mut values = given.iter().map(|part| self.value(part, period)).collect::<Result<Vec<_>, _>>()?.into_iter();
        let (condition, then, other) = (values.next(), values.next(), values.next());
        let Some(Number::Line(condition)) = condition else {
            return Err("the condition of IF must be a time series".to_owned());
        };
        let at = |number: &Option<Number>, slot: i64| match number {
            Some(Number::Scalar(value)) => Some(*value),
            Some(Number::Line(line)) => line.get(&slot).copied(),
            Some(Number::Lines(_)) | None => None,
        };
        let chosen = condition.into_iter().filter_map(|(slot, holds)| {
            let value = if holds == 0.0 { at(&other, slot) } else { at(&then, slot) };
            Some((slot, value?))
        });
        Ok(Number::Line(chosen.collect()))
    }
}

fn each(line: Line, of: impl Fn(f64) -> f64) -> Line {
    line.into_iter().map(|(slot, value)| (slot, of(value))).filter(|(_, value)| value.is_finite()).collect()
}

/// Both sides, minute by minute; where one is missing, or the result is no number, there is none.
fn operate(operator: Operator, left: Number, right: Number) -> Result<Number, String> {
    Ok(match (left, right) {
        (Number::Scalar(left), Number::Scalar(right)) => Number::Scalar(operator.of(left, right)),
        (Number::Line(left), Number::Scalar(right)) => Number::Line(each(left, |left| operator.of(left, right))),
        (Number::Scalar(left), Number::Line(right)) => Number::Line(each(right, |right| operator.of(left, right))),
        (Number::Line(left), Number::Line(right)) => {
            let both =
                left.into_iter().filter_map(|(slot, value)| Some((slot, operator.of(value, *right.get(&slot)?))));
            Number::Line(both.filter(|(_, value)| value.is_finite()).collect())
        }
        (Number::Lines(left), right @ (Number::Scalar(_) | Number::Line(_))) => {
            let lines = left.into_iter().map(|line| match operate(operator, Number::Line(line), right.clone())? {
                Number::Line(line) => Ok(line),
                _ => Err("an operation on a time series gives a time series".to_owned()),
            });
            Number::Lines(lines.collect::<Result<_, String>>()?)
        }
        _ => return Err("this operation on arrays is not modelled".to_owned()),
    })
}
