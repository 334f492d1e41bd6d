// SPDX-License-Identifier: GPL-2.0
//! The HiSilicon ZIP engine (driver `accel_hisi_zip`): deflate, zlib and gzip in hardware.
//!
//! A [`ZipQueue`] is filled by [`ZipQueue::vacancy`] and emptied by [`ZipQueue::poll`]; neither
//! makes a system call. [`wait`] is there for when nothing is left to do.
//!
//! ```no_run
//! use accel::hisi_zip::{Algorithm, Direction, Job, Wait, ZipQueue, wait};
//! use accel::memory::{Buffer, Source};
//! use accel::{AddressMode, Device};
//!
//! # fn main() -> accel::Result<()> {
//! let context = Device::by_index(0).context(AddressMode::Shared)?;
//! let mut queue = ZipQueue::create(&context, Direction::Compress, 0)?;
//!
//! let mut input = Buffer::new(4096)?;
//! input.bytes_mut().fill(b'a');
//! let source = Source::Buffer { buffer: input, start: 0, len: 4096 };
//! let job = Job::new(7, Algorithm::Gzip, source, Buffer::new(8192)?);
//! if let Some(vacancy) = queue.vacancy() {
//!     vacancy.submit(job)?;
//! }
//! wait(std::slice::from_mut(&mut queue), Wait::Auto, None)?;
//! let done = queue.poll()?.expect("a completion");
//! println!("job {}: {:?}", done.job.tag, done.result);
//! # Ok(())
//! # }
//! ```

mod job;
mod queue;
mod sqe;
mod wait;

pub use job::{Algorithm, Completion, Job, JobError, Position, Report, Stream};
pub use job::{CONTEXT_SIZE, REQUEST_MAX};
pub use queue::{Direction, DoorbellPort, Vacancy, ZipQueue, ZipQueueParts};
pub use wait::{Wait, Woken, sleep, spin, wait};
