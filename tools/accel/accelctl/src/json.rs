// SPDX-License-Identifier: GPL-2.0
//! JSON for programs: what every document has, and how it is written.

use std::io::Write;

use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::failure::Result;
use crate::system::Moment;

/// Raised when a name goes or gets another meaning, not when one is added.
const SCHEMA_VERSION: u32 = 1;

/// Numbers above it are not exact where a program takes them for floats, as many do.
const FLOAT_EXACT_MAX: u64 = 1 << 53;

/// What a command writes, and when that was so.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Document<T> {
    /// Raised when a name goes or gets another meaning, not when one is added.
    schema_version: u32,
    /// When it was so, by the clock of now: RFC 3339, UTC.
    time: String,
    /// When it was so: `CLOCK_MONOTONIC`, in nanoseconds.
    timestamp_ns: u64,
    /// What was so.
    #[serde(flatten)]
    content: T,
}

impl<T> Document<T> {
    /// What was so at a moment.
    pub fn new(moment: Moment, content: T) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            time: humantime::format_rfc3339_millis(moment.time).to_string(),
            timestamp_ns: moment.monotonic_ns,
            content,
        }
    }
}

/// One document over several lines.
pub fn write<T: Serialize>(document: &Document<T>, out: &mut dyn Write) -> Result<()> {
    let value = with_exact(document)?;
    Ok(writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?)
}

/// One document on one line, handed on at once.
pub fn line<T: Serialize>(document: &Document<T>, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{}", with_exact(document)?)?;
    Ok(out.flush()?)
}

fn with_exact<T: Serialize>(document: &Document<T>) -> Result<Value> {
    let mut value = serde_json::to_value(document)?;
    add_exact(&mut value);
    Ok(value)
}

/// Adds large numbers as strings: `exact` of an object has those of its members.
fn add_exact(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(add_exact),
        Value::Object(members) => {
            members.values_mut().for_each(add_exact);
            let large = members.iter().filter(|(_, value)| is_large(value));
            let exact: Map<_, _> = large
                .map(|(name, value)| (name.clone(), value.to_string().into()))
                .collect();
            if !exact.is_empty() {
                members.insert("exact".into(), exact.into());
            }
        }
        _ => {}
    }
}

fn is_large(value: &Value) -> bool {
    let size = value.as_u64();
    let size = size.or_else(|| value.as_i64().map(i64::unsigned_abs));
    size.is_some_and(|size| size > FLOAT_EXACT_MAX)
}

