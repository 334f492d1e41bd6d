// SPDX-License-Identifier: GPL-2.0

//! Driver for the HiSilicon ZIP engine: deflate, zlib and gzip, on the memory of processes.
//!
//! Documentation: `Documentation/accel/hisi-zip.rst`. User interface:
//! [`include/uapi/accel/hisi_zip.h`](srctree/include/uapi/accel/hisi_zip.h)

mod capabilities;
mod distrust;
mod errors;
mod events;
mod hardware;
mod job;
mod jobs;
mod lists;
mod mailbox;
mod observed;
mod pasid;
mod queue;
mod regs;
mod sqe;

use crate::{
    capabilities::{
        Capabilities,
        Revision, //
    },
    distrust::LogLimit,
    errors::Errors,
    events::{
        EventQueue,
        Trouble, //
    },
    job::Job,
    jobs::{
        Bell,
        Registry, //
    },
    mailbox::{
        Bar,
        Command,
        Context,
        Mailbox, //
    },
    observed::Observed,
    pasid::PasidSwitch,
    queue::{
        Args,
        Queue,
        Rings, //
    },
    regs::BAR2_SIZE,
    sqe::Sqe, //
};
use kernel::{
    accel::{
        self,
        Buffers,
        ContextRequest,
        DeviceInfo,
        Doorbell,
        NewQueue,
        Operation,
        Progress,
        QueueRequest,
        Serve,
        Service,
        Submission,
        Submit,
        Ticket, //
    },
    debugfs,
    device::{
        Bound,
        Core,
        Device,
        DeviceContext, //
    },
    dma::{
        pages::{
            CoherentPages,
            Reserve, //
        },
        scatter::Segment,
        DmaMask, //
    },
    fmt,
    io::{
        poll::read_poll_timeout,
        Io, //
    },
    iommu::sva,
    irq::{
        IrqRequest,
        IrqReturn, //
    },
    new_mutex,
    pci,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
    time::Delta,
    uapi, //
};

/// What errors of the bus are reported as: neither the queue manager's nor the engine's.
const PCI_ERROR: u64 = u64::MAX;

/// Bytes of a context in the device's tables.
const CONTEXT_SIZE: usize = size_of::<Context>();

/// How long jobs that were begun may take to end before the device is halted in their midst. Others
/// wait for that.
const LAST_JOBS: Delta = Delta::from_millis(20);
/// The same before the system sleeps, when nobody waits: a message that is given up takes a reset.
const LAST_JOBS_ASLEEP: Delta = Delta::from_secs(2);

/// Bytes of memory for what nobody wants; of more than that, pieces are written to the same place.
const SINK_SIZE: usize = 64 << 10;

/// How long the system is kept from sleep by pages that the device waits for, and by jobs that want
/// more and more of them.
const PAGES_TIMEOUT: Delta = Delta::from_secs(10);
const PAGES_POLL: Delta = Delta::from_millis(1);

/// Rings that are kept for the next queues. One takes 144 KiB if it has the default depth.
const RINGS_KEPT: usize = 4;

/// A device.
#[pin_data]
struct Zip<'a> {
    pdev: &'a pci::Device<Bound>,
    revision: Revision,
    capabilities: Capabilities,
    queues: u32,
    #[pin]
    events: EventQueue,
    #[pin]
    abnormal_events: EventQueue,
    #[pin]
    mailbox: Mailbox,
    sqc_table: CoherentPages,
    cqc_table: CoherentPages,
    /// Rings of queues that are gone.
    rings: Arc<Reserve>,
    /// Where the engine writes what nobody wants.
    sink: CoherentPages,
    /// Rings that the device may have, of queues that were not made.
    #[pin]
    doubtful: Mutex<KVec<Arc<Rings>>>,
    vectors: pci::IrqVectorRegistration<'a>,
    /// Queues in `ACCEL_MODE_KERNEL`.
    registry: Arc<Registry>,
    log_limit: LogLimit,
    /// Errors that were told of since the device was started, and that only a reset mends. Held
    /// while errors are looked at: an interrupt and the bus tell of the same.
    #[pin]
    errors: Mutex<Errors>,
    /// For errors that users can make: these must not keep others from the log.
    errors_log_limit: LogLimit,
    /// For errors that are mended already, which none of those makes.
    mended_log_limit: LogLimit,
    observed: Observed,
    /// It was halted, which may be while a queue is made.
    halted: Atomic<bool>,
    /// The system is about to sleep.
    sleeps: Atomic<bool>,
    /// Revision 0x21.
    pasid_switch: Option<Arc<PasidSwitch>>,
    /// If each queue has one of its own.
    doorbells: Option<pci::Bar<'a>>,
    bar: Bar<'a>,
}

