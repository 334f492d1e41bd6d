// SPDX-License-Identifier: GPL-2.0

//! Fences that whoever uses a buffer has to wait for.
//!
//! A [`Resv`] is the lock of a buffer and the list of its fences. Who hands work on several buffers
//! to a device locks all of them by [`lock_all`], reads the fences to wait for, reserves a place
//! for its own ([`Locked::reserve_fences`]), and adds it when nothing can fail any more
//! ([`Locked::add_fence`]).
//!
//! C header: [`include/linux/dma-resv.h`](srctree/include/linux/dma-resv.h)

use super::dma_fence::Fence;
use crate::{
    bindings,
    error::to_result,
    prelude::*,
    sync::aref::ARef,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};
use core::{
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
};

/// What a fence has to do with a buffer.
///
/// Who asks for the fences of one usage gets those of the usages before it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Usage {
    /// The kernel moves or clears the memory; everyone waits for that.
    Kernel = bindings::dma_resv_usage_DMA_RESV_USAGE_KERNEL,
    /// A device writes to the buffer, and those who read or write it wait.
    Write = bindings::dma_resv_usage_DMA_RESV_USAGE_WRITE,
    /// A device reads the buffer, and those who write it wait.
    Read = bindings::dma_resv_usage_DMA_RESV_USAGE_READ,
    /// A device uses the memory, but nobody else's work waits for it.
    Bookkeep = bindings::dma_resv_usage_DMA_RESV_USAGE_BOOKKEEP,
}

/// The reservation object of a buffer.
///
/// Wraps the kernel's `struct dma_resv`.
///
/// # Invariants
///
/// The object is initialised.
///
/// # Examples
///
/// ```
/// use kernel::dma_buf::dma_fence::Fence;
/// use kernel::dma_buf::resv::{lock_all, Resv, Usage};
/// use kernel::prelude::*;
/// use kernel::sync::aref::ARef;
///
/// /// Lets `fence` stand for work that reads `from` and writes `to`, and returns what the work has
/// /// to wait for.
/// fn copy(from: &Resv, to: &Resv, fence: &Fence) -> Result<[KVec<ARef<Fence>>; 2]> {
///     let locked = lock_all(&[from, to])?;
///     let (from, to) = (locked.get(0).ok_or(EINVAL)?, locked.get(1).ok_or(EINVAL)?);
///     let wait_for = [from.fences(Usage::Write)?, to.fences(Usage::Read)?];
///
///     from.reserve_fences(1)?;
///     to.reserve_fences(1)?;
///     from.add_fence(fence, Usage::Read)?;
///     to.add_fence(fence, Usage::Write)?;
///     Ok(wait_for)
/// }
/// ```
#[repr(transparent)]
#[pin_data(PinnedDrop)]
pub struct Resv {
    #[pin]
    inner: Opaque<bindings::dma_resv>,
}

