// SPDX-License-Identifier: GPL-2.0

//! The running checksum and length of a stream's plain side.

use crate::sqe::Algorithm;

/// Checksum and length of what was seen so far.
pub enum Checksum {
    /// CRC-32 of RFC 1952.
    Crc32(crc32fast::Hasher, u32),
    /// Adler-32 of RFC 1950.
    Adler32(adler2::Adler32, u32),
}

impl Checksum {
    /// The checksum that goes with `algorithm`, of nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Zlib => Checksum::Adler32(adler2::Adler32::new(), 0),
            Algorithm::Deflate | Algorithm::Gzip => Checksum::Crc32(crc32fast::Hasher::new(), 0),
        }
    }

    /// Goes on with `plain`.
    pub fn update(&mut self, plain: &[u8]) {
        let length = match self {
            Checksum::Crc32(hasher, length) => {
                hasher.update(plain);
                length
            }
            Checksum::Adler32(hasher, length) => {
                hasher.write_slice(plain);
                length
            }
        };
        *length = length.wrapping_add(plain.len() as u32);
    }

    /// The checksum.
    pub fn value(&self) -> u32 {
        match self {
            Checksum::Crc32(hasher, _) => hasher.clone().finalize(),
            Checksum::Adler32(hasher, _) => hasher.checksum(),
        }
    }

    /// Bytes seen, modulo 2^32.
    pub fn length(&self) -> u32 {
        match self {
            Checksum::Crc32(_, length) | Checksum::Adler32(_, length) => *length,
        }
    }
}
