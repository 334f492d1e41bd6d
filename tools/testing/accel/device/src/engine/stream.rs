// SPDX-License-Identifier: GPL-2.0

//! Streams that many requests are part of.

use flate2::Compress;
use flate2::Decompress;
use flate2::FlushCompress;
use flate2::FlushDecompress;
use flate2::Status as Flate;

use super::checksum::Checksum;
use super::compressor;
use super::kept::Kept;
use super::length;
use super::trailer;
use super::Outcome;
use super::Search;
use crate::context::Direction;
use crate::readings::Mild;
use crate::readings::Nonsense;
use crate::readings::Reading;
use crate::sqe::Algorithm;
use crate::sqe::Asks;
use crate::sqe::Carried;
use crate::sqe::Report;
use crate::sqe::Status;
use crate::sqe::LAST_BLOCK;

/// Output that the engine makes before there is room for it.
const AHEAD: usize = 64 << 10;
/// Room that is left when all has fitted.
const SLACK: usize = 64;

enum Body {
    Compress(Compress),
    Decompress(Decompress),
}

/// Where a stream stands.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// In the deflate stream.
    Body,
    /// In the trailer, of which these bytes were read.
    Trailer(Vec<u8>),
    /// Before the last block, which lies in the context.
    LastBlock,
    /// Behind it.
    End,
}

/// The state of a stream between two requests.
pub struct Stream {
    algorithm: Algorithm,
    body: Body,
    stage: Stage,
    checksum: Checksum,
    /// Output for which there was no room.
    pending: Vec<u8>,
    /// Nothing can come but of more input.
    starves: bool,
    kept: Option<Kept>,
    mild: Mild,
    nonsense: Nonsense,
}

impl Stream {
    /// A stream that nothing was fed to yet.
    pub fn new(
        direction: Direction,
        algorithm: Algorithm,
        search: Search,
        (mild, nonsense): (Mild, Nonsense),
    ) -> Self {
        let body = match direction {
            Direction::Compress => Body::Compress(compressor(search)),
            Direction::Decompress => Body::Decompress(Decompress::new(false)),
        };
        Self {
            algorithm,
            body,
            stage: Stage::Body,
            checksum: Checksum::new(algorithm),
            pending: Vec::new(),
            starves: false,
            kept: None,
            mild,
            nonsense,
        }
    }

    /// Which way the stream goes.
    pub fn direction(&self) -> Direction {
        match self.body {
            Body::Compress(_) => Direction::Compress,
            Body::Decompress(_) => Direction::Decompress,
        }
    }

    /// The stream's container.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What it has left outside, once there was a request.
    pub fn kept(&self) -> Option<&Kept> {
        self.kept.as_ref()
    }

