// SPDX-License-Identifier: GPL-2.0
//! The rings of one queue.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::job::{Completion, Job};
use super::sqe;
use crate::barrier;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::node::Node;
use crate::queue::{Queue, QueueOptions, QueueState, RegionKind, STATE};
use crate::region::Region;
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

/// Where doorbells are rung: a register of the device, or a model of one.
pub trait DoorbellPort: Send {
    /// Stores to the doorbell register.
    fn ring(&self, value: u64);
}

/// The doorbell region of a queue.
struct DoorbellRegion(Region);

impl DoorbellRegion {
    fn new(region: Region, queue: &Queue) -> Result<Self> {
        if region.len() >= uapi::HISI_ZIP_DOORBELL_OFFSET + size_of::<u64>() {
            return Ok(Self(region));
        }
        Err(Error::Mismatch {
            device: queue.device_name().into(),
            what: format!("the doorbell of queue {} is too short", queue.facts().id),
        })
    }
}

impl DoorbellPort for DoorbellRegion {
    fn ring(&self, value: u64) {
        self.0.write(uapi::HISI_ZIP_DOORBELL_OFFSET, value.to_le());
    }
}

/// What a [`ZipQueue`] is made of, for a queue that does not come from a [`Context`].
pub struct ZipQueueParts {
    /// Name of the device, for messages.
    pub device: String,
    /// Number of the queue.
    pub id: u32,
    /// Entries.
    pub depth: u32,
    /// The queue's descriptor: polled and read for events.
    pub events: OwnedFd,
    /// The status page.
    pub status: Region,
    /// The rings.
    pub ring: Region,
    /// The doorbell.
    pub doorbell: Box<dyn DoorbellPort>,
}

