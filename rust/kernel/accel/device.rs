// SPDX-License-Identifier: GPL-2.0

//! An accelerator, from its registration until the last descriptor is closed.

use super::{
    class::Id,
    context::{
        Context,
        Parting,
        PARTING, //
    },
    driver::{
        AddressMode,
        ContextRequest,
        DeviceInfo,
        Driver,
        Reach, //
    },
    events::{
        Event,
        Events, //
    },
    irq::Lines,
    local_memory::LocalMemory,
    pipeline::{
        Pipeline,
        Refusals, //
    },
    queue::Queue,
    recovery::{
        Recovery,
        CLEARING,
        CUTTING, //
    },
    sensors::{
        Sensors,
        SENSORS, //
    },
    slots::Slots,
    table::{
        Created,
        Data,
        DriverContext,
        Ops,
        Wanted, //
    },
    trace,
    usage::SAMPLING, //
};
use crate::{
    device::{
        self,
        Bound, //
    },
    dma::DmaMask,
    iommu::{
        paging,
        sva::{
            self,
            Missing, //
        }, //
    },
    page::SharedPages,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        new_mutex,
        srcu::{
            self,
            new_srcu, //
        },
        Arc,
        ArcBorrow,
        Mutex,
        SetOnce,
        Srcu, //
    },
    uapi,
    workqueue::{
        impl_has_delayed_work,
        impl_has_work,
        new_delayed_work,
        new_work,
        DelayedWork,
        Work, //
    }, //
};

use core::any::TypeId;

/// Counts of what a device has done and has, as INFO tells them.
pub(super) struct Counters {
    pub(super) contexts: Atomic<u32>,
    pub(super) contexts_created: Atomic<u64>,
    pub(super) queues: Atomic<u32>,
    pub(super) queues_created: Atomic<u64>,
    pub(super) completions: Atomic<u64>,
    pub(super) errors: Atomic<u64>,
    pub(super) faults: Atomic<u64>,
    pub(super) timeouts: Atomic<u64>,
    /// When a timeout was last warned of, 0 if none was.
    pub(super) timeout_warned: Atomic<i64>,
    pub(super) jobs: Atomic<u64>,
    pub(super) busy_ns: Atomic<u64>,
    /// When `jobs` and `busy_ns` were told by the driver, 0 if they never were.
    pub(super) usage_ns: Atomic<i64>,
}

impl Counters {
    fn new() -> Self {
        Self {
            contexts: Atomic::new(0),
            // 0 is no context.
            contexts_created: Atomic::new(1),
            queues: Atomic::new(0),
            queues_created: Atomic::new(0),
            completions: Atomic::new(0),
            errors: Atomic::new(0),
            faults: Atomic::new(0),
            timeouts: Atomic::new(0),
            timeout_warned: Atomic::new(0),
            jobs: Atomic::new(0),
            busy_ns: Atomic::new(0),
            usage_ns: Atomic::new(0),
        }
    }
}

/// An accelerator.
///
/// It outlives its registration for as long as descriptors are open; what belongs to the hardware
/// is reached through `Device::enter()` and `Device::operate()` only.
///
/// # Invariants
///
/// - `data` is null, or lives and the parent is bound. Whoever found it in the SRCU section
///   `registered` may use it until they leave that: once `leave` has made it null it waits for
///   them.
/// - A queue that the hardware has is in its slot, or whoever has taken it out is in that section,
///   too, and ends it or puts it back.
#[pin_data]
pub struct Device {
    id: Id,
    ops: &'static Ops,
    info: DeviceInfo,
    dma_mask: Option<DmaMask>,
    parent: ARef<device::Device>,
    /// Why `SHARED` and `PRIVATE` are not offered, learnt at registration or from the first bind
    /// that failed.
    shared_reason: Atomic<u32>,
    private_reason: Atomic<u32>,
    warned_doorbells: Atomic<bool>,
    pub(super) counters: Counters,
    /// The device's own memory. Known before `data` is.
    local_memory: SetOnce<Arc<LocalMemory>>,

