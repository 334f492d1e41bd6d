// SPDX-License-Identifier: GPL-2.0

//! Work queues of one's own.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use super::Queue;
use crate::{
    bindings,
    prelude::*, //
};
use core::{
    ops::{
        BitOr,
        Deref, //
    },
    ptr::NonNull, //
};

/// How the workers of a queue are. See `enum wq_flags`.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Flags(u32);

impl Flags {
    /// They run on any processor (`WQ_UNBOUND`).
    pub const UNBOUND: Self = Self(bindings::wq_flags_WQ_UNBOUND);
    /// One of them is there even if no memory is: those who reclaim memory may wait for the work
    /// (`WQ_MEM_RECLAIM`).
    pub const MEM_RECLAIM: Self = Self(bindings::wq_flags_WQ_MEM_RECLAIM);
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A work queue. Dropping it waits for all work that is in it.
///
/// # Examples
///
/// ```
/// use kernel::workqueue::{owned::{Flags, OwnedQueue}, Queue};
///
/// let owned = OwnedQueue::new(c"rust_example", Flags::UNBOUND | Flags::MEM_RECLAIM)?;
/// // Takes work as any other queue does.
/// let _queue: &Queue = &owned;
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// A valid work queue that nobody else destroys.
pub struct OwnedQueue(NonNull<Queue>);

impl OwnedQueue {
    /// Makes a queue, whose workers have this name. May sleep.
    ///
    /// Fails with [`ENOMEM`], also if the flags do not go together.
    pub fn new(name: &CStr, flags: Flags) -> Result<Self> {
        // SAFETY: `%s` takes a string. It is copied.
        let raw = unsafe {
            bindings::alloc_workqueue_noprof(c"%s".as_char_ptr(), flags.0, 0, name.as_char_ptr())
        };
        // INVARIANT: It was made just now; `Queue` is a transparent work queue.
        Ok(Self(NonNull::new(raw.cast()).ok_or(ENOMEM)?))
    }
}

impl Deref for OwnedQueue {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        // SAFETY: By the type invariant.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for OwnedQueue {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; nobody can add work any more.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr().cast()) };
    }
}

// SAFETY: A work queue may be used and destroyed by any task.
unsafe impl Send for OwnedQueue {}
// SAFETY: As above.
unsafe impl Sync for OwnedQueue {}
