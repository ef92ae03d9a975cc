//! Domain names as Route 53 keeps and orders them.

use super::invalid_input;
use crate::dev::wire::ApiError;

/// Lower case, with the final dot; `*` is kept as such.
pub(crate) fn normal(name: &str) -> Result<String, ApiError> {
    let name = name.replace("\\052", "*").to_ascii_lowercase();
    let bare = name.strip_suffix('.').unwrap_or(&name);
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'))
    };
    if bare.len() > 253 || !bare.split('.').all(label) {
        return Err(invalid_input(format!("'{name}' is not a valid domain name")));
    }
    Ok(format!("{bare}."))
}

/// As answers show it.
pub(super) fn shown(name: &str) -> String {
    name.replace('*', "\\052")
}

/// Route 53 orders names by the text of their labels from the right, each with its dot: `com.example.www.`.
pub(super) fn order(name: &str) -> String {
    let mut reversed: Vec<_> = name.trim_end_matches('.').rsplit('.').collect();
    reversed.push("");
    reversed.join(".")
}

/// Whether `name` is `zone` or below it; both are normal.
pub(super) fn lies_in(name: &str, zone: &str) -> bool {
    name == zone || name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
}

/// The name without its first label; `None` for one of a single label.
pub(super) fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, rest)| rest).filter(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_from_the_right_and_characters_before_the_dot_come_first() {
        let mut names = ["b.example.com.", "a-b.example.com.", "x.a.example.com.", "a.example.com.", "example.com."];
        names.sort_by_key(|name| order(name));
        let expected = ["example.com.", "a-b.example.com.", "a.example.com.", "x.a.example.com.", "b.example.com."];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_name_lies_in_a_zone_by_whole_labels() {
        assert!(lies_in("example.com.", "example.com.") && lies_in("a.b.example.com.", "example.com."));
        assert!(!lies_in("badexample.com.", "example.com.") && !lies_in("com.", "example.com."));
    }
}
