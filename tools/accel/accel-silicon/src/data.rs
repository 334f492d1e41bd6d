// SPDX-License-Identifier: GPL-2.0
//! Data to work on, and checksums of it.

/// Bytes that compress as text does, the same each time.
pub fn text(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut bytes = Vec::with_capacity(len + 16);
    while bytes.len() < len {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12345);
        bytes.extend_from_slice(WORDS[(state >> 16) as usize % WORDS.len()].as_bytes());
    }
    bytes.truncate(len);
    bytes
}

const WORDS: [&str; 12] = [
    "queue ",
    "doorbell ",
    "completion ",
    "entry ",
    "stream ",
    "window ",
    "context ",
    "phase ",
    "reset ",
    "error ",
    "of the ",
    "and a ",
];

/// Bytes that do not compress, the same each time.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    });
    bytes.take(len).collect()
}

/// The CRC-32 of gzip.
pub fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| match crc & 1 {
            0 => crc >> 1,
            _ => crc >> 1 ^ 0xedb8_8320,
        })
    };
    !bytes.iter().fold(!0, step)
}

/// The checksum of zlib.
pub fn adler32(bytes: &[u8]) -> u32 {
    let step = |(a, b): (u32, u32), byte: &u8| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    };
    let (a, b) = bytes.iter().fold((1, 0), step);
    b << 16 | a
}

/// A deflate stream that holds `plain`, at most 65535 bytes, as it is, with the trailer of gzip.
pub fn stored_gzip(plain: &[u8]) -> Vec<u8> {
    [stored(plain, true), gzip_trailer(plain)].concat()
}

/// The trailer of gzip behind `plain`.
pub fn gzip_trailer(plain: &[u8]) -> Vec<u8> {
    let len = plain.len() as u32;
    [crc32(plain).to_le_bytes(), len.to_le_bytes()].concat()
}

/// A block of a deflate stream that holds `plain`, at most 65535 bytes, as it is.
pub fn stored(plain: &[u8], last: bool) -> Vec<u8> {
    let len = u16::try_from(plain.len()).expect("one block");
    let mut block = vec![last.into()];
    block.extend(len.to_le_bytes());
    block.extend((!len).to_le_bytes());
    block.extend(plain);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn a_stored_block_has_its_length_twice() {
        assert_eq!(stored(b"ab", true), [1, 2, 0, 0xfd, 0xff, b'a', b'b']);
        assert_eq!(
            stored_gzip(b"ab")[7..],
            [0x6d, 0x48, 0x83, 0x9e, 2, 0, 0, 0]
        );
    }

    #[test]
    fn data_is_the_same_each_time() {
        assert_eq!(text(1000), text(2000)[..1000]);
        assert_eq!(noise(1000), noise(2000)[..1000]);
    }
}
