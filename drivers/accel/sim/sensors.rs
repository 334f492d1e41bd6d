// SPDX-License-Identifier: GPL-2.0

//! Sensors of a device that is not there: what they show follows from how much it works.

use kernel::{
    accel::{
        Sensor,
        SensorKind, //
    },
    prelude::*, //
};

/// The sensors, in the order of their indices.
pub(crate) const SENSORS: &[Sensor] = &[
    Sensor {
        kind: SensorKind::Temperature,
        label: c"core",
    },
    Sensor {
        kind: SensorKind::Power,
        label: c"board",
    },
    Sensor {
        kind: SensorKind::Frequency,
        label: c"core",
    },
];

/// Thousandths of a degree without work, and what full load adds in the end.
const IDLE_MILLIDEGREES: i64 = 35_000;
const LOAD_MILLIDEGREES: i64 = 50_000;
/// Within this time it gets nearly as warm as it will.
const WARMING_NS: i64 = 4_000_000_000;

/// Microwatts without work, and what full load adds.
const IDLE_MICROWATTS: i64 = 5_000_000;
const LOAD_MICROWATTS: i64 = 20_000_000;

/// Hertz without work, and what full load adds.
const IDLE_HERTZ: i64 = 400_000_000;
const LOAD_HERTZ: i64 = 1_600_000_000;

/// Nothing is known about the load of a shorter time.
const SHORTEST_NS: i64 = 1_000_000;
/// Load, in thousandths of what one queue can make.
const FULL: i64 = 1000;

/// How warm a device is, and why.
pub(crate) struct Climate {
    at: i64,
    busy_ns: u64,
    load: i64,
    millidegrees: i64,
}

impl Climate {
    pub(crate) const COLD: Self = Self {
        at: 0,
        busy_ns: 0,
        load: 0,
        millidegrees: IDLE_MILLIDEGREES,
    };

    /// Takes in for how long the device has worked until `now`.
    pub(crate) fn update(&mut self, now: i64, busy_ns: u64) {
        let passed = now - self.at;
        if passed < SHORTEST_NS {
            return;
        }
        let worked = busy_ns.saturating_sub(self.busy_ns) as i64;
        // Several queues make no more than full load.
        self.load = worked.min(passed) / (passed / FULL);
        let goal = IDLE_MILLIDEGREES + LOAD_MILLIDEGREES * self.load / FULL;
        let share = passed.min(WARMING_NS) / SHORTEST_NS;
        self.millidegrees += (goal - self.millidegrees) * share / (WARMING_NS / SHORTEST_NS);
        self.at = now;
        self.busy_ns = busy_ns;
    }

    /// What the sensor of this index shows.
    pub(crate) fn read(&self, index: usize) -> Result<i64> {
        match SENSORS.get(index).ok_or(EINVAL)?.kind {
            SensorKind::Temperature => Ok(self.millidegrees),
            SensorKind::Power => Ok(IDLE_MICROWATTS + LOAD_MICROWATTS * self.load / FULL),
            SensorKind::Frequency => Ok(IDLE_HERTZ + LOAD_HERTZ * self.load / FULL),
        }
    }
}
