// SPDX-License-Identifier: GPL-2.0
//! `accelctl find`: the accelerator that suits best.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use accel::find::{Candidate, Fit, Place, Ranked, Readiness, Unfit, Wish, rank};
use accel::{Device, Inquire, StatusInfo, Topology};
use schemars::JsonSchema;
use serde::Serialize;

use crate::choice;
use crate::failure::Result;
use crate::json::{self, Document};
use crate::system::System;
use crate::table::{self, Column};
use crate::units::or_unknown;

/// What to look for.
#[derive(Clone, Debug)]
pub struct Options {
    /// What it shall do.
    pub wish: Wish,
    /// What it shall be near.
    pub near: Near,
    /// How long to look at how busy devices are.
    pub sample: Duration,
    /// Tell of all, with the reason.
    pub all: bool,
    /// Write JSON.
    pub json: bool,
}

/// What a device shall be near.
#[derive(Clone, Debug)]
pub enum Near {
    /// Where this process runs.
    Here,
    /// A NUMA node.
    Node(u32),
    /// A device on the PCI bus.
    Address(String),
}

impl Near {
    fn place(&self, topology: &Topology) -> accel::Result<Place> {
        Ok(match self {
            Self::Here => Place {
                numa_node: topology.here(),
                path: None,
            },
            Self::Node(node) => Place::node(*node),
            Self::Address(address) => topology.pci(address)?.into(),
        })
    }
}

/// Devices, for programs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Candidates<'a> {
    /// The best first.
    candidates: &'a [Choice],
}

/// What is told of a device.
#[derive(Debug, Serialize, JsonSchema)]
struct Choice {
    /// Its name.
    device: String,
    /// Its compute node.
    path: String,
    /// Whether it can do the work.
    suitable: bool,
    /// Why it is where it is in the list, or not suitable: a sentence.
    explanation: String,
    /// How far its NUMA node is; 10 is the same node.
    numa_distance: Option<u32>,
    /// The last PCI bridge that it shares.
    bridge: Option<String>,
    /// How busy it is; the part of its queues that is in use where that is not known.
    load_percent: Option<u32>,
    /// Queues that exist.
    queues: Option<u32>,
    /// Queues that can exist at once.
    queues_max: Option<u32>,
}

/// Writes the path of the best device, or the list of all.
pub fn run(system: &dyn System, options: &Options, out: &mut dyn Write) -> Result<()> {
    let choices = choices(system, options)?;
    let best = choices.first().filter(|choice| choice.suitable);
    match (best, options.all) {
        (_, true) if options.json => write_json(system, &choices, out),
        (_, true) => Ok(out.write_all(list(&choices).as_bytes())?),
        (Some(_), false) if options.json => write_json(system, &choices[..1], out),
        (Some(best), false) => Ok(writeln!(out, "{}", best.path)?),
        (None, false) => Err(none_suits(&choices).into()),
    }
}

fn write_json(system: &dyn System, choices: &[Choice], out: &mut dyn Write) -> Result<()> {
    let content = Candidates {
        candidates: choices,
    };
    json::write(&Document::new(system.now(), content), out)
}

/// All devices, the best first.
fn choices(system: &dyn System, options: &Options) -> Result<Vec<Choice>> {
    let devices = choice::every(system, options.json && options.all)?;
    let topology = system.topology();
    let place = options.near.place(&topology)?;
    let (mut candidates, silent) = candidates(system, devices);
    if candidates.len() > 1 {
        measure(system, options.sample, &mut candidates);
    }
    let ranked = rank(candidates, &options.wish, &place, &topology);
    Ok(ranked.iter().map(Choice::of).chain(silent).collect())
}

/// The devices that tell of themselves, and those that don't.
fn candidates(system: &dyn System, devices: Vec<Device>) -> (Vec<Candidate>, Vec<Choice>) {
    let mut candidates = Vec::new();
    let mut silent = Vec::new();
    for device in devices {
        match candidate(system, &device) {
            Ok(candidate) => candidates.push(candidate),
            Err(error) => silent.push(Choice::silent(&device, &error)),
        }
    }
    (candidates, silent)
}

fn candidate(system: &dyn System, device: &Device) -> accel::Result<Candidate> {
    let node = system.ask(device)?;
    Ok(Candidate {
        device: device.clone(),
        facts: node.facts()?,
        status: node.status()?,
        busy: None,
    })
}

