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
//! # How it is taken down
//!
//! Who takes a device down does two things, in this order:
//!
//! - `cut_off`: no job reaches the device any more, it is halted, and all jobs end that others may
//!   wait for. Nothing in there waits for memory, or for a lock under which somebody waits for a
//!   fence; lockdep checks that.
//! - `clear_away`: all the rest, which may have to wait for others.
//!
//! # Pages that somebody owes
//!
//! Before a function with ATS is reset the kernel waits for the pages that it has asked for, with
//! the device locked. Who owes them may take for ever, and is frozen while the system sleeps. So a
//! reset is not begun as long as there are such pages: the device stays cut off, for everybody, and
//! can be unbound, suspended and switched off. And a worker that resets it does not run before the
//! system is awake.
//!
//! # Invariants
//!
//! - The device is halted from the end of `cut_off` until `bring_up`, and all fences are signalled.
//! - Nobody is in the SRCU section `operating` from the end of `clear_away` until `end`: no queue
//!   is made or stopped meanwhile.
//! - In `ISOLATED` no queue exists and the device is halted.
//! - What was asked of a worker is done by a run that begins later. Something that is less does not
//!   take its place.
//! - While `cut` is not `NOTHING`, the state is `IN_RESET`, and whoever takes it out goes on from
//!   there.

