// SPDX-License-Identifier: GPL-2.0 OR MIT
//! A queue, and the memory of its jobs, used again and again.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::hisi_zip::{Completion, Direction, Job, Stream, Wait, ZipQueue};
use crate::info::AddressMode;
use crate::memory::{Memory, Source};

/// A queue that one user has.
pub(super) struct Lane {
    queue: ZipQueue,
    spare: Vec<Memory>,
    contexts: Vec<Memory>,
}

impl Lane {
    pub(super) fn new(queue: ZipQueue) -> Self {
        Self {
            queue,
            spare: Vec::new(),
            contexts: Vec::new(),
        }
    }

    pub(super) fn direction(&self) -> Direction {
        self.queue.direction()
    }

    /// Jobs that can be in flight at once.
    pub(super) fn capacity(&self) -> usize {
        self.queue.capacity()
    }

    pub(super) fn is_of(&self, direction: Direction) -> bool {
        self.queue.direction() == direction
    }

    pub(super) fn is_live(&self) -> bool {
        self.queue.check().is_ok()
    }

    /// Whether the next user finds nothing of the last one's.
    pub(super) fn is_free(&self) -> bool {
        self.queue.in_flight() == 0 && self.is_live()
    }

    pub(super) fn device_name(&self) -> &str {
        self.queue.device_name()
    }

    /// Whether the device reads any memory of the process.
    pub(super) fn is_shared(&self) -> bool {
        self.queue.address_space().mode() == AddressMode::Shared
    }

    /// At least `len` bytes for a job.
    pub(super) fn memory(&mut self, len: usize) -> Result<Memory> {
        match self.spare.iter().rposition(|memory| memory.len() >= len) {
            Some(place) => Ok(self.spare.swap_remove(place)),
            None => self.queue.address_space().memory(len),
        }
    }

    pub(super) fn put_memory(&mut self, memory: Memory) {
        self.spare.push(memory);
    }

    /// A stream that begins.
    pub(super) fn stream(&mut self) -> Result<Stream> {
        let context = match self.contexts.pop() {
            Some(context) => context,
            None => Stream::memory(self.queue.address_space())?,
        };
        Ok(Stream::new(context))
    }

    pub(super) fn put_stream(&mut self, stream: Stream) {
        self.contexts.push(stream.into_context());
    }

    /// Takes back the memory of what a job has read, if nobody else has it.
    pub(super) fn put_source(&mut self, source: Source) {
        self.spare.extend(source.into_memory());
    }

    pub(super) fn has_room(&self) -> bool {
        self.queue.has_vacancy()
    }

    pub(super) fn submit(&mut self, job: Job) -> Result<()> {
        match self.queue.vacancy() {
            Some(vacancy) => Ok(vacancy.submit(job)?),
            None => Err(self.wrong("a queue without jobs has no room")),
        }
    }

    pub(super) fn poll(&mut self) -> Result<Option<Completion>> {
        self.queue.poll()
    }

    /// Waits for a completion, which is an error if it takes longer than `limit`.
    pub(super) fn wait(&mut self, limit: Duration) -> Result<()> {
        if self.queue.wait(Wait::Auto, Some(limit))? {
            return Ok(());
        }
        Err(Error::Timeout {
            device: self.device_name().into(),
            queue: self.queue.id(),
            seconds: limit.as_secs(),
        })
    }

    /// The error of a device that does what it can't.
    pub(super) fn wrong(&self, what: &str) -> Error {
        Error::Mismatch {
            device: self.device_name().into(),
            what: what.into(),
        }
    }
}
