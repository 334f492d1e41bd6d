// SPDX-License-Identifier: GPL-2.0 OR MIT
//! The checksums of the formats.

use simd_adler32::Adler32;

use super::Format;

/// What stands behind the data: at most so many bytes.
pub(super) const TRAILER_MAX: usize = 8;

/// Checksum and length of plain data.
#[derive(Clone)]
pub(super) struct Checksum {
    kind: Kind,
    len: u64,
}

#[derive(Clone)]
enum Kind {
    /// Not told in the format; to compare what was made twice.
    Deflate(crc32fast::Hasher),
    Zlib(Adler32),
    Gzip(crc32fast::Hasher),
}

impl Checksum {
    /// Of nothing.
    pub(super) fn new(format: Format) -> Self {
        let kind = match format {
            Format::Deflate => Kind::Deflate(crc32fast::Hasher::new()),
            Format::Zlib => Kind::Zlib(Adler32::new()),
            Format::Gzip => Kind::Gzip(crc32fast::Hasher::new()),
        };
        Self { kind, len: 0 }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        match &mut self.kind {
            Kind::Deflate(crc) | Kind::Gzip(crc) => crc.update(bytes),
            Kind::Zlib(adler) => adler.write(bytes),
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// A number that other data hardly have.
    pub(super) fn value(&self) -> u32 {
        match &self.kind {
            Kind::Deflate(crc) | Kind::Gzip(crc) => crc.clone().finalize(),
            Kind::Zlib(adler) => adler.finish(),
        }
    }

    /// What stands behind the data.
    pub(super) fn trailer(&self) -> Vec<u8> {
        match self.kind {
            Kind::Deflate(_) => Vec::new(),
            Kind::Zlib(_) => self.value().to_be_bytes().to_vec(),
            // The length modulo 2^32.
            Kind::Gzip(_) => [self.value().to_le_bytes(), (self.len as u32).to_le_bytes()].concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_its_trailer() {
        for (format, trailer) in [
            (Format::Deflate, &[][..]),
            (Format::Zlib, &[0x09, 0x1e, 0x01, 0xde]),
            (Format::Gzip, &[0x26, 0x39, 0xf4, 0xcb, 9, 0, 0, 0]),
        ] {
            let mut checksum = Checksum::new(format);
            checksum.update(b"1234");
            checksum.update(b"56789");
            assert_eq!(checksum.trailer(), trailer, "{format:?}");
            assert_eq!(checksum.len(), 9);
        }
    }
}
