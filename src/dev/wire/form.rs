//! The query form as a tree: `Actions.member.1.Type=forward` becomes nested nodes.

use std::collections::BTreeMap;

use super::de::ParamError;

/// How deep names may nest; the deepest parameter of the modelled operations has 9 parts.
const DEPTH_MAX: usize = 16;
/// How many parameters one request may have; AWS's own request size limits allow fewer.
const PARAMS_MAX: usize = 10_000;

/// A parameter, a structure or a list of a request.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// The text after `=`, where this very name was given.
    pub(crate) value: Option<String>,
    /// What is nested in it, by the next part of the name.
    pub(crate) children: BTreeMap<String, Node>,
}

impl Node {
    /// Takes a top-level text parameter such as `Action` out of the tree.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.children.remove(name).and_then(|node| node.value)
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
