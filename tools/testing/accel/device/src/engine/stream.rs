// SPDX-License-Identifier: GPL-2.0

//! Streams that many requests are part of.

use flate2::Compress;
use flate2::Decompress;
use flate2::FlushCompress;
use flate2::FlushDecompress;
use flate2::Status as Flate;

use super::checksum::Checksum;
use super::length;
use super::level;
use super::trailer;
use super::Outcome;
use crate::context::Direction;
use crate::readings::Nonsense;
use crate::sqe::Algorithm;
use crate::sqe::Report;
use crate::sqe::Status;

enum Body {
    Compress(Compress),
    Decompress(Decompress),
}

/// Where a stream stands.
enum Stage {
    /// In the deflate stream.
    Body,
    /// In the trailer: its bytes to be written, or those read so far.
    Trailer(Vec<u8>),
    /// Behind it.
    End,
}

/// The state of a stream between two requests.
pub struct Stream {
    algorithm: Algorithm,
    body: Body,
    stage: Stage,
    checksum: Checksum,
    nonsense: Nonsense,
}

/// How far one request came.
#[derive(Default)]
struct Advance {
    consumed: usize,
    output: Vec<u8>,
    more: bool,
}

impl Stream {
    /// A stream that nothing was fed to yet; `fast` prefers speed to size.
    pub fn new(direction: Direction, algorithm: Algorithm, fast: bool, nonsense: Nonsense) -> Self {
        let body = match direction {
            Direction::Compress => Body::Compress(Compress::new(level(fast), false)),
            Direction::Decompress => Body::Decompress(Decompress::new(false)),
        };
        Self {
            algorithm,
            body,
            stage: Stage::Body,
            checksum: Checksum::new(algorithm),
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

    /// Whether nothing can come any more.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::End)
    }

    /// Feeds `input`, the last of the stream if `last`, and gives up to `room` bytes of output.
    pub fn advance(&mut self, input: &[u8], room: usize, last: bool) -> Outcome {
        let mut advance = Advance::default();
        let result = match self.direction() {
            Direction::Compress => self.compress(input, room, last, &mut advance),
            Direction::Decompress => self.decompress(input, room, &mut advance),
        };
        match result {
            Ok(status) => self.outcome(status, advance),
            Err(status) => Outcome::failure(status),
        }
    }

    fn outcome(&mut self, status: Status, advance: Advance) -> Outcome {
        let compressed = match self.direction() {
            Direction::Compress => advance.output.len(),
            Direction::Decompress => advance.consumed,
        };
        let report = Report {
            status,
            consumed: length(advance.consumed),
            produced: length(advance.output.len()),
            compressed: length(compressed),
            plain_length: self.checksum.length(),
            checksum: self.checksum.register(&mut self.nonsense),
            more: advance.more,
            ignored: false,
        };
        Outcome {
            report,
            output: advance.output,
        }
    }

    fn compress(
        &mut self,
        input: &[u8],
        room: usize,
        last: bool,
        advance: &mut Advance,
    ) -> Result<Status, Status> {
        if matches!(self.stage, Stage::Body) {
            self.deflate(input, room, last, advance)?;
        }
        if let Stage::Trailer(rest) = &mut self.stage {
            let fits = rest.len().min(room - advance.output.len());
            advance.output.extend(rest.drain(..fits));
            advance.more = !rest.is_empty();
            if rest.is_empty() {
                self.stage = Stage::End;
            }
        }
        Ok(Status::Ok)
    }

    fn deflate(
        &mut self,
        input: &[u8],
        room: usize,
        last: bool,
        advance: &mut Advance,
    ) -> Result<(), Status> {
        let Body::Compress(deflate) = &mut self.body else {
            return Err(Status::NoStream);
        };
        let flush = if last {
            FlushCompress::Finish
        } else {
            FlushCompress::Sync
        };
        let (before_in, before_out) = (deflate.total_in(), deflate.total_out());
        advance.output = vec![0; room];
        let ended = deflate
            .compress(input, &mut advance.output, flush)
            .map_err(|_| Status::Corrupt)?;
        advance.consumed = (deflate.total_in() - before_in) as usize;
        advance
            .output
            .truncate((deflate.total_out() - before_out) as usize);
        self.checksum.update(&input[..advance.consumed]);
        if ended == Flate::StreamEnd {
            self.stage = Stage::Trailer(trailer::bytes(self.algorithm, &self.checksum));
        } else {
            advance.more = advance.output.len() == room;
        }
        Ok(())
    }

    fn decompress(
        &mut self,
        input: &[u8],
        room: usize,
        advance: &mut Advance,
    ) -> Result<Status, Status> {
        if matches!(self.stage, Stage::Body) {
            self.inflate(input, room, advance)?;
        }
        if let Stage::Trailer(read) = &mut self.stage {
            let missing = trailer::size(self.algorithm) - read.len();
            let rest = &input[advance.consumed..];
            let taken = missing.min(rest.len());
            read.extend(&rest[..taken]);
            advance.consumed += taken;
            if taken == missing {
                let matches = *read == trailer::bytes(self.algorithm, &self.checksum);
                self.stage = Stage::End;
                if !matches {
                    return Err(Status::BadChecksum);
                }
            }
        }
        Ok(match self.stage {
            Stage::End => Status::StreamEnd,
            Stage::Body | Stage::Trailer(_) => Status::Ok,
        })
    }

    fn inflate(&mut self, input: &[u8], room: usize, advance: &mut Advance) -> Result<(), Status> {
        let Body::Decompress(inflate) = &mut self.body else {
            return Err(Status::NoStream);
        };
        let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
        advance.output = vec![0; room];
        let ended = inflate
            .decompress(input, &mut advance.output, FlushDecompress::Sync)
            .map_err(|_| Status::Corrupt)?;
        advance.consumed = (inflate.total_in() - before_in) as usize;
        advance
            .output
            .truncate((inflate.total_out() - before_out) as usize);
        self.checksum.update(&advance.output);
        if ended == Flate::StreamEnd {
            self.stage = Stage::Trailer(Vec::new());
        } else {
            advance.more = advance.output.len() == room;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Algorithm; 3] = [Algorithm::Deflate, Algorithm::Zlib, Algorithm::Gzip];

    fn text(length: usize) -> Vec<u8> {
        (0..length)
            .map(|i| b"pack my box with jugs"[i % 21] ^ (i / 1009) as u8)
            .collect()
    }

    fn stream(direction: Direction, algorithm: Algorithm) -> Stream {
        Stream::new(direction, algorithm, false, Nonsense::new(1))
    }

    /// Feeds all of `input` in parts of `part` bytes, with `room` bytes of room each time.
    fn feed(stream: &mut Stream, input: &[u8], part: usize, room: usize) -> (Vec<u8>, Report) {
        let mut output = Vec::new();
        let mut at = 0;
        loop {
            let end = (at + part).min(input.len());
            let outcome = stream.advance(&input[at..end], room, end == input.len());
            assert!(outcome.report.status.is_success(), "{:?}", outcome.report);
            at += outcome.report.consumed as usize;
            output.extend(outcome.output);
            let ended = outcome.report.status == Status::StreamEnd;
            if ended || at == input.len() && !outcome.report.more {
                return (output, outcome.report);
            }
        }
    }

    #[test]
    fn round_trips_in_parts() {
        let plain = text(300_000);
        for algorithm in ALL {
            for (part, room) in [(300_000, 300_000), (1000, 700), (64, 4096), (300_000, 100)] {
                let mut packer = stream(Direction::Compress, algorithm);
                let (packed, report) = feed(&mut packer, &plain, part, room);
                assert_eq!(report.plain_length, 300_000);

                let mut unpacker = stream(Direction::Decompress, algorithm);
                let (back, end) = feed(&mut unpacker, &packed, part, room);
                assert_eq!(end.status, Status::StreamEnd);
                assert_eq!(back, plain, "{algorithm:?} {part} {room}");
                match algorithm {
                    Algorithm::Deflate => assert!(end.checksum != 0 && report.checksum != 0),
                    _ => assert_eq!(end.checksum, report.checksum),
                }
            }
        }
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
    fn bytes_behind_the_end_are_not_taken() {
        let mut packer = stream(Direction::Compress, Algorithm::Gzip);
        let (mut packed, _) = feed(&mut packer, b"hello", 5, 100);
        let size = packed.len() as u32;
        packed.extend(b"next member");
        let mut unpacker = stream(Direction::Decompress, Algorithm::Gzip);
        let outcome = unpacker.advance(&packed, 100, false);
        assert_eq!(outcome.report.status, Status::StreamEnd);
        assert_eq!(outcome.report.consumed, size);
        assert_eq!(outcome.output, b"hello");
    }

    #[test]
    fn failures() {
        let mut packer = stream(Direction::Compress, Algorithm::Zlib);
        let (packed, _) = feed(&mut packer, &text(1000), 1000, 2000);
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
