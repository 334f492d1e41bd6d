// SPDX-License-Identifier: GPL-2.0

//! The jobs of a queue in `KERNEL` mode, from their submission until their buffers are let go.
//!
//! Submissions stand in a ring, in the order of their numbers, and pass three points:
//!
//! ```text
//!   reaped          head             hand               tail
//!     | have ended    | the device     | wait for fences, |
//!     | (reap)        | works on them  | or for room      |
//! ```
//!
//! `run` hands jobs to the driver, `end_job` hears of their ends and signals fences in order,
//! `reap` lets buffers go, which may sleep and take locks that nobody who signals a fence may take:
//! it has a work queue of its own, and nobody waits for it who has fences to signal.
//!
//! # Invariants
//!
//! - `reaped <= head <= hand <= tail`, and `tail - reaped` is at most the length of the ring.
//! - A submission has its fence from `push` until it passes `head`, and passes it when none of its
//!   jobs is left. So each fence is signalled once, in the order of the numbers.
//! - The driver has at most one ticket for each job, and none of a job before `hand` is reached.

use super::{
    class,
    client::{
        self,
        Inbox, //
    },
    device::{
        Access,
        Device, //
    },
    records::Records,
    region::Region,
    submission::{
        RawTicket,
        SubmissionOps, //
    },
    submit::{
        Next,
        Submitted, //
    },
    table::DriverQueue, //
};
use crate::{
    dma_buf::dma_fence::{
        self,
        FenceContext, //
    },
    impl_has_work,
    mm::fault::{
        Fault,
        FaultResult,
        Sigbus, //
    },
    new_work,
    page::PAGE_SIZE,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Full, //
        },
        new_mutex,
        new_spinlock,
        Arc,
        Mutex,
        SpinLock, //
    },
    workqueue::{
        self,
        Work,
        WorkItem, //
    }, //
};

/// Counts the jobs of a queue, from 0.
pub(super) type JobNumber = u64;

const RUN: u64 = 0;
const REAP: u64 = 1;

/// What a device's pipelines know of its room for jobs.
///
/// A driver that refuses a job may have room again when any of its jobs has ended, of whichever
/// queue. So each end is counted, and who ends one while a pipeline waits lets all try again.
///
/// # Invariants
///
/// Who finds in [`note`](Self::note) that no job has ended since [`ends`](Self::ends) is seen to
/// wait by whoever ends the next one.
pub(super) struct Refusals {
    ends: Atomic<u32>,
    waiting: Atomic<bool>,
}

impl Refusals {
    pub(super) fn new() -> Self {
        Self {
            ends: Atomic::new(0),
            waiting: Atomic::new(false),
        }
    }

    /// Jobs that have ended, modulo 2^32, to be read before the driver is asked.
    fn ends(&self) -> u32 {
        self.ends.load(Acquire)
    }

    /// A job was refused; returns whether one has ended since there were `ends`.
    fn note(&self, ends: u32) -> bool {
        self.waiting.xchg(true, Full);
        // What is read in order to be written is not older than that.
        self.ends.fetch_add(0, Full) != ends
    }

    /// A job has ended; returns whether somebody waits for that.
    fn end(&self) -> bool {
        self.ends.fetch_add(1, Full);
        self.waiting.xchg(false, Full)
    }
}

/// Where a queue's submissions are.
struct State {
    ring: KVVec<Option<KBox<Submitted>>>,
    /// Jobs that may be under way.
    depth: u64,
    reaped: u64,
    head: u64,
    hand: u64,
    tail: u64,
    /// Number of the next job that is submitted.
    next: JobNumber,
    /// Jobs that have ended.
    ends: u64,
    /// The driver had no room for the next job when it was asked last.
    refused: bool,
    /// The queue is dead: how its jobs end.
    dead: Option<Error>,
}

impl State {
    fn at(&mut self, position: u64) -> Option<&mut Submitted> {
        let len = self.ring.len() as u64;
        self.ring[(position % len) as usize].as_deref_mut()
    }

    /// Jobs that have not ended, and those that ended out of turn behind them.
    fn under_way(&mut self) -> u64 {
        let (head, next) = (self.head, self.next);
        if head == self.tail {
            return 0;
        }
        self.at(head).map_or(0, |oldest| next - oldest.first)
    }