impl Resv {
    /// A reservation object without fences.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // INVARIANT: dma_resv_init() initialises it.
            // SAFETY: `slot` is valid, and stays where it is.
            inner <- Opaque::ffi_init(|slot| unsafe { bindings::dma_resv_init(slot) }),
        })
    }

    /// Makes a reference of a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to an initialised reservation object that stays valid for `'a`.
    pub unsafe fn from_raw<'a>(ptr: *mut bindings::dma_resv) -> &'a Self {
        // INVARIANT: The caller promises it.
        // SAFETY: As the caller promises; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// The C object.
    pub fn as_raw(&self) -> *mut bindings::dma_resv {
        self.inner.get()
    }

    /// Locks the object.
    ///
    /// Sleeps. Who holds the lock of another, or a [`LockSet`], risks a deadlock: use [`lock_all`]
    /// for several.
    pub fn lock(&self) -> Guard<'_> {
        // SAFETY: By the type invariant. Without a context this cannot fail.
        unsafe { bindings::dma_resv_lock(self.as_raw(), ptr::null_mut()) };
        // INVARIANT: Locked above.
        Guard {
            resv: self,
            _not_send: NotThreadSafe,
        }
    }

    /// The fences for `usage` that are not signalled.
    ///
    /// Without the lock, others may be adding some.
    ///
    /// Fails with [`ENOMEM`]. Sleeps.
    pub fn fences(&self, usage: Usage) -> Result<KVec<ARef<Fence>>> {
        let mut count = 0;
        let mut array = ptr::null_mut();
        // SAFETY: By the type invariant; both results are valid.
        to_result(unsafe {
            bindings::dma_resv_get_fences(self.as_raw(), usage as u32, &mut count, &mut array)
        })?;
        if array.is_null() {
            return Ok(KVec::new());
        }

        let count = usize::try_from(count)?;
        // SAFETY: The array is ours, and memory of `kmalloc()`; `count` pointers are in it, and
        // there is room for another.
        let array = unsafe { KVec::from_raw_parts(array, count, count + 1) };
        let mut fences = KVec::new();
        let reserved = fences.reserve(count, GFP_KERNEL);
        for raw in array {
            let raw = NonNull::new(raw.cast::<Fence>()).ok_or(EINVAL)?;
            // SAFETY: Each pointer comes with a reference, which goes to the `ARef`.
            let fence = unsafe { ARef::from_raw(raw) };
            if reserved.is_ok() {
                fences.push_within_capacity(fence)?;
            }
        }
        reserved?;
        Ok(fences)
    }

    /// Waits until all fences for `usage` are signalled. Sleeps.
    ///
    /// Fails with [`ERESTARTSYS`] if a signal arrives first.
    pub fn wait(&self, usage: Usage) -> Result {
        // SAFETY: By the type invariant.
        let left = unsafe {
            bindings::dma_resv_wait_timeout(self.as_raw(), usage as u32, true, usize::MAX >> 1)
        };
        to_result(left.min(0) as c_int)
    }

    /// Whether all fences for `usage` are signalled. Without the lock, others may be adding some.
    pub fn is_signaled(&self, usage: Usage) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_resv_test_signaled(self.as_raw(), usage as u32) }
    }
}

#[pinned_drop]
impl PinnedDrop for Resv {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant, and nobody refers to the object any more.
        unsafe { bindings::dma_resv_fini(self.as_raw()) };
    }
}

// SAFETY: An object that isn't locked belongs to no task.
unsafe impl Send for Resv {}
// SAFETY: The object has a lock, and its list can be read under RCU without.
unsafe impl Sync for Resv {}

/// A reservation object that the current task has locked.
///
/// # Invariants
///
/// A reference to it means that the current task holds the lock.
#[repr(transparent)]
pub struct Locked {
    resv: Resv,
    _not_sync: NotThreadSafe,
}

impl Locked {
    /// Makes a reference of a pointer, for callbacks that are called with the lock held.
    ///
    /// # Safety
    ///
    /// `ptr` must point to an initialised reservation object that stays valid and locked by the
    /// current task for `'a`.
    pub unsafe fn from_raw<'a>(ptr: *mut bindings::dma_resv) -> &'a Self {
        // INVARIANT: The caller promises it.
        // SAFETY: As the caller promises; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// Makes room for `count` fences, so that [`add_fence`](Self::add_fence) does not allocate.
    ///
    /// The room is there until the lock is released. A second call doesn't add to the first: at
    /// least `count` fences can be added after it.
    ///
    /// Fails with [`ENOMEM`]. Sleeps.
    pub fn reserve_fences(&self, count: u16) -> Result {
        if count == 0 {
            return Ok(());
        }
        // A `u16` keeps the sums within the 32 bits that the C function has for them.
        //
        // SAFETY: By the type invariant.
        to_result(unsafe { bindings::dma_resv_reserve_fences(self.as_raw(), count.into()) })
    }

    /// Adds a fence. It takes the place of earlier ones of its timeline.
    ///
    /// Does neither allocate nor fail if room was reserved and `fence` is one of a
    /// [`FenceContext`](super::dma_fence::FenceContext); otherwise it may sleep, and fails with
    /// [`ENOMEM`], or with [`EINVAL`] for a fence that stands for several others.
    pub fn add_fence(&self, fence: &Fence, usage: Usage) -> Result {
        if fence.is_container() {
            return Err(EINVAL);
        }
        // Without room the C function would stop the machine. It is asked for here, where nothing
        // can have used up what the caller reserved.
        self.reserve_fences(1)?;
        // SAFETY: By the type invariants of both, and there is room.
        unsafe { bindings::dma_resv_add_fence(self.as_raw(), fence.as_raw(), usage as u32) };
        Ok(())
    }
}

impl Deref for Locked {
    type Target = Resv;

