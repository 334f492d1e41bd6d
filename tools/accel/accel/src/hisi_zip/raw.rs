// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Entries as they are: what the engine has written into a queue's rings, taken for nothing.
//!
//! For who wants to know what the engine does. Who wants it to do something uses a
//! [`ZipQueue`](super::ZipQueue).

use std::fmt;
use std::mem::offset_of;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::parts::{self, Direction, ZipPort, ZipQueueParts};
use super::port::Port;
use super::rings::Rings;
use super::sqe::Words;
use crate::buffer::BufferAccess;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::memory::{Addresses, Memory};
use crate::node::Node;
use crate::queue::{QueueState, STATE};
use crate::region::Region;
use crate::space::AddressSpace;
use crate::uapi::{self, HisiZipSqe};

/// Words of a submission entry.
pub const ENTRY_WORDS: usize = uapi::HISI_ZIP_SQE_SIZE / 4;

/// Half-words of a completion entry.
pub const COMPLETION_HALVES: usize = uapi::HISI_ZIP_CQE_SIZE / 2;

/// The words that a stream carries from one request to the next.
pub const CARRIED: [usize; 5] = [15, 28, 29, 30, 31];

/// How long not to look again.
const PAUSE: Duration = Duration::from_micros(50);

/// A request, and the memory that it works on. The queue writes addresses, lengths and the tag.
#[derive(Debug)]
pub struct RawJob {
    /// Word 3, in which the engine writes its status.
    pub status: u32,
    /// Bits 31:24 of word 7: layout of the tag, and flags.
    pub flags: u32,
    /// Word 9 without bits 11:8: algorithm and window. Buffers are flat.
    pub method: u32,
    /// The words of [`CARRIED`].
    pub carried: [u32; CARRIED.len()],
    /// Input, from the beginning of this memory.
    pub input: Memory,
    /// Bytes of input.
    pub input_len: usize,
    /// Output, from the beginning of this memory.
    pub output: Memory,
    /// Bytes that the engine is told that it may write.
    pub room: usize,
    /// A stream's context.
    pub context: Option<Memory>,
}

/// A request that came back.
#[derive(Debug)]
pub struct RawDone {
    /// The request, and with it its memory.
    pub job: RawJob,
    /// Its entry.
    pub entry: [u32; ENTRY_WORDS],
    /// Its completion.
    pub completion: [u16; COMPLETION_HALVES],
}

/// A queue of rings for one request at a time.
pub struct RawQueue {
    device: String,
    id: u32,
    space: AddressSpace,
    rings: Rings,
    status: Region,
    /// A request did not come back: its memory is the engine's for good.
    lost: bool,
    sequence: u32,
    /// What closes here stops the queue.
    _open: (Arc<OwnedFd>, Option<Arc<Node>>),
}

impl RawQueue {
    /// Creates a queue of the driver's default size.
    pub fn create(context: &Context, direction: Direction) -> Result<Self> {
        let (parts, node) = parts::create_parts(context, direction, 0)?;
        Self::assemble(parts, Some(node))
    }

    /// A queue of given parts.
    pub fn from_parts(parts: ZipQueueParts) -> Result<Self> {
        Self::assemble(parts, None)
    }

    fn assemble(parts: ZipQueueParts, node: Option<Arc<Node>>) -> Result<Self> {
        let depth = parts::checked_depth(&parts)?;
        let rings = match parts.port {
            ZipPort::Rings { ring, doorbell } => {
                Rings::new(parts.id, parts.revision, depth, ring, doorbell)
            }
            ZipPort::Kernel { .. } => None,
        };
        let rings = rings.filter(|_| parts.status.len() >= size_of::<uapi::QueueStatus>());
        Ok(Self {
            rings: rings.ok_or_else(|| parts::too_short(&parts.device, parts.id))?,
            device: parts.device,
            id: parts.id,
            space: parts.space,
            status: parts.status,
            lost: false,
            sequence: 0,
            _open: (parts.events, node),
        })
    }

    /// Has the engine do a request, and waits for it, `patience` at most.
    ///
    /// If it does not come back, that is [`Error::Timeout`]; if what comes back is a completion of
    /// another entry, or an entry with another tag, that is [`Error::Mismatch`]. In both cases the
    /// memory is leaked, and the queue takes no more. [`Error::Outside`]: input or room are outside
    /// of their memory.
    pub fn run(&mut self, job: RawJob, patience: Duration) -> Result<RawDone> {
        if self.lost {
            return Err(self.timeout(Duration::ZERO));
        }
        self.check()?;
        let words = self.encode(&job)?;
        let slot = self.rings.next_slot();
        let submitted = self.rings.submit(&words, &[], 0);
        submitted.expect("a doorbell does not fail");
        self.sequence += 1;
        match self.answer(slot, &words, patience) {
            Ok((entry, completion)) => Ok(RawDone {
                job,
                entry,
                completion,
            }),
            Err(error) => {
                self.lost = true;
                std::mem::forget(job);
                Err(error)
            }
        }
    }