    fn check_room(&mut self, count: u64) -> Result {
        if self.dead.is_some() {
            return Err(ENODEV);
        }
        let full = self.tail - self.reaped == self.ring.len() as u64;
        if full || self.under_way() + count > self.depth {
            return Err(EAGAIN);
        }
        Ok(())
    }

    fn push(&mut self, slot: &mut Option<KBox<Submitted>>) -> Result {
        let new = slot.as_mut().ok_or(EINVAL)?;
        let count = new.jobs.len() as u64;
        self.check_room(count)?;
        new.first = self.next;
        self.next += count;
        let len = self.ring.len() as u64;
        self.ring[(self.tail % len) as usize] = slot.take();
        self.tail += 1;
        Ok(())
    }

    /// The submission that this job is of, if the device has it.
    fn find(&mut self, job: JobNumber) -> Option<&mut Submitted> {
        let last = self.tail.min(self.hand + 1);
        let position = (self.head..last).find(|&position| {
            self.at(position)
                .is_some_and(|s| job >= s.first && job - s.first < s.jobs.len() as u64)
        })?;
        self.at(position)
    }

    /// Signals the fences of the oldest submissions, as far as they have ended; returns how many.
    fn signal(&mut self) -> u32 {
        let mut count = 0;
        while self.head < self.hand {
            let head = self.head;
            match self.at(head) {
                Some(oldest) if oldest.has_ended() => oldest.signal(),
                _ => break,
            }
            self.head += 1;
            count += 1;
        }
        count
    }

    /// Whether there is a job that nobody but the device, or its driver, keeps from ending.
    fn is_pending(&mut self) -> bool {
        let head = self.head;
        // Those before the first one that waits for fences of others have ended.
        head != self.tail && self.at(head).is_some_and(|s| s.may_begin().is_some())
    }

    /// Takes out the oldest submission that has ended.
    fn reap(&mut self) -> Option<KBox<Submitted>> {
        if self.reaped == self.head {
            return None;
        }
        let len = self.ring.len() as u64;
        let ended = self.ring[(self.reaped % len) as usize].take();
        self.reaped += 1;
        ended
    }
}

/// The pipeline of a queue.
#[pin_data]
pub(super) struct Pipeline {
    device: Arc<Device>,
    queue: u32,
    /// Where its requests come from, if it is a client's.
    inbox: Option<Arc<Inbox>>,
    pub(super) timeline: ARef<FenceContext>,
    /// Held from when a submission gets its fence until it has its number.
    #[pin]
    pub(super) submitting: Mutex<()>,
    records: Records,
    /// The driver's queue, for as long as jobs may be handed to it.
    #[pin]
    gate: Mutex<Option<Arc<DriverQueue>>>,
    #[pin]
    state: SpinLock<State>,
    /// Held while buffers are let go.
    #[pin]
    reaping: Mutex<()>,
    #[pin]
    run_work: Work<Pipeline, RUN>,
    #[pin]
    reap_work: Work<Pipeline, REAP>,
}

impl_has_work! {
    impl HasWork<Self, RUN> for Pipeline { self.run_work }
    impl HasWork<Self, REAP> for Pipeline { self.reap_work }
}

