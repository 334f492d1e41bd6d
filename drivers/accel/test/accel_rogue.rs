// SPDX-License-Identifier: GPL-2.0

//! A driver that does wrong what safe code can do wrong, for the selftest `rogue`.
//!
//! What it does wrong are numbers in files of the device, `accelerator/accelN/` in debugfs; see
//! [`Knobs`]. A number that is written to `accel_rogue/add` registers a device that is described
//! wrongly, see [`lie`]; one that is written to `accel_rogue/use` uses what was kept, see
//! [`Hoard::use_again`]. What the core makes of all that is told by
//! `Documentation/accel/internals.rst`.

use kernel::{
    accel::{
        self,
        AddressMode,
        AddressSpace,
        Buffers,
        ContextRequest,
        Device,
        DeviceInfo,
        NewQueue,
        NoArgs,
        Progress,
        QueueRequest,
        Reach,
        Region,
        Sensor,
        SensorKind,
        Submission,
        Ticket, //
    },
    debugfs,
    device::{
        self,
        Bound,
        DeviceContext, //
    },
    faux,
    new_mutex,
    page::{
        SharedPages,
        PAGE_SIZE, //
    },
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex,
        SetOnce, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    uaccess::UserSliceReader, //
};
use zerocopy_derive::Immutable;

/// Milliseconds that a job may take.
const LIMIT_MS: i64 = 4000;
/// Entries of a queue that is not told otherwise.
const DEPTH: u32 = 8;
/// Things of a kind that are kept at most.
const KEPT_MAX: usize = 64;
/// More than there is room for in the answer of a query.
const LONG: &CStr = c"a name that is longer than thirty-one bytes, by far";

/// What the driver does wrong.
struct Knobs {
    /// Entries that a queue is said to have.
    depth: Atomic<u32>,
    /// Regions of a queue, all of them the same page.
    regions: Atomic<u32>,
    /// What becomes of tickets, see [`ticket`].
    ticket: Atomic<u32>,
    /// The errno with which jobs end.
    job_error: Atomic<u32>,
    /// The errno with which queues are refused.
    create_error: Atomic<u32>,
    /// The errno with which queues do not stop.
    destroy_error: Atomic<u32>,
    /// Counts of jobs go up and down.
    progress: Atomic<u32>,
    /// What callbacks call in turn, see [`call`].
    call: Atomic<u32>,
    /// Keep whatever is lent with a count of references, and have queues that keep themselves.
    keep: Atomic<u32>,
    /// Milliseconds that each callback takes longer.
    slow_ms: Atomic<u32>,
}

impl Knobs {
    fn new() -> Self {
        Self {
            depth: Atomic::new(DEPTH),
            regions: Atomic::new(1),
            ticket: Atomic::new(ticket::END),
            job_error: Atomic::new(0),
            create_error: Atomic::new(0),
            destroy_error: Atomic::new(0),
            progress: Atomic::new(0),
            call: Atomic::new(call::NOTHING),
            keep: Atomic::new(0),
            slow_ms: Atomic::new(0),
        }
    }

    fn add_files<'a>(&'a self, dir: &debugfs::ScopedDir<'a, '_>) {
        for (name, knob) in [
            (c"depth", &self.depth),
            (c"regions", &self.regions),
            (c"ticket", &self.ticket),
            (c"job_error", &self.job_error),
            (c"create_error", &self.create_error),
            (c"destroy_error", &self.destroy_error),
            (c"progress", &self.progress),
            (c"call", &self.call),
            (c"keep", &self.keep),
            (c"slow_ms", &self.slow_ms),
        ] {
            dir.read_write_file(name, knob);
        }
    }
}

/// What becomes of tickets.
mod ticket {
    pub(crate) const END: u32 = 0;
    /// Kept until `use` says otherwise, even when the device has gone.
    pub(crate) const KEEP: u32 = 1;
    pub(crate) const FORGET: u32 = 2;
    pub(crate) const DROP: u32 = 3;
    /// Given back, whatever happens.
    pub(crate) const REFUSE: u32 = 4;
    /// The one that was kept last is given back, and this one kept.
    pub(crate) const SWAP: u32 = 5;
    /// Kept by the queue itself, which the ticket leads to.
    pub(crate) const TO_QUEUE: u32 = 6;
}

