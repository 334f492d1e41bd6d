// SPDX-License-Identifier: GPL-2.0

//! What a driver implements.

use super::{
    device::Device,
    region::Region, //
};
use crate::{
    device,
    dma::DmaMask,
    irq::IrqRequest,
    prelude::*,
    uapi, //
};

/// A thing that a device computes. See `enum accel_function`.
#[repr(u32)]
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Function {
    /// Copy memory.
    Copy = uapi::accel_function_ACCEL_FUNCTION_COPY,
    /// Fill memory with a pattern.
    Fill = uapi::accel_function_ACCEL_FUNCTION_FILL,
    /// Checksum of memory.
    Checksum = uapi::accel_function_ACCEL_FUNCTION_CHECKSUM,
    /// Raw deflate, both directions.
    Deflate = uapi::accel_function_ACCEL_FUNCTION_DEFLATE,
    /// Deflate with the checksum of zlib, both directions.
    Zlib = uapi::accel_function_ACCEL_FUNCTION_ZLIB,
    /// Deflate with the checksum of gzip, both directions.
    Gzip = uapi::accel_function_ACCEL_FUNCTION_GZIP,
}

/// A set of [`Function`]s.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Functions(u64);

impl Functions {
    /// The set of these functions.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::accel::{Function, Functions};
    ///
    /// let functions = Functions::of(&[Function::Deflate, Function::Gzip]);
    /// assert!(functions.contains(Function::Gzip));
    /// assert!(!functions.contains(Function::Copy));
    /// ```
    pub const fn of(functions: &[Function]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < functions.len() {
            bits |= 1 << functions[i] as u32;
            i += 1;
        }
        Self(bits)
    }

    /// Whether `function` is in the set.
    pub const fn contains(self, function: Function) -> bool {
        self.0 & (1 << function as u32) != 0
    }

    pub(super) fn bits(self) -> u64 {
        self.0
    }
}

/// How a device sees memory. See `enum accel_address_mode`.
#[repr(u32)]
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum AddressMode {
    /// The process's own address space, under its PASID.
    Shared = uapi::accel_address_mode_ACCEL_MODE_SHARED,
    /// An address space of the context's own, under a PASID.
    Private = uapi::accel_address_mode_ACCEL_MODE_PRIVATE,
    /// The kernel's.
    Kernel = uapi::accel_address_mode_ACCEL_MODE_KERNEL,
}

impl AddressMode {
    pub(super) const ALL: [Self; 3] = [Self::Shared, Self::Private, Self::Kernel];
}

impl TryFrom<u32> for AddressMode {
    type Error = Error;

    fn try_from(value: u32) -> Result<Self> {
        let mode = Self::ALL.into_iter().find(|mode| *mode as u32 == value);
        mode.ok_or(EINVAL)
    }
}

/// How well the doorbells of queues are kept apart. See `enum accel_doorbell`.
#[repr(u32)]
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Doorbell {
    /// There are none that user space could map.
    None = uapi::accel_doorbell_ACCEL_DOORBELL_NONE,
    /// Each queue has pages of its own.
    PerQueue = uapi::accel_doorbell_ACCEL_DOORBELL_PER_QUEUE,
    /// Queues share a page, so that whoever maps it can ring any of them.
    Shared = uapi::accel_doorbell_ACCEL_DOORBELL_SHARED,
}

/// What does not change about a device.
pub struct DeviceInfo {
    /// Name of the kind of device, at most 31 bytes.
    pub name: &'static CStr,
    /// Version of the hardware, at most 31 bytes.
    pub version: &'static CStr,
    /// What it computes.
    pub functions: Functions,
    /// The address modes that it and its driver can do, where the machine can.
    pub modes: &'static [AddressMode],
    /// How its doorbells are kept apart.
    pub doorbell: Doorbell,
    /// Queues that can exist at once, at least 1.
    pub queues_max: u32,
    /// Entries of the deepest queue.
    pub depth_max: u32,
    /// Bytes that a job reads or writes at most, 0 if there is no limit.
    pub request_max: u64,
}

