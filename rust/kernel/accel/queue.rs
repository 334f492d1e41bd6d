// SPDX-License-Identifier: GPL-2.0

//! Queues: what the hardware, the process and others have of each, from its first moment to its
//! end.

use super::{
    client,
    context::{
        Context,
        Space,
        SpaceUse, //
    },
    device::{
        Access,
        Device, //
    },
    driver::{
        AddressMode,
        Progress, //
    },
    notices::{
        Notices,
        LIVE, //
    },
    pipeline::Pipeline,
    region::{
        Region,
        Regions, //
    },
    table::{
        Args,
        Created,
        Data,
        DriverQueue,
        Wanted, //
    },
    trace,
    usage::Seen, //
};
use crate::{
    anon_inode::Inode,
    dma_buf::dma_fence,
    mm::fault::{
        Fault,
        FaultResult,
        Sigbus, //
    },
    module_ref::ModuleRef,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed,
            Release, //
        },
        new_mutex,
        Arc,
        Mutex,
        SetOnce, //
    },
    time::{
        delay::fsleep,
        ClockSource,
        Delta,
        Monotonic, //
    },
    uapi, //
};

/// How long a job may take whose fence others may wait for.
const FENCE_LIMIT: Delta = Delta::from_secs(60);
/// How long whoever closes a queue waits for its end, or for the end of its next job.
const CLOSE_LIMIT: Delta = Delta::from_secs(3);
/// How long a queue that is to stop may go on without that any of its jobs ends, if others may wait
/// for them: their memory is there.
const FENCE_STALL_NS: i64 = Delta::from_secs(1).as_nanos();
/// The same if it may have to ask for thousands of pages, or the limit of a job where that is less.
const STALL_NS: i64 = Delta::from_secs(30).as_nanos();

const DEAD_TIMEOUT: uapi::accel_queue_state = uapi::accel_queue_state_ACCEL_QUEUE_DEAD_TIMEOUT;

/// What a queue has for as long as the hardware knows it.
pub(super) struct Live {
    /// Shared with `Hardware`, the pipeline, and those who prepare jobs.
    pub(super) driver: Arc<DriverQueue>,
    pub(super) regions: Regions,
    space: Arc<Space>,
    /// No page is given out any more.
    revoked: bool,
}

/// What the device does for a queue.
#[derive(Default)]
struct Hardware {
    /// Until the driver has stopped it.
    driver: Option<Arc<DriverQueue>>,
    seen: Seen,
    /// When it was to stop first.
    stopping_since: Option<i64>,
}

impl Hardware {
    /// For how many nanoseconds it has been to stop, and has ended no job; if `is_hung`, for how
    /// many it has ended none, whenever it was to stop.
    fn stall_ns(&self, is_hung: bool) -> i64 {
        let waiting = self.seen.waiting_since;
        let since = match self.stopping_since {
            _ if is_hung => waiting.or(self.stopping_since),
            // What came before is no reason: its jobs may have stood behind those of others.
            Some(stop) => Some(waiting.map_or(stop, |waiting| waiting.max(stop))),
            None => None,
        };
        since.map_or(0, |since| Monotonic::ktime_get() - since)
    }
}

impl Live {
    /// Gives back all: the driver's part, the rings, and then the address space.
    ///
    /// # Safety
    ///
    /// The device must not touch memory for the queue any more; `device` must be the queue's, and
    /// `data` of it, and live.
    unsafe fn put(self, device: &Arc<Device>, data: Data) {
        drop(self.driver);
        drop(self.regions);
        // SAFETY: By the requirement of this function.
        unsafe { device.part(self.space, data) };
    }
}

