// SPDX-License-Identifier: GPL-2.0
//! The jobs themselves, by flate2.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use accel::hisi_zip::{CONTEXT_SIZE, Direction, Revision};
use accel::uapi;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use simd_adler32::Adler32;

use crate::space::Reach;

/// Words 15 and 28 to 31 of an entry: a stream's request brings back those that the last one left.
pub(crate) type Carried = [u32; 5];

/// A submission entry as far as the engine looks at it.
pub(crate) struct Request {
    pub(crate) flags: u32,
    pub(crate) algorithm: u32,
    pub(crate) input: u64,
    pub(crate) input_len: usize,
    pub(crate) output: u64,
    pub(crate) output_room: usize,
    pub(crate) context: u64,
    pub(crate) carried: Carried,
}

impl Request {
    fn container(&self) -> Container {
        match self.algorithm & 0xff {
            uapi::HISI_ZIP_DEFLATE => Container::None,
            uapi::HISI_ZIP_ZLIB => Container::Zlib,
            _ => Container::Gzip,
        }
    }

    fn is_last(&self) -> bool {
        self.flags & 1 << 25 != 0
    }

    fn is_stream(&self) -> bool {
        self.flags & 1 << 26 != 0
    }

    fn is_new(&self) -> bool {
        self.flags & 1 << 27 != 0
    }
}

/// What becomes of the output of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// It comes to memory.
    Stored,
    /// It does not.
    Lost,
    /// It is that of other input.
    Wrong,
    /// A bit of it is another one.
    Damaged,
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
        let mut output = output.to_vec();
        if self.output == Output::Damaged {
            let middle = output.len() / 2;
            output[middle] ^= 0x10;
        }
        let stored = self.reach.write(self.request.output, &output);
        stored.ok_or(OUTPUT_ADDRESS)
    }
}

/// What is written back to the entry.
pub(crate) struct Outcome {
    pub(crate) status: u32,
    pub(crate) consumed: u32,
    pub(crate) produced: u32,
    pub(crate) carried: Carried,
}

impl Outcome {
    pub(crate) fn error(status: u8) -> Self {
        Self::new(status.into(), 0, 0)
    }

    /// Nobody has said that the checksum is there outside of streams.
    fn new(status: u32, consumed: usize, produced: usize) -> Self {
        Self {
            status,
            consumed: consumed as u32,
            produced: produced as u32,
            carried: [0; 5],
        }
    }

    /// The engine takes no notice of `request`, and leaves its words as they are.
    fn ignored(request: &Request) -> Self {
        Self {
            carried: request.carried,
            ..Self::new(uapi::HISI_ZIP_OK, 0, 0)
        }
    }
}

// Of these numbers nobody knows, so they are others than those of any other model.
const BAD_DATA: u8 = 0x91;
const TRUNCATED: u8 = 0x5c;
const NO_STREAM: u8 = 0xe3;
const LOST_WORDS: u8 = 0x3a;
const BAD_LENGTH: u8 = 0x77;
const INPUT_ADDRESS: u8 = 0x48;
const OUTPUT_ADDRESS: u8 = 0xb6;
const CONTEXT_ADDRESS: u8 = 0xd2;
const BAD_LAYOUT: u8 = 0xa9;
const BAD_WINDOW: u8 = 0x69;

const TRAILER: usize = 8;
/// Bytes of room for output that a request has to have: with less it is ignored.
const LEAST_ROOM: usize = 200;
/// Output that a stream makes before there is room for it.
const AHEAD: usize = 5000;
/// Bytes of a context that the engine uses.
const CONTEXT_USED: usize = 0x97c0;
/// Where in a context the window is, behind which the beginning of the next block is kept.
const KEPT_AT: usize = 0xc00;
/// A last block without content, and its bits.
const EMPTY_LAST_BLOCK: [u8; 2] = [0x03, 0x00];
const EMPTY_LAST_BITS: u32 = 10;
/// Bit 7 of word 15: the block is the last.
const AMID_LAST: u32 = 1 << 7;
/// Bit 8 of the status: the stream ends.
const LAST_BLOCK: u32 = 1 << 8;
/// Bits of word 3 that are the status.
pub(crate) const STATUS: u32 = LAST_BLOCK | 0xff;

