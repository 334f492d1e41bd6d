// SPDX-License-Identifier: GPL-2.0

//! Queues: descriptors to which jobs are handed without system calls.

use super::{
    class,
    context::Context,
    device::{
        Access,
        Device, //
    },
    driver::Doorbell,
    ioctl,
    region::Regions,
    status_page::StatusPage,
    table::{
        Args,
        Created,
        Data,
        DriverQueue,
        Wanted, //
    }, //
};
use crate::{
    anon_inode,
    bindings,
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
    iommu::sva::Bond,
    mm::fault::{
        Fault,
        FaultResult,
        Inode,
        Kind,
        NewMapping,
        Sigbus, //
    },
    module_ref::ModuleRef,
    prelude::*,
    static_lock_class,
    sync::{
        aref::ARef,
        atomic::Relaxed,
        new_mutex,
        new_spinlock,
        poll::{
            PollCondVarBox,
            PollTable, //
        },
        Arc,
        Mutex,
        SpinLock, //
    },
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceWriter, //
    },
    uapi,
    ustruct, //
};

/// What a queue has for as long as the hardware knows it. Dropped from the top: the driver's part,
/// the rings, and then the address space.
struct Live {
    driver: DriverQueue,
    regions: Regions,
    _bond: Arc<Bond>,
    /// No page is given out any more.
    revoked: bool,
}

/// What the process waits for.
struct Events {
    /// Completion events that were not read yet.
    unread: u64,
    /// Completion events so far.
    completions: u64,
    status: uapi::accel_queue_state,
}

/// A queue.
#[pin_data]
pub(super) struct Queue {
    id: u32,
    depth: u32,
    context: Arc<Context>,
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
    if args.flags != 0
        || args.priority != 0
        || (args.driver_data == 0) != (args.driver_data_size == 0)
    {
        return Err(EINVAL);
    }

    let driver_args = Args::read(
        context.device().ops(),
        UserPtr::from_addr(args.driver_data as usize),
        args.driver_data_size,
    )?;

    let access = context.device().enter()?;
    context.check_mm()?;
    check_doorbell(context.device())?;
    let fd = FileDescriptorReservation::get_unused_fd_flags(flags::O_CLOEXEC)?;
    let queue = Queue::new(context, &access, args.depth, driver_args)?;
    args.fd = fd.reserved_fd() as i32;
    args.depth = queue.depth;
    // From here on the file owns the queue: dropping it destroys the queue.
    let file = queue.into_file(&access)?;
    drop(access);

    ustruct::write(arg, args.size, &args)?;
    fd.fd_install(file);
    Ok(0)
}

/// Fails with [`EPERM`] if a process that maps a doorbell could ring those of others.
fn check_doorbell(device: &Device) -> Result {
    if device.info().doorbell != Doorbell::Shared || class::shared()?.allow_shared_doorbells {
        return Ok(());
    }
    device.warn_shared_doorbells();
    Err(EPERM)
}

impl Queue {
    fn new(
        context: &Arc<Context>,
        access: &Access<'_>,
        depth: u32,
        args: Args,
    ) -> Result<Arc<Self>> {
        let device = context.device();
        let bond = context.bond()?;
        let module = ModuleRef::new(device.ops().owner)?;
        device.retry_closes(access);
        let id = device.slots.claim()?;

        let wanted = Wanted {
            id,
            depth,
            pasid: bond.pasid(),
            args,
        };
        let queue = Self::make(context, access, &wanted, bond, module)
            .inspect_err(|_| device.slots.release(id))?;
        device.counters.queues.fetch_add(1, Relaxed);
        device.counters.queues_created.fetch_add(1, Relaxed);
        device.slots.set(queue.clone());
        Ok(queue)
    }

    fn make(
        context: &Arc<Context>,
        access: &Access<'_>,
        wanted: &Wanted,
        bond: Arc<Bond>,
        module: ModuleRef,
    ) -> Result<Arc<Self>> {
        let Created {
            queue: driver,
            depth,
            regions,
        } = access.queue_create(wanted)?;

        let made = Regions::new(regions).and_then(|regions| {
            Self::allocate(context, wanted.id, depth, module).map(|queue| (queue, regions))
        });
        let (queue, regions) = match made {
            Ok(made) => made,
            Err(e) => {
                // SAFETY: `access` keeps the data of the driver that made the queue, which nobody
                // else has seen yet.
                if unsafe { driver.destroy(access.data()) }.is_err() {
                    // What the device may still write is better lost than given to others.
                    core::mem::forget((driver, bond));
                }
                return Err(e);
            }
        };
        *queue.live.lock() = Some(Live {
            driver,
            regions,
            _bond: bond,
            revoked: false,
        });
        Ok(queue)
    }