/// A queue of the engine.
///
/// Dropping it waits for the jobs in flight; their memory is freed only when the engine is done
/// with it.
pub struct ZipQueue {
    device: String,
    id: u32,
    depth: u16,
    doorbell: Box<dyn DoorbellPort>,
    ring: Region,
    status: Region,
    events: OwnedFd,
    /// Keeps the context open. Before the jobs: what closes here stops the queue, only
    /// then may their memory go.
    _node: Option<Arc<Node>>,
    /// Jobs in flight, by their submission entry.
    slots: Box<[Option<Slot>]>,
    in_flight: u16,
    /// Next submission entry to be written.
    tail: u16,
    /// Next completion entry to be read, and the phase it will have.
    head: u16,
    phase: bool,
    /// Completions read since the engine was told the head.
    unreported: u16,
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
        let queue = context.create_queue(&QueueOptions {
            depth,
            driver_data: &direction.driver_data(),
            ..Default::default()
        })?;
        let ring = queue.map(RegionKind::Ring)?;
        let doorbell = DoorbellRegion::new(queue.map(RegionKind::Doorbell)?, &queue)?;
        let (id, depth) = (queue.facts().id, queue.facts().depth);
        let (events, status, node) = queue.into_parts();
        Self::assemble(
            ZipQueueParts {
                device: node.name().into(),
                id,
                depth,
                events,
                status,
                ring,
                doorbell: Box::new(doorbell),
            },
            Some(node),
        )
    }

    /// A queue of given parts.
    pub fn from_parts(parts: ZipQueueParts) -> Result<Self> {
        Self::assemble(parts, None)
    }

    fn assemble(parts: ZipQueueParts, node: Option<Arc<Node>>) -> Result<Self> {
        let depth = checked_depth(&parts)?;
        Ok(Self {
            device: parts.device,
            id: parts.id,
            depth,
            doorbell: parts.doorbell,
            ring: parts.ring,
            status: parts.status,
            events: parts.events,
            _node: node,
            slots: (0..depth).map(|_| None).collect(),
            in_flight: 0,
            tail: 0,
            head: 0,
            phase: true,
            unreported: 0,
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
        usize::from(self.depth - 1)
    }

    /// Jobs in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.into()
    }

    /// Its state, without a system call.
    pub fn state(&self) -> QueueState {
        match QueueState::from(self.status.read::<u32>(STATE)) {
            QueueState::Live if self.ring.is_revoked() => QueueState::DeadRemoved,
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
        let full = self.in_flight == self.depth - 1;
        // The engine may finish jobs out of order.
        let taken = self.slots[usize::from(self.tail)].is_some();
        !full && !taken
    }

    /// Room for one more job, if there is any.
    pub fn vacancy(&mut self) -> Option<Vacancy<'_>> {
        self.has_vacancy().then_some(Vacancy { queue: self })
    }

    /// Takes the oldest unread completion, if there is one. No system call.
    pub fn poll(&mut self) -> Result<Option<Completion>> {
        let new = self.has_completion();
        // After the look at the ring: what a revoked ring shows is not to be believed.
        self.check()?;
        if !new {
            return Ok(None);
        }
        barrier::after_device_word();
        let cqe = sqe::load_cqe(&self.ring, self.depth, self.head);
        let completion = self.take(&cqe);
        // The loads above can hit the ring's revocation too.
        self.check()?;
        self.advance();
        completion.map(Some)
    }

    /// Whether [`poll`](Self::poll) would return something. No system call.
    pub fn has_completion(&self) -> bool {
        self.in_flight > 0 && sqe::is_new(&self.ring, self.depth, self.head, self.phase)
    }

    /// Takes the job that `cqe` is about out of its slot.
    fn take(&mut self, cqe: &sqe::Cqe) -> Result<Completion> {
        let results =
            (cqe.sq_head < self.depth).then(|| sqe::load_results(&self.ring, cqe.sq_head));
        let slot = self.slots.get_mut(usize::from(cqe.sq_head));
        let expected = |slot: &mut Slot| results.as_ref().is_some_and(|r| r.tag == slot.tag);
        let (Some(slot), Some(results)) = (slot.and_then(|s| s.take_if(expected)), &results) else {
            return Err(Error::Mismatch {
                device: self.device.clone(),
                what: format!("queue {}: a completion of a job not in flight", self.id),
            });
        };
        self.in_flight -= 1;
        let result = results.outcome(&slot.job, cqe.error);
        Ok(Completion {
            job: slot.job,
            result,
        })
    }

    fn advance(&mut self) {
        self.head += 1;
        if self.head == self.depth {
            self.head = 0;
            self.phase = !self.phase;
        }
        self.unreported += 1;
        if self.unreported >= self.depth / 2 {
            self.report(0);
        }
    }

    /// Asks for an event at the next completion, or at once if there is one unread.
    pub fn arm(&mut self) {
        self.report(1);
    }

    /// Tells the engine which completions are read.
    fn report(&mut self, arm: u64) {
        self.unreported = 0;
        self.ring_doorbell(uapi::HISI_ZIP_DB_CQ, self.head, arm);
    }

    fn ring_doorbell(&self, command: u64, index: u16, priority: u64) {
        let value = uapi::hisi_zip_db(self.id, command, index, priority);
        barrier::before_doorbell();
        self.doorbell.ring(value);
    }

    fn submit(&mut self, job: Job) -> Result<()> {
        self.check()?;
        // The engine counts a completion as unread until it is told, and dies of too many.
        if self.in_flight + self.unreported >= self.depth - 1 {
            self.report(0);
        }
        let tag = self.sequence;
        sqe::store(&self.ring, self.tail, &sqe::encode(&job, tag));
        self.slots[usize::from(self.tail)] = Some(Slot { job, tag });
        self.sequence = self.sequence.wrapping_add(1);
        self.in_flight += 1;
        self.tail = if self.tail + 1 == self.depth {
            0
        } else {
            self.tail + 1
        };
        self.ring_doorbell(uapi::HISI_ZIP_DB_SQ, self.tail, 0);
        Ok(())
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

/// The engine has 12 bits for a depth less one.
const DEPTH_MAX: u16 = 1 << 12;

/// Checks what the rings' arithmetic and accesses rely on.
fn checked_depth(parts: &ZipQueueParts) -> Result<u16> {
    let mismatch = |what: String| Error::Mismatch {
        device: parts.device.clone(),
        what,
    };
    let fits = |depth: &u16| (2..=DEPTH_MAX).contains(depth);
    let depth = u16::try_from(parts.depth).ok().filter(fits);
    let depth =
        depth.ok_or_else(|| mismatch(format!("queue {} has {} entries", parts.id, parts.depth)))?;
    let entries = usize::from(depth);
    let ring = uapi::hisi_zip_cq_offset(entries) + entries * uapi::HISI_ZIP_CQE_SIZE;
    if parts.ring.len() < ring || parts.status.len() < size_of::<uapi::QueueStatus>() {
        return Err(mismatch(format!(
            "a region of queue {} is too short",
            parts.id
        )));
    }
    Ok(depth)
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
            .field("depth", &self.depth)
            .field("in_flight", &self.in_flight)
            .field("tail", &self.tail)
            .field("head", &self.head)
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
    /// Hands `job` to the engine. No system call.
    ///
    /// # Panics
    ///
    /// If the job's input or output is larger than [`REQUEST_MAX`](super::REQUEST_MAX) or outside
    /// its memory.
    pub fn submit(self, job: Job) -> Result<()> {
        self.queue.submit(job)
    }
}