impl<'a> Zip<'a> {
    fn new(pdev: &'a pci::Device<Bound>) -> Result<impl PinInit<Self, Error> + 'a> {
        let revision = Revision::of(pdev)?;
        let bar = pdev.iomap_region_sized::<BAR2_SIZE>(2, c"accel_hisi_zip")?;
        let capabilities = Capabilities::new(pdev, revision, &bar)?;
        let doorbells = match capabilities.has_doorbell_pages {
            true => Some(pdev.iomap_region(4, c"accel_hisi_zip")?),
            false => None,
        };
        let pasid_switch = match revision {
            Revision::V2 => Some(PasidSwitch::new()?),
            Revision::V3 => None,
        };
        let queues = match (
            capabilities.usable_queues(pdev)?,
            module_parameters::pf_q_num.value(),
        ) {
            (has, 0) => has,
            (has, wanted) => has.min(wanted),
        };

        let count = capabilities.vectors.count;
        let (events, abnormal_events) = (capabilities.events, capabilities.abnormal_events);
        let table = queues as usize * CONTEXT_SIZE;
        let msi = pci::IrqTypes::default().with(pci::IrqType::Msi);
        Ok(try_pin_init!(Self {
            pdev,
            revision,
            capabilities,
            queues,
            events <- EventQueue::new(pdev.as_ref(), events::Kind::Event, events),
            abnormal_events <-
                EventQueue::new(pdev.as_ref(), events::Kind::Abnormal, abnormal_events),
            mailbox <- Mailbox::new(pdev.as_ref()),
            sqc_table: CoherentPages::new(pdev.as_ref(), table)?,
            cqc_table: CoherentPages::new(pdev.as_ref(), table)?,
            rings: Reserve::new(pdev.as_ref(), RINGS_KEPT)?,
            sink: CoherentPages::new(pdev.as_ref(), SINK_SIZE)?,
            doubtful <- new_mutex!(KVec::new()),
            vectors: pdev.alloc_irq_vectors(count, count, msi)?,
            registry: Registry::new(*queues)?,
            log_limit: LogLimit::new(),
            errors <- new_mutex!(Errors::NONE),
            errors_log_limit: LogLimit::new(),
            mended_log_limit: LogLimit::new(),
            observed: Observed::new(&bar, *revision),
            halted: Atomic::new(false),
            sleeps: Atomic::new(false),
            pasid_switch,
            doorbells,
            bar,
        }))
    }
}

impl Zip<'_> {
    fn start(&self) -> Result {
        // Firmware, or the kernel before this one, may have left it at work.
        self.quiet();
        let fast = module_parameters::perf_mode.value();
        hardware::init(
            &self.bar,
            self.revision,
            &self.capabilities,
            self.queues,
            fast,
        )?;
        if let Some(switch) = &self.pasid_switch {
            switch.forget();
        }
        self.watch_errors()?;
        // If the bus is resetting the function, `reset_done` has switched it on, or will call this
        // again.
        let _ = self.pdev.try_set_master();
        let doubtful = core::mem::take(&mut *self.doubtful.lock());
        drop(doubtful);

        self.events.configure(&self.bar, &self.mailbox)?;
        self.abnormal_events.configure(&self.bar, &self.mailbox)?;
        // What is in there of queues that there were is not to be found again.
        fill(&self.sqc_table, self.queues, &queue::CLOSED)?;
        fill(&self.cqc_table, self.queues, &Context::default())?;
        let (sqcs, cqcs) = (self.sqc_table.dma_address(), self.cqc_table.dma_address());
        self.mailbox.send(&self.bar, Command::SqcTable, 0, sqcs)?;
        self.mailbox.send(&self.bar, Command::CqcTable, 0, cqcs)?;

        hardware::mask_events(&self.bar, false);
        Ok(())
    }

    /// Has the device tell of errors from now on. Fails with [`EIO`] if it has some that a reset
    /// should have mended.
    fn watch_errors(&self) -> Result {
        let mut told = self.errors.lock();
        let masks = &self.capabilities.errors;
        let left = hardware::watch_errors(&self.bar, self.revision, masks);
        if left != Errors::NONE {
            dev_err!(self.pdev, "errors that do not go away: {left}\n");
            return Err(EIO);
        }
        *told = Errors::NONE;
        self.halted.store(false, Relaxed);
        Ok(())
    }

