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

mod class;
mod context;
mod device;
mod driver;
mod info;
mod ioctl;
mod irq;
mod node;
mod plain;
mod queue;
mod region;
mod registration;
mod slots;
mod status_page;
mod table;
#[expect(dead_code, reason = "hit once the core has what they tell of")]
mod trace;

pub use self::{
    class::start,
    device::Device,
    driver::{
        AddressMode,
        DeviceInfo,
        Doorbell,
        Driver,
        Function,
        Functions,
        NewQueue,
        NoArgs,
        QueueRequest, //
    },
    region::Region,
    registration::register,
};
