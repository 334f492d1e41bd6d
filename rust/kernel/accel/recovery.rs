// SPDX-License-Identifier: GPL-2.0

//! Resets and isolation: a device that stops working, and what becomes of it.
//!
//! A device is in one of three states while it is registered. Whoever takes it from one to another
//! goes through `IN_RESET`, and only one can be there:
//!
//! ```text
//!               begin                     end, ok
//! OPERATIONAL ---------->  IN_RESET  ---------------->  OPERATIONAL
//!  ISOLATED   ---------->            ---------------->   ISOLATED
//!                                     end, failed, or to isolate it
//! ```
//!
//! # Invariants
//!
//! - Nobody is in the SRCU section `operating` from when `begin` has returned until `end`: no queue
//!   is made or stopped meanwhile, and no job of user space reaches the device.
//! - In `ISOLATED` no queue exists and the device is halted.
//! - What was asked of the worker is done by a run that begins later, and finds all that was done
//!   before. Something that is less does not take its place.

use super::{
    device::{
        Access,
        Device, //
    },
    events::Event,
    trace, //
};
use crate::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed,
            Release, //
        },
        new_spinlock,
        srcu::{
            self,
            new_srcu, //
        },
        Arc,
        SpinLock,
        Srcu, //
    },
    time::{
        delay::fsleep,
        ClockSource,
        Delta,
        Monotonic, //
    },
    uapi,
    workqueue::{
        self,
        WorkItem, //
    }, //
};

const OPERATIONAL: u32 = uapi::accel_status_ACCEL_STATUS_OPERATIONAL;
const IN_RESET: u32 = uapi::accel_status_ACCEL_STATUS_IN_RESET;
const ISOLATED: u32 = uapi::accel_status_ACCEL_STATUS_ISOLATED;

/// The time within which hardware errors count for the threshold.
const WINDOW_NS: i64 = 3600 * 1_000_000_000;

/// Which of the device's work items this is.
pub(super) const RECOVERY: u64 = 0;

/// What the worker is to do.
const NOTHING: u32 = 0;
const RETRY: u32 = 1;
const RESET: u32 = 2;
const ISOLATE: u32 = 3;

/// Hardware errors of the last hour.
struct Recent {
    since: i64,
    count: u32,
}

/// Where a device is between working and not.
#[pin_data]
pub(super) struct Recovery {
    state: Atomic<u32>,
    /// The bus has begun the reset and will end it.
    by_bus: Atomic<bool>,
    /// Readers may use the hardware.
    #[pin]
    operating: Srcu,
    pub(super) generation: Atomic<u32>,
    pub(super) resets: Atomic<u64>,
    pub(super) resets_failed: Atomic<u64>,
    pub(super) threshold: Atomic<u32>,
    #[pin]
    recent: SpinLock<Recent>,
    wanted: Atomic<u32>,
    /// There are queues that did not stop. Who finds it set and clears it tries them all, and asks
    /// for another try if it fails.
    pub(super) stuck: Atomic<bool>,
}

impl Recovery {
    pub(super) fn new(threshold: u32) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            state: Atomic::new(OPERATIONAL),
            by_bus: Atomic::new(false),
            operating <- new_srcu!(),
            generation: Atomic::new(0),
            resets: Atomic::new(0),
            resets_failed: Atomic::new(0),
            threshold: Atomic::new(threshold),
            recent <- new_spinlock!(Recent { since: 0, count: 0 }),
            wanted: Atomic::new(NOTHING),
            stuck: Atomic::new(false),
        })
    }

    pub(super) fn status(&self) -> uapi::accel_status {
        self.state.load(Relaxed)
    }

    /// Enters the section in which the hardware may be used.
    pub(super) fn operate(&self) -> Result<srcu::Guard<'_>> {
        let guard = self.operating.read_lock();
        match self.state.load(Acquire) {
            OPERATIONAL => Ok(guard),
            IN_RESET => Err(EAGAIN),
            _ => Err(EIO),
        }
    }

    /// Takes the device out of operation, if it is in one of these states. Fails with [`EAGAIN`]
    /// if it is not.
    fn begin(&self, from: &[u32]) -> Result {
        let taken = |&state: &u32| self.state.cmpxchg(state, IN_RESET, Full).is_ok();
        if from.iter().any(taken) {
            Ok(())
        } else {
            Err(EAGAIN)
        }
    }

    fn end(&self, state: u32) {
        self.state.store(state, Release);
    }

    /// Counts an error; returns whether it is one too many.
    fn count_error(&self) -> bool {
        let now = Monotonic::ktime_get();
        let mut recent = self.recent.lock();
        if recent.count == 0 || now - recent.since > WINDOW_NS {
            *recent = Recent {
                since: now,
                count: 0,
            };
        }
        recent.count += 1;
        let threshold = self.threshold.load(Relaxed);
        threshold != 0 && recent.count >= threshold
    }

    /// Hardware errors within this hour.
    pub(super) fn recent_errors(&self) -> u32 {
        let recent = self.recent.lock();
        if Monotonic::ktime_get() - recent.since > WINDOW_NS {
            return 0;
        }
        recent.count
    }

    fn forget_errors(&self) {
        self.recent.lock().count = 0;
    }
}