/// What nobody may depend on: something else each time.
fn anything() -> u64 {
    RandomState::new().hash_one(0)
}

/// The streams of one queue.
pub(crate) struct Streams {
    direction: Direction,
    revision: Revision,
    open: HashMap<u64, Stream>,
}

impl Streams {
    pub(crate) fn new(direction: Direction, revision: Revision) -> Self {
        Self {
            direction,
            revision,
            open: HashMap::new(),
        }
    }

    pub(crate) fn perform(&mut self, request: &Request, reach: &Reach, output: Output) -> Outcome {
        if self.ignores(request) {
            return Outcome::ignored(request);
        }
        let outcome = self.attempt(request, reach, output);
        outcome.unwrap_or_else(Outcome::error)
    }

    fn ignores(&self, request: &Request) -> bool {
        let (room, input) = (request.output_room, request.input_len);
        let compresses = request.is_stream() && self.direction == Direction::Compress;
        room < LEAST_ROOM || compresses && (input == 0 || room * 8 < input * 9)
    }

    fn attempt(&mut self, request: &Request, reach: &Reach, output: Output) -> Result<Outcome, u8> {
        let layout = match self.revision {
            Revision::V2 => 0,
            Revision::V3 => 3,
        };
        if request.flags >> 28 != layout {
            return Err(BAD_LAYOUT);
        }
        let window = match (self.revision, self.direction) {
            (Revision::V3, Direction::Compress) => uapi::HISI_ZIP_WINDOW_32K,
            _ => 0,
        };
        if request.algorithm >> uapi::HISI_ZIP_WINDOW_SHIFT != window {
            return Err(BAD_WINDOW);
        }
        let resends = request.is_stream() && self.direction == Direction::Decompress;
        // Of others than gzip, tests use streams that are decompressed.
        assert!(resends || request.container() == Container::Gzip);
        let input_missing = request.input_len == 0 && !resends;
        if input_missing || request.input_len > 8 << 20 {
            return Err(BAD_LENGTH);
        }
        let mut input = reach
            .read(request.input, request.input_len)
            .ok_or(INPUT_ADDRESS)?;
        if output == Output::Wrong {
            input.iter_mut().for_each(|byte| *byte ^= 1);
        }
        let work = Work {
            request,
            input,
            reach,
            output,
        };
        match (self.direction, request.is_stream()) {
            (Direction::Compress, false) => compress(&work),
            (Direction::Decompress, false) => decompress(&work),
            (_, true) => self.go_on(&work),
        }
    }

    /// One request of a stream.
    fn go_on(&mut self, work: &Work<'_>) -> Result<Outcome, u8> {
        let request = work.request;
        let context = work.reach.read(request.context, CONTEXT_SIZE);
        let context = context.ok_or(CONTEXT_ADDRESS)?;
        if request.is_new() {
            let stream = Stream::new(self.direction, request.container());
            self.open.insert(request.context, stream);
        }
        let stream = self.open.get_mut(&request.context).ok_or(NO_STREAM)?;
        if !request.is_new() {
            stream.check(&context, request.carried)?;
        }
        let outcome = stream.advance(work)?;
        stream.leave(outcome.carried);
        let left = work.reach.write(request.context, &stream.context);
        left.ok_or(CONTEXT_ADDRESS)?;
        Ok(outcome)
    }
}

enum Body {
    Deflate(Deflate),
    Inflate(Inflate),
}

/// A stream between two requests.
struct Stream {
    body: Body,
    /// What is in its context, and in the words of its last entry.
    context: Vec<u8>,
    carried: Carried,
}