/// What callbacks call.
mod call {
    pub(crate) const NOTHING: u32 = 0;
    /// All that a device is told, with numbers that there are not.
    pub(crate) const TELL: u32 = 1;
    /// A reset, too.
    pub(crate) const RESET: u32 = 2;
}

/// How devices are described that can't be.
mod lie {
    pub(crate) const NO_QUEUES: u32 = 1;
    pub(crate) const ALL_QUEUES: u32 = 2;
    pub(crate) const NO_DEPTH: u32 = 3;
    pub(crate) const ALL_DEPTH: u32 = 4;
    pub(crate) const NO_PRIORITY: u32 = 5;
    pub(crate) const NO_TIME: u32 = 6;
    pub(crate) const TIME_BEFORE: u32 = 7;
    pub(crate) const ALL_COUNTS: u32 = 8;
    pub(crate) const NO_DMA: u32 = 9;
    /// From here on they can be.
    pub(crate) const LONG_NAMES: u32 = 10;
    pub(crate) const NO_IOMMU: u32 = 11;
    pub(crate) const DOES_NOT_START: u32 = 12;
    /// And has its parent registered by another driver, before it has a device itself.
    pub(crate) const REGISTERS_ANOTHER: u32 = 13;
}

fn error_of(knob: &Atomic<u32>) -> Result {
    match knob.load(Relaxed) {
        0 => Ok(()),
        errno => Err(i32::try_from(errno).map_or(EINVAL, |errno| Error::from_errno(-errno))),
    }
}

/// What was kept. It stays until the module goes, longer than any device.
#[pin_data]
struct Hoard {
    #[pin]
    tickets: Mutex<KVec<Ticket<Rogue>>>,
    #[pin]
    devices: Mutex<KVec<Arc<Device>>>,
    #[pin]
    buffers: Mutex<KVec<Arc<Buffers>>>,
    #[pin]
    spaces: Mutex<KVec<Arc<AddressSpace>>>,
    /// Queues that keep themselves.
    #[pin]
    queues: Mutex<KVec<Arc<Queue>>>,
    /// The devices of the module.
    #[pin]
    registered: Mutex<KVec<faux::Registration>>,
}

