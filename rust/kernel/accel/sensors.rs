// SPDX-License-Identifier: GPL-2.0

//! What a device measures of itself: read by a worker and told from memory, so that nobody who asks
//! waits for a device that does not answer.

use super::{
    device::Device,
    driver::Sensor, //
};
use crate::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc, //
    },
    time::{
        ClockSource,
        Monotonic, //
    },
    workqueue::{
        self,
        WorkItem, //
    }, //
};

/// Which of the device's work items this is.
pub(super) const SENSORS: u64 = 2;

/// Age from which on a value is measured anew when somebody asks.
const FRESH_NS: i64 = 100_000_000;

/// The last value of a sensor.
pub(super) struct Measured {
    value: Atomic<i64>,
    /// When it was measured, 0 if it never was.
    at: Atomic<i64>,
}

/// The sensors of a device.
pub(super) struct Sensors {
    kinds: &'static [Sensor],
    values: KVec<Measured>,
}

impl Sensors {
    pub(super) fn new(kinds: &'static [Sensor]) -> Result<Self> {
        let mut values = KVec::with_capacity(kinds.len(), GFP_KERNEL)?;
        for _ in kinds {
            let never = Measured {
                value: Atomic::new(0),
                at: Atomic::new(0),
            };
            values.push(never, GFP_KERNEL)?;
        }
        Ok(Self { kinds, values })
    }

    /// The sensors with their last values and when those were measured. Those that have none are
    /// left out.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Sensor, i64, i64)> {
        self.kinds
            .iter()
            .zip(&self.values)
            .filter_map(|(kind, measured)| {
                let at = measured.at.load(Acquire);
                (at != 0).then(|| (kind, measured.value.load(Relaxed), at))
            })
    }

    /// What there is to measure, by index.
    pub(super) fn kinds(&self) -> &'static [Sensor] {
        self.kinds
    }

    /// The last value of the sensor of this index. Fails with [`ENODATA`] if there is none.
    pub(super) fn get(&self, index: usize) -> Result<i64> {
        let measured = self.values.get(index).ok_or(ENODATA)?;
        if measured.at.load(Acquire) == 0 {
            return Err(ENODATA);
        }
        Ok(measured.value.load(Relaxed))
    }

    fn are_fresh(&self, now: i64) -> bool {
        let fresh = |measured: &Measured| now - measured.at.load(Relaxed) < FRESH_NS;
        self.values.iter().all(fresh)
    }
}

impl Device {
    /// Has the sensors read anew, if what is known of them is old.
    pub(super) fn refresh_sensors(self: &Arc<Self>) {
        if !self.sensors.are_fresh(Monotonic::ktime_get()) {
            // If it is under way already, that will do.
            let _ = workqueue::system_dfl().enqueue::<_, SENSORS>(self.clone());
        }
    }

    /// Reads all sensors; one that can't be read keeps its last value, and its time.
    pub(super) fn read_sensors(&self) {
        for (index, measured) in self.sensors.values.iter().enumerate() {
            // Each on its own: a reset waits for one that does not answer, and not for all.
            let Ok(access) = self.operate() else {
                return;
            };
            if let Ok(value) = access.read_sensor(index) {
                measured.value.store(value, Relaxed);
                measured.at.store(Monotonic::ktime_get(), Release);
            }
        }
    }
}

impl WorkItem<SENSORS> for Device {
    type Pointer = Arc<Device>;

    fn run(device: Arc<Device>) {
        device.read_sensors();
    }
}
