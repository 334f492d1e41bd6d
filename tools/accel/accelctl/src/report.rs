// SPDX-License-Identifier: GPL-2.0
//! What the commands print.

use accel::{AddressModeInfo, Device, DeviceInfo, Inquire, ModeReason, Status, StatusInfo};
use serde::Serialize;

use crate::table::{columns, pairs};

type Result<T> = std::result::Result<T, String>;

/// All that a device tells.
#[derive(Debug, Serialize)]
struct Report {
    device: String,
    #[serde(flatten)]
    answer: Answer,
}

/// A device that can't be asked is listed all the same.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answer {
    Told(Box<Told>),
    Silent { error: String },
}

#[derive(Debug, Serialize)]
struct Told {
    facts: DeviceInfo,
    status: StatusInfo,
    address_modes: Vec<AddressModeInfo>,
}

fn ask(device: &Device) -> accel::Result<Told> {
    let monitor = device.monitor()?;
    Ok(Told {
        facts: monitor.facts()?,
        status: monitor.status()?,
        address_modes: monitor.address_modes()?,
    })
}

impl Report {
    fn of(device: &Device) -> Self {
        let answer = match ask(device) {
            Ok(told) => Answer::Told(Box::new(told)),
            Err(error) => Answer::Silent {
                error: error.to_string(),
            },
        };
        Self {
            device: device.to_string(),
            answer,
        }
    }
}

/// `accelctl list`.
pub fn list(json: bool) -> Result<String> {
    let devices = Device::list().map_err(|e| e.to_string())?;
    let reports: Vec<_> = devices.iter().map(Report::of).collect();
    if json {
        return to_json(&reports);
    }
    if reports.is_empty() {
        return Err(Device::list_some().map_or_else(|e| e.to_string(), |_| "try again".into()));
    }
    Ok(list_text(&reports))
}

/// `accelctl info`.
pub fn info(name: Option<&str>, json: bool) -> Result<String> {
    let device = match name {
        Some(name) => Device::by_name(name).map_err(|e| e.to_string())?,
        None => the_only_one()?,
    };
    let told = ask(&device).map_err(|e| e.to_string())?;
    if json {
        let answer = Answer::Told(Box::new(told));
        return to_json(&Report {
            device: device.to_string(),
            answer,
        });
    }
    Ok(info_text(&device.to_string(), &told))
}

fn the_only_one() -> Result<Device> {
    let devices = Device::list_some().map_err(|e| e.to_string())?;
    match &devices[..] {
        [device] => Ok(device.clone()),
        several => {
            let names: Vec<_> = several.iter().map(Device::to_string).collect();
            Err(format!("there are {}; which one?", names.join(", ")))
        }
    }
}

fn to_json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value).map_err(|e| e.to_string())?;
    Ok(text + "\n")
}

fn list_text(reports: &[Report]) -> String {
    let header = [
        "DEVICE",
        "NAME",
        "DRIVER",
        "BUS",
        "QUEUES",
        "MODES",
        "FUNCTIONS",
        "STATUS",
    ];
    let rows: Vec<_> = reports.iter().map(row).collect();
    columns(&header, &rows)
}

