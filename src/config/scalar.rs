//! What a single YAML value is, by the core schema of YAML 1.2 (what editors go by too).

use super::errors::quote;

/// The kind of a single value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    /// No value, `~` or `null`.
    Nothing,
    Boolean,
    /// A whole number in plain digits.
    Integer(i64),
    /// Any other number: with a fraction, hexadecimal, with zeros before it, too large.
    Number,
    Text,
}

/// The kind of `text`; quotes make everything text.
pub(super) fn resolve(text: &str, plain: bool) -> Scalar {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match text {
        _ if !plain => Scalar::Text,
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Nothing,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Scalar::Boolean,
        _ if [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(&unsigned) => Scalar::Number,
        _ if unsigned.strip_prefix("0o").is_some_and(|t| is_all(t, |c| c.is_digit(8))) => Scalar::Number,
        _ if unsigned.strip_prefix("0x").is_some_and(|t| is_all(t, |c| c.is_ascii_hexdigit())) => Scalar::Number,
        _ => match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => Scalar::Integer(number),
            _ if text.contains(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok() => Scalar::Number,
            _ => Scalar::Text,
        },
    }
}

impl Scalar {
    /// The value in a message.
    pub(super) fn describe(self, text: &str) -> String {
        match self {
            Self::Nothing => "nothing".into(),
            Self::Boolean => format!("the boolean {}", quote(text)),
            Self::Integer(_) | Self::Number => format!("the number {}", quote(text)),
            Self::Text if text.is_empty() => "empty text".into(),
            Self::Text if resolve(text, true) != Self::Text => format!("the text {}", quote(text)),
            Self::Text => quote(text),
        }
    }
}

fn is_all(text: &str, is: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(is)
}
