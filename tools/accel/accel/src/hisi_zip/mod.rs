// SPDX-License-Identifier: GPL-2.0 OR MIT
//! The HiSilicon ZIP engine (driver `accel_hisi_zip`): deflate, zlib and gzip in hardware.
//!
//! A [`ZipQueue`] is filled by [`ZipQueue::vacancy`] and emptied by [`ZipQueue::poll`]; neither
//! makes a system call, but that the kernel takes each job in
//! [`AddressMode::Kernel`](crate::AddressMode::Kernel). [`ZipQueue::wait`] is there for when
//! nothing is left to do. Dropping a queue gives up what is in flight.
//!
//! ```no_run
//! use accel::hisi_zip::{Algorithm, Direction, Job, Wait, ZipQueue};
//! use accel::memory::Source;
//! use accel::{AddressMode, Device};
//!
//! # fn main() -> accel::Result<()> {
//! let context = Device::by_index(0).context(AddressMode::Shared)?;
//! let mut queue = ZipQueue::create(&context, Direction::Compress, 0)?;
//!
//! // The same for all address modes.
//! let space = context.address_space();
//! let mut input = space.memory(4096)?;
//! input.bytes_mut().fill(b'a');
//! let source = Source::new(input, 0, 4096);
//! let job = Job::new(7, Algorithm::Gzip, source, space.memory(8192)?);
//! if let Some(vacancy) = queue.vacancy() {
//!     vacancy.submit(job)?;
//! }
//! queue.wait(Wait::Auto, None)?;
//! let done = queue.poll()?.expect("a completion");
//! println!("job {}: {:?}", done.job.tag, done.result);
//! # Ok(())
//! # }
//! ```

use crate::info::{DeviceInfo, Function};

mod flight;
mod handover;
mod job;
mod kept;
mod parts;
mod port;
mod queue;
mod raw;
mod rings;
mod sqe;
mod stream;
mod wait;

pub use flight::Refused;
pub use job::{Algorithm, Completion, Job, JobError, Report, Revision};
pub use job::{REQUEST_MAX, ROOM_MIN};
pub use parts::{Direction, ZipPort, ZipQueueParts};
pub use queue::{Vacancy, ZipQueue};
pub use raw::{CARRIED, COMPLETION_HALVES, ENTRY_WORDS, RawDone, RawJob, RawQueue};
pub use rings::DoorbellPort;
pub use stream::{CONTEXT_SIZE, Stream};
pub use wait::{Wait, Woken, sleep, spin, wait};

/// Its driver.
pub const DRIVER: &str = "accel_hisi_zip";

/// Whether this is an engine that is driven here.
pub fn drives(facts: &DeviceInfo) -> bool {
    facts.functions.contains(&Function::Gzip) && facts.driver.replace('-', "_") == DRIVER
}
