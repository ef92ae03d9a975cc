//! The JSON Schema of the environment file, for editors and for the check.

use schemars::Schema;
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::Value;

use super::file::EnvironmentFile;
use super::rule::Rule;

/// The JSON Schema of the environment file (draft 7, which editors know best).
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with(|s| s.inline_subschemas = true);
    let generator = settings.with_transform(RecursiveTransform(Tidy)).into_generator();
    generator.into_root_schema_for::<EnvironmentFile>().to_value()
}

/// The schema as the check reads it.
pub(super) static RULE: LazyLock<Rule> = LazyLock::new(|| {
    serde_json::from_value(schema())
        .expect("the schema is the same at every run, and tests read it: each keyword is known")
});

/// What schemars writes, as editors want it. An optional key is left out, never written without a value, so `null` goes
/// out of what is made of an `Option`.
#[derive(Clone)]
struct Tidy;

impl Transform for Tidy {
    fn transform(&mut self, schema: &mut Schema) {
        let Some(object) = schema.as_object_mut() else { return };
        // `uint16` and the like are no formats of JSON Schema; the range says it.
        object.remove("format");
        if let Some(Value::String(text)) = object.get_mut("description") {
            *text = text.replace('\n', " ");
        }
        if object.get("default").is_some_and(Value::is_null) {
            object.remove("default");
        }
        if let Some(Value::Array(kinds)) = object.get_mut("type") {
            kinds.retain(|kind| kind != "null");
            if let [kind] = kinds.as_slice() {
                let kind = kind.clone();
                object.insert("type".into(), kind);
            }
        }
        if let Some(Value::Array(alternatives)) = object.get_mut("anyOf") {
            alternatives.retain(|a| a.get("type").is_none_or(|kind| kind != "null"));
            if let [Value::Object(only)] = alternatives.as_slice() {
                let only = only.clone();
                object.remove("anyOf");
                for (keyword, value) in only {
                    object.entry(keyword).or_insert(value);
                }
            }
        }
    }
}