/// A queue.
///
/// ```text
///            revoke               destroy                destroy succeeds,
///                                                        or the device is halted
///   live  ---------->  revoked  ---------->  (stopping)  ---------->  gone
///                         ^                      |
///                         +----------------------+
///                              destroy fails: it is tried again
/// ```
///
/// # Invariants
///
/// - Nobody is given a page of a queue but in `live`, by `Queue::live`. When `revoke` has returned,
///   nobody has one; only after that do `notices` tell of it.
/// - What `live` holds goes once, when the device does not touch it any more: `hardware` has no
///   driver then.
/// - A queue that has jobs is in its slot: they end first.
/// - The number belongs to the queue until it is gone. Until then it is in its slot, or who took it
///   out there ends it or puts it back, and nobody else does. Whoever puts it back has set `stuck`
///   and asks for another try.
#[pin_data]
pub(super) struct Queue {
    id: u32,
    pub(super) mode: AddressMode,
    pasid: u32,
    pub(super) context: Arc<Context>,
    /// As the driver has made it.
    depth: Atomic<u32>,
    /// Its jobs, in [`AddressMode::Kernel`].
    pub(super) pipeline: SetOnce<Arc<Pipeline>>,
    /// Pages are given out under this lock only, and only until it is revoked: whoever does that
    /// can zap the mappings and knows that none comes back.
    #[pin]
    live: Mutex<Option<Live>>,
    /// Held while the driver is asked about the queue, or stops it. Fences depend on that: nobody
    /// waits for memory with it held.
    #[pin]
    hardware: Mutex<Hardware>,
    /// The state that it is to be killed with, `LIVE` if it is not.
    doom: Atomic<u32>,
    /// Held while the queue is being revoked.
    #[pin]
    inode: Mutex<Option<Inode>>,
    #[pin]
    pub(super) notices: Notices,
    /// The driver's code, for `Live`. Last, so that it goes last. A client's queue does without:
    /// all that it has of the driver is gone when the device is unbound.
    _module: Option<ModuleRef>,
}

impl Queue {
    pub(super) fn new(
        context: &Arc<Context>,
        access: &Access<'_>,
        space: SpaceUse<'_>,
        args: &uapi::accel_queue_create,
        driver_args: Args,
    ) -> Result<Arc<Self>> {
        let device = context.device();
        let (module, reserved) = match context.client() {
            Some(_) => (None, 0),
            None => (
                Some(ModuleRef::new(device.ops().owner)?),
                client::reserved(device),
            ),
        };
        let id = device.slots.claim(reserved).or_else(|e| {
            // Those that did not stop may have stopped by now.
            device.retry_if_stuck(access);
            device.slots.claim(reserved).map_err(|_| e)
        })?;

        let wanted = Wanted {
            device,
            id,
            depth: args.depth,
            priority: args.priority,
            mode: space.mode,
            pasid: space.pasid(),
            context: space.driver(),
            args: driver_args,
        };
        let queue = Self::allocate(context, id, &space, module)
            .inspect_err(|_| device.slots.release(id))?;
        queue.begin(access, &wanted, &space)?;
        Ok(queue)
    }

