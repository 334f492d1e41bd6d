// SPDX-License-Identifier: GPL-2.0

//! The jobs of queues in `ACCEL_MODE_KERNEL`, whose rings are the driver's.
//!
//! Each queue has a lock, and the registry has one. They are never held together, nor while a job
//! is ended, which may hand over the next one. Nobody allocates or frees memory under them: fences
//! wait for what is done there.

use crate::{
    job::Job,
    queue::Rings,
    sqe::Sqe,
    ZipDriver, //
};
use core::ops::Deref;
use kernel::{
    accel::Ticket,
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};

/// What the doorbell of a queue is rung for.
#[derive(Copy, Clone)]
pub(crate) enum Bell {
    /// There are entries up to this index.
    Submitted(u32),
    /// Completions up to this index were taken.
    Taken(u32),
    /// The same, and there shall be an event when there are more; at once, if there are already.
    Armed(u32),
}

/// A job that the device has.
struct InFlight {
    // Before the ticket: while that is there the core has the job too, and frees it later, where
    // nobody waits for it.
    job: Arc<Job>,
    ticket: Ticket<ZipDriver>,
}

impl InFlight {
    /// Ends a job whose entry the device left as `done`.
    fn end(self, done: &Sqe) {
        let Self { job, ticket } = self;
        let record = job.wanted.with_results(done);
        drop(job);
        ticket.end(record.result(), &record);
    }
}

/// What a completion says.
enum Completion {
    /// This job is done, and its entry was left so.
    Done(InFlight, Sqe),
    /// Nothing of a job that the device has.
    Nonsense,
}

/// Where the driver is in the rings.
struct State {
    /// The jobs that the device has, by the index of their entry.
    in_flight: KVVec<Option<InFlight>>,
    tail: u32,
    head: u32,
    /// Phase of the completion that comes next; flips with each pass.
    phase: bool,
    /// Jobs that were completed.
    completed: u64,
    /// The device has stopped, and the queue's number may be another's.
    closed: bool,
}

impl State {
    fn is_free(&self, index: u32) -> bool {
        self.in_flight[index as usize].is_none()
    }

    /// Takes the job that the device says is done, if it has it.
    fn take(&mut self, index: u16, rings: &Rings) -> Option<(InFlight, Sqe)> {
        let place = self.in_flight.get_mut(usize::from(index))?;
        let done = rings.entry(index).ok()?;
        let job = place.take()?;
        self.completed += 1;
        Some((job, done))
    }
}

/// The jobs of a queue.
#[pin_data]
pub(crate) struct Jobs {
    rings: Arc<Rings>,
    #[pin]
    state: SpinLock<State>,
}

