// SPDX-License-Identifier: GPL-2.0

//! An accelerator, from its registration until the last descriptor is closed.

use super::{
    class::Id,
    context::Context,
    driver::{
        AddressMode,
        DeviceInfo, //
    },
    queue::Queue,
    slots::Slots,
    table::{
        Created,
        Data,
        Ops,
        Wanted, //
    }, //
};
use crate::{
    device::{
        self,
        Bound, //
    },
    iommu::sva,
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
        Srcu, //
    },
    uapi, //
};

/// Counts of what a device has done and has, as INFO tells them.
pub(super) struct Counters {
    pub(super) contexts: Atomic<u32>,
    pub(super) queues: Atomic<u32>,
    pub(super) queues_created: Atomic<u64>,
    pub(super) completions: Atomic<u64>,
    pub(super) errors: Atomic<u64>,
}

/// An accelerator.
///
/// It outlives its registration for as long as descriptors are open; what belongs to the hardware
/// is reached through `Device::enter()` only.
#[pin_data]
pub struct Device {
    id: Id,
    ops: &'static Ops,
    info: DeviceInfo,
    parent: ARef<device::Device>,
    /// Why `SHARED` is not offered, learnt at registration or from the first bind that failed.
    shared_reason: Atomic<u32>,
    warned_doorbells: Atomic<bool>,
    /// There are queues that did not stop when they were closed.
    pub(super) stuck: Atomic<bool>,
    pub(super) counters: Counters,

    /// Readers may use `data`.
    #[pin]
    srcu: Srcu,
    /// The driver's data, null before and after the registration.
    data: Atomic<*mut c_void>,

    #[pin]
    pub(super) slots: Slots,
    /// Contexts whose descriptor is open.
    #[pin]
    contexts: Mutex<KVec<Arc<Context>>>,
}

