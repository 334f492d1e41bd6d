// SPDX-License-Identifier: GPL-2.0

//! The one way from the core, which is not generic, to a driver, which is a type.

use super::{
    driver::{
        Driver,
        QueueRequest, //
    },
    region::Region, //
};
use crate::{
    module::{
        this_module,
        ModuleMetadata, //
    },
    prelude::*,
    uaccess::UserPtr,
    ustruct,
    ThisModule, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// A driver's `T::Data`, without its type.
#[derive(Copy, Clone)]
pub(super) struct Data(NonNull<c_void>);

impl Data {
    pub(super) fn of<T: Driver>(data: &T::Data<'_>) -> Self {
        Self(NonNull::from(data).cast())
    }

    pub(super) fn from_raw(ptr: *mut c_void) -> Option<Self> {
        NonNull::new(ptr).map(Self)
    }

    pub(super) fn as_raw(self) -> *mut c_void {
        self.0.as_ptr()
    }

    /// # Safety
    ///
    /// `self` must have been made from a `T::Data` that lives for `'a`.
    unsafe fn get<'a, T: Driver>(self) -> &'a T::Data<'a> {
        // SAFETY: By the requirement of this function. Lifetimes do not affect layout, and the
        // callers are generic over `'a`, as the driver's callbacks are, so that nobody can choose
        // one that lets a borrow escape.
        unsafe { self.0.cast().as_ref() }
    }
}

/// A driver's `T::Queue`, without its type.
///
/// # Invariants
///
/// `queue` came from a box of what `ops` is the table of.
pub(super) struct DriverQueue {
    queue: NonNull<c_void>,
    ops: &'static Ops,
}

impl DriverQueue {
    /// Has the driver stop the queue and give its hardware back.
    ///
    /// # Safety
    ///
    /// `data` must be of the device that made the queue, and live. Not to be called again once it
    /// has succeeded.
    pub(super) unsafe fn destroy(&self, data: Data) -> Result {
        // SAFETY: By the requirements of this function and the type invariant.
        unsafe { (self.ops.queue_destroy)(data, self.queue) }
    }
}

impl Drop for DriverQueue {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { (self.ops.queue_drop)(self.queue) };
    }
}

// SAFETY: `Driver::Queue` is `Send`.
unsafe impl Send for DriverQueue {}
// SAFETY: `Driver::Queue` is `Sync`.
unsafe impl Sync for DriverQueue {}

/// A queue that the driver has made.
pub(super) struct Created {
    pub(super) queue: DriverQueue,
    pub(super) depth: u32,
    pub(super) regions: KVec<Region>,
}

/// What the core knows of a queue that it asks for.
pub(super) struct Wanted {
    pub(super) id: u32,
    pub(super) depth: u32,
    pub(super) pasid: u32,
    pub(super) args: Args,
}

/// Bytes that a driver's struct has at most.
const ARGS_MAX: usize = 128;

/// The driver's struct, copied from user memory before the device is entered: user memory may keep
/// whoever touches it waiting for as long as its owner likes.
pub(super) struct Args([u8; ARGS_MAX]);

impl Args {
    /// Reads the struct; zeroes if there is none.
    pub(super) fn read(ops: &Ops, from: UserPtr, size: u32) -> Result<Self> {
        let mut args = Self([0; ARGS_MAX]);
        if size == 0 {
            return Ok(args);
        }
        // What the struct says of itself has to agree with what was said beside it.
        if ustruct::size(from)? != size {
            return Err(EINVAL);
        }
        ustruct::read_bytes(from, ops.args_min, &mut args.0[..ops.args_size])?;
        Ok(args)
    }

    fn get<T: FromBytes + IntoBytes>(&self) -> T {
        const { assert!(size_of::<T>() >= size_of::<u32>() && size_of::<T>() <= ARGS_MAX) };
        let mut value = T::new_zeroed();
        value
            .as_mut_bytes()
            .copy_from_slice(&self.0[..size_of::<T>()]);
        value
    }
}

/// A driver, as the core calls it.
pub(super) struct Ops {
    pub(super) owner: &'static ThisModule,
    pub(super) name: &'static CStr,
    args_min: usize,
    args_size: usize,
    /// # Safety
    ///
    /// `Data` must be of a device of this driver, and live.
    pub(super) queue_create: unsafe fn(Data, &Wanted) -> Result<Created>,
    queue_destroy: unsafe fn(Data, NonNull<c_void>) -> Result,
    /// # Safety
    ///
    /// `Data` must be of a device of this driver, and live.
    pub(super) halt: unsafe fn(Data),
    queue_drop: unsafe fn(NonNull<c_void>),
}

/// Makes the table of a driver.
pub(super) struct Table<T>(PhantomData<T>);

impl<T: Driver> Table<T> {
    pub(super) const OPS: &'static Ops = &Ops {
        owner: this_module::<T::OwnerModule>(),
        name: T::OwnerModule::NAME,
        args_min: T::QUEUE_ARGS_MIN,
        args_size: size_of::<T::QueueArgs>(),
        queue_create: Self::queue_create,
        queue_destroy: Self::queue_destroy,
        halt: Self::halt,
        queue_drop: Self::queue_drop,
    };

    /// # Safety
    ///
    /// See [`Ops::queue_create`].
    unsafe fn queue_create(data: Data, wanted: &Wanted) -> Result<Created> {
        let args = wanted.args.get::<T::QueueArgs>();
        let request = QueueRequest {
            id: wanted.id,
            depth: wanted.depth,
            pasid: wanted.pasid,
            args: &args,
        };

        // SAFETY: By the requirements of `Ops::queue_create`.
        let data = unsafe { data.get::<T>() };
        // Allocated first, so that nothing can fail once the driver has made the queue.
        let room = KBox::<T::Queue>::new_uninit(GFP_KERNEL)?;
        let new = T::queue_create(data, &request)?;
        let queue = KBox::into_raw(room.write(new.queue));

        Ok(Created {
            // INVARIANT: From a box of this driver's queue.
            queue: DriverQueue {
                // SAFETY: A box is never null.
                queue: unsafe { NonNull::new_unchecked(queue) }.cast(),
                ops: Self::OPS,
            },
            depth: new.depth,
            regions: new.regions,
        })
    }

    /// # Safety
    ///
    /// See [`DriverQueue::destroy`]; `queue` is that of a [`DriverQueue`].
    unsafe fn queue_destroy(data: Data, queue: NonNull<c_void>) -> Result {
        // SAFETY: By the requirements of `DriverQueue::destroy` and the invariant of `DriverQueue`.
        let (data, queue) = unsafe { (data.get::<T>(), queue.cast::<T::Queue>().as_ref()) };
        T::queue_destroy(data, queue)
    }

    /// # Safety
    ///
    /// See [`Ops::halt`].
    unsafe fn halt(data: Data) {
        // SAFETY: By the requirements of `Ops::halt`.
        T::halt(unsafe { data.get::<T>() });
    }

    /// # Safety
    ///
    /// `queue` must be that of a [`DriverQueue`] that is being dropped.
    unsafe fn queue_drop(queue: NonNull<c_void>) {
        // SAFETY: By the invariant of `DriverQueue`, which calls this once.
        drop(unsafe { KBox::from_raw(queue.cast::<T::Queue>().as_ptr()) });
    }
}