impl Hoard {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                // Nothing is allocated on the way to a fence.
                tickets <- new_mutex!(KVec::with_capacity(KEPT_MAX, GFP_KERNEL)?),
                devices <- new_mutex!(KVec::with_capacity(KEPT_MAX, GFP_KERNEL)?),
                buffers <- new_mutex!(KVec::with_capacity(KEPT_MAX, GFP_KERNEL)?),
                spaces <- new_mutex!(KVec::with_capacity(KEPT_MAX, GFP_KERNEL)?),
                queues <- new_mutex!(KVec::with_capacity(KEPT_MAX, GFP_KERNEL)?),
                registered <- new_mutex!(KVec::new()),
            }),
            GFP_KERNEL,
        )
    }

    /// Keeps one more; what there is no room for goes.
    fn keep<T>(list: &Mutex<KVec<T>>, one: T) {
        let beyond = list.lock().push_within_capacity(one);
        drop(beyond);
    }

    /// Keeps a ticket, and gives back another.
    fn swap(&self, ticket: Ticket<Rogue>) -> Result<(), Ticket<Rogue>> {
        let mut tickets = self.tickets.lock();
        let other = tickets.pop();
        let beyond = tickets.push_within_capacity(ticket);
        drop(tickets);
        drop(beyond);
        other.map_or(Ok(()), Err)
    }

    /// Uses what was kept: 1 ends jobs; others say how it ends to reach buffers (2), an address
    /// space (3), the data of a device (4) or that of another driver (5); 6 lets all go; 7 fails if
    /// no ticket is kept; 8 begins a suspend, and forgets about it.
    fn use_again(&self, what: u32) -> Result {
        match what {
            1 => {
                while let Some(ticket) = Self::pop(&self.tickets) {
                    ticket.end(Ok(()), &[1; 2]);
                }
                Ok(())
            }
            2 => {
                let kept = self.buffers.lock();
                kept.last().ok_or(ENOENT)?.read(0, &mut [0; 8])
            }
            3 => {
                let kept = self.spaces.lock();
                kept.last()
                    .ok_or(ENOENT)?
                    .read(PAGE_SIZE as u64, &mut [0; 8])
            }
            4 => {
                let kept = self.devices.lock();
                kept.last().ok_or(ENOENT)?.with_data::<Rogue, _>(|_| Ok(()))
            }
            5 => {
                let kept = self.devices.lock();
                kept.last()
                    .ok_or(ENOENT)?
                    .with_data::<Other, _>(|()| Ok(()))
            }
            6 => {
                self.let_go();
                Ok(())
            }
            8 => {
                let device = Self::pop(&self.devices).ok_or(ENOENT)?;
                device.suspend()
            }
            7 if self.tickets.lock().is_empty() => Err(EAGAIN),
            7 => Ok(()),
            _ => Err(EINVAL),
        }
    }

    /// Takes out the one that was kept last. What becomes of it is not under the lock: it may come
    /// back here.
    fn pop<T>(list: &Mutex<KVec<T>>) -> Option<T> {
        list.lock().pop()
    }

    fn let_go(&self) {
        while let Some(ticket) = Self::pop(&self.tickets) {
            drop(ticket);
        }
        while let Some(queue) = Self::pop(&self.queues) {
            let itself = queue.itself.lock().take();
            drop(itself);
        }
        while Self::pop(&self.buffers).is_some() {}
        while Self::pop(&self.spaces).is_some() {}
        while Self::pop(&self.devices).is_some() {}
    }
}

/// A number that is written to a file.
fn number(reader: &mut UserSliceReader) -> Result<u32> {
    let mut room = [0; 16];
    let text = room.get_mut(..reader.len()).ok_or(EINVAL)?;
    reader.read_slice(text)?;
    let text = core::str::from_utf8(text)?;
    text.trim().parse().map_err(|_| EINVAL)
}

fn write_use(hoard: &Arc<Hoard>, reader: &mut UserSliceReader) -> Result {
    hoard.use_again(number(reader)?)
}

fn write_add(hoard: &Arc<Hoard>, reader: &mut UserSliceReader) -> Result {
    add(hoard, number(reader)?)
}

/// Takes back the device that was added last.
fn write_remove(hoard: &Arc<Hoard>, reader: &mut UserSliceReader) -> Result {
    number(reader)?;
    let last = hoard.registered.lock().pop();
    last.map(drop).ok_or(ENODEV)
}

/// Registers a device that is described by this lie.
fn add(hoard: &Arc<Hoard>, lie: u32) -> Result {
    let name = CString::try_from_fmt(fmt!("accel_rogue.{lie}"))?;
    let faux = faux::Registration::new(&name, None)?;
    let device = accel::register::<Rogue>(faux.as_ref())?;
    device.with_data::<Rogue, _>(|data| {
        data.hoard.populate(hoard.clone());
        Ok(())
    })?;
    drop(device);
    hoard.registered.lock().push(faux, GFP_KERNEL)?;
    Ok(())
}

/// A device.
struct Data<'a> {
    /// Bound for as long as this is there.
    parent: &'a device::Device<Bound>,
    lie: u32,
    knobs: Knobs,
    /// Itself.
    device: SetOnce<Arc<Device>>,
    /// There are moments when nothing can be kept yet.
    hoard: SetOnce<Arc<Hoard>>,
    samples: Atomic<u32>,
}

/// The number of an ioctl, and the bytes of its struct that are enough.
const OUTGROW: u32 = 0x40;
const OUTGROWN_MIN: usize = 8;

/// An argument that has become longer.
#[repr(C)]
#[derive(FromBytes, IntoBytes, Immutable)]
struct Outgrown {
    size: u32,
    value: u32,
    later: [u64; 2],
}

