// SPDX-License-Identifier: GPL-2.0
//! All that a device tells.

use accel::{
    AddressModeInfo, Answers, ContextInfo, Device, DeviceInfo, ErrorsInfo, Inquire, MemoryInfo,
    SensorInfo, StatusInfo, uapi,
};
use serde::Serialize;

use crate::system::System;
use crate::units::harmless;

/// A device, and what it told.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Its name.
    pub device: String,
    /// Its answer.
    #[serde(flatten)]
    pub answer: Answer,
}

/// A device that can't be asked is listed all the same.
#[derive(Debug, Serialize)]
#[serde(untagged)]
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
#[derive(Debug, Serialize)]
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
#[derive(Debug, Serialize)]
pub struct Use {
    /// The context.
    #[serde(flatten)]
    pub context: ContextInfo,
    /// Name of the command.
    pub command: Option<String>,
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
        command: context
            .pid
            .and_then(|pid| system.command(pid))
            .map(|name| harmless(&name)),
        context,
    };
    Ok(node.contexts()?.into_iter().map(with_command).collect())
}

impl Report {
    /// Asks a device.
    pub fn of(system: &dyn System, device: &Device) -> Self {
        let answer = match ask(system, device) {
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
        let json = serde_json::to_value(&told).unwrap();
        assert!(json["contexts"].is_null());
    }
}
