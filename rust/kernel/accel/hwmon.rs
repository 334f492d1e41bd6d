// SPDX-License-Identifier: GPL-2.0

//! The sensors of a device as other tools know them, `/sys/class/hwmon/hwmonN/`.

use super::{
    device::Device,
    driver::{
        Sensor,
        SensorKind, //
    }, //
};
use crate::{
    device::{
        self,
        Bound, //
    },
    hwmon::{
        self,
        Channel,
        Chip as _,
        CHANNELS_MAX, //
    },
    prelude::*,
    sync::Arc, //
};

/// The sensors of a device, registered.
pub(super) struct Chip {
    _registration: hwmon::Registration<'static, Hwmon>,
}

impl Chip {
    /// Registers the sensors of a device; `None` if it has none of the kinds that are known there.
    #[inline(never)]
    pub(super) fn new(
        parent: &'static device::Device<Bound>,
        device: &Arc<Device>,
    ) -> Result<Option<Self>> {
        let chip = Hwmon(device.clone());
        let kinds = [hwmon::Sensor::Temperature, hwmon::Sensor::Power];
        if kinds.into_iter().all(|kind| chip.channels(kind) == 0) {
            return Ok(None);
        }
        Ok(Some(Self {
            _registration: hwmon::Registration::new(parent, device.ops().name, chip)?,
        }))
    }
}

struct Hwmon(Arc<Device>);

impl Hwmon {
    /// The sensors of this kind, with their indices among all.
    fn of_kind(&self, kind: hwmon::Sensor) -> impl Iterator<Item = (usize, &Sensor)> {
        let kind = match kind {
            hwmon::Sensor::Temperature => SensorKind::Temperature,
            hwmon::Sensor::Power => SensorKind::Power,
        };
        let all = self.0.sensors.kinds().iter().enumerate();
        all.filter(move |(_, sensor)| sensor.kind == kind)
    }

    fn find(&self, channel: Channel) -> Option<(usize, &Sensor)> {
        self.of_kind(channel.sensor).nth(channel.index as usize)
    }
}

impl hwmon::Chip for Hwmon {
    /// The first ones, if there are more than hwmon has room for; `INFO` tells of all.
    fn channels(&self, sensor: hwmon::Sensor) -> u32 {
        self.of_kind(sensor).take(CHANNELS_MAX as usize).count() as u32
    }

    fn read(&self, channel: Channel) -> Result<i64> {
        self.0.refresh_sensors();
        let (index, _) = self.find(channel).ok_or(EOPNOTSUPP)?;
        self.0.sensors.get(index)
    }

    fn is_private(&self, channel: Channel) -> bool {
        channel.sensor == hwmon::Sensor::Power
    }

    fn label(&self, channel: Channel) -> Option<&CStr> {
        self.find(channel).map(|(_, sensor)| sensor.label)
    }
}