/// Looks how busy the devices are for a while.
fn measure(system: &dyn System, time: Duration, candidates: &mut [Candidate]) {
    system.sleep(time);
    for candidate in candidates {
        // One that does not answer any more is as it was before.
        if let Some(status) = status(system, &candidate.device) {
            candidate.busy = status.busy_since(&candidate.status);
            candidate.status = status;
        }
    }
}

fn status(system: &dyn System, device: &Device) -> Option<StatusInfo> {
    system.ask(device).ok()?.status().ok()
}

fn node_path(device: &Device) -> String {
    device.compute_path().display().to_string()
}

impl Choice {
    fn of(ranked: &Ranked) -> Self {
        let Ranked { candidate, fit } = ranked;
        let told = fit.as_ref().ok();
        Self {
            device: candidate.device.to_string(),
            path: node_path(&candidate.device),
            suitable: told.is_some(),
            explanation: explanation(ranked),
            numa_distance: told.and_then(|fit| fit.distance),
            bridge: told.and_then(bridge),
            load_percent: Some(candidate.load()),
            queues: Some(candidate.status.queues),
            queues_max: Some(candidate.facts.queues_max),
        }
    }

    fn silent(device: &Device, error: &accel::Error) -> Self {
        Self {
            device: device.to_string(),
            path: node_path(device),
            suitable: false,
            explanation: error.to_string(),
            numa_distance: None,
            bridge: None,
            load_percent: None,
            queues: None,
            queues_max: None,
        }
    }
}

fn bridge(fit: &Fit) -> Option<String> {
    let name = fit.bridge.as_deref().and_then(Path::file_name)?;
    Some(name.to_string_lossy().into_owned())
}

fn explanation(ranked: &Ranked) -> String {
    match &ranked.fit {
        Ok(fit) => fit_reason(&ranked.candidate, fit),
        Err(unfit) => unfit_reason(&ranked.candidate.device, *unfit),
    }
}

fn fit_reason(candidate: &Candidate, fit: &Fit) -> String {
    let mut parts = Vec::new();
    match fit.readiness {
        Readiness::Ready => {}
        Readiness::InReset => parts.push("is being reset".into()),
        Readiness::Full => parts.push("all its queues are in use".into()),
    }
    parts.push(match fit.distance {
        Some(distance) => format!("NUMA distance {distance}"),
        None => "NUMA distance not known".into(),
    });
    parts.extend(bridge(fit).map(|bridge| format!("below {bridge} too")));
    parts.push(format!("load {} %", fit.load));
    let (queues, max) = (candidate.status.queues, candidate.facts.queues_max);
    parts.push(format!("{queues} of {max} queues used"));
    parts.join(", ")
}

fn unfit_reason(device: &Device, unfit: Unfit) -> String {
    match unfit {
        Unfit::Isolated => format!("is isolated, `accelctl reset {device}` brings it back"),
        Unfit::Removed => "is gone".into(),
        Unfit::Function(function) => format!("does not do {function}"),
        Unfit::Mode(mode) => {
            format!("does not offer mode {mode}, `accelctl info {device}` tells why")
        }
        other => format!("does not come into question: {other:?}"),
    }
}

fn none_suits(choices: &[Choice]) -> String {
    let reasons: Vec<_> = choices
        .iter()
        .map(|choice| format!("{} {}", choice.device, choice.explanation))
        .collect();
    format!("no accelerator suits: {}", reasons.join("; "))
}

const COLUMNS: [Column; 7] = [
    Column::words("NODE"),
    Column::words("SUITS"),
    Column::numbers("DISTANCE"),
    Column::words("BRIDGE"),
    Column::numbers("LOAD%"),
    Column::numbers("QUEUES"),
    Column::words("REASON"),
];

fn list(choices: &[Choice]) -> String {
    let rows: Vec<_> = choices.iter().map(row).collect();
    table::text(&COLUMNS, &rows)
}