    /// Ends all accesses to memory, whatever it takes. Interrupts are such accesses.
    fn halt(&self) {
        self.halted.store(true, Relaxed);
        self.drain();
        match hardware::halt(&self.bar) {
            // It was pulled out, or looks like that.
            Ok(()) | Err(ENODEV) => {}
            Err(e) => dev_err!(self.pdev, "it does not halt ({e:?}); cutting it off\n"),
        }
        // Also if it says that it has: others get the memory next. The bus itself does so for a
        // reset, if this is part of one.
        let _ = self.pdev.try_clear_master();
    }

    /// Gives jobs that were begun the time to end, if they do, as the C driver does before a reset
    /// of the function.
    fn drain(&self) {
        // In that state nothing comes of it.
        let broken = self.has_errors_among(self.capabilities.errors.contained);
        if broken || !self.capabilities.flushes_queues {
            return;
        }
        let limit = match self.sleeps.load(Relaxed) {
            true => LAST_JOBS_ASLEEP,
            false => LAST_JOBS,
        };
        if self.mailbox.try_flush(&self.bar, limit).is_err() {
            return;
        }
        // As the C driver, in this order: what the device has of contexts goes over what stands in
        // the table. Who rings a doorbell after that does not have it find a queue. What fails
        // here, or comes too late, is no harm, since the device is halted next.
        let _ = hardware::write_back(&self.bar);
        let _ = fill(&self.sqc_table, self.queues, &queue::CLOSED);
    }

    /// Leaves it with nothing to do, and its way to memory open, if the bus lets it.
    fn quiet(&self) {
        match hardware::quiet(&self.bar, self.revision, self.capabilities.prefetches) {
            Ok(()) | Err(ENODEV) => {}
            Err(e) => dev_err!(
                self.pdev,
                "it does not come to rest ({e:?}); cutting it off\n"
            ),
        }
        // Also if it does: what another kernel has told it to write waits for the way to be open.
        let _ = self.pdev.try_clear_master();
        hardware::open(&self.bar);
    }

    /// Keeps memory that the device may write until it has forgotten that, or is gone.
    fn keep_until_reset(&self, rings: Arc<Rings>) {
        if self
            .doubtful
            .lock()
            .push(rings.clone(), GFP_KERNEL)
            .is_err()
        {
            // Better lost than given to others.
            core::mem::forget(rings);
        }
    }

    /// The device says or does what can't be.
    fn misbehaves(&self, device: &Arc<accel::Device>, what: fmt::Arguments<'_>) {
        self.log_limit.misbehaves(self.pdev.as_ref(), device, what);
    }

    /// Whether an event is about a queue that can be. It need not be there any more: it may have
    /// been stopped since.
    fn is_possible(&self, device: &Arc<accel::Device>, event: events::Event) -> bool {
        let possible = event.queue() < self.queues;
        if !possible {
            let queue = event.queue();
            self.misbehaves(
                device,
                fmt!("an event of queue {queue}, which it does not have"),
            );
        }
        possible
    }

    /// Rings the doorbell of a queue.
    fn ring(&self, queue: u16, bell: Bell) {
        let (command, index, arm) = match bell {
            Bell::Submitted(index) => (uapi::HISI_ZIP_DB_SQ, index, 0),
            Bell::Taken(index) => (uapi::HISI_ZIP_DB_CQ, index, 0),
            Bell::Armed(index) => (uapi::HISI_ZIP_DB_CQ, index, 1),
        };
        let value =
            u64::from(queue) | u64::from(command) << 12 | u64::from(index) << 32 | arm << 48;
        let (_, offset, _) = self.capabilities.doorbell(queue);
        let rung = match &self.doorbells {
            None => self.bar.try_write64(value, offset as usize),
            Some(bar) => {
                let register = offset + u64::from(uapi::HISI_ZIP_DOORBELL_OFFSET);
                bar.try_write64(value, register as usize)
            }
        };
        debug_assert!(rung.is_ok(), "the register lies in the BAR");
    }

    fn event(&self, device: &Arc<accel::Device>, event: events::Event) {
        if self.is_possible(device, event) {
            self.wake(device, event.queue());
        }
    }

