// SPDX-License-Identifier: GPL-2.0
//! The device behind the queues.

use std::cell::OnceCell;

use accel::hisi_zip::{Direction, ZipQueue};
use accel::{AddressMode, AddressSpace, Context, Device, DeviceInfo, Function, Inquire};

use crate::queues::Engine;

/// The driver whose rings this program knows.
const DRIVER: &str = "accel_hisi_zip";

/// The device that `name` names, or the first that does gzip.
pub fn find(name: Option<&str>) -> Result<Device, String> {
    match name {
        Some(name) => named(name),
        None => first(),
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

    fn space(&self) -> accel::Result<AddressSpace> {
        Ok(self.context()?.address_space().clone())
    }

    fn queue(&self, direction: Direction) -> accel::Result<ZipQueue> {
        ZipQueue::create(self.context()?, direction, 0)
    }
}

fn named(name: &str) -> Result<Device, String> {
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

fn first() -> Result<Device, String> {
    let devices = Device::list_some().map_err(|e| e.to_string())?;
    let facts = |device: &Device| device.monitor().and_then(|monitor| monitor.facts());
    let fitting = devices
        .iter()
        .find(|device| facts(device).is_ok_and(|facts| fits(&facts)));
    match fitting {
        Some(device) => Ok(device.clone()),
        None => Err(format!(
            "none of the {} accelerators is a gzip engine of driver {DRIVER} \
             (`accelctl list` shows them; --device chooses one)",
            devices.len()
        )),
    }
}

fn fits(facts: &DeviceInfo) -> bool {
    facts.functions.contains(&Function::Gzip) && facts.driver.replace('-', "_") == DRIVER
}
