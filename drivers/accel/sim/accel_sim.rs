// SPDX-License-Identifier: GPL-2.0

//! An accelerator in software: it copies, fills and checksums the memory of processes, on any
//! machine. It can be told to misbehave.
//!
//! Documentation: `Documentation/accel/sim.rst`. User interface:
//! [`include/uapi/accel/accel_sim.h`](srctree/include/uapi/accel/accel_sim.h)

mod control;
mod fleet;
mod job;
mod memory;
mod pages;
mod queue;
mod ring;
mod roster;
mod sensors;
mod source;
mod worker;

use crate::{
    control::Control,
    fleet::{
        Berth,
        Fleet,
        INSTANCES_MAX, //
    },
    job::{
        Completion,
        Job, //
    },
    queue::{
        Context,
        Queue, //
    },
    roster::Roster,
    sensors::Climate,
    source::Checked, //
};
use kernel::{
    accel::{
        self,
        AddressMode,
        Buffers,
        ContextRequest,
        DeviceInfo,
        Doorbell,
        Function,
        Functions,
        NewQueue,
        NoArgs,
        Progress,
        QueueRequest,
        Reach,
        Sensor,
        Submission,
        Ticket, //
    },
    debugfs,
    device::{
        Bound,
        DeviceContext, //
    },
    faux,
    mm::fault_in,
    new_mutex,
    page::SharedPages,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex,
        SetOnce, //
    },
    sysfs,
    time::{
        delay::fsleep,
        ClockSource,
        Delta,
        Monotonic, //
    },
    uapi,
    workqueue::owned::{
        Flags,
        OwnedQueue, //
    }, //
};
use zerocopy_derive::Immutable;

/// Queues that a device has.
const QUEUES_MAX: u32 = 64;
/// Queues that may be waiting for pages, those included that are gone.
const WAITING_MAX: usize = 4 * QUEUES_MAX as usize;

/// A device.
#[pin_data]
struct Sim {
    /// Known when the instance is complete.
    berth: SetOnce<Berth>,
    control: Arc<Control>,
    /// Memory for buffers.
    memory: Option<Arc<SharedPages>>,
    contexts: Atomic<u32>,
    /// Does jobs whose fences those may wait for who reclaim memory. Others are done elsewhere.
    workers: Arc<OwnedQueue>,
    queues: Arc<Roster>,
    pages: Arc<fault_in::Limit>,
    #[pin]
    climate: Mutex<Climate>,
}

impl Sim {
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            berth: SetOnce::new(),
            control: Arc::new(Control::new(), GFP_KERNEL)?,
            memory: match module_parameters::memory_kib.value() {
                0 => None,
                kib => Some(Arc::new(SharedPages::new(kib as usize * 1024)?, GFP_KERNEL)?),
            },
            contexts: Atomic::new(0),
            workers: Arc::new(
                OwnedQueue::new(c"accel_sim", Flags::UNBOUND | Flags::MEM_RECLAIM)?,
                GFP_KERNEL,
            )?,
            queues: Roster::new(QUEUES_MAX)?,
            pages: fault_in::Limit::new(WAITING_MAX)?,
            climate <- new_mutex!(Climate::COLD),
        })
    }

    fn moor(&self, berth: Berth) {
        self.berth.populate(berth);
    }

    /// Removes the instance, as if it were pulled out.
    fn pull_out(&self) -> Result {
        self.berth.as_ref().ok_or(EAGAIN)?.leave();
        Ok(())
    }

    /// Fails with [`ETIMEDOUT`] if the device hangs.
    fn check_answers(&self) -> Result {
        match self.control.hangs() {
            true => Err(ETIMEDOUT),
            false => Ok(()),
        }
    }

    /// `ACCEL_SIM_STATS`.
    fn stats(&self, _context: &Context, arg: &mut Stats) -> Result {
        if arg.reserved != 0 {
            return Err(EINVAL);
        }
        arg.contexts = self.contexts.load(Relaxed);
        arg.queues = self.queues.len() as u32;
        arg.jobs = self.control.jobs();
        arg.busy_ns = self.queues.busy_ns();
        Ok(())
    }
}

