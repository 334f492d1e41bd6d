// SPDX-License-Identifier: GPL-2.0

//! Fences of one's own.

use super::Fence;
use crate::{
    alloc::Flags,
    bindings,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        atomic::{
            Atomic,
            Relaxed, //
        },
        Refcount, //
    },
    types::Opaque, //
};
use core::{
    mem::MaybeUninit,
    ptr::{
        self,
        NonNull, //
    },
};

/// As much as `SYNC_IOC_FILE_INFO` has room for.
const NAME_SIZE: usize = 32;

/// A sequence of fences, signalled in the order in which they were armed.
///
/// # Invariants
///
/// - Made by [`FenceContext::new`] only, in memory of `kmalloc()`, which is freed a grace
///   period after `refs` has become zero.
/// - `driver` and `name` end with a NUL.
///
/// # Examples
///
/// ```
/// use kernel::dma_buf::dma_fence::{DriverFenceAllocation, FenceContext};
/// use kernel::prelude::*;
///
/// let timeline = FenceContext::new(c"example", c"queue 0", GFP_KERNEL)?;
///
/// // While it may still fail …
/// let new = DriverFenceAllocation::new(&timeline, GFP_KERNEL)?;
/// // … when the work is handed to the device, under the lock that orders it …
/// let pending = new.arm();
/// let fence = pending.fence();
/// assert_eq!(fence.result(), None);
/// // … and when the device is done.
/// pending.signal(Ok(()));
/// assert_eq!(fence.result(), Some(Ok(())));
/// # Ok::<(), Error>(())
/// ```
pub struct FenceContext {
    rcu: Opaque<bindings::kvfree_rcu_head>,
    refs: Refcount,
    context: u64,
    next: Atomic<u64>,
    driver: [u8; NAME_SIZE],
    name: [u8; NAME_SIZE],
}

impl FenceContext {
    /// Makes a timeline, whose fences user space sees by the names of a driver and of the timeline.
    ///
    /// The names are copied, up to 31 bytes of each.
    ///
    /// Fails with [`ENOMEM`].
    pub fn new(driver: &CStr, name: &CStr, flags: Flags) -> Result<ARef<Self>> {
        let timeline = KBox::new(
            Self {
                rcu: Opaque::uninit(),
                refs: Refcount::new(1),
                // SAFETY: It may be called in any context.
                context: unsafe { bindings::dma_fence_context_alloc(1) },
                next: Atomic::new(1),
                driver: copy_name(driver),
                name: copy_name(name),
            },
            flags,
        )?;
        let timeline = NonNull::from(KBox::leak(timeline));
        // INVARIANT: `KBox` is memory of `kmalloc()`, and `dec_ref()` frees it.
        // SAFETY: The one reference goes to the `ARef`.
        Ok(unsafe { ARef::from_raw(timeline) })
    }

    /// The number of the timeline, which is that of no other in the system.
    pub fn context(&self) -> u64 {
        self.context
    }
}

fn copy_name(name: &CStr) -> [u8; NAME_SIZE] {
    let mut copy = [0; NAME_SIZE];
    for (to, from) in copy.iter_mut().zip(name.to_bytes()).take(NAME_SIZE - 1) {
        *to = *from;
    }
    copy
}

// SAFETY: The timeline lives until its count of references is zero.
unsafe impl AlwaysRefCounted for FenceContext {
    fn inc_ref(&self) {
        self.refs.inc();
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller's reference keeps it until here.
        let rcu = unsafe {
            if !obj.as_ref().refs.dec_and_test() {
                return;
            }
            Opaque::cast_into(&raw const (*obj.as_ptr()).rcu)
        };
        // Whoever found a fence unsignalled may be reading the names; see `Issued`.
        //
        // SAFETY: Nobody else refers to it, it is memory of `kmalloc()`, and nothing in there
        // needs to be dropped.
        unsafe { bindings::kvfree_call_rcu(rcu, obj.as_ptr().cast()) };
    }
}

// SAFETY: It belongs to no task.
unsafe impl Send for FenceContext {}
// SAFETY: Only what is atomic changes.
unsafe impl Sync for FenceContext {}

/// A fence of a timeline in memory.
///
/// # Invariants
///
/// `timeline` is valid until the fence is signalled, and for a grace period after that. C asks for
/// names only if the fence isn't signalled, and uses them in the same RCU read-side critical
/// section.
#[repr(C)]
struct Issued {
    /// First, as `dma_fence_free()` frees the memory by this address.
    fence: Opaque<bindings::dma_fence>,
    timeline: NonNull<FenceContext>,
}

impl Issued {
    /// Without `release` and `wait`, so that a fence which is signalled knows its timeline no more.
    const OPS: &'static bindings::dma_fence_ops = &bindings::dma_fence_ops {
        get_driver_name: Some(Self::get_driver_name),
        get_timeline_name: Some(Self::get_timeline_name),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// To be called by [`Issued::OPS`] only.
    unsafe extern "C" fn get_driver_name(fence: *mut bindings::dma_fence) -> *const c_char {
        // SAFETY: The operations are those of `Issued`, and by its type invariant.
        unsafe { &raw const (*(*fence.cast::<Self>()).timeline.as_ptr()).driver }.cast()
    }

    /// # Safety
    ///
    /// To be called by [`Issued::OPS`] only.
    unsafe extern "C" fn get_timeline_name(fence: *mut bindings::dma_fence) -> *const c_char {
        // SAFETY: The operations are those of `Issued`, and by its type invariant.
        unsafe { &raw const (*(*fence.cast::<Self>()).timeline.as_ptr()).name }.cast()
    }
}

