// SPDX-License-Identifier: GPL-2.0
//! Archives of `zip`, `.zip`: their first entry, if it is stored or deflated.

use std::io::{BufRead, Read};

use flate2::{Decompress, FlushDecompress, Status};

use super::{cut_off, take, violated};
use crate::container::Trailer;
use crate::decompress::Rest;
use crate::error::{Error, Result};
use crate::input::{Input, Next, Reader};
use crate::sink::Sink;

const ENTRY: [u8; 4] = *b"PK\x03\x04";
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";
const ENCRYPTED: u16 = 1;
/// Checksum and sizes are not known before the data, and stand behind it.
const BEHIND: u16 = 1 << 3;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Decompresses the first entry; tells whether there are others.
pub fn decompress(input: &mut Reader<'_>, sink: &mut Sink) -> Result<Rest> {
    let header: [u8; 30] = take(input)?;
    let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let word = |at: usize| u32::from(half(at)) | u32::from(half(at + 2)) << 16;
    let (flags, method) = (half(6), half(8));
    let mut told = Trailer {
        crc: word(14),
        len: word(22),
    };
    skip(input, u64::from(half(26)) + u64::from(half(28)))?;
    if flags & ENCRYPTED != 0 {
        return Err(Error::Unsupported("encryption"));
    }
    let found = match (method, flags & BEHIND) {
        (DEFLATED, _) => inflate(input, sink)?,
        (STORED, 0) => copy(input, told.len, sink)?,
        _ => return Err(Error::Unsupported("a method that is not deflate")),
    };
    if flags & BEHIND != 0 {
        told = descriptor(input)?;
    }
    if found.crc != told.crc {
        return Err(Error::Invalid("crc error"));
    }
    // Larger ones have their length elsewhere.
    if found.len != told.len && told.len != u32::MAX {
        return Err(Error::Invalid("length error"));
    }
    Ok(match is_at(input.0)? {
        true => Rest::Entries,
        false => Rest::Nothing,
    })
}

/// Whether an entry begins at the input's place.
pub fn is_at(input: &mut Input) -> Result<bool> {
    let bytes = input.peek(ENTRY.len(), true)?;
    Ok(matches!(bytes, Next::Item(bytes) if bytes.starts_with(&ENTRY)))
}

fn skip(input: &mut Reader<'_>, count: u64) -> Result<()> {
    let skipped = std::io::copy(&mut input.take(count), &mut std::io::sink());
    match skipped.map_err(cut_off)? == count {
        true => Ok(()),
        false => Err(Error::UnexpectedEnd),
    }
}

/// What stands behind the data of an entry.
fn descriptor(input: &mut Reader<'_>) -> Result<Trailer> {
    let mut crc: [u8; 4] = take(input)?;
    // Not all write this.
    if crc == DESCRIPTOR {
        crc = take(input)?;
    }
    let [_, _, _, _, len @ ..]: [u8; 8] = take(input)?;
    Ok(Trailer {
        crc: u32::from_le_bytes(crc),
        len: u32::from_le_bytes(len),
    })
}

/// Hands on the next `len` bytes; returns their checksum and length.
fn copy(input: &mut Reader<'_>, len: u32, sink: &mut Sink) -> Result<Trailer> {
    let mut found = Trailer::NOTHING;
    while found.len < len {
        let bytes = input.fill_buf().map_err(cut_off)?;
        let count = bytes.len().min((len - found.len) as usize);
        if count == 0 {
            return Err(Error::UnexpectedEnd);
        }
        sink.put(&bytes[..count])?;
        found = found.join(Trailer::of(&bytes[..count]));
        input.consume(count);
    }
    Ok(found)
}

/// Decompresses deflate data up to their end; returns checksum and length of what comes of them.
fn inflate(input: &mut Reader<'_>, sink: &mut Sink) -> Result<Trailer> {
    let mut raw = Decompress::new(false);
    let mut room = Vec::with_capacity(64 << 10);
    let mut found = Trailer::NOTHING;
    loop {
        let bytes = input.fill_buf().map_err(cut_off)?;
        let (before, at_end) = (raw.total_in(), bytes.is_empty());
        room.clear();
        let status = raw.decompress_vec(bytes, &mut room, FlushDecompress::None);
        let status = status.map_err(|_| violated())?;
        let count = (raw.total_in() - before) as usize;
        input.consume(count);
        sink.put(&room)?;
        found = found.join(Trailer::of(&room));
        if status == Status::StreamEnd {
            return Ok(found);
        }
        if at_end && room.is_empty() {
            return Err(Error::UnexpectedEnd);
        }
    }
}

/// The method of the entry at the input's place, as gzip calls it.
pub fn method(input: &mut Input) -> Result<&'static str> {
    let bytes = input.peek(10, true)?;
    Ok(match bytes {
        Next::Item(&[_, _, _, _, _, _, _, _, 0, 0, ..]) => "store",
        _ => "defla",
    })
}