impl Device {
    pub(super) fn new(
        parent: &device::Device<Bound>,
        ops: &'static Ops,
        info: DeviceInfo,
    ) -> Result<Arc<Self>> {
        let reason = shared_reason(parent, &info);
        let queues = info.queues_max;
        Arc::pin_init(
            try_pin_init!(Self {
                id: Id::new()?,
                ops,
                info,
                parent: parent.into(),
                shared_reason: Atomic::new(reason),
                warned_doorbells: Atomic::new(false),
                stuck: Atomic::new(false),
                counters: Counters {
                    contexts: Atomic::new(0),
                    queues: Atomic::new(0),
                    queues_created: Atomic::new(0),
                    completions: Atomic::new(0),
                    errors: Atomic::new(0),
                },
                srcu <- new_srcu!(),
                data: Atomic::new(core::ptr::null_mut()),
                slots <- Slots::new(queues),
                contexts <- new_mutex!(KVec::new()),
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
        self.counters.completions.fetch_add(1, Relaxed);
        self.slots.with(queue, Queue::complete);
    }

    /// Counts an error of the hardware.
    pub fn report_error(&self) {
        self.counters.errors.fetch_add(1, Relaxed);
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

    /// Why an address mode is not offered, `ACCEL_REASON_AVAILABLE` if it is.
    pub(super) fn reason(&self, mode: AddressMode) -> u32 {
        if !self.info.modes.contains(&mode) {
            return uapi::accel_mode_reason_ACCEL_REASON_DRIVER;
        }
        match mode {
            AddressMode::Shared => self.shared_reason.load(Relaxed),
            AddressMode::Private | AddressMode::Kernel => {
                uapi::accel_mode_reason_ACCEL_REASON_DRIVER
            }
        }
    }

    /// Remembers that binding failed though nothing visible was missing.
    pub(super) fn no_sva(&self) {
        let reason = uapi::accel_mode_reason_ACCEL_REASON_NO_SVA;
        if self.shared_reason.xchg(reason, Relaxed) != reason {
            dev_warn!(
                self.parent(),
                "the kernel or the IOMMU can't share page tables with the device\n"
            );
        }
    }

    /// Says, once, why queues are refused.
    pub(super) fn warn_shared_doorbells(&self) {
        if !self.warned_doorbells.xchg(true, Relaxed) {
            dev_warn!(
                self.parent(),
                "all queues share one doorbell page, so no queue is given to user space; \
                 boot with accel.allow_shared_doorbells=1 to allow it\n"
            );
        }
    }

    pub(super) fn status(&self) -> uapi::accel_status {
        if self.data.load(Relaxed).is_null() {
            uapi::accel_status_ACCEL_STATUS_REMOVED
        } else {
            uapi::accel_status_ACCEL_STATUS_OPERATIONAL
        }
    }

    /// Keeps the device registered for as long as the result lives. Fails with [`ENODEV`] if it no
    /// longer is.
    pub(super) fn enter(&self) -> Result<Access<'_>> {
        let guard = self.srcu.read_lock();
        let data = Data::from_raw(self.data.load(Acquire)).ok_or(ENODEV)?;
        // INVARIANT: `data` was set when the SRCU section had begun, and `leave` waits for it.
        Ok(Access {
            device: self,
            data,
            _guard: guard,
        })
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

    /// Ends all use of the hardware: returns when no callback of the driver runs, no queue is left,
    /// and no address space is bound.
    pub(super) fn leave(&self) {
        let Some(data) = Data::from_raw(self.data.xchg(core::ptr::null_mut(), Acquire)) else {
            return;
        };
        self.srcu.synchronize();

        // All processes learn it at once, before the first queue is waited for.
        let removed = uapi::accel_queue_state_ACCEL_QUEUE_DEAD_REMOVED;
        for id in 0..self.slots.len() {
            if let Some(queue) = self.slots.get(id) {
                queue.revoke(removed);
            }
        }
        let mut halted = false;
        for id in 0..self.slots.len() {
            let Some(queue) = self.slots.take(id) else {
                continue;
            };
            // SAFETY: `data` lives until this function returns, by the contract of `publish`; the
            // device is halted before it is relied upon.
            unsafe {
                if !halted && queue.destroy(data).is_err() {
                    (self.ops.halt)(data);
                    halted = true;
                }
                if halted {
                    queue.destroy_halted();
                }
            }
        }
        for context in self.contexts.lock().iter() {
            context.unbind();
        }
    }

    /// Destroys what did not stop when it was closed, if it does now.
    pub(super) fn retry_closes(&self, access: &Access<'_>) {
        if !self.stuck.xchg(false, Relaxed) {
            return;
        }
        for id in 0..self.slots.len() {
            if let Some(queue) = self.slots.get(id) {
                queue.retry_close(access);
            }
        }
    }

    pub(super) fn add_context(&self, context: ArcBorrow<'_, Context>) -> Result {
        self.contexts.lock().push(context.into(), GFP_KERNEL)?;
        self.counters.contexts.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Forgets a context whose descriptor was closed, and unbinds it.
    pub(super) fn remove_context(&self, context: &Context) {
        // Unbound under the lock, so that `leave` can't miss it and return before it is done.
        let mut contexts = self.contexts.lock();
        context.unbind();
        let place = contexts.iter().position(|c| core::ptr::eq(&**c, context));
        let removed = place.and_then(|i| contexts.remove(i).ok());
        drop(contexts);

        if removed.is_some() {
            self.counters.contexts.fetch_sub(1, Relaxed);
        }
    }
}

fn shared_reason(parent: &device::Device<Bound>, info: &DeviceInfo) -> u32 {
    if !info.modes.contains(&AddressMode::Shared) {
        return uapi::accel_mode_reason_ACCEL_REASON_DRIVER;
    }
    match sva::missing(parent) {
        None => uapi::accel_mode_reason_ACCEL_REASON_AVAILABLE,
        Some(sva::Missing::Iommu) => uapi::accel_mode_reason_ACCEL_REASON_NO_IOMMU,
        Some(sva::Missing::Pasid) => uapi::accel_mode_reason_ACCEL_REASON_NO_PASID,
        Some(sva::Missing::PageRequests) => uapi::accel_mode_reason_ACCEL_REASON_NO_PRI,
    }
}

/// Access to a device that stays registered meanwhile. May be held across sleeps.
///
/// # Invariants
///
/// `data` is that of `device`'s driver and lives, and the parent is bound.
pub(super) struct Access<'a> {
    device: &'a Device,
    data: Data,
    _guard: srcu::Guard<'a>,
}

impl Access<'_> {
    pub(super) fn data(&self) -> Data {
        self.data
    }

    pub(super) fn parent(&self) -> &device::Device<Bound> {
        // SAFETY: By the type invariant, the parent is bound.
        unsafe { device::Device::from_raw(self.device.parent.as_raw()) }
    }

    pub(super) fn queue_create(&self, wanted: &Wanted) -> Result<Created> {
        // SAFETY: By the type invariant.
        unsafe { (self.device.ops.queue_create)(self.data, wanted) }
    }
}
