// SPDX-License-Identifier: GPL-2.0
//! Formats of other compressors that gzip reads too. No engine does them.

mod lzw;
mod pack;
mod zip;

use std::io::{ErrorKind, Read};

use crate::decompress::Rest;
use crate::error::{Error, Result};
use crate::input::{Input, Next, Reader};
use crate::sink::Sink;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Of `compress`.
    Lzw,
    /// Of `pack`.
    Pack,
    /// Of `zip`, of which the first entry is read.
    Zip,
    /// Of SCO's `compress -H`.
    Lzh,
}

impl Format {
    /// The one whose file begins with `magic`, at the input's place; not all may follow what has
    /// been read already.
    pub fn at(input: &mut Input, magic: [u8; 2], first: bool) -> Result<Option<Self>> {
        Ok(match &magic {
            b"\x1f\x9d" => Some(Self::Lzw),
            b"\x1f\x1e" => Some(Self::Pack),
            b"\x1f\xa0" => Some(Self::Lzh),
            b"PK" if first && zip::is_at(input)? => Some(Self::Zip),
            _ => None,
        })
    }
}

/// The method of what begins at the input's place, as gzip calls it; `None`: that of its own
/// format.
pub fn method(input: &mut Input) -> Result<Option<&'static str>> {
    let Next::Item(&[a, b, ..]) = input.peek(2, true)? else {
        return Ok(None);
    };
    Ok(match Format::at(input, [a, b], true)? {
        Some(Format::Lzw) => Some("compr"),
        Some(Format::Pack) => Some("pack"),
        Some(Format::Lzh) => Some("lzh"),
        Some(Format::Zip) => Some(zip::method(input)?),
        None => None,
    })
}

/// Decompresses what begins at the input's place. It says what follows where nothing may; `None`:
/// anything may follow.
pub fn decompress(format: Format, input: &mut Input, sink: &mut Sink) -> Result<Option<Rest>> {
    let mut input = Reader(input);
    match format {
        Format::Lzw => lzw::decompress(&mut input, sink).map(|()| Some(Rest::Nothing)),
        Format::Pack => pack::decompress(&mut input, sink).map(|()| None),
        Format::Zip => zip::decompress(&mut input, sink).map(Some),
        Format::Lzh => Err(Error::Unsupported("the method of SCO's compress -H")),
    }
}

/// The next `N` bytes.
fn take<const N: usize>(input: &mut dyn Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes).map_err(cut_off)?;
    Ok(bytes)
}

fn cut_off(error: std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => Error::UnexpectedEnd,
        _ => Error::Read(error),
    }
}

/// Data that break their format's rules.
fn violated() -> Error {
    Error::Invalid("format violated")
}
