// SPDX-License-Identifier: GPL-2.0

//! The one way from the core, which is not generic, to a driver, which is a type.

use super::{
    attributes,
    buffers::Buffers,
    device::Device,
    driver::{
        AddressMode,
        ContextRequest,
        Driver,
        Progress,
        QueueRequest,
        Sensor, //
    },
    ioctl::Shape,
    region::Region,
    service::{
        Operation,
        ServiceOps, //
    },
    submission::{
        RawTicket,
        Ready,
        SubmissionOps, //
    },
};
use crate::{
    dma::scatter::Segment,
    module::{
        this_module,
        ModuleMetadata, //
    },
    prelude::*,
    sync::{
        Arc,
        UniqueArc, //
    },
    sysfs,
    uaccess::UserPtr,
    ustruct,
    ThisModule, //
};
use core::{
    any::TypeId,
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
    pub(super) unsafe fn get<'a, T: Driver>(self) -> &'a T::Data<'a> {
        // SAFETY: By the requirement of this function. Lifetimes do not affect layout, and the
        // callers are generic over `'a`, as the driver's callbacks are, so that nobody can choose
        // one that lets a borrow escape.
        unsafe { self.0.cast().as_ref() }
    }
}

/// A driver's `T::Context`, without its type.
///
/// # Invariants
///
/// `context` came from a box of what `ops` is the table of.
pub(super) struct DriverContext {
    context: NonNull<c_void>,
    ops: &'static Ops,
}

impl DriverContext {
    /// Has the driver take back what the device has for the context.
    ///
    /// # Safety
    ///
    /// `data` must be of the device that made the context, and live. To be called once, at the end.
    pub(super) unsafe fn destroy(&self, data: Data) {
        // SAFETY: By the requirements of this function and the type invariant.
        unsafe { (self.ops.context_destroy)(data, self.context) }
    }

    /// Calls the driver's own ioctl of this index.
    ///
    /// # Safety
    ///
    /// `data` must be of the device that made the context, and live.
    pub(super) unsafe fn ioctl(&self, data: Data, index: usize, arg: &mut [u8]) -> Result {
        // SAFETY: By the requirements of this function and the type invariant.
        unsafe { (self.ops.context_ioctl)(data, self.context, index, arg) }
    }
}

impl Drop for DriverContext {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { (self.ops.context_drop)(self.context) };
    }
}

// SAFETY: `Driver::Context` is `Send`.
unsafe impl Send for DriverContext {}
// SAFETY: `Driver::Context` is `Sync`.
unsafe impl Sync for DriverContext {}

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

    /// The same for a queue that does not end its jobs. Fails with [`EOPNOTSUPP`] if the driver has
    /// no means for it.
    ///
    /// # Safety
    ///
    /// As for [`destroy`](Self::destroy).
    pub(super) unsafe fn abort(&self, data: Data) -> Result {
        let abort = self.ops.queue_abort.ok_or(EOPNOTSUPP)?;
        // SAFETY: By the requirements of this function and the type invariant.
        unsafe { abort(data, self.queue) }
    }

    /// Asks the driver what the queue has done. `None` if it never can tell.
    ///
    /// # Safety
    ///
    /// `data` must be of the device that made the queue, and live, and the queue not destroyed.
    pub(super) unsafe fn progress(&self, data: Data) -> Option<Result<Progress>> {
        let progress = self.ops.queue_progress?;
        // SAFETY: By the requirements of this function and the type invariant.
        Some(unsafe { progress(data, self.queue) })
    }

    /// Has the driver check a job, and make it ready.
    ///
    /// # Safety
    ///
    /// `data` must be of the device that made the queue, and live, and `ops` of its driver.
    pub(super) unsafe fn prepare(
        &self,
        data: Data,
        ops: &SubmissionOps,
        job: &[u8],
        buffers: &Arc<Buffers>,
    ) -> Result<KBox<dyn Ready>> {
        // SAFETY: By the requirements of this function and the type invariant.
        unsafe { (ops.prepare)(data, self.queue, job, buffers) }
    }

    /// Has the driver make a request of a client ready.
    ///
    /// # Safety
    ///
    /// As for [`prepare`](Self::prepare).
    pub(super) unsafe fn prepare_request(
        &self,
        data: Data,
        ops: &ServiceOps,
        operation: Operation,
        source: &[Segment],
        dest: &[Segment],
    ) -> Result<KBox<dyn Ready>> {
        // SAFETY: By the requirements of this function and the type invariant.
        unsafe { (ops.prepare)(data, self.queue, operation, source, dest) }
    }

    /// Has the driver hand a job to the device.
    ///
    /// # Safety
    ///
    /// As for [`progress`](Self::progress). The driver must have prepared `job`.
    pub(super) unsafe fn submit(
        &self,
        data: Data,
        job: &dyn Ready,
        ticket: RawTicket,
    ) -> Result<(), RawTicket> {
        // SAFETY: By the requirements of this function and the type invariant.
        unsafe { job.submit(data, self.queue, ticket) }
    }

    /// Calls the driver's own ioctl of this index.
    ///
    /// # Safety
    ///
    /// As for [`progress`](Self::progress).
    pub(super) unsafe fn ioctl(&self, data: Data, index: usize, arg: &mut [u8]) -> Result {
        // SAFETY: By the requirements of this function and the type invariant.
        unsafe { (self.ops.queue_ioctl)(data, self.queue, index, arg) }
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
    pub(super) queue: Arc<DriverQueue>,
    pub(super) depth: u32,
    pub(super) regions: KVec<Region>,
}

