// SPDX-License-Identifier: GPL-2.0
//! The jobs themselves, by flate2.

use std::collections::HashMap;

use accel::hisi_zip::{CONTEXT_SIZE, Direction};
use accel::uapi;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::space::Reach;

/// A submission entry as far as the engine looks at it.
pub(crate) struct Request {
    pub(crate) flags: u32,
    pub(crate) algorithm: u32,
    pub(crate) input: u64,
    pub(crate) input_len: usize,
    pub(crate) output: u64,
    pub(crate) output_room: usize,
    pub(crate) context: u64,
}

/// What becomes of the output of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// It comes to memory.
    Stored,
    /// It does not.
    Lost,
}

/// A request whose input has been read.
struct Work<'a> {
    request: &'a Request,
    input: Vec<u8>,
    reach: &'a Reach,
    output: Output,
}

impl Work<'_> {
    /// Writes the whole output.
    fn store(&self, output: &[u8]) -> Result<(), u8> {
        assert!(output.len() <= self.request.output_room);
        if self.output == Output::Lost {
            return Ok(());
        }
        let stored = self.reach.write(self.request.output, output);
        stored.ok_or(OUTPUT_ADDRESS)
    }
}

/// What is written back to the entry.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) status: u32,
    pub(crate) consumed: u32,
    pub(crate) produced: u32,
}

impl Outcome {
    pub(crate) fn error(status: u8) -> Self {
        Self {
            status: status.into(),
            ..Self::default()
        }
    }
}

const BAD_DATA: u8 = 0x26;
const TRUNCATED: u8 = 0x27;
const NO_STREAM: u8 = 0x28;
const BAD_LENGTH: u8 = 0x21;
const INPUT_ADDRESS: u8 = 0x23;
const OUTPUT_ADDRESS: u8 = 0x24;
const CONTEXT_ADDRESS: u8 = 0x25;
const TRAILER: usize = 8;
/// A request with this room for output, or less, is ignored.
const IGNORED_ROOM: usize = 0x10;
/// Bytes of room for output that a request has to have.
const LEAST_ROOM: usize = 200;

/// The streams of one queue.
pub(crate) struct Streams {
    direction: Direction,
    open: HashMap<u64, Inflate>,
}

impl Streams {
    pub(crate) fn new(direction: Direction) -> Self {
        Self {
            direction,
            open: HashMap::new(),
        }
    }

    pub(crate) fn perform(&mut self, request: &Request, reach: &Reach, output: Output) -> Outcome {
        let outcome = self.attempt(request, reach, output);
        outcome.unwrap_or_else(Outcome::error)
    }

    fn attempt(&mut self, request: &Request, reach: &Reach, output: Output) -> Result<Outcome, u8> {
        let stateful = request.flags & 1 << 26 != 0;
        if request.output_room <= IGNORED_ROOM || !stateful && request.output_room < LEAST_ROOM {
            return Ok(Outcome::default());
        }
        assert_eq!(
            request.algorithm,
            uapi::HISI_ZIP_GZIP,
            "the only one that tests use"
        );
        let room_missing = request.output_room < LEAST_ROOM;
        if request.input_len == 0 || request.input_len > 8 << 20 || room_missing {
            return Err(BAD_LENGTH);
        }
        let input = reach.read(request.input, request.input_len);
        let work = Work {
            request,
            input: input.ok_or(INPUT_ADDRESS)?,
            reach,
            output,
        };
        match (self.direction, stateful) {
            (Direction::Compress, false) => compress(&work),
            (Direction::Compress, true) => panic!("this engine compresses without streams only"),
            (Direction::Decompress, false) => decompress(&work),
            (Direction::Decompress, true) => self.go_on(&work),
        }
    }

