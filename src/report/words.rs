//! Problems and durations in words.

use jiff::{SignedDuration, Timestamp};

use crate::release::Problem;

/// A problem as a person reads it: what was seen, what was expected, what to run.
pub fn problem_text(problem: &Problem) -> String {
    let mut text = format!("  saw       {}\n  expected  {}\n", problem.saw, problem.expected);
    for (index, command) in problem.run.iter().enumerate() {
        let label = if index == 0 { "run" } else { "" };
        text.push_str(&format!("  {label:<9} {command}\n"));
    }
    text
}

/// How long ago, or until when, in at most two units: `3h 12m`.
pub fn age(from: Timestamp, to: Timestamp) -> String {
    duration(to.duration_since(from))
}

fn duration(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        (_, _, _) => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_shown_in_at_most_two_units() {
        for (seconds, expected) in
            [(0, "0s"), (59, "59s"), (61, "1m 1s"), (3_660, "1h 1m"), (90_000, "1d 1h"), (-5, "0s")]
        {
            assert_eq!(duration(SignedDuration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn a_problem_names_what_was_seen_what_was_expected_and_every_command() {
        let problem =
            Problem { saw: "a split".into(), expected: "one color".into(), run: vec!["one".into(), "two".into()] };
        assert_eq!(
            problem_text(&problem),
            "  saw       a split\n  expected  one color\n  run       one\n            two\n"
        );
    }
}
