//! What the codec reads and refuses.

use ciborium::cbor;
use proptest::prelude::*;
use serde::Deserialize;

use super::form::parse_form;
use super::value::{Blob, Fields, Time, Value};
use super::{ParamError, Xml, cbor, from_node, json, page};

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

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Rich {
    name: String,
    at: Option<Time>,
    key: Option<Blob>,
    level: Option<f64>,
    #[serde(default)]
    labels: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    filter: Vec<Filter>,
}

fn rich() -> Rich {
    Rich {
        name: "n".to_owned(),
        at: Some(Time("2026-11-21T05:00:00.25Z".parse().unwrap())),
        key: Some(Blob(b"\x00key".to_vec())),
        level: Some(0.5),
        labels: [("a b".to_owned(), "x".to_owned()), ("c".to_owned(), "y".to_owned())].into(),
        filter: vec![Filter { name: "f".to_owned(), value: vec!["1".to_owned(), "2".to_owned()] }],
    }
}

#[test]
fn a_form_json_and_cbor_are_read_by_the_same_structure() {
    let form = "Name=n&At=2026-11-21T05:00:00.25Z&Key=AGtleQ%3D%3D&Level=0.5&Labels.entry.1.key=a+b&\
                Labels.entry.1.value=x&Labels.entry.2.Name=c&Labels.entry.2.Value=y&Filter.member.1.Name=f&\
                Filter.member.1.Value.member.1=1&Filter.member.1.Value.member.2=2";
    assert_eq!(from_node(&parse_form(form.as_bytes()).unwrap()), Ok(rich()));
    let text = r#"{"Name":"n","At":1795237200.25,"Key":"AGtleQ==","Level":0.5,"Labels":{"a b":"x","c":"y"},
                   "Filter":[{"Name":"f","Value":["1","2"]}]}"#;
    assert_eq!(from_node(&json::parse(text.as_bytes()).unwrap()), Ok(rich()));
    let value = cbor!({
        "Name" => "n", "Level" => 0.5, "Labels" => { "a b" => "x", "c" => "y" },
        "Filter" => [{ "Name" => "f", "Value" => ["1", "2"] }],
    });
    let ciborium::Value::Map(mut fields) = value.unwrap() else { panic!("a map is a map") };
    let at = ciborium::Value::Tag(1, Box::new(ciborium::Value::Float(1_795_237_200.25)));
    fields.push(("At".into(), at));
    fields.push(("Key".into(), ciborium::Value::Bytes(b"\x00key".to_vec())));
    let mut bytes = Vec::new();
    ciborium::into_writer(&ciborium::Value::Map(fields), &mut bytes).unwrap();
    assert_eq!(from_node(&cbor::parse(&bytes).unwrap()), Ok(rich()));
}

#[test]
fn json_of_the_wrong_type_is_refused_by_name_and_null_is_nothing() {
    let read = |text: &str| from_node::<Rich>(&json::parse(text.as_bytes())?);
    let wrong = |text: &str| match read(text) {
        Err(ParamError::WrongType { name, .. }) => name,
        other => format!("{other:?}"),
    };
    assert_eq!(wrong(r#"{"Name":5}"#), "Name");
    assert_eq!(wrong(r#"{"Name":"n","Level":"0.5"}"#), "Level");
    assert_eq!(wrong(r#"{"Name":"n","Filter":{}}"#), "Filter");
    assert_eq!(wrong(r#"{"Name":"n","Filter":[{"Name":"f","Value":[true]}]}"#), "Filter.1.Value.1");
    assert_eq!(wrong(r#"{"Name":"n","Labels":[]}"#), "Labels");
    assert_eq!(read(r#"{"Name":"n","Extra":1}"#), Err(ParamError::Unknown("Extra".into())));
    assert_eq!(read(r#"{"Name":null}"#), Err(ParamError::Missing("Name".into())));
    assert!(read(r#"{"Name":"n","Level":"NaN"}"#).unwrap().level.unwrap().is_nan());
}

#[test]
fn what_is_too_deep_or_not_a_structure_is_refused() {
    let malformed = |parsed: Result<super::Node, ParamError>| matches!(parsed, Err(ParamError::Malformed(_)));
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(20), "]".repeat(20));
    assert!(malformed(json::parse(deep.as_bytes())) && malformed(json::parse(b"[]")) && malformed(json::parse(b"{")));
    let deep = [&[0xA1, 0x61, b'a'][..], &[0x81; 60_000], &[0x80]].concat();
    assert!(malformed(cbor::parse(&deep)) && malformed(cbor::parse(&[0x80])) && malformed(cbor::parse(&[0xA0, 0])));
    // An array that says that it has 2^60 items.
    assert!(malformed(cbor::parse(&[0xA1, 0x61, b'a', 0x9B, 0x10, 0, 0, 0, 0, 0, 0, 0])));
}

#[test]
fn answers_carry_times_and_numbers_as_each_protocol_has_them() {
    let value = Value::from(
        Fields::new()
            .with("At", "2026-11-21T05:00:00Z".parse::<jiff::Timestamp>().unwrap())
            .with("Level", f64::NAN)
            .with("Tags", Value::map([("k".to_owned(), "v")])),
    );
    assert_eq!(json::write(&value), r#"{"At":1795237200.0,"Level":"NaN","Tags":{"k":"v"}}"#);
    let read: ciborium::Value = ciborium::from_reader(&*cbor::write(&value)).unwrap();
    let ciborium::Value::Map(fields) = read else { panic!("a structure is a map") };
    assert_eq!(fields[0].1, ciborium::Value::Tag(1, Box::new(ciborium::Value::Float(1_795_237_200.0))));
    assert!(matches!(fields[1].1, ciborium::Value::Float(level) if level.is_nan()));
}

proptest! {
    #[test]
    fn no_body_makes_json_or_cbor_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        for node in [json::parse(&body), cbor::parse(&body)].into_iter().flatten() {
            let _: Result<Rich, _> = from_node(&node);
        }
    }

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