    /// Readers may use `data`.
    #[pin]
    registered: Srcu,
    /// The driver's data, null before and after the registration.
    data: Atomic<*mut c_void>,

    #[pin]
    pub(super) slots: Slots,
    /// Contexts whose descriptor is open.
    #[pin]
    contexts: Mutex<KVVec<Arc<Context>>>,

    #[pin]
    pub(super) events: Events,
    #[pin]
    pub(super) recovery: Recovery,
    pub(super) sensors: Sensors,
    pub(super) refusals: Refusals,
    #[pin]
    pub(super) parting: Parting,
    pub(super) lines: Lines,
    #[pin]
    cutting_work: Work<Device, CUTTING>,
    #[pin]
    clearing_work: DelayedWork<Device, CLEARING>,
    #[pin]
    sampling_work: DelayedWork<Device, SAMPLING>,
    #[pin]
    sensors_work: Work<Device, SENSORS>,
    #[pin]
    parting_work: Work<Device, PARTING>,
}

impl_has_work! {
    impl HasWork<Self, CUTTING> for Device { self.cutting_work }
    impl HasWork<Self, SENSORS> for Device { self.sensors_work }
    impl HasWork<Self, PARTING> for Device { self.parting_work }
}

impl_has_delayed_work! {
    impl HasDelayedWork<Self, CLEARING> for Device { self.clearing_work }
    impl HasDelayedWork<Self, SAMPLING> for Device { self.sampling_work }
}

impl Device {
    pub(super) fn new(
        parent: &device::Device<Bound>,
        ops: &'static Ops,
        info: DeviceInfo,
        dma_mask: Option<DmaMask>,
    ) -> Result<Arc<Self>> {
        let shared_reason = reason_for(sva::missing(parent));
        let private_reason = reason_for(paging::missing(parent));
        let queues = info.queues_max;
        let threshold = info.error_threshold;
        Arc::pin_init(
            try_pin_init!(Self {
                id: Id::new()?,
                ops,
                info,
                dma_mask,
                parent: parent.into(),
                shared_reason: Atomic::new(shared_reason),
                private_reason: Atomic::new(private_reason),
                warned_doorbells: Atomic::new(false),
                counters: Counters::new(),
                local_memory: SetOnce::new(),
                registered <- new_srcu!(),
                data: Atomic::new(core::ptr::null_mut()),
                slots <- Slots::new(queues),
                contexts <- new_mutex!(KVVec::new()),
                events <- Events::new(),
                recovery <- Recovery::new(threshold),
                sensors: Sensors::new(ops.sensors)?,
                refusals: Refusals::new(),
                parting <- Parting::new(),
                lines: Lines::new(),
                cutting_work <- new_work!("accel_cutting"),
                clearing_work <- new_delayed_work!("accel_clearing"),
                sampling_work <- new_delayed_work!("accel_sampling"),
                sensors_work <- new_work!("accel_sensors"),
                parting_work <- new_work!("accel_parting"),
            }),
            GFP_KERNEL,
        )
    }

    /// The N of `/dev/accelN`.
    pub fn id(&self) -> u32 {
        self.id.get()
    }

    /// Tells the process behind a queue that jobs have completed.
    ///
    /// Nothing happens if there is no such queue. Must not be called from interrupt context.
    pub fn complete(&self, queue: u32) {
        self.slots.with(queue, |queue| {
            self.counters.completions.fetch_add(1, Relaxed);
            queue.complete();
        });
    }

    /// The same for jobs of this pipeline, which may end when its queue is gone and the number is
    /// another's.
    pub(super) fn complete_in(&self, queue: u32, pipeline: &Pipeline) {
        self.counters.completions.fetch_add(1, Relaxed);
        self.slots.with(queue, |queue| {
            if queue.has_pipeline(pipeline) {
                queue.complete();
            }
        });
    }

