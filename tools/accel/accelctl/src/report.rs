// SPDX-License-Identifier: GPL-2.0
//! All that a device tells.

use accel::{
    AddressModeInfo, Answers, ContextInfo, Device, DeviceInfo, ErrorsInfo, Inquire, MemoryInfo,
    SensorInfo, SensorKind, StatusInfo, uapi,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::system::{Moment, System};
use crate::units::{base_unit, harmless};

/// A device, and what it told.
#[derive(Debug)]
pub struct Report {
    /// Its name.
    pub device: String,
    /// Its answer.
    pub answer: Answer,
}

/// A device that can't be asked is listed all the same.
#[derive(Debug)]
pub enum Answer {
    /// What it told.
    Told(Box<Told>),
    /// Why it told nothing.
    Silent {
        /// A sentence.
        error: String,
    },
}

/// What a device told.
#[derive(Debug)]
pub struct Told {
    /// What does not change.
    pub facts: DeviceInfo,
    /// Its state.
    pub status: StatusInfo,
    /// Which address modes it offers.
    pub address_modes: Vec<AddressModeInfo>,
    /// What went wrong; none where the kernel does not tell.
    pub errors: Option<ErrorsInfo>,
    /// What its sensors measured; none where the kernel does not tell.
    pub sensors: Option<Vec<SensorInfo>>,
    /// Its own memory; none where the kernel does not tell.
    pub memory: Option<MemoryInfo>,
    /// Who uses it; none where the kernel does not tell.
    pub contexts: Option<Vec<Use>>,
}

/// A context, and what its process runs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Use {
    /// The context.
    #[serde(flatten)]
    pub context: ContextInfo,
    /// Name of the command.
    pub command: Option<String>,
}

/// Devices, for programs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Devices {
    devices: Vec<Record>,
}

/// A device, for programs.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Record {
    /// Its name.
    device: String,
    /// Why it told nothing.
    error: Option<String>,
    /// What does not change.
    facts: Option<DeviceInfo>,
    /// Its state at this moment.
    state: Option<StatusInfo>,
    /// Each address mode that exists, and whether it is offered.
    mode_reasons: Option<Vec<AddressModeInfo>>,
    /// What went wrong; none where the kernel does not tell.
    errors: Option<ErrorsInfo>,
    /// What its sensors measured; none where the kernel does not tell.
    sensors: Option<Vec<Sensor>>,
    /// Its own memory; none where the kernel does not tell.
    memory: Option<MemoryInfo>,
    /// Who uses it; none where the kernel does not tell.
    uses: Option<Vec<Use>>,
}

/// What a sensor measured last, for programs.
#[derive(Debug, Serialize, JsonSchema)]
struct Sensor {
    /// What it measures.
    kind: SensorKind,
    /// What of the device it measures.
    label: String,
    /// Of a temperature.
    temperature_celsius: Option<f64>,
    /// Of a power.
    power_watts: Option<f64>,
    /// Of a frequency.
    frequency_hertz: Option<f64>,
    /// Of what this program does not know.
    raw: Option<i64>,
    /// `CLOCK_MONOTONIC`, in nanoseconds, when it was measured.
    timestamp_ns: u64,
    /// Nanoseconds since then.
    age_ns: u64,
}

impl Devices {
    /// What they told, at this moment.
    pub fn new(reports: Vec<Report>, now: Moment) -> Self {
        let record = |report| Record::new(report, now);
        Self {
            devices: reports.into_iter().map(record).collect(),
        }
    }
}

impl Record {
    fn new(report: Report, now: Moment) -> Self {
        let device = report.device;
        let sensors = |sensors: &[SensorInfo]| {
            let sensor = |sensor| Sensor::new(sensor, now);
            sensors.iter().map(sensor).collect()
        };
        match report.answer {
            Answer::Told(told) => Self {
                device,
                error: None,
                facts: Some(told.facts),
                state: Some(told.status),
                mode_reasons: Some(told.address_modes),
                errors: told.errors,
                sensors: told.sensors.as_deref().map(sensors),
                memory: told.memory,
                uses: told.contexts,
            },
            Answer::Silent { error } => Self {
                device,
                error: Some(error),
                ..Self::default()
            },
        }
    }
}

impl Sensor {
    fn new(sensor: &SensorInfo, now: Moment) -> Self {
        let of = |kind| (sensor.kind == kind).then(|| base_unit(sensor));
        let is_known = SensorKind::KNOWN.contains(&sensor.kind);
        Self {
            kind: sensor.kind,
            label: sensor.label.clone(),
            temperature_celsius: of(SensorKind::Temperature),
            power_watts: of(SensorKind::Power),
            frequency_hertz: of(SensorKind::Frequency),
            raw: (!is_known).then_some(sensor.value),
            timestamp_ns: sensor.timestamp_ns,
            age_ns: now.since(sensor.timestamp_ns),
        }
    }
}

/// Asks a device for all.
pub fn ask(system: &dyn System, device: &Device) -> accel::Result<Told> {
    let node = system.ask(device)?;
    let node = node.as_ref();
    let queries = node.queries()?;
    let knows = |query| queries.contains(&query);
    Ok(Told {
        facts: node.facts()?,
        status: node.status()?,
        address_modes: node.address_modes()?,
        errors: known(knows(uapi::INFO_ERRORS), || node.errors())?,
        sensors: known(knows(uapi::INFO_SENSORS), || node.sensors())?,
        memory: known(knows(uapi::INFO_MEMORY), || node.memory())?,
        contexts: known(knows(uapi::INFO_CONTEXTS), || uses(system, node))?,
    })
}

/// The answer to a query that older kernels don't know.
fn known<T>(is_known: bool, ask: impl FnOnce() -> accel::Result<T>) -> accel::Result<Option<T>> {
    if is_known { ask().map(Some) } else { Ok(None) }
}

fn uses(system: &dyn System, node: &dyn Answers) -> accel::Result<Vec<Use>> {
    let with_command = |context: ContextInfo| Use {
        command: command_of(system, &context),
        context,
    };
    Ok(node.contexts()?.into_iter().map(with_command).collect())
}

/// What runs behind a context: the command of a process, or, in brackets, a part of the kernel.
fn command_of(system: &dyn System, context: &ContextInfo) -> Option<String> {
    let client = || context.client.as_ref().map(|name| format!("[{name}]"));
    let command = context.pid.and_then(|pid| system.command(pid));
    command.or_else(client).map(|name| harmless(&name))
}

impl Report {
    /// What a device told.
    pub fn new(device: &Device, told: Told) -> Self {
        Self {
            device: device.to_string(),
            answer: Answer::Told(Box::new(told)),
        }
    }

    /// Asks a device.
    pub fn of(system: &dyn System, device: &Device) -> Self {
        match ask(system, device) {
            Ok(told) => Self::new(device, told),
            Err(error) => Self {
                device: device.to_string(),
                answer: Answer::Silent {
                    error: error.to_string(),
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    #[test]
    fn an_older_kernel_tells_less() {
        let fake = Fake::with(1);
        fake.device(0).queries.truncate(4);
        let told = ask(&fake, &Device::by_index(0)).unwrap();
        assert!(told.errors.is_none() && told.sensors.is_none() && told.contexts.is_none());
        assert!(told.memory.is_none());
    }
}
