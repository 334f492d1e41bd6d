// SPDX-License-Identifier: GPL-2.0
//! `accelctl list`: a line for each accelerator.

use std::io::Write;

use crate::choice;
use crate::failure::Result;
use crate::json::{self, Document};
use crate::report::{Answer, Devices, Report, Told};
use crate::sensors;
use crate::system::System;
use crate::table::{self, Column};
use crate::units::{UNKNOWN, words};

const COLUMNS: [Column; 8] = [
    Column::words("DEVICE"),
    Column::words("NAME"),
    Column::words("DRIVER"),
    Column::words("BUS"),
    Column::words("QUEUES"),
    Column::words("MODES"),
    Column::words("FUNCTIONS"),
    Column::words("STATUS"),
];

/// Writes the list.
pub fn run(system: &dyn System, as_json: bool, out: &mut dyn Write) -> Result<()> {
    let devices = choice::every(system, as_json)?;
    if as_json {
        sensors::refresh(system, &devices);
    }
    let reports: Vec<_> = devices
        .iter()
        .map(|device| Report::of(system, device))
        .collect();
    if as_json {
        let now = system.now();
        return json::write(&Document::new(now, Devices::new(reports, now)), out);
    }
    let rows: Vec<_> = reports.iter().map(row).collect();
    Ok(out.write_all(table::text(&COLUMNS, &rows).as_bytes())?)
}

fn row(report: &Report) -> Vec<String> {
    match &report.answer {
        Answer::Told(told) => row_told(&report.device, told),
        Answer::Silent { error } => {
            let mut row = vec![UNKNOWN.to_string(); COLUMNS.len()];
            row[0].clone_from(&report.device);
            row[7].clone_from(error);
            row
        }
    }
}

fn row_told(device: &str, told: &Told) -> Vec<String> {
    let Told { facts, status, .. } = told;
    vec![
        device.into(),
        facts.name.clone(),
        facts.driver.clone(),
        format!("{} {}", facts.bus, facts.address),
        format!("{}/{}", status.queues, facts.queues_max),
        words(&facts.address_modes),
        words(&facts.functions),
        status.status.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, json, said, text};

    #[test]
    fn a_silent_device_does_not_hide_the_others() {
        let fake = Fake::with(2);
        fake.device(1).silent = true;
        let text = text(|out| run(&fake, false, out));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("DEVICE  NAME"), "{text}");
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>().join(" "),
            "accel0 zip accel_hisi_zip pci 0000:01:00.0 3/64 shared deflate,gzip operational"
        );
        assert!(lines[2].starts_with("accel1  -"), "{text}");
        assert!(lines[2].contains("cannot be opened"), "{text}");
    }

    #[test]
    fn programs_get_an_array() {
        let fake = Fake::with(2);
        fake.device(1).silent = true;
        let json = &json(|out| run(&fake, true, out))["devices"];
        assert_eq!(json[0]["device"], "accel0");
        assert_eq!(json[0]["facts"]["functions"][1], "gzip");
        assert_eq!(json[0]["state"]["status"], "operational");
        assert!(json[0]["error"].is_null());
        assert!(json[1]["error"].is_string());
        assert!(json[1]["facts"].is_null());
    }

    #[test]
    fn no_device_is_said_to_people() {
        let fake = Fake::with(0);
        assert!(said(run(&fake, false, &mut Vec::new())).contains("modprobe"));
        let json = json(|out| run(&fake, true, out));
        assert_eq!(json["devices"], serde_json::json!([]));
    }
}
