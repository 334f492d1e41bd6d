// SPDX-License-Identifier: GPL-2.0
//! `accelctl schema`: the JSON schema of what the commands write.

use std::io::Write;

use clap::ValueEnum;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::failure::Result;
use crate::json::{Document, allow_exact};
use crate::report::Devices;
use crate::{events, find, reset, selftest, top};

/// A command that writes JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Writer {
    /// All devices
    List,
    /// One device
    Info,
    /// A line for each look
    Top,
    /// A line for each event
    Events,
    /// What a reset cost
    Reset,
    /// What the silicon does
    Selftest,
    /// Devices, the best first
    Find,
}

/// Writes the schema of what a command writes, or any of them.
pub fn run(writer: Option<Writer>, out: &mut dyn Write) -> Result<()> {
    let schema = writer.map_or_else(any, of);
    Ok(writeln!(out, "{}", serde_json::to_string_pretty(&schema)?)?)
}

fn generator() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with_transform(RecursiveTransform(allow_exact));
    settings.into_generator()
}

fn of(writer: Writer) -> Schema {
    match writer {
        Writer::List | Writer::Info => root::<Devices>("devices"),
        Writer::Top => root::<top::View>("a look"),
        Writer::Events => root::<events::Record>("an event"),
        Writer::Reset => root::<reset::Outcome>("a reset"),
        Writer::Selftest => root::<selftest::Report>("a selftest"),
        Writer::Find => root::<find::Candidates>("candidates"),
    }
}

fn root<T: JsonSchema>(title: &str) -> Schema {
    let mut schema = generator().into_root_schema_for::<Document<T>>();
    schema.insert("title".into(), title.into());
    schema
}

fn any() -> Schema {
    let mut generator = generator();
    let documents = [
        generator.subschema_for::<Document<Devices>>(),
        generator.subschema_for::<Document<top::View>>(),
        generator.subschema_for::<Document<events::Record>>(),
        generator.subschema_for::<Document<reset::Outcome>>(),
        generator.subschema_for::<Document<selftest::Report>>(),
        generator.subschema_for::<Document<find::Candidates>>(),
    ];
    json_schema!({
        "$schema": generator.settings().meta_schema.as_deref(),
        "title": "accelctl",
        "anyOf": documents,
        "$defs": generator.take_definitions(true),
    })
}