    /// All that can be had before the driver makes the queue.
    fn allocate(
        context: &Arc<Context>,
        id: u32,
        space: &Space,
        module: Option<ModuleRef>,
    ) -> Result<Arc<Self>> {
        let generation = context.device().recovery.generation.load(Relaxed);
        Arc::pin_init(
            try_pin_init!(Self {
                id,
                mode: space.mode,
                pasid: space.pasid(),
                context: context.clone(),
                depth: Atomic::new(0),
                pipeline: SetOnce::new(),
                live <- new_mutex!(None),
                hardware <- new_mutex!(Hardware::default()),
                doom: Atomic::new(LIVE),
                inode <- new_mutex!(None),
                notices <- Notices::new(generation),
                _module: module,
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Has the driver make the queue. If something fails after that, the queue is closed like any
    /// other, since the device may not stop it at once.
    fn begin(
        self: &Arc<Self>,
        access: &Access<'_>,
        wanted: &Wanted<'_>,
        space: &SpaceUse<'_>,
    ) -> Result {
        let device = self.context.device();
        let Created {
            queue: driver,
            depth,
            regions,
        } = access
            .queue_create(wanted)
            .inspect_err(|_| device.slots.release(self.id))?;
        self.depth.store(depth, Relaxed);
        let (regions, equipped) = match self.equip(depth, regions, &driver) {
            Ok(regions) => (regions, Ok(())),
            Err(e) => (Regions::none(), Err(e)),
        };
        self.hardware.lock().driver = Some(driver.clone());
        *self.live.lock() = Some(Live {
            driver,
            regions,
            space: space.keep(),
            revoked: false,
        });
        self.context.queues.fetch_add(1, Relaxed);
        device.counters.queues.fetch_add(1, Relaxed);
        device.counters.queues_created.fetch_add(1, Relaxed);
        trace::queue_create(device.id(), self.id, self.context.id(), self.pasid, depth);
        device.slots.set(self.clone());
        if equipped.is_ok() {
            device.start_sampling();
        } else {
            self.close(access);
        }
        equipped
    }

    /// What user space is given. In [`AddressMode::Kernel`] that is none of the driver's regions,
    /// but the records of its jobs. Fails with [`EIO`] if the driver has made no queue that there
    /// can be.
    fn equip(
        &self,
        depth: u32,
        regions: KVec<Region>,
        driver: &Arc<DriverQueue>,
    ) -> Result<Regions> {
        let device = self.context.device();
        if depth == 0 || depth > device.info().depth_max {
            return Err(EIO);
        }
        match &device.ops().submission {
            Some(submission) if self.mode == AddressMode::Kernel => {
                let inbox = self.context.client();
                let pipeline = Pipeline::new(device, self.id, depth, submission, driver, inbox)?;
                let mut records = KVec::new();
                records.push(pipeline.region(), GFP_KERNEL_ACCOUNT)?;
                self.pipeline.populate(pipeline);
                Regions::new(records)
            }
            _ if regions.iter().all(|region| region.is_of(device.parent())) => {
                Regions::new(regions)
            }
            _ => Err(EIO),
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn depth(&self) -> u32 {
        self.depth.load(Relaxed)
    }

    /// Bytes of a job that it is handed over, 0 if it takes none.
    pub(super) fn job_size(&self) -> u32 {
        let submission = self.context.device().ops().submission.as_ref();
        match (submission, self.mode) {
            (Some(submission), AddressMode::Kernel) => submission.job_size as u32,
            _ => 0,
        }
    }

    /// Whether its jobs are in this pipeline.
    pub(super) fn has_pipeline(&self, pipeline: &Pipeline) -> bool {
        self.pipeline
            .as_ref()
            .is_some_and(|own| core::ptr::eq(&**own, pipeline))
    }

    /// Whether others may wait for its jobs.
    pub(super) fn has_fences(&self) -> bool {
        self.pipeline.as_ref().is_some()
    }

    /// How long a job may take even if the driver has no limit.
    pub(super) fn job_limit(&self) -> Option<Delta> {
        self.has_fences().then_some(FENCE_LIMIT)
    }

    pub(super) fn pasid(&self) -> u32 {
        self.pasid
    }

    /// The process that opened the context, in the initial PID namespace.
    pub(super) fn pid(&self) -> i32 {
        self.context.pid()
    }

    /// Tells the process that jobs have completed. Does not sleep.
    pub(super) fn complete(&self) {
        self.context.completions.fetch_add(1, Relaxed);
        self.notices.complete();
    }

    /// The descriptor is closed: nobody can use the queue any more.
    pub(super) fn close(&self, access: &Access<'_>) {
        if let Some(pipeline) = self.pipeline.as_ref() {
            pipeline.die(ECANCELED);
        }
        // Nor is anybody told of its end, who may still have the eventfd for other queues.
        self.notices.drop_eventfd();

        if !self.kill(access, uapi::accel_queue_state_ACCEL_QUEUE_CLOSED) {
            self.context.device().give_up_queue(access);
        }
    }

    /// Waits until a closed queue is gone, so that its process knows that the device writes nothing
    /// for it any more: for as long as jobs of it end, but not for ever, since that may wait for
    /// the process itself, and not where nobody is told: a worker closes files for others. The
    /// device is not kept meanwhile.
    pub(super) fn wait_gone(&self) {
        let closed = Monotonic::ktime_get();
        while self.live.lock().is_some() && current!().returns_to_user_space() {
            let moved = self.hardware.lock().seen.waiting_since;
            let since = moved.map_or(closed, |moved| moved.max(closed));
            if Monotonic::ktime_get() - since >= CLOSE_LIMIT.as_nanos() {
                return;
            }
            fsleep(Delta::from_millis(1));
            // If it is not in operation, whoever stops it ends the queue.
            if let Ok(access) = self.context.device().operate() {
                if !self.retry_kill(&access) {
                    return;
                }
            }
        }
    }

    /// Ends a queue for whatever reason. One that does not stop keeps all that it has, and is tried
    /// again; returns false if that has gone on for too long. Does nothing if somebody else ends
    /// it.
    pub(super) fn kill(&self, access: &Access<'_>, state: uapi::accel_queue_state) -> bool {
        let device = self.context.device();
        let _ = self.doom.cmpxchg(LIVE, state, Relaxed);
        // Before anything that may have to wait for others, who may wait for these jobs.
        if let Err(e) = self.end_jobs(access) {
            self.revoke(state);
            return self.keeps_on(e);
        }
        // Before `destroy` gives the number to the next queue, which is then in the slot.
        let Some(queue) = device.slots.take_if(self) else {
            return true;
        };
        self.revoke(state);
        // SAFETY: `access` keeps the driver's data.
        match unsafe { self.destroy(access.data()) } {
            Ok(()) => true,
            Err(e) => {
                device.slots.set(queue);
                self.keeps_on(e)
            }
        }
    }

    /// Has a worker kill the queue with this state; returns whether nobody has begun to.
    pub(super) fn doom(&self, state: uapi::accel_queue_state) -> bool {
        let first = self.doom.cmpxchg(LIVE, state, Relaxed).is_ok();
        if first {
            // Who finds this finds the queue doomed.
            self.context.device().recovery.stuck.store(true, Release);
        }
        first
    }

    /// Whether the process has ended whose memory the device works on, or executes another program.
    pub(super) fn is_abandoned(&self) -> bool {
        self.mode == AddressMode::Shared && self.context.is_abandoned()
    }

    pub(super) fn is_doomed(&self) -> bool {
        self.doom.load(Relaxed) != LIVE
    }

    /// Goes on to kill a queue that is doomed; returns false if that takes too long.
    pub(super) fn retry_kill(&self, access: &Access<'_>) -> bool {
        let state = self.doom.load(Relaxed);
        state == LIVE || self.kill(access, state)
    }

    /// The queue does not stop. Has it tried again; returns false if it never will.
    fn keeps_on(&self, error: Error) -> bool {
        let device = self.context.device();
        // Who finds this finds the queue doomed, and in its slot.
        device.recovery.stuck.store(true, Release);
        device.start_sampling();
        error == EBUSY
    }

    /// Has the driver abort a queue that goes on, though its memory is there, once it has had its
    /// time; fails with [`EBUSY`] until then.
    ///
    /// A queue that can't be aborted has the time of a job to stop by itself, before that is an
    /// error of the device, which may be reset for it.
    ///
    /// # Safety
    ///
    /// `data` must be that of the queue's device, and live; the driver must not have stopped the
    /// queue.
    unsafe fn abort(&self, hardware: &Hardware, driver: &DriverQueue, data: Data) -> Result {
        let device = self.context.device();
        let limit = device.info().job_limit.or(self.job_limit());
        let limit = limit.map_or(STALL_NS, |limit| limit.as_nanos());
        let (patience, limit) = match self.has_fences() {
            true => (FENCE_STALL_NS, limit),
            false => (limit.min(STALL_NS), limit.min(STALL_NS)),
        };
        // A job has had more than its time before the queue was to stop.
        let stall = hardware.stall_ns(self.doom.load(Relaxed) == DEAD_TIMEOUT);
        let is_asked_for = self.has_fences() || device.resets_itself();
        if !is_asked_for || stall < patience {
            return Err(EBUSY);
        }
        // SAFETY: By the requirement of this function.
        let aborted = unsafe { driver.abort(data) };
        match stall >= limit {
            true => aborted,
            false => aborted.map_err(|_| EBUSY),
        }
    }

    /// Whether the device may be waiting for memory of the process.
    fn waits_for_memory(&self) -> bool {
        // Jobs with fences have buffers, which are there.
        !self.has_fences()
            && (*self.live.lock())
                .as_ref()
                .is_some_and(|live| live.space.waits_for_memory(self.context.device().info()))
    }

    /// Ends the jobs of a queue that is doomed, if others may wait for them; returns false if that
    /// takes too long.
    pub(super) fn end_doomed_jobs(&self, access: &Access<'_>) -> bool {
        match self.end_jobs(access) {
            Ok(()) => true,
            Err(e) => self.keeps_on(e),
        }
    }

    /// Stops the queue and ends its jobs, if others may wait for them. Waits for nobody. Fails if
    /// the queue does not stop.
    fn end_jobs(&self, access: &Access<'_>) -> Result {
        let Some(pipeline) = self.pipeline.as_ref() else {
            return Ok(());
        };
        let _signalling = dma_fence::signalling();
        pipeline.die(error_of(self.doom.load(Relaxed)));
        // SAFETY: `access` keeps the driver's data.
        unsafe { self.stop(access.data())? };
        pipeline.end_all();
        Ok(())
    }

    /// Lets no job reach the driver any more.
    pub(super) fn refuse_jobs(&self, state: uapi::accel_queue_state) {
        if let Some(pipeline) = self.pipeline.as_ref() {
            pipeline.die(error_of(state));
        }
    }

    /// Ends all jobs that others may wait for: the device is halted.
    pub(super) fn end_halted_jobs(&self) {
        if let Some(pipeline) = self.pipeline.as_ref() {
            pipeline.end_all();
        }
    }

    /// Offers the driver again the job that it has refused, if it has. Does not sleep.
    pub(super) fn retry_job(&self) {
        if let Some(pipeline) = self.pipeline.as_ref() {
            pipeline.retry();
        }
    }

    /// Takes the doorbell and the rings from the process, and then tells it why. Does nothing the
    /// second time.
    pub(super) fn revoke(&self, state: uapi::accel_queue_state) {
        let inode = self.inode.lock();
        match &mut *self.live.lock() {
            Some(live) if !live.revoked => live.revoked = true,
            _ => return,
        }
        if let Some(inode) = &*inode {
            inode.zap_mappings();
        }
        if let Some(pipeline) = self.pipeline.as_ref() {
            pipeline.die(error_of(state));
        }

        // Whoever learns that the queue is dead must find that its pages are gone; and whoever
        // misses a page must find that it is dead, so a fault waits for `inode`.
        self.notices.die(state);
    }

    /// Gives a page of the queue's mappings. Fails if the queue is dead, but for the status page.
    pub(super) fn fault(&self, fault: &Fault<'_>) -> FaultResult {
        if let Some(result) = Regions::fault_status(fault, self.notices.status_page()) {
            return result;
        }
        if let Some(pipeline) = self.pipeline.as_ref() {
            return pipeline.fault(fault, PAGE_SIZE as u64);
        }
        if let Some(live) = &*self.live.lock() {
            if !live.revoked {
                if live.regions.is_doorbell(fault.offset()) {
                    let device = self.context.device().id();
                    trace::doorbell_map(device, self.id, fault.offset());
                }
                // SAFETY: `live` is locked and not revoked. Before `destroy` drops it, `revoke` has
                // marked it under this lock and zapped the mappings; `Device::leave` has that done
                // for every queue before the driver is unbound.
                return unsafe { live.regions.fault(fault) };
            }
        }
        self.wait_revoked();
        Err(Sigbus)
    }

    /// The mappings of this file end with the queue.
    pub(super) fn set_inode(&self, inode: Inode) {
        *self.inode.lock() = Some(inode);
    }

    /// Calls `f` with what the hardware has of the queue, and keeps it meanwhile. Fails with
    /// [`ENODEV`] if the queue is dead.
    pub(super) fn with_live<R>(&self, f: impl FnOnce(&Live) -> Result<R>) -> Result<R> {
        if let Some(live) = (*self.live.lock()).as_ref().filter(|live| !live.revoked) {
            return f(live);
        }
        self.wait_revoked();
        Err(ENODEV)
    }

    /// Lets whoever is revoking the queue come to the end of it, so that who has found that it dies
    /// is told of it everywhere.
    pub(super) fn wait_revoked(&self) {
        drop(self.inode.lock());
    }

    /// Keeps the device in operation, for something that this queue is to do. Fails with [`ENODEV`]
    /// if it is not: that is the end of all queues that it had, and this one is dead by now.
    pub(super) fn operate(&self) -> Result<Access<'_>> {
        if let Ok(access) = self.context.device().operate() {
            return Ok(access);
        }
        // Whoever stops the device may not have come to this queue yet.
        self.notices.wait_dead()?;
        Err(ENODEV)
    }

    /// Looks at what the queue has done; returns for how many nanoseconds no job has ended though
    /// there is one, 0 if nobody can tell.
    pub(super) fn sample(&self, access: &Access<'_>, now: i64) -> i64 {
        let mut hardware = self.hardware.lock();
        // SAFETY: `access` keeps the driver's data.
        match unsafe { self.progress(&hardware, access.data()) } {
            Some(progress) => hardware.seen.update(now, progress),
            None => 0,
        }
    }

    /// Asks what the queue has done, and counts what is new of it. Others wait for jobs of the
    /// pipeline, so there its word counts, and not the driver's.
    ///
    /// # Safety
    ///
    /// `data` must be that of the queue's device, and live.
    unsafe fn progress(&self, hardware: &Hardware, data: Data) -> Option<Progress> {
        let driver = hardware.driver.as_ref()?;
        let before = &hardware.seen.progress;
        // SAFETY: By the requirement of this function; the queue is not destroyed yet, and
        // `hardware` is locked.
        let told = unsafe { driver.progress(data) };
        let progress = match self.pipeline.as_ref() {
            Some(pipeline) => {
                let (jobs, pending) = pipeline.progress();
                Progress {
                    jobs,
                    pending,
                    ..told.and_then(Result::ok).unwrap_or(*before)
                }
            }
            // A device that does not answer does not do its jobs either.
            None => told?.unwrap_or(Progress {
                pending: true,
                ..*before
            }),
        };
        self.context.count(before, &progress);
        Some(progress)
    }

    /// Has the driver stop the queue. Waits for nobody; does nothing if it is stopped.
    ///
    /// The device may still be at work on jobs, or may wait for memory that the process does not
    /// give it: that is the owner's affair, and no reason to take the device from others. It fails
    /// with [`EBUSY`] then; with another error if nothing but a reset helps.
    ///
    /// # Safety
    ///
    /// `data` must be that of the queue's device, and live.
    unsafe fn stop(&self, data: Data) -> Result {
        let memory = self.waits_for_memory();
        let mut hardware = self.hardware.lock();
        // SAFETY: By the requirement of this function.
        if let Some(last) = unsafe { self.progress(&hardware, data) } {
            hardware.seen.update(Monotonic::ktime_get(), last);
        }
        let Some(driver) = &hardware.driver else {
            return Ok(());
        };
        // SAFETY: By the requirement of this function; it is taken out if this succeeds.
        let stopped = match unsafe { driver.destroy(data) } {
            // SAFETY: As above.
            Err(e) if e == EBUSY && !memory => unsafe { self.abort(&hardware, driver, data) },
            stopped => stopped,
        };
        hardware
            .stopping_since
            .get_or_insert(Monotonic::ktime_get());
        stopped?;
        // Not the last reference: `Live` has one.
        hardware.driver = None;
        Ok(())
    }

    /// Stops a queue that is revoked, and gives back all that it has. Does nothing if that is done.
    ///
    /// The order matters: nobody is given a page any more, nobody has one, the device has stopped,
    /// and only then the rings are freed and the address space is unbound. If the device does not
    /// stop, the queue keeps them.
    ///
    /// # Safety
    ///
    /// `data` must be that of the queue's device, and live. The queue must not be in its slot.
    pub(super) unsafe fn destroy(&self, data: Data) -> Result {
        // SAFETY: By the requirements of this function; when the device has stopped, it does not
        // touch memory for the queue.
        unsafe {
            self.stop(data)?;
            self.forget(data);
        }
        Ok(())
    }

    /// Gives back all that a queue has which was not stopped.
    ///
    /// # Safety
    ///
    /// The device must not touch memory any more; `data` must be that of the queue's device, and
    /// live.
    pub(super) unsafe fn destroy_halted(&self, data: Data) {
        self.hardware.lock().driver = None;
        // SAFETY: By the requirement of this function.
        unsafe { self.forget(data) };
    }

    /// # Safety
    ///
    /// As for [`Live::put`].
    unsafe fn forget(&self, data: Data) {
        let live = self.live.lock().take();
        let Some(live) = live else {
            return;
        };
        let device = self.context.device();
        // SAFETY: By the requirement of this function.
        unsafe { live.put(device, data) };
        if let Some(pipeline) = self.pipeline.as_ref() {
            pipeline.end_all();
            // The mappings of buffers end with the queue, and what its driver made of the jobs.
            pipeline.reap();
        }
        self.context.queues.fetch_sub(1, Relaxed);
        device.counters.queues.fetch_sub(1, Relaxed);
        trace::queue_destroy(device.id(), self.id, self.notices.state());
        device.slots.release(self.id);
    }
}

/// How the jobs of a queue end that has come to this state.
fn error_of(state: uapi::accel_queue_state) -> Error {
    match state {
        DEAD_TIMEOUT => ETIMEDOUT,
        uapi::accel_queue_state_ACCEL_QUEUE_DEAD_REMOVED => ENODEV,
        uapi::accel_queue_state_ACCEL_QUEUE_DEAD_ISOLATED
        | uapi::accel_queue_state_ACCEL_QUEUE_DEAD_ERROR => EIO,
        _ => ECANCELED,
    }
}