fn row(report: &Report) -> Vec<String> {
    match &report.answer {
        Answer::Told(told) => row_told(&report.device, told),
        Answer::Silent { error } => {
            let mut row = vec!["-".to_string(); 8];
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

/// The values with commas between them.
fn words<T: ToString>(values: &[T]) -> String {
    if values.is_empty() {
        return "none".into();
    }
    values
        .iter()
        .map(T::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

fn info_text(device: &str, told: &Told) -> String {
    [
        pairs(device, &facts_pairs(&told.facts)),
        pairs("status", &status_pairs(&told.status)),
        modes_text(&told.address_modes),
    ]
    .join("\n")
}

fn facts_pairs(facts: &DeviceInfo) -> Vec<(&'static str, String)> {
    let request_max = match facts.request_max {
        0 => "no limit".into(),
        bytes => format!("{bytes} bytes"),
    };
    vec![
        ("name", facts.name.clone()),
        ("driver", facts.driver.clone()),
        ("version", facts.version.clone()),
        ("bus", format!("{} {}", facts.bus, facts.address)),
        (
            "NUMA node",
            facts
                .numa_node
                .map_or("not known".into(), |node| node.to_string()),
        ),
        ("functions", words(&facts.functions)),
        (
            "queues",
            format!(
                "{} at most, {} entries deep at most",
                facts.queues_max, facts.depth_max
            ),
        ),
        ("doorbells", facts.doorbell.to_string()),
        ("request", request_max),
    ]
}

fn status_pairs(status: &StatusInfo) -> Vec<(&'static str, String)> {
    vec![
        ("state", state_sentence(status.status)),
        ("resets", status.generation.to_string()),
        ("contexts", status.contexts.to_string()),
        (
            "queues",
            format!(
                "{}, created so far {}",
                status.queues, status.queues_created
            ),
        ),
        ("events", status.completions.to_string()),
        ("errors", status.errors.to_string()),
    ]
}

fn state_sentence(status: Status) -> String {
    let meaning = match status {
        Status::Operational => "jobs are taken",
        Status::InReset => "jobs are taken again in a moment",
        Status::Isolated => "out of service after too many errors",
        Status::Removed => "the device is gone",
        _ => return status.to_string(),
    };
    format!("{status} ({meaning})")
}

fn modes_text(modes: &[AddressModeInfo]) -> String {
    let names: Vec<_> = modes.iter().map(|info| info.mode.to_string()).collect();
    let sentence = |info: &AddressModeInfo| match info.reason {
        ModeReason::Available => "offered".to_string(),
        reason => format!("not offered: {reason}"),
    };
    let list: Vec<_> = names
        .iter()
        .zip(modes)
        .map(|(name, info)| (name.as_str(), sentence(info)))
        .collect();
    pairs("address modes", &list)
}

#[cfg(test)]
mod tests {
    use accel::{AddressMode, Doorbell, Function};

    use super::*;

    fn told() -> Told {
        Told {
            facts: DeviceInfo {
                id: 0,
                name: "zip".into(),
                driver: "accel_hisi_zip".into(),
                version: "0x30".into(),
                bus: "pci".into(),
                address: "0000:01:00.0".into(),
                numa_node: None,
                functions: vec![Function::Deflate, Function::Gzip],
                address_modes: vec![AddressMode::Shared],
                queues_max: 64,
                depth_max: 1024,
                doorbell: Doorbell::PerQueue,
                request_max: 8 << 20,
                contexts_max: 0,
                priorities: 1,
                job_limit_ms: 0,
                can_reset: true,
                auto_recovery: true,
                counts_jobs: true,
                counts_bytes: true,
                counts_busy: true,
            },
            status: StatusInfo {
                status: Status::Operational,
                generation: 1,
                contexts: 2,
                queues: 3,
                queues_created: 4,
                completions: 5,
                errors: 6,
                timestamp_ns: 7,
                jobs: 8,
                busy_ns: 9,
                usage_ns: Some(10),
            },
            address_modes: vec![
                AddressModeInfo {
                    mode: AddressMode::Shared,
                    reason: ModeReason::Available,
                },
                AddressModeInfo {
                    mode: AddressMode::Private,
                    reason: ModeReason::Driver,
                },
            ],
        }
    }

    fn report() -> Report {
        Report {
            device: "accel0".into(),
            answer: Answer::Told(Box::new(told())),
        }
    }

    #[test]
    fn a_silent_device_does_not_hide_the_others() {
        let silent = Answer::Silent {
            error: "no access".into(),
        };
        let silent = Report {
            device: "accel1".into(),
            answer: silent,
        };
        let text = list_text(&[report(), silent]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(
            lines[1].starts_with("accel0") && lines[1].contains("3/64"),
            "{text}"
        );
        assert!(lines[1].contains("deflate,gzip"), "{text}");
        assert!(
            lines[2].starts_with("accel1") && lines[2].ends_with("no access"),
            "{text}"
        );
    }

    #[test]
    fn info_gives_reasons() {
        let text = info_text("accel0", &told());
        assert!(text.contains("shared   offered\n"), "{text}");
        assert!(
            text.contains("private  not offered: the driver does not support it\n"),
            "{text}"
        );
        assert!(text.contains("operational (jobs are taken)"), "{text}");
        assert!(text.contains("not known"), "{text}");
    }

    #[test]
    fn json_has_the_names_of_the_user_api() {
        let json: serde_json::Value = serde_json::from_str(&to_json(&report()).unwrap()).unwrap();
        assert_eq!(json["device"], "accel0");
        assert_eq!(json["facts"]["numa_node"], serde_json::Value::Null);
        assert_eq!(json["facts"]["functions"][1], "gzip");
        assert_eq!(json["status"]["status"], "operational");
        assert_eq!(json["address_modes"][1]["reason"], "driver");
    }
}
