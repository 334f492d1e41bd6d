// SPDX-License-Identifier: GPL-2.0 OR MIT
//! The jobs of a queue that are under way, and the way itself: what outlives a queue that is
//! dropped amid work.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::handover::Handover;
use super::job::{Completion, Job, REQUEST_MAX, ROOM_MIN};
use super::parts::{Direction, ZipPort, ZipQueueParts, checked_depth, too_short};
use super::port::{Done, Port};
use super::rings::Rings;
use super::sqe::{self, Format};
use super::stream::Stream;
use crate::error::{Error, Result};
use crate::fork::Process;
use crate::info::AddressMode;
use crate::memory::Addresses;
use crate::node::Node;
use crate::queue::{QueueState, STATE, not_submitted};
use crate::region::Region;
use crate::space::AddressSpace;
use crate::uapi;

/// How long not to look again at a queue that is to be closed.
const PAUSE: Duration = Duration::from_millis(1);

struct Slot {
    job: Job,
    tag: u32,
}

/// A job that was not taken.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    /// The job, and with it its memory.
    pub job: Box<Job>,
    /// Why.
    pub error: Error,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        refused.error
    }
}

/// Jobs under way.
pub(super) struct Flight {
    pub(super) device: String,
    pub(super) id: u32,
    pub(super) space: AddressSpace,
    pub(super) events: Arc<OwnedFd>,
    format: Format,
    owner: Process,
    port: Box<dyn Port>,
    status: Region,
    /// Keeps the context open. Before the jobs: what closes here stops the queue, only
    /// then may their memory go.
    _node: Option<Arc<Node>>,
    /// Jobs in flight, by the port's slots.
    slots: Box<[Option<Slot>]>,
    in_flight: u16,
    /// Jobs submitted so far.
    sequence: u32,
}

impl Flight {
    pub(super) fn new(parts: ZipQueueParts, node: Option<Arc<Node>>) -> Result<Self> {
        let depth = checked_depth(&parts)?;
        let is_kernel = parts.space.mode() == AddressMode::Kernel;
        let port: Option<Box<dyn Port>> = match parts.port {
            ZipPort::Rings { ring, doorbell } if !is_kernel => {
                Rings::new(parts.id, parts.revision, depth, ring, doorbell)
                    .map(|port| Box::new(port) as _)
            }
            ZipPort::Kernel { records, submit } if is_kernel => {
                Handover::new(depth, records, submit).map(|port| Box::new(port) as _)
            }
            _ => {
                let what = format!("queue {} does not fit its address mode", parts.id);
                let device = parts.device;
                return Err(Error::Mismatch { device, what });
            }
        };
        let port = port.filter(|_| parts.status.len() >= size_of::<uapi::QueueStatus>());
        Ok(Self {
            port: port.ok_or_else(|| too_short(&parts.device, parts.id))?,
            device: parts.device,
            format: Format {
                revision: parts.revision,
                direction: parts.direction,
            },
            id: parts.id,
            space: parts.space,
            owner: Process::current(),
            status: parts.status,
            events: parts.events,
            _node: node,
            slots: (0..depth).map(|_| None).collect(),
            in_flight: 0,
            sequence: 0,
        })
    }

    pub(super) fn direction(&self) -> Direction {
        self.format.direction
    }

    pub(super) fn capacity(&self) -> u16 {
        self.port.capacity()
    }

    pub(super) fn in_flight(&self) -> u16 {
        self.in_flight
    }

    pub(super) fn state(&self) -> QueueState {
        match QueueState::from(self.status.read::<u32>(STATE)) {
            QueueState::Live if self.port.is_revoked() => QueueState::DeadRemoved,
            state => state,
        }
    }

    /// The error of a queue that is dead, or somebody else's; nothing for one that lives.
    pub(super) fn check(&self) -> Result<()> {
        let (device, queue) = (|| self.device.clone(), self.id);
        if self.owner.is_parent() {
            return Err(Error::Forked {
                device: device(),
                queue,
            });
        }
        match self.state() {
            QueueState::Live => Ok(()),
            state => Err(Error::QueueDead {
                device: device(),
                queue,
                state,
            }),
        }
    }

    pub(super) fn has_vacancy(&self) -> bool {
        let full = self.in_flight == self.port.capacity();
        // The engine may finish jobs out of order.
        let taken = self.slots[usize::from(self.port.next_slot())].is_some();
        !full && !taken
    }

    pub(super) fn poll(&mut self) -> Result<Option<Completion>> {
        let new = self.has_completion();
        // After the look: what revoked memory shows is not to be believed.
        self.check()?;
        if !new {
            return Ok(None);
        }
        let done = self.port.completion();
        // The loads above can hit the revocation too.
        self.check()?;
        self.port.advance();
        self.take(done).map(Some)
    }

    pub(super) fn has_completion(&self) -> bool {
        self.in_flight > 0 && self.port.has_completion()
    }

