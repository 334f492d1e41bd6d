// SPDX-License-Identifier: GPL-2.0
//! A ZIP engine in memory: it speaks the protocol of the rings, so that everything above the
//! kernel is tested for real without a device.
//!
//! [`Context`] gives a [`ZipQueue`] whose doorbell leads to a thread. The thread reads submission
//! entries, does the jobs with flate2 and writes completion entries with their phase. It is strict:
//! what would be an error with the device ([`Watcher::violations`]) is recorded. [`Fate`] makes it
//! misbehave.
//!
//! In all address modes the engine reaches only what it should: addresses of the process, or
//! buffers that are mapped for it, or those that came with a job that a kernel, also in memory,
//! hands over. Buffers are memfds.

mod engine;
mod kernel;
mod machine;
mod space;
mod streams;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use accel::hisi_zip::{Direction, DoorbellPort, Revision, ZipPort, ZipQueue, ZipQueueParts};
use accel::{Access, AddressMode, AddressSpace, Records, Region, uapi};
use rustix::event::{EventfdFlags, eventfd};

pub use machine::{Machine, Offer};

use space::{Reach, Space};
use streams::Streams;

/// What becomes of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is done.
    Do,
    /// It ends with this status, without effect.
    Status(u8),
    /// It is done, but nothing of its output comes to memory.
    Lost,
    /// It is done to other input of the same length, and all that it says fits that.
    Wrong,
    /// It is done, but a bit amid its output comes out wrong.
    Damaged,
    /// In [`AddressMode::Kernel`] its record has this errno; in other modes it is done.
    Errno(u16),
    /// It is done after the one that follows it. With rings only, as below.
    Late,
    /// It is never done, and none after it.
    Hang,
    /// The queue dies: its state becomes this number of the user API.
    Die(u32),
    /// Its completion names another entry.
    WrongEntry,
    /// It is done, but its entry comes back with another tag. With rings only.
    WrongTag,
}

/// Tells the fate of each job by its number, from 0.
pub type Plan = Box<dyn FnMut(u64) -> Fate + Send>;

/// Numbers of all queues that were made with it.
#[derive(Debug, Default)]
pub struct Watcher {
    jobs: AtomicU64,
    violations: Mutex<Vec<String>>,
}

impl Watcher {
    /// Jobs completed.
    pub fn jobs(&self) -> u64 {
        self.jobs.load(Ordering::Relaxed)
    }

    /// What the user of a queue did wrong.
    pub fn violations(&self) -> Vec<String> {
        self.violations
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .clone()
    }

    fn violation(&self, text: String) {
        self.violations
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .push(text);
    }

    fn count_job(&self) {
        self.jobs.fetch_add(1, Ordering::Relaxed);
    }
}

/// The doorbell: a wire to the engine's thread.
struct Wire(Sender<u64>);

impl DoorbellPort for Wire {
    fn ring(&self, value: u64) {
        // The thread is gone if the queue is dead.
        let _ = self.0.send(value);
    }
}

/// A queue of `depth` entries, in [`AddressMode::Shared`], whose jobs meet the fates that `plan`
/// tells.
pub fn queue(
    direction: Direction,
    depth: u32,
    watcher: &Arc<Watcher>,
    plan: Plan,
) -> io::Result<ZipQueue> {
    Context::new(AddressMode::Shared).queue(direction, depth, watcher, plan)
}

/// A context of the engine: an address space, and queues.
#[derive(Clone, Debug)]
pub struct Context {
    revision: Revision,
    space: AddressSpace,
    memory: Arc<Space>,
}

/// Number of every queue.
const ID: u32 = 5;

/// What all queues have, as the program and as the engine sees it.
struct Common {
    events: OwnedFd,
    status: Region,
    engine_events: OwnedFd,
    engine_status: Region,
}

