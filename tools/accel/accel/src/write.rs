// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Compression and decompression of what is written.
//!
//! ```
//! use std::io::Write;
//!
//! use accel::{Engine, Format, write};
//!
//! # fn main() -> std::io::Result<()> {
//! let engine = Engine::auto();
//! let mut encoder = write::Encoder::new(&engine, Format::Gzip, Vec::new());
//! encoder.write_all(b"some file, or socket")?;
//! let packed = encoder.finish()?;
//! let mut decoder = write::Decoder::new(&engine, Format::Gzip, Vec::new());
//! decoder.write_all(&packed)?;
//! assert_eq!(decoder.finish()?, b"some file, or socket");
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::io::{self, Write};

use crate::engine::{Engine, Format, Packer, Step, Unpacker};
use crate::error::Result;

/// Is written plain data, and writes compressed data to a writer.
pub type Encoder<W> = Writer<W, Packer>;

/// Is written compressed data, and writes plain data to a writer.
///
/// What can be made of damaged data is written before the error is told.
pub type Decoder<W> = Writer<W, Unpacker>;

/// An [`Encoder`] or a [`Decoder`].
///
/// It writes in large pieces; the writer need not be buffered. Who drops it without
/// [`finish`](Self::finish) leaves data that are cut off, and can be told to be so.
pub struct Writer<W, S> {
    inner: W,
    step: S,
    output: Vec<u8>,
}

impl<W: Write, S: Step> Writer<W, S> {
    /// To what `inner` writes.
    pub fn new(engine: &Engine, format: Format, inner: W) -> Self {
        Self {
            inner,
            step: S::begin(engine, format),
            output: Vec::new(),
        }
    }

    /// Writes all that is left, flushes the writer, and gives it back.
    pub fn finish(mut self) -> io::Result<W> {
        loop {
            let result = self.step.finish(&mut self.output);
            if result.is_ok() && self.output.is_empty() {
                self.inner.flush()?;
                return Ok(self.inner);
            }
            self.pass(result)?;
        }
    }

    /// Writes what there is, and then tells what went wrong.
    fn pass<T>(&mut self, result: Result<T>) -> io::Result<T> {
        self.inner.write_all(&self.output)?;
        self.output.clear();
        Ok(result?)
    }
}

impl<W, S> Writer<W, S> {
    /// The writer.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }
}

impl<W: Write, S: Step> Write for Writer<W, S> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        // To take nothing is to take nothing ever.
        loop {
            let result = self.step.step(buffer, &mut self.output);
            let taken = self.pass(result)?;
            if taken > 0 || buffer.is_empty() {
                return Ok(taken);
            }
        }
    }

    /// Writes what can be made of all that was written so far, and flushes the writer.
    fn flush(&mut self) -> io::Result<()> {
        let result = self.step.flush(&mut self.output);
        self.pass(result)?;
        self.inner.flush()
    }
}

impl<W: fmt::Debug, S> fmt::Debug for Writer<W, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
