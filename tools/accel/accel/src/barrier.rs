// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Order between memory, the device's accesses to it, and doorbells.
//!
//! The language's fences order accesses of processors to memory. A doorbell is no memory, and on
//! some machines a store to it needs more.

use std::sync::atomic::{Ordering, fence};

/// Everything written to memory before is visible to the device before the doorbell that follows.
pub(crate) fn before_doorbell() {
    fence(Ordering::SeqCst);
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a barrier has no effect but order.
    unsafe {
        std::arch::asm!("dsb st", options(nostack, preserves_flags));
    }
}

/// Everything that the device wrote before the word just read is visible to the reads that follow.
pub(crate) fn after_device_word() {
    fence(Ordering::Acquire);
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a barrier has no effect but order.
    unsafe {
        std::arch::asm!("dmb oshld", options(nostack, preserves_flags));
    }
}