use super::{
    class,
    client,
    device::{
        Access,
        Device, //
    },
    events::Event,
    trace, //
};
use crate::{
    dma_buf::dma_fence,
    iommu::sva,
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
    task::Task,
    time::{
        delay::fsleep,
        msecs_to_jiffies,
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
/// It is being unbound, and does not come back.
const LEAVING: u32 = uapi::accel_status_ACCEL_STATUS_REMOVED;

const DEAD_RESET: uapi::accel_queue_state = uapi::accel_queue_state_ACCEL_QUEUE_DEAD_RESET;
const DEAD_ISOLATED: uapi::accel_queue_state = uapi::accel_queue_state_ACCEL_QUEUE_DEAD_ISOLATED;
const DEAD_REMOVED: uapi::accel_queue_state = uapi::accel_queue_state_ACCEL_QUEUE_DEAD_REMOVED;
const DEAD_ERROR: uapi::accel_queue_state = uapi::accel_queue_state_ACCEL_QUEUE_DEAD_ERROR;

/// The time within which hardware errors count for the threshold.
const WINDOW_NS: i64 = 3600 * 1_000_000_000;

/// The device's work item that cuts it off: on the queue of what fences depend on.
pub(super) const CUTTING: u64 = 0;
/// The one that clears away, and stops what did not stop: may wait for anybody.
pub(super) const CLEARING: u64 = 3;

/// What a worker is to do.
const NOTHING: u32 = 0;
const RESET: u32 = 1;
const ISOLATE: u32 = 2;

/// Something that a worker was asked for, and the generation in which that was.
struct Request {
    generation: u32,
    what: u32,
}

impl Request {
    /// The greater number is that of the later generation, and then that of what takes more.
    fn packed(&self) -> u64 {
        u64::from(self.generation) << 2 | u64::from(self.what)
    }

    fn from_packed(packed: u64) -> Self {
        Self {
            // CAST: What was packed.
            generation: (packed >> 2) as u32,
            what: packed as u32 & 3,
        }
    }
}

/// How long somebody waits for another's reset who can't do without, in steps of 10 ms.
const PATIENCE: u32 = 1000;

/// How long a reset waits for pages at once, in steps of 10 ms, and after how many milliseconds it
/// does again.
const PAGE_PATIENCE: u32 = 100;
const PAGE_PERIOD_MS: u32 = 100;

/// Hardware errors of the last hour.
struct Recent {
    since: i64,
    count: u32,
}

/// What the bus does with a device, which is locked while it begins or ends that.
#[derive(Default)]
struct Bus {
    /// How many resets and suspensions it has begun and not ended, one within the other. The device
    /// is down until the last is ended.
    begun: u32,
    /// Somebody has the device locked and waits for the end of a reset of the core's own. Who
    /// finds this set may leave it to him to end that, and clears it then.
    waits: bool,
}

/// Where a device is between working and not.
#[pin_data]
pub(super) struct Recovery {
    state: Atomic<u32>,
    #[pin]
    bus: SpinLock<Bus>,
    /// The task that has the driver reset the device, 0 if none does. The bus may be asked for it,
    /// and tells the driver then, in that task.
    resetter: Atomic<usize>,
    /// Readers may use the hardware.
    #[pin]
    operating: Srcu,
    pub(super) generation: Atomic<u32>,
    pub(super) resets: Atomic<u64>,
    pub(super) resets_failed: Atomic<u64>,
    pub(super) threshold: Atomic<u32>,
    #[pin]
    recent: SpinLock<Recent>,
    /// The reset that is under way is one for which errors are forgotten.
    forgets: Atomic<bool>,
    /// What a worker was asked for last, as [`Request::packed`] has it. It stays there until a
    /// worker has done it, or a reset has made it needless.
    wanted: Atomic<u64>,
    /// What the device was cut off for, while nobody clears away.
    cut: Atomic<u32>,
    /// It was said that the reset waits for pages.
    told_of_pages: Atomic<bool>,
    /// There are queues that are to be stopped. Who finds it set and clears it tries them all, and
    /// sets it again if one does not stop.
    pub(super) stuck: Atomic<bool>,
}

impl Recovery {
    pub(super) fn new(threshold: u32) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            state: Atomic::new(OPERATIONAL),
            bus <- new_spinlock!(Bus::default()),
            resetter: Atomic::new(0),
            operating <- new_srcu!(),
            generation: Atomic::new(0),
            resets: Atomic::new(0),
            resets_failed: Atomic::new(0),
            threshold: Atomic::new(threshold),
            recent <- new_spinlock!(Recent { since: 0, count: 0 }),
            forgets: Atomic::new(false),
            wanted: Atomic::new(0),
            cut: Atomic::new(NOTHING),
            told_of_pages: Atomic::new(false),
            stuck: Atomic::new(false),
        })
    }

    pub(super) fn status(&self) -> uapi::accel_status {
        match self.state.load(Relaxed) {
            // Nobody is told before processes have nothing of it any more.
            LEAVING => OPERATIONAL,
            state => state,
        }
    }

    /// Enters the section in which the hardware may be used.
    pub(super) fn operate(&self) -> Result<srcu::Guard<'_>> {
        let guard = self.operating.read_lock();
        match self.state.load(Acquire) {
            OPERATIONAL => Ok(guard),
            IN_RESET => Err(EAGAIN),
            LEAVING => Err(ENODEV),
            _ => Err(EIO),
        }
    }

    /// Takes the device out of operation, if it is in one of these states. Fails with [`EAGAIN`]
    /// if it is not.
    ///
    /// One that was isolated and comes back begins anew; after another reset errors of before count
    /// as they did.
    fn begin(&self, from: &[u32]) -> Result {
        let before = self.change(from, IN_RESET)?;
        self.forgets.store(before == ISOLATED, Relaxed);
        Ok(())
    }

    /// Returns the state that it was in.
    fn change(&self, from: &[u32], to: u32) -> Result<u32> {
        let taken = |&&state: &&u32| self.state.cmpxchg(state, to, Full).is_ok();
        from.iter().find(taken).copied().ok_or(EAGAIN)
    }

    /// Takes the device out of operation for good. If it is being reset, waits for the end of that,
    /// unless it is only cut off so far, or down until the bus ends the reset: the bus may not come
    /// to that any more.
    fn begin_leaving(&self) {
        // A reset that the driver can't do with the device locked is not tried for long.
        self.bus.lock().waits = true;
        while self.change(&[OPERATIONAL, ISOLATED], LEAVING).is_err() {
            if self.cut.xchg(NOTHING, Full) != NOTHING || self.forget_bus() {
                return self.state.store(LEAVING, Release);
            }
            fsleep(Delta::from_millis(1));
        }
    }

    /// The bus ends one of those that it has begun; returns whether that was the last.
    fn end_one_of_bus(&self) -> bool {
        let mut bus = self.bus.lock();
        if bus.begun == 0 {
            return false;
        }
        bus.begun -= 1;
        bus.begun == 0
    }

    /// The bus ends nothing any more; returns whether it had something to end.
    fn forget_bus(&self) -> bool {
        core::mem::take(&mut self.bus.lock().begun) != 0
    }

    /// Leaves a reset to the bus, if it waits for that.
    fn hand_to_bus(&self) -> bool {
        let mut bus = self.bus.lock();
        if bus.waits {
            bus.begun = 1;
        }
        core::mem::take(&mut bus.waits)
    }

    /// What came of another task's reset for somebody of the bus, who has asked for it once before
    /// if `asked`: whether it is his to end now.
    fn take_for_bus(&self, asked: bool) -> bool {
        let mut bus = self.bus.lock();
        if asked && !bus.waits {
            // It was handed over.
            return true;
        }
        if bus.begun != 0 {
            bus.begun += 1;
            bus.waits = false;
            return true;
        }
        bus.waits = true;
        false
    }

    /// Waits no longer; returns whether the reset was handed over just now.
    fn stop_waiting(&self) -> bool {
        !core::mem::replace(&mut self.bus.lock().waits, false)
    }

    /// Whether the current task is in the middle of having the driver reset the device.
    fn is_own_reset(&self) -> bool {
        self.resetter.load(Relaxed) == Task::current_raw() as usize
    }

    fn end(&self, state: u32) {
        self.state.store(state, Release);
    }

    /// Counts an error for the threshold; returns whether it is one too many.
    fn is_one_too_many(&self) -> bool {
        let now = Monotonic::ktime_get();
        let mut recent = self.recent.lock();
        if recent.count == 0 || now - recent.since > WINDOW_NS {
            *recent = Recent {
                since: now,
                count: 0,
            };
        }
        recent.count = recent.count.saturating_add(1);
        drop(recent);
        self.has_too_many_errors()
    }

    fn has_too_many_errors(&self) -> bool {
        let threshold = self.threshold.load(Relaxed);
        threshold != 0 && self.recent_errors() >= threshold
    }

    /// Whether something was asked for since the last reset.
    fn is_wanted(&self) -> bool {
        let wanted = Request::from_packed(self.wanted.load(Acquire));
        wanted.what != NOTHING && wanted.generation == self.generation.load(Relaxed)
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
    /// Counts an error of the hardware that nobody suffers from but who has made it: it was mended,
    /// or what a process asked for makes no sense to the device. Nobody is told, and it does not
    /// count for the administrator's threshold, so that no process can have the device isolated.
    pub fn count_harmless_error(&self) {
        self.counters.errors.fetch_add(1, Relaxed);
    }

    /// Tells of an error of the hardware; `code` is the driver's number for it. An administrator's
    /// threshold of such errors isolates the device.
    ///
    /// Must not be called from interrupt context.
    pub fn report_error(self: &Arc<Self>, code: u64) {
        self.counters.errors.fetch_add(1, Relaxed);
        let error = uapi::accel_event_type_ACCEL_EVENT_ERROR;
        self.events.tell(Event::new(error, code));
        if self.recovery.is_one_too_many() {
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

    /// Has a queue stopped, soon, with which the device can't go on: its process did not keep to
    /// the rules of the rings, or the hardware failed. It finds `ACCEL_QUEUE_DEAD_ERROR`; other
    /// queues are not touched.
    ///
    /// Nothing happens if there is no such queue. Must not be called from interrupt context.
    pub fn fail_queue(self: &Arc<Self>, queue: u32) {
        let mut first = false;
        self.slots
            .with(queue, |queue| first = queue.doom(DEAD_ERROR));
        if first {
            self.recover_stuck();
        }
    }

    pub(super) fn resets_itself(&self) -> bool {
        self.info().auto_recovery && self.ops().reset.is_some()
    }

    /// Whether there are queues that do not stop, and whose jobs have fences.
    fn owes_fences(&self) -> bool {
        self.queues()
            .any(|queue| queue.is_doomed() && queue.has_fences())
    }

    /// Has a worker try again to stop what is to be stopped, and reset the device if it does not.
    pub(super) fn recover_stuck(self: &Arc<Self>) {
        let _ = workqueue::system_freezable().enqueue::<_, CLEARING>(self.clone());
    }

    /// A queue does not stop, and there is no reason to wait for it any longer. `_access` is to
    /// operate: until it is left, no reset ends that would make this one needless.
    pub(super) fn give_up_queue(self: &Arc<Self>, _access: &Access<'_>) {
        if self.resets_itself() {
            self.recover(RESET);
        } else if self.owes_fences() {
            // Others may wait for its jobs, so these have to end in one way or other.
            self.recover(ISOLATE);
        }
    }

    fn recover(self: &Arc<Self>, wanted: u32) {
        let wanted = Request {
            generation: self.recovery.generation.load(Relaxed),
            what: wanted,
        }
        .packed();
        // The greatest of what was asked for is done.
        let asked = &self.recovery.wanted;
        let mut before = asked.load(Relaxed);
        while let Err(now) = asked.cmpxchg(before, before.max(wanted), Full) {
            before = now;
        }
        self.do_what_is_wanted();
    }

    /// Has a worker look at what was asked for: when that is new, and when it can be done at last.
    pub(super) fn do_what_is_wanted(self: &Arc<Self>) {
        // Ordered behind what the caller has stored: who has asked before may not have seen that.
        if self.recovery.wanted.fetch_add(0, Full) == 0 {
            return;
        }
        if let Ok(shared) = class::shared() {
            let _ = shared.signalling.enqueue::<_, CUTTING>(self.clone());
        }
    }

    /// Cuts the device off for what was asked for, and leaves the rest to the other worker.
    fn run_cutting(self: &Arc<Self>) {
        // In operation until `begin`: no reset ends meanwhile that would make this one needless.
        let Ok(access) = self.operate() else {
            return;
        };
        let recovery = &self.recovery;
        if !recovery.is_wanted() {
            return;
        }
        // Whoever resets the device has this looked at again. Only the administrator brings back
        // what is isolated.
        if recovery.begin(&[OPERATIONAL]).is_err() {
            return;
        }
        let wanted = Request::from_packed(recovery.wanted.xchg(0, Full)).what;
        let state = match wanted {
            RESET => {
                dev_warn!(access.parent(), "resetting the device\n");
                DEAD_RESET
            }
            _ => {
                self.tell_isolation(&access);
                DEAD_ISOLATED
            }
        };
        self.cut_off(&access, state);
        recovery.cut.xchg(wanted, Full);
        drop(access);
        self.recover_stuck();
    }

    fn tell_isolation(&self, access: &Access<'_>) {
        if self.recovery.has_too_many_errors() {
            dev_err!(
                access.parent(),
                "isolated after {} errors within an hour; a reset brings it back\n",
                self.recovery.recent_errors()
            );
        } else {
            dev_err!(
                access.parent(),
                "isolated, since a queue does not stop; a reset brings it back\n"
            );
        }
    }

    fn run_clearing(self: &Arc<Self>) {
        let Ok(access) = self.enter() else {
            return;
        };
        match self.recovery.cut.xchg(NOTHING, Full) {
            RESET => {
                // What fails has been said, and isolated the device.
                let _ = self.finish_reset(&access);
            }
            ISOLATE => {
                self.clear_away(&access, DEAD_ISOLATED);
                self.stay_down();
            }
            _ => {
                drop(access);
                self.retry_stuck();
            }
        }
    }

    /// Tries again to stop the queues that did not stop, and gives them up that never will. If the
    /// device does not work, whoever stopped it has stopped them.
    fn retry_stuck(self: &Arc<Self>) {
        if let Ok(access) = self.operate() {
            if !self.retry_if_stuck(&access) {
                self.give_up_queue(&access);
            }
        }
    }

    /// Tries again to stop the queues that did not stop; returns whether there is nothing to be
    /// done about those that have not.
    pub(super) fn retry_if_stuck(self: &Arc<Self>, access: &Access<'_>) -> bool {
        if !self.recovery.stuck.xchg(false, Full) {
            return true;
        }
        self.queues()
            .fold(true, |all, queue| all & queue.retry_kill(access))
    }

    /// Resets the device. Fails with [`EOPNOTSUPP`] if the driver can't, [`EAGAIN`] if one is under
    /// way, [`EIO`] if it does not work afterwards, and is isolated then.
    pub(super) fn reset(self: &Arc<Self>, access: &Access<'_>) -> Result {
        self.ops().reset.ok_or(EOPNOTSUPP)?;
        self.recovery.begin(&[OPERATIONAL, ISOLATED])?;
        self.recovery.forgets.store(true, Relaxed);
        self.cut_off(access, DEAD_RESET);
        self.finish_reset(access)
    }

    /// Resets a device that is cut off. Fails with [`EAGAIN`] if that is left to others.
    fn finish_reset(self: &Arc<Self>, access: &Access<'_>) -> Result {
        self.clear_away(access, DEAD_RESET);
        if !self.wait_for_pages(access) {
            self.recovery.cut.xchg(RESET, Full);
            let delay = msecs_to_jiffies(PAGE_PERIOD_MS);
            let _ =
                workqueue::system_freezable().enqueue_delayed::<_, CLEARING>(self.clone(), delay);
            return Err(EAGAIN);
        }
        for _ in 0..PATIENCE {
            match self.ask_for_reset(access) {
                // The bus keeps the driver from it, to do the same.
                Err(e) if e == EAGAIN && self.recovery.hand_to_bus() => return Err(EAGAIN),
                Err(e) if e == EAGAIN => fsleep(Delta::from_millis(10)),
                result => return self.bring_up(access, result),
            }
        }
        self.bring_up(access, Err(EAGAIN))
    }

    /// Waits a while for the pages that processes owe the device; returns whether none is left.
    fn wait_for_pages(&self, access: &Access<'_>) -> bool {
        let told = &self.recovery.told_of_pages;
        for _ in 0..PAGE_PATIENCE {
            if !sva::has_page_requests(access.parent()) {
                told.store(false, Relaxed);
                return true;
            }
            fsleep(Delta::from_millis(10));
        }
        if !told.xchg(true, Relaxed) {
            dev_warn!(
                access.parent(),
                "the reset waits for a page that a process has been asked for\n"
            );
        }
        false
    }

    /// Has the driver reset the device. In the same task the bus may tell the driver of that.
    fn ask_for_reset(&self, access: &Access<'_>) -> Result {
        let reset = self.ops().reset.ok_or(EOPNOTSUPP)?;
        let task = Task::current_raw() as usize;
        self.recovery.resetter.store(task, Relaxed);
        // SAFETY: `access` keeps the driver's data.
        let result = unsafe { reset(access.data()) };
        self.recovery.resetter.store(0, Relaxed);
        result
    }

    fn stay_down(&self) {
        self.recovery.end(ISOLATED);
        let isolated = uapi::accel_event_type_ACCEL_EVENT_ISOLATED;
        self.events.tell(Event::new(isolated, 0));
    }

    /// Ends all accesses of the device to memory, and all jobs that others may wait for; `state` is
    /// what its queues will be in.
    ///
    /// Others in `operating` may still be about to make or to stop a queue: the device is halted,
    /// whatever they do.
    fn cut_off(&self, access: &Access<'_>, state: uapi::accel_queue_state) {
        if state == DEAD_RESET {
            let begin = uapi::accel_event_type_ACCEL_EVENT_RESET_BEGIN;
            self.events.tell(Event::new(begin, 0));
            trace::reset_begin(self.id(), self.recovery.generation.load(Relaxed));
        }
        let _signalling = dma_fence::signalling();
        for queue in self.queues() {
            queue.refuse_jobs(state);
        }
        self.lines.close();
        // SAFETY: `access` keeps the driver's data.
        unsafe { (self.ops().halt)(access.data()) };
        for queue in self.queues() {
            queue.end_halted_jobs();
        }
    }

    /// Takes everything of a device that is cut off from processes, and gives up all that its
    /// queues had.
    fn clear_away(&self, access: &Access<'_>, state: uapi::accel_queue_state) {
        // Before anybody is waited for: those who use the hardware may hang with it.
        self.revoke_queues(state);
        self.recovery.operating.synchronize();
        // Those that were being made.
        self.revoke_queues(state);
        // SAFETY: The device is halted, and `access` keeps the driver's data.
        unsafe { self.drop_queues(access.data()) };
    }

    /// Ends all use of the hardware for good: when this returns no callback of the driver runs, no
    /// queue is left, and no address space is bound. Does nothing if [`publish`](Self::publish) was
    /// not called.
    pub(super) fn leave(&self) {
        let Ok(access) = self.enter() else {
            return;
        };
        self.recovery.begin_leaving();
        self.cut_off(&access, DEAD_REMOVED);
        let data = access.data();
        drop(access);
        // Whoever is told that the device is gone finds that processes have nothing of it any more;
        // and they learn it before anybody is waited for.
        if let Some(memory) = self.local_memory() {
            memory.close();
        }
        self.revoke_queues(DEAD_REMOVED);
        self.unpublish();
        // Those that were being made.
        self.revoke_queues(DEAD_REMOVED);
        // SAFETY: `data` lives until this function returns, by the contract of `publish`, and the
        // device is halted.
        unsafe {
            self.drop_queues(data);
            // Those that are closed from here on are left to this.
            self.unbind_contexts(data);
            self.end_parted(data);
        }
        let removed = uapi::accel_event_type_ACCEL_EVENT_REMOVED;
        self.events.tell(Event::new(removed, 0));
    }

    /// Starts a device that was reset.
    fn bring_up(self: &Arc<Self>, access: &Access<'_>, reset: Result) -> Result {
        let recovery = &self.recovery;
        // What is asked for, and told, from here on is about the device as it is now.
        if reset.is_ok() && recovery.forgets.load(Relaxed) {
            recovery.forget_errors();
        }
        let generation = recovery.generation.fetch_add(1, Relaxed);
        let result = reset.and_then(|()| {
            self.lines.open();
            // SAFETY: `access` keeps the driver's data.
            unsafe { (self.ops().start)(access.data(), self) }.inspect_err(|_| self.lines.close())
        });
        let error = result.as_ref().err().map_or(0, |e| -e.to_errno());
        trace::reset_end(self.id(), generation, result);
        let end = uapi::accel_event_type_ACCEL_EVENT_RESET_END;
        self.events.tell(Event::new(end, error as u64));

        match result {
            Ok(()) => {
                recovery.resets.fetch_add(1, Relaxed);
                recovery.end(OPERATIONAL);
                self.do_what_is_wanted();
                client::look_again();
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
    /// a reset of the core's own, which reaches the bus through [`Driver::reset`]; waits for the
    /// end of one that another task has begun.
    ///
    /// [`Driver::reset`]: super::Driver::reset
    pub fn begin_bus_reset(&self) {
        if self.recovery.is_own_reset() {
            return;
        }
        if self.wait_for_bus_reset(&[OPERATIONAL, ISOLATED]).is_err() {
            dev_err!(
                self.parent(),
                "its bus resets it, though another reset does not end\n"
            );
        }
    }

    /// Begins a reset by the bus, once no other is under way. Fails with [`EBUSY`] if one does not
    /// end.
    fn wait_for_bus_reset(&self, from: &[u32]) -> Result {
        let recovery = &self.recovery;
        let mut asked = false;
        for _ in 0..PATIENCE {
            if self.try_begin_bus_reset(from) != Err(EAGAIN) {
                // It has begun, or the device is gone.
                recovery.stop_waiting();
                return Ok(());
            }
            match recovery.state.load(Acquire) {
                // One of its own has begun already, or another was handed over to it.
                IN_RESET if recovery.take_for_bus(asked) => return Ok(()),
                // It has come no further than that.
                IN_RESET if self.take_cut_for_bus() => return Ok(()),
                IN_RESET => {
                    asked = true;
                    fsleep(Delta::from_millis(10));
                }
                // It has come to that just now.
                state if from.contains(&state) => {}
                // There is nothing to end.
                _ => {
                    recovery.stop_waiting();
                    return Ok(());
                }
            }
        }
        if recovery.stop_waiting() && asked {
            return Ok(());
        }
        Err(EBUSY)
    }

    /// Goes on with a device that is only cut off so far; returns whether the bus is to end that.
    fn take_cut_for_bus(&self) -> bool {
        let Ok(access) = self.enter() else {
            return false;
        };
        let recovery = &self.recovery;
        match recovery.cut.xchg(NOTHING, Full) {
            RESET => {
                self.clear_away(&access, DEAD_RESET);
                *recovery.bus.lock() = Bus {
                    begun: 1,
                    waits: false,
                };
                true
            }
            ISOLATE => {
                self.clear_away(&access, DEAD_ISOLATED);
                self.stay_down();
                false
            }
            _ => false,
        }
    }

    fn try_begin_bus_reset(&self, from: &[u32]) -> Result {
        let access = self.enter()?;
        self.recovery.begin(from)?;
        self.cut_off(&access, DEAD_RESET);
        self.clear_away(&access, DEAD_RESET);
        // Last, so that who ends it too early, and in another task, ends nothing.
        self.recovery.bus.lock().begun = 1;
        Ok(())
    }

    /// Whether the bus resets the device, and [`end_bus_reset`](Self::end_bus_reset) will start it.
    pub fn is_in_bus_reset(&self) -> bool {
        self.recovery.bus.lock().begun != 0
    }

    /// The bus has reset the device: starts it again, unless it is in the middle of another reset,
    /// which wipes the device once more.
    ///
    /// Fails with [`EIO`] if it does not start, and is isolated then.
    pub fn end_bus_reset(self: &Arc<Self>) -> Result {
        if !self.recovery.end_one_of_bus() {
            return Ok(());
        }
        let access = self.enter()?;
        self.bring_up(&access, Ok(()))
    }

    /// The bus has recovered the device from an error of its own: starts it again, as
    /// [`end_bus_reset`](Self::end_bus_reset) does. One that was isolated before stays so, and so
    /// does one that has had too many errors: only the administrator brings these back.
    ///
    /// Fails with [`EIO`] if it is isolated.
    pub fn end_bus_recovery(self: &Arc<Self>) -> Result {
        let recovery = &self.recovery;
        if !recovery.forgets.load(Relaxed) && !recovery.has_too_many_errors() {
            return self.end_bus_reset();
        }
        if recovery.end_one_of_bus() {
            dev_err!(
                self.parent(),
                "isolated after an error of its bus; a reset brings it back\n"
            );
            self.stay_down();
        }
        Err(EIO)
    }

    /// The bus has given the device up: takes it out of service.
    pub fn fail_bus_reset(&self) {
        if self.recovery.forget_bus() {
            self.stay_down();
        }
    }

    /// The device is going to lose its power: ends all use of it, until [`resume`](Self::resume).
    /// For what is running it is a reset; a device that is isolated stays so.
    ///
    /// Called with the device locked. Fails with [`EBUSY`] if a reset does not end.
    pub fn suspend(&self) -> Result {
        self.wait_for_bus_reset(&[OPERATIONAL])
    }

    /// The device has its power again: starts it.
    ///
    /// Fails with [`EIO`] if it does not start, and is isolated then.
    pub fn resume(self: &Arc<Self>) -> Result {
        self.end_bus_reset()
    }

    /// The device has its power again, but needs a reset: has a worker do that once the system is
    /// awake, unless the device is in the middle of another reset.
    pub fn resume_by_reset(self: &Arc<Self>) {
        if self.recovery.end_one_of_bus() {
            self.recovery.cut.xchg(RESET, Full);
            self.recover_stuck();
        }
    }
}

impl WorkItem<CUTTING> for Device {
    type Pointer = Arc<Device>;

    fn run(device: Arc<Device>) {
        device.run_cutting();
    }
}

impl WorkItem<CLEARING> for Device {
    type Pointer = Arc<Device>;

    fn run(device: Arc<Device>) {
        device.run_clearing();
    }
}
