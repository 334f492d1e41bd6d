// SPDX-License-Identifier: GPL-2.0

//! Points in the work of a device that others can wait for.
//!
//! A [`Fence`] is signalled once, with a result, and never again. A device that issues fences has a
//! [`FenceContext`] for each queue: a [`DriverFenceAllocation`] is allocated while that may still
//! fail, becomes [`DriverFence`] when the work is handed to the device, and is signalled when the
//! work is done.
//!
//! A fence crosses drivers, so all keep one contract: each fence is signalled within a reasonable
//! time, and whatever is needed for it takes no reservation lock and allocates no memory that
//! reclaim must be waited for. [`signalling`] lets lockdep check that.
//!
//! C header: [`include/linux/dma-fence.h`](srctree/include/linux/dma-fence.h)

use crate::{
    bindings,
    error::to_result,
    prelude::*,
    sync::aref::AlwaysRefCounted,
    task::MAX_SCHEDULE_TIMEOUT,
    time::Jiffies,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};
use core::ptr::NonNull;

mod callback;
mod context;

pub use self::{
    callback::{
        FenceCallback,
        FenceCallbackRegistration, //
    },
    context::{
        DriverFence,
        DriverFenceAllocation,
        FenceContext, //
    },
};

/// A point in the work of some device, whichever driver it has.
///
/// Wraps the kernel's `struct dma_fence`.
///
/// # Invariants
///
/// The fence is initialised, and counts its references.
#[repr(transparent)]
pub struct Fence(Opaque<bindings::dma_fence>);

impl Fence {
    /// Makes a reference of a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to an initialised fence that is referenced for the duration of `'a`.
    pub unsafe fn from_raw<'a>(ptr: *mut bindings::dma_fence) -> &'a Self {
        // INVARIANT: The caller promises it.
        // SAFETY: As the caller promises; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// The C object.
    pub fn as_raw(&self) -> *mut bindings::dma_fence {
        self.0.get()
    }

    /// Which timeline the fence belongs to, of all in the system.
    pub fn context(&self) -> u64 {
        // SAFETY: By the type invariant; the number stays as the fence was initialised with it.
        unsafe { (*self.as_raw()).context }
    }

    /// Where on its timeline the fence is: what comes later has a greater number.
    pub fn seqno(&self) -> u64 {
        // SAFETY: By the type invariant; the number stays as the fence was initialised with it.
        unsafe { (*self.as_raw()).seqno }
    }

    /// Whether the fence is signalled.
    ///
    /// Callable in any context but NMI. It may find out from the device and signal the fence, which
    /// runs callbacks: hold no lock that these take.
    pub fn is_signaled(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_fence_is_signaled(self.as_raw()) }
    }

    /// How the work ended; [`None`] as long as the fence is not signalled.
    ///
    /// [`ECANCELED`] stands for work that was given up, [`ETIME`] for work that took too long,
    /// [`ENODATA`] for work without a result; issuers use others too.
    ///
    /// Callable in any context but NMI. It takes the fence's lock, so a [`FenceCallback`] of the
    /// same fence, which is told the result, must not call it.
    pub fn result(&self) -> Option<Result> {
        // SAFETY: By the type invariant.
        match unsafe { bindings::dma_fence_get_status(self.as_raw()) } {
            0 => None,
            status if status > 0 => Some(Ok(())),
            errno => Some(Err(Error::from_errno(errno))),
        }
    }

    /// Like [`result`](Self::result), by those who run while the fence is being signalled.
    ///
    /// # Safety
    ///
    /// The fence must be signalled, and the caller must hold its lock or have held it since.
    unsafe fn result_of_signaled(&self) -> Result {
        // SAFETY: By the type invariant; nobody writes to it once the fence is signalled.
        to_result(unsafe { (*self.as_raw()).error })
    }

    /// Waits for the fence to be signalled; [`result`](Self::result) then says how the work ended.
    ///
    /// Fails with [`ERESTARTSYS`] if a signal arrives first. Sleeps.
    pub fn wait_interruptible(&self) -> Result {
        self.wait(MAX_SCHEDULE_TIMEOUT).map(|_| ())
    }

