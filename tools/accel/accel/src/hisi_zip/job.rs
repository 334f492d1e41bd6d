// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Jobs and how they end.

use rustix::io::Errno;

use super::stream::Stream;
use crate::memory::{Memory, Source};
use crate::uapi;

/// Bytes that a job reads at most, and bytes that it writes at most.
pub const REQUEST_MAX: usize = 8 << 20;

/// Bytes of room for output that a job has to have. The engine takes no notice of jobs with less.
pub const ROOM_MIN: usize = uapi::HISI_ZIP_ROOM_MIN;

/// What the engine does with the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Algorithm {
    /// Raw deflate.
    Deflate = uapi::HISI_ZIP_DEFLATE,
    /// Deflate and the trailer of zlib; the header is left to software.
    Zlib = uapi::HISI_ZIP_ZLIB,
    /// Deflate and the trailer of gzip; the header is left to software.
    Gzip = uapi::HISI_ZIP_GZIP,
}

/// Which hardware it is, as [`DeviceInfo::version`](crate::DeviceInfo::version) tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// PCI revision 0x21. It has no [`Algorithm::Deflate`].
    V2,
    /// PCI revision 0x30.
    V3,
}

impl Revision {
    /// The one that `version` tells; nothing if it is none of them.
    pub fn of(version: &str) -> Option<Self> {
        match version {
            "V2" => Some(Self::V2),
            "V3" => Some(Self::V3),
            _ => None,
        }
    }

    /// Whether it has this algorithm.
    pub fn has(self, algorithm: Algorithm) -> bool {
        self == Self::V3 || algorithm != Algorithm::Deflate
    }
}

/// One request to the engine, and the memory that it works on.
#[derive(Debug)]
pub struct Job {
    /// The caller's own.
    pub tag: u64,
    /// What to do.
    pub algorithm: Algorithm,
    /// Input.
    pub source: Source,
    /// Memory for the output.
    pub output: Memory,
    /// Where in `output` the engine begins to write.
    pub output_start: usize,
    /// Bytes that it may write there, [`ROOM_MIN`] at least.
    pub output_room: usize,
    /// The stream that this request is a part of; `None`: the request is a whole stream.
    pub stream: Option<Stream>,
}

impl Job {
    /// A request that is a whole stream and may use all of `output`.
    pub fn new(tag: u64, algorithm: Algorithm, source: Source, output: Memory) -> Self {
        let output_room = output.len().min(REQUEST_MAX);
        Self {
            tag,
            algorithm,
            source,
            output,
            output_start: 0,
            output_room,
            stream: None,
        }
    }

    /// Whether what it may write is inside its memory.
    pub(super) fn has_output_inside(&self) -> bool {
        let end = self.output_start.checked_add(self.output_room);
        end.is_some_and(|end| end <= self.output.len())
    }
}

/// What the engine has to say of a job that it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Bytes of input taken.
    pub consumed: usize,
    /// Bytes of output written.
    pub produced: usize,
    /// Whether a stream being decompressed has ended.
    pub stream_end: bool,
    /// Whether a stream being decompressed has more to give, waits for its trailer, or, of raw
    /// deflate, has taken its end but not told so. If all input is taken, the next request is to be
    /// one without input; asked in vain, it needs more input. Where this is false and all input is
    /// taken, only input helps: if there is none, the stream is cut off.
    pub asks: bool,
}

/// Why the engine did not do a job. The queue goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The output did not fit.
    #[error("the output does not fit into the room given for it")]
    NoRoom,
    /// The trailer does not match.
    #[error("the data is damaged: its checksum or length does not match")]
    BadChecksum,
    /// Anything else: a bad address, damaged data, a request that the device can't do. Which number
    /// means which nobody has said.
    #[error(
        "the engine reports status {0:#04x}; is the data damaged, or the input shorter than it was?"
    )]
    Status(u8),
    /// The kernel ended a job that it had taken.
    #[error("the kernel ended the job: {0}")]
    Kernel(Errno),
}

/// A job that came back.
#[derive(Debug)]
pub struct Completion {
    /// The job, and with it its memory.
    pub job: Job,
    /// How it ended.
    pub result: Result<Report, JobError>,
}