    fn deref(&self) -> &Resv {
        &self.resv
    }
}

/// The lock of one reservation object.
///
/// # Invariants
///
/// The current task has locked `resv`, without a context.
#[must_use = "the lock is released when the guard is dropped"]
pub struct Guard<'a> {
    resv: &'a Resv,
    _not_send: NotThreadSafe,
}

impl Deref for Guard<'_> {
    type Target = Locked;

    fn deref(&self) -> &Locked {
        // SAFETY: By the type invariants.
        unsafe { Locked::from_raw(self.resv.as_raw()) }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_resv_unlock(self.resv.as_raw()) };
    }
}

/// What the lock of several reservation objects at once tells deadlocks by.
///
/// # Invariants
///
/// The context is initialised.
#[pin_data(PinnedDrop)]
struct AcquireContext {
    #[pin]
    inner: Opaque<bindings::ww_acquire_ctx>,
}

impl AcquireContext {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // INVARIANT: ww_acquire_init() initialises it.
            // SAFETY: `slot` is valid, and stays where it is.
            inner <- Opaque::ffi_init(|slot| unsafe {
                bindings::ww_acquire_init(slot, &raw mut bindings::reservation_ww_class)
            }),
        })
    }
}

#[pinned_drop]
impl PinnedDrop for AcquireContext {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant; `LockSet` has released what was locked with it, in the
        // task that made it.
        unsafe { bindings::ww_acquire_fini(self.inner.get()) };
    }
}

/// The locks of several reservation objects.
///
/// Made by [`lock_all`].
///
/// # Invariants
///
/// - The current task has locked those in `held`, each once, with `context`.
/// - After [`lock_all`], all in `resvs` are in `held`.
#[must_use = "the locks are released when the set is dropped"]
pub struct LockSet<'a> {
    resvs: KVec<&'a Resv>,
    held: KVec<&'a Resv>,
    context: Pin<KBox<AcquireContext>>,
    _not_send: NotThreadSafe,
}

/// Locks all of `resvs`, in whatever order others lock them.
///
/// The same object may be there several times.
///
/// Who holds the lock of a reservation object, or another [`LockSet`], risks a deadlock.
///
/// Fails with [`EINTR`] if a signal arrives, with [`ENOMEM`]. Sleeps.
pub fn lock_all<'a>(resvs: &[&'a Resv]) -> Result<LockSet<'a>> {
    let mut set = LockSet::new(resvs)?;
    let mut contended = None;
    while let Some(resv) = set.lock(contended)? {
        set.unlock();
        contended = Some(resv);
    }
    // SAFETY: The context is initialised, and this is the first call.
    unsafe { bindings::ww_acquire_done(set.context.inner.get()) };
    // INVARIANT: `set.lock()` has locked all.
    Ok(set)
}

