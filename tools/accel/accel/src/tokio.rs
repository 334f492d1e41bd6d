// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Queues for tasks of tokio.
//!
//! A [`Fence`](crate::Fence), [`Events`](crate::Events) and a [`Queue`](crate::Queue) need nothing
//! of this: tokio's `AsyncFd` takes them as they are.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};

use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

use crate::error::{Error, Result};
use crate::hisi_zip::{Completion, Job, Refused, ZipQueue};

/// A queue that any number of tasks hand jobs to.
///
/// ```no_run
/// use accel::hisi_zip::{Algorithm, Direction, Job, ZipQueue};
/// use accel::memory::Source;
/// use accel::tokio::AsyncQueue;
/// use accel::{AddressMode, Device};
///
/// # async fn example() -> accel::Result<()> {
/// let context = Device::by_index(0).context(AddressMode::Shared)?;
/// let queue = AsyncQueue::new(ZipQueue::create(&context, Direction::Compress, 0)?)?;
/// let space = context.address_space();
/// let source = Source::new(space.memory(4096)?, 0, 4096);
/// let job = Job::new(0, Algorithm::Gzip, source, space.memory(8192)?);
/// println!("{:?}", queue.run(job).await?.result);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AsyncQueue {
    events: AsyncFd<Arc<OwnedFd>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    queue: ZipQueue,
    /// Number of the next job.
    next: u64,
    /// Jobs whose tasks still want them.
    wanted: HashMap<u64, Wanted>,
    /// Tasks that wait for room.
    waiting: Vec<Waker>,
}

/// A job, for its task.
#[derive(Debug, Default)]
struct Wanted {
    /// The caller's own.
    tag: u64,
    done: Option<Completion>,
    waker: Option<Waker>,
}

/// A task's right to a completion. The job goes on without it.
struct Ticket<'a> {
    queue: &'a AsyncQueue,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.queue.state().wanted.remove(&self.number);
    }
}

impl AsyncQueue {
    /// For the runtime in which this is called.
    pub fn new(queue: ZipQueue) -> Result<Self> {
        let runtime = |source| Error::Runtime { source };
        Handle::try_current().map_err(|error| runtime(io::Error::other(error)))?;
        // SAFETY: the descriptor is open for as long as an `Arc` of it is there, of which `AsyncFd`
        // has one, and always the same.
        let events = unsafe { AsyncFd::register(queue.events()) };
        Ok(Self {
            events: events.map_err(|error| runtime(error.into_parts().1))?,
            state: Mutex::new(State {
                queue,
                next: 0,
                wanted: HashMap::new(),
                waiting: Vec::new(),
            }),
        })
    }

    /// Hands `job` to the engine, as soon as there is room, and waits until it is done.
    ///
    /// If the future is dropped before that, the job is done all the same; its memory stays with
    /// the queue until then, and is freed with what came of it.
    pub async fn run(&self, job: Job) -> Result<Completion> {
        let mut job = Some(job);
        let ticket = self
            .until(|state, waker| state.submit(&mut job, waker))
            .await?;
        let ticket = Ticket {
            queue: self,
            number: ticket,
        };
        self.until(|state, waker| Ok(state.completion(ticket.number, waker)))
            .await
    }

    /// The queue, once no task uses it: of one that is dead, it has the jobs.
    pub fn into_inner(self) -> ZipQueue {
        let state = self.state.into_inner();
        state.unwrap_or_else(|e| e.into_inner()).queue
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic can't leave it half-changed.
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Waits until `look` finds something. It has to leave its waker where others find it who have
    /// taken the event that it waits for.
    async fn until<T>(
        &self,
        mut look: impl FnMut(&mut State, &Waker) -> Result<Option<T>>,
    ) -> Result<T> {
        loop {
            let mut event = pin!(self.events.readable());
            let found = poll_fn(|context| {
                let found = self.state().look(|state| look(state, context.waker()));
                if !matches!(found, Ok(None)) {
                    return Poll::Ready(found);
                }
                match event.as_mut().poll(context) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Err(source)) => Poll::Ready(Err(Error::Runtime { source })),
                    Poll::Ready(Ok(mut ready)) => {
                        let taken = self.state().queue.take_events();
                        ready.clear_ready();
                        Poll::Ready(taken.map(|_| None))
                    }
                }
            });
            if let Some(found) = found.await? {
                return Ok(found);
            }
        }
    }
}

impl State {
    /// Takes all completions, then has a look; if there is nothing, there will be an event.
    fn look<T>(
        &mut self,
        mut look: impl FnMut(&mut Self) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        loop {
            if let Err(error) = self.collect() {
                // The others shall see it, too.
                self.wake_all();
                return Err(error);
            }
            if let Some(found) = look(self)? {
                return Ok(Some(found));
            }
            self.queue.arm();
            if !self.queue.has_completion() {
                return self.queue.check().map(|()| None);
            }
        }
    }

    fn collect(&mut self) -> Result<()> {
        while let Some(mut completion) = self.queue.poll()? {
            // Nobody may want it any more.
            if let Some(wanted) = self.wanted.get_mut(&completion.job.tag) {
                completion.job.tag = wanted.tag;
                wanted.done = Some(completion);
                wanted.waker.take().into_iter().for_each(Waker::wake);
            }
            self.waiting.drain(..).for_each(Waker::wake);
        }
        Ok(())
    }

    fn wake_all(&mut self) {
        let wanted = self.wanted.values_mut();
        let wakers = wanted.filter_map(|wanted| wanted.waker.take());
        wakers.chain(self.waiting.drain(..)).for_each(Waker::wake);
    }

    /// Hands over the job if there is room; its number.
    fn submit(&mut self, job: &mut Option<Job>, waker: &Waker) -> Result<Option<u64>> {
        let Some(vacancy) = self.queue.vacancy() else {
            self.waiting.push(waker.clone());
            return Ok(None);
        };
        let Some(mut job) = job.take() else {
            return Ok(None);
        };
        let tag = std::mem::replace(&mut job.tag, self.next);
        vacancy.submit(job).map_err(|Refused { error, .. }| error)?;
        let wanted = Wanted {
            tag,
            ..Wanted::default()
        };
        self.wanted.insert(self.next, wanted);
        self.next += 1;
        Ok(Some(self.next - 1))
    }

    fn completion(&mut self, number: u64, waker: &Waker) -> Option<Completion> {
        let wanted = self.wanted.get_mut(&number)?;
        if wanted.done.is_none() {
            wanted.waker = Some(waker.clone());
        }
        wanted.done.take()
    }
}
