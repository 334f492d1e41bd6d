// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Streams that many requests are part of.

use super::job::Algorithm;
use super::kept;
use crate::error::Result;
use crate::memory::{Memory, Place};
use crate::space::AddressSpace;

/// Bytes of a stream's context buffer.
pub const CONTEXT_SIZE: usize = 64 << 10;

/// A last block that is empty.
const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// What the engine leaves in the entry of a stream's request, and has to find in that of the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Carried {
    /// Word 15.
    pub(super) state: u32,
    /// Words 28 and 29.
    pub(super) private: [u32; 2],
    /// Word 30: length of the plain data modulo 2^32.
    pub(super) plain_length: u32,
    /// Word 31: the checksum's register.
    pub(super) checksum: u32,
}

/// What word 15 [3:0] says of a stream that is decompressed.
mod state {
    /// There is output for which there was no room.
    pub(super) const NO_ROOM: u32 = 1;
    /// The same, amid a block.
    pub(super) const NO_ROOM_IN_BLOCK: u32 = 2;
    /// The next block is to come.
    pub(super) const NO_BLOCK: u32 = 3;
    /// The rest of the trailer is to come.
    pub(super) const NO_TRAILER: u32 = 4;
}

impl Carried {
    /// Word 15 [7], amid a block: it is the last.
    fn is_last_block(&self) -> bool {
        self.state & 1 << 7 != 0
    }

    /// Word 28 [18:0], amid a block: bytes that the engine has in the context.
    fn stored(&self) -> u32 {
        self.private[0] & 0x7_ffff
    }

    /// Word 15 [15:10], before a block: bits of it that the engine has in the context.
    fn kept(&self) -> u32 {
        self.state >> 10 & 0x3f
    }

    /// Where in the context these are: behind the window, whose length is word 29 [15:0].
    fn kept_at(&self) -> usize {
        0xc00 + (self.private[1] as usize & 0xffff).next_multiple_of(16)
    }
}

/// Where a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its first request is to come.
    Begin,
    /// The engine has left these words.
    Amid(Carried),
}

/// A stream made of many requests, one after the other.
///
/// It goes with each request ([`Job::stream`](super::Job::stream)), and comes back with its
/// completion: what the engine wants to find in the next one is in here. A request that has failed
/// leaves it as it was.
#[derive(Debug)]
pub struct Stream {
    context: Memory,
    stage: Stage,
    last: bool,
}

impl Stream {
    /// Memory for the context of a stream.
    pub fn memory(space: &AddressSpace) -> Result<Memory> {
        space.memory_in_one_piece(CONTEXT_SIZE)
    }

    /// A stream that begins with its next request.
    ///
    /// `context`: [`CONTEXT_SIZE`] bytes in one piece ([`Stream::memory`]), which are the engine's
    /// until the stream ends. With fewer, no request of it is taken.
    pub fn new(context: Memory) -> Self {
        Self {
            context,
            stage: Stage::Begin,
            last: false,
        }
    }

    /// The same, and the next request has its last input; compression only.
    ///
    /// That request can't be without input: what has none left ends by [`Stream::end`].
    pub fn last(mut self) -> Self {
        self.last = true;
        self
    }

    /// What ends a stream all of whose input has been compressed, though in no request that was
    /// said to be the [last](Self::last): an empty block, and the trailer of `algorithm`.
    pub fn end(&self, algorithm: Algorithm) -> Vec<u8> {
        let (length, register) = match (self.stage, algorithm) {
            (Stage::Amid(carried), _) => (carried.plain_length, carried.checksum),
            (Stage::Begin, Algorithm::Zlib) => (0, 1),
            (Stage::Begin, Algorithm::Deflate | Algorithm::Gzip) => (0, u32::MAX),
        };
        let mut bytes = LAST_BLOCK.to_vec();
        match algorithm {
            Algorithm::Deflate => {}
            Algorithm::Zlib => bytes.extend(register.to_be_bytes()),
            Algorithm::Gzip => {
                // The engine has the bits of CRC-32 inverted, and the other way round.
                bytes.extend((!register).reverse_bits().to_le_bytes());
                bytes.extend(length.to_le_bytes());
            }
        }
        bytes
    }

    /// The memory of a stream that has ended, for another one.
    pub fn into_context(self) -> Memory {
        self.context
    }

    /// Whether its context is as long as the engine takes it to be.
    pub(super) fn has_context(&self) -> bool {
        self.context.len() >= CONTEXT_SIZE
    }

