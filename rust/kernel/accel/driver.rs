// SPDX-License-Identifier: GPL-2.0

//! What a driver implements.

use super::{
    address_space::AddressSpace,
    device::Device,
    ioctl::{
        ContextIoctl,
        QueueIoctl, //
    },
    region::Region,
    service::Service,
    submission::Submission, //
};
use crate::{
    debugfs,
    device,
    dma::DmaMask,
    error::VTABLE_DEFAULT_ERROR,
    irq::{
        IrqRequest,
        IrqReturn, //
    },
    mm::Mm,
    page::SharedPages,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
    sysfs,
    time::Delta,
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

impl Function {
    pub(super) const NAMES: [(Self, &'static str); 6] = [
        (Self::Copy, "copy"),
        (Self::Fill, "fill"),
        (Self::Checksum, "checksum"),
        (Self::Deflate, "deflate"),
        (Self::Zlib, "zlib"),
        (Self::Gzip, "gzip"),
    ];
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
    /// assert!(functions.with(Function::Copy).contains(Function::Copy));
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

    /// The set with `function` in it, too.
    pub const fn with(self, function: Function) -> Self {
        Self(self.0 | 1 << function as u32)
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

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Private => "private",
            Self::Kernel => "kernel",
        }
    }
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

/// What a sensor measures. See `enum accel_sensor_kind`.
#[repr(u32)]
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum SensorKind {
    /// Thousandths of a degree Celsius.
    Temperature = uapi::accel_sensor_kind_ACCEL_SENSOR_TEMPERATURE,
    /// Microwatts.
    Power = uapi::accel_sensor_kind_ACCEL_SENSOR_POWER,
    /// Hertz.
    Frequency = uapi::accel_sensor_kind_ACCEL_SENSOR_FREQUENCY,
}

/// A sensor that a device has.
#[derive(Copy, Clone, Debug)]
pub struct Sensor {
    /// What it measures.
    pub kind: SensorKind,
    /// What of the device it measures, at most 31 bytes.
    pub label: &'static CStr,
}

/// How a device gets at the memory of a process.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Reach {
    /// By DMA, under a PASID.
    Iommu,
    /// It is software: the driver reads and writes the memory itself.
    Software,
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
    /// How it gets at memory.
    pub reach: Reach,
    /// How its doorbells are kept apart.
    pub doorbell: Doorbell,
    /// Queues that can exist at once, 1 to 65536.
    pub queues_max: u32,
    /// Entries of the deepest queue, 1 to 1048576. The core refuses to ask for more.
    pub depth_max: u32,
    /// Bytes that a job reads or writes at most, 0 if there is no limit.
    pub request_max: u64,
    /// Contexts that can exist at once, 0 if there is no limit. A device that serves one
    /// application at a time says 1.
    pub contexts_max: u32,
    /// Priorities that a queue can have, at least 1.
    pub priorities: u32,
    /// How long a job may take before its queue is stopped, a millisecond at least; `None`: for
    /// ever. Needs [`Driver::queue_progress`].
    pub job_limit: Option<Delta>,
    /// Reset the device without being asked if a queue hangs and can't be stopped alone.
    pub auto_recovery: bool,
    /// Hardware errors within an hour that isolate the device, until the administrator says
    /// otherwise; 0: none do.
    pub error_threshold: u32,
    /// What of [`Progress`] the driver knows: a mask of `ACCEL_DEVICE_COUNTS_*`.
    pub counts: u32,
}

impl DeviceInfo {
    /// A device of which nothing is known, for drivers to say only what they have:
    ///
    /// ```
    /// use kernel::accel::{AddressMode, DeviceInfo};
    ///
    /// let info = DeviceInfo {
    ///     name: c"example",
    ///     modes: &[AddressMode::Shared],
    ///     ..DeviceInfo::UNKNOWN
    /// };
    /// assert_eq!(info.queues_max, 1);
    /// ```
    pub const UNKNOWN: Self = Self {
        name: c"",
        version: c"",
        functions: Functions::of(&[]),
        modes: &[],
        reach: Reach::Iommu,
        doorbell: Doorbell::None,
        queues_max: 1,
        depth_max: 1,
        request_max: 0,
        contexts_max: 0,
        priorities: 1,
        job_limit: None,
        auto_recovery: false,
        error_threshold: 0,
        counts: 0,
    };

    const QUEUES: u32 = 1 << 16;
    const DEPTH: u32 = 1 << 20;
    const COUNTS: u32 = uapi::ACCEL_DEVICE_COUNTS_JOBS
        | uapi::ACCEL_DEVICE_COUNTS_BYTES
        | uapi::ACCEL_DEVICE_COUNTS_BUSY
        | uapi::ACCEL_DEVICE_COUNTS_AT_LEAST;

    /// Whether there can be such a device, if it does DMA or not.
    pub(super) fn makes_sense(&self, dma: bool) -> bool {
        // Jobs in this mode reach memory by DMA, which needs no IOMMU.
        let maps = self.reach == Reach::Iommu && self.modes.contains(&AddressMode::Kernel);
        (1..=Self::QUEUES).contains(&self.queues_max)
            && (1..=Self::DEPTH).contains(&self.depth_max)
            && self.priorities != 0
            && self.job_limit.is_none_or(|limit| limit.as_millis() > 0)
            && self.counts & !Self::COUNTS == 0
            && (dma || !maps)
    }
}

/// A context that the core asks the driver for.
pub struct ContextRequest<'a> {
    /// Number of the context, never used again on this device.
    pub id: u64,
    /// How it sees memory.
    pub mode: AddressMode,
    /// PASID under which its jobs reach memory, 0 if they need none.
    pub pasid: u32,
    /// The memory of the process, for [`Reach::Software`] in [`AddressMode::Shared`].
    pub mm: Option<&'a ARef<Mm>>,
    /// What is mapped for the context, for [`Reach::Software`] in [`AddressMode::Private`].
    pub space: Option<&'a Arc<AddressSpace>>,
}

