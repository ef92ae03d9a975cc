//! Looking into a request before its operation reads it: for permissions and rates, which ask for a few parameters of
//! many operations.

use super::Node;

impl Node {
    /// What stands at a path such as `TagSpecification[].Tag[].Key`; `[]` goes into each item of a list.
    pub(crate) fn find(&self, path: &str) -> Vec<&Self> {
        let mut found = vec![self];
        for step in path.split('.') {
            let (name, each) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
            let under = found.into_iter().filter_map(|node| node.children.get(name));
            found = if each {
                under.flat_map(|node| node.items().unwrap_or_default().into_iter().map(|(_, item)| item)).collect()
            } else {
                under.collect()
            };
        }
        found
    }

    /// The texts at a path.
    pub(crate) fn texts(&self, path: &str) -> Vec<&str> {
        self.find(path).into_iter().filter_map(|node| node.value.as_deref()).collect()
    }

    /// The one text at a path.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.texts(path).first().copied()
    }

    /// Whether a parameter is there at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.children.contains_key(name)
    }
}