/// Adds `exact` to the schema of each object that can have it.
pub fn allow_exact(schema: &mut Schema) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else {
        return;
    };
    let is_wide = |property: &Value| {
        let format = property.get("format").and_then(Value::as_str);
        matches!(format, Some("uint64" | "int64"))
    };
    if properties.values().any(is_wide) {
        let exact = json!({
            "description": "The numbers of this object above 2^53, as strings, by their names.",
            "type": "object",
            "additionalProperties": { "type": "string", "pattern": "^-?[0-9]+$" },
        });
        properties.insert("exact".into(), exact);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use clap::Parser;

    use super::*;
    use crate::cli::Args;
    use crate::fake::Fake;

    /// A line of each command.
    const COMMANDS: [&str; 7] = [
        "list",
        "info accel0",
        "top --once",
        "events accel0",
        "reset accel0",
        "selftest accel0",
        "find --all",
    ];

    /// What a command writes for programs; `selftest` complains of the fake engine behind it.
    fn values(fake: &Fake, line: &str) -> Vec<Value> {
        let words = ["accelctl", "--json"].into_iter().chain(line.split(' '));
        let mut out = Vec::new();
        let _ = crate::run(&Args::parse_from(words), fake, &mut out);
        let values = serde_json::Deserializer::from_slice(&out).into_iter();
        values.map(|value| value.unwrap()).collect()
    }

    fn kind(value: &Value) -> Option<&'static str> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        })
    }

    fn kinds(value: &Value, found: &mut BTreeMap<String, BTreeSet<&'static str>>) {
        match value {
            Value::Array(elements) => elements.iter().for_each(|value| kinds(value, found)),
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                found.entry(name.clone()).or_default().extend(kind(value));
                kinds(value, found);
            }),
            _ => {}
        }
    }

    #[test]
    fn a_name_has_the_same_type_everywhere() {
        let mut found = BTreeMap::new();
        for line in COMMANDS {
            let values = values(&Fake::full(), line);
            assert!(!values.is_empty(), "{line}");
            values.iter().for_each(|value| kinds(value, &mut found));
        }
        found.retain(|_, kinds| kinds.len() > 1);
        assert_eq!(found, BTreeMap::new());
    }

    #[test]
    fn what_a_command_writes_is_valid_by_its_schema() {
        for line in COMMANDS {
            let name = line.split(' ').next().unwrap();
            let schemas = [format!("schema {name}"), "schema".into()];
            for schema in schemas.map(|line| values(&Fake::full(), &line).remove(0)) {
                let validator = jsonschema::validator_for(&schema).unwrap();
                for value in values(&Fake::full(), line) {
                    let errors: Vec<_> = validator.iter_errors(&value).collect();
                    assert!(errors.is_empty(), "{line}: {errors:?}");
                    let named = names(&schema["$defs"], names(&schema["properties"], Vec::new()));
                    let new = names(&value, Vec::new());
                    let new: Vec<_> = new.iter().filter(|name| !named.contains(name)).collect();
                    assert!(new.is_empty(), "{line}: {new:?} not in the schema");
                }
            }
        }
    }

    /// The names of all members.
    fn names(value: &Value, mut found: Vec<String>) -> Vec<String> {
        match value {
            Value::Array(elements) => elements
                .iter()
                .fold(found, |found, value| names(value, found)),
            Value::Object(members) => {
                found.extend(members.keys().cloned());
                members
                    .values()
                    .fold(found, |found, value| names(value, found))
            }
            _ => found,
        }
    }

    #[test]
    fn what_is_not_so_is_not_valid() {
        let schema = values(&Fake::full(), "schema list").remove(0);
        let validator = jsonschema::validator_for(&schema).unwrap();
        let changes: [fn(&mut Value); 5] = [
            |_| {},
            |value| value["schema_version"] = json!("1"),
            |value| value["devices"][0]["facts"]["queues_max"] = json!("64"),
            |value| value["devices"][0]["state"]["status"] = json!("asleep"),
            |value| value["devices"][0]["state"]["exact"] = json!({ "jobs": 5 }),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut value = values(&Fake::full(), "list").remove(0);
            change(&mut value);
            assert_eq!(validator.is_valid(&value), index == 0, "{index}");
        }
    }

    #[test]
    fn every_document_has_a_version_and_times() {
        for line in COMMANDS {
            for value in values(&Fake::full(), line) {
                assert_eq!(value["schema_version"], 1, "{line}");
                let time = humantime::parse_rfc3339(value["time"].as_str().unwrap());
                assert!(time.is_ok(), "{value}");
                assert!(value["timestamp_ns"].is_u64(), "{line}");
            }
        }
    }

    #[test]
    fn large_numbers_are_strings_too() {
        let fake = Fake::full();
        fake.device(0).status.jobs = (1 << 53) + 1;
        fake.device(0).status.completions = 1 << 53;
        let value = values(&fake, "info accel0").remove(0);
        let state = &value["devices"][0]["state"];
        assert_eq!(state["jobs"], 9_007_199_254_740_993_u64);
        assert_eq!(state["exact"], json!({ "jobs": "9007199254740993" }));
        assert!(value["devices"][0].get("exact").is_none());
    }

    #[test]
    fn nothing_is_an_empty_list() {
        for (line, name) in [
            ("list", "devices"),
            ("info", "devices"),
            ("top --once", "device_rates"),
            ("find --all", "candidates"),
        ] {
            let value = values(&Fake::with(0), line).remove(0);
            assert_eq!(value[name], json!([]), "{line}");
        }
    }
}
