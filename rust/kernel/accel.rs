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
//! From the outside in: the SRCU section `Device::registered`, the SRCU section
//! `Recovery::operating`, `Context::state`, the mmap lock of a process, `Queue::inode`,
//! `Queue::live`, `Slot`, `Notices::told`. No user memory is touched under the last four, since a
//! page fault on a queue's own mapping takes them. Nor is it touched in the SRCU sections: its
//! owner could keep a removal or a reset waiting for ever.
//!
//! Innermost, with none of these inside: `Device::contexts`, `Slots::used`, `Context::usage`,
//! `Recovery::recent`, and `Events::ring`, in which readers of the monitor node wait.
//!
//! The callbacks of a driver run in the SRCU sections, those of a context also under
//! `Context::state`, and those that look at a live queue under `Queue::live`. A queue is stopped
//! outside of `Queue::live`: a fault that waited for it would keep the page requests waiting that
//! the device waits for. See `Documentation/accel/internals.rst`.

mod address_space;
mod attributes;
mod buffer;
mod buffers;
mod class;
mod client;
mod context;
mod descriptor;
mod device;
mod driver;
mod events;
#[cfg(CONFIG_HWMON = "y")]
mod hwmon;
mod info;
mod ioctl;
mod irq;
mod local_memory;
mod node;
mod notices;
mod pipeline;
mod plain;
mod queue;
mod records;
mod recovery;
mod region;
mod registration;
mod sensors;
mod service;
mod slots;
mod status_page;
mod submission;
mod submit;
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
    address_space::AddressSpace,
    buffers::{
        BufferAccess,
        Buffers, //
    },
    class::start,
    client::{
        Client,
        Request, //
    },
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
    service::{
        Operation,
        Serve,
        Service, //
    },
    submission::{
        Submission,
        Submit,
        Ticket, //
    },
};
pub use crate::__accel_declare_ioctls as declare_ioctls;