    /// What has happened to the queue that had the number before is not to be held against the one
    /// that is going to be made.
    fn forget_events(&self, device: &Arc<accel::Device>, queue: u16) {
        self.take_abnormal_events(device);
        self.take_events(device);
        self.events.forget(queue);
    }

    /// Looks after completions; returns whether there was an event.
    fn take_events(&self, device: &Arc<accel::Device>) -> bool {
        self.events
            .drain(&self.bar, |event| self.event(device, event))
    }

    /// Looks after trouble with queues; returns whether there was an event.
    fn take_abnormal_events(&self, device: &Arc<accel::Device>) -> bool {
        self.abnormal_events
            .drain(&self.bar, |event| self.abnormal_event(device, event))
    }

    /// There are completions, or may be.
    fn wake(&self, device: &Arc<accel::Device>, queue: u32) {
        let Some(jobs) = self.registry.get(queue) else {
            return device.complete(queue);
        };
        let nonsense = jobs.reap(|bell| self.ring(queue as u16, bell));
        if nonsense != 0 {
            self.misbehaves(
                device,
                fmt!("{nonsense} completions of queue {queue} of jobs that are not done"),
            );
        }
    }

    fn abnormal_event(&self, device: &Arc<accel::Device>, event: events::Event) {
        if event.trouble() == Trouble::EqOverflow {
            return self.events_lost(device);
        }
        if !self.is_possible(device, event) {
            return;
        }
        let queue = event.queue();
        match event.trouble() {
            // Its own doing, if it has not said what it has read. The device goes on with it until
            // others have no room for their completions.
            Trouble::CqOverflow if self.is_full(queue) => device.fail_queue(queue),
            // It has room by now, or the number is another's.
            Trouble::CqOverflow => {}
            Trouble::CqeError => {
                device.fail_queue(queue);
                self.tell_abnormal(device, event);
            }
            Trouble::Unknown | Trouble::EqOverflow => self.tell_abnormal(device, event),
        }
    }

    fn tell_abnormal(&self, device: &Arc<accel::Device>, event: events::Event) {
        device.report_error(u64::from(event.code()));
        if self.log_limit.allows() {
            dev_warn!(
                self.pdev,
                "abnormal event {} of queue {}\n",
                event.code(),
                event.queue()
            );
        }
    }

    /// The event queue was full: who waits for one that was lost would wait for ever. A process can
    /// bring that about, so it is neither an error of the device nor a reason to take the device
    /// from others.
    fn events_lost(&self, device: &Arc<accel::Device>) {
        if self.log_limit.allows() {
            dev_warn!(self.pdev, "too many events; some are lost\n");
        }
        let begun = self.events.begin_anew(
            &self.bar,
            &self.mailbox,
            |queue| device.fail_queue(queue),
            || (0..self.queues).for_each(|queue| self.wake(device, queue)),
        );
        if let Err(e) = begun {
            dev_err!(self.pdev, "the event queue does not start anew: {e:?}\n");
            device.request_reset();
        }
    }

    /// Whether the queue has no room for completions. If the device can't be asked there is worse
    /// to mend than that.
    fn is_full(&self, queue: u32) -> bool {
        let context = self.mailbox.read(&self.bar, Command::Cqc, queue as u16);
        context.is_ok_and(|context| queue::is_full(&context))
    }

    fn has_errors_among(&self, errors: Errors) -> bool {
        let all = hardware::all_errors(&self.bar);
        !all.is_nonsense() && all.among(errors) != Errors::NONE
    }

    /// Looks after errors; returns whether there were any. A device that is halted has none that
    /// matter: it is off, or is started anew.
    fn errors(&self, device: &Arc<accel::Device>) -> bool {
        let mut told = self.errors.lock();
        if self.halted.load(Relaxed) {
            return false;
        }
        let errors = hardware::errors(&self.bar);
        if errors == Errors::NONE {
            return false;
        }
        if errors.is_nonsense() {
            self.misbehaves(device, fmt!("its error registers read all ones"));
            return true;
        }
        let serious = errors.among(self.capabilities.errors.reset);
        let others = errors.without(serious);
        let new = serious.without(*told);
        *told = told.and(new);
        hardware::clear_errors(&self.bar, others);
        // Firmware may have switched off that errors are told. The device knows of the serious ones
        // until the reset, but does not say so again.
        hardware::report_errors(&self.bar, &self.capabilities.errors, *told);
        if new != Errors::NONE {
            self.serious_errors(device, new);
        }
        if others != Errors::NONE {
            self.other_errors(device, others);
        }
        true
    }

