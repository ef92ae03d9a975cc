//! JSON as AWS's JSON protocols have it: requests as the same tree as a form, answers from values.

use serde_json::{Map, Number, Value as Json};

use super::de::ParamError;
use super::form::{Kind, Node, Tree};
use super::value::Value;

/// Reads a request's body; an empty one has no parameters.
pub(super) fn parse(body: &[u8]) -> Result<Node, ParamError> {
    if body.is_empty() {
        return Ok(Node::of_kind(Kind::Map));
    }
    // serde_json itself stops at a depth of 128.
    let json: Json = serde_json::from_slice(body).map_err(|error| ParamError::malformed(error.to_string()))?;
    match json {
        Json::Object(fields) => Tree::default().map(fields.into_iter(), 0),
        _ => Err(ParamError::malformed("the request is not a JSON object".to_owned())),
    }
}

impl Tree {
    fn map(&mut self, fields: impl Iterator<Item = (String, Json)>, depth: usize) -> Result<Node, ParamError> {
        let mut node = Node::of_kind(Kind::Map);
        for (name, value) in fields {
            if let Some(child) = self.json(value, depth + 1)? {
                node.children.insert(name, child);
            }
        }
        Ok(node)
    }

    /// `None` for null, which is the same as nothing.
    fn json(&mut self, value: Json, depth: usize) -> Result<Option<Node>, ParamError> {
        self.count(depth)?;
        Ok(Some(match value {
            Json::Null => return Ok(None),
            Json::Bool(flag) => Node::leaf(Kind::Bool, flag.to_string()),
            Json::Number(number) => Node::leaf(Kind::Number, number.to_string()),
            Json::String(text) => Node::leaf(Kind::Text, text),
            Json::Array(items) => {
                let mut node = Node::of_kind(Kind::List);
                for (index, item) in items.into_iter().enumerate() {
                    if let Some(child) = self.json(item, depth + 1)? {
                        node.children.insert((index + 1).to_string(), child);
                    }
                }
                node
            }
            Json::Object(fields) => self.map(fields.into_iter(), depth)?,
        }))
    }
}

/// Writes an answer.
pub(super) fn write(value: &Value) -> String {
    json_of(value).to_string()
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(number) => Json::Number((*number).into()),
        Value::Float(number) => float(*number),
        Value::Text(text) => Json::String(text.clone()),
        Value::Time(moment) => float(seconds(*moment)),
        Value::List(items) => Json::Array(items.iter().map(json_of).collect()),
        Value::Map(items) => Json::Object(items.iter().map(|(name, item)| (name.clone(), json_of(item))).collect()),
        Value::Fields(fields) => {
            Json::Object(fields.iter().map(|(name, field)| (name.to_owned(), json_of(field))).collect::<Map<_, _>>())
        }
    }
}

/// Seconds since 1970, to the millisecond.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits for 280,000 years")]
pub(super) fn seconds(moment: jiff::Timestamp) -> f64 {
    moment.as_millisecond() as f64 / 1000.0
}

/// JSON has no word for what is not a finite number; AWS writes these.
fn float(number: f64) -> Json {
    Number::from_f64(number).map_or_else(
        || {
            let word = if number.is_nan() {
                "NaN"
            } else if number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            };
            Json::String(word.to_owned())
        },
        Json::Number,
    )
}
