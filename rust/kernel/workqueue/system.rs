// SPDX-License-Identifier: GPL-2.0

//! The work queues for everybody whose use the kernel does not warn about.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use super::Queue;
use crate::bindings;

/// Returns the work queue whose workers stay on the processor that queued the work
/// (`system_percpu_wq`). It took the place of [`system`](super::system).
///
/// Work for it should be short, and not need much of the processor.
pub fn system_percpu() -> &'static Queue {
    // SAFETY: `system_percpu_wq` is a C global, always available.
    unsafe { Queue::from_raw(bindings::system_percpu_wq) }
}

/// Returns the work queue for most uses, whose workers run on any processor (`system_dfl_wq`). It
/// took the place of [`system_unbound`](super::system_unbound).
pub fn system_dfl() -> &'static Queue {
    // SAFETY: `system_dfl_wq` is a C global, always available.
    unsafe { Queue::from_raw(bindings::system_dfl_wq) }
}