    /// Errors that only a reset mends: the hardware has ended its accesses to memory.
    fn serious_errors(&self, device: &Arc<accel::Device>, errors: Errors) {
        device.report_error(errors.code());
        if self.log_limit.allows() {
            dev_err!(self.pdev, "it needs a reset: {errors}\n");
        }
        device.request_reset();
    }

    /// Errors that are mended already, or whose maker alone has to suffer for them.
    fn other_errors(&self, device: &Arc<accel::Device>, errors: Errors) {
        device.count_harmless_error();
        let mended = errors.among(self.capabilities.errors.corrected);
        let kinds = [
            (mended, &self.mended_log_limit),
            (errors.without(mended), &self.errors_log_limit),
        ];
        for (errors, limit) in kinds {
            if errors != Errors::NONE && limit.allows() {
                dev_warn!(self.pdev, "it goes on after: {errors}\n");
            }
        }
    }

    /// A queue could not be made because the device did not do its part.
    fn queue_not_made(&self, device: &Arc<accel::Device>, queue: u16, e: Error) {
        let is_known = e == ENXIO || self.has_errors_among(self.capabilities.errors.reset);
        if self.halted.load(Relaxed) {
            return;
        }
        // Who asks again and again is not to have it isolated for one fault.
        if !is_known {
            self.misbehaves(device, fmt!("queue {queue} does not start: {e:?}"));
        }
        if e == ETIMEDOUT || e == ENXIO {
            // Nothing can be asked of it any more.
            device.request_reset();
        }
    }
}

/// Writes the same context for each of `count` queues into a table that the device does not have.
fn fill(table: &CoherentPages, count: u32, context: &Context) -> Result {
    for queue in 0..count as usize {
        for (word, value) in context.iter().enumerate() {
            let at = queue * CONTEXT_SIZE + word * size_of::<u32>();
            table.write(at, value.to_le())?;
        }
    }
    Ok(())
}

/// The driver, to the core of the subsystem.
struct ZipDriver;

#[vtable]
impl accel::Driver for ZipDriver {
    type Parent<Ctx: DeviceContext> = pci::Device<Ctx>;
    type Data<'a> = Zip<'a>;
    type Context = ();
    type Queue = Queue;
    type QueueArgs = queue::Args;

    const QUEUE_ARGS_MIN: usize = uapi::HISI_ZIP_QUEUE_SIZE_VER0 as usize;
    const SUBMISSION: Option<Submission<Self>> = Some(Submission::of_driver());
    const SERVICE: Option<Service<Self>> = Some(Service::of_driver());

    fn dma_mask(_pdev: &pci::Device<Bound>) -> Option<DmaMask> {
        Some(DmaMask::new::<64>())
    }

