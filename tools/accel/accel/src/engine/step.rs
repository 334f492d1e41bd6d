// SPDX-License-Identifier: GPL-2.0 OR MIT
//! What compression and decompression have in common: bytes in, bytes out.

use super::{Engine, Format};
use crate::error::Result;

/// Turns bytes into other bytes: a [`Packer`](super::Packer) or an
/// [`Unpacker`](super::Unpacker).
pub trait Step: sealed::Sealed {
    /// One that begins.
    fn begin(engine: &Engine, format: Format) -> Self
    where
        Self: Sized;

    /// Takes some of `input` and appends to `output` what there is by now; returns how much was
    /// taken. If that is nothing, and nothing was appended, it needs more, or has ended.
    ///
    /// What was appended before an error is right.
    fn step(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize>;

    /// Appends what can be made of the input so far.
    fn flush(&mut self, output: &mut Vec<u8>) -> Result<()>;

    /// There is no more input: appends the rest, or some of it; nothing if that was all.
    fn finish(&mut self, output: &mut Vec<u8>) -> Result<()>;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// All of `input`.
pub(super) fn all(mut step: impl Step, mut input: &[u8], output: &mut Vec<u8>) -> Result<()> {
    while !input.is_empty() {
        let taken = step.step(input, output)?;
        input = &input[taken..];
    }
    loop {
        let before = output.len();
        step.finish(output)?;
        if output.len() == before {
            return Ok(());
        }
    }
}
