// SPDX-License-Identifier: GPL-2.0

//! Counters that the kernel raises and user space waits for.
//!
//! C header: [`include/linux/eventfd.h`](srctree/include/linux/eventfd.h)

use crate::{
    bindings,
    error::from_err_ptr,
    prelude::*, //
};
use core::ptr::NonNull;

/// A reference to what an `eventfd(2)` descriptor leads to.
///
/// It may outlive the descriptor, and may be dropped in any context.
///
/// # Invariants
///
/// Owns a reference to the `struct eventfd_ctx`.
///
/// # Examples
///
/// ```
/// use kernel::eventfd::EventFd;
/// use kernel::prelude::*;
/// use kernel::sync::SpinLock;
///
/// /// Who wants to know when a job is done.
/// struct Waiter(Pin<KBox<SpinLock<Option<EventFd>>>>);
///
/// impl Waiter {
///     /// In process context: the descriptor is the current process's.
///     fn set(&self, fd: i32) -> Result {
///         let new = EventFd::from_fd(fd)?;
///         *self.0.lock() = Some(new);
///         Ok(())
///     }
///
///     fn job_done(&self) {
///         if let Some(eventfd) = &*self.0.lock() {
///             eventfd.signal();
///         }
///     }
/// }
/// ```
pub struct EventFd(NonNull<bindings::eventfd_ctx>);

impl EventFd {
    /// Takes a reference by a descriptor of the current process.
    ///
    /// Fails with [`EBADF`] if `fd` is not open, [`EINVAL`] if it is no event descriptor,
    /// [`ENOSYS`] if the kernel has been built without them (`CONFIG_EVENTFD`).
    pub fn from_fd(fd: i32) -> Result<Self> {
        // SAFETY: eventfd_ctx_fdget() takes any number.
        let ctx = from_err_ptr(unsafe { bindings::eventfd_ctx_fdget(fd) })?;
        // INVARIANT: eventfd_ctx_fdget() has taken the reference, so it is not null.
        Ok(Self(NonNull::new(ctx).ok_or(EINVAL)?))
    }

    /// Adds one to the counter and wakes who waits for it.
    ///
    /// A counter at its end stays there. Can be called in hard interrupts and under spinlocks, but
    /// not under raw ones, and not by a function that a wake-up of an eventfd itself calls.
    pub fn signal(&self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::eventfd_signal(self.0.as_ptr()) };
    }
}

impl Drop for EventFd {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours.
        unsafe { bindings::eventfd_ctx_put(self.0.as_ptr()) };
    }
}

// SAFETY: References are counted atomically and belong to no task.
unsafe impl Send for EventFd {}
// SAFETY: A spinlock guards the counter.
unsafe impl Sync for EventFd {}

#[macros::kunit_tests(rust_eventfd)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_descriptor_that_is_not_open() {
        let refused = if cfg!(CONFIG_EVENTFD) { EBADF } else { ENOSYS };
        for fd in [-1, i32::MIN, i32::MAX] {
            assert_eq!(EventFd::from_fd(fd).err(), Some(refused));
        }
    }
}