impl Jobs {
    fn new(rings: Arc<Rings>) -> Result<Arc<Self>> {
        let mut in_flight = KVVec::with_capacity(rings.depth as usize, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..rings.depth {
            in_flight.push(None, GFP_KERNEL_ACCOUNT)?;
        }
        Arc::pin_init(
            pin_init!(Self {
                rings,
                state <- new_spinlock!(State {
                    in_flight,
                    tail: 0,
                    head: 0,
                    phase: true,
                    completed: 0,
                    closed: false,
                }),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Hands a job to the device. Gives the ticket back if there is no room.
    pub(crate) fn submit(
        &self,
        job: &Arc<Job>,
        ticket: Ticket<ZipDriver>,
        bell: impl FnOnce(Bell),
    ) -> Result<(), Ticket<ZipDriver>> {
        let mut state = self.state.lock();
        let tail = state.tail;
        let next = self.rings.after(tail);
        // One entry stays free, to tell full from empty.
        let has_room = state.is_free(tail) && state.is_free(next);
        if state.closed || !has_room || self.rings.write_entry(tail, &job.entry).is_err() {
            return Err(ticket);
        }

        let job = job.clone();
        state.in_flight[tail as usize] = Some(InFlight { job, ticket });
        state.tail = next;
        // Under the lock, so that the device never sees the tail go back.
        bell(Bell::Submitted(next));
        Ok(())
    }

    /// Whether the device has jobs.
    pub(crate) fn is_busy(&self) -> bool {
        self.state.lock().in_flight.iter().any(Option::is_some)
    }

    /// Jobs that the device has completed.
    pub(crate) fn completed(&self) -> u64 {
        self.state.lock().completed
    }

    /// Ends the jobs whose completions have come, and has the device tell of those that come later.
    /// Returns how many completions were of no job, or of one that was not done.
    pub(crate) fn reap(&self, bell: impl Fn(Bell)) -> u32 {
        let nonsense = self.end_completed(&bell);
        let state = self.state.lock();
        if !state.closed {
            bell(Bell::Armed(state.head));
        }
        nonsense
    }

    /// Ends the jobs that the device has completed, and gives up the others. It has stopped.
    ///
    /// When this returns, the doorbell is not rung any more: the next queue of this number has it.
    pub(crate) fn close(&self) {
        self.end_completed(|_| {});
        self.state.lock().closed = true;
        for index in 0..self.rings.depth as usize {
            let left = self.state.lock().in_flight[index].take();
            // Not under the lock: it ends the job.
            drop(left);
        }
    }

    fn end_completed(&self, bell: impl Fn(Bell)) -> u32 {
        let mut nonsense = 0;
        // A device that lies must not keep us here for ever.
        for _ in 0..self.rings.depth {
            match self.take(&bell) {
                Some(Completion::Done(job, done)) => {
                    nonsense += u32::from(done.is_untouched());
                    job.end(&done);
                }
                Some(Completion::Nonsense) => nonsense += 1,
                None => break,
            }
        }
        nonsense
    }

    /// Takes the next completion, if it is there.
    fn take(&self, bell: impl FnOnce(Bell)) -> Option<Completion> {
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        let index = self.rings.completion(state.head, state.phase)?;
        state.head = self.rings.after(state.head);
        if state.head == 0 {
            state.phase = !state.phase;
        }

        let completion = match state.take(index, &self.rings) {
            Some((job, done)) => Completion::Done(job, done),
            None => Completion::Nonsense,
        };
        // Before another job gets the entry: so completions are never more than there is room for.
        bell(Bell::Taken(state.head));
        Some(completion)
    }
}

/// The [`Jobs`] of a device's queues, by the number of the queue.
#[pin_data]
pub(crate) struct Registry {
    #[pin]
    all: SpinLock<KVVec<Option<Arc<Jobs>>>>,
}

impl Registry {
    /// A registry for `count` queues.
    pub(crate) fn new(count: u32) -> Result<Arc<Self>> {
        let mut all = KVVec::with_capacity(count as usize, GFP_KERNEL)?;
        for _ in 0..count {
            all.push(None, GFP_KERNEL)?;
        }
        Arc::pin_init(pin_init!(Self { all <- new_spinlock!(all) }), GFP_KERNEL)
    }

    /// The jobs of this queue, if it is one whose rings are the driver's.
    pub(crate) fn get(&self, queue: u32) -> Option<Arc<Jobs>> {
        self.all.lock().get(queue as usize)?.clone()
    }

    fn set(&self, queue: u16, jobs: Arc<Jobs>) -> Option<Arc<Jobs>> {
        self.all.lock().get_mut(usize::from(queue))?.replace(jobs)
    }

    fn remove(&self, queue: u16, jobs: &Arc<Jobs>) -> Option<Arc<Jobs>> {
        let mut all = self.all.lock();
        let place = all.get_mut(usize::from(queue))?;
        place.take_if(|there| Arc::ptr_eq(there, jobs))
    }
}

/// Jobs that are in a registry.
pub(crate) struct Registered {
    registry: Arc<Registry>,
    queue: u16,
    jobs: Arc<Jobs>,
}

impl Registered {
    pub(crate) fn new(registry: &Arc<Registry>, queue: u16, rings: &Arc<Rings>) -> Result<Self> {
        let jobs = Jobs::new(rings.clone())?;
        if let Some(before) = registry.set(queue, jobs.clone()) {
            // Of a queue that was forgotten in a reset, and that somebody still looks at.
            before.close();
        }
        Ok(Self {
            registry: registry.clone(),
            queue,
            jobs,
        })
    }
}

impl Deref for Registered {
    type Target = Arc<Jobs>;

    fn deref(&self) -> &Arc<Jobs> {
        &self.jobs
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let removed = self.registry.remove(self.queue, &self.jobs);
        drop(removed);
        self.jobs.close();
    }
}
