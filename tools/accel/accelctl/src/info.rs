// SPDX-License-Identifier: GPL-2.0
//! `accelctl info`: all that one accelerator tells.

use std::io::Write;

use accel::{
    AddressModeInfo, DeviceInfo, ErrorsInfo, MemoryInfo, ModeReason, SensorInfo, Status, StatusInfo,
};

use crate::choice;
use crate::failure::Result;
use crate::json::{self, Document};
use crate::report::{Devices, Report, Told, Use, ask};
use crate::sensors;
use crate::system::{Moment, System};
use crate::table::{self, Column, pairs};
use crate::units::{measured, or_unknown, size, words};

/// Writes what the device `name` tells.
pub fn run(
    system: &dyn System,
    name: Option<&str>,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<()> {
    if as_json {
        return write_json(system, name, out);
    }
    let device = choice::one(system, name)?;
    sensors::refresh(system, std::slice::from_ref(&device));
    let told = ask(system, &device)?;
    let text = text(&device.to_string(), &told, system.now());
    Ok(out.write_all(text.as_bytes())?)
}

/// As `list` has it, but that a device that tells nothing is an error.
fn write_json(system: &dyn System, name: Option<&str>, out: &mut dyn Write) -> Result<()> {
    let mut reports = Vec::new();
    if name.is_some() || !system.devices()?.is_empty() {
        let device = choice::one(system, name)?;
        sensors::refresh(system, std::slice::from_ref(&device));
        reports.push(Report::new(&device, ask(system, &device)?));
    }
    let now = system.now();
    json::write(&Document::new(now, Devices::new(reports, now)), out)
}

fn text(device: &str, told: &Told, now: Moment) -> String {
    let mut parts = vec![
        pairs(device, &facts_pairs(&told.facts)),
        pairs("status", &status_pairs(&told.status)),
    ];
    parts.extend(told.errors.as_ref().map(errors_text));
    let sensors = told.sensors.as_deref().unwrap_or_default();
    parts.extend(sensors_text(sensors, now));
    parts.extend(told.memory.as_ref().and_then(memory_text));
    parts.push(modes_text(&told.address_modes));
    parts.extend(told.contexts.as_deref().and_then(uses_text));
    parts.join("\n")
}

/// `value` with its unit, or that there is no limit.
fn limit(value: u64, unit: &str) -> String {
    match value {
        0 => "no limit".into(),
        value => format!("{value}{unit}"),
    }
}

fn facts_pairs(facts: &DeviceInfo) -> Vec<(&'static str, String)> {
    let numa_node = facts.numa_node.map(|node| node.to_string());
    let queues = format!(
        "{} at most, {} entries deep at most",
        facts.queues_max, facts.depth_max
    );
    vec![
        ("name", facts.name.clone()),
        ("driver", facts.driver.clone()),
        ("version", facts.version.clone()),
        ("bus", format!("{} {}", facts.bus, facts.address)),
        ("NUMA node", numa_node.unwrap_or("not known".into())),
        ("functions", words(&facts.functions)),
        ("queues", queues),
        ("priorities", priorities(facts.priorities)),
        ("doorbells", facts.doorbell.to_string()),
        ("request", limit(facts.request_max, " bytes at most")),
        ("contexts", limit(facts.contexts_max.into(), " at most")),
        ("job time", limit(facts.job_limit_ms.into(), " ms at most")),
        ("reset", reset_sentence(facts).into()),
        ("use", counted(facts)),
    ]
}

fn priorities(count: u32) -> String {
    match count {
        0 | 1 => "0 only".into(),
        count => format!("0 to {}", count - 1),
    }
}

fn reset_sentence(facts: &DeviceInfo) -> &'static str {
    match (facts.can_reset, facts.auto_recovery) {
        (true, true) => "offered; done by itself when a queue hangs",
        (true, false) => "offered; not done by itself",
        (false, _) => "not offered by the driver",
    }
}

fn counted(facts: &DeviceInfo) -> String {
    let all = [
        (facts.counts_jobs, "jobs"),
        (facts.counts_bytes, "bytes"),
        (facts.counts_busy, "busy time"),
    ];
    let known: Vec<_> = all
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, what)| *what)
        .collect();
    match known[..] {
        [] => "nothing is counted".into(),
        _ if facts.counts_at_least => format!("counted, at least: {}", known.join(", ")),
        _ => format!("counted: {}", known.join(", ")),
    }
}