impl Device {
    /// Tells of an error of the hardware; `code` is the driver's number for it. An administrator's
    /// threshold of such errors isolates the device.
    ///
    /// Must not be called from interrupt context.
    pub fn report_error(self: &Arc<Self>, code: u64) {
        self.counters.errors.fetch_add(1, Relaxed);
        let error = uapi::accel_event_type_ACCEL_EVENT_ERROR;
        self.events.tell(Event::new(error, code));
        if self.recovery.count_error() {
            self.recover(ISOLATE);
        }
    }

    /// Asks for a reset, soon: the device does not work any more.
    ///
    /// It happens only if the driver has [`auto_recovery`](super::DeviceInfo::auto_recovery); else
    /// the administrator has to ask for it.
    pub fn request_reset(self: &Arc<Self>) {
        if self.resets_itself() {
            self.recover(RESET);
        }
    }

    fn resets_itself(&self) -> bool {
        self.info().auto_recovery && self.ops().reset.is_some()
    }

    /// Whether there are queues whose jobs have fences.
    fn has_fences(&self) -> bool {
        (0..self.slots.len())
            .filter_map(|id| self.slots.get(id))
            .any(|queue| queue.job_limit().is_some())
    }

    /// Has the worker try again to stop what did not stop, and reset the device if it still does
    /// not.
    pub(super) fn recover_stuck(self: &Arc<Self>) {
        self.recover(RETRY);
    }

    fn recover(self: &Arc<Self>, wanted: u32) {
        // The greatest of what was asked for is done. It is written even if it is there already:
        // the worker that finds it must find what was done before it was asked for.
        let asked = &self.recovery.wanted;
        let mut before = asked.load(Relaxed);
        while let Err(now) = asked.cmpxchg(before, before.max(wanted), Full) {
            before = now;
        }
        let _ = workqueue::system_dfl().enqueue::<_, RECOVERY>(self.clone());
    }

    fn run_recovery(self: &Arc<Self>) {
        let wanted = self.recovery.wanted.xchg(NOTHING, Full);
        let Ok(access) = self.enter() else {
            return;
        };
        match wanted {
            RETRY if self.retry_stuck() => {}
            // Others may wait for the fences of its jobs, so it has to end in one way or other.
            RETRY if !self.resets_itself() && self.has_fences() => self.isolate(&access),
            RETRY => self.request_reset(),
            RESET => {
                dev_warn!(access.parent(), "resetting the device\n");
                // What fails has been said, and isolated the device.
                let _ = self.reset(&access);
            }
            ISOLATE => self.isolate(&access),
            _ => {}
        }
    }

    /// Tries again to stop the queues that did not stop; returns whether all have.
    fn retry_stuck(&self) -> bool {
        let Ok(access) = self.operate() else {
            // Whoever stopped the device has stopped them.
            return true;
        };
        self.retry_if_stuck(&access)
    }

    /// The same, within an access.
    pub(super) fn retry_if_stuck(&self, access: &Access<'_>) -> bool {
        if !self.recovery.stuck.xchg(false, Relaxed) {
            return true;
        }
        (0..self.slots.len())
            .filter_map(|id| self.slots.get(id))
            .fold(true, |all, queue| all & queue.retry_kill(access))
    }

    /// Resets the device. Fails with [`EOPNOTSUPP`] if the driver can't, [`EAGAIN`] if one is under
    /// way, [`EIO`] if it does not work afterwards, and is isolated then.
    pub(super) fn reset(self: &Arc<Self>, access: &Access<'_>) -> Result {
        let reset = self.ops().reset.ok_or(EOPNOTSUPP)?;
        self.recovery.begin(&[OPERATIONAL, ISOLATED])?;
        self.take_down(access, uapi::accel_queue_state_ACCEL_QUEUE_DEAD_RESET);
        // SAFETY: `access` keeps the driver's data.
        let result = unsafe { reset(access.data()) };
        self.bring_up(access, result)
    }

    /// Takes the device out of service, until it is reset.
    fn isolate(self: &Arc<Self>, access: &Access<'_>) {
        // If it is being reset, the errors that led here are forgotten with it.
        if self.recovery.begin(&[OPERATIONAL]).is_err() {
            return;
        }
        dev_err!(
            access.parent(),
            "isolated after {} errors within an hour; a reset brings it back\n",
            self.recovery.recent_errors()
        );
        self.take_down(access, uapi::accel_queue_state_ACCEL_QUEUE_DEAD_ISOLATED);
        self.stay_down();
    }

    fn stay_down(&self) {
        self.recovery.end(ISOLATED);
        let isolated = uapi::accel_event_type_ACCEL_EVENT_ISOLATED;
        self.events.tell(Event::new(isolated, 0));
    }

