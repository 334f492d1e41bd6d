// SPDX-License-Identifier: GPL-2.0
//! The device behind the queues.

use std::cell::OnceCell;

use accel::hisi_zip::{DRIVER, Direction, ZipQueue, drives};
use accel::{AddressMode, AddressSpace, Context, Device, Inquire};

use crate::error::{Error, Result};
use crate::queues::Engine;

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
        Ok(facts) if !drives(&facts) => Err(format!(
            "{device}: is a {} of driver {}; this program needs a gzip engine of driver {DRIVER}",
            facts.name, facts.driver
        )),
        _ => Ok(device),
    }
}

fn best(mode: Option<AddressMode>) -> std::result::Result<Device, String> {
    match accel::devices(mode) {
        Ok(mut devices) => Ok(devices.swap_remove(0).device),
        Err(error) => Err(error.to_string()),
    }
}
