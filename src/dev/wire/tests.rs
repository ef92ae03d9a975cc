//! What the codec reads and refuses.

use proptest::prelude::*;
use serde::Deserialize;

use super::{ParamError, Xml, from_node, page, parse_form};

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Input {
    name: String,
    count: Option<u16>,
    flag: Option<bool>,
    #[serde(default)]
    ids: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Filter {
    name: String,
    #[serde(default)]
    value: Vec<String>,
}

fn read(form: &str) -> Result<Input, ParamError> {
    from_node(&parse_form(form.as_bytes())?)
}

fn invalid(form: &str) -> String {
    match read(form) {
        Err(ParamError::Invalid { name, .. }) => name,
        other => format!("{other:?}"),
    }
}

#[test]
fn lists_are_read_in_the_order_of_their_numbers_in_both_spellings() {
    let flat = "Name=a%26b&Ids.10=j&Ids.2=b&Ids.1=a&Filter.1.Name=n&Filter.1.Value.1=x&Filter.1.Value.2=y";
    let input = read(flat).unwrap();
    assert_eq!((input.name.as_str(), input.ids), ("a&b", vec!["a".to_owned(), "b".to_owned(), "j".to_owned()]));
    assert_eq!(input.filter[0].value, ["x", "y"]);
    assert_eq!(read("Name=x&Ids.member.2=b&Ids.member.1=a").unwrap().ids, ["a", "b"]);
}

#[test]
fn an_empty_list_is_a_bare_name() {
    assert_eq!(read("Name=x&Ids=").unwrap().ids, Vec::<String>::new());
    assert_eq!(invalid("Name=x&Ids=y"), "Ids");
}

#[test]
fn what_is_missing_unknown_or_wrong_is_named_with_its_whole_path() {
    assert_eq!(read("Count=1"), Err(ParamError::Missing("Name".into())));
    assert_eq!(read("Name=x&Filter.1.Value.1=v"), Err(ParamError::Missing("Filter.1.Name".into())));
    assert_eq!(read("Name=x&Nmae=y"), Err(ParamError::Unknown("Nmae".into())));
    assert_eq!(read("Name=x&Filter.1.Name=n&Filter.1.Foo=1"), Err(ParamError::Unknown("Filter.1.Foo".into())));
    assert_eq!(read("Name.Deep=x"), Err(ParamError::Unknown("Name.Deep".into())));
    assert_eq!(invalid("Name=x&Count=65536"), "Count");
    assert_eq!(invalid("Name=x&Count=-1"), "Count");
    assert_eq!(invalid("Name=x&Flag=yes"), "Flag");
    assert_eq!(invalid("Name=x&Ids.first=y"), "Ids");
}

#[test]
fn forms_that_nobody_sends_are_refused() {
    let malformed = |form: &str| matches!(parse_form(form.as_bytes()), Err(ParamError::Malformed(_)));
    assert!(malformed("Name=x&Name=y"));
    assert!(malformed("A..B=1"));
    assert!(malformed(&format!("{}=1", ["A"; 17].join("."))));
    assert!(malformed(&(0..10_001).map(|i| format!("A{i}=1")).collect::<Vec<_>>().join("&")));
    assert!(!malformed(&format!("{}=1", ["A"; 16].join("."))));
}

#[test]
fn answers_are_escaped_and_stay_well_formed() {
    let mut xml = Xml::default();
    xml.leaf("a", "<b> & \"c\" \u{1}\u{FFFF}");
    let text = xml.as_str();
    assert!(!text.contains('\u{1}') && !text.contains("<b>"), "{text}");
    let read: String = quick_xml::de::from_str(text).unwrap();
    assert_eq!(read, "<b> & \"c\" \u{FFFD}\u{FFFD}");
}

#[test]
fn pages_end_with_the_marker_of_the_next_one_and_only_then() {
    let all = || (1..=5).collect::<Vec<u32>>();
    assert_eq!(page(all(), u32::to_string, None, 2), Some((vec![1, 2], Some("2".into()))));
    assert_eq!(page(all(), u32::to_string, Some("2"), 3), Some((vec![3, 4, 5], None)));
    assert_eq!(page(all(), u32::to_string, Some("9"), 3), None, "made-up markers are refused");
}

proptest! {
    #[test]
    fn no_form_makes_the_codec_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(node) = parse_form(&body) {
            let _: Result<Input, _> = from_node(&node);
        }
    }

    #[test]
    fn near_misses_are_errors_and_never_panics(
        pairs in prop::collection::vec(("(Name|Ids|Filter|Count|Flag)(\\.(member|[0-9]{1,11}|Name|Value)){0,4}", "[a-z0-9-]{0,6}"), 0..12)
    ) {
        let form = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        if let Ok(input) = read(&form) {
            prop_assert!(pairs.iter().any(|(name, value)| name == "Name" && *value == input.name));
        }
    }
}