/// What the core knows of a queue that it asks for.
pub(super) struct Wanted<'a> {
    pub(super) device: &'a Arc<Device>,
    pub(super) id: u32,
    pub(super) depth: u32,
    pub(super) priority: u32,
    pub(super) mode: AddressMode,
    pub(super) pasid: u32,
    pub(super) context: &'a DriverContext,
    pub(super) args: Args,
}

/// Bytes that a driver's struct has at most.
pub(super) const ARGS_MAX: usize = 128;

/// The driver's struct, copied from user memory before the device is entered: user memory may keep
/// whoever touches it waiting for as long as its owner likes.
pub(super) struct Args([u8; ARGS_MAX]);

impl Args {
    /// This struct of a driver's.
    pub(super) fn of<T: FromBytes + IntoBytes>(args: T) -> Self {
        const { assert!(size_of::<T>() <= ARGS_MAX) };
        let mut this = Self([0; ARGS_MAX]);
        let mut args = args;
        let bytes = args.as_mut_bytes();
        this.0[..bytes.len()].copy_from_slice(bytes);
        this
    }

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

type QueueProgress = unsafe fn(Data, NonNull<c_void>) -> Result<Progress>;

/// A driver, as the core calls it.
///
/// In each function `Data` must be of a device of this driver, and live, and a context or queue
/// one that this driver has made and that was not dropped.
pub(super) struct Ops {
    pub(super) driver: fn() -> TypeId,
    pub(super) owner: &'static ThisModule,
    pub(super) name: &'static CStr,
    args_min: usize,
    args_size: usize,
    pub(super) submission: Option<SubmissionOps>,
    pub(super) service: Option<ServiceOps>,
    pub(super) sensors: &'static [Sensor],
    pub(super) attributes: sysfs::Groups<Arc<Device>>,
    /// Number and struct of the driver's own ioctls on contexts, by index.
    pub(super) context_shape: fn(usize) -> Option<Shape>,
    /// The same on queues.
    pub(super) queue_shape: fn(usize) -> Option<Shape>,
    pub(super) start: unsafe fn(Data, &Arc<Device>) -> Result,
    pub(super) context_create: unsafe fn(Data, &ContextRequest<'_>) -> Result<DriverContext>,
    context_destroy: unsafe fn(Data, NonNull<c_void>),
    context_ioctl: unsafe fn(Data, NonNull<c_void>, usize, &mut [u8]) -> Result,
    context_drop: unsafe fn(NonNull<c_void>),
    pub(super) queue_create: unsafe fn(Data, &Wanted<'_>) -> Result<Created>,
    queue_destroy: unsafe fn(Data, NonNull<c_void>) -> Result,
    queue_abort: Option<unsafe fn(Data, NonNull<c_void>) -> Result>,
    pub(super) queue_progress: Option<QueueProgress>,
    queue_ioctl: unsafe fn(Data, NonNull<c_void>, usize, &mut [u8]) -> Result,
    queue_drop: unsafe fn(NonNull<c_void>),
    pub(super) halt: unsafe fn(Data),
    pub(super) reset: Option<unsafe fn(Data) -> Result>,
    pub(super) read_sensor: unsafe fn(Data, usize) -> Result<i64>,
}

/// Makes the table of a driver.
///
/// What its functions require is told by [`Ops`].
pub(super) struct Table<T>(PhantomData<T>);

impl<T: Driver> Table<T> {
    pub(super) const OPS: &'static Ops = &Ops {
        driver: TypeId::of::<T>,
        owner: this_module::<T::OwnerModule>(),
        name: T::OwnerModule::NAME,
        args_min: {
            assert!(
                T::QUEUE_ARGS_MIN >= size_of::<u32>()
                    && T::QUEUE_ARGS_MIN <= size_of::<T::QueueArgs>(),
                "the first version of QueueArgs had a size, and no more than it has now"
            );
            T::QUEUE_ARGS_MIN
        },
        args_size: size_of::<T::QueueArgs>(),
        submission: match &T::SUBMISSION {
            Some(submission) => Some(submission.erase()),
            None => None,
        },
        service: match &T::SERVICE {
            Some(service) => Some(service.erase()),
            None => None,
        },
        sensors: T::SENSORS,
        attributes: sysfs::Groups::new(&[Some(attributes::GROUP), T::ATTRIBUTES, None]),
        context_shape: |index| T::CONTEXT_IOCTLS.get(index).map(|ioctl| ioctl.shape),
        queue_shape: |index| T::QUEUE_IOCTLS.get(index).map(|ioctl| ioctl.shape),
        start: Self::start,
        context_create: Self::context_create,
        context_destroy: Self::context_destroy,
        context_ioctl: Self::context_ioctl,
        context_drop: Self::context_drop,
        queue_create: Self::queue_create,
        queue_destroy: Self::queue_destroy,
        queue_abort: if T::HAS_QUEUE_ABORT {
            Some(Self::queue_abort)
        } else {
            None
        },
        queue_progress: if T::HAS_QUEUE_PROGRESS {
            Some(Self::queue_progress)
        } else {
            None
        },
        queue_ioctl: Self::queue_ioctl,
        queue_drop: Self::queue_drop,
        halt: Self::halt,
        reset: if T::HAS_RESET {
            Some(Self::reset)
        } else {
            None
        },
        read_sensor: Self::read_sensor,
    };

    /// # Safety
    ///
    /// See [`Ops`].
    unsafe fn start(data: Data, device: &Arc<Device>) -> Result {
        // SAFETY: By the requirements of `Ops`.
        T::start(unsafe { data.get::<T>() }, device)
    }

    /// # Safety
    ///
    /// See [`Ops`].
    unsafe fn context_create(data: Data, request: &ContextRequest<'_>) -> Result<DriverContext> {
        // Allocated first, so that nothing can fail once the driver has made the context.
        let room = KBox::<T::Context>::new_uninit(GFP_KERNEL_ACCOUNT)?;
        // SAFETY: By the requirements of `Ops`.
        let context = T::context_create(unsafe { data.get::<T>() }, request)?;

        Ok(DriverContext {
            // INVARIANT: From a box of this driver's context.
            context: NonNull::from(KBox::leak(room.write(context))).cast(),
            ops: Self::OPS,
        })
    }

    /// # Safety
    ///
    /// See [`Ops`].
    unsafe fn context_destroy(data: Data, context: NonNull<c_void>) {
        // SAFETY: By the requirements of `Ops` and the invariant of `DriverContext`.
        let (data, context) = unsafe { (data.get::<T>(), context.cast().as_ref()) };
        T::context_destroy(data, context);
    }

    /// # Safety
    ///
    /// See [`Ops`].
    unsafe fn context_ioctl(
        data: Data,
        context: NonNull<c_void>,
        index: usize,
        arg: &mut [u8],
    ) -> Result {
        let ioctl = T::CONTEXT_IOCTLS.get(index).ok_or(ENOTTY)?;
        // SAFETY: By the requirements of `Ops` and the invariant of `DriverContext`.
        let (data, context) = unsafe { (data.get::<T>(), context.cast().as_ref()) };
        (ioctl.call)(data, context, arg)
    }

    /// # Safety
    ///
    /// `context` must be that of a [`DriverContext`] that is being dropped.
    unsafe fn context_drop(context: NonNull<c_void>) {
        // SAFETY: By the invariant of `DriverContext`, which calls this once.
        drop(unsafe { KBox::from_raw(context.cast::<T::Context>().as_ptr()) });
    }

    /// # Safety
    ///
    /// See [`Ops`].
    unsafe fn queue_create(data: Data, wanted: &Wanted<'_>) -> Result<Created> {
        let args = wanted.args.get::<T::QueueArgs>();
        let request = QueueRequest {
            device: wanted.device,
            id: wanted.id,
            depth: wanted.depth,
            priority: wanted.priority,
            mode: wanted.mode,
            pasid: wanted.pasid,
            // SAFETY: By the requirements of `Ops` and the invariant of `DriverContext`.
            context: unsafe { wanted.context.context.cast().as_ref() },
            args: &args,
        };

        // SAFETY: By the requirements of `Ops`.
        let data = unsafe { data.get::<T>() };
        // Allocated first, so that nothing can fail once the driver has made the queue.
        let room = KBox::<T::Queue>::new_uninit(GFP_KERNEL_ACCOUNT)?;
        let shared = UniqueArc::new_uninit(GFP_KERNEL_ACCOUNT)?;
        let new = T::queue_create(data, &request)?;

        Ok(Created {
            // INVARIANT: From a box of this driver's queue.
            queue: shared
                .write(DriverQueue {
                    queue: NonNull::from(KBox::leak(room.write(new.queue))).cast(),
                    ops: Self::OPS,
                })
                .into(),
            depth: new.depth,
            regions: new.regions,
        })
    }

    /// # Safety
    ///
    /// See [`Ops`].
    unsafe fn queue_destroy(data: Data, queue: NonNull<c_void>) -> Result {
        // SAFETY: By the requirements of `Ops` and the invariant of `DriverQueue`.
        let (data, queue) = unsafe { (data.get::<T>(), queue.cast().as_ref()) };
        T::queue_destroy(data, queue)
    }

    /// # Safety
    ///
    /// See [`Ops`].
    unsafe fn queue_abort(data: Data, queue: NonNull<c_void>) -> Result {
        // SAFETY: By the requirements of `Ops` and the invariant of `DriverQueue`.
        let (data, queue) = unsafe { (data.get::<T>(), queue.cast().as_ref()) };
        T::queue_abort(data, queue)
    }

    /// # Safety
    ///
    /// See [`Ops`].
    unsafe fn queue_progress(data: Data, queue: NonNull<c_void>) -> Result<Progress> {
        // SAFETY: By the requirements of `Ops` and the invariant of `DriverQueue`.
        let (data, queue) = unsafe { (data.get::<T>(), queue.cast().as_ref()) };
        T::queue_progress(data, queue)
    }

    /// # Safety
    ///
    /// See [`Ops`].
    unsafe fn queue_ioctl(
        data: Data,
        queue: NonNull<c_void>,
        index: usize,
        arg: &mut [u8],
    ) -> Result {
        let ioctl = T::QUEUE_IOCTLS.get(index).ok_or(ENOTTY)?;
        // SAFETY: By the requirements of `Ops` and the invariant of `DriverQueue`.
        let (data, queue) = unsafe { (data.get::<T>(), queue.cast().as_ref()) };
        (ioctl.call)(data, queue, arg)
    }

    /// # Safety
    ///
    /// `queue` must be that of a [`DriverQueue`] that is being dropped.
    unsafe fn queue_drop(queue: NonNull<c_void>) {
        // SAFETY: By the invariant of `DriverQueue`, which calls this once.
        drop(unsafe { KBox::from_raw(queue.cast::<T::Queue>().as_ptr()) });
    }

    /// # Safety
    ///
    /// See [`Ops`].
    unsafe fn halt(data: Data) {
        // SAFETY: By the requirements of `Ops`.
        T::halt(unsafe { data.get::<T>() });
    }

    /// # Safety
    ///
    /// See [`Ops`].
    unsafe fn reset(data: Data) -> Result {
        // SAFETY: By the requirements of `Ops`.
        T::reset(unsafe { data.get::<T>() })
    }

    /// # Safety
    ///
    /// See [`Ops`].
    unsafe fn read_sensor(data: Data, index: usize) -> Result<i64> {
        if !T::HAS_READ_SENSOR {
            return Err(EOPNOTSUPP);
        }
        // SAFETY: By the requirements of `Ops`.
        T::read_sensor(unsafe { data.get::<T>() }, index)
    }
}