impl<'a> Data<'a> {
    /// Tells a size that is not the caller's.
    fn outgrow(&self, _context: &Option<Arc<AddressSpace>>, arg: &mut Outgrown) -> Result {
        arg.size = size_of::<Outgrown>() as u32;
        arg.value = !0;
        arg.later = [!0; 2];
        Ok(())
    }

    fn new(parent: &'a device::Device<Bound>) -> Self {
        let lie = parent.name().to_bytes().split(|byte| *byte == b'.').nth(1);
        let lie = lie.and_then(|digits| core::str::from_utf8(digits).ok()?.parse().ok());
        Self {
            parent,
            lie: lie.unwrap_or(0),
            knobs: Knobs::new(),
            device: SetOnce::new(),
            hoard: SetOnce::new(),
            samples: Atomic::new(0),
        }
    }

    /// What each callback does besides.
    fn meddle(&self) {
        let slow = self.knobs.slow_ms.load(Relaxed);
        if slow != 0 {
            fsleep(Delta::from_millis(slow.into()));
        }
        let call = self.knobs.call.load(Relaxed);
        if call != call::TELL && call != call::RESET {
            return;
        }
        let Some(device) = self.device.as_ref() else {
            return;
        };
        for queue in [0, 1, 1000, u32::MAX] {
            device.complete(queue);
            device.report_fault(queue, u64::MAX);
        }
        device.report_error(u64::MAX);
        // None has begun, or another ends it.
        device.fail_bus_reset();
        let _ = device.end_bus_reset();
        // The one works, unless the device is going; the other never does.
        let _ = device.with_data::<Rogue, _>(|_| Ok(()));
        let _ = device.with_data::<Other, _>(|()| Ok(()));
        if call == call::RESET {
            device.request_reset();
        }
    }

    fn keeps(&self) -> Option<&Arc<Hoard>> {
        match self.knobs.keep.load(Relaxed) {
            0 => None,
            _ => self.hoard.as_ref(),
        }
    }
}

/// A queue.
#[pin_data]
struct Queue {
    #[pin]
    itself: Mutex<Option<Arc<Queue>>>,
    #[pin]
    ticket: Mutex<Option<Ticket<Rogue>>>,
}

/// A job: its buffers.
struct Job {
    buffers: Arc<Buffers>,
}

struct Rogue;

#[vtable]
impl accel::Driver for Rogue {
    type Parent<Ctx: DeviceContext> = faux::Device<Ctx>;
    type Data<'a> = Data<'a>;
    type Context = Option<Arc<AddressSpace>>;
    type Queue = Arc<Queue>;
    type QueueArgs = NoArgs;