impl Stream {
    fn new(direction: Direction, container: Container) -> Self {
        let body = match direction {
            Direction::Compress => Body::Deflate(Deflate::new()),
            Direction::Decompress => Body::Inflate(Inflate::new(container)),
        };
        Self {
            body,
            context: Vec::new(),
            carried: [0; 5],
        }
    }

    /// Whether all is there that the last request left.
    fn check(&self, context: &[u8], carried: Carried) -> Result<(), u8> {
        if !context.starts_with(&self.context) {
            return Err(NO_STREAM);
        }
        match carried == self.carried {
            true => Ok(()),
            false => Err(LOST_WORDS),
        }
    }

    fn leave(&mut self, carried: Carried) {
        self.carried = carried;
        let bytes = std::iter::repeat_with(anything).flat_map(u64::to_le_bytes);
        self.context = bytes.take(CONTEXT_USED).collect();
        if let Body::Inflate(inflate) = &self.body {
            let window = (carried[2] as usize & 0xffff).next_multiple_of(16);
            self.context[KEPT_AT + window..][..2].copy_from_slice(&inflate.kept);
        }
    }

    fn advance(&mut self, work: &Work<'_>) -> Result<Outcome, u8> {
        match &mut self.body {
            Body::Deflate(deflate) => deflate.advance(work),
            Body::Inflate(inflate) => inflate.advance(work),
        }
    }
}

/// What the words that a request leaves ask for. All other bits of them are anything.
#[derive(Clone, Copy)]
struct Asks {
    /// Word 15, in the bits of `mask`.
    state: u32,
    mask: u32,
    /// Word 28 [18:0] is 0.
    stores_nothing: bool,
}

impl Asks {
    fn of(state: u32) -> Self {
        Self {
            state,
            mask: 0xf,
            stores_nothing: false,
        }
    }

    /// For room, amid the last block.
    fn room_in_last_block() -> Self {
        Self {
            state: 2 | AMID_LAST,
            mask: 0xf | AMID_LAST,
            stores_nothing: false,
        }
    }

    /// Nothing, though it has no room: one of the two other conditions is missing.
    fn nothing_amid_a_block() -> Self {
        let stores_nothing = anything() & 1 != 0;
        Self {
            state: 2,
            mask: if stores_nothing { 0xf } else { 0xf | AMID_LAST },
            stores_nothing,
        }
    }

    /// For the next block, of which `bits` bits are kept.
    fn block(bits: u32) -> Self {
        Self {
            state: 3 | bits << 10,
            mask: 0xf | 0x3f << 10,
            stores_nothing: false,
        }
    }

    /// The words, with the checksum and the length so far.
    fn carried(self, register: u32, len: u32) -> Carried {
        let any = || anything() as u32 | 1;
        let stored = match self.stores_nothing {
            true => any() & !0x7_ffff,
            false => any(),
        };
        // The length of the window is no more than 32 KiB.
        let window = any() & !0xffff | any() & 0x7fff;
        let state = any() & !self.mask | self.state;
        [state, stored, window, len, register]
    }
}

/// A stream being compressed.
struct Deflate {
    deflate: Compress,
    crc: crc32fast::Hasher,
    len: u32,
}

impl Deflate {
    fn new() -> Self {
        Self {
            deflate: Compress::new(Compression::fast(), false),
            crc: crc32fast::Hasher::new(),
            len: 0,
        }
    }

    fn advance(&mut self, work: &Work<'_>) -> Result<Outcome, u8> {
        let (room, input) = (work.request.output_room, &work.input);
        let flush = match work.request.is_last() {
            true => FlushCompress::Finish,
            false => FlushCompress::Sync,
        };
        let mut output = Vec::with_capacity(room);
        let done = self.deflate.compress_vec(input, &mut output, flush);
        done.map_err(|_| BAD_DATA)?;
        self.crc.update(input);
        self.len = self.len.wrapping_add(input.len() as u32);
        if work.request.is_last() {
            output.extend(trailer(&self.crc, self.len));
        }
        work.store(&output)?;
        Ok(Outcome {
            carried: Asks::of(0).carried(register(&self.crc), self.len),
            ..Outcome::new(uapi::HISI_ZIP_OK, input.len(), output.len())
        })
    }
}