/// A queue that the core asks the driver for.
pub struct QueueRequest<'a, T: Driver> {
    /// Number of the queue: below [`DeviceInfo::queues_max`], and no other queue's until
    /// [`Driver::queue_destroy`] has returned for this one.
    pub id: u32,
    /// Entries wanted, 0 for the driver's default.
    pub depth: u32,
    /// PASID under which the queue's jobs reach memory.
    pub pasid: u32,
    /// The caller's `accel_queue_create.driver_data`, zeroes if there was none.
    pub args: &'a T::QueueArgs,
}

/// A queue that a driver has made.
pub struct NewQueue<Q> {
    /// The driver's own.
    pub queue: Q,
    /// Entries it has.
    pub depth: u32,
    /// What user space can map, in the order of its offsets.
    pub regions: KVec<Region>,
}

/// For drivers whose queues need no `driver_data`.
#[repr(C)]
#[derive(Copy, Clone, FromBytes, IntoBytes)]
pub struct NoArgs {
    /// The size that user space gave, 0 if it gave none.
    pub size: u32,
}

/// A driver of accelerators.
///
/// All callbacks run in process context and may sleep, and those of different queues run at the
/// same time. Between [`queue_create`](Self::queue_create) and
/// [`queue_destroy`](Self::queue_destroy) a queue belongs to the core.
#[vtable]
pub trait Driver: Sized + Send + Sync + 'static {
    /// The device on its bus, `pci::Device<Ctx>` for example.
    type Parent<Ctx: device::DeviceContext>: AsRef<device::Device<Ctx>>;

    /// What the driver keeps for a device. It may borrow from the parent, which stays bound for as
    /// long as this lives.
    type Data<'a>: Send + Sync + 'a;

    /// What the driver keeps for a queue.
    type Queue: Send + Sync + 'static;

    /// The driver's struct behind `accel_queue_create.driver_data`, [`NoArgs`] if it has none. It
    /// begins with its size as a `u32`.
    type QueueArgs: FromBytes + IntoBytes + Send + Sync;

    /// Bytes that [`QueueArgs`](Self::QueueArgs) had in its first version.
    const QUEUE_ARGS_MIN: usize = size_of::<Self::QueueArgs>();

    /// Addresses that the device can put on the bus.
    const DMA_MASK: DmaMask;

    /// Prepares the hardware. Interrupts are not requested yet.
    fn probe<'a>(
        parent: &'a Self::Parent<device::Bound>,
    ) -> impl PinInit<Self::Data<'a>, Error> + 'a;

    /// Describes the device.
    fn info(data: &Self::Data<'_>) -> DeviceInfo;

    /// The interrupts to request, in the order of `index` in [`interrupt`](Self::interrupt).
    fn interrupts<'a>(_data: &'a Self::Data<'_>) -> Result<KVec<IrqRequest<'a>>> {
        Ok(KVec::new())
    }

    /// An interrupt came. Runs in a thread of its own, one for each interrupt.
    fn interrupt(_data: &Self::Data<'_>, _device: &Device, _index: usize) {}

    /// Starts the hardware: interrupts are requested, and user space sees the device after this.
    fn start(_data: &Self::Data<'_>) -> Result {
        Ok(())
    }

    /// Stops the hardware. No queue is left, and no other callback runs any more but
    /// [`interrupt`](Self::interrupt).
    fn stop(_data: &Self::Data<'_>) {}

    /// Makes a queue that takes jobs from now on.
    ///
    /// Errors go to user space as they are.
    fn queue_create(
        data: &Self::Data<'_>,
        request: &QueueRequest<'_, Self>,
    ) -> Result<NewQueue<Self::Queue>>;

    /// Stops a queue and gives back all that it had.
    ///
    /// Nobody can reach its regions any more. When this succeeds, the device no longer touches
    /// memory on behalf of the queue: the address space is unbound and the rings are freed next.
    ///
    /// If the queue does not stop, say so: the core keeps all that it has, its number too, and
    /// tries again later.
    fn queue_destroy(data: &Self::Data<'_>, queue: &Self::Queue) -> Result;

    /// Ends all accesses of the device to memory, for good and by whatever means.
    ///
    /// Called before [`stop`](Self::stop) if queues are left that did not stop.
    fn halt(data: &Self::Data<'_>);
}
