// SPDX-License-Identifier: GPL-2.0
//! Files of `pack`, `.z`: a Huffman code for bytes, and one more for the end.
//!
//! The shortest codes come first in the tree's description; on each level, those of inner nodes
//! are less than those of leaves.

use std::io::Read;

use super::{take, violated};
use crate::error::{Error, Result};
use crate::sink::Sink;

/// Bits that a code has at most.
const DEPTH_MAX: usize = 25;

/// Decompresses one file.
pub fn decompress(input: &mut dyn Read, sink: &mut Sink) -> Result<()> {
    let [_, _, length @ ..]: [u8; 6] = take(input)?;
    let length = u32::from_be_bytes(length);
    let tree = Tree::read(input)?;
    let mut bits = Bits {
        input,
        byte: 0,
        left: 0,
    };
    let mut written = 0u32;
    while let Some(byte) = tree.next(&mut bits)? {
        written = written.checked_add(1).ok_or_else(violated)?;
        sink.put(&[byte])?;
    }
    match written == length {
        true => Ok(()),
        false => Err(Error::Invalid("length error")),
    }
}

/// Bits of the input, the highest of a byte first.
struct Bits<'a> {
    input: &'a mut dyn Read,
    byte: u8,
    left: u32,
}

impl Bits<'_> {
    fn next(&mut self) -> Result<usize> {
        if self.left == 0 {
            [self.byte] = take(self.input)?;
            self.left = 8;
        }
        self.left -= 1;
        Ok(usize::from(self.byte >> self.left & 1))
    }
}

/// A level of the tree.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Inner nodes, which have the first codes.
    inner: usize,
    /// Leaves; the last of the deepest level is the end.
    leaves: usize,
    /// Where their bytes are.
    start: usize,
}

struct Tree {
    levels: Vec<Level>,
    bytes: Vec<u8>,
}

impl Tree {
    fn read(input: &mut dyn Read) -> Result<Self> {
        let [depth] = take(input)?;
        if !(1..=DEPTH_MAX).contains(&usize::from(depth)) {
            return Err(violated());
        }
        let mut levels = Vec::new();
        let mut start = 0;
        for _ in 0..depth {
            let [leaves] = take(input)?;
            let leaves = usize::from(leaves);
            levels.push(Level {
                start,
                leaves,
                inner: 0,
            });
            start += leaves;
        }
        // Two leaves more than it says are on the deepest level: a byte, and the end.
        let mut bytes = vec![0; start + 1];
        if bytes.len() > 256 {
            return Err(violated());
        }
        for byte in &mut bytes {
            [*byte] = take(input)?;
        }
        if let Some(deepest) = levels.last_mut() {
            deepest.leaves += 2;
        }
        let mut nodes = 0;
        for level in levels.iter_mut().rev() {
            level.inner = nodes;
            let all = nodes + level.leaves;
            if all % 2 != 0 {
                return Err(violated());
            }
            nodes = all / 2;
        }
        match nodes {
            1 => Ok(Self { levels, bytes }),
            _ => Err(violated()),
        }
    }

    /// The byte that is next; nothing at the end.
    fn next(&self, bits: &mut Bits<'_>) -> Result<Option<u8>> {
        let mut code = 0;
        for level in &self.levels {
            code = code << 1 | bits.next()?;
            if let Some(leaf) = code.checked_sub(level.inner) {
                // The end has no byte.
                return Ok(self.bytes.get(level.start + leaf).copied());
            }
        }
        Err(violated())
    }
}
