// SPDX-License-Identifier: GPL-2.0
//! What the commands need of the machine.

use std::path::Path;
use std::time::{Duration, SystemTime};

use accel::{Answers, Device, DeviceInfo, Event, EventMask, Topology};
use accel_silicon::Engine;
use rustix::time::{ClockId, clock_gettime};

use crate::arrivals::Arrivals;
use crate::failure::Result;
use crate::selftest::Hardware;

/// The events of a device, as they come.
pub type Stream = Box<dyn Iterator<Item = accel::Result<Event>> + Send>;

/// A moment by two clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// `CLOCK_MONOTONIC`, which the kernel's timestamps are of.
    pub monotonic_ns: u64,
    /// As people count it.
    pub time: SystemTime,
}

impl Moment {
    /// The moment, not after this one, that the kernel calls so.
    pub fn at(self, monotonic_ns: u64) -> Self {
        Self {
            monotonic_ns,
            time: self.time - Duration::from_nanos(self.since(monotonic_ns)),
        }
    }

    /// Nanoseconds since the moment that the kernel calls so.
    pub fn since(self, monotonic_ns: u64) -> u64 {
        self.monotonic_ns.saturating_sub(monotonic_ns)
    }
}

/// The machine, or a stand-in for it.
pub trait System {
    /// All devices.
    fn devices(&self) -> accel::Result<Vec<Device>>;

    /// Opens the monitor node of a device.
    fn ask(&self, device: &Device) -> accel::Result<Box<dyn Answers>>;

    /// Events of a device from now on.
    fn events(&self, device: &Device, mask: EventMask) -> accel::Result<Stream>;

    /// Devices that appear from now on. One can come twice.
    fn arrivals(&self) -> Result<Box<dyn Iterator<Item = Device> + Send>>;

    /// Resets a device.
    fn reset(&self, device: &Device) -> accel::Result<()>;

    /// Opens the compute node of a device that has told `facts`, to ask its engine.
    fn engine(&self, device: &Device, facts: &DeviceInfo) -> Result<Box<dyn Engine>>;

    /// Name of the command that a process runs.
    fn command(&self, pid: i32) -> Option<String>;

    /// What is near what.
    fn topology(&self) -> Topology;

    /// This moment.
    fn now(&self) -> Moment;

    /// Waits.
    fn sleep(&self, time: Duration);
}

/// The machine on which this runs.
#[derive(Debug)]
pub struct Machine;

impl System for Machine {
    fn devices(&self) -> accel::Result<Vec<Device>> {
        Device::list()
    }

    fn ask(&self, device: &Device) -> accel::Result<Box<dyn Answers>> {
        Ok(Box::new(device.monitor()?))
    }

    fn events(&self, device: &Device, mask: EventMask) -> accel::Result<Stream> {
        Ok(Box::new(device.monitor()?.events(mask)?))
    }

    fn arrivals(&self) -> Result<Box<dyn Iterator<Item = Device> + Send>> {
        Ok(Box::new(Arrivals::watch(Path::new("/dev"))?))
    }

    fn reset(&self, device: &Device) -> accel::Result<()> {
        device.reset()
    }

    fn engine(&self, device: &Device, facts: &DeviceInfo) -> Result<Box<dyn Engine>> {
        Ok(Box::new(Hardware::open(device, facts)?))
    }

    fn command(&self, pid: i32) -> Option<String> {
        let name = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
        Some(String::from_utf8_lossy(&name).trim_end().into())
    }

    fn topology(&self) -> Topology {
        Topology::default()
    }

    fn now(&self) -> Moment {
        let monotonic = Duration::try_from(clock_gettime(ClockId::Monotonic));
        Moment {
            monotonic_ns: monotonic.map_or(0, |time| time.as_nanos() as u64),
            time: SystemTime::now(),
        }
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