    fn probe<'a>(pdev: &'a pci::Device<Bound>) -> impl PinInit<Zip<'a>, Error> + 'a {
        pin_init::pin_init_scope(move || Zip::new(pdev))
    }

    fn info(zip: &Zip<'_>) -> DeviceInfo {
        DeviceInfo {
            name: c"HiSilicon ZIP",
            version: zip.revision.name(),
            functions: zip.capabilities.functions,
            modes: zip.capabilities.modes(),
            doorbell: match zip.capabilities.has_doorbell_pages {
                false => Doorbell::Shared,
                true => Doorbell::PerQueue,
            },
            queues_max: zip.queues,
            depth_max: zip.capabilities.depth,
            request_max: 8 << 20,
            job_limit: match module_parameters::job_limit_ms.value() {
                0 => None,
                limit => Some(Delta::from_millis(i64::from(limit))),
            },
            auto_recovery: module_parameters::auto_recovery.value(),
            counts: uapi::ACCEL_DEVICE_COUNTS_JOBS | uapi::ACCEL_DEVICE_COUNTS_AT_LEAST,
            ..DeviceInfo::UNKNOWN
        }
    }

    fn interrupts<'a>(zip: &'a Zip<'_>) -> Result<KVec<IrqRequest<'a>>> {
        let mut all = KVec::new();
        for index in 0..zip.vectors.len() {
            all.push(zip.vectors.index(index)?.into(), GFP_KERNEL)?;
        }
        Ok(all)
    }

    fn interrupt(zip: &Zip<'_>, device: &Arc<accel::Device>, index: usize) -> IrqReturn {
        let vectors = &zip.capabilities.vectors;
        // What is left is for messages between functions, of which there is only one.
        let mut had_cause = false;
        if index == vectors.events as usize {
            had_cause |= zip.take_events(device);
        }
        if vectors
            .abnormal_events
            .is_some_and(|vector| index == vector as usize)
        {
            had_cause |= zip.take_abnormal_events(device);
        }
        if vectors
            .errors
            .is_some_and(|vector| index == vector as usize)
        {
            had_cause |= zip.errors(device);
        }
        match had_cause {
            true => IrqReturn::Handled,
            false => IrqReturn::None,
        }
    }

    fn start(zip: &Zip<'_>, _device: &Arc<accel::Device>) -> Result {
        zip.start().inspect_err(|e| {
            dev_err!(zip.pdev, "the device does not start: {e:?}\n");
            zip.halt();
        })
    }

    fn stop(zip: &Zip<'_>) {
        // As the next driver expects it.
        zip.quiet();
    }

    fn context_create(_zip: &Zip<'_>, _request: &ContextRequest<'_>) -> Result {
        Ok(())
    }

    fn queue_create(zip: &Zip<'_>, request: &QueueRequest<'_, Self>) -> Result<NewQueue<Queue>> {
        let queue = Queue::new(zip, request)?;
        let regions = queue.regions(zip.pdev, &zip.capabilities)?;
        zip.forget_events(request.device, queue.id);
        queue
            .start(zip)
            .inspect_err(|e| zip.queue_not_made(request.device, queue.id, *e))?;

        Ok(NewQueue {
            depth: queue.rings.depth,
            queue,
            regions,
        })
    }

    fn queue_destroy(zip: &Zip<'_>, queue: &Queue) -> Result {
        queue.stop(zip)?;
        queue.close();
        Ok(())
    }

    fn queue_abort(zip: &Zip<'_>, queue: &Queue) -> Result {
        if !zip.capabilities.stops_queues {
            return Err(EOPNOTSUPP);
        }
        queue.abort(&zip.bar, &zip.mailbox)?;
        queue.close();
        Ok(())
    }

    fn queue_progress(zip: &Zip<'_>, queue: &Queue) -> Result<Progress> {
        // Others wait for these jobs. So what the device says about them does not count; and after
        // an event that got lost there are jobs that only the driver does not know to have ended.
        if let Some(jobs) = &queue.jobs {
            return Ok(Progress {
                jobs: jobs.completed(),
                pending: jobs.is_busy(),
                ..Progress::default()
            });
        }
        queue.progress(&zip.bar, &zip.mailbox)
    }

    fn halt(zip: &Zip<'_>) {
        zip.halt();
    }

    fn reset(zip: &Zip<'_>) -> Result {
        zip.pdev.try_reset_function()
    }

    fn debugfs<'a>(zip: &'a Zip<'_>, _: &'a Arc<accel::Device>, dir: &debugfs::ScopedDir<'a, '_>) {
        zip.observed.add_file(dir);
    }
}

impl Submit for ZipDriver {
    type Job = Sqe;
    type Record = Sqe;
    type Prepared = Arc<Job>;

    const JOB_MIN: usize = uapi::HISI_ZIP_SQE_SIZE as usize;

    fn prepare(
        zip: &Zip<'_>,
        _queue: &Queue,
        job: &Sqe,
        buffers: &Arc<Buffers>,
    ) -> Result<Arc<Job>> {
        let job = Job::new(zip, job, buffers)?;
        Ok(Arc::new(job, GFP_KERNEL_ACCOUNT)?)
    }

    fn submit(
        zip: &Zip<'_>,
        queue: &Queue,
        job: &Arc<Job>,
        ticket: Ticket<Self>,
    ) -> Result<(), Ticket<Self>> {
        match &queue.jobs {
            Some(jobs) => jobs.submit(job, ticket, |bell| zip.ring(queue.id, bell)),
            None => Err(ticket),
        }
    }
}

impl Serve for ZipDriver {
    fn queue_args(operation: Operation) -> Option<Args> {
        Some(Args::of(operation))
    }

    fn prepare_request(
        zip: &Zip<'_>,
        _queue: &Queue,
        operation: Operation,
        source: &[Segment],
        dest: &[Segment],
    ) -> Result<Arc<Job>> {
        let job = Job::of_kernel(zip, operation, source, dest)?;
        Ok(Arc::new(job, GFP_NOWAIT)?)
    }

