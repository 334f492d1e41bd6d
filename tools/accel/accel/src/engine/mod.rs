// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Compression and decompression by the best device that there is, or by software.

mod checksum;
mod header;
mod inflate;
mod kept;
mod lane;
mod pack;
mod step;
mod supply;
mod unpack;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub use pack::Packer;
pub use step::Step;
pub use supply::{Supply, devices};
pub use unpack::Unpacker;

use crate::error::{Error, Result};
use crate::hisi_zip::{Direction, ZipQueue};
use lane::Lane;
use supply::{Devices, passes};

/// What compressed data look like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Raw deflate (RFC 1951): no header, no checksum.
    Deflate,
    /// zlib (RFC 1950).
    Zlib,
    /// gzip (RFC 1952). Where several members follow each other, all are decompressed.
    Gzip,
}

/// Bytes of plain data that an engine has compressed or made by decompressing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// By devices.
    pub device: u64,
    /// By software.
    pub software: u64,
}

/// How long to wait for a queue where all are in use, or the device is being reset, in steps.
const PATIENCE: [Duration; 3] = [
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(75),
];

/// How long devices are left alone that had no queue.
const REST: Duration = Duration::from_secs(1);

/// How long a job may take.
const JOB: Duration = Duration::from_secs(10);

/// Compresses and decompresses: by the best device that there is, or by software.
///
/// It takes a queue when it needs one. Where that can't be had, or fails, it waits a little, tries
/// again, tries the next device, and does the rest in software. What comes out is right in any
/// case: an engine's checksums are compared with the program's, and what it got wrong is done
/// again.
///
/// Clones have the same queues. It may be used by many threads at once.
///
/// With the first queue of a device, it has [`survive_removal`](crate::survive_removal) catch
/// SIGBUS, so that the program outlives a device that goes away.
///
/// Raw deflate has no checksum: of what comes of decompressing that, nobody can tell whether an
/// engine has done it right.
///
/// ```
/// use accel::{Engine, Format};
///
/// # fn main() -> accel::Result<()> {
/// let engine = Engine::auto();
/// let packed = engine.compress(Format::Gzip, b"to whom it may concern")?;
/// assert_eq!(engine.decompress(Format::Gzip, &packed)?, b"to whom it may concern");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
    /// Whether there has to be a device.
    required: bool,
    /// How long a job may take.
    limit: Duration,
}

struct Inner {
    supply: Option<Box<dyn Supply>>,
    state: Mutex<State>,
    device: AtomicU64,
    software: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Queues that nobody uses at the moment.
    idle: Vec<Lane>,
    /// When devices may be asked again.
    resting: Option<Instant>,
    trouble: Option<String>,
}

impl Engine {
    /// The best device at the time, as [`devices`] has them; software where there is none.
    pub fn auto() -> Self {
        Self::with_supply(Devices::default())
    }

    /// Software alone.
    pub fn software() -> Self {
        Self::new(None)
    }

    /// With queues that come from elsewhere.
    pub fn with_supply(supply: impl Supply + 'static) -> Self {
        Self::new(Some(Box::new(supply)))
    }

    fn new(supply: Option<Box<dyn Supply>>) -> Self {
        let inner = Inner {
            supply,
            state: Mutex::default(),
            device: AtomicU64::new(0),
            software: AtomicU64::new(0),
        };
        Self {
            inner: Arc::new(inner),
            required: false,
            limit: JOB,
        }
    }

    /// The same, with a device or an error: nothing is done in software but what is too small to be
    /// worth a job, and data that a device finds to be damaged.
    #[must_use]
    pub fn require_device(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }

    /// The same, with a limit other than 10 seconds for each job. One that takes longer is given
    /// up, and done in software.
    #[must_use]
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Compresses `plain`.
    pub fn compress(&self, format: Format, plain: &[u8]) -> Result<Vec<u8>> {
        let mut output = Vec::new();
        step::all(Packer::new(self, format), plain, &mut output)?;
        Ok(output)
    }

    /// Decompresses `packed`, which has to be all of it and nothing else.
    pub fn decompress(&self, format: Format, packed: &[u8]) -> Result<Vec<u8>> {
        let mut output = Vec::new();
        step::all(Unpacker::new(self, format), packed, &mut output)?;
        Ok(output)
    }

    /// What was done so far, and by whom.
    pub fn work(&self) -> Work {
        Work {
            device: self.inner.device.load(Ordering::Relaxed),
            software: self.inner.software.load(Ordering::Relaxed),
        }
    }

    /// Why something was done in software lately, if it should not have been.
    pub fn trouble(&self) -> Option<String> {
        self.state().trouble.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic can't leave it half-changed.
        self.inner.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A queue; nothing if it has to be software.
    fn lane(&self, direction: Direction) -> Result<Option<Lane>> {
        let Some(supply) = &self.inner.supply else {
            return Ok(None);
        };
        if let Some(lane) = self.idle(direction) {
            return Ok(Some(lane));
        }
        let resting = self.state().resting.is_some_and(|end| Instant::now() < end);
        if resting && !self.required {
            return Ok(None);
        }
        match patient(&**supply, direction) {
            Ok(queue) => Ok(Some(Lane::new(queue))),
            Err(error) => {
                self.state().resting = Instant::now().checked_add(REST);
                self.failed(error).map(|()| None)
            }
        }
    }

    fn idle(&self, direction: Direction) -> Option<Lane> {
        let mut state = self.state();
        // Those that have died meanwhile are closed by this.
        state.idle.retain(Lane::is_live);
        let place = state.idle.iter().rposition(|lane| lane.is_of(direction))?;
        Some(state.idle.swap_remove(place))
    }

    /// Takes a queue back that is not needed any more. One of a direction is kept for the next
    /// user: devices have few of them.
    fn put(&self, lane: Lane) {
        let mut state = self.state();
        let kept = |other: &Lane| other.is_of(lane.direction());
        if lane.is_free() && !state.idle.iter().any(kept) {
            state.idle.push(lane);
        }
    }

    /// Goes on in software, if that may be.
    fn failed(&self, error: Error) -> Result<()> {
        self.state().trouble = Some(error.to_string());
        match self.required {
            true => Err(error),
            false => Ok(()),
        }
    }

    /// How long a job may take.
    fn job_limit(&self) -> Duration {
        self.limit
    }

    fn count_device(&self, bytes: usize) {
        self.inner.device.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn count_software(&self, bytes: usize) {
        self.inner
            .software
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("work", &self.work())
            .field("trouble", &self.trouble())
            .finish_non_exhaustive()
    }
}

/// A queue, and some patience where there is none at the moment.
fn patient(supply: &dyn Supply, direction: Direction) -> Result<ZipQueue> {
    for time in PATIENCE {
        match supply.queue(direction) {
            Err(error) if passes(&error) => std::thread::sleep(time),
            other => return other,
        }
    }
    supply.queue(direction)
}
