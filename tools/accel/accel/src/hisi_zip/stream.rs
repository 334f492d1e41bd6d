// SPDX-License-Identifier: GPL-2.0
//! Streams that many requests are part of.

use super::job::Algorithm;
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

impl Carried {
    /// Whether the engine asks for room or for the rest of the trailer.
    pub(super) fn asks(&self) -> bool {
        matches!(self.state & 0xf, 1 | 2 | 4)
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
    /// until the stream ends.
    ///
    /// # Panics
    ///
    /// If the context has fewer bytes.
    pub fn new(context: Memory) -> Self {
        assert!(context.len() >= CONTEXT_SIZE, "a context too short");
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

    pub(super) fn place(&self) -> Place<'_> {
        self.context.place(0)
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
