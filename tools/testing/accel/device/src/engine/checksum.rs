// SPDX-License-Identifier: GPL-2.0

//! The running checksum and length of a stream's plain side.

use crate::readings::Nonsense;
use crate::sqe::Algorithm;

enum Sum {
    /// Raw deflate has none.
    None,
    /// CRC-32 of RFC 1952.
    Crc32(crc32fast::Hasher),
    /// Adler-32 of RFC 1950.
    Adler32(adler2::Adler32),
}

/// Checksum and length of what was seen so far.
pub struct Checksum {
    sum: Sum,
    length: u32,
}

impl Checksum {
    /// The checksum that goes with `algorithm`, of nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        let sum = match algorithm {
            Algorithm::Deflate => Sum::None,
            Algorithm::Zlib => Sum::Adler32(adler2::Adler32::new()),
            Algorithm::Gzip => Sum::Crc32(crc32fast::Hasher::new()),
        };
        Self { sum, length: 0 }
    }

    /// Goes on with `plain`.
    pub fn update(&mut self, plain: &[u8]) {
        match &mut self.sum {
            Sum::None => {}
            Sum::Crc32(hasher) => hasher.update(plain),
            Sum::Adler32(hasher) => hasher.write_slice(plain),
        }
        self.length = self.length.wrapping_add(plain.len() as u32);
    }

    /// The checksum, as the trailer has it; 0 where there is no trailer.
    pub fn value(&self) -> u32 {
        match &self.sum {
            Sum::None => 0,
            Sum::Crc32(hasher) => hasher.clone().finalize(),
            Sum::Adler32(hasher) => hasher.checksum(),
        }
    }

    /// What the engine's register has: of CRC-32 the state, lowest bit first, and not inverted. What
    /// raw deflate leaves there nobody has said; it is never 0 here.
    pub fn register(&self, nonsense: &mut Nonsense) -> u32 {
        match &self.sum {
            Sum::None => nonsense.draw() as u32 | 1,
            Sum::Crc32(_) => !self.value().reverse_bits(),
            Sum::Adler32(_) => self.value(),
        }
    }

    /// Bytes seen, modulo 2^32.
    pub fn length(&self) -> u32 {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers() {
        let register = |algorithm| {
            let mut checksum = Checksum::new(algorithm);
            checksum.update(b"123456789");
            checksum.register(&mut Nonsense::new(1))
        };
        // The check value of CRC-32, by the steps that UADK takes: invert, reverse.
        assert_eq!((!register(Algorithm::Gzip)).reverse_bits(), 0xcbf4_3926);
        assert_eq!(register(Algorithm::Zlib), 0x091e_01de);
        assert_ne!(register(Algorithm::Deflate), 0);
    }
}