/// `struct accel_sim_stats`.
#[repr(C)]
#[derive(FromBytes, IntoBytes, Immutable)]
struct Stats {
    size: u32,
    contexts: u32,
    queues: u32,
    reserved: u32,
    jobs: u64,
    busy_ns: u64,
}

const _: () = assert!(size_of::<Stats>() == size_of::<uapi::accel_sim_stats>());

/// `sim_jobs`: jobs that have ended since the device was made.
struct SimJobs;

#[vtable]
impl sysfs::Attribute<Arc<accel::Device>> for SimJobs {
    const NAME: &'static CStr = c"sim_jobs";

    fn show(device: &Arc<accel::Device>, out: &mut sysfs::Output<'_>) -> Result {
        let jobs = device.with_data::<SimDriver, _>(|sim| Ok(sim.control.jobs()))?;
        out.emit(fmt!("{jobs}\n"))
    }
}

/// The driver, to the core of the subsystem.
struct SimDriver;

#[vtable]
impl accel::Driver for SimDriver {
    type Parent<Ctx: DeviceContext> = faux::Device<Ctx>;
    type Data<'a> = Sim;
    type Context = Context;
    type Queue = Queue;
    type QueueArgs = NoArgs;

    const CONTEXT_IOCTLS: &'static [accel::ContextIoctl<Self>] = accel::declare_ioctls! {
        ContextIoctl:
        (
            uapi::accel_sim_ioctl_nr_ACCEL_SIM_NR_STATS,
            Stats,
            uapi::ACCEL_SIM_STATS_SIZE_VER0 as usize,
            Sim::stats
        ),
    };

    const QUEUE_IOCTLS: &'static [accel::QueueIoctl<Self>] = accel::declare_ioctls! {
        QueueIoctl:
        (
            uapi::accel_sim_ioctl_nr_ACCEL_SIM_NR_KICK,
            queue::Kick,
            uapi::ACCEL_SIM_KICK_SIZE_VER0 as usize,
            Queue::kick
        ),
    };

    const SUBMISSION: Option<Submission<Self>> = Some(Submission::of_driver());

    const SENSORS: &'static [Sensor] = sensors::SENSORS;

    const ATTRIBUTES: Option<&'static sysfs::Group<Arc<accel::Device>>> =
        Some(sysfs::group![SimJobs]);

    fn probe<'a>(_parent: &'a faux::Device<Bound>) -> impl PinInit<Sim, Error> + 'a {
        Sim::new()
    }

    fn info(_sim: &Sim) -> DeviceInfo {
        DeviceInfo {
            name: c"accelerator in software",
            version: c"1",
            functions: Functions::of(&[Function::Copy, Function::Fill, Function::Checksum]),
            modes: &[
                AddressMode::Shared,
                AddressMode::Private,
                AddressMode::Kernel,
            ],
            reach: Reach::Software,
            doorbell: Doorbell::None,
            queues_max: QUEUES_MAX,
            depth_max: queue::DEPTH_MAX,
            request_max: u64::from(uapi::ACCEL_SIM_LENGTH_MAX),
            contexts_max: module_parameters::contexts.value(),
            priorities: queue::PRIORITIES,
            job_limit: match module_parameters::job_limit_ms.value() {
                0 => None,
                ms => Some(Delta::from_millis(i64::from(ms))),
            },
            auto_recovery: module_parameters::auto_recovery.value(),
            error_threshold: module_parameters::error_threshold.value(),
            counts: uapi::ACCEL_DEVICE_COUNTS_JOBS
                | uapi::ACCEL_DEVICE_COUNTS_BYTES
                | uapi::ACCEL_DEVICE_COUNTS_BUSY,
        }
    }

    fn memory(sim: &Sim) -> Option<Arc<SharedPages>> {
        sim.memory.clone()
    }

    fn context_create(sim: &Sim, request: &ContextRequest<'_>) -> Result<Context> {
        let context = Context::new(request)?;
        sim.contexts.fetch_add(1, Relaxed);
        Ok(context)
    }

    fn context_destroy(sim: &Sim, _context: &Context) {
        sim.contexts.fetch_sub(1, Relaxed);
    }

    fn queue_create(sim: &Sim, request: &QueueRequest<'_, Self>) -> Result<NewQueue<Queue>> {
        sim.check_answers()
            .inspect_err(|_| fsleep(queue::CREATE_TIMEOUT))?;
        Queue::create(sim, request)
    }

    fn queue_destroy(sim: &Sim, queue: &Queue) -> Result {
        sim.check_answers()?;
        sim.control.check_stuck()?;
        queue.stop();
        Ok(())
    }

    fn queue_progress(_sim: &Sim, queue: &Queue) -> Result<Progress> {
        queue.progress()
    }

    fn start(sim: &Sim, _device: &Arc<accel::Device>) -> Result {
        sim.control.start();
        Ok(())
    }

    fn halt(sim: &Sim) {
        sim.control.halt();
        sim.queues.stop();
    }

    fn reset(sim: &Sim) -> Result {
        sim.control.reset()
    }

    fn read_sensor(sim: &Sim, index: usize) -> Result<i64> {
        sim.control.wait_for_sensor()?;
        let busy_ns = sim.queues.busy_ns();
        let mut climate = sim.climate.lock();
        climate.update(Monotonic::ktime_get(), busy_ns);
        climate.read(index)
    }

    fn debugfs<'a>(sim: &'a Sim, device: &'a Arc<accel::Device>, dir: &debugfs::ScopedDir<'a, '_>) {
        control::add_files(sim, device, dir);
    }
}

