//! What an alarm makes of its newest data points: M of N, and what missing ones count as.

use serde::{Deserialize, Serialize};

/// The state of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    #[serde(rename = "OK")]
    Ok,
    #[serde(rename = "ALARM")]
    Alarm,
    #[serde(rename = "INSUFFICIENT_DATA")]
    InsufficientData,
}

impl State {
    /// AWS's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// What a missing data point counts as.
#[expect(clippy::enum_variant_names, reason = "AWS's names")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Missing {
    Breaching,
    NotBreaching,
    Ignore,
    #[default]
    Missing,
}

impl Missing {
    /// AWS's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Breaching => "breaching",
            Self::NotBreaching => "notBreaching",
            Self::Ignore => "ignore",
            Self::Missing => "missing",
        }
    }
}

/// How many more periods than its evaluation periods an alarm looks back on, for where some are missing. AWS does not
/// say how many; its documentation shows a range of 5 for 3 evaluation periods.
pub(super) const EXTRA_PERIODS: usize = 2;

/// One data point of an alarm: whether it breaches the threshold, or `None` where it is missing.
pub(super) type Breach = Option<bool>;

/// The state that follows from `range`, its newest data point last; `None` to stay in the state it is in.
///
/// `needed` is M of N: how many of how many must breach.
pub(super) fn verdict(range: &[Breach], (needed, of): (usize, usize), missing: Missing) -> Option<State> {
    let real: Vec<bool> = range.iter().rev().flatten().copied().collect();
    let breaching = |among: &[bool]| among.iter().filter(|breach| **breach).count();
    let decide = |breaching: usize| if breaching >= needed { State::Alarm } else { State::Ok };
    if real.len() >= of {
        return Some(decide(breaching(&real[..of])));
    }
    let seen = breaching(&real);
    match missing {
        Missing::Breaching => Some(decide(seen + of - real.len())),
        Missing::NotBreaching => Some(decide(seen)),
        Missing::Missing | Missing::Ignore => {
            if seen >= needed {
                return Some(State::Alarm);
            }
            if seen < real.len() {
                return Some(State::Ok);
            }
            if missing == Missing::Ignore {
                return None;
            }
            if real.is_empty() {
                return Some(State::InsufficientData);
            }
            // All that there is breaches. It is too early to tell, unless the oldest of it is old enough by itself
            // ("premature alarm state" in AWS's words).
            let newest = &range[range.len().saturating_sub(of)..];
            let age = newest.iter().position(Option::is_some).map_or(0, |at| newest.len() - at);
            (age >= needed).then_some(State::Alarm)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row of a table of AWS's documentation.
    fn row(points: &str, m_of_n: (usize, usize)) -> [Option<State>; 4] {
        let range: Vec<Breach> = points
            .split(' ')
            .map(|point| match point {
                "0" => Some(false),
                "X" => Some(true),
                _ => None,
            })
            .collect();
        [Missing::Missing, Missing::Ignore, Missing::Breaching, Missing::NotBreaching]
            .map(|missing| verdict(&range, m_of_n, missing))
    }

    const OK: Option<State> = Some(State::Ok);
    const ALARM: Option<State> = Some(State::Alarm);
    const RETAIN: Option<State> = None;
    const INSUFFICIENT: Option<State> = Some(State::InsufficientData);

    #[test]
    fn three_of_three_is_as_the_documentation_says() {
        assert_eq!(row("0 - X - X", (3, 3)), [OK, OK, OK, OK]);
        assert_eq!(row("0 - - - -", (3, 3)), [OK, OK, OK, OK]);
        assert_eq!(row("- - - - -", (3, 3)), [INSUFFICIENT, RETAIN, ALARM, OK]);
        assert_eq!(row("0 X X - X", (3, 3)), [ALARM, ALARM, ALARM, ALARM]);
        assert_eq!(row("- - X - -", (3, 3)), [ALARM, RETAIN, ALARM, OK]);
    }

    #[test]
    fn two_of_three_is_as_the_documentation_says() {
        assert_eq!(row("0 - X - X", (2, 3)), [ALARM, ALARM, ALARM, ALARM]);
        assert_eq!(row("0 0 X 0 X", (2, 3)), [ALARM, ALARM, ALARM, ALARM]);
        assert_eq!(row("0 - X - -", (2, 3)), [OK, OK, ALARM, OK]);
        assert_eq!(row("- - - - 0", (2, 3)), [OK, OK, ALARM, OK]);
        assert_eq!(row("- - - X -", (2, 3)), [ALARM, RETAIN, ALARM, OK]);
    }

    #[test]
    fn a_single_new_breach_is_not_enough_where_three_are_needed() {
        assert_eq!(row("- - - - X", (3, 3))[0], RETAIN);
        assert_eq!(row("- - - X -", (3, 3))[0], RETAIN);
        assert_eq!(row("- - - X 0", (3, 3))[0], OK);
    }
}
