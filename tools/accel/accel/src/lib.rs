// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Accelerators of the kernel's `accel` subsystem: `/dev/accelN` and `/dev/accel_monitorN`.
//!
//! - [`Engine`] compresses and decompresses, by the best device or by software: slices, or with
//!   [`read`] and [`write`](mod@write) what is read and written;
//! - [`Device`] finds devices, [`Monitor`] asks one about itself and tells of its [`Event`]s;
//! - [`find`] chooses the device that suits a program best, [`Topology`] knows which is near;
//! - [`Context`] is an open device with an address space, [`Queue`] a queue of it, [`Region`] what
//!   of a queue is mapped;
//! - [`Buffer`] is memory with a descriptor, [`Mapping`] where a device finds it in an
//!   [`AddressSpace`] of the context's own;
//! - [`Submission`] is jobs that the kernel hands over, [`Records`] what became of them, [`Fence`]
//!   their end;
//! - [`memory`] has the memory that jobs of queues with rings work on;
//! - [`hisi_zip`] drives the queues of the HiSilicon ZIP engine.
//!
//! Everything that is safe here is safe whatever a device does to the memory that was handed to it,
//! and whenever it disappears ([`survive_removal`]).
#![deny(missing_docs)]

/// The examples of the page that comes with the crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod barrier;
mod buffer;
mod context;
mod device;
mod engine;
mod error;
mod events;
mod fence;
pub mod find;
mod fork;
pub mod hisi_zip;
mod info;
mod inquire;
mod ioctl;
pub mod memory;
mod monitor;
mod node;
mod queue;
pub mod read;
mod region;
mod revoked;
mod space;
mod submit;
#[cfg(feature = "tokio")]
pub mod tokio;
mod topology;
pub mod uapi;
pub mod write;

pub use buffer::{Buffer, BufferAccess, BufferOptions, CpuAccess, MemoryKind, Wrapped};
pub use context::Context;
pub use device::Device;
pub use engine::{Engine, Format, Packer, Step, Supply, Unpacker, Work, devices};
pub use error::{Error, Result};
pub use events::{Event, EventMask, EventReader, EventType, Next};
pub use fence::{Fence, FenceStatus};
pub use info::{
    AddressMode, AddressModeInfo, ContextInfo, DeviceInfo, Doorbell, ErrorsInfo, Function,
    MemoryInfo, ModeReason, SensorInfo, SensorKind, Status, StatusInfo,
};
pub use inquire::{Answers, Inquire};
pub use monitor::{Events, Monitor};
pub use queue::{Queue, QueueFacts, QueueOptions, QueueState, RegionInfo, RegionKind, Wake};
pub use region::{Access, Region, Word};
pub use revoked::survive_removal;
pub use space::{AddressSpace, BufferPort, MapOptions, Mapping};
pub use submit::{Ended, JobBuffer, Records, Submission, SubmitPort, Submitted};
pub use topology::{PciDevice, Topology};