    const CONTEXT_IOCTLS: &'static [accel::ContextIoctl<Self>] = accel::declare_ioctls! {
        ContextIoctl: (OUTGROW, Outgrown, OUTGROWN_MIN, Data::outgrow),
    };

    const SUBMISSION: Option<Submission<Self>> = Some(Submission::of_driver());

    /// More than hwmon has room for.
    const SENSORS: &'static [Sensor] = &[Sensor {
        kind: SensorKind::Temperature,
        label: LONG,
    }; 40];

    fn probe<'a>(parent: &'a faux::Device<Bound>) -> impl PinInit<Data<'a>, Error> + 'a {
        let data = Data::new(parent.as_ref());
        let registered = match data.lie {
            lie::REGISTERS_ANOTHER => accel::register::<Other>(parent).map(drop),
            _ => Ok(()),
        };
        registered.map(|()| data)
    }

    fn info(data: &Data<'_>) -> DeviceInfo {
        let honest = DeviceInfo {
            name: c"rogue",
            modes: &[AddressMode::Private, AddressMode::Kernel],
            reach: Reach::Software,
            queues_max: 8,
            depth_max: 64,
            job_limit: Some(Delta::from_millis(LIMIT_MS)),
            auto_recovery: true,
            ..DeviceInfo::UNKNOWN
        };
        match data.lie {
            lie::NO_QUEUES => DeviceInfo {
                queues_max: 0,
                ..honest
            },
            lie::ALL_QUEUES => DeviceInfo {
                queues_max: u32::MAX,
                ..honest
            },
            lie::NO_DEPTH => DeviceInfo {
                depth_max: 0,
                ..honest
            },
            lie::ALL_DEPTH => DeviceInfo {
                depth_max: u32::MAX,
                ..honest
            },
            lie::NO_PRIORITY => DeviceInfo {
                priorities: 0,
                ..honest
            },
            lie::NO_TIME => DeviceInfo {
                job_limit: Some(Delta::ZERO),
                ..honest
            },
            lie::TIME_BEFORE => DeviceInfo {
                job_limit: Some(Delta::from_millis(-1)),
                ..honest
            },
            lie::ALL_COUNTS => DeviceInfo {
                counts: u32::MAX,
                ..honest
            },
            lie::NO_DMA => DeviceInfo {
                reach: Reach::Iommu,
                ..honest
            },
            lie::LONG_NAMES => DeviceInfo {
                name: LONG,
                version: LONG,
                ..honest
            },
            lie::NO_IOMMU => DeviceInfo {
                modes: &[
                    AddressMode::Private,
                    AddressMode::Shared,
                    AddressMode::Shared,
                ],
                reach: Reach::Iommu,
                ..honest
            },
            _ => honest,
        }
    }

    fn start(data: &Data<'_>, device: &Arc<Device>) -> Result {
        data.device.populate(device.clone());
        data.meddle();
        match data.lie {
            lie::DOES_NOT_START => Err(EIO),
            _ => Ok(()),
        }
    }

    fn stop(data: &Data<'_>) {
        data.meddle();
        dev_dbg!(data.parent, "stopped\n");
    }

    fn context_create(
        data: &Data<'_>,
        request: &ContextRequest<'_>,
    ) -> Result<Option<Arc<AddressSpace>>> {
        data.meddle();
        if let (Some(hoard), Some(space)) = (data.keeps(), request.space) {
            Hoard::keep(&hoard.spaces, space.clone());
        }
        Ok(request.space.cloned())
    }

    fn context_destroy(data: &Data<'_>, _context: &Option<Arc<AddressSpace>>) {
        data.meddle();
    }

    fn queue_create(
        data: &Data<'_>,
        request: &QueueRequest<'_, Self>,
    ) -> Result<NewQueue<Arc<Queue>>> {
        data.meddle();
        error_of(&data.knobs.create_error)?;
        let queue = Arc::pin_init(
            pin_init!(Queue {
                itself <- new_mutex!(None),
                ticket <- new_mutex!(None),
            }),
            GFP_KERNEL,
        )?;
        if let Some(hoard) = data.keeps() {
            *queue.itself.lock() = Some(queue.clone());
            Hoard::keep(&hoard.queues, queue.clone());
            Hoard::keep(&hoard.devices, request.device.clone());
        }
        let page = Arc::new(SharedPages::new(PAGE_SIZE)?, GFP_KERNEL)?;
        let mut regions = KVec::new();
        for _ in 0..data.knobs.regions.load(Relaxed) {
            regions.push(Region::memory(page.clone()), GFP_KERNEL)?;
        }
        Ok(NewQueue {
            queue,
            depth: data.knobs.depth.load(Relaxed),
            regions,
        })
    }

    fn queue_destroy(data: &Data<'_>, _queue: &Arc<Queue>) -> Result {
        data.meddle();
        error_of(&data.knobs.destroy_error)
    }

    fn queue_progress(data: &Data<'_>, _queue: &Arc<Queue>) -> Result<Progress> {
        data.meddle();
        if data.knobs.progress.load(Relaxed) == 0 {
            return Ok(Progress::default());
        }
        let count = match data.samples.fetch_add(1, Relaxed) % 2 {
            0 => u64::MAX,
            _ => 0,
        };
        Ok(Progress {
            jobs: count,
            bytes: count,
            busy_ns: count,
            pending: false,
        })
    }

    fn halt(data: &Data<'_>) {
        data.meddle();
    }

    fn reset(_data: &Data<'_>) -> Result {
        Ok(())
    }

    fn read_sensor(_data: &Data<'_>, index: usize) -> Result<i64> {
        Ok(match index % 2 {
            0 => i64::MIN,
            _ => i64::MAX,
        })
    }

    fn debugfs<'a>(data: &'a Data<'_>, _: &'a Arc<Device>, dir: &debugfs::ScopedDir<'a, '_>) {
        data.knobs.add_files(dir);
    }
}