impl Common {
    fn new() -> io::Result<Self> {
        let [status, engine_status] = twice(uapi::HISI_ZIP_PAGE_SIZE)?;
        engine_status.write(0, uapi::QUEUE_LIVE);
        let events = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            engine_events: events.try_clone()?,
            events,
            status,
            engine_status,
        })
    }
}

impl Context {
    /// A context with an address space of this kind.
    pub fn new(mode: AddressMode) -> Self {
        Self::of(mode, Revision::V3)
    }

    /// The same, of an engine of this revision.
    pub fn of(mode: AddressMode, revision: Revision) -> Self {
        let memory = Arc::<Space>::default();
        let port = Arc::<Space>::clone(&memory);
        Self {
            revision,
            space: AddressSpace::from_parts("fake0".into(), mode, port),
            memory,
        }
    }

    /// Its address space.
    pub fn address_space(&self) -> &AddressSpace {
        &self.space
    }

    /// A queue of `depth` entries whose jobs meet the fates that `plan` tells.
    pub fn queue(
        &self,
        direction: Direction,
        depth: u32,
        watcher: &Arc<Watcher>,
        plan: Plan,
    ) -> io::Result<ZipQueue> {
        let parts = self.parts(direction, depth, watcher, plan)?;
        ZipQueue::from_parts(parts).map_err(io::Error::other)
    }

    /// The parts of such a queue.
    pub fn parts(
        &self,
        direction: Direction,
        depth: u32,
        watcher: &Arc<Watcher>,
        plan: Plan,
    ) -> io::Result<ZipQueueParts> {
        let (common, watcher) = (Common::new()?, Arc::clone(watcher));
        let (events, status) = (common.engine_events, common.engine_status);
        let entries = depth as usize;
        let port = if self.space.mode() == AddressMode::Kernel {
            let stride = size_of::<uapi::HisiZipRecord>();
            let [records, engine_records] = twice(entries * stride)?;
            let records =
                Records::new(records, stride, depth).ok_or(io::ErrorKind::InvalidInput)?;
            let ended = Arc::default();
            let parts = kernel::Parts {
                depth: depth.into(),
                records: engine_records,
                status,
                events,
                watcher,
                plan,
                ended: Arc::clone(&ended),
            };
            let (wire, jobs) = channel();
            let streams = Streams::new(direction, self.revision);
            std::thread::spawn(move || kernel::serve(parts, streams, &jobs));
            let submit = Box::new(kernel::Call::new(wire, depth.into(), ended));
            ZipPort::Kernel { records, submit }
        } else {
            let [ring, engine_ring] =
                twice(uapi::hisi_zip_cq_offset(entries) + entries * uapi::HISI_ZIP_CQE_SIZE)?;
            let engine = engine::Engine::new(engine::Parts {
                id: ID,
                direction,
                revision: self.revision,
                depth: entries,
                ring: engine_ring,
                status,
                events,
                reach: self.reach(),
                watcher,
                plan,
            });
            let (sender, doorbells) = channel();
            std::thread::spawn(move || engine.serve(&doorbells));
            let doorbell = Box::new(Wire(sender));
            ZipPort::Rings { ring, doorbell }
        };
        Ok(ZipQueueParts {
            device: "fake0".into(),
            revision: self.revision,
            direction,
            id: ID,
            depth,
            events: Arc::new(common.events),
            status: common.status,
            space: self.space.clone(),
            port,
        })
    }

    /// How the engine gets at memory by the addresses in rings.
    fn reach(&self) -> Reach {
        match self.space.mode() {
            AddressMode::Private => Reach::Private(Arc::clone(&self.memory)),
            _ => Reach::Process,
        }
    }
}

/// Two mappings of the same new memory, of whole pages.
fn twice(len: usize) -> io::Result<[Region; 2]> {
    let len = len.next_multiple_of(uapi::HISI_ZIP_PAGE_SIZE);
    let memory = space::memfd(len)?;
    let map = || Region::map(memory.as_fd(), 0, len, Access::ReadWrite);
    Ok([map()?, map()?])
}
