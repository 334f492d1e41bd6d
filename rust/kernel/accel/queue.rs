// SPDX-License-Identifier: GPL-2.0

//! Queues: descriptors to which jobs are handed without system calls.

use super::{
    context::Context,
    device::{
        Access,
        Device, //
    },
    driver::Doorbell,
    class,
    ioctl,
    region::Regions,
    status_page::StatusPage,
    table::{
        Created,
        Args,
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
    if args.flags != 0 || args.priority != 0 || (args.driver_data == 0) != (args.driver_data_size == 0)
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
        let (queue, regions) = made.inspect_err(|_| {
            // SAFETY: `access` keeps the data of the driver that made the queue, which nobody else
            // has seen yet.
            unsafe { driver.destroy(access.data()) }
        })?;
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
        // Before `destroy` gives the number to the next queue, which is then in the slot.
        drop(self.context.device().slots.take(self.id));
        // SAFETY: `access` keeps the driver's data.
        unsafe { self.destroy(access.data(), uapi::accel_queue_state_ACCEL_QUEUE_DEAD_REMOVED) };
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

    /// Takes the queue out of service, for good. Does nothing if it is already.
    ///
    /// The order matters: nobody is given a page any more, nobody has one, the device has stopped,
    /// and only then the rings are freed and the address space is unbound.
    ///
    /// # Safety
    ///
    /// `data` must be that of the queue's device, and live. The queue must not be in its slot.
    pub(super) unsafe fn destroy(&self, data: Data, state: uapi::accel_queue_state) {
        self.revoke(state);
        let Some(live) = self.live.lock().take() else {
            return;
        };
        // SAFETY: `data` is the caller's promise; `take` above makes sure that this runs once.
        unsafe { live.driver.destroy(data) };
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

        to.write(&count)?;
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
                return live.regions.fault(fault);
            }
        }
        drop(queue.inode.lock());
        Err(Sigbus)
    }
}
