//! Pages of a list: at most so many items, and a marker where the next page starts.

/// The page of `items` that follows the item whose key is `marker`, and the marker of the next page if there is one.
///
/// `None` if no item has that key: the marker was made up, or its item is gone.
pub(crate) fn page<T>(
    mut items: Vec<T>,
    key: impl Fn(&T) -> String,
    marker: Option<&str>,
    size: usize,
) -> Option<(Vec<T>, Option<String>)> {
    if let Some(marker) = marker {
        let at = items.iter().position(|item| key(item) == marker)?;
        items.drain(..=at);
    }
    let next = if items.len() > size { size.checked_sub(1).and_then(|last| items.get(last)).map(key) } else { None };
    items.truncate(size);
    Some((items, next))
}
