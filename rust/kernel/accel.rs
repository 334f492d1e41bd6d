// SPDX-License-Identifier: GPL-2.0

//! Accelerators: devices that compute on the memory of a process.
//!
//! A driver implements [`Driver`] and calls [`register`] in its probe. The core makes the device
//! nodes, keeps contexts and queues, shares address spaces with the device, maps doorbells into
//! processes and takes them away again. See `Documentation/accel/driver-guide.rst`.
//!
//! User interface: [`include/uapi/accel/accel.h`](srctree/include/uapi/accel/accel.h)
//!
//! # Lock order
//!
//! From the outside in: the SRCU read side of [`Device`], `Device::contexts`, `Context::space`,
//! the mmap lock of a process, `Queue::inode`, `Queue::live`, `Slot`, `Queue::events`. No user
//! memory is touched under the last four, since a page fault on a queue's own mapping takes them.
//! Nor is it touched in the SRCU section: its owner could keep a removal waiting for ever.

mod attributes;
mod class;
mod context;
mod device;
mod driver;
mod events;
#[cfg(CONFIG_HWMON = "y")]
mod hwmon;
mod info;
mod ioctl;
mod irq;
mod node;
mod plain;
mod queue;
mod recovery;
mod region;
mod registration;
mod sensors;
mod slots;
mod status_page;
mod table;
mod trace;
mod usage;

#[doc(hidden)]
pub use self::ioctl::{
    are_distinct,
    from_bytes,
    to_bytes,
    Shape, //
};
pub use self::{
    class::start,
    device::Device,
    driver::{
        AddressMode,
        ContextRequest,
        DeviceInfo,
        Doorbell,
        Driver,
        Function,
        Functions,
        NewQueue,
        NoArgs,
        Progress,
        QueueRequest,
        Reach,
        Sensor,
        SensorKind, //
    },
    ioctl::{
        ContextIoctl,
        QueueIoctl, //
    },
    region::Region,
    registration::register,
};
pub use crate::__accel_declare_ioctls as declare_ioctls;