impl accel::Submit for SimDriver {
    type Job = Job;
    type Record = Completion;
    type Prepared = Checked;

    const JOB_MIN: usize = uapi::ACCEL_SIM_JOB_SIZE_VER0 as usize;

    fn prepare(_sim: &Sim, _queue: &Queue, job: &Job, buffers: &Arc<Buffers>) -> Result<Checked> {
        job.check(buffers)?;
        Ok(Checked {
            job: *job,
            buffers: buffers.clone(),
        })
    }

    fn submit(
        _sim: &Sim,
        queue: &Queue,
        checked: &Checked,
        ticket: Ticket<Self>,
    ) -> Result<(), Ticket<Self>> {
        queue.submit(checked, ticket)
    }
}

/// The module: its instances, and a file that makes more.
struct SimModule {
    /// Before the instances, so that none is made when they go.
    debugfs: Option<Pin<KBox<debugfs::Scope<Arc<Fleet>>>>>,
    fleet: Arc<Fleet>,
}

impl kernel::Module for SimModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let wanted = module_parameters::devices.value();
        if wanted > INSTANCES_MAX {
            pr_err!("there can be {INSTANCES_MAX} devices at most\n");
            return Err(EINVAL);
        }
        let mut module = Self {
            debugfs: None,
            fleet: fleet::new()?,
        };
        for _ in 0..wanted {
            fleet::add(&module.fleet)?;
        }
        let scope = debugfs::Scope::dir(module.fleet.clone(), c"accel_sim", |fleet, dir| {
            dir.write_only_callback_file(c"add", fleet, &fleet::write_add);
        });
        module.debugfs = Some(KBox::pin_init(scope, GFP_KERNEL)?);
        Ok(module)
    }
}

impl Drop for SimModule {
    fn drop(&mut self) {
        self.debugfs = None;
        fleet::disband(&self.fleet);
    }
}

module! {
    type: SimModule,
    name: "accel_sim",
    authors: ["The accel developers"],
    description: "Accelerator in software, for tests",
    license: "GPL",
    params: {
        devices: u32 {
            default: 1,
            description: "Devices to make, at most 64 (default: 1)",
        },
        contexts: u32 {
            default: 0,
            description: "Contexts that a device can have at once, 0 for any number (default: 0)",
        },
        job_limit_ms: u32 {
            default: 2000,
            description: "Milliseconds that a job may take, 0 for ever (default: 2000)",
        },
        auto_recovery: bool {
            default: true,
            description: "Reset a device that does not stop a queue (default: yes)",
        },
        memory_kib: u32 {
            default: 1024,
            description: "Memory that a device has for buffers, in KiB, 0 for none (default: 1024)",
        },
        error_threshold: u32 {
            default: 0,
            description: "Errors within an hour that isolate a device, 0 for none (default: 0)",
        },
    },
}
