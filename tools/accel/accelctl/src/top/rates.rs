// SPDX-License-Identifier: GPL-2.0
//! From counters to rates.
//!
//! The kernel counts jobs, bytes and busy time in samples of its own. A rate is therefore the
//! difference between two samples, over the time between those, and stays as it is until there is
//! another sample.

use std::collections::{BTreeMap, VecDeque};

use accel::{
    AddressMode, ContextInfo, DeviceInfo, ErrorsInfo, MemoryInfo, SensorInfo, SensorKind, Status,
    StatusInfo,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::choice;
use crate::failure::Result;
use crate::report::{Answer, Report, Told, Use};
use crate::sensors;
use crate::system::System;
use crate::units::base_unit;

/// What is shown at one moment.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct View {
    /// The devices, by number.
    #[serde(rename = "device_rates")]
    pub devices: Vec<DeviceLine>,
    /// Their use by processes.
    #[serde(rename = "process_rates")]
    pub processes: Vec<ProcessLine>,
}

/// What a device does. What is not known, or not yet, is null.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct DeviceLine {
    /// Its name.
    pub device: String,
    /// Why nothing else is known of it.
    pub error: Option<String>,
    /// Name of the kind of device.
    pub name: Option<String>,
    /// Its state.
    pub status: Option<Status>,
    /// Nanoseconds between the samples that the rates are of.
    pub interval_ns: Option<u64>,
    /// Part of the time that it worked, the sum of its queues: above 100 where it works on
    /// several at once.
    pub busy_percent: Option<f64>,
    /// Jobs done.
    pub jobs_per_second: Option<f64>,
    /// Queues that exist.
    pub queues: Option<u32>,
    /// Queues that can exist at once.
    pub queues_max: Option<u32>,
    /// Contexts that exist.
    pub contexts: Option<u32>,
    /// Its own memory; none where it has no such, or the kernel does not tell.
    pub memory: Option<MemoryInfo>,
    /// The hottest of its sensors.
    pub temperature_celsius: Option<f64>,
    /// The highest of its sensors.
    pub power_watts: Option<f64>,
    /// Hardware errors since it was registered.
    pub hardware_errors: Option<u64>,
    /// What went wrong; none where the kernel does not tell.
    pub errors: Option<ErrorsInfo>,
    /// `busy_percent` at the last looks, this one last.
    #[serde(skip)]
    pub history: VecDeque<Option<f64>>,
}

/// Looks that are remembered.
pub const HISTORY: usize = 10;

/// The use that a process makes of a device, by all its contexts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ProcessLine {
    /// Name of the device.
    pub device: String,
    /// The process; none if it is not in the caller's PID namespace.
    pub pid: Option<i32>,
    /// Name of the command that it runs.
    pub command: Option<String>,
    /// The user that opened the device.
    pub uid: u32,
    /// The address modes of its contexts.
    #[serde(rename = "address_modes")]
    pub modes: Vec<AddressMode>,
    /// Its contexts.
    pub contexts: u32,
    /// Its queues.
    pub queues: u32,
    /// Bytes of device memory in buffers.
    #[serde(rename = "device_memory_bytes")]
    pub device_memory: u64,
    /// Bytes of buffers mapped into address spaces of its own.
    #[serde(rename = "mapped_bytes")]
    pub mapped: u64,
    /// Nanoseconds between the samples that the rates are of.
    pub interval_ns: Option<u64>,
    /// Jobs done.
    pub jobs_per_second: Option<f64>,
    /// Bytes that they read and wrote.
    pub bytes_per_second: Option<f64>,
    /// Part of the time that the device worked for it.
    pub busy_percent: Option<f64>,
}

/// What was done in a second, as far as the device counts it.
#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    interval_ns: Option<u64>,
    jobs: Option<f64>,
    bytes: Option<f64>,
    busy_percent: Option<f64>,
}

impl Rates {
    /// Of differences of the counters, in nanoseconds for the busy time.
    fn of(facts: &DeviceInfo, seconds: f64, jobs: u64, bytes: u64, busy_ns: u64) -> Self {
        let rate = |is_counted: bool, count: u64| is_counted.then_some(count as f64 / seconds);
        Self {
            interval_ns: Some((seconds * 1e9).round() as u64),
            jobs: rate(facts.counts_jobs, jobs),
            bytes: rate(facts.counts_bytes, bytes),
            busy_percent: rate(facts.counts_busy, busy_ns).map(|ns| ns / 1e7),
        }
    }
}