    /// Where its context is, if that is long enough.
    pub(super) fn place(&self) -> Option<Place<'_>> {
        self.has_context().then(|| self.context.place(0))
    }

    pub(super) fn is_last(&self) -> bool {
        self.last
    }

    /// What its next request has to bring back; nothing if it is the first.
    pub(super) fn carried(&self) -> Option<Carried> {
        match self.stage {
            Stage::Begin => None,
            Stage::Amid(carried) => Some(carried),
        }
    }

    /// Whether the engine asks for a request without input: for room, for the rest of the trailer,
    /// or for nothing but that.
    ///
    /// `all_taken`: of the input of its last request nothing is left.
    pub(super) fn asks(&self, algorithm: Algorithm, all_taken: bool) -> bool {
        let Stage::Amid(carried) = self.stage else {
            return false;
        };
        match carried.state & 0xf {
            state::NO_ROOM | state::NO_TRAILER => true,
            state::NO_ROOM_IN_BLOCK => {
                all_taken && carried.is_last_block() && carried.stored() != 0
            }
            // With a trailer, what ends the stream comes later.
            state::NO_BLOCK => algorithm == Algorithm::Deflate && self.keeps_end(&carried),
            _ => false,
        }
    }

    /// Whether what the engine keeps in the context is the end of a raw deflate stream.
    fn keeps_end(&self, carried: &Carried) -> bool {
        let bytes = self.context.bytes().get(carried.kept_at()..);
        let first = bytes.and_then(<[u8]>::first_chunk::<{ kept::LEN }>);
        first.is_some_and(|bytes| kept::ends_stream(*bytes, carried.kept()))
    }

    /// Its request was done, and this is what the engine has left.
    pub(super) fn go_on(&mut self, carried: Carried) {
        self.stage = Stage::Amid(carried);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(stage: Stage) -> Stream {
        Stream {
            context: Memory::new(CONTEXT_SIZE).unwrap(),
            stage,
            last: false,
        }
    }

    #[test]
    fn the_engine_asks_as_its_state_says() {
        const LAST: u32 = 1 << 7;
        let asks = |state, word_28, all_taken| {
            let carried = Carried {
                state: !(0xf | LAST) | state,
                private: [word_28, u32::MAX],
                ..Carried::default()
            };
            stream(Stage::Amid(carried)).asks(Algorithm::Gzip, all_taken)
        };
        for all_taken in [false, true] {
            assert!(asks(1, 0, all_taken) && asks(4, 0, all_taken));
            for state in [0, 3, 5, 9, 15] {
                assert!(!asks(state | LAST, u32::MAX, all_taken), "{state}");
            }
        }
        assert!(asks(2 | LAST, 1, true) && asks(2 | LAST, 1 << 18, true));
        assert!(!asks(2 | LAST, 1, false));
        assert!(!asks(2, 1, true));
        assert!(!asks(2 | LAST, !0x7_ffff, true));
        assert!(!stream(Stage::Begin).asks(Algorithm::Gzip, true));
    }

    #[test]
    fn a_raw_stream_whose_end_is_in_the_context_asks() {
        let asks = |bits: u32, window: u32, at: usize, algorithm| {
            let mut stream = stream(Stage::Amid(Carried {
                state: 3 | bits << 10,
                private: [0, window | 0xabcd_0000],
                ..Carried::default()
            }));
            let bytes = stream.context.bytes_mut();
            bytes.fill(0xa5);
            bytes[at..][..LAST_BLOCK.len()].copy_from_slice(&LAST_BLOCK);
            stream.asks(algorithm, true)
        };
        assert!(asks(10, 0, 0xc00, Algorithm::Deflate));
        assert!(asks(10, 1, 0xc10, Algorithm::Deflate));
        assert!(asks(10, 0x8000, 0x8c00, Algorithm::Deflate));
        assert!(!asks(0, 0, 0xc00, Algorithm::Deflate));
        assert!(!asks(9, 0, 0xc00, Algorithm::Deflate));
        assert!(!asks(10, 0, 0xc10, Algorithm::Deflate));
        assert!(!asks(10, 0, 0xc00, Algorithm::Gzip));
        // There is no such window, and nothing behind the context.
        assert!(!asks(10, 0xffff, 0xc00, Algorithm::Deflate));
    }

    #[test]
    fn the_end_has_the_trailer() {
        // Of "123456789": CRC-32 0xcbf43926, Adler-32 0x091e01de.
        let amid = |checksum| {
            stream(Stage::Amid(Carried {
                plain_length: 9,
                checksum,
                ..Carried::default()
            }))
        };
        let table: [(Stream, Algorithm, &[u8]); 6] = [
            (amid(0x1234), Algorithm::Deflate, &[3, 0]),
            (
                amid(0x091e_01de),
                Algorithm::Zlib,
                &[3, 0, 0x09, 0x1e, 0x01, 0xde],
            ),
            (
                amid(0x9b63_d02c),
                Algorithm::Gzip,
                &[3, 0, 0x26, 0x39, 0xf4, 0xcb, 9, 0, 0, 0],
            ),
            (stream(Stage::Begin), Algorithm::Deflate, &[3, 0]),
            (stream(Stage::Begin), Algorithm::Zlib, &[3, 0, 0, 0, 0, 1]),
            (
                stream(Stage::Begin),
                Algorithm::Gzip,
                &[3, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            ),
        ];
        for (stream, algorithm, expected) in table {
            assert_eq!(stream.end(algorithm), expected, "{algorithm:?}");
        }
    }
}