fn status_pairs(status: &StatusInfo) -> Vec<(&'static str, String)> {
    let queues = format!(
        "{}, created so far {}",
        status.queues, status.queues_created
    );
    vec![
        ("state", state_sentence(status.status)),
        ("resets", status.generation.to_string()),
        ("contexts", status.contexts.to_string()),
        ("queues", queues),
        ("events", status.completions.to_string()),
        ("errors", status.errors.to_string()),
        ("jobs", status.jobs.to_string()),
        ("busy", seconds(status.busy_ns)),
    ]
}

fn seconds(ns: u64) -> String {
    format!("{:.3} s", ns as f64 / 1e9)
}

fn state_sentence(status: Status) -> String {
    let meaning = match status {
        Status::Operational => "jobs are taken",
        Status::InReset => "jobs are taken again in a moment",
        Status::Isolated => {
            "out of service after too many errors or a failed reset; `accelctl reset` brings it \
             back"
        }
        Status::Removed => "the device is gone",
        _ => return status.to_string(),
    };
    format!("{status} ({meaning})")
}

fn errors_text(errors: &ErrorsInfo) -> String {
    let threshold = match errors.threshold {
        0 => "no number of them isolates the device".into(),
        count => format!("{count} isolate the device"),
    };
    let list = [
        ("hardware", errors.hardware.to_string()),
        ("this hour", format!("{}; {threshold}", errors.recent)),
        ("faults", errors.faults.to_string()),
        ("timeouts", errors.timeouts.to_string()),
        (
            "resets",
            format!("{}, failed {}", errors.resets, errors.resets_failed),
        ),
    ];
    pairs("errors", &list)
}

fn sensors_text(sensors: &[SensorInfo], now: Moment) -> Option<String> {
    let name = |sensor: &SensorInfo| format!("{} {}", sensor.kind, sensor.label);
    let names: Vec<_> = sensors.iter().map(name).collect();
    let values = sensors.iter().map(|sensor| {
        let age = now.since(sensor.timestamp_ns);
        match age > sensors::OLD_NS {
            true => format!("{}, {} s ago", measured(sensor), age / 1_000_000_000),
            false => measured(sensor),
        }
    });
    let list: Vec<_> = names.iter().map(String::as_str).zip(values).collect();
    (!list.is_empty()).then(|| pairs("sensors", &list))
}