/// Counters of a sample, and the rates since the one before.
#[derive(Debug)]
struct Base {
    status: StatusInfo,
    contexts: BTreeMap<u64, ContextInfo>,
    rates: Rates,
    context_rates: BTreeMap<u64, Rates>,
}

/// Looks at devices again and again.
#[derive(Debug, Default)]
pub struct Sampler {
    device: Option<String>,
    bases: BTreeMap<String, Base>,
    /// Of each device, as [`DeviceLine::history`] has it.
    histories: BTreeMap<String, VecDeque<Option<f64>>>,
}

impl Sampler {
    /// Looks at the device of this name only, if there is one.
    pub fn new(device: Option<String>) -> Self {
        Self {
            device,
            ..Self::default()
        }
    }

    /// What is to be shown now.
    pub fn look(&mut self, system: &dyn System) -> Result<View> {
        let devices = match &self.device {
            Some(name) => choice::all(system, Some(name), true)?,
            None => system.devices()?,
        };
        sensors::refresh(system, &devices);
        let mut view = View::default();
        for device in devices {
            let report = Report::of(system, &device);
            self.add(report, &mut view);
        }
        for line in &mut view.devices {
            let history = self.histories.entry(line.device.clone()).or_default();
            history.push_back(line.busy_percent);
            history.drain(..history.len().saturating_sub(HISTORY));
            line.history.clone_from(history);
        }
        Ok(view)
    }

    fn add(&mut self, report: Report, view: &mut View) {
        let device = report.device;
        match report.answer {
            Answer::Silent { error } => {
                self.bases.remove(&device);
                view.devices.push(DeviceLine {
                    device,
                    error: Some(error),
                    ..DeviceLine::default()
                });
            }
            Answer::Told(told) => {
                let base = Base::advance(self.bases.remove(&device), &told);
                view.devices.push(device_line(&device, &told, &base));
                let uses = told.contexts.as_deref().unwrap_or_default();
                view.processes.extend(process_lines(&device, uses, &base));
                self.bases.insert(device, base);
            }
        }
    }
}

impl Base {
    /// The base after `told`.
    fn advance(before: Option<Self>, told: &Told) -> Self {
        let Some(before) = before else {
            return Self::first(told);
        };
        match told.status.sampled_since(&before.status) {
            Some(seconds) => Self::next(&before, told, seconds),
            // There was no other sample yet.
            None if told.status.usage_ns == before.status.usage_ns => before,
            _ => Self::first(told),
        }
    }

    fn first(told: &Told) -> Self {
        Self {
            status: told.status,
            contexts: contexts(told),
            rates: Rates::default(),
            context_rates: BTreeMap::new(),
        }
    }

    fn next(before: &Self, told: &Told, seconds: f64) -> Self {
        let contexts = contexts(told);
        let context_rates = contexts.iter().map(|(id, context)| {
            // One that was not there had done nothing; numbers are not used again.
            let then = before.contexts.get(id);
            let difference =
                |get: fn(&ContextInfo) -> u64| get(context).saturating_sub(then.map_or(0, get));
            let rates = Rates::of(
                &told.facts,
                seconds,
                difference(|context| context.jobs),
                difference(|context| context.bytes),
                difference(|context| context.busy_ns),
            );
            (*id, rates)
        });
        let (now, then) = (&told.status, &before.status);
        let jobs = now.jobs.saturating_sub(then.jobs);
        let busy_ns = now.busy_ns.saturating_sub(then.busy_ns);
        Self {
            status: *now,
            context_rates: context_rates.collect(),
            // There is no sum of the bytes.
            rates: Rates::of(&told.facts, seconds, jobs, 0, busy_ns),
            contexts,
        }
    }
}

fn contexts(told: &Told) -> BTreeMap<u64, ContextInfo> {
    let uses = told.contexts.iter().flatten();
    uses.map(|usage| (usage.context.id, usage.context.clone()))
        .collect()
}