    /// Tells that a queue was refused an access to `address`.
    ///
    /// Must not be called from interrupt context.
    pub fn report_fault(&self, queue: u32, address: u64) {
        self.counters.faults.fetch_add(1, Relaxed);
        let event = Event::new(uapi::accel_event_type_ACCEL_EVENT_FAULT, 0);
        let mut event = Event {
            queue,
            address,
            ..event
        };
        self.slots.with(queue, |queue| {
            event.pasid = queue.pasid();
            event.pid = queue.pid();
        });
        trace::fault(self.id(), queue, event.pasid, address);
        self.events.tell(event);
    }

    pub(super) fn ops(&self) -> &'static Ops {
        self.ops
    }

    pub(super) fn info(&self) -> &DeviceInfo {
        &self.info
    }

    pub(super) fn parent(&self) -> &device::Device {
        &self.parent
    }

    /// Gives the device memory of its own.
    pub(super) fn set_local_memory(&self, pages: Arc<SharedPages>) -> Result {
        let memory = LocalMemory::new(pages, self.id())?;
        self.local_memory.populate(memory);
        Ok(())
    }

    pub(super) fn local_memory(&self) -> Option<&Arc<LocalMemory>> {
        self.local_memory.as_ref()
    }

    pub(super) fn is_removed(&self) -> bool {
        self.data.load(Acquire).is_null()
    }

    /// Why an address mode is not offered, `ACCEL_REASON_AVAILABLE` if it is.
    pub(super) fn reason(&self, mode: AddressMode) -> u32 {
        if !self.info.modes.contains(&mode) {
            return uapi::accel_mode_reason_ACCEL_REASON_DRIVER;
        }
        if mode == AddressMode::Kernel && self.ops.submission.is_none() {
            return uapi::accel_mode_reason_ACCEL_REASON_DRIVER;
        }
        if self.info.reach == Reach::Software {
            return uapi::accel_mode_reason_ACCEL_REASON_AVAILABLE;
        }
        match mode {
            AddressMode::Shared => self.shared_reason.load(Relaxed),
            AddressMode::Private => self.private_reason.load(Relaxed),
            AddressMode::Kernel => uapi::accel_mode_reason_ACCEL_REASON_AVAILABLE,
        }
    }

    /// Remembers that binding failed though nothing visible was missing.
    pub(super) fn no_mode(&self, mode: AddressMode) {
        let (at, reason, what) = match mode {
            AddressMode::Shared => (
                &self.shared_reason,
                uapi::accel_mode_reason_ACCEL_REASON_NO_SVA,
                "share page tables with the device",
            ),
            AddressMode::Private | AddressMode::Kernel => (
                &self.private_reason,
                uapi::accel_mode_reason_ACCEL_REASON_NO_DOMAIN,
                "give a PASID of the device page tables of its own",
            ),
        };
        if at.xchg(reason, Relaxed) != reason {
            dev_warn!(self.parent(), "the kernel or the IOMMU can't {what}\n");
        }
    }

    /// Says, once, why queues are refused, or that they are not.
    pub(super) fn warn_shared_doorbells(&self, allowed: bool) {
        if self.warned_doorbells.xchg(true, Relaxed) {
            return;
        }
        if allowed {
            dev_warn!(
                self.parent(),
                "all queues share one doorbell page, as accel.allow_shared_doorbells=1 allows: \
                 processes that use the device can disturb each other\n"
            );
        } else {
            dev_warn!(
                self.parent(),
                "all queues share one doorbell page, so no queue is given to user space; \
                 boot with accel.allow_shared_doorbells=1 to allow it\n"
            );
        }
    }

    pub(super) fn status(&self) -> uapi::accel_status {
        if self.is_removed() {
            uapi::accel_status_ACCEL_STATUS_REMOVED
        } else {
            self.recovery.status()
        }
    }

    /// Keeps the device registered for as long as the result lives. Fails with [`ENODEV`] if it no
    /// longer is.
    pub(super) fn enter(&self) -> Result<Access<'_>> {
        let guard = self.registered.read_lock();
        let data = Data::from_raw(self.data.load(Acquire)).ok_or(ENODEV)?;
        // INVARIANT: `data` was set when the SRCU section had begun, and `leave` waits for it.
        Ok(Access {
            device: self,
            data,
            _operating: None,
            _registered: guard,
        })
    }

    /// Keeps the device registered and in operation for as long as the result lives. Fails with
    /// [`ENODEV`] if it is gone, [`EAGAIN`] in a reset, [`EIO`] if it is isolated.
    pub(super) fn operate(&self) -> Result<Access<'_>> {
        let mut access = self.enter()?;
        access._operating = Some(self.recovery.operate()?);
        Ok(access)
    }

    /// Makes the driver's data reachable.
    ///
    /// # Safety
    ///
    /// `data` must be of this device's driver and live until [`leave`](Self::leave) has returned,
    /// and the parent stay bound until then.
    pub(super) unsafe fn publish(&self, data: Data) {
        self.data.store(data.as_raw(), Release);
    }

    /// Takes the driver's data back: when this returns, no callback of the driver runs.
    pub(super) fn unpublish(&self) {
        self.data.store(core::ptr::null_mut(), Release);
        self.registered.synchronize();
    }

    /// The queues that the hardware has, but those that somebody is ending.
    pub(super) fn queues(&self) -> impl Iterator<Item = Arc<Queue>> + '_ {
        (0..self.slots.len()).filter_map(|id| self.slots.get(id))
    }

    /// How many queues it has, with those that are being ended.
    pub(super) fn queue_count(&self) -> u32 {
        self.counters.queues.load(Relaxed)
    }

    /// Takes all doorbells and rings from all processes.
    pub(super) fn revoke_queues(&self, state: uapi::accel_queue_state) {
        for queue in self.queues() {
            queue.revoke(state);
        }
    }

    /// Gives up all queues.
    ///
    /// # Safety
    ///
    /// The device must be halted, and nobody be in `operating`; `data` must be of this device, and
    /// live.
    pub(super) unsafe fn drop_queues(&self, data: Data) {
        for id in 0..self.slots.len() {
            if let Some(queue) = self.slots.take(id) {
                // SAFETY: By the requirements of this function.
                unsafe { queue.destroy_halted(data) };
            }
        }
    }

    /// Lets all pipelines ask the driver again that it has refused a job.
    pub(super) fn retry_refused(&self) {
        for id in 0..self.slots.len() {
            self.slots.with(id, Queue::retry_job);
        }
    }

    /// Unbinds all contexts, for good.
    ///
    /// # Safety
    ///
    /// `data` must be of this device, and live.
    pub(super) unsafe fn unbind_contexts(&self, data: Data) {
        let contexts = core::mem::take(&mut *self.contexts.lock());
        for context in contexts {
            // SAFETY: By the requirement of this function.
            unsafe { context.unbind(data) };
        }
    }

    /// Calls `f` with the driver's data.
    ///
    /// For what a driver does outside its callbacks: attributes, handlers of its bus. Fails with
    /// [`ENODEV`] if the device is gone or not one of `T`.
    pub fn with_data<T: Driver, R>(
        &self,
        f: impl for<'a> FnOnce(&T::Data<'a>) -> Result<R>,
    ) -> Result<R> {
        let access = self.enter()?;
        if (self.ops.driver)() != TypeId::of::<T>() {
            return Err(ENODEV);
        }
        // SAFETY: The data is of a `T`, as was checked, and `access` keeps it.
        f(unsafe { access.data.get::<T>() })
    }

    /// The contexts that exist.
    pub(super) fn contexts(&self) -> Result<KVVec<Arc<Context>>> {
        let contexts = self.contexts.lock();
        let mut all = KVVec::with_capacity(contexts.len(), GFP_KERNEL_ACCOUNT)?;
        for context in contexts.iter() {
            all.push(context.clone(), GFP_KERNEL_ACCOUNT)?;
        }
        Ok(all)
    }

    /// Fails with [`EBUSY`] if there are as many as the device can have.
    pub(super) fn add_context(&self, context: ArcBorrow<'_, Context>) -> Result {
        let mut contexts = self.contexts.lock();
        let max = self.info.contexts_max as usize;
        if max != 0 && contexts.len() >= max {
            return Err(EBUSY);
        }
        contexts.push(context.into(), GFP_KERNEL_ACCOUNT)?;
        self.counters.contexts.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Forgets a context whose descriptor was closed, and unbinds it.
    pub(super) fn remove_context(&self, context: &Context) {
        // If the device is going, whoever makes it go does this.
        if let Ok(access) = self.enter() {
            let mut contexts = self.contexts.lock();
            let place = contexts.iter().position(|c| core::ptr::eq(&**c, context));
            let removed = place.and_then(|i| contexts.remove(i).ok());
            drop(contexts);
            drop(removed);
            // SAFETY: `access` keeps the data.
            unsafe { context.unbind(access.data()) };
        }

        self.counters.contexts.fetch_sub(1, Relaxed);
        trace::close(self.id(), context.id());
        let close = uapi::accel_event_type_ACCEL_EVENT_CONTEXT_CLOSE;
        self.events.tell(Event {
            pid: context.pid(),
            ..Event::new(close, context.id())
        });
    }
}