    fn go_on(&mut self, work: &Work<'_>) -> Result<Outcome, u8> {
        let request = work.request;
        let context = work.reach.read(request.context, CONTEXT_SIZE);
        context.ok_or(CONTEXT_ADDRESS)?;
        if request.flags & 1 << 27 != 0 {
            self.open.insert(request.context, Inflate::new());
        }
        let stream = self.open.get_mut(&request.context).ok_or(NO_STREAM)?;
        let mut output = Vec::with_capacity(request.output_room);
        let consumed = stream.feed(&work.input, &mut output)?;
        work.store(&output)?;
        let status = if stream.is_over()? {
            uapi::HISI_ZIP_STREAM_END
        } else {
            uapi::HISI_ZIP_OK
        };
        Ok(Outcome {
            status,
            consumed: consumed as u32,
            produced: output.len() as u32,
        })
    }
}

fn compress(work: &Work<'_>) -> Result<Outcome, u8> {
    let (request, input) = (work.request, &work.input[..]);
    let crc = crc32fast::hash(input);
    let mut output = Vec::with_capacity(request.output_room.saturating_sub(TRAILER));
    let mut deflate = Compress::new(Compression::fast(), false);
    let status = deflate
        .compress_vec(input, &mut output, FlushCompress::Finish)
        .map_err(|_| BAD_DATA)?;
    if status != Status::StreamEnd {
        return Err(uapi::HISI_ZIP_NO_ROOM as u8);
    }
    output.extend_from_slice(&crc.to_le_bytes());
    output.extend_from_slice(&(input.len() as u32).to_le_bytes());
    work.store(&output)?;
    let grew = output.len() > input.len();
    Ok(Outcome {
        status: if grew {
            uapi::HISI_ZIP_NEGATIVE
        } else {
            uapi::HISI_ZIP_OK
        },
        consumed: input.len() as u32,
        produced: output.len() as u32,
    })
}

fn decompress(work: &Work<'_>) -> Result<Outcome, u8> {
    let request = work.request;
    let mut stream = Inflate::new();
    let mut output = Vec::with_capacity(request.output_room);
    let consumed = stream.feed(&work.input, &mut output)?;
    if !stream.is_over()? {
        let full = output.len() == request.output_room && !stream.ended;
        return Err(if full {
            uapi::HISI_ZIP_NO_ROOM as u8
        } else {
            TRUNCATED
        });
    }
    work.store(&output)?;
    Ok(Outcome {
        status: uapi::HISI_ZIP_OK,
        consumed: consumed as u32,
        produced: output.len() as u32,
    })
}

/// A gzip stream, without its header, being decompressed.
struct Inflate {
    inflate: Decompress,
    crc: crc32fast::Hasher,
    len: u32,
    ended: bool,
    trailer: Vec<u8>,
}

impl Inflate {
    fn new() -> Self {
        Self {
            inflate: Decompress::new(false),
            crc: crc32fast::Hasher::new(),
            len: 0,
            ended: false,
            trailer: Vec::new(),
        }
    }

    /// Takes input as far as `output` has capacity; returns how much.
    fn feed(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, u8> {
        let mut consumed = 0;
        if !self.ended {
            let before = self.inflate.total_in();
            let status = self
                .inflate
                .decompress_vec(input, output, FlushDecompress::None)
                .map_err(|_| BAD_DATA)?;
            consumed = (self.inflate.total_in() - before) as usize;
            self.ended = status == Status::StreamEnd;
            self.crc.update(output);
            self.len = self.len.wrapping_add(output.len() as u32);
        }
        if self.ended {
            let rest = &input[consumed..];
            let part = &rest[..rest.len().min(TRAILER - self.trailer.len())];
            self.trailer.extend_from_slice(part);
            consumed += part.len();
        }
        Ok(consumed)
    }

    /// Whether the trailer is there; an error if it is wrong.
    fn is_over(&self) -> Result<bool, u8> {
        if self.trailer.len() < TRAILER {
            return Ok(false);
        }
        let expected = [
            self.crc.clone().finalize().to_le_bytes(),
            self.len.to_le_bytes(),
        ]
        .concat();
        if self.trailer == expected {
            Ok(true)
        } else {
            Err(uapi::HISI_ZIP_BAD_CHECKSUM as u8)
        }
    }
}