/// A fence that has memory, but no place on its timeline yet.
pub struct DriverFenceAllocation {
    memory: KBox<MaybeUninit<Issued>>,
    timeline: ARef<FenceContext>,
}

impl DriverFenceAllocation {
    /// Allocates a fence of `timeline`.
    ///
    /// Fails with [`ENOMEM`].
    pub fn new(timeline: &FenceContext, flags: Flags) -> Result<Self> {
        Ok(Self {
            memory: KBox::new_uninit(flags)?,
            timeline: timeline.into(),
        })
    }

    /// Puts the fence at the end of its timeline.
    ///
    /// From here on it has to be signalled, after those that were armed earlier: others take the
    /// latest for all of them. Order the calls by the lock under which the work is handed to the
    /// device.
    ///
    /// Does not allocate, and can be called in any context but NMI.
    pub fn arm(self) -> DriverFence {
        let Self { memory, timeline } = self;
        let seqno = timeline.next.fetch_add(1, Relaxed);

        // INVARIANT: `DriverFence` refers to the timeline until it has signalled the fence, and a
        // timeline outlasts its last reference by a grace period.
        let issued = KBox::into_raw(KBox::write(
            memory,
            Issued {
                fence: Opaque::uninit(),
                timeline: NonNull::from(&*timeline),
            },
        ));
        // SAFETY: `issued` is valid.
        let fence = unsafe { Opaque::cast_into(&raw const (*issued).fence) };
        // SAFETY: The memory is the fence's now, which without `release` is freed as memory of
        // `kmalloc()` by the address of `fence`, that of `issued`. It uses its own lock.
        unsafe {
            bindings::dma_fence_init64(fence, Issued::OPS, ptr::null_mut(), timeline.context, seqno)
        };
        // SAFETY: It is not null, and has been initialised with one reference, given to the `ARef`.
        let fence = unsafe { ARef::from_raw(NonNull::new_unchecked(fence.cast::<Fence>())) };
        // INVARIANT: It has not been signalled.
        DriverFence {
            result: Err(ECANCELED),
            fence,
            _timeline: timeline,
        }
    }
}

// SAFETY: The memory holds nothing yet.
unsafe impl Send for DriverFenceAllocation {}
// SAFETY: A shared `DriverFenceAllocation` gives access to nothing.
unsafe impl Sync for DriverFenceAllocation {}

/// A fence that is to be signalled.
///
/// One that is dropped is signalled with [`ECANCELED`], so none can be forgotten.
///
/// # Invariants
///
/// `fence` is an `Issued` of the timeline, and not signalled.
pub struct DriverFence {
    result: Result,
    fence: ARef<Fence>,
    _timeline: ARef<FenceContext>,
}

impl DriverFence {
    /// The fence, for those who wait.
    pub fn fence(&self) -> ARef<Fence> {
        self.fence.clone()
    }

    /// Signals the fence: wakes who waits, and runs callbacks.
    ///
    /// Callable in any context but NMI, but not in a [`FenceCallback`](super::FenceCallback) of a
    /// fence, and not with a lock held that a callback takes.
    pub fn signal(mut self, result: Result) {
        self.result = result;
    }
}

impl Drop for DriverFence {
    fn drop(&mut self) {
        let fence = self.fence.as_raw();
        if let Err(err) = self.result {
            // SAFETY: By the type invariant nobody has signalled it, so nobody reads the error. We
            // alone write it.
            unsafe { bindings::dma_fence_set_error(fence, err.to_errno()) };
        }
        // SAFETY: The fence is valid. Our reference to the timeline goes after this.
        unsafe { bindings::dma_fence_signal(fence) };
    }
}

#[macros::kunit_tests(rust_dma_fence_context)]
mod tests {
    use super::*;
    use crate::sync::rcu;

    fn timeline() -> Result<ARef<FenceContext>> {
        FenceContext::new(c"rust_dma_fence_context", c"test", GFP_KERNEL)
    }

    #[test]
    fn fences_are_numbered_as_they_are_armed() -> Result {
        let timeline = timeline()?;
        let late = DriverFenceAllocation::new(&timeline, GFP_KERNEL)?;
        let early = DriverFenceAllocation::new(&timeline, GFP_KERNEL)?
            .arm()
            .fence();
        let late = late.arm().fence();
        assert_eq!(early.context(), timeline.context());
        assert_eq!(late.context(), timeline.context());
        assert_eq!(early.seqno() + 1, late.seqno());
        Ok(())
    }

    #[test]
    fn timelines_have_numbers_of_their_own() -> Result {
        assert!(timeline()?.context() != timeline()?.context());
        Ok(())
    }

    #[test]
    fn names_are_cut() {
        let long = c"0123456789012345678901234567890123456789";
        assert!(copy_name(long).starts_with(b"0123456789012345678901234567890\0"));
        assert!(copy_name(c"short").starts_with(b"short\0"));
    }

    #[test]
    fn a_fence_tells_its_names_until_it_is_signaled() -> Result {
        let has_names = |fence: &Fence| {
            let _guard = rcu::read_lock();
            // SAFETY: The fence is valid, and the names are used under RCU.
            let (driver, name) = unsafe {
                (
                    CStr::from_char_ptr(bindings::dma_fence_driver_name(fence.as_raw())),
                    CStr::from_char_ptr(bindings::dma_fence_timeline_name(fence.as_raw())),
                )
            };
            driver == c"rust_dma_fence_context" && name == c"test"
        };
        let pending = DriverFenceAllocation::new(&*timeline()?, GFP_KERNEL)?.arm();
        let fence = pending.fence();
        assert!(has_names(&fence));
        drop(pending);
        assert!(!has_names(&fence));
        Ok(())
    }
}