impl<'a> LockSet<'a> {
    /// Allocates what it takes, and locks nothing.
    fn new(resvs: &[&'a Resv]) -> Result<Self> {
        let mut all = KVec::new();
        all.extend_from_slice(resvs, GFP_KERNEL)?;
        Ok(Self {
            resvs: all,
            // One more: an object gets its place before it is found to be locked already.
            held: KVec::with_capacity(resvs.len() + 1, GFP_KERNEL)?,
            context: KBox::pin_init(AcquireContext::new(), GFP_KERNEL)?,
            _not_send: NotThreadSafe,
        })
    }

    /// Locks all, the `contended` one first. Returns another that is contended and because of which
    /// all have to be unlocked, if there is one.
    fn lock(&mut self, contended: Option<&'a Resv>) -> Result<Option<&'a Resv>> {
        let context = self.context.inner.get();
        if let Some(resv) = contended {
            // SAFETY: Both are valid, and none is locked with this context.
            self.hold(resv, |raw| unsafe {
                bindings::dma_resv_lock_slow_interruptible(raw, context)
            })?;
        }
        for index in 0..self.resvs.len() {
            let resv = self.resvs[index];
            // SAFETY: Both are valid.
            let locked = self.hold(resv, |raw| unsafe {
                bindings::dma_resv_lock_interruptible(raw, context)
            });
            match locked {
                Err(EDEADLK) => return Ok(Some(resv)),
                Ok(()) | Err(EALREADY) => {}
                Err(err) => return Err(err),
            }
        }
        Ok(None)
    }

    /// Locks one, and notes it.
    fn hold(
        &mut self,
        resv: &'a Resv,
        lock: impl FnOnce(*mut bindings::dma_resv) -> c_int,
    ) -> Result {
        self.held.push_within_capacity(resv)?;
        to_result(lock(resv.as_raw())).inspect_err(|_| {
            self.held.pop();
        })
    }

    fn unlock(&mut self) {
        while let Some(resv) = self.held.pop() {
            // SAFETY: By the type invariant.
            unsafe { bindings::dma_resv_unlock(resv.as_raw()) };
        }
    }

    /// The object at `index` of what [`lock_all`] was given.
    pub fn get(&self, index: usize) -> Option<&Locked> {
        let resv = self.resvs.get(index)?;
        // SAFETY: By the type invariants.
        Some(unsafe { Locked::from_raw(resv.as_raw()) })
    }

    /// All objects, each of them once.
    pub fn iter(&self) -> impl Iterator<Item = &Locked> {
        self.held
            .iter()
            // SAFETY: By the type invariants.
            .map(|resv| unsafe { Locked::from_raw(resv.as_raw()) })
    }
}

impl Drop for LockSet<'_> {
    fn drop(&mut self) {
        self.unlock();
    }
}

#[macros::kunit_tests(rust_dma_resv)]
mod tests {
    use super::*;
    use crate::{
        dma_buf::dma_fence::{
            DriverFence,
            DriverFenceAllocation,
            FenceContext, //
        },
        sync::{
            Arc,
            Completion, //
        },
        workqueue, //
    };

    fn resv() -> Result<Pin<KBox<Resv>>> {
        KBox::pin_init(Resv::new(), GFP_KERNEL)
    }

    /// Fences of timelines of their own, so that none takes the place of another.
    fn pending() -> Result<DriverFence> {
        let timeline = FenceContext::new(c"rust_dma_resv", c"test", GFP_KERNEL)?;
        Ok(DriverFenceAllocation::new(&timeline, GFP_KERNEL)?.arm())
    }

