// SPDX-License-Identifier: GPL-2.0

//! Hardware monitoring: sensors of temperature and power.
//!
//! A [`Registration`] makes `/sys/class/hwmon/hwmonN/`, where every monitoring tool looks. It has
//! `temp1_input` and `power1_input`, `temp1_label` and `power1_label`, and so on for as many
//! channels as a [`Chip`] has.
//!
//! This module is there if `CONFIG_HWMON=y`. If hardware monitoring is a module itself, the
//! `kernel` crate can't call it; a user of this module that can do without asks
//! `#[cfg(CONFIG_HWMON = "y")]`.
//!
//! C header: [`include/linux/hwmon.h`](srctree/include/linux/hwmon.h)

use crate::{
    bindings,
    device::{
        self,
        Bound, //
    },
    error::{
        from_err_ptr,
        from_result, //
    },
    prelude::*,
    str::CStrExt as _, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// The most channels of a [`Sensor`] that a chip can have.
pub const CHANNELS_MAX: u32 = 16;

/// Length of a list of channels, which ends with zero.
const LIST_LEN: usize = CHANNELS_MAX as usize + 1;

/// What a channel measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sensor {
    /// Temperature, in thousandths of a degree Celsius.
    Temperature,
    /// Power, in millionths of a watt.
    Power,
}

impl Sensor {
    fn from_raw(sensor: bindings::hwmon_sensor_types) -> Result<Self> {
        match sensor {
            bindings::hwmon_sensor_types::hwmon_temp => Ok(Self::Temperature),
            bindings::hwmon_sensor_types::hwmon_power => Ok(Self::Power),
            _ => Err(EOPNOTSUPP),
        }
    }

    const fn as_raw(self) -> bindings::hwmon_sensor_types {
        match self {
            Self::Temperature => bindings::hwmon_sensor_types::hwmon_temp,
            Self::Power => bindings::hwmon_sensor_types::hwmon_power,
        }
    }

    const fn input(self) -> u32 {
        match self {
            Self::Temperature => bindings::hwmon_temp_attributes_hwmon_temp_input,
            Self::Power => bindings::hwmon_power_attributes_hwmon_power_input,
        }
    }

    const fn label(self) -> u32 {
        match self {
            Self::Temperature => bindings::hwmon_temp_attributes_hwmon_temp_label,
            Self::Power => bindings::hwmon_power_attributes_hwmon_power_label,
        }
    }

    /// The attributes of all channels that there could be.
    const fn list(self) -> [u32; LIST_LEN] {
        let mut list = [1 << self.input() | 1 << self.label(); LIST_LEN];
        list[LIST_LEN - 1] = 0;
        list
    }
}

/// One sensor of a chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// What it measures.
    pub sensor: Sensor,
    /// Which of these, from 0. In file names the first is 1.
    pub index: u32,
}

impl Channel {
    fn from_raw(sensor: bindings::hwmon_sensor_types, index: c_int) -> Result<Self> {
        Ok(Self {
            sensor: Sensor::from_raw(sensor)?,
            index: index.try_into()?,
        })
    }
}

/// Something with sensors.
///
/// The callbacks run in process context and may sleep; those for the files of one registration run
/// one at a time.
///
/// # Examples
///
/// ```
/// use kernel::device::{self, Bound};
/// use kernel::hwmon::{self, Channel, Sensor};
/// use kernel::prelude::*;
///
/// /// An engine at room temperature.
/// struct Engine;
///
/// impl hwmon::Chip for Engine {
///     fn channels(&self, sensor: Sensor) -> u32 {
///         match sensor {
///             Sensor::Temperature => 1,
///             Sensor::Power => 0,
///         }
///     }
///
///     fn read(&self, _channel: Channel) -> Result<i64> {
///         Ok(21_000)
///     }
///
///     fn label(&self, _channel: Channel) -> Option<&CStr> {
///         Some(c"core")
///     }
/// }
///
/// fn monitor(parent: &device::Device<Bound>) -> Result<hwmon::Registration<'_, Engine>> {
///     hwmon::Registration::new(parent, c"engine", Engine)
/// }
/// # let faux = kernel::faux::Registration::new(c"doctest-hwmon", None)?;
/// # monitor(AsRef::<kernel::faux::Device<Bound>>::as_ref(&faux).as_ref())?;
/// # Ok::<(), Error>(())
/// ```
pub trait Chip: Send + Sync + 'static {
    /// How many channels measure this, at most [`CHANNELS_MAX`]. May not change.
    fn channels(&self, sensor: Sensor) -> u32;

    /// Measures, in the unit of the [`Sensor`]. What does not fit into a `long` is [`EOVERFLOW`].
    fn read(&self, channel: Channel) -> Result<i64>;

    /// Whether only root may read the values, since they tell what a device is used for.
    fn is_private(&self, _channel: Channel) -> bool {
        false
    }

    /// A name for what is measured. A channel has a file for it if it has one when it is
    /// registered.
    fn label(&self, _channel: Channel) -> Option<&CStr> {
        None
    }
}

