// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Compression and decompression of what is read.
//!
//! ```
//! use std::io::Read;
//!
//! use accel::{Engine, Format, read};
//!
//! # fn main() -> std::io::Result<()> {
//! let engine = Engine::auto();
//! let plain = &b"some file, or socket"[..];
//! let packed = read::Encoder::new(&engine, Format::Gzip, plain);
//! let mut back = String::new();
//! read::Decoder::new(&engine, Format::Gzip, packed).read_to_string(&mut back)?;
//! assert_eq!(back, "some file, or socket");
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;

use crate::engine::{Engine, Format, Packer, Step, Unpacker};
use crate::error::Error;

/// Bytes that are read at once.
const INPUT: usize = 256 << 10;

/// Reads plain data from a reader, and is read as compressed data.
pub type Encoder<R> = Reader<R, Packer>;

/// Reads compressed data from a reader, and is read as plain data.
///
/// What can be made of damaged data is there before the error is.
pub type Decoder<R> = Reader<R, Unpacker>;

/// An [`Encoder`] or a [`Decoder`].
///
/// It reads in large pieces; what the reader has by itself need not be buffered.
pub struct Reader<R, S> {
    inner: R,
    step: S,
    input: Box<[u8]>,
    /// What of the input is not taken.
    untaken: Range<usize>,
    /// Whether there is no more.
    ended: bool,
    output: Vec<u8>,
    /// How much of the output is read.
    read: usize,
    failed: Option<Error>,
}

impl<R: Read, S: Step> Reader<R, S> {
    /// Of what `inner` reads.
    pub fn new(engine: &Engine, format: Format, inner: R) -> Self {
        Self {
            inner,
            step: S::begin(engine, format),
            input: vec![0; INPUT].into(),
            untaken: 0..0,
            ended: false,
            output: Vec::new(),
            read: 0,
            failed: None,
        }
    }

    /// Makes some output, if there is no error and it is not the end.
    fn more(&mut self) -> io::Result<()> {
        self.output.clear();
        self.read = 0;
        while self.output.is_empty() && self.failed.is_none() {
            let rest = &self.input[self.untaken.clone()];
            let had_none = rest.is_empty();
            match self.step.step(rest, &mut self.output) {
                Ok(taken) => self.untaken.start += taken,
                Err(error) => self.failed = Some(error),
            }
            if !had_none || !self.output.is_empty() || self.failed.is_some() {
                continue;
            }
            if self.ended {
                self.failed = self.step.finish(&mut self.output).err();
                return Ok(());
            }
            let len = self.inner.read(&mut self.input)?;
            self.ended = len == 0;
            self.untaken = 0..len;
        }
        Ok(())
    }
}

impl<R, S> Reader<R, S> {
    /// The reader.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The reader; more of it is read than was made use of.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read, S: Step> Read for Reader<R, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.output.len() && !buffer.is_empty() {
            self.more()?;
        }
        let rest = &self.output[self.read..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        match self.failed.take() {
            Some(error) if rest.is_empty() && !buffer.is_empty() => Err(error.into()),
            failed => {
                self.failed = failed;
                Ok(count)
            }
        }
    }
}

impl<R: fmt::Debug, S> fmt::Debug for Reader<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