    /// Waits for the completion of entry `slot`, in which `words` were submitted.
    fn answer(
        &mut self,
        slot: u16,
        words: &Words,
        patience: Duration,
    ) -> Result<(Words, [u16; COMPLETION_HALVES])> {
        self.wait(patience)?;
        let answer = self.rings.take(slot);
        self.check()?;
        let tag = tag_word(words);
        let answer = answer.filter(|(entry, _)| entry[tag] == words[tag]);
        answer.ok_or_else(|| Error::Mismatch {
            device: self.device.clone(),
            what: format!("queue {}: a completion of something else", self.id),
        })
    }

    fn wait(&self, patience: Duration) -> Result<()> {
        let since = Instant::now();
        while !self.rings.has_completion() {
            self.check()?;
            if since.elapsed() >= patience {
                return Err(self.timeout(patience));
            }
            std::thread::sleep(PAUSE);
        }
        // What revoked memory shows is not to be believed.
        self.check()
    }

    fn check(&self) -> Result<()> {
        let state = match QueueState::from(self.status.read::<u32>(STATE)) {
            QueueState::Live if self.rings.is_revoked() => QueueState::DeadRemoved,
            QueueState::Live => return Ok(()),
            state => state,
        };
        Err(Error::QueueDead {
            device: self.device.clone(),
            queue: self.id,
            state,
        })
    }

    fn timeout(&self, patience: Duration) -> Error {
        Error::Timeout {
            device: self.device.clone(),
            queue: self.id,
            seconds: patience.as_secs(),
        }
    }

    /// Address of memory of this context.
    fn address(&self, memory: &Memory, access: BufferAccess) -> Result<u64> {
        let mut addresses = Addresses::new(&self.space);
        let address = addresses.of(memory.place(0), access);
        address.ok_or_else(|| Error::Unreachable {
            device: self.device.clone(),
            queue: self.id,
        })
    }

    fn encode(&self, job: &RawJob) -> Result<Words> {
        for (what, len, memory) in [
            ("input", job.input_len, &job.input),
            ("output", job.room, &job.output),
        ] {
            if len > memory.len() {
                return Err(Error::Outside {
                    device: self.device.clone(),
                    queue: self.id,
                    what,
                });
            }
        }
        let source = self.address(&job.input, BufferAccess::Read)?;
        let dest = self.address(&job.output, BufferAccess::Write)?;
        let context = match &job.context {
            Some(context) => self.address(context, BufferAccess::ReadWrite)?,
            None => 0,
        };
        let mut words = Words::default();
        for (offset, value) in [
            (
                offset_of!(HisiZipSqe, input_data_length),
                job.input_len as u32,
            ),
            (offset_of!(HisiZipSqe, status), job.status),
            (offset_of!(HisiZipSqe, r#type), job.flags & 0xff << 24),
            (offset_of!(HisiZipSqe, algorithm), job.method & !(0xf << 8)),
            (offset_of!(HisiZipSqe, tag0), self.sequence),
            (offset_of!(HisiZipSqe, dest_avail_out), job.room as u32),
            (offset_of!(HisiZipSqe, tag3), self.sequence),
        ] {
            words[offset / size_of::<u32>()] = value;
        }
        for (offset, address) in [
            (offset_of!(HisiZipSqe, source_l), source),
            (offset_of!(HisiZipSqe, dest_l), dest),
            (offset_of!(HisiZipSqe, ctx_l), context),
        ] {
            let word = offset / size_of::<u32>();
            words[word] = address as u32;
            words[word + 1] = (address >> 32) as u32;
        }
        for (word, value) in CARRIED.into_iter().zip(job.carried) {
            words[word] = value;
        }
        Ok(words)
    }
}

/// Number of the word that has the tag, by the layout of an entry.
fn tag_word(words: &Words) -> usize {
    let layout = words[offset_of!(HisiZipSqe, r#type) / size_of::<u32>()] >> 28;
    let offset = match layout {
        0 => offset_of!(HisiZipSqe, tag0),
        _ => offset_of!(HisiZipSqe, tag3),
    };
    offset / size_of::<u32>()
}

impl fmt::Debug for RawQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawQueue")
            .field("device", &self.device)
            .field("id", &self.id)
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}