/// Nothing where the device has no memory of its own.
fn memory_text(memory: &MemoryInfo) -> Option<String> {
    let part = |bytes: u64| bytes as f64 * 100.0 / memory.size as f64;
    let used = || format!("{} bytes ({:.1} %)", memory.used, part(memory.used));
    (memory.size > 0).then(|| {
        let list = [
            ("size", format!("{} bytes", memory.size)),
            ("used", used()),
            ("buffers", memory.buffers.to_string()),
        ];
        pairs("device memory", &list)
    })
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

const USES: [Column; 11] = [
    Column::numbers("CONTEXT"),
    Column::numbers("PID"),
    Column::words("COMMAND"),
    Column::numbers("UID"),
    Column::words("MODE"),
    Column::numbers("QUEUES"),
    Column::numbers("JOBS"),
    Column::numbers("BYTES"),
    Column::numbers("BUSY"),
    Column::numbers("MEMORY"),
    Column::numbers("MAPPED"),
];

fn uses_text(uses: &[Use]) -> Option<String> {
    let rows: Vec<_> = uses.iter().map(use_row).collect();
    (!rows.is_empty()).then(|| table::text(&USES, &rows))
}

fn use_row(usage: &Use) -> Vec<String> {
    let context = &usage.context;
    vec![
        context.id.to_string(),
        or_unknown(context.pid, |pid| pid.to_string()),
        or_unknown(usage.command.clone(), |name| name),
        context.uid.to_string(),
        or_unknown(context.mode, |mode| mode.to_string()),
        context.queues.to_string(),
        context.jobs.to_string(),
        size(context.bytes as f64),
        seconds(context.busy_ns),
        size(context.device_memory as f64),
        size(context.mapped as f64),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use accel::uapi;

    use super::*;
    use crate::fake::{Fake, json, said, text};

    #[test]
    fn people_get_sentences() {
        let fake = Fake::with(1);
        let text = text(|out| run(&fake, None, false, out));
        for part in [
            "accel0\n  name        zip\n",
            "  NUMA node   0\n",
            "  priorities  0 to 2\n",
            "  contexts    no limit\n",
            "  job time    5000 ms at most\n",
            "  use         counted: jobs, bytes, busy time\n",
            "  reset       offered; done by itself when a queue hangs\n",
            "state     operational (jobs are taken)\n",
            "  this hour  2; 10 isolate the device\n",
            "  temperature core  45.5 °C\n",
            "  shared   offered\n",
            "  private  not offered: the IOMMU can't give a PASID page tables of its own\n",
            "device memory\n  size     67108864 bytes\n  used     16777216 bytes (25.0 %)\n",
            "CONTEXT  PID  COMMAND     UID  MODE    QUEUES  JOBS  BYTES     BUSY  MEMORY  MAPPED\n",
            "     12  700  accel-gzip    0  shared       3   100     1M  2.000 s      8M      3M\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn what_is_counted_in_part_is_called_so() {
        let fake = Fake::with(1);
        fake.device(0).facts.flags = uapi::DEVICE_COUNTS_JOBS | uapi::DEVICE_COUNTS_AT_LEAST;
        let text = text(|out| run(&fake, None, false, out));
        assert!(
            text.contains("  use         counted, at least: jobs\n"),
            "{text}"
        );
    }

    #[test]
    fn what_is_not_there_is_said_or_left_out() {
        let fake = Fake::with(1);
        {
            let mut device = fake.device(0);
            device.queries.truncate(4);
            device.facts = uapi::InfoDevice {
                numa_node: -1,
                ..Default::default()
            };
            device.status.status = uapi::STATUS_ISOLATED;
        }
        let text = text(|out| run(&fake, None, false, out));
        for part in [
            "not known",
            "0 only",
            "not offered by the driver",
            "nothing is counted",
            "`accelctl reset` brings",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(
            !text.contains("sensors") && !text.contains("COMMAND"),
            "{text}"
        );
        assert!(!text.contains("device memory"), "{text}");
    }

    #[test]
    fn a_device_without_memory_has_no_table_of_it() {
        let fake = Fake::with(1);
        fake.device(0).memory = uapi::InfoMemory::default();
        let text = text(|out| run(&fake, None, false, out));
        assert!(!text.contains("device memory"), "{text}");
    }

    #[test]
    fn json_has_the_names_of_the_user_api() {
        let fake = Fake::with(1);
        let json = &json(|out| run(&fake, Some("accel0"), true, out))["devices"][0];
        assert_eq!(json["device"], "accel0");
        assert_eq!(json["facts"]["numa_node"], 0);
        assert_eq!(json["facts"]["can_reset"], true);
        assert_eq!(json["state"]["status"], "operational");
        assert_eq!(json["mode_reasons"][1]["reason"], "no_domain");
        assert_eq!(json["errors"]["threshold"], 10);
        assert_eq!(json["sensors"][0]["kind"], "temperature");
        assert_eq!(json["sensors"][0]["temperature_celsius"], 45.5);
        assert!(json["sensors"][0]["power_watts"].is_null());
        assert_eq!(json["facts"]["job_limit_ns"], 5_000_000_000_u64);
        assert_eq!(json["uses"][0]["command"], "accel-gzip");
        assert_eq!(json["uses"][0]["pid"], 700);
        assert_eq!(json["uses"][0]["device_memory_bytes"], 8 << 20);
        assert_eq!(json["uses"][0]["mapped_bytes"], 3 << 20);
        assert_eq!(json["memory"]["used_bytes"], 16 << 20);
    }

    #[test]
    fn sensors_are_measured_when_asked() {
        let fake = Fake::with(1);
        fake.device(0).sensors[0].timestamp_ns = 1_000_000_000;
        let json = &json(|out| run(&fake, None, true, out))["devices"][0];
        assert!(
            json["sensors"][0]["age_ns"].as_u64().unwrap() < 100_000_000,
            "{json}"
        );
        assert!(fake.slept.get() <= Duration::from_millis(50));
    }

    #[test]
    fn what_cannot_be_measured_tells_its_age_after_a_moment() {
        let fake = Fake::with(1);
        fake.device(0).sensors[0].timestamp_ns = 1_000_000_000;
        fake.device(0).stuck = true;
        let text = text(|out| run(&fake, None, false, out));
        assert!(
            text.contains("  temperature core  45.5 °C, 9 s ago\n"),
            "{text}"
        );
        assert_eq!(fake.slept.get(), Duration::from_millis(50));
    }

    #[test]
    fn an_error_is_a_sentence() {
        let fake = Fake::with(1);
        fake.device(0).silent = true;
        assert!(said(run(&fake, None, false, &mut Vec::new())).contains("/dev/accel_monitor0"));
    }
}