fn reason_for(missing: Option<Missing>) -> u32 {
    match missing {
        None => uapi::accel_mode_reason_ACCEL_REASON_AVAILABLE,
        Some(Missing::Iommu) => uapi::accel_mode_reason_ACCEL_REASON_NO_IOMMU,
        Some(Missing::Pasid) => uapi::accel_mode_reason_ACCEL_REASON_NO_PASID,
        Some(Missing::Coherency) => uapi::accel_mode_reason_ACCEL_REASON_NOT_COHERENT,
        Some(Missing::PageRequests) => uapi::accel_mode_reason_ACCEL_REASON_NO_PRI,
    }
}

/// Access to a device that stays registered meanwhile, and in operation if
/// [`Device::operate`] has given it. May be held across sleeps.
///
/// # Invariants
///
/// `data` is that of `device`'s driver and lives, and the parent is bound.
pub(super) struct Access<'a> {
    device: &'a Device,
    data: Data,
    // Fields are dropped from the top, the sections left from the inside.
    _operating: Option<srcu::Guard<'a>>,
    _registered: srcu::Guard<'a>,
}

impl Access<'_> {
    pub(super) fn data(&self) -> Data {
        self.data
    }

    pub(super) fn info(&self) -> &DeviceInfo {
        &self.device.info
    }

    /// Addresses that the device can put on the bus, `None` if it does no DMA.
    pub(super) fn dma_mask(&self) -> Option<DmaMask> {
        self.device.dma_mask
    }

    pub(super) fn parent(&self) -> &device::Device<Bound> {
        // SAFETY: By the type invariant, the parent is bound.
        unsafe { device::Device::from_raw(self.device.parent.as_raw()) }
    }

    pub(super) fn context_create(&self, request: &ContextRequest<'_>) -> Result<DriverContext> {
        // SAFETY: By the type invariant.
        unsafe { (self.device.ops.context_create)(self.data, request) }.map_err(|e| self.excuse(e))
    }

    pub(super) fn queue_create(&self, wanted: &Wanted<'_>) -> Result<Created> {
        // SAFETY: By the type invariant; `wanted` borrows the driver's context.
        unsafe { (self.device.ops.queue_create)(self.data, wanted) }.map_err(|e| self.excuse(e))
    }

    /// What a process is told when a callback of the driver has failed: if the device was halted
    /// meanwhile, that is why.
    pub(super) fn excuse(&self, error: Error) -> Error {
        match (&self._operating, self.device.recovery.operate()) {
            (Some(_), Err(e)) => e,
            _ => error,
        }
    }

    pub(super) fn read_sensor(&self, index: usize) -> Result<i64> {
        // SAFETY: By the type invariant.
        unsafe { (self.device.ops.read_sensor)(self.data, index) }
    }
}