impl Pipeline {
    pub(super) fn new(
        device: &Arc<Device>,
        queue: u32,
        depth: u32,
        ops: &SubmissionOps,
        driver: &Arc<DriverQueue>,
        inbox: Option<&Arc<Inbox>>,
    ) -> Result<Arc<Self>> {
        // As many again may have ended, and wait to be let go.
        let places = 2 * depth as usize;
        let mut ring = KVVec::with_capacity(places, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..places {
            ring.push(None, GFP_KERNEL_ACCOUNT)?;
        }
        let name = CString::try_from_fmt(fmt!("accel{}.{queue}", device.id()))?;
        Arc::pin_init(
            try_pin_init!(Self {
                device: device.clone(),
                queue,
                inbox: inbox.cloned(),
                timeline: FenceContext::new(device.ops().name, &name, GFP_KERNEL_ACCOUNT)?,
                submitting <- new_mutex!(()),
                records: Records::new(depth, ops.record_size)?,
                gate <- new_mutex!(Some(driver.clone())),
                state <- new_spinlock!(State {
                    ring,
                    depth: u64::from(depth),
                    reaped: 0,
                    head: 0,
                    hand: 0,
                    tail: 0,
                    next: 0,
                    ends: 0,
                    refused: false,
                    dead: None,
                }),
                reaping <- new_mutex!(()),
                run_work <- new_work!("accel_run"),
                reap_work <- new_work!("accel_reap"),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// What user space reads the ends of jobs in.
    pub(super) fn region(&self) -> Region {
        self.records.region()
    }

    /// Answers a fault on the records, which lie from `offset` on, and stay when the queue is dead.
    pub(super) fn fault(&self, fault: &Fault<'_>, offset: u64) -> FaultResult {
        let inside = fault.offset().checked_sub(offset).ok_or(Sigbus)?;
        let page = self
            .records
            .page(inside as usize / PAGE_SIZE)
            .ok_or(Sigbus)?;
        fault.insert_page(page)
    }

    pub(super) fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// The driver's queue. Fails with [`ENODEV`] if it takes no jobs any more.
    pub(super) fn driver(&self) -> Result<Arc<DriverQueue>> {
        self.gate.lock().clone().ok_or(ENODEV)
    }

    /// Takes the submission out of `slot`; it runs when its fences are signalled, after
    /// [`schedule`](Self::schedule). Does not sleep.
    ///
    /// Fails with [`EAGAIN`] if there is no room, [`ENODEV`] if the queue is dead.
    pub(super) fn push(&self, slot: &mut Option<KBox<Submitted>>) -> Result {
        self.state.lock().push(slot)
    }

    /// Looks, soon, whether a job can be handed over. May be called from interrupt context.
    pub(super) fn schedule(self: &Arc<Self>) {
        if let Ok(shared) = class::shared() {
            let _ = shared.signalling.enqueue::<_, RUN>(self.clone());
        }
    }

    /// The same, if the driver has refused the next job: it may have room by now.
    pub(super) fn retry(self: &Arc<Self>) {
        if self.state.lock().refused {
            self.schedule();
        }
    }

    /// How many jobs have ended, and whether there is one that should end soon.
    pub(super) fn progress(&self) -> (u64, bool) {
        let mut state = self.state.lock();
        (state.ends, state.is_pending())
    }

    /// Takes no jobs any more, and hands none to the driver: those that are left end with `error`
    /// when the device has stopped. Does nothing the second time.
    pub(super) fn die(&self, error: Error) {
        self.state.lock().dead.get_or_insert(error);
        let shut = self.gate.lock().take();
        drop(shut);
        if let Some(inbox) = &self.inbox {
            inbox.lost(self);
        }
    }

    /// Whether it takes no jobs any more.
    pub(super) fn is_dead(&self) -> bool {
        self.state.lock().dead.is_some()
    }

    /// Ends all jobs that are left; their buffers are let go soon.
    ///
    /// To be called when the pipeline is dead and the device touches no memory for the queue any
    /// more.
    pub(super) fn end_all(self: &Arc<Self>) {
        let mut state = self.state.lock();
        let error = *state.dead.get_or_insert(ECANCELED);
        for position in state.head..state.tail {
            if let Some(submitted) = state.at(position) {
                self.cancel(submitted, 0, error);
            }
        }
        state.hand = state.tail;
        let ended = state.signal();
        drop(state);
        self.tell(ended);
    }

    /// Hands jobs to the driver, as many as can be.
    fn run(self: &Arc<Self>) {
        let _signalling = dma_fence::signalling();
        // If the device is going or being reset, whoever does that ends the jobs.
        let Ok(access) = self.device.operate() else {
            return;
        };
        self.take_in(&access);
        while let Some(next) = self.next() {
            if !self.hand_over(&access, &next) {
                break;
            }
        }
    }

    /// Makes jobs of a client's requests, as many as there is room for. Those that fail have ended.
    fn take_in(&self, access: &Access<'_>) {
        let Some(inbox) = &self.inbox else {
            return;
        };
        while self.state.lock().check_room(1).is_ok() {
            let Some(request) = inbox.next(self) else {
                return;
            };
            if let Ok(new) = client::accept(self, access, inbox, request) {
                // If it died just now, the request ends here.
                let _ = self.push(&mut Some(new));
            }
        }
    }

    fn hand_over(self: &Arc<Self>, access: &Access<'_>, next: &Next) -> bool {
        let gate = self.gate.lock();
        // If it is shut, whoever has done that ends the job.
        let Some(driver) = &*gate else {
            return false;
        };
        let ticket = RawTicket::new(self.clone(), next.number);
        // SAFETY: `access` keeps the driver's data; the queue is not destroyed before the gate is
        // shut, for which the lock is needed.
        match unsafe { driver.submit(access.data(), &*next.jobs[next.index], ticket) } {
            Ok(()) => true,
            Err(ticket) if ticket.is_of(self, next.number) => {
                ticket.keep();
                self.take_back(next);
                // What had ended before the driver was asked is not told again.
                self.device.refusals.note(next.ends)
            }
            // It is another job's, which ends by that; and this job's is the driver's to keep.
            Err(other) => {
                drop(other);
                true
            }
        }
    }

    /// The next job to hand over, which counts as handed over from now on.
    fn next(self: &Arc<Self>) -> Option<Next> {
        let mut ended = 0;
        let ends = self.device.refusals.ends();
        let mut state = self.state.lock();
        state.refused = false;
        let next = loop {
            let hand = state.hand;
            if hand == state.tail {
                break None;
            }
            let next = state.at(hand)?;
            match next.may_begin() {
                None => break None,
                Some(Ok(())) => {}
                Some(Err(e)) => self.cancel(next, next.handed, e),
            }
            if let Some(job) = next.hand(ends) {
                break Some(job);
            }
            state.hand += 1;
            ended += state.signal();
        };
        drop(state);
        self.tell(ended);
        next
    }

    /// The driver had no room for this job: it stays the next one.
    fn take_back(&self, job: &Next) {
        let mut state = self.state.lock();
        if let Some(submitted) = state.find(job.number) {
            submitted.handed -= 1;
        }
        state.refused = true;
    }

    /// A job has ended: with `result`, or with the error of the queue.
    pub(super) fn end_job(
        self: &Arc<Self>,
        number: JobNumber,
        result: Option<Result>,
        record: &[u8],
    ) {
        let _signalling = dma_fence::signalling();
        let mut state = self.state.lock();
        let result = result.unwrap_or(Err(state.dead.unwrap_or(ECANCELED)));
        // If it is not there, it was cancelled when the queue died.
        let Some(submitted) = state.find(number) else {
            return;
        };
        self.records.write(number, result, record);
        submitted.count_end(result, record);
        state.ends += 1;
        let ended = state.signal();
        drop(state);
        self.tell(ended);
        // The room may be any queue's, so all may try.
        if self.device.refusals.end() {
            self.device.retry_refused();
        }
    }

    /// Ends the jobs from the one with index `from` on, as far as they have not ended.
    fn cancel(&self, submitted: &mut Submitted, from: usize, error: Error) {
        for index in from..submitted.jobs.len() {
            let number = submitted.first + index as u64;
            if !self.records.has(number) {
                self.records.write(number, Err(error), &[]);
                submitted.count_end(Err(error), &[]);
            }
        }
        submitted.handed = submitted.jobs.len();
    }

    /// Tells of submissions that have ended.
    fn tell(self: &Arc<Self>, ended: u32) {
        for _ in 0..ended {
            self.device.complete_in(self.queue, self);
        }
        if ended == 0 {
            return;
        }
        let _ = match (&self.inbox, class::shared()) {
            // Whoever reclaims memory may wait for a client's request.
            (Some(_), Ok(shared)) => shared.signalling.enqueue::<_, REAP>(self.clone()),
            _ => workqueue::system_dfl().enqueue::<_, REAP>(self.clone()),
        };
    }

    /// Lets the buffers go of what has ended. When this returns, all of that is done which had
    /// ended before, whoever does it: attachments must be gone before the device is unbound.
    pub(super) fn reap(&self) {
        let _reaping = self.reaping.lock();
        loop {
            let Some(ended) = self.state.lock().reap() else {
                return;
            };
            drop(ended);
        }
    }
}

impl WorkItem<RUN> for Pipeline {
    type Pointer = Arc<Self>;

    fn run(pipeline: Arc<Self>) {
        Pipeline::run(&pipeline);
    }
}

impl WorkItem<REAP> for Pipeline {
    type Pointer = Arc<Self>;

    fn run(pipeline: Arc<Self>) {
        pipeline.reap();
        // There is room now.
        if (pipeline.inbox.as_ref()).is_some_and(|inbox| !inbox.is_empty()) {
            pipeline.schedule();
        }
    }
}
