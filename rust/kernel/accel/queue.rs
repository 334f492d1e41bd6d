// SPDX-License-Identifier: GPL-2.0

//! Queues: descriptors to which jobs are handed without system calls.

use super::{
    class,
    context::{
        Context,
        Space, //
    },
    device::{
        Access,
        Device, //
    },
    driver::{
        AddressMode,
        Doorbell,
        Progress, //
    },
    ioctl::{
        self,
        Argument, //
    },
    pipeline::Pipeline,
    region::{
        Region,
        Regions, //
    },
    status_page::StatusPage,
    submit,
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
    anon_inode::{
        self,
        Inode, //
    },
    bindings,
    capability::{
        capable,
        Cap, //
    },
    eventfd::EventFd,
    fs::{
        file::{
            flags,
            FileDescriptorReservation, //
        },
        operations::{
            Borrowed,
            Operations, //
        },
        File, //
    },
    mm::fault::{
        Fault,
        FaultResult,
        Kind,
        NewMapping,
        Sigbus, //
    },
    module_ref::ModuleRef,
    page::PAGE_SIZE,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    static_lock_class,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        new_mutex,
        new_spinlock,
        poll::{
            PollCondVarBox,
            PollTable, //
        },
        Arc,
        Mutex,
        SetOnce,
        SpinLock, //
    },
    time::Delta,
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceWriter, //
    },
    uapi,
    ustruct, //
};

/// How long a job may take whose fence others may wait for.
const FENCE_LIMIT: Delta = Delta::from_secs(60);

/// What a queue has for as long as the hardware knows it.
struct Live {
    /// Shared with the pipeline, and with those who prepare jobs.
    driver: Arc<DriverQueue>,
    regions: Regions,
    space: Arc<Space>,
    seen: Seen,
    /// No page is given out any more.
    revoked: bool,
}

impl Live {
    /// Gives back all: the driver's part, the rings, and then the address space.
    ///
    /// # Safety
    ///
    /// The device must not touch memory for the queue any more; `data` must be of the queue's
    /// device, and live.
    unsafe fn put(self, data: Data) {
        drop(self.driver);
        drop(self.regions);
        // SAFETY: By the requirement of this function.
        unsafe { Space::put(self.space, data) };
    }
}

/// What the process waits for.
struct Events {
    /// Completion events that were not read yet.
    unread: u64,
    /// Completion events so far.
    completions: u64,
    status: uapi::accel_queue_state,
    eventfd: Option<EventFd>,
}

