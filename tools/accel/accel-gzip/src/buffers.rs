// SPDX-License-Identifier: GPL-2.0
//! Buffers that are used again and again.

use accel::hisi_zip::{CONTEXT_SIZE, REQUEST_MAX, Stream};
use accel::memory::{Memory, Source};
use accel::{AddressMode, AddressSpace};

use crate::container::{HEADER_MAX, TRAILER, stored_len};
use crate::error::Result;

/// Bytes in a buffer before the place where the engine writes: room for a header.
pub const LEAD: usize = HEADER_MAX.next_multiple_of(64);

/// Whatever a request can read or write has room.
const LARGEST: usize = (LEAD + stored_len(REQUEST_MAX) + TRAILER).next_multiple_of(4096);

/// Spare buffers in an address space, or such as no device sees.
#[derive(Debug, Default)]
pub struct Buffers {
    space: Option<AddressSpace>,
    spare: Vec<Memory>,
    /// Memory for contexts of streams.
    contexts: Vec<Memory>,
}

impl Buffers {
    /// No buffers yet.
    pub fn new(space: AddressSpace) -> Self {
        Self {
            space: Some(space),
            ..Self::default()
        }
    }

    /// A buffer of `len` bytes or more: a spare one, or a new one.
    pub fn get(&mut self, len: usize) -> Result<Memory> {
        let fits = |memory: &Memory| memory.len() >= len;
        if let Some(place) = self.spare.iter().rposition(fits) {
            return Ok(self.spare.swap_remove(place));
        }
        // One that is too small makes room for it, so that there are never more than in use.
        self.spare.pop();
        let len = self.size(len);
        Ok(match &self.space {
            Some(space) => space.memory(len)?,
            None => Memory::new(len)?,
        })
    }

    /// Memory for the context of a stream: a spare one, or a new one.
    pub fn context(&mut self) -> Result<Memory> {
        match (self.contexts.pop(), &self.space) {
            (Some(context), _) => Ok(context),
            (None, Some(space)) => Ok(Stream::memory(space)?),
            (None, None) => Ok(Memory::new(CONTEXT_SIZE)?),
        }
    }

    /// Takes it back.
    pub fn put_context(&mut self, context: Memory) {
        self.contexts.push(context);
    }

    /// Bytes of a new buffer that has to have `len`.
    fn size(&self, len: usize) -> usize {
        match self.space.as_ref().map(AddressSpace::mode) {
            // Only pages that are touched take memory, so the size costs address space alone.
            Some(AddressMode::Shared) => len.max(LARGEST),
            // All of it takes memory. The next to be asked for may be a bit larger.
            Some(_) => (len + len / 8).next_multiple_of(4096),
            None => len,
        }
    }

    /// Sees to it that `count` buffers of `len` bytes are there, so that getting one is no system
    /// call.
    pub fn fill(&mut self, count: usize, len: usize) -> Result<()> {
        let made = (0..count)
            .map(|_| self.get(len))
            .collect::<Result<Vec<_>>>()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn buffers(mode: AddressMode) -> Buffers {
        Buffers::new(accel_fake::Context::new(mode).address_space().clone())
    }

    #[test]
    fn spare_buffers_are_used_if_they_fit() {
        let mut spare = buffers(AddressMode::Private);
        let small = spare.get(10_000).unwrap();
        let large = spare.get(100_000).unwrap();
        let (small_len, large_len) = (small.len(), large.len());
        assert!(small_len < large_len);
        spare.put(large);
        spare.put(small);
        assert_eq!(spare.get(50_000).unwrap().len(), large_len);
        assert!(spare.get(50_000).unwrap().len() >= 50_000);
        assert!(spare.spare.is_empty());
    }

    #[test]
    fn in_a_shared_address_space_all_are_of_one_size() {
        let mut spare = buffers(AddressMode::Shared);
        assert_eq!(spare.get(1).unwrap().len(), LARGEST);
        spare.fill(3, 100).unwrap();
        assert_eq!(spare.spare.len(), 3);
        assert_eq!(spare.get(REQUEST_MAX).unwrap().len(), LARGEST);
        assert_eq!(spare.spare.len(), 2);
    }
}
