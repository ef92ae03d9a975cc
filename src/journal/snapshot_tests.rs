//! The format of snapshots, and what the program makes of events.

use super::*;
use crate::journal::entry::{Body, Entry, SCHEMA, tests as entries};

/// Where this fails, the same entries add up to something else than before: read the difference, and raise
/// [`SNAPSHOT`], or snapshots that an older program wrote would be believed.
#[test]
fn the_version_stands_for_what_the_program_makes_of_events() {
    let mut sum = Sum::default();
    let at = "2026-11-21T02:15:00Z".parse().unwrap();
    for event in entries::events() {
        let (seq, id, run) =
            (sum.seq + 1, uuid::Uuid::nil(), serde_json::from_value(uuid::Uuid::nil().to_string().into()).unwrap());
        let mut next = sum.state.clone();
        // Of all events there are, those that can follow.
        if next.apply(at, &event).is_ok() {
            sum.state = next;
            let (schema, prev, body) = (SCHEMA, sum.tip.clone(), Body::Event(event));
            sum.take_in(&Entry { schema, seq, id, prev, at, run, lease_until: Some(at), body });
        }
    }
    let text = String::from_utf8(encode(&sum).to_vec()).unwrap();
    insta::assert_snapshot!(text);
    assert_eq!(decode(text.as_bytes(), sum.seq).unwrap(), sum);
}

#[test]
fn every_changed_byte_is_noticed() {
    let sum = Sum { seq: 64, ..Sum::default() };
    let good = encode(&sum);
    assert_eq!(decode(&good, 64).unwrap(), sum);
    assert!(decode(&good, 128).is_err());
    for at in 0..good.len() {
        let mut bad = good.to_vec();
        bad[at] ^= 1;
        assert!(decode(&bad, 64).is_err(), "byte {at}");
        assert!(decode(&good[..at], 64).is_err(), "cut at {at}");
    }
}

#[test]
fn a_snapshot_is_named_after_its_last_entry_and_its_version() {
    assert_eq!(name(64), format!("snapshots/00000000000000000064.v{SNAPSHOT}.json"));
    let page = include_str!("../../docs/reference/journal.md");
    assert!(page.contains(&format!("`{}`", name(64))), "the page shows the name of a snapshot of this version");
    assert_eq!(number("00000000000000000064.v1.json"), Some((64, 1)));
    assert_eq!(number("00000000000000000064.v12.json"), Some((64, 12)));
    for strange in ["64.v1.json", "00000000000000000064.json", "00000000000000000000.v1.json", "x", ""] {
        assert_eq!(number(strange), None, "{strange}");
    }
}
