// SPDX-License-Identifier: GPL-2.0
// refused: E0521 escapes

//! Lets a fence call what borrows from a callback that has long returned.

include!("common.inc");

use kernel::{
    dma_buf::dma_fence::{
        Fence, //
        FenceCallback,
    },
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Counts in `count` when the fence is signalled.
fn watch(count: &Atomic<u32>, fence: &Fence) -> Result {
    let callback = FenceCallback::new(move |_| count.store(1, Relaxed), GFP_KERNEL)?;
    let _ = callback.register(fence);
    Ok(())
}

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!();
}