    fn outcome(operation: Operation, record: &Sqe) -> Result<usize> {
        record.written(operation)
    }
}

kernel::pci_device_table!(
    PCI_TABLE,
    <PciDriver as pci::Driver>::IdInfo,
    [(pci::DeviceId::from_id(pci::Vendor::HUAWEI, 0xa250), ())]
);

/// Whether a function is in a state that only a reset mends: it was isolated before it was unbound,
/// or was suspended while it could not stop, or firmware, or another kernel, has left it so.
fn needs_reset(pdev: &pci::Device<Bound>, bar: &Bar<'_>, capabilities: &Capabilities) -> bool {
    let errors = hardware::all_errors(bar);
    if errors.is_nonsense() {
        return false;
    }
    let serious = errors.among(capabilities.errors.reset);
    if serious != Errors::NONE {
        dev_warn!(pdev, "it was left with errors: {serious}\n");
        return true;
    }
    let stuck = mailbox::is_stuck(bar);
    if stuck {
        dev_warn!(pdev, "it was left in the midst of a message\n");
    }
    stuck
}

/// Mends a device that nobody drives yet. If a reset is no help it does not start, and says why.
fn mend_found(pdev: &pci::Device<Core<'_>>) -> Result {
    let revision = Revision::of(pdev)?;
    let bar = pdev.iomap_region_sized::<BAR2_SIZE>(2, c"accel_hisi_zip")?;
    let capabilities = Capabilities::new(pdev, revision, &bar)?;
    if !needs_reset(pdev, &bar, &capabilities) {
        return Ok(());
    }
    // A reset must not come while it has work. What does not come to rest has to be reset anyway.
    let _ = hardware::quiet(&bar, revision, capabilities.prefetches);
    let _ = pdev.try_clear_master();
    hardware::open(&bar);
    if let Err(e) = pdev.reset_alone() {
        dev_warn!(pdev, "it can't be reset: {e:?}\n");
    }
    Ok(())
}

/// The driver, to the PCI bus.
struct PciDriver {
    accel: Arc<accel::Device>,
    /// An error of the bus has taken the device out of operation, and the bus has not brought it
    /// back yet. The device is locked where this is looked at.
    is_recovering: Atomic<bool>,
}

impl pci::Driver for PciDriver {
    type IdInfo = ();
    type Data<'bound> = Self;

    const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;
    const ERROR_HANDLERS: Option<pci::ErrorHandlers<Self>> = Some(pci::ErrorHandlers::of_driver());
    const SLEEP_OPS: Option<pci::SleepOps<Self>> = Some(pci::SleepOps::of_driver());

    fn probe<'bound>(
        pdev: &'bound pci::Device<Core<'_>>,
        _info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'bound {
        pdev.enable_managed()?;
        mend_found(pdev)?;
        // What it is given back after an error of the bus.
        pdev.save_state()?;
        Ok(Self {
            accel: accel::register::<ZipDriver>(pdev)?,
            is_recovering: Atomic::new(false),
        })
    }

    fn shutdown<'bound>(_pdev: &'bound pci::Device<Core<'_>>, this: Pin<&Self>) {
        // If another reset does not end, the device is cut off by that.
        let _ = this.accel.suspend();
        this.quiet();
    }
}

impl PciDriver {
    /// Leaves a device that is halted with nothing to do.
    fn quiet(&self) {
        let _ = self.accel.with_data::<ZipDriver, _>(|zip| {
            zip.quiet();
            Ok(())
        });
    }

    /// The system is about to sleep, or the device is ready for that.
    fn set_asleep(&self, sleeps: bool) {
        let _ = self.accel.with_data::<ZipDriver, _>(|zip| {
            zip.sleeps.store(sleeps, Relaxed);
            Ok(())
        });
    }

    /// An error of the bus takes the device out of operation, until [`end_recovery`].
    ///
    /// [`end_recovery`]: Self::end_recovery
    fn begin_recovery(&self) {
        if !self.is_recovering.xchg(true, Relaxed) {
            self.accel.begin_bus_reset();
        }
    }

    /// Brings the device back, unless it is isolated, suspended, or in another reset besides.
    fn end_recovery(&self) {
        if self.is_recovering.xchg(false, Relaxed) {
            // What fails has been said, and isolated the device.
            let _ = self.accel.end_bus_recovery();
        }
    }
}

