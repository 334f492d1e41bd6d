// SPDX-License-Identifier: GPL-2.0 OR MIT
//! One queue.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::thread;
use std::time::Duration;

use super::flight::{Flight, Refused};
use super::job::{Completion, Job};
use super::parts::{Direction, ZipQueueParts, create_parts};
use super::wait::{Wait, Woken, wait};
use crate::context::Context;
use crate::error::Result;
use crate::queue::QueueState;
use crate::space::AddressSpace;

/// How long dropping a queue takes at most, where jobs do not come back.
const SOON: Duration = Duration::from_millis(20);

/// How long such a queue is kept open, for its jobs to come back. What hangs longer the kernel
/// ends, and then the queue is dead.
const PATIENCE: Duration = Duration::from_secs(60);

/// A queue of the engine, in any address mode.
///
/// Dropping it gives up the jobs in flight, and does not wait for them: a thread keeps the queue
/// until the engine is done with their memory, and only then frees that.
///
/// A child of `fork()` can't use it (`Error::Forked`).
pub struct ZipQueue {
    /// There until it is dropped.
    flight: Option<Flight>,
}

impl ZipQueue {
    /// Creates a queue of `depth` entries; 0 for the driver's default.
    pub fn create(context: &Context, direction: Direction, depth: u32) -> Result<Self> {
        let (parts, node) = create_parts(context, direction, depth)?;
        let flight = Some(Flight::new(parts, Some(node))?);
        Ok(Self { flight })
    }

    /// A queue of given parts.
    pub fn from_parts(parts: ZipQueueParts) -> Result<Self> {
        let flight = Some(Flight::new(parts, None)?);
        Ok(Self { flight })
    }

    fn flight(&self) -> &Flight {
        self.flight.as_ref().expect("it is not dropped")
    }

    fn flight_mut(&mut self) -> &mut Flight {
        self.flight.as_mut().expect("it is not dropped")
    }

    /// Number of the queue on its device.
    pub fn id(&self) -> u32 {
        self.flight().id
    }

    /// Name of the device.
    pub fn device_name(&self) -> &str {
        &self.flight().device
    }

    /// Which way it works.
    pub fn direction(&self) -> Direction {
        self.flight().direction()
    }

    /// The address space of its context, in which the memory of its jobs has to be.
    pub fn address_space(&self) -> &AddressSpace {
        &self.flight().space
    }

    /// Jobs that can be in flight at once.
    pub fn capacity(&self) -> usize {
        self.flight().capacity().into()
    }

    /// Jobs in flight.
    pub fn in_flight(&self) -> usize {
        self.flight().in_flight().into()
    }

    /// Its state, without a system call.
    ///
    /// A child of `fork()` has no queue: there it is [`QueueState::DeadRemoved`].
    pub fn state(&self) -> QueueState {
        self.flight().state()
    }

    /// The error of a queue that takes no jobs: it is dead, or the parent's. No system call.
    pub fn check(&self) -> Result<()> {
        self.flight().check()
    }

    /// Whether there is room for one more job.
    pub fn has_vacancy(&self) -> bool {
        self.flight().has_vacancy()
    }

    /// Room for one more job, if there is any.
    pub fn vacancy(&mut self) -> Option<Vacancy<'_>> {
        self.has_vacancy().then_some(Vacancy { queue: self })
    }

    /// Takes the oldest unread completion, if there is one. No system call.
    pub fn poll(&mut self) -> Result<Option<Completion>> {
        self.flight_mut().poll()
    }

    /// Whether [`poll`](Self::poll) would return something. No system call.
    pub fn has_completion(&self) -> bool {
        self.flight().has_completion()
    }

    /// Waits for a completion, for as long as `limit` says; whether there is one. That of many
    /// queues is [`wait()`].
    pub fn wait(&mut self, how: Wait, limit: Option<Duration>) -> Result<bool> {
        if self.in_flight() == 0 {
            return Ok(false);
        }
        let woken = wait(std::slice::from_mut(self), how, None, limit)?;
        Ok(woken == Woken::Completion)
    }

    /// The jobs of a dead queue that did not come back, the oldest first; none of one that lives.
    ///
    /// The device does not touch their memory any more. They may have been done, in part or not at
    /// all.
    pub fn take_back(&mut self) -> Vec<Job> {
        self.flight_mut().take_back()
    }

    /// Asks for an event at the next completion, or at once if there is one unread.
    pub fn arm(&mut self) {
        self.flight_mut().arm();
    }

    /// The descriptor, which lives as long as somebody has it.
    #[cfg(feature = "tokio")]
    pub(crate) fn events(&self) -> std::sync::Arc<std::os::fd::OwnedFd> {
        std::sync::Arc::clone(&self.flight().events)
    }

    /// Takes the unread events, so that the descriptor is not readable before the next one; how
    /// many there were. Does not wait.
    pub fn take_events(&self) -> Result<u64> {
        self.flight().take_events()
    }
}

impl AsFd for ZipQueue {
    /// The descriptor on which events can be polled for after [`ZipQueue::arm`].
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.flight().events.as_fd()
    }
}

impl AsRawFd for ZipQueue {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for ZipQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZipQueue")
            .field("device", &self.device_name())
            .field("id", &self.id())
            .field("mode", &self.address_space().mode())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

impl Drop for ZipQueue {
    fn drop(&mut self) {
        let Some(mut flight) = self.flight.take() else {
            return;
        };
        if !flight.settle(SOON) {
            let name = "accel-close".to_owned();
            let end = move || {
                flight.settle(PATIENCE);
            };
            // Without a thread it is closed now, and the memory of its jobs leaked.
            let _ = thread::Builder::new().name(name).spawn(end);
        }
    }
}

/// Room for one job in a queue.
pub struct Vacancy<'a> {
    queue: &'a mut ZipQueue,
}

impl Vacancy<'_> {
    /// Hands `job` to the engine. No system call, but in
    /// [`AddressMode::Kernel`](crate::AddressMode::Kernel).
    ///
    /// It comes back with the error if that can't be. `Error::Unreachable`: the job's memory is
    /// not of the queue's context ([`AddressSpace::memory`]). `Error::NoAlgorithm`: this revision
    /// of the engine can't do what the job asks for ([`Revision::has`](super::Revision::has)).
    /// `Error::Room`: less room for output than [`ROOM_MIN`](super::ROOM_MIN), or, in a stream
    /// that is compressed, than 9/8 of the input. `Error::NoInput`: nothing to compress in such a
    /// stream; see [`Stream::end`](super::Stream::end). `Error::TooLarge`: input or room are more
    /// than [`REQUEST_MAX`](super::REQUEST_MAX). `Error::Outside`: they are not inside their
    /// memory.
    pub fn submit(self, job: Job) -> std::result::Result<(), Refused> {
        self.queue.flight_mut().submit(job)
    }
}
