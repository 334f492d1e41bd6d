// SPDX-License-Identifier: GPL-2.0
//! A ZIP engine in memory: it speaks the protocol of the rings, so that everything above the
//! kernel is tested for real without a device.
//!
//! [`queue`] gives a [`ZipQueue`] whose doorbell leads to a thread. The thread reads submission
//! entries, does the jobs with flate2 and writes completion entries with their phase. It is strict:
//! what would be an error with the device ([`Watcher::violations`]) is recorded. [`Fate`] makes it
//! misbehave.

mod engine;
mod streams;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use accel::hisi_zip::{Direction, DoorbellPort, ZipQueue, ZipQueueParts};
use accel::{Access, Region, uapi};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

/// What becomes of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is done.
    Do,
    /// It ends with this status, without effect.
    Status(u8),
    /// Its completion has this error.
    Hardware(u16),
    /// It is done after the one that follows it.
    Late,
    /// It is never done, and none after it.
    Hang,
    /// The queue dies: its state becomes this number of the user API.
    Die(u32),
    /// Its completion names another entry.
    WrongEntry,
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

/// A queue of `depth` entries whose jobs meet the fates that `plan` tells.
pub fn queue(
    direction: Direction,
    depth: u32,
    watcher: &Arc<Watcher>,
    plan: Plan,
) -> io::Result<ZipQueue> {
    let entries = depth as usize;
    let ring_len = (uapi::hisi_zip_cq_offset(entries) + entries * uapi::HISI_ZIP_CQE_SIZE)
        .next_multiple_of(uapi::HISI_ZIP_PAGE_SIZE);
    let [ring, engine_ring] = twice(ring_len)?;
    let [status, engine_status] = twice(uapi::HISI_ZIP_PAGE_SIZE)?;
    engine_status.write(0, uapi::QUEUE_LIVE);
    let events = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let (sender, doorbells) = channel();
    let id = 5;
    let engine = engine::Engine::new(engine::Parts {
        id,
        direction,
        depth: entries,
        ring: engine_ring,
        status: engine_status,
        events: events.try_clone()?,
        watcher: Arc::clone(watcher),
        plan,
    });
    std::thread::spawn(move || engine.serve(&doorbells));
    let parts = ZipQueueParts {
        device: "fake0".into(),
        id,
        depth,
        events,
        status,
        ring,
        doorbell: Box::new(Wire(sender)),
    };
    ZipQueue::from_parts(parts).map_err(io::Error::other)
}

/// Two mappings of the same new memory.
fn twice(len: usize) -> io::Result<[Region; 2]> {
    let memory: OwnedFd = memfd_create("accel-fake", MemfdFlags::CLOEXEC)?;
    ftruncate(&memory, len as u64)?;
    let map = || Region::map(memory.as_fd(), 0, len, Access::ReadWrite);
    Ok([map()?, map()?])
}