#[vtable]
impl pci::ErrorHandler for PciDriver {
    fn error_detected<'bound>(
        _pdev: &'bound pci::Device<Core<'_>>,
        this: Pin<&Self>,
        state: pci::ChannelState,
    ) -> pci::Recovery {
        if state == pci::ChannelState::Normal {
            // The device tells of its own errors in this way, too: if one of them needs a reset it
            // is asked for. The bus is not: it would bring back what is isolated.
            let _ = this.accel.with_data::<ZipDriver, _>(|zip| {
                zip.errors(&this.accel);
                Ok(())
            });
            return pci::Recovery::CanRecover;
        }
        this.accel.report_error(PCI_ERROR);
        this.begin_recovery();
        if state == pci::ChannelState::PermanentFailure {
            this.is_recovering.store(false, Relaxed);
            this.accel.fail_bus_reset();
            return pci::Recovery::Disconnect;
        }
        pci::Recovery::NeedReset
    }

    fn slot_reset<'bound>(pdev: &'bound pci::Device<Core<'_>>, this: Pin<&Self>) -> pci::Recovery {
        // Another function of the bus may have needed it.
        this.begin_recovery();
        pdev.restore_state();
        pci::Recovery::Recovered
    }

    fn resume<'bound>(_pdev: &'bound pci::Device<Core<'_>>, this: Pin<&Self>) {
        this.end_recovery();
    }

    fn reset_prepare<'bound>(_pdev: &'bound pci::Device<Core<'_>>, this: Pin<&Self>) {
        this.accel.begin_bus_reset();
        // Also in a reset of its own: it comes by here.
        this.quiet();
    }

    fn reset_done<'bound>(pdev: &'bound pci::Device<Core<'_>>, this: Pin<&Self>) {
        // It is as it was before the reset: off, if the device was isolated then.
        if this.accel.is_in_bus_reset() {
            pdev.set_master();
        }
        let _ = this.accel.end_bus_reset();
    }
}

/// Waits until the device waits for no page. Fails with [`EBUSY`] if that takes too long.
fn pages_come(dev: &Device<Bound>) -> Result {
    let waits = || Ok(sva::has_page_requests(dev));
    read_poll_timeout(waits, |waits| !waits, PAGES_POLL, PAGES_TIMEOUT).map_err(|_| EBUSY)?;
    Ok(())
}

impl pci::Sleep for PciDriver {
    fn suspend<'bound>(pdev: &'bound pci::Device<Core<'_>>, this: Pin<&Self>) -> Result {
        // Who is to give them may be frozen. The device can't be halted as long as it waits.
        pages_come(pdev.as_ref()).inspect_err(|_| {
            dev_err!(pdev, "a process keeps it waiting for a page\n");
        })?;
        this.set_asleep(true);
        let suspended = this.accel.suspend();
        this.set_asleep(false);
        suspended?;
        // It tells of nothing while it is off.
        this.quiet();
        Ok(())
    }

    fn resume<'bound>(pdev: &'bound pci::Device<Core<'_>>, this: Pin<&Self>) -> Result {
        // It may not have been switched off in between, and what it could not end then goes on.
        // What is isolated stays so.
        let needs_reset = this.accel.is_in_bus_reset()
            && this.accel.with_data::<ZipDriver, _>(|zip| {
                Ok(needs_reset(pdev, &zip.bar, &zip.capabilities))
            }) == Ok(true);
        // Not here: a reset may have to wait for somebody who is frozen.
        if needs_reset {
            this.accel.resume_by_reset();
            return Ok(());
        }
        this.accel.resume()
    }
}

kernel::module_pci_driver! {
    type: PciDriver,
    name: "accel_hisi_zip",
    authors: ["The accel developers"],
    description: "HiSilicon ZIP engine, shared with user space",
    license: "GPL",
    params: {
        pf_q_num: u32 {
            default: 0,
            description: "Queues to use, 0 for all that the device has (default: 0)",
        },
        job_limit_ms: u32 {
            default: 60_000,
            description: "Milliseconds until a hung queue is stopped, 0 for never (default: 60000)",
        },
        auto_recovery: bool {
            default: true,
            description: "Reset the device if a queue hangs and does not stop (default: yes)",
        },
        perf_mode: bool {
            default: false,
            description: "Compress faster, but less tightly (default: no)",
        },
    },
}