    /// Ends all use of the hardware, between `begin` and `end`.
    fn take_down(&self, access: &Access<'_>, state: uapi::accel_queue_state) {
        if state == uapi::accel_queue_state_ACCEL_QUEUE_DEAD_RESET {
            let begin = uapi::accel_event_type_ACCEL_EVENT_RESET_BEGIN;
            self.events.tell(Event::new(begin, 0));
            trace::reset_begin(self.id(), self.recovery.generation.load(Relaxed));
        }
        // Before anybody is waited for: those who use the hardware may hang with it.
        self.revoke_queues(state);
        self.recovery.operating.synchronize();
        // Those that were being made.
        self.revoke_queues(state);

        // SAFETY: `access` keeps the driver's data.
        unsafe { (self.ops().halt)(access.data()) };
        for id in 0..self.slots.len() {
            if let Some(queue) = self.slots.take(id) {
                // SAFETY: The device was halted above, and `access` keeps the driver's data.
                unsafe { queue.destroy_halted(access.data()) };
            }
        }
    }

    /// Starts a device that was reset.
    fn bring_up(self: &Arc<Self>, access: &Access<'_>, reset: Result) -> Result {
        let result = reset.and_then(|()| {
            // SAFETY: `access` keeps the driver's data.
            unsafe { (self.ops().start)(access.data(), self) }
        });
        let recovery = &self.recovery;
        let error = result.as_ref().err().map_or(0, |e| -e.to_errno());
        let generation = recovery.generation.fetch_add(1, Relaxed);
        trace::reset_end(self.id(), generation, result);
        let end = uapi::accel_event_type_ACCEL_EVENT_RESET_END;
        self.events.tell(Event::new(end, error as u64));

        match result {
            Ok(()) => {
                recovery.resets.fetch_add(1, Relaxed);
                recovery.forget_errors();
                recovery.end(OPERATIONAL);
                Ok(())
            }
            Err(e) => {
                recovery.resets_failed.fetch_add(1, Relaxed);
                dev_err!(access.parent(), "the reset failed ({e:?}); isolated\n");
                self.stay_down();
                Err(EIO)
            }
        }
    }

    /// The bus is going to reset the device: ends all use of it, until
    /// [`end_bus_reset`](Self::end_bus_reset).
    ///
    /// Called with the device locked, as handlers of bus errors and of resets are. Does nothing in
    /// a reset of the core's own, which reaches the bus through [`Driver::reset`].
    ///
    /// [`Driver::reset`]: super::Driver::reset
    pub fn begin_bus_reset(&self) {
        let _ = self.try_begin_bus_reset(&[OPERATIONAL, ISOLATED]);
    }

    fn try_begin_bus_reset(&self, from: &[u32]) -> Result {
        let access = self.enter()?;
        self.recovery.begin(from)?;
        self.recovery.by_bus.store(true, Relaxed);
        self.take_down(&access, uapi::accel_queue_state_ACCEL_QUEUE_DEAD_RESET);
        Ok(())
    }

    /// Whether the bus resets the device, and [`end_bus_reset`](Self::end_bus_reset) will start it.
    pub fn is_in_bus_reset(&self) -> bool {
        self.recovery.by_bus.load(Relaxed)
    }

    /// The bus has reset the device: starts it again.
    ///
    /// Fails with [`EIO`] if it does not start, and is isolated then.
    pub fn end_bus_reset(self: &Arc<Self>) -> Result {
        if !self.recovery.by_bus.xchg(false, Relaxed) {
            return Ok(());
        }
        let access = self.enter()?;
        self.bring_up(&access, Ok(()))
    }

    /// The bus has given the device up: takes it out of service.
    pub fn fail_bus_reset(&self) {
        if self.recovery.by_bus.xchg(false, Relaxed) {
            self.stay_down();
        }
    }

    /// The device is going to lose its power: ends all use of it, until [`resume`](Self::resume).
    /// For what is running it is a reset; a device that is isolated stays so.
    ///
    /// Called with the device locked. Fails with [`EBUSY`] if a reset does not end.
    pub fn suspend(&self) -> Result {
        const TRIES: u32 = 1000;

        for _ in 0..TRIES {
            match self.try_begin_bus_reset(&[OPERATIONAL]) {
                Err(EAGAIN) if self.recovery.status() == IN_RESET => {
                    fsleep(Delta::from_millis(10));
                }
                // Gone or isolated: there is nothing to end.
                _ => return Ok(()),
            }
        }
        Err(EBUSY)
    }

    /// The device has its power again: starts it.
    ///
    /// Fails with [`EIO`] if it does not start, and is isolated then.
    pub fn resume(self: &Arc<Self>) -> Result {
        self.end_bus_reset()
    }
}

impl WorkItem<RECOVERY> for Device {
    type Pointer = Arc<Device>;

    fn run(device: Arc<Device>) {
        device.run_recovery();
    }
}
