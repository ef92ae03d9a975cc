//! One JSON object per line, with stable field names.

use serde::Serialize;
use serde_json::{Value, json};

use crate::release::{Ending, Problem, ReleaseId};

/// `value` as one line; a `type` is put in front where `kind` is given.
pub fn json_line(kind: Option<&str>, value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_else(|error| json!({ "error": error.to_string() }));
    match (kind, value) {
        (Some(kind), Value::Object(fields)) => {
            let mut line = serde_json::Map::new();
            line.insert("type".into(), kind.into());
            line.extend(fields);
            Value::Object(line).to_string()
        }
        (_, value) => value.to_string(),
    }
}

/// The last line of a verb that changes something.
pub fn result_line(verb: &str, environment: &str, release: Option<&ReleaseId>, ending: &Ending, exit: u8) -> String {
    let mut next = None;
    let (outcome, text, problem): (_, Option<&str>, Option<&Problem>) = match ending {
        Ending::Done => ("done", None, None),
        Ending::Nothing(text) => ("nothing-to-do", Some(text), None),
        Ending::Busy(text) => ("busy", Some(text), None),
        Ending::Later { reason, next: at } => {
            next = at.as_ref();
            ("later", Some(reason), None)
        }
        Ending::Refused(problem) => ("refused", None, Some(problem)),
        Ending::Failed(problem) => ("failed", None, Some(problem)),
        Ending::MovedBack(problem) => ("moved-back", None, Some(problem)),
        Ending::Blocked(problem) => ("blocked", None, Some(problem)),
    };
    let mut line = json!({
        "type": "result", "verb": verb, "environment": environment, "release": release,
        "outcome": outcome, "text": text, "problem": problem, "exit": exit,
    });
    if let (Some(next), Value::Object(fields)) = (next, &mut line) {
        fields.insert("next".into(), next.to_string().into());
    }
    line.to_string()
}
