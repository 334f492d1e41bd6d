// SPDX-License-Identifier: GPL-2.0

//! The compression itself: work that needs neither the guest's memory nor the device.

mod checksum;
mod deflate;
pub mod kept;
mod stream;
mod trailer;

use crate::context::Direction;
use crate::readings::Mild;
use crate::readings::Nonsense;
use crate::sqe::Algorithm;
use crate::sqe::Report;
use crate::sqe::Status;

pub use stream::Stream;

/// What is to be done to which data.
pub struct Request {
    /// Which way.
    pub direction: Direction,
    /// Container of the deflate stream.
    pub algorithm: Algorithm,
    /// The input.
    pub input: Vec<u8>,
    /// Bytes of room for the output.
    pub room: usize,
    /// How to look for repetitions, to compress.
    pub search: Search,
    /// What is read mildly of what the evidence leaves open.
    pub mild: Mild,
    /// Where words come from on which nobody may depend.
    pub nonsense: Nonsense,
}

/// How the engine looks for what it has seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// Prefer speed to size.
    pub fast: bool,
    /// How far back.
    pub window: Window,
}

/// How far back repetitions are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// 4 KiB.
    K4,
    /// 8 KiB.
    K8,
    /// 16 KiB.
    K16,
    /// 24 KiB; here as [`Window::K16`].
    K24,
    /// 32 KiB.
    K32,
}

impl Window {
    /// What an entry means by `number`, if anything.
    pub fn parse(number: u32) -> Option<Self> {
        let all = [Self::K4, Self::K8, Self::K16, Self::K24, Self::K32];
        all.get(number as usize).copied()
    }

    fn log2(self) -> u8 {
        match self {
            Self::K4 => 12,
            Self::K8 => 13,
            Self::K16 | Self::K24 => 14,
            Self::K32 => 15,
        }
    }
}

/// The result of a request.
pub struct Outcome {
    /// What the entry will say.
    pub report: Report,
    /// The output; empty on failure.
    pub output: Vec<u8>,
    /// What the stream's context is to have; empty where there is none, and on failure.
    pub context: Vec<u8>,
}

impl Outcome {
    /// A request that came to nothing.
    pub fn failure(status: Status) -> Self {
        Self {
            report: Report::failure(status),
            output: Vec::new(),
            context: Vec::new(),
        }
    }
}

/// The stream that a request is part of.
pub struct StreamPart {
    /// Identifies the stream among those of its queue.
    pub id: u64,
    /// Its state.
    pub stream: Box<Stream>,
    /// Whether this is its last input.
    pub last: bool,
}

impl StreamPart {
    fn advance(&mut self, request: &Request) -> Outcome {
        let Self { id, stream, last } = self;
        let mut outcome = stream.advance(&request.input, request.room, *last);
        if outcome.report.status.is_success() {
            outcome.context = stream.kept().map_or(Vec::new(), |kept| kept.context(*id));
        }
        outcome
    }
}

/// A request on its way through an engine.
pub struct Task {
    /// Queue that the job came from.
    pub queue: u16,
    /// Job of that queue.
    pub job: u64,
    /// The request.
    pub request: Request,
    /// The stream that it is part of, if any.
    pub part: Option<StreamPart>,
    /// The result, once [`Self::run`] has been called.
    pub outcome: Option<Outcome>,
}

impl Task {
    /// Does the work. May take a while; needs nothing but the task.
    pub fn run(&mut self) {
        let request = &mut self.request;
        self.outcome = Some(match &mut self.part {
            Some(part) => part.advance(request),
            None => deflate::whole(request),
        });
    }
}

/// A compressor: the real engine is about as tight as the lower levels of zlib.
fn compressor(search: Search) -> flate2::Compress {
    let level = flate2::Compression::new(if search.fast { 1 } else { 3 });
    flate2::Compress::new_with_window_bits(level, false, search.window.log2())
}

/// Lengths in entries have 32 bits and are limited to 8 MiB, trailer included.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
