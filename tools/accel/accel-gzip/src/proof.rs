// SPDX-License-Identifier: GPL-2.0
//! Whether what the engine has made of a block is that block.
//!
//! To tell, it is decompressed, which takes this program longer than the engine takes to compress.
//! So one block of a file is, or all where that is wanted. One is enough to see how an engine ends
//! its parts, which the next one is put behind.

use crate::container::{Header, LAST_BLOCK, Parsed, Trailer};
use crate::error::{Error, Result};
use crate::pipeline::Chunk;
use crate::software::Inflate;

/// Proves what the engine makes of a file.
pub struct Proof {
    inflate: Inflate,
    room: Vec<u8>,
    /// Whether all is to be proved.
    all: bool,
    /// Whether something is.
    begun: bool,
}

impl Proof {
    /// Of the first block that is done, or of `all`.
    pub fn new(all: bool) -> Self {
        Self {
            inflate: Inflate::default(),
            room: Vec::new(),
            all,
            begun: false,
        }
    }

    /// Proves a whole member, of the block at `offset`.
    pub fn of_member(&mut self, chunk: &Chunk, offset: u64) -> Result<()> {
        let member = &chunk.buffer.bytes()[chunk.range.clone()];
        match Header::parse(member) {
            Parsed::Header(header) => self.check(&[&member[header.len..]], offset),
            _ => Err(not_proved(offset)),
        }
    }

    /// Proves a part of a member, of the block at `offset` that has this `trailer`.
    pub fn of_part(&mut self, chunk: &Chunk, trailer: Trailer, offset: u64) -> Result<()> {
        let part = &chunk.buffer.bytes()[chunk.range.clone()];
        // A last block is understood there only where a byte begins.
        self.check(&[part, &LAST_BLOCK, &trailer.bytes()], offset)
    }

    fn check(&mut self, parts: &[&[u8]], offset: u64) -> Result<()> {
        if self.begun && !self.all {
            return Ok(());
        }
        self.begun = true;
        match self.inflate.is_member(parts, &mut self.room) {
            true => Ok(()),
            false => Err(not_proved(offset)),
        }
    }
}

fn not_proved(offset: u64) -> Error {
    let what = "the engine's output is not that of the input";
    Error::Engine { offset, what }
}
