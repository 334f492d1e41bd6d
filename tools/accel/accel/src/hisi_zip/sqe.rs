// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Submission and completion entries.

use std::mem::offset_of;

use super::job::{Algorithm, Job, JobError, REQUEST_MAX, Report, Revision};
use super::parts::Direction;
use super::stream::{Carried, Stream};
use crate::buffer::BufferAccess;
use crate::memory::Addresses;
use crate::region::Region;
use crate::uapi::{self, HisiZipCqe, HisiZipSqe};

const FLUSH: u32 = 1 << 25;
const STATEFUL: u32 = 1 << 26;
const NEW_STREAM: u32 = 1 << 27;
/// In the status.
const LAST_BLOCK: u32 = 1 << 8;

impl Revision {
    /// The layout of its entries, in word 7.
    fn layout(self) -> u32 {
        match self {
            Self::V2 => 0,
            Self::V3 => 3 << 28,
        }
    }

    /// Where that has the tag.
    fn tag_offset(self) -> usize {
        match self {
            Self::V2 => offset_of!(HisiZipSqe, tag0),
            Self::V3 => offset_of!(HisiZipSqe, tag3),
        }
    }
}

/// What the entries of a queue have in common.
#[derive(Clone, Copy)]
pub(super) struct Format {
    pub(super) revision: Revision,
    pub(super) direction: Direction,
}

impl Format {
    /// Word 9. Compression finds most where it may look as far back as can be.
    fn algorithm(self, algorithm: Algorithm) -> u32 {
        let window = match (self.revision, self.direction) {
            (Revision::V3, Direction::Compress) => uapi::HISI_ZIP_WINDOW_32K,
            _ => 0,
        };
        algorithm as u32 | window << uapi::HISI_ZIP_WINDOW_SHIFT
    }
}

/// Word 7, but for the layout.
fn stream_flags(job: &Job) -> u32 {
    job.stream.as_ref().map_or(0, |stream| {
        let new = if stream.carried().is_none() {
            NEW_STREAM
        } else {
            0
        };
        let last = if stream.is_last() { FLUSH } else { 0 };
        STATEFUL | new | last
    })
}

fn halves(address: u64) -> (u32, u32) {
    (address as u32, (address >> 32) as u32)
}

/// A submission entry by its words.
pub(super) type Words = [u32; uapi::HISI_ZIP_SQE_SIZE / 4];

