// SPDX-License-Identifier: GPL-2.0 OR MIT
//! One queue: its jobs, and who owns their memory.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::handover::Handover;
use super::job::{Completion, Job, ROOM_MIN, Revision};
use super::port::{Done, Port};
use super::rings::{DoorbellPort, DoorbellRegion, Rings};
use super::sqe::{self, Format};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::info::AddressMode;
use crate::inquire::{Answers, Inquire};
use crate::ioctl;
use crate::memory::Addresses;
use crate::node::Node;
use crate::queue::{QueueOptions, QueueState, RegionKind, STATE, not_submitted};
use crate::region::Region;
use crate::space::AddressSpace;
use crate::submit::{Records, Submission, SubmitPort};
use crate::uapi;

/// Which way a queue works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It compresses.
    Compress,
    /// It decompresses.
    Decompress,
}

impl Direction {
    /// The driver's own struct that asks for a queue of this direction.
    fn driver_data(self) -> [u8; size_of::<uapi::HisiZipQueue>()] {
        let direction = match self {
            Self::Compress => uapi::HISI_ZIP_COMPRESS,
            Self::Decompress => uapi::HISI_ZIP_DECOMPRESS,
        };
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&8u32.to_ne_bytes());
        bytes[4..].copy_from_slice(&direction.to_ne_bytes());
        bytes
    }
}

/// A queue's descriptor, by which the kernel takes jobs.
struct SubmitCall(Arc<OwnedFd>);

impl SubmitPort for SubmitCall {
    fn submit(
        &mut self,
        submission: &Submission<'_>,
    ) -> std::result::Result<Option<OwnedFd>, Errno> {
        ioctl::queue_submit(self.0.as_fd(), submission)
    }
}

/// The way by which jobs reach the engine and come back.
pub enum ZipPort {
    /// Rings in memory, in all address modes but the next.
    Rings {
        /// The rings.
        ring: Region,
        /// The doorbell.
        doorbell: Box<dyn DoorbellPort>,
    },
    /// The kernel, in [`AddressMode::Kernel`].
    Kernel {
        /// What became of the jobs.
        records: Records<uapi::HisiZipRecord>,
        /// Where they are handed over.
        submit: Box<dyn SubmitPort>,
    },
}

/// What a [`ZipQueue`] is made of, for a queue that does not come from a [`Context`].
pub struct ZipQueueParts {
    /// Name of the device, for messages.
    pub device: String,
    /// Which hardware that is.
    pub revision: Revision,
    /// Which way the queue works.
    pub direction: Direction,
    /// Number of the queue.
    pub id: u32,
    /// Entries.
    pub depth: u32,
    /// The queue's descriptor: polled and read for events.
    pub events: Arc<OwnedFd>,
    /// The status page.
    pub status: Region,
    /// The address space of its context.
    pub space: AddressSpace,
    /// The way to the engine.
    pub port: ZipPort,
}

/// A queue of the engine, in any address mode.
///
/// Dropping it waits for the jobs in flight; their memory is freed only when the engine is done
/// with it.
pub struct ZipQueue {
    device: String,
    format: Format,
    id: u32,
    space: AddressSpace,
    port: Box<dyn Port>,
    status: Region,
    events: Arc<OwnedFd>,
    /// Keeps the context open. Before the jobs: what closes here stops the queue, only
    /// then may their memory go.
    _node: Option<Arc<Node>>,
    /// Jobs in flight, by the port's slots.
    slots: Box<[Option<Slot>]>,
    in_flight: u16,
    /// Jobs submitted so far.
    sequence: u32,
}

struct Slot {
    job: Job,
    tag: u32,
}

impl ZipQueue {
    /// Creates a queue of `depth` entries; 0 for the driver's default.
    pub fn create(context: &Context, direction: Direction, depth: u32) -> Result<Self> {
        let (parts, node) = create_parts(context, direction, depth)?;
        Self::assemble(parts, Some(node))
    }

    /// A queue of given parts.
    pub fn from_parts(parts: ZipQueueParts) -> Result<Self> {
        Self::assemble(parts, None)
    }