/// A queue that the core asks the driver for.
pub struct QueueRequest<'a, T: Driver> {
    /// The device, for drivers that keep it beside a queue to [`complete`](Device::complete) jobs.
    pub device: &'a Arc<Device>,
    /// Number of the queue: below [`DeviceInfo::queues_max`], and no other queue's until
    /// [`Driver::queue_destroy`] has returned for this one.
    pub id: u32,
    /// Entries wanted, at most [`DeviceInfo::depth_max`]; 0 for the driver's default.
    pub depth: u32,
    /// Below [`DeviceInfo::priorities`], more urgent the higher it is.
    pub priority: u32,
    /// How its jobs see memory.
    pub mode: AddressMode,
    /// PASID under which the queue's jobs reach memory, 0 if they need none.
    pub pasid: u32,
    /// The context that it is a queue of.
    pub context: &'a T::Context,
    /// The caller's `accel_queue_create.driver_data`, zeroes if there was none.
    pub args: &'a T::QueueArgs,
}

/// A queue that a driver has made.
pub struct NewQueue<Q> {
    /// The driver's own.
    pub queue: Q,
    /// Entries it has, 1 to [`DeviceInfo::depth_max`].
    pub depth: u32,
    /// What user space can map, in the order of its offsets. Not given out in
    /// [`AddressMode::Kernel`].
    pub regions: KVec<Region>,
}

/// What a queue has done since it was made.
#[derive(Copy, Clone, Debug, Default)]
pub struct Progress {
    /// Jobs that have ended.
    pub jobs: u64,
    /// Bytes that they have read and written.
    pub bytes: u64,
    /// Nanoseconds that the device has worked on them.
    pub busy_ns: u64,
    /// There are jobs that have not ended.
    pub pending: bool,
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
/// All callbacks run in process context and may sleep, but must not touch the memory of a process.
/// Those of different queues run at the same time. Between [`queue_create`](Self::queue_create) and
/// [`queue_destroy`](Self::queue_destroy) a queue belongs to the core.
#[vtable]
pub trait Driver: Sized + Send + Sync + 'static {
    /// The device on its bus, `pci::Device<Ctx>` for example.
    type Parent<Ctx: device::DeviceContext>: AsRef<device::Device<Ctx>>;

    /// What the driver keeps for a device. It may borrow from the parent, which stays bound for as
    /// long as this lives.
    type Data<'a>: Send + Sync + 'a;

    /// What the driver keeps for a context; `()` if that is nothing.
    type Context: Send + Sync + 'static;

    /// What the driver keeps for a queue.
    type Queue: Send + Sync + 'static;

    /// The driver's struct behind `accel_queue_create.driver_data`, [`NoArgs`] if it has none. It
    /// begins with its size as a `u32`.
    type QueueArgs: FromBytes + IntoBytes + Send + Sync;