impl Events {
    fn is_live(&self) -> bool {
        self.status == uapi::accel_queue_state_ACCEL_QUEUE_LIVE
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
///                              destroy fails
/// ```
///
/// # Invariants
///
/// - Nobody is given a page of a queue but in `live`, by `Queue::live`. When `revoke` has returned,
///   nobody has one; only after that do `events` and the status page tell of it.
/// - In `stopping` and `gone`, `Queue::live` is empty. What it held goes once, when the device does
///   not touch it any more.
/// - The number belongs to the queue until it is gone. Until then it is in its slot, or who took it
///   out there ends it or puts it back, and nobody else does. Whoever puts it back has set `stuck`
///   and asks for another try.
#[pin_data]
pub(super) struct Queue {
    id: u32,
    mode: AddressMode,
    pasid: u32,
    context: Arc<Context>,
    /// As the driver has made it.
    depth: Atomic<u32>,
    /// Its jobs, in [`AddressMode::Kernel`].
    pipeline: SetOnce<Arc<Pipeline>>,
    /// Pages are given out under this lock only, and only until it is revoked: whoever does that
    /// can zap the mappings and knows that none comes back.
    #[pin]
    live: Mutex<Option<Live>>,
    /// Held while the queue is being revoked.
    #[pin]
    inode: Mutex<Option<Inode>>,
    #[pin]
    events: SpinLock<Events>,
    wait: PollCondVarBox,
    status: StatusPage,
    /// The driver's code, for `Live`. Last, so that it goes last.
    _module: ModuleRef,
}

/// `ACCEL_QUEUE_CREATE`, on a context's descriptor.
pub(super) fn create(context: &Arc<Context>, arg: UserPtr) -> Result<isize> {
    let mut args: uapi::accel_queue_create =
        ustruct::read(arg, size_of::<uapi::accel_queue_create>())?;
    check_args(context.device(), &args)?;
    let driver_args = Args::read(
        context.device().ops(),
        UserPtr::from_addr(args.driver_data as usize),
        args.driver_data_size,
    )?;

    let access = context.device().operate()?;
    let space = context.space()?;
    context.check_caller(space.mode)?;
    check_doorbell(context.device(), space.mode)?;
    let fd = FileDescriptorReservation::get_unused_fd_flags(flags::O_CLOEXEC)?;
    let queue = Queue::new(context, &access, space, &args, driver_args)?;
    args.fd = fd.reserved_fd() as i32;
    args.depth = queue.depth();
    // From here on the file owns the queue: dropping it destroys the queue.
    let file = queue.into_file(&access)?;
    drop(access);

    ustruct::write(arg, args.size, &args)?;
    fd.fd_install(file);
    Ok(0)
}

fn check_args(device: &Device, args: &uapi::accel_queue_create) -> Result {
    if args.flags != 0
        || args.depth > device.info().depth_max
        || args.priority >= device.info().priorities
        || (args.driver_data == 0) != (args.driver_data_size == 0)
    {
        return Err(EINVAL);
    }
    if args.priority != 0 && !capable(Cap::SysNice) {
        return Err(EACCES);
    }
    Ok(())
}

/// Fails with [`EPERM`] if a process that maps a doorbell could ring those of others.
fn check_doorbell(device: &Device, mode: AddressMode) -> Result {
    if device.info().doorbell != Doorbell::Shared || mode == AddressMode::Kernel {
        return Ok(());
    }
    let allowed = class::shared()?.allow_shared_doorbells;
    device.warn_shared_doorbells(allowed);
    if allowed {
        Ok(())
    } else {
        Err(EPERM)
    }
}

impl Queue {
    fn new(
        context: &Arc<Context>,
        access: &Access<'_>,
        space: Arc<Space>,
        args: &uapi::accel_queue_create,
        driver_args: Args,
    ) -> Result<Arc<Self>> {
        let device = context.device();
        let module = ModuleRef::new(device.ops().owner)?;
        if !device.retry_if_stuck(access) {
            // The worker may have found that somebody was at it already.
            device.recover_stuck();
        }
        let id = device.slots.claim()?;

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
        let made = Self::allocate(context, id, &space, module)
            .inspect_err(|_| device.slots.release(id))
            .and_then(|queue| queue.begin(access, &wanted, &space).map(|()| queue));
        // SAFETY: `access` keeps the driver's data.
        unsafe { Space::put(space, access.data()) };
        made
    }

    /// All that can be had before the driver makes the queue.
    fn allocate(
        context: &Arc<Context>,
        id: u32,
        space: &Space,
        module: ModuleRef,
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
                inode <- new_mutex!(None),
                events <- new_spinlock!(Events {
                    unread: 0,
                    completions: 0,
                    status: uapi::accel_queue_state_ACCEL_QUEUE_LIVE,
                    eventfd: None,
                }),
                wait: PollCondVarBox::new(c"accel_queue", static_lock_class!())?,
                status: StatusPage::new(generation)?,
                _module: module,
            }),
            GFP_KERNEL,
        )
    }

    /// Has the driver make the queue. If something fails after that, the queue is closed like any
    /// other, since the device may not stop it at once.
    fn begin(
        self: &Arc<Self>,
        access: &Access<'_>,
        wanted: &Wanted<'_>,
        space: &Arc<Space>,
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
        *self.live.lock() = Some(Live {
            driver,
            regions,
            space: space.clone(),
            seen: Seen::default(),
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
    /// but the records of its jobs.
    fn equip(
        &self,
        depth: u32,
        regions: KVec<Region>,
        driver: &Arc<DriverQueue>,
    ) -> Result<Regions> {
        let device = self.context.device();
        match &device.ops().submission {
            Some(submission) if self.mode == AddressMode::Kernel => {
                let pipeline = Pipeline::new(device, self.id, depth, submission, driver)?;
                let mut records = KVec::new();
                records.push(pipeline.region(), GFP_KERNEL)?;
                self.pipeline.populate(pipeline);
                Regions::new(records)
            }
            _ => Regions::new(regions),
        }
    }

    /// Makes the queue's file; destroys the queue if that fails.
    fn into_file(self: Arc<Self>, access: &Access<'_>) -> Result<ARef<File>> {
        let queue = self.clone();
        let (file, inode) =
            anon_inode::create_file::<Descriptor>(c"[accel_queue]", self, flags::O_RDWR)
                .inspect_err(|_| queue.close(access))?;
        *queue.inode.lock() = Some(inode);
        Ok(file)
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn depth(&self) -> u32 {
        self.depth.load(Relaxed)
    }

    /// Whether its jobs are in this pipeline.
    pub(super) fn has_pipeline(&self, pipeline: &Pipeline) -> bool {
        self.pipeline
            .as_ref()
            .is_some_and(|own| core::ptr::eq(&**own, pipeline))
    }

    /// How long a job may take even if the driver has no limit: others may wait for its fence.
    pub(super) fn job_limit(&self) -> Option<Delta> {
        self.pipeline.as_ref().map(|_| FENCE_LIMIT)
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
        let mut events = self.events.lock();
        events.unread += 1;
        events.completions += 1;
        self.status.set_completions(events.completions);
        self.wake(&events);
    }

    fn wake(&self, events: &Events) {
        self.wait.notify_all();
        if let Some(eventfd) = &events.eventfd {
            eventfd.signal();
        }
    }

    /// The descriptor is closed: nobody can use the queue any more.
    fn close(&self, access: &Access<'_>) {
        if let Some(pipeline) = self.pipeline.as_ref() {
            pipeline.die(ECANCELED);
        }
        // Nor is anybody told of its end, who may still have the eventfd for other queues.
        let eventfd = self.events.lock().eventfd.take();
        drop(eventfd);

        let device = self.context.device();
        if !self.kill(access, uapi::accel_queue_state_ACCEL_QUEUE_DEAD_REMOVED) {
            device.recover_stuck();
        }
    }

    /// Ends a queue for whatever reason; returns false if it does not stop, and keeps all that it
    /// has then. Does nothing if somebody else ends it.
    pub(super) fn kill(&self, access: &Access<'_>, state: uapi::accel_queue_state) -> bool {
        let device = self.context.device();
        // Before `destroy` gives the number to the next queue, which is then in the slot.
        let Some(queue) = device.slots.take_if(self) else {
            return true;
        };
        self.revoke(state);
        // SAFETY: `access` keeps the driver's data.
        if unsafe { self.destroy(access.data()) }.is_err() {
            device.slots.set(queue);
            device.recovery.stuck.store(true, Relaxed);
            return false;
        }
        true
    }

    /// Tries again to destroy a queue that did not stop; returns whether there is nothing more to
    /// do.
    pub(super) fn retry_kill(&self, access: &Access<'_>) -> bool {
        let stuck = self.live.lock().as_ref().is_some_and(|live| live.revoked);
        !stuck || self.kill(access, uapi::accel_queue_state_ACCEL_QUEUE_DEAD_REMOVED)
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
        let mut events = self.events.lock();
        events.status = state;
        self.status.set_state(state);
        self.wake(&events);
    }

    /// Calls `f` with what the hardware has of the queue, and keeps it meanwhile. Fails with
    /// [`ENODEV`] if the queue is dead.
    fn with_live<R>(&self, f: impl FnOnce(&Live) -> Result<R>) -> Result<R> {
        if let Some(live) = (*self.live.lock()).as_ref().filter(|live| !live.revoked) {
            return f(live);
        }
        self.wait_revoked();
        Err(ENODEV)
    }

    /// Lets whoever is revoking the queue come to the end of it, so that who has found that it dies
    /// is told of it everywhere.
    fn wait_revoked(&self) {
        drop(self.inode.lock());
    }

    /// Keeps the device in operation, for something that this queue is to do. Fails with [`ENODEV`]
    /// if it is not: that is the end of all queues that it had, and this one is dead by now.
    pub(super) fn operate(&self) -> Result<Access<'_>> {
        if let Ok(access) = self.context.device().operate() {
            return Ok(access);
        }
        // Whoever stops the device may not have come to this queue yet.
        let mut events = self.events.lock();
        while events.is_live() {
            if self.wait.wait_interruptible(&mut events) {
                return Err(ERESTARTSYS);
            }
        }
        Err(ENODEV)
    }

    /// Asks the driver what the queue has done, and `f` for how long it has hung. `None` if the
    /// queue is dead or the driver can't tell.
    pub(super) fn sample(
        &self,
        access: &Access<'_>,
        f: impl FnOnce(&mut Seen, Progress) -> i64,
    ) -> Option<i64> {
        let mut live = self.live.lock();
        let live = (*live).as_mut().filter(|live| !live.revoked)?;
        // SAFETY: `access` keeps the driver's data, the lock the queue.
        let told = unsafe { live.driver.progress(access.data()) }?;
        // A device that does not answer does not do its jobs either.
        let progress = told.unwrap_or(Progress {
            pending: true,
            ..live.seen.progress
        });
        self.context.count(&live.seen.progress, &progress);
        Some(f(&mut live.seen, progress))
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
        // Not under the lock: a fault that waits for it would keep the page requests waiting that
        // the device waits for.
        let Some(live) = self.live.lock().take() else {
            return Ok(());
        };
        // SAFETY: `data` is the caller's promise; the queue is not destroyed yet.
        if let Some(Ok(last)) = unsafe { live.driver.progress(data) } {
            self.context.count(&live.seen.progress, &last);
        }
        // SAFETY: `data` is the caller's promise; `live` is gone for good if this succeeds.
        if let Err(e) = unsafe { live.driver.destroy(data) } {
            *self.live.lock() = Some(live);
            return Err(e);
        }
        // SAFETY: The device has stopped.
        unsafe { self.forget(live, data) };
        Ok(())
    }

    /// Gives back all that a queue has which could not be stopped.
    ///
    /// # Safety
    ///
    /// The device must not touch memory any more; `data` must be that of the queue's device, and
    /// live.
    pub(super) unsafe fn destroy_halted(&self, data: Data) {
        let halted = self.live.lock().take();
        if let Some(live) = halted {
            // SAFETY: By the requirement of this function.
            unsafe { self.forget(live, data) };
        }
    }

    /// # Safety
    ///
    /// As for [`Live::put`].
    unsafe fn forget(&self, live: Live, data: Data) {
        // SAFETY: By the requirement of this function.
        unsafe { live.put(data) };
        if let Some(pipeline) = self.pipeline.as_ref() {
            pipeline.finish();
        }
        let device = self.context.device();
        self.context.queues.fetch_sub(1, Relaxed);
        device.counters.queues.fetch_sub(1, Relaxed);
        trace::queue_destroy(device.id(), self.id, self.events.lock().status);
        device.slots.release(self.id);
    }

    /// `ACCEL_QUEUE_INFO`.
    fn info(&self, arg: UserPtr) -> Result<isize> {
        let mut info: uapi::accel_queue_info =
            ustruct::read(arg, size_of::<uapi::accel_queue_info>())?;
        if info.flags != 0 {
            return Err(EINVAL);
        }

        let (count, regions) = self.with_live(|live| {
            let wanted = info.region_count as usize;
            let regions = (wanted != 0).then(|| live.regions.describe(wanted));
            Ok((live.regions.len(), regions.transpose()?))
        })?;
        if let Some(regions) = &regions {
            let to = UserPtr::from_addr(info.regions as usize);
            let mut to = UserSlice::new(to, size_of_val(&regions[..])).writer();
            for region in regions {
                to.write(region)?;
            }
        }

        info.id = self.id;
        info.depth = self.depth();
        info.state = uapi::accel_queue_state_ACCEL_QUEUE_LIVE;
        info.region_count = count as u32;
        ustruct::write(arg, info.size, &info).map(|()| 0)
    }

    /// `ACCEL_QUEUE_EVENTFD`.
    fn set_eventfd(&self, arg: UserPtr) -> Result<isize> {
        let args: uapi::accel_queue_eventfd =
            ustruct::read(arg, size_of::<uapi::accel_queue_eventfd>())?;
        if args.flags != 0 || args.reserved != 0 || args.fd < -1 {
            return Err(EINVAL);
        }
        let eventfd = match args.fd {
            -1 => None,
            fd => Some(EventFd::from_fd(fd)?),
        };

        let mut events = self.events.lock();
        if !events.is_live() {
            return Err(ENODEV);
        }
        let before = core::mem::replace(&mut events.eventfd, eventfd);
        if let Some(eventfd) = events.eventfd.as_ref().filter(|_| events.unread != 0) {
            eventfd.signal();
        }
        drop(events);
        drop(before);
        Ok(0)
    }

    /// An ioctl of the driver's own.
    fn driver_ioctl(&self, nr: u32, arg: UserPtr) -> Result<isize> {
        let device = self.context.device();
        let shapes = (0..).map_while(device.ops().queue_shape);
        let (index, mut argument) = Argument::read(shapes, nr, arg)?;

        let access = self.operate()?;
        self.with_live(|live| {
            // SAFETY: `access` keeps the driver's data, `with_live` the queue.
            unsafe { live.driver.ioctl(access.data(), index, argument.bytes()) }
        })?;
        drop(access);
        argument.write().map(|()| 0)
    }
}

/// How the jobs of a queue end that has come to this state.
fn error_of(state: uapi::accel_queue_state) -> Error {
    match state {
        uapi::accel_queue_state_ACCEL_QUEUE_DEAD_TIMEOUT => ETIMEDOUT,
        uapi::accel_queue_state_ACCEL_QUEUE_DEAD_REMOVED => ENODEV,
        uapi::accel_queue_state_ACCEL_QUEUE_DEAD_ISOLATED => EIO,
        _ => ECANCELED,
    }
}

/// A queue's descriptor.
struct Descriptor;

#[vtable]
impl Operations for Descriptor {
    type Private = Arc<Queue>;

    fn release(queue: Arc<Queue>) {
        // If the device is going or being reset, whoever does that destroys the queue.
        if let Ok(access) = queue.context.device().operate() {
            queue.close(&access);
        }
    }

    fn read(queue: Borrowed<'_, Self>, file: &File, mut to: UserSliceWriter) -> Result<usize> {
        if to.len() < size_of::<u64>() {
            return Err(EINVAL);
        }
        queue.context.check_caller(queue.mode)?;

        let mut events = queue.events.lock();
        while events.unread == 0 {
            if !events.is_live() {
                return Err(ENODEV);
            }
            if file.flags() & flags::O_NONBLOCK != 0 {
                return Err(EAGAIN);
            }
            if queue.wait.wait_interruptible(&mut events) {
                return Err(ERESTARTSYS);
            }
        }
        let count = core::mem::take(&mut events.unread);
        drop(events);

        to.write(&count)
            .inspect_err(|_| queue.events.lock().unread += count)?;
        Ok(size_of::<u64>())
    }

    fn poll(queue: Borrowed<'_, Self>, file: &File, table: &PollTable<'_>) -> u32 {
        table.register_wait(file, &queue.wait);
        let events = queue.events.lock();
        let mut mask = 0;
        if events.unread != 0 {
            mask |= bindings::POLLIN | bindings::POLLRDNORM;
        }
        if !events.is_live() {
            mask |= bindings::POLLERR | bindings::POLLHUP;
        }
        mask
    }

    fn ioctl(queue: Borrowed<'_, Self>, _file: &File, cmd: u32, arg: UserPtr) -> Result<isize> {
        let nr = ioctl::number(cmd)?;
        queue.context.check_caller(queue.mode)?;
        match nr {
            uapi::accel_ioctl_nr_ACCEL_NR_QUEUE_INFO => queue.info(arg),
            uapi::accel_ioctl_nr_ACCEL_NR_QUEUE_EVENTFD => queue.set_eventfd(arg),
            uapi::accel_ioctl_nr_ACCEL_NR_QUEUE_SUBMIT => match queue.pipeline.as_ref() {
                Some(pipeline) => {
                    submit::submit(&queue, pipeline, arg).inspect_err(|_| queue.wait_revoked())
                }
                None => Err(EOPNOTSUPP),
            },
            nr => queue.driver_ioctl(nr, arg),
        }
    }

    fn mmap(queue: Borrowed<'_, Self>, _file: &File, mapping: &NewMapping<'_>) -> Result<Kind> {
        queue.context.check_caller(queue.mode)?;
        queue.with_live(|live| live.regions.map(mapping))
    }

    fn fault(queue: Borrowed<'_, Self>, fault: &Fault<'_>) -> FaultResult {
        if let Some(result) = Regions::fault_status(fault, queue.status.page()) {
            return result;
        }
        if let Some(pipeline) = queue.pipeline.as_ref() {
            return pipeline.fault(fault, PAGE_SIZE as u64);
        }
        if let Some(live) = &*queue.live.lock() {
            if !live.revoked {
                if live.regions.is_doorbell(fault.offset()) {
                    let device = queue.context.device().id();
                    trace::doorbell_map(device, queue.id, fault.offset());
                }
                // SAFETY: `live` is locked and not revoked. Before `destroy` drops it, `revoke` has
                // marked it under this lock and zapped the mappings; `Device::leave` has that done
                // for every queue before the driver is unbound.
                return unsafe { live.regions.fault(fault) };
            }
        }
        queue.wait_revoked();
        Err(Sigbus)
    }

    fn show_fdinfo(queue: Borrowed<'_, Self>, _file: &File, seq: &SeqFile) {
        let completions = queue.events.lock().completions;
        seq_print!(seq, "accel-device:\t{}\n", queue.context.device().id());
        seq_print!(seq, "accel-context:\t{}\n", queue.context.id());
        seq_print!(seq, "accel-queue:\t{}\n", queue.id);
        seq_print!(seq, "accel-completions:\t{completions}\n");
    }
}