/// The entry for `job`, with addresses of `addresses`; nothing if these can't be had, or input or
/// output are larger than [`REQUEST_MAX`] or outside their memory.
pub(super) fn encode<'a>(
    job: &'a Job,
    tag: u32,
    format: Format,
    addresses: &mut Addresses<'a>,
) -> Option<Words> {
    let (input_len, output_len) = lengths(job)?;
    let source = addresses.of(job.source.place()?, BufferAccess::Read)?;
    let output = job.output.place(job.output_start);
    let dest = addresses.of(output, BufferAccess::Write)?;
    let ctx = match &job.stream {
        Some(stream) => addresses.of(stream.place()?, BufferAccess::ReadWrite)?,
        None => 0,
    };
    let carried = job.stream.as_ref().and_then(Stream::carried);
    let carried = carried.unwrap_or_default();
    let ((source_l, source_h), (dest_l, dest_h)) = (halves(source), halves(dest));
    let (ctx_l, ctx_h) = halves(ctx);
    let mut words = Words::default();
    for (offset, value) in [
        (offset_of!(HisiZipSqe, input_data_length), input_len),
        (
            offset_of!(HisiZipSqe, r#type),
            format.revision.layout() | stream_flags(job),
        ),
        (
            offset_of!(HisiZipSqe, algorithm),
            format.algorithm(job.algorithm),
        ),
        (offset_of!(HisiZipSqe, dest_avail_out), output_len),
        (offset_of!(HisiZipSqe, source_l), source_l),
        (offset_of!(HisiZipSqe, source_h), source_h),
        (offset_of!(HisiZipSqe, dest_l), dest_l),
        (offset_of!(HisiZipSqe, dest_h), dest_h),
        (offset_of!(HisiZipSqe, ctx_l), ctx_l),
        (offset_of!(HisiZipSqe, ctx_h), ctx_h),
        (format.revision.tag_offset(), tag),
        (offset_of!(HisiZipSqe, stream_state), carried.state),
        (offset_of!(HisiZipSqe, ctx_dw1), carried.private[0]),
        (offset_of!(HisiZipSqe, ctx_dw2), carried.private[1]),
        (offset_of!(HisiZipSqe, plain_length), carried.plain_length),
        (offset_of!(HisiZipSqe, checksum), carried.checksum),
    ] {
        words[offset / size_of::<u32>()] = value;
    }
    Some(words)
}

/// Lengths of input and output, if they are as they have to be.
fn lengths(job: &Job) -> Option<(u32, u32)> {
    let length = |bytes: usize| u32::try_from(bytes).ok().filter(|_| bytes <= REQUEST_MAX);
    let inside = job.has_output_inside();
    inside.then_some((length(job.source.len)?, length(job.output_room)?))
}

/// Writes entry `index` of the submission queue.
pub(super) fn store(ring: &Region, index: u16, words: &Words) {
    let base = usize::from(index) * uapi::HISI_ZIP_SQE_SIZE;
    for (i, word) in words.iter().enumerate() {
        ring.write(base + i * 4, word.to_le());
    }
}

/// Reads entry `index` of the submission queue.
pub(super) fn load(ring: &Region, index: u16) -> Words {
    let base = usize::from(index) * uapi::HISI_ZIP_SQE_SIZE;
    std::array::from_fn(|word| u32::from_le(ring.read(base + word * 4)))
}

/// Reads completion entry `index`.
pub(super) fn load_completion<const HALVES: usize>(
    ring: &Region,
    depth: u16,
    index: u16,
) -> [u16; HALVES] {
    std::array::from_fn(|half| cqe_word(ring, depth, index, half * 2))
}

/// Whether completion entry `index` is new, that is, has phase `phase`.
pub(super) fn is_new(ring: &Region, depth: u16, index: u16, phase: bool) -> bool {
    (cqe_word(ring, depth, index, offset_of!(HisiZipCqe, w7)) & 1 == 1) == phase
}

/// Index of the submission that completion entry `index`, which [`is_new`], says is done.
pub(super) fn load_sq_head(ring: &Region, depth: u16, index: u16) -> u16 {
    cqe_word(ring, depth, index, offset_of!(HisiZipCqe, sq_head))
}

fn cqe_word(ring: &Region, depth: u16, index: u16, offset: usize) -> u16 {
    let base = uapi::hisi_zip_cq_offset(depth.into());
    let entry = base + usize::from(index) * uapi::HISI_ZIP_CQE_SIZE;
    u16::from_le(ring.read(entry + offset))
}

/// The results in a submission entry that is done.
pub(super) struct Results {
    status: u32,
    consumed: u32,
    produced: u32,
    last_block: bool,
    carried: Carried,
}

/// Reads the results, and the tag, in submission entry `index`.
pub(super) fn load_results(ring: &Region, index: u16, revision: Revision) -> (Results, u32) {
    let mut sqe = HisiZipSqe::default();
    let place = usize::from(index) * uapi::HISI_ZIP_SQE_SIZE;
    ring.read_bytes(place, uapi::bytes_of_mut(std::slice::from_mut(&mut sqe)));
    let tag = match revision {
        Revision::V2 => sqe.tag0,
        Revision::V3 => sqe.tag3,
    };
    (Results::from(&sqe), u32::from_le(tag))
}

impl From<&HisiZipSqe> for Results {
    fn from(sqe: &HisiZipSqe) -> Self {
        let carried = Carried {
            state: u32::from_le(sqe.stream_state),
            private: [u32::from_le(sqe.ctx_dw1), u32::from_le(sqe.ctx_dw2)],
            plain_length: u32::from_le(sqe.plain_length),
            checksum: u32::from_le(sqe.checksum),
        };
        Self {
            carried,
            last_block: u32::from_le(sqe.status) & LAST_BLOCK != 0,
            status: u32::from_le(sqe.status) & 0xff,
            consumed: u32::from_le(sqe.consumed),
            produced: u32::from_le(sqe.produced),
        }
    }
}

impl Results {
    /// The error that the engine tells, if it does.
    pub(super) fn error(&self) -> Option<JobError> {
        error_of(self.status)
    }

    /// How `job` ended, believing no length that can't be. Its stream is ready to go on.
    pub(super) fn outcome(&self, job: &mut Job) -> Result<Report, JobError> {
        if let Some(error) = self.error() {
            return Err(error);
        }
        let (consumed, produced) = (self.consumed as usize, self.produced as usize);
        if consumed > job.source.len || produced > job.output_room {
            return Err(JobError::Status(self.status as u8));
        }
        // Blocks end with this status, too, but only the last has the bit.
        let stream_end = self.status == uapi::HISI_ZIP_STREAM_END && self.last_block;
        let all_taken = consumed == job.source.len;
        let asks = job.stream.as_mut().is_some_and(|stream| {
            stream.go_on(self.carried);
            !stream_end && stream.asks(job.algorithm, all_taken)
        });
        Ok(Report {
            consumed,
            produced,
            stream_end,
            asks,
        })
    }
}

fn error_of(status: u32) -> Option<JobError> {
    Some(match status {
        // Grown output is valid output.
        uapi::HISI_ZIP_OK | uapi::HISI_ZIP_NEGATIVE | uapi::HISI_ZIP_STREAM_END => return None,
        uapi::HISI_ZIP_NO_ROOM => JobError::NoRoom,
        uapi::HISI_ZIP_BAD_CHECKSUM => JobError::BadChecksum,
        other => JobError::Status(other as u8),
    })
}
