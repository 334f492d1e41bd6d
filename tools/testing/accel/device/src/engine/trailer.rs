// SPDX-License-Identifier: GPL-2.0

//! What follows the deflate stream in its container.

use super::checksum::Checksum;
use crate::sqe::Algorithm;

/// Bytes of the trailer of `algorithm`.
pub fn size(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::Deflate => 0,
        Algorithm::Zlib => 4,
        Algorithm::Gzip => 8,
    }
}

/// The trailer of `algorithm` for data with this checksum and length.
pub fn bytes(algorithm: Algorithm, checksum: &Checksum) -> Vec<u8> {
    let value = checksum.value();
    match algorithm {
        Algorithm::Deflate => Vec::new(),
        Algorithm::Zlib => value.to_be_bytes().to_vec(),
        Algorithm::Gzip => {
            let mut bytes = value.to_le_bytes().to_vec();
            bytes.extend(checksum.length().to_le_bytes());
            bytes
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_trailers() {
        // Of "abc": CRC-32 0x352441c2, Adler-32 0x024d0127.
        let table: [(Algorithm, &[u8]); 3] = [
            (Algorithm::Deflate, &[]),
            (Algorithm::Zlib, &[0x02, 0x4d, 0x01, 0x27]),
            (Algorithm::Gzip, &[0xc2, 0x41, 0x24, 0x35, 3, 0, 0, 0]),
        ];
        for (algorithm, expected) in table {
            let mut checksum = Checksum::new(algorithm);
            checksum.update(b"a");
            checksum.update(b"bc");
            assert_eq!(bytes(algorithm, &checksum), expected);
            assert_eq!(size(algorithm), expected.len());
        }
    }
}
