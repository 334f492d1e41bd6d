// SPDX-License-Identifier: GPL-2.0

//! A HiSilicon ZIP engine in software.
//!
//! The device as a driver and an application see it: registers, mailbox, queues, events and
//! the compression itself. It knows nothing of QEMU: whoever hosts it gives it a [`Bus`] to reach
//! memory with, calls [`Device::step`] when asked to, and hands back what [`Bus::compute`] and
//! [`Bus::request_page`] started.
//!
//! `README.md` beside this crate describes the behaviour for those who write against it.
//!
//! Words used throughout: an *SQ* holds a queue's jobs (*SQE*), a *CQ* its completions (*CQE*); the
//! *EQ* tells the driver which CQs have something new (*EQE*), the *AEQ* what went wrong (*AEQE*). A *PASID*
//! names an address space of the guest.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod bus;
pub mod capabilities;
pub mod context;
mod control;
mod counters;
pub mod device;
pub mod engine;
pub mod errors;
pub mod event;
pub mod faults;
#[expect(unsafe_code)]
pub mod ffi;
pub mod job;
pub mod lies;
pub mod mailbox;
pub mod overflow;
mod prefetch;
pub mod pri;
pub mod queue;
pub mod readings;
pub mod regs;
pub mod ring;
pub mod sgl;
pub mod shaper;
pub mod sqe;
mod stale;
pub mod stats;
pub mod transfer;
mod turns;

pub use bus::{Bus, DataAccess, PageRequest, PciError, Refused};
pub use device::{Bar, Config, Device, ResetKind};
pub use engine::Task;