/// CRC-32 as the engine has it: inverted, and the other way round.
fn register(crc: &crc32fast::Hasher) -> u32 {
    !crc.clone().finalize().reverse_bits()
}

fn trailer(crc: &crc32fast::Hasher, len: u32) -> [u8; TRAILER] {
    let mut bytes = [0; TRAILER];
    bytes[..4].copy_from_slice(&crc.clone().finalize().to_le_bytes());
    bytes[4..].copy_from_slice(&len.to_le_bytes());
    bytes
}

fn compress(work: &Work<'_>) -> Result<Outcome, u8> {
    let (request, input) = (work.request, &work.input[..]);
    let mut crc = crc32fast::Hasher::new();
    crc.update(input);
    let mut output = Vec::with_capacity(request.output_room.saturating_sub(TRAILER));
    let mut deflate = Compress::new(Compression::fast(), false);
    let status = deflate
        .compress_vec(input, &mut output, FlushCompress::Finish)
        .map_err(|_| BAD_DATA)?;
    if status != Status::StreamEnd {
        return Err(uapi::HISI_ZIP_NO_ROOM as u8);
    }
    output.extend(trailer(&crc, input.len() as u32));
    work.store(&output)?;
    let grew = output.len() > input.len();
    let status = if grew {
        uapi::HISI_ZIP_NEGATIVE
    } else {
        uapi::HISI_ZIP_OK
    };
    Ok(Outcome::new(status, input.len(), output.len()))
}

fn decompress(work: &Work<'_>) -> Result<Outcome, u8> {
    let room = work.request.output_room;
    let mut stream = Inflate::new(Container::Gzip);
    let consumed = stream.feed(&work.input, room + 1)?;
    if stream.pending.len() > room {
        return Err(uapi::HISI_ZIP_NO_ROOM as u8);
    }
    if !stream.is_over()? {
        return Err(TRUNCATED);
    }
    work.store(&stream.pending)?;
    let produced = stream.pending.len();
    Ok(Outcome::new(uapi::HISI_ZIP_OK, consumed, produced))
}

/// What is around deflate data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    None,
    Zlib,
    Gzip,
}

/// A stream without its header, being decompressed.
struct Inflate {
    inflate: Decompress,
    container: Container,
    /// In the context, the beginning of the next block.
    kept: [u8; 2],
    /// That is the last one, and it is whole: what ends the stream is a request without input.
    keeps_last: bool,
    crc: crc32fast::Hasher,
    adler: Adler32,
    len: u32,
    ended: bool,
    trailer: Vec<u8>,
    /// Output for which there was no room.
    pending: Vec<u8>,
}

impl Inflate {
    fn new(container: Container) -> Self {
        Self {
            inflate: Decompress::new(false),
            container,
            kept: [0; 2],
            keeps_last: false,
            crc: crc32fast::Hasher::new(),
            adler: Adler32::new(),
            len: 0,
            ended: false,
            trailer: Vec::new(),
            pending: Vec::new(),
        }
    }

