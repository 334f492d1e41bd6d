// SPDX-License-Identifier: GPL-2.0

//! The tracepoints of the subsystem, `events/accel/` in `tracefs`.
//!
//! None of these functions may be inlined: modules can't link to a tracepoint, and generic code of
//! the core is compiled into the modules of drivers.
//!
//! C header: [`include/trace/events/accel.h`](srctree/include/trace/events/accel.h)

use crate::{
    prelude::*,
    task::Pid, //
};

/// The tracepoints themselves.
mod raw {
    use crate::tracepoint::declare_trace;

    declare_trace! {
        /// # Safety
        ///
        /// Always safe to call.
        pub(super) unsafe fn accel_open(device: u32, context: u64, pid: i32);

        /// # Safety
        ///
        /// Always safe to call.
        pub(super) unsafe fn accel_close(device: u32, context: u64);

        /// # Safety
        ///
        /// Always safe to call.
        pub(super) unsafe fn accel_queue_create(
            device: u32, queue: u32, context: u64, pasid: u32, depth: u32,
        );

        /// # Safety
        ///
        /// Always safe to call.
        pub(super) unsafe fn accel_queue_destroy(device: u32, queue: u32, state: u32);

        /// # Safety
        ///
        /// Always safe to call.
        pub(super) unsafe fn accel_doorbell_map(device: u32, queue: u32, offset: u64);

        /// # Safety
        ///
        /// Always safe to call.
        pub(super) unsafe fn accel_fault(device: u32, queue: u32, pasid: u32, address: u64);

        /// # Safety
        ///
        /// Always safe to call.
        pub(super) unsafe fn accel_reset_begin(device: u32, generation: u32);

        /// # Safety
        ///
        /// Always safe to call.
        pub(super) unsafe fn accel_reset_end(device: u32, generation: u32, error: i32);
    }
}

/// A process opened the compute node of a device, which made a context.
#[inline(never)]
pub(super) fn open(device: u32, context: u64, pid: Pid) {
    // SAFETY: Always safe to call.
    unsafe { raw::accel_open(device, context, pid) }
}

/// The descriptor of a context was closed.
#[inline(never)]
pub(super) fn close(device: u32, context: u64) {
    // SAFETY: Always safe to call.
    unsafe { raw::accel_close(device, context) }
}

/// A queue of `depth` entries takes jobs, whose addresses are those of `pasid`.
#[inline(never)]
pub(super) fn queue_create(device: u32, queue: u32, context: u64, pasid: u32, depth: u32) {
    // SAFETY: Always safe to call.
    unsafe { raw::accel_queue_create(device, queue, context, pasid, depth) }
}

/// A queue is no more. It was in `state`, one of `enum accel_queue_state`.
#[inline(never)]
pub(super) fn queue_destroy(device: u32, queue: u32, state: u32) {
    // SAFETY: Always safe to call.
    unsafe { raw::accel_queue_destroy(device, queue, state) }
}

/// A process touched a doorbell that was not mapped, and can ring it from now on. `offset` is that
/// of the page in the file of the queue, in bytes.
#[inline(never)]
pub(super) fn doorbell_map(device: u32, queue: u32, offset: u64) {
    // SAFETY: Always safe to call.
    unsafe { raw::accel_doorbell_map(device, queue, offset) }
}

/// A job of a queue had no right to an address, or there was nothing at it.
#[inline(never)]
pub(super) fn fault(device: u32, queue: u32, pasid: u32, address: u64) {
    // SAFETY: Always safe to call.
    unsafe { raw::accel_fault(device, queue, pasid, address) }
}

/// A reset begins, which ends `generation`.
#[inline(never)]
pub(super) fn reset_begin(device: u32, generation: u32) {
    // SAFETY: Always safe to call.
    unsafe { raw::accel_reset_begin(device, generation) }
}

/// A reset is over. `generation` is the one that its begin was given.
#[inline(never)]
pub(super) fn reset_end(device: u32, generation: u32, result: Result) {
    let error = result.map_or_else(Error::to_errno, |()| 0);
    // SAFETY: Always safe to call.
    unsafe { raw::accel_reset_end(device, generation, error) }
}
