//! The statistics that a query may ask for.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::point::Point;
use crate::dev::wire::ApiError;

/// A statistic over the samples of a period.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Statistic {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    /// `p99.9`, in percent.
    Percentile(f64),
}

impl Statistic {
    /// Reads AWS's name of one.
    pub(crate) fn parse(name: &str) -> Result<Self, ApiError> {
        Self::simple(name).or_else(|| Self::extended(name)).ok_or_else(|| {
            ApiError::validation(format!(
                "The value {name} for parameter Stat is not supported: the dev cloud has SampleCount, Average, Sum, \
                 Minimum, Maximum and percentiles from p0.0 to p100, but no trimmed means, ranks or the like"
            ))
        })
    }

    /// One of those that `Statistics` takes.
    pub(super) fn simple(name: &str) -> Option<Self> {
        Some(match name {
            "SampleCount" => Self::SampleCount,
            "Average" => Self::Average,
            "Sum" => Self::Sum,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            _ => return None,
        })
    }

    /// One of those that `ExtendedStatistics` takes.
    pub(super) fn extended(name: &str) -> Option<Self> {
        let digits = name.strip_prefix('p')?;
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let fits = |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if !fits(whole, 3) || !fits(fraction, 10) {
            return None;
        }
        digits.parse::<f64>().ok().filter(|percent| *percent <= 100.0).map(Self::Percentile)
    }

    /// Its value for these samples; `None` where it cannot be told.
    pub(super) fn of(self, point: &Point) -> Option<f64> {
        if point.is_empty() {
            return None;
        }
        match self {
            Self::SampleCount => Some(point.count),
            Self::Average => Some(point.sum / point.count),
            Self::Sum => Some(point.sum),
            Self::Minimum => Some(point.min),
            Self::Maximum => Some(point.max),
            Self::Percentile(percent) => point.percentile(percent),
        }
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(percent) => write!(f, "p{percent}"),
            other => write!(f, "{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_statistics_are_aws_names_and_others_are_refused() {
        assert_eq!(Statistic::parse("p99.9").unwrap(), Statistic::Percentile(99.9));
        assert_eq!(Statistic::parse("p99.9").unwrap().to_string(), "p99.9");
        assert_eq!(Statistic::parse("Sum").unwrap().to_string(), "Sum");
        for name in ["p101", "p", "p9x", "p1.", "tm90", "TM(10%:90%)", "IQM", "sum", "p-1", "pNaN", "p+1"] {
            assert!(Statistic::parse(name).is_err(), "{name}");
        }
    }
}