    #[test]
    fn fences_are_found_by_usage() -> Result {
        let usages = [Usage::Bookkeep, Usage::Read, Usage::Write, Usage::Kernel];
        let resv = resv()?;
        assert_eq!(resv.fences(Usage::Bookkeep)?.len(), 0);
        assert!(resv.is_signaled(Usage::Bookkeep));

        let mut works = KVec::new();
        let locked = resv.lock();
        locked.reserve_fences(4)?;
        for usage in usages {
            let work = pending()?;
            locked.add_fence(&work.fence(), usage)?;
            works.push(work, GFP_KERNEL)?;
        }
        drop(locked);
        for (usage, count) in usages.into_iter().zip([4, 3, 2, 1]) {
            assert_eq!(resv.fences(usage)?.len(), count);
        }

        let kernel = works.pop().ok_or(EINVAL)?;
        let found = resv.lock().fences(Usage::Kernel)?;
        assert_eq!(found[0].context(), kernel.fence().context());
        assert!(!resv.is_signaled(Usage::Kernel));
        kernel.signal(Ok(()));
        assert!(resv.is_signaled(Usage::Kernel) && !resv.is_signaled(Usage::Write));
        assert_eq!(resv.fences(Usage::Kernel)?.len(), 0);
        drop(works);
        assert_eq!(resv.fences(Usage::Bookkeep)?.len(), 0);
        Ok(())
    }

    #[test]
    fn later_fences_take_the_place_of_earlier_ones() -> Result {
        let timeline = FenceContext::new(c"rust_dma_resv", c"test", GFP_KERNEL)?;
        let resv = resv()?;
        let locked = resv.lock();
        let early = DriverFenceAllocation::new(&timeline, GFP_KERNEL)?.arm();
        let late = DriverFenceAllocation::new(&timeline, GFP_KERNEL)?.arm();
        for work in [&early, &late] {
            locked.add_fence(&work.fence(), Usage::Write)?;
        }
        let found = locked.fences(Usage::Write)?;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].seqno(), late.fence().seqno());
        Ok(())
    }

    #[test]
    fn fences_can_be_added_without_a_reservation() -> Result {
        let resv = resv()?;
        let mut works = KVec::new();
        for _ in 0..100 {
            let work = pending()?;
            resv.lock().add_fence(&work.fence(), Usage::Read)?;
            works.push(work, GFP_KERNEL)?;
        }
        assert_eq!(resv.fences(Usage::Read)?.len(), 100);
        Ok(())
    }

    #[test]
    fn reserves_as_much_as_can_be_asked_for() -> Result {
        let resv = resv()?;
        let locked = resv.lock();
        locked.reserve_fences(0)?;
        locked.reserve_fences(u16::MAX)?;
        locked.reserve_fences(1)
    }

    #[test]
    fn locks_an_object_that_is_named_twice() -> Result {
        let (one, other) = (resv()?, resv()?);
        assert_eq!(lock_all(&[])?.iter().count(), 0);
        for _ in 0..50 {
            let set = lock_all(&[&one, &other, &one, &one])?;
            assert_eq!(set.iter().count(), 2);
            let again = set.get(2).ok_or(EINVAL)?;
            assert!(ptr::eq(again.as_raw(), one.as_raw()));
            assert!(set.get(4).is_none());
        }
        // They are unlocked again.
        drop(one.lock());
        drop(other.lock());
        Ok(())
    }

    #[pin_data]
    struct Shared {
        #[pin]
        resvs: [Resv; 3],
        #[pin]
        done: Completion,
    }

    #[test]
    fn locks_in_opposite_orders() -> Result {
        fn lock_often(order: [&Resv; 4]) -> Result {
            for _ in 0..2000 {
                let set = lock_all(&order)?;
                set.get(1).ok_or(EINVAL)?.reserve_fences(1)?;
            }
            Ok(())
        }

        let init = pin_init!(Shared {
            resvs <- pin_init::pin_init_array_from_fn(|_| Resv::new()),
            done <- Completion::new(),
        });
        let shared = Arc::pin_init(init, GFP_KERNEL)?;
        let theirs = shared.clone();
        workqueue::system_dfl().try_spawn(GFP_KERNEL, move || {
            let [a, b, c] = &theirs.resvs;
            if lock_often([c, b, a, b]).is_err() {
                pr_err!("could not lock\n");
            }
            theirs.done.complete_all();
        })?;
        let [a, b, c] = &shared.resvs;
        let ours = lock_often([a, b, c, a]);
        shared.done.wait_for_completion();
        ours
    }
}
