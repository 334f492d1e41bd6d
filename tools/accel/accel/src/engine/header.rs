// SPDX-License-Identifier: GPL-2.0 OR MIT
//! What stands before the data.

use super::Format;

/// The first bytes of a gzip member: its magic, and deflate.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// Fields that may follow, by their bits.
const CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

/// No sensible header is longer.
const MOST: usize = 16 << 20;

/// A header that tells nothing but the format.
pub(super) fn plain(format: Format) -> &'static [u8] {
    match format {
        Format::Deflate => &[],
        // A window of 32 KiB, the usual effort.
        Format::Zlib => &[0x78, 0x9c],
        // No time; made on Unix.
        Format::Gzip => &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
    }
}

/// Length of the header with which `bytes` begin; nothing if it is longer than they are. The error:
/// why it is none.
pub(super) fn len(format: Format, bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    match format {
        Format::Deflate => Ok(Some(0)),
        Format::Zlib => zlib(bytes),
        Format::Gzip => {
            let fits = bytes.iter().zip(GZIP).all(|(byte, magic)| *byte == magic);
            match bytes.get(3) {
                _ if !fits => Err("this is not gzip"),
                Some(flags) if flags & RESERVED != 0 => Err("flags that nobody has defined"),
                Some(&flags) => match gzip(flags, bytes) {
                    None if bytes.len() > MOST => Err("a header without end"),
                    len => Ok(len),
                },
                None => Ok(None),
            }
        }
    }
}

fn zlib(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    let Some(&[method, flags]) = bytes.first_chunk() else {
        return Ok(None);
    };
    let sum = u16::from_be_bytes([method, flags]);
    match flags & 1 << 5 {
        _ if method & 0xf != 8 || method >> 4 > 7 || sum % 31 != 0 => Err("this is not zlib"),
        0 => Ok(Some(2)),
        _ => Err("a dictionary is needed"),
    }
}

fn gzip(flags: u8, bytes: &[u8]) -> Option<usize> {
    let mut at = 10;
    if flags & EXTRA != 0 {
        let len: [u8; 2] = *bytes.get(at..)?.first_chunk()?;
        at += 2 + usize::from(u16::from_le_bytes(len));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            at += 1 + bytes.get(at..)?.iter().position(|byte| *byte == 0)?;
        }
    }
    if flags & CRC != 0 {
        at += 2;
    }
    (bytes.len() >= at).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_headers_are_headers() {
        for format in [Format::Deflate, Format::Zlib, Format::Gzip] {
            let bytes = plain(format);
            assert_eq!(len(format, bytes), Ok(Some(bytes.len())));
            for short in 0..bytes.len() {
                assert_eq!(len(format, &bytes[..short]), Ok(None), "{format:?}");
            }
        }
    }

    #[test]
    fn all_fields_of_gzip_are_skipped() {
        let mut bytes = plain(Format::Gzip).to_vec();
        bytes[3] = CRC | EXTRA | NAME | COMMENT | 1;
        bytes.extend(b"\x03\0ABCname\0comment\0crdata");
        let end = bytes.len() - 4;
        assert_eq!(len(Format::Gzip, &bytes), Ok(Some(end)));
        assert_eq!(len(Format::Gzip, &bytes[..end]), Ok(Some(end)));
        assert_eq!(len(Format::Gzip, &bytes[..end - 1]), Ok(None));
    }

    #[test]
    fn what_is_none_says_why() {
        let table: [(Format, &[u8], &str); 6] = [
            (Format::Gzip, b"PK", "not gzip"),
            (Format::Gzip, b"\x1f\x8b\x07", "not gzip"),
            (Format::Gzip, b"\x1f\x8b\x08\x20", "nobody"),
            (Format::Zlib, b"\x1f\x8b", "not zlib"),
            (Format::Zlib, b"\x78\x9d", "not zlib"),
            (Format::Zlib, b"\x78\xbb", "dictionary"),
        ];
        for (format, bytes, words) in table {
            let why = len(format, bytes).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }
}