fn row(choice: &Choice) -> Vec<String> {
    let number = |value: Option<u32>| or_unknown(value, |value| value.to_string());
    let queues = choice.queues.zip(choice.queues_max);
    vec![
        choice.path.clone(),
        if choice.suitable { "yes" } else { "no" }.into(),
        number(choice.numa_distance),
        or_unknown(choice.bridge.clone(), |bridge| bridge),
        number(choice.load_percent),
        or_unknown(queues, |(used, max)| format!("{used}/{max}")),
        choice.explanation.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use accel::{AddressMode, Function, uapi};

    use super::*;
    use crate::fake::{Fake, json, said, text};

    fn options() -> Options {
        Options {
            wish: Wish {
                functions: vec![Function::Deflate],
                mode: Some(AddressMode::Shared),
            },
            near: Near::Node(0),
            sample: Duration::from_millis(200),
            all: false,
            json: false,
        }
    }

    /// Three devices: the first is far, the second busy, the third suits.
    fn fake(sysfs: &Path) -> Fake {
        for (node, row) in [(0, "10 21"), (1, "21 10")] {
            let directory = sysfs.join(format!("devices/system/node/node{node}"));
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("distance"), row).unwrap();
        }
        let mut fake = Fake::with(3);
        fake.sysfs = sysfs.into();
        fake.device(0).facts.numa_node = 1;
        fake.device(1).load = 900;
        fake.device(2).load = 50;
        fake
    }

    #[test]
    fn the_path_of_the_best_is_written_alone() {
        let sysfs = tempfile::tempdir().unwrap();
        let fake = fake(sysfs.path());
        let text = text(|out| run(&fake, &options(), out));
        assert_eq!(text, "/dev/accel2\n");
        assert_eq!(fake.slept.get(), Duration::from_millis(200));
    }

    #[test]
    fn one_device_is_not_measured() {
        let fake = Fake::with(1);
        assert_eq!(text(|out| run(&fake, &options(), out)), "/dev/accel0\n");
        assert_eq!(fake.slept.get(), Duration::ZERO);
    }

    #[test]
    fn all_are_listed_with_the_reason() {
        let sysfs = tempfile::tempdir().unwrap();
        let mut fake = fake(sysfs.path());
        fake.device(1).status.status = uapi::STATUS_ISOLATED;
        fake.sysfs = sysfs.path().into();
        let options = Options {
            all: true,
            ..options()
        };
        let text = text(|out| run(&fake, &options, out));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "NODE         SUITS  DISTANCE  BRIDGE  LOAD%  QUEUES  REASON",
                "/dev/accel2  yes          10  -           5    3/64  \
                 NUMA distance 10, load 5 %, 3 of 64 queues used",
                "/dev/accel0  yes          21  -          50    3/64  \
                 NUMA distance 21, load 50 %, 3 of 64 queues used",
                "/dev/accel1  no            -  -          90    3/64  \
                 is isolated, `accelctl reset accel1` brings it back",
            ]
        );
    }

    #[test]
    fn programs_get_the_best_or_all() {
        let sysfs = tempfile::tempdir().unwrap();
        let fake = fake(sysfs.path());
        fake.device(0).silent = true;
        let as_json = Options {
            json: true,
            ..options()
        };
        let best = &json(|out| run(&fake, &as_json, out))["candidates"];
        assert_eq!(best.as_array().unwrap().len(), 1);
        let best = &best[0];
        assert_eq!(best["device"], "accel2");
        assert_eq!(best["path"], "/dev/accel2");
        assert_eq!(best["suitable"], true);
        assert_eq!(best["numa_distance"], 10);
        assert_eq!(best["load_percent"], 5);
        assert!(best["bridge"].is_null());
        let all = Options {
            all: true,
            ..as_json
        };
        let all = &json(|out| run(&fake, &all, out))["candidates"];
        assert_eq!(all[1]["device"], "accel1");
        assert_eq!(all[2]["suitable"], false);
        assert!(all[2]["queues"].is_null());
    }

    #[test]
    fn that_none_suits_is_a_sentence_with_all_reasons() {
        let fake = Fake::with(2);
        fake.device(0).status.status = uapi::STATUS_ISOLATED;
        fake.device(1).facts.functions = 1 << uapi::FUNCTION_COPY;
        assert_eq!(
            said(run(&fake, &options(), &mut Vec::new())),
            "no accelerator suits: accel0 is isolated, `accelctl reset accel0` brings it back; \
             accel1 does not do deflate"
        );
    }

    #[test]
    fn a_place_that_does_not_exist_is_an_error() {
        let options = Options {
            near: Near::Address("0000:09:00.0".into()),
            ..options()
        };
        let text = said(run(&Fake::with(1), &options, &mut Vec::new()));
        assert!(text.contains("no such PCI device"), "{text}");
    }
}