    /// Whether nothing can come any more.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::End && self.pending.is_empty()
    }

    /// Feeds `input`, the last of the stream if `last`, and gives up to `room` bytes of output.
    pub fn advance(&mut self, input: &[u8], room: usize, last: bool) -> Outcome {
        let result = match self.direction() {
            Direction::Compress => self.compress(input, room, last),
            Direction::Decompress => self.decompress(input, room),
        };
        match result {
            Ok(consumed) => {
                let given = self.pending.len().min(room);
                let rest = self.pending.split_off(given);
                let output = std::mem::replace(&mut self.pending, rest);
                self.outcome(consumed, output)
            }
            Err(status) => Outcome::failure(status),
        }
    }

    fn outcome(&mut self, consumed: usize, output: Vec<u8>) -> Outcome {
        let decompresses = self.direction() == Direction::Decompress;
        let asks = self.asks();
        let carried = self.carry(asks);
        self.kept = Some(Kept::new(carried, asks, &mut self.nonsense));
        let report = Report {
            status: self.status(),
            consumed: length(consumed),
            produced: length(output.len()),
            compressed: length(if decompresses { consumed } else { output.len() }),
            carried,
            last_block: decompresses && self.is_over(),
            ignored: false,
        };
        Outcome {
            report,
            output,
            context: Vec::new(),
        }
    }

    /// The end of a block looks much like that of the stream.
    fn status(&mut self) -> Status {
        let decompresses = self.direction() == Direction::Decompress;
        let block = !self.mild.has(Reading::EarlyEnd) && self.nonsense.draw() & 1 != 0;
        match decompresses && (self.is_over() || block) {
            true => Status::StreamEnd,
            false => Status::Ok,
        }
    }

    /// What has to come back with the next request.
    fn carry(&mut self, asks: Asks) -> Carried {
        Carried {
            plain_length: self.checksum.length(),
            checksum: self.checksum.register(&mut self.nonsense),
            ..Carried::asking(asks, &mut self.nonsense)
        }
    }

    fn asks(&mut self) -> Asks {
        let other = self.nonsense.draw() & 1 != 0;
        let input = self.starves && self.nonsense.draw() % 3 == 0;
        match (&self.stage, self.pending.is_empty()) {
            (Stage::Body, false) if input => Asks::InputInBlock,
            (_, false) if other => Asks::Room,
            (_, false) => Asks::RoomInBlock,
            (Stage::Trailer(_), true) => Asks::Trailer,
            (Stage::LastBlock, true) => Asks::LastBlock,
            (Stage::Body, true) if other && self.direction() == Direction::Decompress => {
                Asks::Block
            }
            (Stage::Body | Stage::End, true) => Asks::Nothing,
        }
    }

    /// Compresses all of `input`, for which there is room enough.
    fn compress(&mut self, input: &[u8], room: usize, last: bool) -> Result<usize, Status> {
        let Body::Compress(deflate) = &mut self.body else {
            return Err(Status::NoStream);
        };
        let flush = match last {
            true => FlushCompress::Finish,
            false => FlushCompress::Sync,
        };
        let mut output = Vec::with_capacity(room + SLACK);
        let before = deflate.total_in();
        deflate
            .compress_vec(input, &mut output, flush)
            .map_err(|_| Status::Corrupt)?;
        self.checksum.update(input);
        if last {
            output.extend(trailer::bytes(self.algorithm, &self.checksum));
            self.stage = Stage::End;
        }
        if deflate.total_in() - before < input.len() as u64 || output.len() > room {
            return Err(Status::NoRoom);
        }
        self.pending = output;
        Ok(input.len())
    }

    /// Takes of `input` what it can; the output waits.
    fn decompress(&mut self, input: &[u8], room: usize) -> Result<usize, Status> {
        let mut consumed = 0;
        match self.stage {
            Stage::Body => consumed = self.inflate_body(input, room)?,
            Stage::LastBlock => self.stage = Stage::End,
            Stage::Trailer(_) | Stage::End => {}
        }
        if let Stage::Trailer(read) = &mut self.stage {
            let missing = trailer::size(self.algorithm) - read.len();
            let rest = &input[consumed..];
            let taken = missing.min(rest.len());
            read.extend(&rest[..taken]);
            consumed += taken;
            if taken == missing {
                let matches = *read == trailer::bytes(self.algorithm, &self.checksum);
                self.stage = Stage::End;
                if !matches {
                    return Err(Status::BadChecksum);
                }
            }
        }
        Ok(consumed)
    }

    /// Takes of `input` what it can, up to the trailer, or up to the last block if that is taken
    /// into the context.
    fn inflate_body(&mut self, input: &[u8], room: usize) -> Result<usize, Status> {
        let keeps = self.algorithm == Algorithm::Deflate && !self.mild.has(Reading::LastBlock);
        let Some(body) = input.strip_suffix(&LAST_BLOCK).filter(|_| keeps) else {
            return self.inflate(input, room);
        };
        let consumed = self.inflate(body, room)?;
        if consumed < body.len() || self.stage != Stage::Body {
            return Ok(consumed);
        }
        let waiting = self.pending.len();
        let taken = self.inflate(&LAST_BLOCK, room)?;
        if self.stage != Stage::Body && taken == LAST_BLOCK.len() && self.pending.len() == waiting {
            self.stage = Stage::LastBlock;
        }
        Ok(consumed + taken)
    }

    fn inflate(&mut self, input: &[u8], room: usize) -> Result<usize, Status> {
        let Body::Decompress(inflate) = &mut self.body else {
            return Err(Status::NoStream);
        };
        let mut output = vec![0; (room + AHEAD).saturating_sub(self.pending.len())];
        if output.is_empty() {
            return Ok(0);
        }
        let (taken, given) = (inflate.total_in(), inflate.total_out());
        let ended = inflate
            .decompress(input, &mut output, FlushDecompress::Sync)
            .map_err(|_| Status::Corrupt)?;
        let length = (inflate.total_out() - given) as usize;
        self.starves = length < output.len();
        output.truncate(length);
        self.checksum.update(&output);
        self.pending.extend(output);
        if ended == Flate::StreamEnd {
            self.stage = Stage::Trailer(Vec::new());
        }
        Ok((inflate.total_in() - taken) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Window;

    const THOROUGH: Search = Search {
        fast: false,
        window: Window::K32,
    };

    const ALL: [Algorithm; 3] = [Algorithm::Deflate, Algorithm::Zlib, Algorithm::Gzip];

    fn text(length: usize) -> Vec<u8> {
        (0..length)
            .map(|i| b"pack my box with jugs"[i % 21] ^ (i / 1009) as u8)
            .collect()
    }

    fn stream(direction: Direction, algorithm: Algorithm) -> Stream {
        let nonsense = Nonsense::new(1);
        Stream::new(direction, algorithm, THOROUGH, (Mild::NONE, nonsense))
    }

    /// Compresses all of `plain` in parts of `part` bytes; also the report of the last.
    fn pack(algorithm: Algorithm, plain: &[u8], part: usize) -> (Vec<u8>, Report) {
        let mut packer = stream(Direction::Compress, algorithm);
        let (mut packed, mut at) = (Vec::new(), 0);
        loop {
            let end = (at + part).min(plain.len());
            let outcome = packer.advance(&plain[at..end], 2 * part + 200, end == plain.len());
            assert_eq!(outcome.report.status, Status::Ok);
            assert_eq!(outcome.report.consumed as usize, end - at);
            packed.extend(outcome.output);
            at = end;
            if at == plain.len() {
                assert!(packer.is_over());
                return (packed, outcome.report);
            }
        }
    }

    /// The same, back; all reports.
    fn unpack(
        algorithm: Algorithm,
        packed: &[u8],
        part: usize,
        room: usize,
    ) -> (Vec<u8>, Vec<Report>) {
        let mut unpacker = stream(Direction::Decompress, algorithm);
        let (mut plain, mut at, mut reports) = (Vec::new(), 0, Vec::new());
        loop {
            let end = (at + part).min(packed.len());
            let outcome = unpacker.advance(&packed[at..end], room, false);
            assert!(outcome.report.status.is_success(), "{:?}", outcome.report);
            at += outcome.report.consumed as usize;
            plain.extend(outcome.output);
            reports.push(outcome.report);
            if outcome.report.last_block {
                assert_eq!(outcome.report.status, Status::StreamEnd);
                assert_eq!(at, packed.len());
                return (plain, reports);
            }
        }
    }

    #[test]
    fn round_trips_in_parts() {
        let plain = text(300_000);
        for algorithm in ALL {
            for (part, room) in [(300_000, 300_000), (1000, 700), (64, 4096), (300_000, 200)] {
                let (packed, report) = pack(algorithm, &plain, part);
                assert_eq!(report.carried.plain_length, 300_000);

                let (back, reports) = unpack(algorithm, &packed, part, room);
                assert_eq!(back, plain, "{algorithm:?} {part} {room}");
                let end = reports.last().unwrap().carried;
                assert_eq!(end.plain_length, 300_000);
                match algorithm {
                    Algorithm::Deflate => assert!(end.checksum != 0),
                    _ => assert_eq!(end.checksum, report.carried.checksum),
                }
            }
        }
    }

    #[test]
    fn input_is_taken_before_there_is_room_for_its_output() {
        let (packed, _) = pack(Algorithm::Gzip, &text(30_000), 30_000);
        let (_, reports) = unpack(Algorithm::Gzip, &packed, packed.len(), 1000);
        assert_eq!(reports.len(), 30);
        assert_eq!(reports[0].consumed as usize, packed.len());
        for report in &reports[..29] {
            let asks = report.carried.state & 0xf;
            assert!(asks == Asks::Room.number() || asks == Asks::RoomInBlock.number());
        }
        // Room alone, or both, is what asks; a status of its own it has not.
        assert!(reports[1..].iter().all(|report| report.consumed == 0));
        assert!(reports[..29]
            .iter()
            .any(|report| report.status == Status::StreamEnd));
    }

    #[test]
    fn output_waits_in_64_kib_whatever_room_there_was() {
        let plain = vec![7; 12 << 20];
        let (packed, _) = pack(Algorithm::Deflate, &plain, 12 << 20);
        let mut unpacker = stream(Direction::Decompress, Algorithm::Deflate);
        let (mut at, mut produced) = (0, 0);
        for room in [8 << 20, 200, 200, 1000, 8 << 20] {
            let report = unpacker.advance(&packed[at..], room, false).report;
            at += report.consumed as usize;
            produced += report.produced as usize;
            let ahead = report.carried.plain_length as usize - produced;
            assert!(report.status.is_success() && ahead <= AHEAD, "{ahead}");
        }
        assert_eq!(produced, 12 << 20);
    }

    #[test]
    fn a_trailer_that_is_missing_is_asked_for() {
        let (packed, _) = pack(Algorithm::Zlib, b"hello", 5);
        let mut unpacker = stream(Direction::Decompress, Algorithm::Zlib);
        for _ in 0..2 {
            // Asked without input it can but ask again.
            let body = &packed[..packed.len() - 4];
            let first = unpacker.kept().is_none();
            let told = unpacker.advance(if first { body } else { &[] }, 200, false);
            assert_eq!(told.report.carried.state & 0xf, Asks::Trailer.number());
            assert!(!told.report.last_block);
        }
        let told = unpacker.advance(&packed[packed.len() - 4..], 200, false);
        assert!(told.report.last_block);
    }

    /// Whether UADK sends a request without input for this.
    fn wants_nothing(carried: &Carried) -> bool {
        let is_last = carried.state & 1 << 7 != 0 && carried.private[0] & 0x7_ffff != 0;
        matches!(carried.state & 0xf, 1) || carried.state & 0xf == 2 && is_last
    }

    /// With output that waits: to go on with input is possible before the stream's end alone.
    #[test]
    fn state_2_may_want_input() {
        let (packed, _) = pack(Algorithm::Gzip, &text(30_000), 30_000);
        for (length, both) in [(packed.len() / 2, true), (packed.len(), false)] {
            let told = (0..50).map(|seed| {
                let (mild, nonsense) = (Mild::NONE, Nonsense::new(seed));
                let (way, algorithm) = (Direction::Decompress, Algorithm::Gzip);
                let mut unpacker = Stream::new(way, algorithm, THOROUGH, (mild, nonsense));
                let carried = unpacker
                    .advance(&packed[..length], 200, false)
                    .report
                    .carried;
                let kept = unpacker.kept().unwrap();
                assert!(matches!(carried.state & 0xf, 1 | 2));
                assert_eq!(kept.asks.may_be_empty(), wants_nothing(&carried));
                (carried.state & 0x8f, wants_nothing(&carried))
            });
            let told: Vec<(u32, bool)> = told.collect();
            let has = |state, empty| told.contains(&(state, empty));
            assert!(has(0x82, true), "{length}");
            assert_eq!((has(0x02, false), has(0x82, false)), (both, both));
        }
    }

    #[test]
    fn an_empty_last_block_may_be_left_in_the_context() {
        let mut packer = stream(Direction::Compress, Algorithm::Deflate);
        let mut packed = packer.advance(b"hello", 200, false).output;
        packed.extend([3, 0]);
        let mild = Mild::NONE.with(Reading::LastBlock);
        for (mild, left) in [(Mild::NONE, true), (mild, false)] {
            let open = (mild, Nonsense::new(1));
            let (way, algorithm) = (Direction::Decompress, Algorithm::Deflate);
            let mut unpacker = Stream::new(way, algorithm, THOROUGH, open);
            let told = unpacker.advance(&packed, 200, false);
            assert_eq!(told.output, b"hello");
            assert_eq!(told.report.consumed as usize, packed.len());
            assert_eq!(told.report.last_block, !left);
            if !left {
                continue;
            }
            let Carried { state, private, .. } = told.report.carried;
            assert_eq!((state & 0xf, state >> 10 & 0x3f), (3, 10));
            let at = 0xc00 + (private[1] & 0xffff).next_multiple_of(16) as usize;
            let kept = unpacker.kept().unwrap();
            assert_eq!(kept.context(1)[at..at + 2], [3, 0]);
            assert!(kept.asks.may_be_empty());
            let told = unpacker.advance(&[], 200, false);
            assert_eq!(told.report.status, Status::StreamEnd);
            assert!(told.report.last_block && told.output.is_empty());
        }
    }

    #[test]
    fn a_block_ends_like_the_stream_but_by_the_mild_reading() {
        let plain = text(100_000);
        let (packed, _) = pack(Algorithm::Deflate, &plain, 1000);
        for (mild, expected) in [
            (Mild::NONE, true),
            (Mild::NONE.with(Reading::EarlyEnd), false),
        ] {
            let nonsense = Nonsense::new(1);
            let mut unpacker = Stream::new(
                Direction::Decompress,
                Algorithm::Deflate,
                THOROUGH,
                (mild, nonsense),
            );
            let told: Vec<Report> = packed
                .chunks(200)
                .map(|part| unpacker.advance(part, 100_000, false).report)
                .collect();
            let early = |report: &Report| report.status == Status::StreamEnd && !report.last_block;
            assert_eq!(told.iter().any(early), expected);
            assert!(told.last().unwrap().last_block);
        }
    }

    #[test]
    fn each_request_leaves_something_else() {
        let mut packer = stream(Direction::Compress, Algorithm::Deflate);
        let mut left = |part: &[u8]| {
            let carried = packer.advance(part, 2000, false).report.carried;
            (carried, packer.kept().unwrap().context(1))
        };
        let (first, second) = (left(b"one"), left(b"two"));
        assert_ne!(first.0.state >> 4, second.0.state >> 4);
        assert_ne!(first.0.private, second.0.private);
        assert_ne!(first.1[16..], second.1[16..]);
    }

    #[test]
    fn a_flush_ends_at_a_byte_and_can_be_read() {
        let mut packer = stream(Direction::Compress, Algorithm::Deflate);
        let mut unpacker = stream(Direction::Decompress, Algorithm::Deflate);
        for part in text(50_000).chunks(10_000) {
            let packed = packer.advance(part, 20_000, false).output;
            assert_eq!(unpacker.advance(&packed, 20_000, false).output, part);
        }
    }

    #[test]
    fn what_can_not_be_compressed_has_room_in_nine_eighths() {
        let mut nonsense = Nonsense::new(5);
        let noise: Vec<u8> = (0..1 << 20).map(|_| nonsense.draw() as u8).collect();
        for size in [1, 177, 200, 4096, 70_001, 1 << 20] {
            let room = (size * 9_usize).div_ceil(8).max(200);
            let mut packer = stream(Direction::Compress, Algorithm::Gzip);
            for last in [false, false, true] {
                let told = packer.advance(&noise[..size], room, last).report;
                assert_eq!((told.status, told.consumed as usize), (Status::Ok, size));
            }
        }
    }

    #[test]
    fn bytes_behind_the_end_are_not_taken() {
        let (mut packed, _) = pack(Algorithm::Gzip, b"hello", 5);
        let size = packed.len() as u32;
        packed.extend(b"next member");
        let mut unpacker = stream(Direction::Decompress, Algorithm::Gzip);
        let outcome = unpacker.advance(&packed, 200, false);
        assert!(outcome.report.last_block);
        assert_eq!(outcome.report.consumed, size);
        assert_eq!(outcome.output, b"hello");
    }

    #[test]
    fn failures() {
        let (packed, _) = pack(Algorithm::Zlib, &text(1000), 1000);
        let mut bad_sum = packed.clone();
        *bad_sum.last_mut().unwrap() ^= 1;
        for (input, status) in [
            (&bad_sum[..], Status::BadChecksum),
            (&[7u8; 9][..], Status::Corrupt),
        ] {
            let mut unpacker = stream(Direction::Decompress, Algorithm::Zlib);
            assert_eq!(
                unpacker.advance(input, 2000, true).report,
                Report::failure(status)
            );
        }
    }
}