    fn advance(&mut self, work: &Work<'_>) -> Result<Outcome, u8> {
        let room = work.request.output_room;
        let went_on = !self.ended;
        let consumed = self.feed(&work.input, room + AHEAD)?;
        let ends_empty = work.input[..consumed].ends_with(&EMPTY_LAST_BLOCK);
        self.keeps_last = self.is_raw() && went_on && self.ended && ends_empty;
        let output: Vec<u8> = self.pending.drain(..room.min(self.pending.len())).collect();
        work.store(&output)?;
        let ends = self.is_over()? && self.pending.is_empty();
        let status = match ends {
            true => uapi::HISI_ZIP_STREAM_END | LAST_BLOCK,
            // Other blocks than the last end like this, too.
            false if anything() & 1 != 0 => uapi::HISI_ZIP_STREAM_END,
            false => uapi::HISI_ZIP_OK,
        };
        let asks = self.asks(consumed < work.input.len());
        Ok(Outcome {
            carried: asks.carried(self.register(), self.len),
            ..Outcome::new(status, consumed, output.len())
        })
    }

    fn is_raw(&self) -> bool {
        self.container == Container::None
    }

    /// The checksum as the engine has it.
    fn register(&self) -> u32 {
        match self.container {
            Container::Zlib => self.adler.finish(),
            Container::None | Container::Gzip => register(&self.crc),
        }
    }

    /// What has to follow the data.
    fn expected(&self) -> Vec<u8> {
        match self.container {
            Container::None => Vec::new(),
            Container::Zlib => self.adler.finish().to_be_bytes().to_vec(),
            Container::Gzip => trailer(&self.crc, self.len).to_vec(),
        }
    }

    /// For room, for the trailer, for nothing. `rest`: there is input that it has not taken.
    fn asks(&mut self, rest: bool) -> Asks {
        let other = anything() & 1 != 0;
        match self.pending.is_empty() {
            false if !other => Asks::of(1),
            false if rest => Asks::nothing_amid_a_block(),
            false => Asks::room_in_last_block(),
            true if self.is_raw() => self.asks_raw(other),
            true if self.ended && self.trailer.len() < self.expected().len() => Asks::of(4),
            true => Asks::of(if other { 3 } else { 0 }),
        }
    }

    /// The same of a raw stream that has no output left.
    fn asks_raw(&mut self, other: bool) -> Asks {
        self.kept = EMPTY_LAST_BLOCK;
        if self.keeps_last {
            return Asks::block(EMPTY_LAST_BITS);
        }
        match (other, anything() & 1 != 0) {
            (false, _) => Asks::of(0),
            // Not whole.
            (true, false) => Asks::block(EMPTY_LAST_BITS - 1),
            // Not the last.
            (true, true) => {
                self.kept[0] &= !1;
                Asks::block(EMPTY_LAST_BITS)
            }
        }
    }

    /// Takes input as far as there are not more than `most` bytes of output; returns how much.
    fn feed(&mut self, input: &[u8], most: usize) -> Result<usize, u8> {
        let mut consumed = 0;
        if !self.ended {
            let (taken, waiting) = (self.inflate.total_in(), self.pending.len());
            self.pending.reserve_exact(most - waiting);
            let status = self
                .inflate
                .decompress_vec(input, &mut self.pending, FlushDecompress::None)
                .map_err(|_| BAD_DATA)?;
            consumed = (self.inflate.total_in() - taken) as usize;
            self.ended = status == Status::StreamEnd;
            let new = &self.pending[waiting..];
            self.crc.update(new);
            self.adler.write(new);
            self.len = self.len.wrapping_add(new.len() as u32);
        }
        if self.ended && !self.is_raw() {
            let rest = &input[consumed..];
            let missing = self.expected().len() - self.trailer.len();
            let part = &rest[..rest.len().min(missing)];
            self.trailer.extend_from_slice(part);
            consumed += part.len();
        }
        Ok(consumed)
    }

    /// Whether all is there, and the trailer; an error if that is wrong.
    fn is_over(&self) -> Result<bool, u8> {
        if self.is_raw() {
            return Ok(self.ended && !self.keeps_last);
        }
        let expected = self.expected();
        if !self.ended || self.trailer.len() < expected.len() {
            return Ok(false);
        }
        match self.trailer == expected {
            true => Ok(true),
            false => Err(uapi::HISI_ZIP_BAD_CHECKSUM as u8),
        }
    }
}
