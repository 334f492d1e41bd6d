// SPDX-License-Identifier: GPL-2.0
//! The device behind the queues.

use std::cell::OnceCell;

use accel::find::{Candidate, Place, Wish, rank};
use accel::hisi_zip::{Direction, ZipQueue};
use accel::{AddressMode, AddressSpace, Context, Device, DeviceInfo, Function, Inquire, Topology};

use crate::error::{Error, Result};
use crate::queues::Engine;

/// The driver whose rings this program knows.
const DRIVER: &str = "accel_hisi_zip";

/// The device that `name` names, or the best that does gzip in this mode.
pub fn find(name: Option<&str>, mode: Option<AddressMode>) -> std::result::Result<Device, String> {
    match name {
        Some(name) => named(name),
        None => best(mode),
    }
}

/// No device, and why.
pub struct Missing {
    reason: String,
    mode: AddressMode,
}

impl Missing {
    /// None for `mode`, because of `reason`.
    pub fn new(reason: String, mode: AddressMode) -> Self {
        Self { reason, mode }
    }

    fn error<T>(&self) -> Result<T> {
        Err(Error::NoEngine(self.reason.clone()))
    }
}

impl Engine for Missing {
    fn mode(&self) -> AddressMode {
        self.mode
    }

    fn space(&self) -> Result<AddressSpace> {
        self.error()
    }

    fn queue(&self, _: Direction) -> Result<ZipQueue> {
        self.error()
    }
}

/// A device in an address mode, opened when the first queue or memory is wanted.
pub struct DeviceEngine {
    device: Device,
    mode: AddressMode,
    context: OnceCell<Context>,
}

impl DeviceEngine {
    /// `device`, not opened yet.
    pub fn new(device: Device, mode: AddressMode) -> Self {
        Self {
            device,
            mode,
            context: OnceCell::new(),
        }
    }

    fn context(&self) -> accel::Result<&Context> {
        match self.context.get() {
            Some(context) => Ok(context),
            None => {
                let context = self.device.context(self.mode)?;
                Ok(self.context.get_or_init(|| context))
            }
        }
    }
}

impl Engine for DeviceEngine {
    fn mode(&self) -> AddressMode {
        self.mode
    }

    fn space(&self) -> Result<AddressSpace> {
        Ok(self.context()?.address_space().clone())
    }

    fn queue(&self, direction: Direction) -> Result<ZipQueue> {
        Ok(ZipQueue::create(self.context()?, direction, 0)?)
    }
}

fn named(name: &str) -> std::result::Result<Device, String> {
    let device = Device::by_name(name).map_err(|e| e.to_string())?;
    let facts = device.monitor().and_then(|monitor| monitor.facts());
    // A monitor node that can't be read is no reason not to try.
    match facts {
        Ok(facts) if !fits(&facts) => Err(format!(
            "{device}: is a {} of driver {}; this program needs a gzip engine of driver {DRIVER}",
            facts.name, facts.driver
        )),
        _ => Ok(device),
    }
}

fn candidate(device: &Device) -> accel::Result<Candidate> {
    let node = device.monitor()?;
    Ok(Candidate {
        device: device.clone(),
        facts: node.facts()?,
        status: node.status()?,
        busy: None,
    })
}

fn best(mode: Option<AddressMode>) -> std::result::Result<Device, String> {
    let devices = Device::list_some().map_err(|e| e.to_string())?;
    let candidates = devices.iter().filter_map(|device| candidate(device).ok());
    let candidates = candidates
        .filter(|candidate| fits(&candidate.facts))
        .collect();
    let wish = Wish {
        functions: vec![Function::Gzip],
        mode,
    };
    let topology = Topology::default();
    let place = Place {
        numa_node: topology.here(),
        path: None,
    };
    let ranked = rank(candidates, &wish, &place, &topology);
    match ranked.into_iter().find(|ranked| ranked.fit.is_ok()) {
        Some(best) => Ok(best.candidate.device),
        None => Err(format!(
            "none of the {} accelerators is a gzip engine of driver {DRIVER} that is in service \
             (`accelctl find --all` tells why; --device chooses one)",
            devices.len()
        )),
    }
}

fn fits(facts: &DeviceInfo) -> bool {
    facts.functions.contains(&Function::Gzip) && facts.driver.replace('-', "_") == DRIVER
}
