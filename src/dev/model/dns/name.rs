//! Domain names as Route 53 keeps and orders them.

use super::invalid_input;
use crate::dev::wire::ApiError;

/// Lower case, with the final dot; `*` is kept as such.
pub(super) fn normal(name: &str) -> Result<String, ApiError> {
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

/// Route 53 orders names by their labels from the right: `com.example.www`.
pub(super) fn order(name: &str) -> Vec<String> {
    name.trim_end_matches('.').rsplit('.').map(str::to_owned).collect()
}

/// Whether `name` is `zone` or below it; both are normal.
pub(super) fn lies_in(name: &str, zone: &str) -> bool {
    name == zone || name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
}
