// SPDX-License-Identifier: GPL-2.0
//! What is done without the engine: by flate2.

use crc32fast::Hasher;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::container::{TRAILER, Trailer};
use crate::error::{Error, Result};

/// Output that is made room for at once.
const ROOM: usize = 64 << 10;

/// Compresses blocks.
pub struct Deflate(Compress);

impl Deflate {
    /// With a level of 0 to 9.
    pub fn new(level: u8) -> Self {
        let level = Compression::new(level.into());
        Self(Compress::new(level, false))
    }

    /// Deflate data of `plain`, which know nothing of other blocks: up to the end of a stream if
    /// it is the `last`, or else to the end of a byte.
    pub fn block(&mut self, plain: &[u8], last: bool, output: &mut Vec<u8>) {
        self.0.reset();
        let flush = match last {
            true => FlushCompress::Finish,
            false => FlushCompress::Sync,
        };
        loop {
            output.reserve(ROOM);
            let rest = &plain[self.0.total_in() as usize..];
            let status = self.0.compress_vec(rest, output, flush);
            let status = status.expect("compression knows no bad data");
            let full = output.len() == output.capacity();
            let done = self.0.total_in() as usize == plain.len() && !full;
            if status == Status::StreamEnd || done && !last {
                return;
            }
        }
    }
}

/// Decompresses a member behind its header, and checks its trailer.
pub struct Inflate {
    raw: Decompress,
    crc: Hasher,
    plain_len: u32,
    ended: bool,
    trailer: Vec<u8>,
}

impl Default for Inflate {
    fn default() -> Self {
        Self {
            raw: Decompress::new(false),
            crc: Hasher::new(),
            plain_len: 0,
            ended: false,
            trailer: Vec::with_capacity(TRAILER),
        }
    }
}

impl Inflate {
    /// Begins with another member.
    pub fn reset(&mut self) {
        self.raw.reset(false);
        self.crc.reset();
        self.plain_len = 0;
        self.ended = false;
        self.trailer.clear();
    }

    /// Length of the plain data so far, modulo 2^32.
    pub fn plain_len(&self) -> u32 {
        self.plain_len
    }

    /// Appends to `output` what comes of some of `input`; returns how much was taken, and whether
    /// the member ends there.
    pub fn feed(&mut self, input: &[u8], output: &mut Vec<u8>) -> (usize, Result<bool>) {
        let mut taken = 0;
        if !self.ended {
            let (before, start) = (self.raw.total_in(), output.len());
            output.reserve(ROOM);
            let status = self
                .raw
                .decompress_vec(input, output, FlushDecompress::None);
            taken = (self.raw.total_in() - before) as usize;
            self.crc.update(&output[start..]);
            self.plain_len = self.plain_len.wrapping_add((output.len() - start) as u32);
            match status {
                Ok(status) => self.ended = status == Status::StreamEnd,
                Err(_) => return (taken, Err(Error::Invalid("format violated"))),
            }
        }
        if self.ended {
            let rest = &input[taken..];
            let part = &rest[..rest.len().min(TRAILER - self.trailer.len())];
            self.trailer.extend_from_slice(part);
            taken += part.len();
        }
        (taken, self.is_over())
    }

    /// What is still to come of a member whose input is at its end too early.
    pub fn finish(&mut self, output: &mut Vec<u8>) -> Error {
        loop {
            let len = output.len();
            match self.feed(&[], output) {
                (_, Err(error)) => return error,
                _ if output.len() == len => return Error::UnexpectedEnd,
                _ => {}
            }
        }
    }

    /// Whether `parts`, one behind the other, are data and trailer of a member, and no more.
    pub fn is_member(&mut self, parts: &[&[u8]], room: &mut Vec<u8>) -> bool {
        self.reset();
        let mut is_over = false;
        for mut part in parts.iter().copied() {
            while !part.is_empty() {
                room.clear();
                let (count, over) = self.feed(part, room);
                let moves = count > 0 || !room.is_empty();
                match over {
                    Ok(over) if moves && !is_over => is_over = over,
                    _ => return false,
                }
                part = &part[count..];
            }
        }
        is_over
    }

