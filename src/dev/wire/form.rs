//! A request as a tree, whatever protocol it came in: of a query form, `Actions.member.1.Type=forward` becomes nested
//! nodes.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::de::ParamError;

/// How deep names may nest; the deepest parameter of the modelled operations has 9 parts.
pub(super) const DEPTH_MAX: usize = 16;
/// How many parameters one request may have; AWS's own request size limits allow fewer.
const PARAMS_MAX: usize = 10_000;
/// How many values a request in JSON or CBOR may have: 1,000 metrics of `PutMetricData` may have 150 values each, and
/// as many counts.
const VALUES_MAX: usize = 400_000;

/// A parameter, a structure or a list of a request.
#[derive(Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Node {
    /// What it was written as.
    pub(super) kind: Kind,
    /// The text after `=`, where this very name was given; numbers and the like of other protocols as text.
    pub(crate) value: Option<String>,
    /// What is nested in it, by the next part of the name.
    pub(crate) children: BTreeMap<String, Node>,
}

/// What a value was written as. In a form everything is text, and only the operation knows better.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// A form's, of whatever type.
    #[default]
    Form,
    /// Text.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// Seconds since 1970.
    Time,
    /// Bytes, kept as base64.
    Blob,
    /// A list: its children are numbered from 1.
    List,
    /// A map or a structure.
    Map,
}

/// Values are left out: they may be secrets.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("kind", &self.kind).field("children", &self.children).finish_non_exhaustive()
    }
}

/// Counts a tree that grows from JSON or CBOR, to refuse what nobody sends.
#[derive(Debug, Default)]
pub(super) struct Tree {
    values: usize,
}

impl Tree {
    /// One more value, `depth` steps below the request.
    pub(super) fn count(&mut self, depth: usize) -> Result<(), ParamError> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(ParamError::malformed(format!("more than {VALUES_MAX} values")));
        }
        if depth > DEPTH_MAX {
            return Err(ParamError::malformed(format!("values nest deeper than {DEPTH_MAX}")));
        }
        Ok(())
    }
}

impl Node {
    pub(super) fn leaf(kind: Kind, value: String) -> Self {
        Self { kind, value: Some(value), children: BTreeMap::new() }
    }

    pub(super) fn of_kind(kind: Kind) -> Self {
        Self { kind, value: None, children: BTreeMap::new() }
    }

    /// The parameters with these names, and all others.
    pub(crate) fn split(&self, names: &[&str]) -> (Self, Self) {
        let (own, rest) = self.children.clone().into_iter().partition(|(name, _)| names.contains(&name.as_str()));
        let node = |children| Self { kind: self.kind, value: None, children };
        (node(own), node(rest))
    }

    /// Takes a top-level text parameter such as `Action` out of the tree.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.children.remove(name).and_then(|node| node.value)
    }

    /// A form's map, written as `entry.N.key` and `entry.N.value` (`Name` and `Value` in some); `None` if it is none.
    pub(super) fn entries(&self) -> Option<Vec<(&str, &Node)>> {
        let entries = match self.children.first_key_value() {
            Some((name, only)) if name == "entry" && self.children.len() == 1 => only.items()?,
            _ => return None,
        };
        let named = |node: &'_ Node, lower: &str, upper: &str| -> Option<String> {
            let name = if node.children.contains_key(lower) { lower } else { upper };
            node.children.contains_key(name).then(|| name.to_owned())
        };
        entries
            .into_iter()
            .map(|(_, node)| {
                let (key, value) = (named(node, "key", "Name")?, named(node, "value", "Value")?);
                let key = node.children.get(&key)?.value.as_deref()?;
                (node.children.len() == 2).then(|| (key, &node.children[&value]))
            })
            .collect()
    }

    /// The items of a list in their order, whether written as `member.N` or flattened as `N`; `None` if it is no list.
    pub(super) fn items(&self) -> Option<Vec<(&str, &Node)>> {
        let children = match self.children.first_key_value() {
            Some((name, only)) if name == "member" && self.children.len() == 1 => &only.children,
            _ => &self.children,
        };
        let mut items = Vec::with_capacity(children.len());
        for (name, node) in children {
            items.push((name.parse::<u32>().ok()?, name.as_str(), node));
        }
        items.sort_by_key(|(number, ..)| *number);
        Some(items.into_iter().map(|(_, name, node)| (name, node)).collect())
    }
}

/// Reads an `application/x-www-form-urlencoded` body.
pub(crate) fn parse_form(body: &[u8]) -> Result<Node, ParamError> {
    let mut root = Node::default();
    for (count, (name, value)) in url::form_urlencoded::parse(body).enumerate() {
        if count >= PARAMS_MAX {
            return Err(ParamError::malformed(format!("more than {PARAMS_MAX} parameters")));
        }
        let mut node = &mut root;
        for (depth, part) in name.split('.').enumerate() {
            if depth >= DEPTH_MAX {
                return Err(ParamError::malformed(format!("parameter names nest deeper than {DEPTH_MAX}")));
            }
            if part.is_empty() {
                return Err(ParamError::malformed(format!("parameter name {name:?} has an empty part")));
            }
            node = node.children.entry(part.to_owned()).or_default();
        }
        if node.value.replace(value.into_owned()).is_some() {
            return Err(ParamError::malformed(format!("parameter {name} was given twice")));
        }
    }
    Ok(root)
}