fn device_line(device: &str, told: &Told, base: &Base) -> DeviceLine {
    let sensors = told.sensors.as_deref().unwrap_or_default();
    let memory = told.memory.filter(|memory| memory.size > 0);
    DeviceLine {
        device: device.into(),
        error: None,
        name: Some(told.facts.name.clone()),
        status: Some(told.status.status),
        interval_ns: base.rates.interval_ns,
        busy_percent: base.rates.busy_percent,
        jobs_per_second: base.rates.jobs,
        queues: Some(told.status.queues),
        queues_max: Some(told.facts.queues_max),
        contexts: Some(told.status.contexts),
        memory,
        temperature_celsius: highest(sensors, SensorKind::Temperature),
        power_watts: highest(sensors, SensorKind::Power),
        hardware_errors: Some(told.status.errors),
        errors: told.errors,
        history: VecDeque::new(),
    }
}

impl DeviceLine {
    /// Hardware errors, faults and timeouts.
    pub fn troubles(&self) -> Option<u64> {
        let all = |errors: ErrorsInfo| errors.hardware + errors.faults + errors.timeouts;
        self.errors.map(all).or(self.hardware_errors)
    }
}

fn highest(sensors: &[SensorInfo], kind: SensorKind) -> Option<f64> {
    let of_kind = sensors.iter().filter(|sensor| sensor.kind == kind);
    of_kind.map(base_unit).max_by(f64::total_cmp)
}

/// The uses of a device, those of a process in one.
fn process_lines(device: &str, uses: &[Use], base: &Base) -> Vec<ProcessLine> {
    let mut lines: Vec<ProcessLine> = Vec::new();
    for usage in uses {
        let line = process_line(device, usage, base);
        let same = |other: &&mut ProcessLine| {
            line.pid.is_some() && (other.pid, other.uid) == (line.pid, line.uid)
        };
        match lines.iter_mut().find(same) {
            Some(other) => join(other, line),
            None => lines.push(line),
        }
    }
    lines
}

fn process_line(device: &str, usage: &Use, base: &Base) -> ProcessLine {
    let context = &usage.context;
    let rates = base
        .context_rates
        .get(&context.id)
        .copied()
        .unwrap_or_default();
    ProcessLine {
        device: device.into(),
        pid: context.pid,
        command: usage.command.clone(),
        uid: context.uid,
        modes: context.mode.into_iter().collect(),
        contexts: 1,
        queues: context.queues,
        device_memory: context.device_memory,
        mapped: context.mapped,
        interval_ns: rates.interval_ns,
        jobs_per_second: rates.jobs,
        bytes_per_second: rates.bytes,
        busy_percent: rates.busy_percent,
    }
}

fn join(line: &mut ProcessLine, other: ProcessLine) {
    let new = |mode: &AddressMode| !line.modes.contains(mode);
    let modes: Vec<_> = other.modes.into_iter().filter(new).collect();
    line.modes.extend(modes);
    line.contexts += other.contexts;
    line.queues += other.queues;
    line.device_memory += other.device_memory;
    line.mapped += other.mapped;
    line.jobs_per_second = sum(line.jobs_per_second, other.jobs_per_second);
    line.bytes_per_second = sum(line.bytes_per_second, other.bytes_per_second);
    line.busy_percent = sum(line.busy_percent, other.busy_percent);
}