impl accel::Submit for Rogue {
    type Job = u64;
    const JOB_MIN: usize = 8;
    type Record = [u64; 2];
    type Prepared = Job;

    fn prepare(data: &Data<'_>, _: &Arc<Queue>, _: &u64, buffers: &Arc<Buffers>) -> Result<Job> {
        data.meddle();
        if let Some(hoard) = data.keeps() {
            Hoard::keep(&hoard.buffers, buffers.clone());
        }
        Ok(Job {
            buffers: buffers.clone(),
        })
    }

    fn submit(
        data: &Data<'_>,
        queue: &Arc<Queue>,
        job: &Job,
        ticket: Ticket<Self>,
    ) -> Result<(), Ticket<Self>> {
        data.meddle();
        let Some(hoard) = data.hoard.as_ref() else {
            return Err(ticket);
        };
        match data.knobs.ticket.load(Relaxed) {
            ticket::KEEP => Hoard::keep(&hoard.tickets, ticket),
            ticket::FORGET => core::mem::forget(ticket),
            ticket::DROP => drop(ticket),
            ticket::REFUSE => return Err(ticket),
            ticket::SWAP => return hoard.swap(ticket),
            ticket::TO_QUEUE => {
                let before = queue.ticket.lock().replace(ticket);
                drop(before);
            }
            _ => {
                // It is there for as long as the job is.
                let there = job.buffers.check(0, 0, accel::BufferAccess::Read);
                let result = error_of(&data.knobs.job_error);
                ticket.end(result, &[u64::from(there.is_ok()), 0]);
            }
        }
        Ok(())
    }
}

/// Another driver, of the same parent.
struct Other;

#[vtable]
impl accel::Driver for Other {
    type Parent<Ctx: DeviceContext> = faux::Device<Ctx>;
    type Data<'a> = ();
    type Context = ();
    type Queue = ();
    type QueueArgs = NoArgs;

    fn probe<'a>(_parent: &'a faux::Device<Bound>) -> impl PinInit<(), Error> + 'a {
        Ok(())
    }

    fn info(_data: &()) -> DeviceInfo {
        DeviceInfo {
            name: c"another",
            ..DeviceInfo::UNKNOWN
        }
    }

    fn context_create(_data: &(), _request: &ContextRequest<'_>) -> Result {
        Ok(())
    }

    fn queue_create(_data: &(), _request: &QueueRequest<'_, Self>) -> Result<NewQueue<()>> {
        Err(EBUSY)
    }

    fn queue_destroy(_data: &(), _queue: &()) -> Result {
        Ok(())
    }

    fn halt(_data: &()) {}
}

/// The module.
struct Module {
    debugfs: Option<Pin<KBox<debugfs::Scope<Arc<Hoard>>>>>,
    hoard: Arc<Hoard>,
}

impl kernel::Module for Module {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut module = Self {
            debugfs: None,
            hoard: Hoard::new()?,
        };
        add(&module.hoard, 0)?;
        let scope = debugfs::Scope::dir(module.hoard.clone(), c"accel_rogue", |hoard, dir| {
            dir.write_only_callback_file(c"add", hoard, &write_add);
            dir.write_only_callback_file(c"remove", hoard, &write_remove);
            dir.write_only_callback_file(c"use", hoard, &write_use);
        });
        module.debugfs = Some(KBox::pin_init(scope, GFP_KERNEL)?);
        Ok(module)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        self.debugfs = None;
        let devices = core::mem::take(&mut *self.hoard.registered.lock());
        drop(devices);
        self.hoard.let_go();
    }
}

module! {
    type: Module,
    name: "accel_rogue",
    authors: ["The accel developers"],
    description: "Accelerator driver that misbehaves, for tests",
    license: "GPL",
}