    fn is_over(&self) -> Result<bool> {
        let Some(bytes) = self.trailer.first_chunk() else {
            return Ok(false);
        };
        let told = Trailer::parse(*bytes);
        if told.crc != self.crc.clone().finalize() {
            return Err(Error::Invalid("crc error"));
        }
        match told.len == self.plain_len {
            true => Ok(true),
            false => Err(Error::Invalid("length error")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Vec<u8> {
        (0..300_000u32)
            .map(|n| (n.wrapping_mul(n) >> 9) as u8)
            .collect()
    }

    fn payload(plain: &[u8], level: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        Deflate::new(level).block(plain, true, &mut bytes);
        bytes.extend(Trailer::of(plain).bytes());
        bytes
    }

    fn inflated(mut input: &[u8]) -> (Vec<u8>, Result<bool>) {
        let (mut inflate, mut output) = (Inflate::default(), Vec::new());
        while !input.is_empty() {
            let (taken, result) = inflate.feed(&input[..input.len().min(7000)], &mut output);
            match result {
                Ok(false) => input = &input[taken..],
                other => return (output, other),
            }
        }
        let error = inflate.finish(&mut output);
        (output, Err(error))
    }

    #[test]
    fn there_and_back() {
        for plain in [plain(), Vec::new(), b"x".to_vec()] {
            for level in [0, 1, 6, 9] {
                let (back, result) = inflated(&payload(&plain, level));
                assert!(result.unwrap() && back == plain);
            }
        }
    }

    #[test]
    fn blocks_make_a_stream() {
        let (plain, mut bytes) = (plain(), Vec::new());
        let mut deflate = Deflate::new(6);
        for block in plain.chunks(70_000) {
            deflate.block(block, false, &mut bytes);
        }
        bytes.extend(crate::container::LAST_BLOCK);
        bytes.extend(Trailer::of(&plain).bytes());
        let (back, result) = inflated(&bytes);
        assert!(result.unwrap() && back == plain);
    }

    #[test]
    fn what_is_no_member_is_told() {
        let plain = plain();
        let mut part = Vec::new();
        Deflate::new(6).block(&plain, false, &mut part);
        let last = crate::container::LAST_BLOCK;
        let trailer = Trailer::of(&plain).bytes();
        let is = |parts: &[&[u8]]| Inflate::default().is_member(parts, &mut Vec::new());
        assert!(is(&[&part, &last, &trailer]));
        assert!(is(&[&payload(&plain, 1)]));
        // An empty block that ends amid a byte makes no part.
        let amid = [&part[..], &[0b0000_0010, 0]].concat();
        assert!(!is(&[&amid, &last, &trailer]));
        assert!(!is(&[&part, &last, &trailer, b"x"]));
        assert!(!is(&[&part, &trailer]));
        assert!(!is(&[&part, &last, &trailer[..7]]));
        assert!(!is(&[]));
        for at in (0..part.len()).step_by(997) {
            let mut damaged = part.clone();
            damaged[at] ^= 4;
            assert!(!is(&[&damaged, &last, &trailer]), "{at}");
        }
    }

    #[test]
    fn damage_is_named_and_all_before_it_had() {
        let plain = plain();
        let bytes = payload(&plain, 6);
        for (at, name) in [(8, "crc error"), (4, "length error")] {
            let mut bytes = bytes.clone();
            let at = bytes.len() - at;
            bytes[at] ^= 1;
            let (back, result) = inflated(&bytes);
            assert!(back == plain);
            let said = result.unwrap_err().to_string();
            assert_eq!(said, format!("invalid compressed data--{name}"));
        }
        let (back, result) = inflated(&bytes[..bytes.len() / 2]);
        assert!(matches!(result, Err(Error::UnexpectedEnd)));
        assert!(back.len() > plain.len() / 3 && plain.starts_with(&back));
        let (_, result) = inflated(&[0xff; 100]);
        assert!(matches!(result, Err(Error::Invalid("format violated"))));
    }
}