    fn assemble(parts: ZipQueueParts, node: Option<Arc<Node>>) -> Result<Self> {
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
            status: parts.status,
            events: parts.events,
            _node: node,
            slots: (0..depth).map(|_| None).collect(),
            in_flight: 0,
            sequence: 0,
        })
    }

    /// Number of the queue on its device.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Name of the device.
    pub fn device_name(&self) -> &str {
        &self.device
    }

    /// Jobs that can be in flight at once.
    pub fn capacity(&self) -> usize {
        self.port.capacity().into()
    }

    /// Jobs in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.into()
    }

    /// Its state, without a system call.
    pub fn state(&self) -> QueueState {
        match QueueState::from(self.status.read::<u32>(STATE)) {
            QueueState::Live if self.port.is_revoked() => QueueState::DeadRemoved,
            state => state,
        }
    }

    /// The error of a queue that is dead; nothing for one that lives.
    pub(super) fn check(&self) -> Result<()> {
        match self.state() {
            QueueState::Live => Ok(()),
            state => Err(Error::QueueDead {
                device: self.device.clone(),
                queue: self.id,
                state,
            }),
        }
    }

    /// Whether there is room for one more job.
    pub fn has_vacancy(&self) -> bool {
        let full = self.in_flight == self.port.capacity();
        // The engine may finish jobs out of order.
        let taken = self.slots[usize::from(self.port.next_slot())].is_some();
        !full && !taken
    }

    /// Room for one more job, if there is any.
    pub fn vacancy(&mut self) -> Option<Vacancy<'_>> {
        self.has_vacancy().then_some(Vacancy { queue: self })
    }

    /// Takes the oldest unread completion, if there is one. No system call.
    pub fn poll(&mut self) -> Result<Option<Completion>> {
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

    /// Whether [`poll`](Self::poll) would return something. No system call.
    pub fn has_completion(&self) -> bool {
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

    /// Asks for an event at the next completion, or at once if there is one unread.
    pub fn arm(&mut self) {
        self.port.arm();
    }

    fn submit(&mut self, job: Job) -> Result<()> {
        self.check()?;
        if !self.format.revision.has(job.algorithm) {
            return Err(Error::NoAlgorithm {
                device: self.device.clone(),
                algorithm: job.algorithm,
            });
        }
        self.check_sizes(&job)?;
        let tag = self.sequence;
        let mut addresses = Addresses::new(&self.space);
        let entry = sqe::encode(&job, tag, self.format, &mut addresses);
        let words = entry.ok_or_else(|| Error::Unreachable {
            device: self.device.clone(),
            queue: self.id,
        })?;
        let slot = usize::from(self.port.next_slot());
        let buffers = addresses.into_buffers();
        let submitted = self.port.submit(&words, &buffers, self.in_flight);
        submitted.map_err(|errno| not_submitted(&self.device, self.id, self.state(), errno))?;
        self.slots[slot] = Some(Slot { job, tag });
        self.sequence = self.sequence.wrapping_add(1);
        self.in_flight += 1;
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
    fn settle(&mut self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while self.in_flight > 0 {
            match self.poll() {
                Ok(Some(_)) => {}
                Ok(None) if Instant::now() >= until => return false,
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                // The kernel has stopped a dead queue by the time that its descriptor is closed.
                Err(Error::QueueDead { .. }) => return true,
                Err(_) => return false,
            }
        }
        true
    }
}

/// Creates a queue of `depth` entries, 0 for the driver's default: its parts, and what keeps its
/// context open.
pub(super) fn create_parts(
    context: &Context,
    direction: Direction,
    depth: u32,
) -> Result<(ZipQueueParts, Arc<Node>)> {
    let revision = revision(context)?;
    let queue = context.create_queue(&QueueOptions {
        depth,
        driver_data: &direction.driver_data(),
        ..Default::default()
    })?;
    let (id, depth) = (queue.facts().id, queue.facts().depth);
    let port = if context.mode() == AddressMode::Kernel {
        Mapped::Records(queue.records()?)
    } else {
        let doorbell = DoorbellRegion::new(queue.map(RegionKind::Doorbell)?);
        let doorbell = doorbell.ok_or_else(|| too_short(queue.device_name(), id))?;
        Mapped::Rings(queue.map(RegionKind::Ring)?, doorbell)
    };
    let (events, status, node) = queue.into_parts();
    let events = Arc::new(events);
    let parts = ZipQueueParts {
        device: node.name().into(),
        revision,
        direction,
        id,
        depth,
        status,
        space: context.address_space().clone(),
        port: port.with(&events),
        events,
    };
    Ok((parts, node))
}

/// What is mapped of a queue, by its address mode.
enum Mapped {
    Rings(Region, DoorbellRegion),
    Records(Records<uapi::HisiZipRecord>),
}

impl Mapped {
    /// The way to the engine of the queue behind `fd`.
    fn with(self, fd: &Arc<OwnedFd>) -> ZipPort {
        match self {
            Self::Rings(ring, doorbell) => ZipPort::Rings {
                ring,
                doorbell: Box::new(doorbell),
            },
            Self::Records(records) => ZipPort::Kernel {
                records,
                submit: Box::new(SubmitCall(Arc::clone(fd))),
            },
        }
    }
}

/// The revision of the hardware, of those that are known here.
fn revision(context: &Context) -> Result<Revision> {
    let version = context.facts()?.version;
    Revision::of(&version).ok_or_else(|| Error::Mismatch {
        device: context.device_name().into(),
        what: format!("version {version:?} of the engine is not known"),
    })
}

pub(super) fn too_short(device: &str, queue: u32) -> Error {
    Error::Mismatch {
        device: device.into(),
        what: format!("a region of queue {queue} is too short"),
    }
}

/// The engine has 12 bits for a depth less one.
const DEPTH_MAX: u16 = 1 << 12;

/// The number of entries, if there can be so many.
pub(super) fn checked_depth(parts: &ZipQueueParts) -> Result<u16> {
    let fits = |depth: &u16| (2..=DEPTH_MAX).contains(depth);
    let depth = u16::try_from(parts.depth).ok().filter(fits);
    depth.ok_or_else(|| Error::Mismatch {
        device: parts.device.clone(),
        what: format!("queue {} has {} entries", parts.id, parts.depth),
    })
}

impl AsFd for ZipQueue {
    /// The descriptor on which events can be polled for after [`ZipQueue::arm`].
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

impl fmt::Debug for ZipQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZipQueue")
            .field("device", &self.device)
            .field("id", &self.id)
            .field("mode", &self.space.mode())
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

/// How long a dropped queue waits for its jobs.
const PATIENCE: Duration = Duration::from_secs(5);

impl Drop for ZipQueue {
    fn drop(&mut self) {
        if !self.settle(PATIENCE) {
            // The engine may still write there, so it is never to be used for anything else.
            std::mem::forget(std::mem::take(&mut self.slots));
        }
    }
}

/// Room for one job in a queue.
pub struct Vacancy<'a> {
    queue: &'a mut ZipQueue,
}

impl Vacancy<'_> {
    /// Hands `job` to the engine. No system call, but in [`AddressMode::Kernel`].
    ///
    /// [`Error::Unreachable`]: the job's memory is not of the queue's context
    /// ([`AddressSpace::memory`]). [`Error::NoAlgorithm`]: this revision of the engine can't do
    /// what the job asks for ([`Revision::has`]). [`Error::Room`]: less room for output than
    /// [`ROOM_MIN`](super::ROOM_MIN), or, in a stream that is compressed, than 9/8 of the input.
    /// [`Error::NoInput`]: nothing to compress in such a stream; see
    /// [`Stream::end`](super::Stream::end).
    ///
    /// # Panics
    ///
    /// If the job's input or output is larger than [`REQUEST_MAX`](super::REQUEST_MAX) or outside
    /// its memory.
    pub fn submit(self, job: Job) -> Result<()> {
        self.queue.submit(job)
    }
}
