// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Order between memory, the device's accesses to it, and doorbells.
//!
//! The language's fences order accesses of processors to memory. A doorbell is no memory, and on
//! some machines a store to it needs more. Where they suffice, the strongest fence of the
//! language is the machine's full barrier: `mfence` on x86, `sync` on POWER.

use std::sync::atomic::{Ordering, fence};

/// Everything written to memory before, and everything read from it, comes before the doorbell
/// that follows.
pub(crate) fn before_doorbell() {
    fence(Ordering::SeqCst);
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a barrier has no effect but order.
    unsafe {
        // Beyond the processors; for loads too: the engine may overwrite a completion that it is
        // told is read.
        std::arch::asm!("dmb osh", options(nostack, preserves_flags));
    }
    #[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
    // SAFETY: a barrier has no effect but order.
    unsafe {
        // A store to a device is output, which a fence of memory alone does not order.
        std::arch::asm!("fence rw, o", options(nostack, preserves_flags));
    }
    #[cfg(any(target_arch = "loongarch32", target_arch = "loongarch64"))]
    // SAFETY: a barrier has no effect but order.
    unsafe {
        // What the language has is of the kinds that order memory alone.
        std::arch::asm!("dbar 0", options(nostack, preserves_flags));
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
    #[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
    // SAFETY: a barrier has no effect but order.
    unsafe {
        std::arch::asm!("fence r, r", options(nostack, preserves_flags));
    }
}
