// SPDX-License-Identifier: GPL-2.0
//! `accelctl cdi`: devices as container runtimes know them, by the Container Device Interface
//! <https://github.com/cncf-tags/container-device-interface>.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use accel::{Device, Inquire};
use serde::Serialize;

use crate::failure::Result;
use crate::system::System;
use crate::{choice, file};

/// The oldest version that has names which begin with a digit, as addresses on a bus do.
const VERSION: &str = "0.5.0";

/// What containers ask for: `linux/accel=accel0`.
const KIND: &str = "linux/accel";

/// The file of the kind, as the interface wants it.
const FILE: &str = "linux-accel.json";

/// Name of all devices at once.
const ALL: &str = "all";

/// A specification.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Specification {
    cdi_version: &'static str,
    kind: &'static str,
    devices: Vec<Named>,
}

/// What a name gives to a container.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    name: String,
    container_edits: Edits,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Edits {
    device_nodes: Vec<Node>,
}

#[derive(Clone, Debug, Serialize)]
struct Node {
    path: String,
    r#type: &'static str,
    permissions: &'static str,
}

/// Writes the specification of all devices into a directory.
pub fn run(system: &dyn System, directory: &Path, out: &mut dyn Write) -> Result<()> {
    let specification = specification(system, &choice::every(system, false)?);
    let text = serde_json::to_string_pretty(&specification)? + "\n";
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let path = directory.join(FILE);
    file::replace(&path, &text)?;
    writeln!(out, "{}", path.display())?;
    for named in &specification.devices {
        writeln!(out, "{KIND}={}", named.name)?;
    }
    Ok(())
}

fn specification(system: &dyn System, devices: &[Device]) -> Specification {
    let mut named = Vec::new();
    let mut names = BTreeSet::from([ALL.to_string()]);
    for device in devices {
        for name in [Some(device.to_string()), address(system, device)]
            .into_iter()
            .flatten()
        {
            if names.insert(name.clone()) {
                named.push(Named::new(name, nodes(device)));
            }
        }
    }
    named.push(Named::new(
        ALL.into(),
        devices.iter().flat_map(nodes).collect(),
    ));
    Specification {
        cdi_version: VERSION,
        kind: KIND,
        devices: named,
    }
}

/// Its address on the bus, which stays when devices are bound in another order; none if that is no
/// name.
fn address(system: &dyn System, device: &Device) -> Option<String> {
    let address = system.ask(device).ok()?.facts().ok()?.address;
    let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let is_inner = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
    let is_name = is_end(address.chars().next())
        && is_end(address.chars().last())
        && address.chars().all(is_inner);
    is_name.then_some(address)
}

/// Both nodes: the one to give work to, and the one that tells how it is.
fn nodes(device: &Device) -> Vec<Node> {
    [(device.compute_path(), "rw"), (device.monitor_path(), "r")]
        .map(|(path, permissions)| Node {
            path: path.display().to_string(),
            r#type: "c",
            permissions,
        })
        .into()
}

impl Named {
    fn new(name: String, device_nodes: Vec<Node>) -> Self {
        Self {
            name,
            container_edits: Edits { device_nodes },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fake::{Fake, not_checked, said, text};

    fn written(fake: &Fake) -> (Value, String) {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("etc/cdi");
        let said = text(|out| run(fake, &below, out));
        let content = fs::read_to_string(below.join("linux-accel.json")).unwrap();
        (serde_json::from_str(&content).unwrap(), said)
    }

    #[test]
    fn a_device_is_both_nodes_by_number_and_address() {
        let (written, said) = written(&Fake::with(1));
        let nodes = json!({ "deviceNodes": [
            { "path": "/dev/accel0", "type": "c", "permissions": "rw" },
            { "path": "/dev/accel_monitor0", "type": "c", "permissions": "r" },
        ]});
        assert_eq!(
            written,
            json!({ "cdiVersion": "0.5.0", "kind": "linux/accel", "devices": [
                { "name": "accel0", "containerEdits": nodes },
                { "name": "0000:01:00.0", "containerEdits": nodes },
                { "name": "all", "containerEdits": nodes },
            ]})
        );
        assert!(
            said.contains("etc/cdi/linux-accel.json\nlinux/accel=accel0\n"),
            "{said}"
        );
    }

    #[test]
    fn names_are_unique_and_names() {
        let fake = Fake::with(3);
        // The second has the first one's address, the third one that is no name.
        fake.device(2).facts.address[..4].copy_from_slice(b"a/b ");
        let (written, _) = written(&fake);
        let devices = written["devices"].as_array().unwrap();
        let names: Vec<_> = devices
            .iter()
            .map(|device| device["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["accel0", "0000:01:00.0", "accel1", "accel2", "all"]);
        let all = &devices[4]["containerEdits"]["deviceNodes"];
        assert_eq!(all.as_array().unwrap().len(), 6);
    }

    #[test]
    fn a_specification_of_nothing_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let text = said(run(&Fake::with(0), directory.path(), &mut Vec::new()));
        assert!(text.contains("no accelerator found"), "{text}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    /// Where Debian's package of the interface's sources has its schema.
    const SCHEMA: &str = "/usr/share/gocode/src/github.com/container-orchestrated-devices/\
                          container-device-interface/schema";

    /// The schema of the interface, where there is one; a place can be given by `CDI_SCHEMA`.
    fn schema() -> Option<Value> {
        let place = std::env::var("CDI_SCHEMA").unwrap_or(SCHEMA.into());
        let read = |name| fs::read_to_string(Path::new(&place).join(name)).ok();
        let whole = read("schema.json")?.replace("defs.json#/", "#/");
        let mut schema: Value = serde_json::from_str(&whole).unwrap();
        let definitions: Value = serde_json::from_str(&read("defs.json")?).unwrap();
        schema["definitions"] = definitions["definitions"].clone();
        Some(schema)
    }

    #[test]
    fn the_interface_has_a_schema_by_which_it_is_valid() {
        let Some(schema) = schema() else {
            not_checked("the schema of the Container Device Interface");
            return;
        };
        let validator = jsonschema::validator_for(&schema).unwrap();
        let (mut written, _) = written(&Fake::with(2));
        let errors: Vec<_> = validator.iter_errors(&written).collect();
        assert!(errors.is_empty(), "{errors:?}");
        written["devices"][0]["containerEdits"]["deviceNodes"][0]["path"] = json!(5);
        assert!(!validator.is_valid(&written));
    }
}