/// The C tables of a chip.
struct Table<T>(PhantomData<T>);

impl<T: Chip> Table<T> {
    const OPS: bindings::hwmon_ops = bindings::hwmon_ops {
        is_visible: Some(Self::is_visible),
        read: Some(Self::read),
        read_string: Some(Self::read_string),
        ..pin_init::zeroed()
    };

    const TEMPERATURE: bindings::hwmon_channel_info = bindings::hwmon_channel_info {
        type_: Sensor::Temperature.as_raw(),
        config: const { &Sensor::Temperature.list() }.as_ptr(),
    };

    const POWER: bindings::hwmon_channel_info = bindings::hwmon_channel_info {
        type_: Sensor::Power.as_raw(),
        config: const { &Sensor::Power.list() }.as_ptr(),
    };

    /// Ends with null.
    const CHANNELS: [Option<&'static bindings::hwmon_channel_info>; 3] = [
        Some(const { &Self::TEMPERATURE }),
        Some(const { &Self::POWER }),
        None,
    ];

    const INFO: bindings::hwmon_chip_info = bindings::hwmon_chip_info {
        ops: const { &Self::OPS },
        info: const { &Self::CHANNELS }.as_ptr().cast(),
    };

    extern "C" fn is_visible(
        chip: *const c_void,
        sensor: bindings::hwmon_sensor_types,
        attribute: u32,
        index: c_int,
    ) -> bindings::umode_t {
        // SAFETY: `Registration::new` registers with a `T`, which outlives the registration.
        let chip = unsafe { &*chip.cast::<T>() };
        let Ok(channel) = Channel::from_raw(sensor, index) else {
            return 0;
        };
        let there = channel.index < chip.channels(channel.sensor)
            && (attribute != channel.sensor.label() || chip.label(channel).is_some());
        if !there {
            0
        } else if attribute == channel.sensor.input() && chip.is_private(channel) {
            0o400
        } else {
            0o444
        }
    }

    /// # Safety
    ///
    /// `dev` must be registered with this table, and stay so during `'a`.
    unsafe fn chip<'a>(dev: *mut bindings::device) -> &'a T {
        // SAFETY: `Registration::new` registers with a `T`, which outlives the registration.
        unsafe { &*bindings::dev_get_drvdata(dev).cast() }
    }

    extern "C" fn read(
        dev: *mut bindings::device,
        sensor: bindings::hwmon_sensor_types,
        _attribute: u32,
        index: c_int,
        value: *mut c_long,
    ) -> c_int {
        // SAFETY: It is called for a file of `dev`, which is not removed while it is read.
        let chip = unsafe { Self::chip(dev) };
        from_result(|| {
            let measured = chip.read(Channel::from_raw(sensor, index)?)?;
            let measured = measured.try_into().map_err(|_| EOVERFLOW)?;
            // SAFETY: `value` is valid for writes.
            unsafe { value.write(measured) };
            Ok(0)
        })
    }

    extern "C" fn read_string(
        dev: *mut bindings::device,
        sensor: bindings::hwmon_sensor_types,
        _attribute: u32,
        index: c_int,
        text: *mut *const c_char,
    ) -> c_int {
        // SAFETY: It is called for a file of `dev`, which is not removed while it is read.
        let chip = unsafe { Self::chip(dev) };
        from_result(|| {
            let label = chip
                .label(Channel::from_raw(sensor, index)?)
                .ok_or(ENODATA)?;
            // SAFETY: `text` is valid for writes. The label lives as long as the chip.
            unsafe { text.write(label.as_char_ptr()) };
            Ok(0)
        })
    }
}

/// A chip that user space can read.
///
/// Dropping it removes the files, waits for callbacks that still run, and drops the chip.
///
/// # Invariants
///
/// `dev` is a hwmon device that is registered with the chip at `_chip`.
pub struct Registration<'a, T: Chip> {
    dev: NonNull<bindings::device>,
    _chip: KBox<T>,
    _parent: PhantomData<&'a device::Device<Bound>>,
}

