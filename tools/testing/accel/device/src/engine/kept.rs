// SPDX-License-Identifier: GPL-2.0

//! What a stream leaves outside of the engine from one request to the next.
//!
//! The engine keeps nothing: its state lies in the context buffer, and in words of the entry that
//! software brings back in the next one. Here the state stays on the host, but only those go on with
//! it who bring back all that it would have been in.

use crate::readings::Nonsense;
use crate::sqe::Asks;
use crate::sqe::Carried;
use crate::sqe::LAST_BLOCK;

/// Bytes of the context buffer that are the engine's. UADK gives it all of 38 KiB but the first 64
/// bytes, and has data of its own behind.
pub const CONTEXT_SIZE: usize = 0x9800 - 64;
/// Bytes at the beginning of a context that say whose it is.
pub const HEAD_SIZE: usize = 16;
/// The first of them; the stream's id follows.
const MAGIC: [u8; 8] = *b"hisi-zip";

/// The stream that left this context, or its first [`HEAD_SIZE`] bytes, if one did.
pub fn stream_of(context: &[u8]) -> Option<u64> {
    let (magic, rest) = context.split_at(MAGIC.len());
    let id = rest.first_chunk().copied().map(u64::from_le_bytes);
    id.filter(|_| magic == MAGIC)
}

/// What the last request of a stream has left.
pub struct Kept {
    /// The words of its entry.
    pub carried: Carried,
    /// What they ask for.
    pub asks: Asks,
    seed: u64,
}

impl Kept {
    /// The context and the words of a request, which are others than those of any before.
    pub fn new(carried: Carried, asks: Asks, nonsense: &mut Nonsense) -> Self {
        let seed = nonsense.draw();
        Self {
            carried,
            asks,
            seed,
        }
    }

    /// Where UADK looks for a block that was left in the context: behind a window that is as long as
    /// word 29 says, in units of 16 bytes.
    fn block_at(&self) -> usize {
        const WINDOW: usize = 0xc00;
        WINDOW + (self.carried.private[1] & 0xffff).next_multiple_of(16) as usize
    }

    /// The context of stream `id`.
    pub fn context(&self, id: u64) -> Vec<u8> {
        let mut context = [MAGIC, id.to_le_bytes()].concat();
        let mut nonsense = Nonsense::new(self.seed);
        while context.len() < CONTEXT_SIZE {
            context.extend(nonsense.draw().to_le_bytes());
        }
        if self.asks == Asks::LastBlock {
            context[self.block_at()..][..LAST_BLOCK.len()].copy_from_slice(&LAST_BLOCK);
        }
        context
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_says_whose_it_is() {
        let kept = Kept::new(Carried::default(), Asks::Nothing, &mut Nonsense::new(1));
        let context = kept.context(77);
        assert_eq!(context.len(), CONTEXT_SIZE);
        assert_eq!(stream_of(&context), Some(77));
        assert_eq!(stream_of(&context[..HEAD_SIZE]), Some(77));
        assert_eq!(stream_of(&[0; HEAD_SIZE]), None);
    }
}
