//! CBOR as `smithy-rpc-v2-cbor` has it: requests as the same tree as a form, answers from values.

use ciborium::Value as Cbor;

use super::de::ParamError;
use super::form::{DEPTH_MAX, Kind, Node, Tree};
use super::json::seconds;
use super::value::Value;

/// The tag of seconds since 1970.
const EPOCH: u64 = 1;

/// Reads a request's body; an empty one has no parameters.
pub(super) fn parse(body: &[u8]) -> Result<Node, ParamError> {
    if body.is_empty() {
        return Ok(Node::of_kind(Kind::Map));
    }
    let mut rest = body;
    // A list or map of a tree that we would take needs two steps down, tags included.
    let cbor: Cbor = ciborium::de::from_reader_with_recursion_limit(&mut rest, 2 * DEPTH_MAX)
        .map_err(|error| ParamError::malformed(error.to_string()))?;
    if !rest.is_empty() {
        return Err(ParamError::malformed(format!("{} bytes follow the request", rest.len())));
    }
    match cbor {
        map @ Cbor::Map(_) => Ok(Tree::default().cbor(map, 0)?.unwrap_or_else(|| Node::of_kind(Kind::Map))),
        _ => Err(ParamError::malformed("the request is not a CBOR map".to_owned())),
    }
}

impl Tree {
    /// `None` for null, which is the same as nothing.
    fn cbor(&mut self, value: Cbor, depth: usize) -> Result<Option<Node>, ParamError> {
        self.count(depth)?;
        Ok(Some(match value {
            Cbor::Null => return Ok(None),
            Cbor::Bool(flag) => Node::leaf(Kind::Bool, flag.to_string()),
            Cbor::Integer(number) => Node::leaf(Kind::Number, i128::from(number).to_string()),
            Cbor::Float(number) => Node::leaf(Kind::Number, number.to_string()),
            Cbor::Text(text) => Node::leaf(Kind::Text, text),
            Cbor::Bytes(bytes) => Node::leaf(Kind::Blob, aws_smithy_types::base64::encode(bytes)),
            Cbor::Tag(EPOCH, inner) => match *inner {
                Cbor::Integer(number) => Node::leaf(Kind::Time, i128::from(number).to_string()),
                Cbor::Float(number) => Node::leaf(Kind::Time, number.to_string()),
                _ => return Err(ParamError::malformed("a time that is not a number".to_owned())),
            },
            Cbor::Array(items) => {
                let mut node = Node::of_kind(Kind::List);
                for (index, item) in items.into_iter().enumerate() {
                    if let Some(child) = self.cbor(item, depth + 1)? {
                        node.children.insert((index + 1).to_string(), child);
                    }
                }
                node
            }
            Cbor::Map(fields) => {
                let mut node = Node::of_kind(Kind::Map);
                for (name, field) in fields {
                    let Cbor::Text(name) = name else {
                        return Err(ParamError::malformed("a name in a map that is not text".to_owned()));
                    };
                    if let Some(child) = self.cbor(field, depth + 1)?
                        && node.children.insert(name.clone(), child).is_some()
                    {
                        return Err(ParamError::malformed(format!("{name} was given twice")));
                    }
                }
                node
            }
            _ => return Err(ParamError::malformed("a kind of CBOR value that AWS does not send".to_owned())),
        }))
    }
}

/// Writes an answer.
pub(super) fn write(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&cbor_of(value), &mut bytes).expect("writing to memory cannot fail");
    bytes
}

fn cbor_of(value: &Value) -> Cbor {
    match value {
        Value::Bool(flag) => Cbor::Bool(*flag),
        Value::Int(number) => Cbor::Integer((*number).into()),
        Value::Float(number) => Cbor::Float(*number),
        Value::Text(text) => Cbor::Text(text.clone()),
        Value::Time(moment) => Cbor::Tag(EPOCH, Box::new(Cbor::Float(seconds(*moment)))),
        Value::List(items) => Cbor::Array(items.iter().map(cbor_of).collect()),
        Value::Map(items) => {
            Cbor::Map(items.iter().map(|(name, item)| (Cbor::Text(name.clone()), cbor_of(item))).collect())
        }
        Value::Fields(fields) => {
            Cbor::Map(fields.iter().map(|(name, field)| (Cbor::Text(name.to_owned()), cbor_of(field))).collect())
        }
    }
}