    fn allocate(
        context: &Arc<Context>,
        id: u32,
        depth: u32,
        module: ModuleRef,
    ) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                id,
                depth,
                context: context.clone(),
                live <- new_mutex!(None),
                inode <- new_mutex!(None),
                events <- new_spinlock!(Events {
                    unread: 0,
                    completions: 0,
                    status: uapi::accel_queue_state_ACCEL_QUEUE_LIVE,
                }),
                wait: PollCondVarBox::new(c"accel_queue", static_lock_class!())?,
                status: StatusPage::new()?,
                _module: module,
            }),
            GFP_KERNEL,
        )
    }

    /// Makes the queue's file; destroys the queue if that fails.
    fn into_file(self: Arc<Self>, access: &Access<'_>) -> Result<ARef<File>> {
        let queue = self.clone();
        let file = anon_inode::create_file::<Descriptor>(c"[accel_queue]", self, flags::O_RDWR)
            .inspect_err(|_| queue.close(access))?;
        *queue.inode.lock() = Some(Inode::of(&file));
        Ok(file)
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Tells the process that jobs have completed. Does not sleep.
    pub(super) fn complete(&self) {
        let mut events = self.events.lock();
        events.unread += 1;
        events.completions += 1;
        self.status.set_completions(events.completions);
        self.wait.notify_all();
    }

    /// The descriptor is closed: nobody can use the queue any more.
    fn close(&self, access: &Access<'_>) {
        let device = self.context.device();
        // Before `destroy` gives the number to the next queue, which is then in the slot.
        let Some(queue) = device.slots.take(self.id) else {
            return;
        };
        self.revoke(uapi::accel_queue_state_ACCEL_QUEUE_DEAD_REMOVED);
        // SAFETY: `access` keeps the driver's data.
        if unsafe { self.destroy(access.data()) }.is_err() {
            device.slots.set(queue);
            device.stuck.store(true, Relaxed);
        }
    }

    /// Tries again to destroy a queue that did not stop when its descriptor was closed.
    pub(super) fn retry_close(&self, access: &Access<'_>) {
        let orphaned = self.live.lock().as_ref().is_some_and(|live| live.revoked);
        if orphaned {
            self.close(access);
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

        // Whoever learns that the queue is dead must find that its pages are gone; and whoever
        // misses a page must find that it is dead, so a fault waits for `inode`.
        let mut events = self.events.lock();
        events.status = state;
        self.status.set_state(state);
        self.wait.notify_all();
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
        // SAFETY: `data` is the caller's promise; `live` is gone for good if this succeeds.
        if let Err(e) = unsafe { live.driver.destroy(data) } {
            *self.live.lock() = Some(live);
            return Err(e);
        }
        self.forget(Some(live));
        Ok(())
    }

    /// Gives back all that a queue has which could not be stopped.
    ///
    /// # Safety
    ///
    /// The device must not touch memory any more.
    pub(super) unsafe fn destroy_halted(&self) {
        let halted = self.live.lock().take();
        self.forget(halted);
    }

    fn forget(&self, live: Option<Live>) {
        if live.is_none() {
            return;
        }
        drop(live);
        let device = self.context.device();
        device.counters.queues.fetch_sub(1, Relaxed);
        device.slots.release(self.id);
    }

    /// `ACCEL_QUEUE_INFO`.
    fn info(&self, arg: UserPtr) -> Result<isize> {
        let mut info: uapi::accel_queue_info =
            ustruct::read(arg, size_of::<uapi::accel_queue_info>())?;
        if info.flags != 0 {
            return Err(EINVAL);
        }

        let regions = match &*self.live.lock() {
            Some(live) if !live.revoked => live.regions.describe()?,
            _ => return Err(ENODEV),
        };
        let room = regions.len().min(info.region_count as usize);
        let mut to = UserSlice::new(
            UserPtr::from_addr(info.regions as usize),
            room * size_of::<uapi::accel_region>(),
        )
        .writer();
        for region in &regions[..room] {
            to.write(region)?;
        }

        info.id = self.id;
        info.depth = self.depth;
        info.state = self.events.lock().status;
        info.region_count = regions.len() as u32;
        ustruct::write(arg, info.size, &info).map(|()| 0)
    }
}

/// A queue's descriptor.
struct Descriptor;

#[vtable]
impl Operations for Descriptor {
    type Private = Arc<Queue>;

    fn release(queue: Arc<Queue>) {
        // If the device is going, whoever makes it go destroys the queue.
        if let Ok(access) = queue.context.device().enter() {
            queue.close(&access);
        }
    }

    fn read(queue: Borrowed<'_, Self>, file: &File, mut to: UserSliceWriter) -> Result<usize> {
        if to.len() < size_of::<u64>() {
            return Err(EINVAL);
        }
        queue.context.check_mm()?;

        let mut events = queue.events.lock();
        while events.unread == 0 {
            if events.status != uapi::accel_queue_state_ACCEL_QUEUE_LIVE {
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
        if events.status != uapi::accel_queue_state_ACCEL_QUEUE_LIVE {
            mask |= bindings::POLLERR | bindings::POLLHUP;
        }
        mask
    }

    fn ioctl(queue: Borrowed<'_, Self>, _file: &File, cmd: u32, arg: UserPtr) -> Result<isize> {
        match ioctl::number(cmd)? {
            uapi::accel_ioctl_nr_ACCEL_NR_QUEUE_INFO => {
                queue.context.check_mm()?;
                queue.info(arg)
            }
            _ => Err(ENOTTY),
        }
    }

    fn mmap(queue: Borrowed<'_, Self>, _file: &File, mapping: &NewMapping<'_>) -> Result<Kind> {
        queue.context.check_mm()?;
        match &*queue.live.lock() {
            Some(live) if !live.revoked => live.regions.map(mapping),
            _ => Err(ENODEV),
        }
    }

    fn fault(queue: Borrowed<'_, Self>, fault: &Fault<'_>) -> FaultResult {
        if let Some(result) = Regions::fault_status(fault, queue.status.page()) {
            return result;
        }
        if let Some(live) = &*queue.live.lock() {
            if !live.revoked {
                // SAFETY: `live` is locked and not revoked. Before `destroy` drops it, `revoke` has
                // marked it under this lock and zapped the mappings; `Device::leave` has that done
                // for every queue before the driver is unbound.
                return unsafe { live.regions.fault(fault) };
            }
        }
        drop(queue.inode.lock());
        Err(Sigbus)
    }
}