    /// Takes the job that `done` is about out of its slot.
    fn take(&mut self, done: Option<Done>) -> Result<Completion> {
        let taken = done.and_then(|done| {
            let slot = self.slots.get_mut(usize::from(done.slot))?;
            let slot = slot.take_if(|slot| slot.tag == done.tag)?;
            Some((slot.job, done))
        });
        let Some((mut job, done)) = taken else {
            return Err(Error::Mismatch {
                device: self.device.clone(),
                what: format!("queue {}: a completion of a job not in flight", self.id),
            });
        };
        self.in_flight -= 1;
        let result = match done.error {
            Some(error) => Err(error),
            None => done.results.outcome(&mut job),
        };
        Ok(Completion { job, result })
    }

    /// All jobs, if the device does not touch their memory any more though they did not come back.
    pub(super) fn take_back(&mut self) -> Vec<Job> {
        if !matches!(self.check(), Err(Error::QueueDead { .. })) {
            return Vec::new();
        }
        self.in_flight = 0;
        // From the oldest on, if they came back in their order.
        let next = usize::from(self.port.next_slot());
        self.slots.rotate_left(next);
        let slots = self.slots.iter_mut();
        let jobs = slots.filter_map(|slot| Some(slot.take()?.job)).collect();
        self.slots.rotate_right(next);
        jobs
    }

    pub(super) fn arm(&mut self) {
        self.port.arm();
    }

    /// Takes the unread events; how many there were.
    pub(super) fn take_events(&self) -> Result<u64> {
        let mut count = [0; 8];
        match rustix::io::read(self.events.as_fd(), &mut count) {
            Ok(_) => Ok(u64::from_ne_bytes(count)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(Errno::NODEV) => self.check().map(|()| 0),
            Err(source) => Err(Error::Refused {
                device: self.device.clone(),
                action: "reading completion events",
                source,
            }),
        }
    }

    pub(super) fn submit(&mut self, job: Job) -> std::result::Result<(), Refused> {
        let slot = usize::from(self.port.next_slot());
        let tag = self.sequence;
        if let Err(error) = self.hand_over(&job, tag) {
            let job = Box::new(job);
            return Err(Refused { job, error });
        }
        self.slots[slot] = Some(Slot { job, tag });
        self.sequence = self.sequence.wrapping_add(1);
        self.in_flight += 1;
        Ok(())
    }

    fn hand_over(&mut self, job: &Job, tag: u32) -> Result<()> {
        self.check()?;
        if !self.format.revision.has(job.algorithm) {
            return Err(Error::NoAlgorithm {
                device: self.device.clone(),
                algorithm: job.algorithm,
            });
        }
        self.check_places(job)?;
        self.check_sizes(job)?;
        let mut addresses = Addresses::new(&self.space);
        let entry = sqe::encode(job, tag, self.format, &mut addresses);
        let words = entry.ok_or_else(|| Error::Unreachable {
            device: self.device.clone(),
            queue: self.id,
        })?;
        let buffers = addresses.into_buffers();
        let submitted = self.port.submit(&words, &buffers, self.in_flight);
        submitted.map_err(|errno| not_submitted(&self.device, self.id, self.state(), errno))
    }

    /// Fails if `job` asks for memory that it does not have, or for more than a request may.
    fn check_places(&self, job: &Job) -> Result<()> {
        let context = job.stream.as_ref().is_none_or(Stream::has_context);
        for (what, inside, bytes) in [
            ("context", context, 0),
            ("input", job.source.is_inside(), job.source.len),
            ("output", job.has_output_inside(), job.output_room),
        ] {
            let (device, queue) = (|| self.device.clone(), self.id);
            if !inside {
                return Err(Error::Outside {
                    device: device(),
                    queue,
                    what,
                });
            }
            if bytes > REQUEST_MAX {
                return Err(Error::TooLarge {
                    device: device(),
                    queue,
                    what,
                    bytes,
                });
            }
        }
        Ok(())
    }

    /// Fails if `job` is one of which the engine takes no notice, or might not.
    fn check_sizes(&self, job: &Job) -> Result<()> {
        let compresses = job.stream.is_some() && self.format.direction == Direction::Compress;
        let input = if compresses { job.source.len } else { 0 };
        if compresses && input == 0 {
            return Err(Error::NoInput {
                device: self.device.clone(),
                queue: self.id,
            });
        }
        // Where nothing is left over for the next request.
        let least = ROOM_MIN.max((input * 9).div_ceil(8));
        if job.output_room >= least {
            return Ok(());
        }
        Err(Error::Room {
            device: self.device.clone(),
            queue: self.id,
            room: job.output_room,
            least,
        })
    }

    /// Waits until nothing is in flight; false if that does not come to pass.
    pub(super) fn settle(&mut self, patience: Duration) -> bool {
        let since = Instant::now();
        while self.in_flight > 0 {
            match self.poll() {
                Ok(Some(_)) => {}
                Ok(None) if since.elapsed() >= patience => return false,
                Ok(None) => std::thread::sleep(PAUSE),
                Err(_) => return self.is_over(),
            }
        }
        true
    }

    /// Whether the engine does nothing here any more.
    fn is_over(&self) -> bool {
        let dead = matches!(
            self.check(),
            Err(Error::QueueDead { .. } | Error::Forked { .. })
        );
        dead || self.in_flight == 0
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.is_over() {
            // The engine may still write there, so it is never to be used for anything else.
            std::mem::forget(std::mem::take(&mut self.slots));
        }
    }
}