    /// Waits for the fence to be signalled, and returns how much of `timeout` is left.
    ///
    /// Fails with [`ERESTARTSYS`] if a signal arrives first, with [`ETIMEDOUT`] if time is up.
    /// Sleeps, unless `timeout` is zero.
    pub fn wait_interruptible_timeout(&self, timeout: Jiffies) -> Result<Jiffies> {
        let left = self.wait(timeout.try_into().unwrap_or(MAX_SCHEDULE_TIMEOUT))?;
        if left == 0 {
            return Err(ETIMEDOUT);
        }
        // The C function answers one, not zero, to a timeout of zero.
        Ok(left.min(timeout))
    }

    fn wait(&self, timeout: c_long) -> Result<Jiffies> {
        // SAFETY: By the type invariant.
        let left = unsafe { bindings::dma_fence_wait_timeout(self.as_raw(), true, timeout) };
        match Jiffies::try_from(left) {
            Ok(left) => Ok(left),
            Err(_) => Err(Error::from_errno(i32::try_from(left)?)),
        }
    }

    /// Whether the fence stands for several others.
    pub(super) fn is_container(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_fence_is_container(self.as_raw()) }
    }
}

// SAFETY: `dma_fence_get()` and `dma_fence_put()` count references.
unsafe impl AlwaysRefCounted for Fence {
    fn inc_ref(&self) {
        // SAFETY: A shared reference means that the count is above zero.
        unsafe { bindings::dma_fence_get(self.as_raw()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives its reference up. The type is transparent.
        unsafe { bindings::dma_fence_put(obj.as_ptr().cast()) };
    }
}

// SAFETY: Fences belong to no task, and their last reference may go anywhere.
unsafe impl Send for Fence {}
// SAFETY: A fence has a lock of its own, and what is read without it does not change.
unsafe impl Sync for Fence {}

/// A stretch of code that a fence cannot be signalled without.
///
/// Made by [`signalling`].
pub struct Signalling {
    cookie: bool,
    _not_send: NotThreadSafe,
}

/// Tells lockdep that a fence which others can see waits for the code up to the guard's drop.
///
/// In there, code must not take locks under which others wait for fences (those of reservations,
/// say), nor allocate with `GFP_KERNEL`. Sections may nest, in any context; without
/// `CONFIG_LOCKDEP` they are nothing.
///
/// # Examples
///
/// ```
/// use kernel::dma_buf::dma_fence::{signalling, DriverFence};
/// use kernel::prelude::*;
///
/// /// Completes a job of the device.
/// fn job_done(fence: DriverFence, status: u32) {
///     let _signalling = signalling();
///     let result = if status == 0 { Ok(()) } else { Err(EIO) };
///     fence.signal(result);
/// }
/// ```
#[must_use = "the section ends when the guard is dropped"]
pub fn signalling() -> Signalling {
    Signalling {
        // SAFETY: It may be called in any context.
        cookie: unsafe { bindings::dma_fence_begin_signalling() },
        _not_send: NotThreadSafe,
    }
}

impl Drop for Signalling {
    fn drop(&mut self) {
        // SAFETY: The cookie is that of the beginning, in the same task.
        unsafe { bindings::dma_fence_end_signalling(self.cookie) };
    }
}

#[macros::kunit_tests(rust_dma_fence)]
mod tests {
    use super::*;
    use crate::{
        sync::{
            atomic::{
                Acquire,
                Atomic,
                Full, //
            },
            rcu,
            Arc, //
        },
        workqueue, //
    };

    fn pending() -> Result<DriverFence> {
        let timeline = FenceContext::new(c"rust_dma_fence", c"test", GFP_KERNEL)?;
        Ok(DriverFenceAllocation::new(&timeline, GFP_KERNEL)?.arm())
    }

    /// The sum of what a callback was told: one for a success, the number for an error.
    fn told() -> Result<(Arc<Atomic<i32>>, FenceCallback)> {
        let told = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let theirs = told.clone();
        let tell = move |result: Result| {
            let number = result.map_or_else(|err| err.to_errno(), |()| 1);
            theirs.fetch_add(number, Full);
        };
        Ok((told, FenceCallback::new(tell, GFP_KERNEL)?))
    }

    /// Says when it is dropped.
    struct Captured(Arc<Atomic<i32>>);

    impl Drop for Captured {
        fn drop(&mut self) {
            self.0.fetch_add(1, Full);
        }
    }

    #[test]
    fn what_a_callback_has_captured_goes_with_its_watch() -> Result {
        let dropped = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let captured = Captured(dropped.clone());
        let tell = move |_| drop(captured.0.clone());
        let callback = FenceCallback::new(tell, GFP_KERNEL)?;
        let pending = pending()?;
        let watch = callback.register(&pending.fence()).map_err(|_| EINVAL)?;
        pending.signal(Ok(()));
        // Not in the context that has signalled.
        assert_eq!(dropped.load(Acquire), 0);
        drop(watch);
        assert_eq!(dropped.load(Acquire), 1);
        Ok(())
    }

    #[test]
    fn tells_how_the_work_ended() -> Result {
        for result in [Ok(()), Err(EIO)] {
            let pending = pending()?;
            let fence = pending.fence();
            assert!(!fence.is_signaled());
            assert!(fence.result().is_none());
            pending.signal(result);
            assert!(fence.is_signaled());
            assert_eq!(fence.result(), Some(result));
        }
        Ok(())
    }

    #[test]
    fn one_that_is_dropped_is_canceled() -> Result {
        let pending = pending()?;
        let fence = pending.fence();
        drop(pending);
        assert_eq!(fence.result(), Some(Err(ECANCELED)));
        Ok(())
    }

    #[test]
    fn a_callback_is_told_the_result() -> Result {
        let pending = pending()?;
        let (told, callback) = told()?;
        let watch = callback.register(&pending.fence()).map_err(|_| EINVAL)?;
        assert_eq!(told.load(Acquire), 0);
        pending.signal(Err(EIO));
        assert_eq!(told.load(Acquire), EIO.to_errno());
        drop(watch);
        assert_eq!(told.load(Acquire), EIO.to_errno());
        Ok(())
    }

    #[test]
    fn a_callback_that_is_late_comes_back() -> Result {
        let (told, callback) = told()?;
        let early = pending()?;
        let fence = early.fence();
        early.signal(Ok(()));
        let callback = callback.register(&fence).err().ok_or(EINVAL)?;
        assert_eq!(told.load(Acquire), 0);

        // It can serve for another.
        let other = pending()?;
        let _watch = callback.register(&other.fence()).map_err(|_| EINVAL)?;
        other.signal(Ok(()));
        assert_eq!(told.load(Acquire), 1);
        Ok(())
    }

    #[test]
    fn a_callback_that_is_taken_back_never_runs() -> Result {
        let pending = pending()?;
        let (told, callback) = told()?;
        let watch = callback.register(&pending.fence()).map_err(|_| EINVAL)?;
        let (others, callback) = self::told()?;
        let _other = callback.register(&pending.fence()).map_err(|_| EINVAL)?;
        drop(watch);
        pending.signal(Ok(()));
        assert_eq!(told.load(Acquire), 0);
        assert_eq!(others.load(Acquire), 1);
        // What the function had is gone with it.
        assert!(Arc::into_unique_or_drop(told).is_some());
        Ok(())
    }

    #[test]
    fn waits_for_another_thread() -> Result {
        let pending = pending()?;
        let fence = pending.fence();
        assert_eq!(fence.wait_interruptible_timeout(0), Err(ETIMEDOUT));
        assert_eq!(fence.wait_interruptible_timeout(1), Err(ETIMEDOUT));
        workqueue::system_dfl().try_spawn(GFP_KERNEL, move || {
            let _signalling = signalling();
            pending.signal(Ok(()));
        })?;
        fence.wait_interruptible()?;
        assert_eq!(fence.result(), Some(Ok(())));
        assert_eq!(fence.wait_interruptible_timeout(0), Ok(0));
        Ok(())
    }

    #[test]
    fn a_callback_is_taken_back_while_another_thread_signals() -> Result {
        for _ in 0..200 {
            let pending = pending()?;
            let fence = pending.fence();
            let (told, callback) = told()?;
            let watch = callback.register(&pending.fence()).map_err(|_| EINVAL)?;
            workqueue::system_dfl().try_spawn(GFP_KERNEL, move || pending.signal(Ok(())))?;
            drop(watch);
            let then = told.load(Acquire);
            fence.wait_interruptible()?;
            assert_eq!(told.load(Acquire), then);
        }
        Ok(())
    }

    #[test]
    fn a_fence_outlives_its_timeline() -> Result {
        let pending = pending()?;
        let fence = pending.fence();
        pending.signal(Ok(()));
        rcu::synchronize_rcu();
        rcu::rcu_barrier();
        assert_eq!(fence.result(), Some(Ok(())));
        Ok(())
    }
}