    /// Bytes that [`QueueArgs`](Self::QueueArgs) had in its first version, checked when a driver is
    /// compiled: a number, which stays when the struct grows. Without it, programs may leave out
    /// all but the size; the rest is zero then.
    const QUEUE_ARGS_MIN: usize = size_of::<u32>();

    /// ioctls of the driver's own on contexts. See [`declare_ioctls`](super::declare_ioctls).
    const CONTEXT_IOCTLS: &'static [ContextIoctl<Self>] = &[];

    /// ioctls of the driver's own on queues.
    const QUEUE_IOCTLS: &'static [QueueIoctl<Self>] = &[];

    /// How jobs are taken in [`AddressMode::Kernel`], for drivers that implement
    /// [`Submit`](super::Submit).
    const SUBMISSION: Option<Submission<Self>> = None;

    /// How the kernel itself is served, for drivers that implement [`Serve`](super::Serve), and
    /// whose jobs in [`AddressMode::Kernel`] reach memory by DMA.
    const SERVICE: Option<Service<Self>> = None;

    /// Sensors that the device has, in the order of `index` in
    /// [`read_sensor`](Self::read_sensor).
    const SENSORS: &'static [Sensor] = &[];

    /// `sysfs` attributes of the driver's own, beside those of the core.
    /// [`Device::with_data`] leads from the device to the driver's data.
    const ATTRIBUTES: Option<&'static sysfs::Group<Arc<Device>>> = None;

    /// Addresses that the device can put on the bus, [`None`] if it does no DMA, and then has no
    /// jobs in [`AddressMode::Kernel`]. Asked for before [`probe`](Self::probe), which gets DMA
    /// memory within them.
    ///
    /// Where the machine can't serve such a device, [`register`](super::register) fails with
    /// [`EIO`], and says why in the log.
    fn dma_mask(_parent: &Self::Parent<device::Bound>) -> Option<DmaMask> {
        None
    }