/// The sum of what is known.
fn sum(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use accel::uapi;

    use super::*;
    use crate::fake::{Fake, context};

    fn look(sampler: &mut Sampler, fake: &Fake) -> View {
        sampler.look(fake).unwrap()
    }

    #[test]
    fn rates_are_between_samples_and_stay_until_the_next() {
        let fake = Fake::with(1);
        let mut sampler = Sampler::default();
        let first = look(&mut sampler, &fake);
        assert_eq!(first.devices[0].busy_percent, None);
        assert_eq!(first.processes[0].busy_percent, None);
        fake.sleep(Duration::from_secs(2));
        for _ in 0..2 {
            let view = look(&mut sampler, &fake);
            let device = &view.devices[0];
            assert_eq!(device.busy_percent, Some(50.0));
            assert_eq!(device.jobs_per_second, Some(5000.0));
            assert_eq!(device.temperature_celsius, Some(45.5));
            assert_eq!(device.power_watts, None);
            assert_eq!(device.troubles(), Some(7));
            let process = &view.processes[0];
            assert_eq!(process.bytes_per_second, Some(5e6));
            assert_eq!(process.busy_percent, Some(50.0));
        }
        fake.device(0).sampled = false;
        fake.sleep(Duration::from_secs(2));
        let stale = look(&mut sampler, &fake);
        assert_eq!(stale.devices[0].busy_percent, Some(50.0));
    }

    #[test]
    fn a_context_that_is_new_began_at_nothing() {
        let fake = Fake::with(1);
        let mut sampler = Sampler::default();
        look(&mut sampler, &fake);
        fake.device(0).contexts = vec![context(13, 701)];
        fake.sleep(Duration::from_secs(1));
        let view = look(&mut sampler, &fake);
        assert_eq!(view.processes[0].jobs_per_second, Some(5100.0));
        assert_eq!(view.processes[0].command.as_deref(), Some("evil?[2J"));
    }

    #[test]
    fn what_the_kernel_has_is_told_by_the_name_of_its_client() {
        let fake = Fake::with(1);
        let mut kernel = context(12, 0);
        kernel.client[..5].copy_from_slice(b"zswap");
        fake.device(0).contexts = vec![kernel];
        let lines = look(&mut Sampler::default(), &fake).processes;
        assert_eq!(lines[0].pid, None);
        assert_eq!(lines[0].command.as_deref(), Some("[zswap]"));
    }

    #[test]
    fn contexts_of_a_process_are_one_line() {
        let fake = Fake::with(1);
        let private = uapi::InfoContext {
            mode: uapi::MODE_PRIVATE,
            ..context(13, 700)
        };
        fake.device(0).contexts = vec![context(12, 700), private, context(14, 0), context(15, 0)];
        let lines = look(&mut Sampler::default(), &fake).processes;
        assert_eq!(lines.len(), 3);
        assert_eq!((lines[0].contexts, lines[0].queues), (2, 6));
        assert_eq!(lines[0].device_memory, 16 << 20);
        assert_eq!(lines[0].mapped, 6 << 20);
        assert_eq!(lines[0].modes, [AddressMode::Shared, AddressMode::Private]);
        assert_eq!(lines[1].pid, None);
    }

    #[test]
    fn what_a_device_does_not_count_is_not_known() {
        let fake = Fake::with(1);
        fake.device(0).facts.flags = uapi::DEVICE_COUNTS_JOBS;
        let mut sampler = Sampler::default();
        look(&mut sampler, &fake);
        fake.sleep(Duration::from_secs(1));
        let view = look(&mut sampler, &fake);
        let (device, process) = (&view.devices[0], &view.processes[0]);
        assert_eq!(device.jobs_per_second, Some(5000.0));
        assert_eq!(device.busy_percent, None);
        assert_eq!(process.jobs_per_second, Some(5000.0));
        assert_eq!(
            (process.bytes_per_second, process.busy_percent),
            (None, None)
        );
    }

    #[test]
    fn memory_is_shown_where_there_is_some() {
        let fake = Fake::with(2);
        fake.device(1).memory.size = 0;
        let view = look(&mut Sampler::default(), &fake);
        let used = |i: usize| view.devices[i].memory.map(|memory| memory.used);
        assert_eq!((used(0), used(1)), (Some(16 << 20), None));
    }

    #[test]
    fn a_device_that_went_is_said_and_begins_anew() {
        let fake = Fake::with(2);
        let mut sampler = Sampler::default();
        look(&mut sampler, &fake);
        fake.device(1).silent = true;
        let view = look(&mut sampler, &fake);
        assert!(view.devices[1].error.is_some());
        assert_eq!(view.processes.len(), 1);
        fake.device(1).silent = false;
        fake.sleep(Duration::from_secs(1));
        assert_eq!(look(&mut sampler, &fake).devices[1].busy_percent, None);
    }

    #[test]
    fn the_last_looks_are_remembered() {
        let fake = Fake::with(1);
        let mut sampler = Sampler::default();
        look(&mut sampler, &fake);
        for load in [250, 500] {
            fake.device(0).load = load;
            fake.sleep(Duration::from_secs(1));
            look(&mut sampler, &fake);
        }
        let history = |view: View| Vec::from(view.devices[0].history.clone());
        let seen = history(look(&mut sampler, &fake));
        assert_eq!(seen, [None, Some(25.0), Some(50.0), Some(50.0)]);
        for _ in 0..50 {
            look(&mut sampler, &fake);
        }
        assert_eq!(history(look(&mut sampler, &fake)).len(), HISTORY);
    }

    #[test]
    fn one_device_can_be_chosen() {
        let mut sampler = Sampler::new(Some("accel1".into()));
        let view = look(&mut sampler, &Fake::with(2));
        assert_eq!(view.devices.len(), 1);
        assert_eq!(view.devices[0].device, "accel1");
    }
}