impl<'a, T: Chip> Registration<'a, T> {
    /// Registers a chip below `parent`. `name` says what kind of chip it is, not which.
    ///
    /// Fails with [`EINVAL`] if `name` is empty or contains a dash, an asterisk or white space, or
    /// if there are more than [`CHANNELS_MAX`] channels of a kind.
    pub fn new(parent: &'a device::Device<Bound>, name: &'static CStr, chip: T) -> Result<Self> {
        let allowed = |byte: &u8| !b"-* \t\n".contains(byte);
        if name.is_empty() || !name.to_bytes().iter().all(allowed) {
            return Err(EINVAL);
        }

        let chip = KBox::new(chip, GFP_KERNEL)?;
        let fits = |sensor| chip.channels(sensor) <= CHANNELS_MAX;
        if !fits(Sensor::Temperature) || !fits(Sensor::Power) {
            return Err(EINVAL);
        }

        // SAFETY: `parent` is valid, `name` and the table are static, and the chip is dropped after
        // the device is unregistered.
        let dev = from_err_ptr(unsafe {
            bindings::hwmon_device_register_with_info(
                parent.as_raw(),
                name.as_char_ptr(),
                core::ptr::from_ref(&*chip).cast_mut().cast(),
                const { &Table::<T>::INFO },
                core::ptr::null_mut(),
            )
        })?;

        // INVARIANT: Registered above.
        Ok(Self {
            dev: NonNull::new(dev).ok_or(ENODEV)?,
            _chip: chip,
            _parent: PhantomData,
        })
    }
}

impl<T: Chip> Drop for Registration<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, and this runs once.
        unsafe { bindings::hwmon_device_unregister(self.dev.as_ptr()) };
    }
}

// SAFETY: Any task may unregister the device and drop the chip.
unsafe impl<T: Chip> Send for Registration<'_, T> {}
// SAFETY: There is nothing to do with a shared one.
unsafe impl<T: Chip> Sync for Registration<'_, T> {}

#[macros::kunit_tests(rust_hwmon)]
mod tests {
    use super::*;
    use crate::{
        error::to_result,
        faux,
        sysfs, //
    };

    /// Two temperatures, of which the second can't be read, and a power without a label.
    struct Board {
        temperatures: u32,
    }

    impl Chip for Board {
        fn channels(&self, sensor: Sensor) -> u32 {
            match sensor {
                Sensor::Temperature => self.temperatures,
                Sensor::Power => 1,
            }
        }

        fn read(&self, channel: Channel) -> Result<i64> {
            match (channel.sensor, channel.index) {
                (Sensor::Temperature, 0) => Ok(-40_000),
                (Sensor::Power, 0) => Ok(75_000_000),
                _ => Err(EIO),
            }
        }

        fn label(&self, channel: Channel) -> Option<&CStr> {
            (channel.sensor == Sensor::Temperature).then_some(c"die")
        }
    }

    fn parent() -> Result<faux::Registration> {
        faux::Registration::new(c"rust_hwmon", None)
    }

    fn register<'a>(
        parent: &'a faux::Registration,
        name: &'static CStr,
        temperatures: u32,
    ) -> Result<Registration<'a, Board>> {
        Registration::new(parent.as_ref().as_ref(), name, Board { temperatures })
    }

    fn has_file(chip: &Registration<'_, Board>, name: &CStr) -> bool {
        // SAFETY: The device is valid for as long as it is registered.
        let dev = unsafe { device::Device::from_raw(chip.dev.as_ptr()) };
        sysfs::has_file(dev, name)
    }

    fn read(chip: &Registration<'_, Board>, sensor: Sensor, index: c_int) -> Result<c_long> {
        let mut value = 0;
        let errno = Table::<Board>::read(
            chip.dev.as_ptr(),
            sensor.as_raw(),
            sensor.input(),
            index,
            &mut value,
        );
        to_result(errno).map(|()| value)
    }

    #[test]
    fn files_are_those_of_the_channels() -> Result {
        let parent = parent()?;
        let chip = register(&parent, c"board", 2)?;
        for name in [
            c"name",
            c"temp1_input",
            c"temp1_label",
            c"temp2_input",
            c"temp2_label",
            c"power1_input",
        ] {
            assert!(has_file(&chip, name));
        }
        for name in [c"temp3_input", c"power1_label", c"power2_input"] {
            assert!(!has_file(&chip, name));
        }
        Ok(())
    }

    #[test]
    fn values_and_errors_get_through() -> Result {
        let parent = parent()?;
        let chip = register(&parent, c"board", CHANNELS_MAX)?;
        assert_eq!(read(&chip, Sensor::Temperature, 0), Ok(-40_000));
        assert_eq!(read(&chip, Sensor::Power, 0), Ok(75_000_000));
        assert_eq!(read(&chip, Sensor::Temperature, 1), Err(EIO));
        assert!(has_file(&chip, c"temp16_input"));
        Ok(())
    }

    #[test]
    fn refuses_what_hwmon_has_no_room_for() -> Result {
        let parent = parent()?;
        for name in [c"", c"my-board", c"my board", c"*", c"board\n"] {
            assert_eq!(register(&parent, name, 1).err(), Some(EINVAL));
        }
        let many = register(&parent, c"board", CHANNELS_MAX + 1);
        assert_eq!(many.err(), Some(EINVAL));
        Ok(())
    }
}
