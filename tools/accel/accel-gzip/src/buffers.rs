// SPDX-License-Identifier: GPL-2.0
//! Buffers that are used again and again.

use accel::hisi_zip::REQUEST_MAX;
use accel::memory::{Memory, Source};

use crate::container::{HEADER_MAX, TRAILER, stored_len};
use crate::error::Result;

/// Bytes in a buffer before the place where the engine writes: room for a header.
pub const LEAD: usize = HEADER_MAX.next_multiple_of(64);

/// Spare buffers, all of one size: whatever a request can read or write has room.
///
/// Only pages that are touched take memory, so the size costs address space alone.
#[derive(Debug, Default)]
pub struct Buffers {
    spare: Vec<Memory>,
}

impl Buffers {
    /// A spare buffer, or a new one.
    pub fn get(&mut self) -> Result<Memory> {
        const SIZE: usize = (LEAD + stored_len(REQUEST_MAX) + TRAILER).next_multiple_of(4096);
        match self.spare.pop() {
            Some(buffer) => Ok(buffer),
            None => Ok(Memory::new(SIZE)?),
        }
    }

    /// Sees to it that `count` buffers are there, so that getting one is no system call.
    pub fn fill(&mut self, count: usize) -> Result<()> {
        let made = (0..count).map(|_| self.get()).collect::<Result<Vec<_>>>()?;
        self.spare.extend(made);
        Ok(())
    }

    /// Takes a buffer back.
    pub fn put(&mut self, buffer: Memory) {
        self.spare.push(buffer);
    }

    /// Takes back the buffer in `source`, if nobody else has it.
    pub fn put_source(&mut self, source: Source) {
        self.spare.extend(source.into_memory());
    }
}