    /// Prepares the hardware. Interrupts are not requested yet.
    ///
    /// What has to be there before the data is initialised in place, a BAR for example, is got by a
    /// function that returns an initialiser:
    /// `pin_init::pin_init_scope(move || MyData::new(parent))`.
    fn probe<'a>(
        parent: &'a Self::Parent<device::Bound>,
    ) -> impl PinInit<Self::Data<'a>, Error> + 'a;

    /// Describes the device.
    fn info(data: &Self::Data<'_>) -> DeviceInfo;

    /// The memory that a device in software has for buffers. Asked for once, before
    /// [`start`](Self::start).
    fn memory(_data: &Self::Data<'_>) -> Option<Arc<SharedPages>> {
        None
    }

    /// The interrupts to request, in the order of `index` in [`interrupt`](Self::interrupt).
    ///
    /// Messages, or lines that no other device is on: they are not shared. If one is, the
    /// registration fails with [`EBUSY`].
    fn interrupts<'a>(_data: &'a Self::Data<'_>) -> Result<KVec<IrqRequest<'a>>> {
        Ok(KVec::new())
    }

    /// An interrupt came. Runs in a thread of its own, one for each interrupt. [`halt`](Self::halt)
    /// waits for it, so what is said there about fences holds here.
    ///
    /// Returns [`IrqReturn::None`] if the device had no cause for it: the kernel switches an
    /// interrupt off that hardly ever has one.
    fn interrupt(_data: &Self::Data<'_>, _device: &Arc<Device>, _index: usize) -> IrqReturn {
        IrqReturn::None
    }

    /// Starts the hardware: interrupts are requested, and user space sees the device after this.
    /// Runs again after each reset, and gives the device back what [`halt`](Self::halt) took, bus
    /// mastering for example.
    ///
    /// If it fails, the device must not touch memory any more.
    fn start(_data: &Self::Data<'_>, _device: &Arc<Device>) -> Result {
        Ok(())
    }

    /// Stops the hardware, which was halted. No queue is left, and no other callback runs any more.
    fn stop(_data: &Self::Data<'_>) {}

    /// Gives a context what the device needs for it, when it gets its address space.
    fn context_create(data: &Self::Data<'_>, request: &ContextRequest<'_>)
        -> Result<Self::Context>;

    /// Takes it back. All queues of the context are gone.
    fn context_destroy(_data: &Self::Data<'_>, _context: &Self::Context) {}

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
    /// It must not wait for memory of a process, nor for more than a few milliseconds. If the
    /// device is still at work on jobs of the queue, or waits for memory of its process, it fails
    /// with [`EBUSY`], and is called again later: the queue keeps all that it has until then. With
    /// any other error the device does not do its part, and is reset.
    ///
    /// Others wait for the fences of jobs that end with this: no memory may be allocated with
    /// [`GFP_KERNEL`], and no lock be taken under which somebody does.
    fn queue_destroy(data: &Self::Data<'_>, queue: &Self::Queue) -> Result;

    /// The same for a queue of which no job has ended for long since it was to stop, though it has
    /// some, and not for want of memory: by whatever means the device has. That is a second if
    /// others wait for them, else [`DeviceInfo::job_limit`], 30 seconds at most; and at once for a
    /// job that has taken longer than it may.
    ///
    /// Without it, or if it fails, the device is reset when the queue was to stop for as long as a
    /// job may take. It is not called where that is left to the administrator
    /// ([`DeviceInfo::auto_recovery`]), unless others wait for fences of the queue: there a queue
    /// that does not stop stays as it is, and may do no harm to others.
    fn queue_abort(_data: &Self::Data<'_>, _queue: &Self::Queue) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells what a queue has done. Called about once a second, or four times within
    /// [`DeviceInfo::job_limit`], while there are queues, and once more before each
    /// [`queue_destroy`](Self::queue_destroy), under the same rules.
    ///
    /// Not needed for jobs that the driver has [`Ticket`](super::Ticket)s of: the core counts
    /// these itself, and sees when one does not end.
    fn queue_progress(_data: &Self::Data<'_>, _queue: &Self::Queue) -> Result<Progress> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Ends all accesses of the device to memory, for good and by whatever means, until
    /// [`start`](Self::start).
    ///
    /// Called before a reset, before the bus resets the device or takes its power, to isolate it,
    /// and before [`stop`](Self::stop). Other callbacks may be under way, and may try to make a
    /// queue or to hand over a job: what this has brought about holds whatever they do. Only
    /// [`interrupt`](Self::interrupt) is not, and is not called before `start`: what a driver knows
    /// of jobs that the device had can be forgotten here, and must not be begun again after
    /// `start`.
    ///
    /// It may wait for a DMA that can't be aborted, if that has an end. Others wait for the fences
    /// of jobs that end with this, as with [`queue_destroy`](Self::queue_destroy).
    fn halt(data: &Self::Data<'_>);

    /// Resets the hardware after [`halt`](Self::halt); [`start`](Self::start) comes next. The
    /// device forgets all queues: [`queue_destroy`](Self::queue_destroy) is not called for them.
    ///
    /// Fails with [`EAGAIN`] if it can't be done now, because the bus has the device locked for
    /// example: it is tried again for some seconds.
    ///
    /// A driver without it has devices that can't be reset, but by their bus.
    fn reset(_data: &Self::Data<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reads a sensor. Runs in a worker, so that nobody waits for a device that does not answer.
    fn read_sensor(_data: &Self::Data<'_>, _index: usize) -> Result<i64> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Adds entries to the device's directory in debugfs, `accelerator/accelN`.
    fn debugfs<'a>(
        _data: &'a Self::Data<'_>,
        _device: &'a Arc<Device>,
        _dir: &debugfs::ScopedDir<'a, '_>,
    ) {
    }
}

#[macros::kunit_tests(rust_accel_driver)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_device_is_noticed() {
        const RIGHT: DeviceInfo = DeviceInfo::UNKNOWN;

        assert!(RIGHT.makes_sense(false));
        for (queues_max, depth_max, priorities, limit_ms, counts) in [
            (0, 1, 1, 1, 0),
            (u32::MAX, 1, 1, 1, 0),
            (1, 0, 1, 1, 0),
            (1, u32::MAX, 1, 1, 0),
            (1, 1, 0, 1, 0),
            (1, 1, 1, 0, 0),
            (1, 1, 1, -1, 0),
            (1, 1, 1, 1, uapi::ACCEL_DEVICE_RESET),
        ] {
            let wrong = DeviceInfo {
                queues_max,
                depth_max,
                priorities,
                job_limit: Some(Delta::from_millis(limit_ms)),
                counts,
                ..RIGHT
            };
            assert!(!wrong.makes_sense(true));
        }
        let maps = DeviceInfo {
            modes: &[AddressMode::Kernel],
            ..RIGHT
        };
        assert!(maps.makes_sense(true) && !maps.makes_sense(false));
    }
}
