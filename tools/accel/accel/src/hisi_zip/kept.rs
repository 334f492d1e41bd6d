// SPDX-License-Identifier: GPL-2.0 OR MIT
//! The bits of a raw deflate stream that the engine has taken and keeps, because they may be the
//! beginning of more.

/// Bytes that are looked at.
pub(super) const LEN: usize = 8;

/// More bits than this are no end of a stream: the engine would have gone on.
const BITS_MAX: u32 = 39;

/// Whether the first `count` bits of `bytes` are whole blocks, the last of which ends the stream.
pub(super) fn ends_stream(bytes: [u8; LEN], count: u32) -> bool {
    let mut bits = Bits {
        next: u64::from_le_bytes(bytes),
        left: count,
    };
    count <= BITS_MAX && bits.has_last_block().is_some()
}

/// Bits of deflate data (RFC 1951), none of which is read twice.
struct Bits {
    next: u64,
    left: u32,
}

/// A symbol of the fixed code that ends the block, or one that does not.
#[derive(PartialEq, Eq)]
enum Symbol {
    End,
    Other,
}

impl Bits {
    /// The next `count` bits, the first of which is the lowest.
    fn take(&mut self, count: u32) -> Option<u64> {
        self.left = self.left.checked_sub(count)?;
        let bits = self.next & ((1 << count) - 1);
        self.next >>= count;
        Some(bits)
    }

    /// `count` more bits of a code: the first of them is the highest.
    fn code(&mut self, begun: u64, count: u32) -> Option<u64> {
        (0..count).try_fold(begun, |code, _| Some(code << 1 | self.take(1)?))
    }

    /// Something if there is a last block, and it is whole.
    fn has_last_block(&mut self) -> Option<()> {
        while !self.block()? {}
        Some(())
    }

    /// Whether the next block is the last; nothing if it is not whole.
    fn block(&mut self) -> Option<bool> {
        let last = self.take(1)? == 1;
        match self.take(2)? {
            0 => self.stored()?,
            1 => while self.symbol()? != Symbol::End {},
            // Its codes alone are longer.
            _ => return None,
        }
        Some(last)
    }

    /// A block that holds bytes as they are has none: its length, which begins a byte, is 0.
    fn stored(&mut self) -> Option<()> {
        // The last bit that was taken ends a byte.
        self.take(self.left % 8)?;
        (self.take(32)? == 0xffff_0000).then_some(())
    }

    /// The next symbol of the fixed code, with all that belongs to it.
    fn symbol(&mut self) -> Option<Symbol> {
        let short = self.code(0, 7)?;
        match short {
            0 => return Some(Symbol::End),
            1..0x18 => return self.copy(256 + short),
            _ => {}
        }
        match self.code(short, 1)? {
            code @ 0xc0..0xc6 => return self.copy(280 + (code & 7)),
            // Symbols that there are none of.
            0xc6 | 0xc7 => return None,
            // A literal of 9 bits.
            0xc8.. => {
                self.take(1)?;
            }
            // One of 8 bits.
            _ => {}
        }
        Some(Symbol::Other)
    }

    /// The rest of a repetition that begins with `length`.
    fn copy(&mut self, length: u64) -> Option<Symbol> {
        let extra = match length {
            ..265 | 285 => 0,
            _ => (length - 261) / 4,
        };
        self.take(extra as u32)?;
        let distance = self.code(0, 5).filter(|code| *code < 30)?;
        let extra = (distance / 2).saturating_sub(1);
        self.take(extra as u32)?;
        Some(Symbol::Other)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn ends(bits: u64, count: u32) -> bool {
        ends_stream(bits.to_le_bytes(), count)
    }

    #[test]
    fn a_last_block_without_content_ends_the_stream() {
        // Fixed code: last, 01, 0000000.
        assert!(ends(0x003, 10));
        assert!(!ends(0x003, 9) && !ends(0x003, 0) && !ends(0x003, 40));
        // Not the last; then the last behind it.
        assert!(!ends(0x002, 10));
        assert!(ends(0x002 | 0x003 << 10, 20));
        // Dynamic codes, and a kind that there is none of.
        assert!(!ends(0x005, 39) && !ends(0x007, 39));
    }

    #[test]
    fn an_empty_stored_block_does() {
        const NOTHING: u64 = 0xffff_0000;
        assert!(ends(1 | NOTHING << 3, 35));
        assert!(ends(1 | NOTHING << 7, 39));
        assert!(!ends(NOTHING << 3, 35));
        assert!(!ends(1 | NOTHING << 3, 34));
        assert!(!ends(1 | 0xfffe_0001 << 3, 35));
    }

    #[test]
    fn a_block_ends_with_its_last_byte() {
        for plain in [&b"a"[..], b"aaaaaaaaaaaaaaaaaaaa", b"\xf0\xf1"] {
            let level = flate2::Compression::default();
            let mut packed = Vec::new();
            let mut encoder = flate2::read::DeflateEncoder::new(plain, level);
            encoder.read_to_end(&mut packed).unwrap();
            assert_eq!(packed[0] & 7, 3, "a last block of the fixed code");
            let count = (8 * packed.len() as u32).min(BITS_MAX);
            packed.resize(LEN, 0);
            let bytes = packed.try_into().unwrap();
            assert!(ends_stream(bytes, count), "{plain:?}");
            assert!(!ends_stream(bytes, count - 8), "{plain:?}");
        }
    }

    #[test]
    fn codes_that_there_are_none_of_end_nothing() {
        // Length 286, and distance 30 behind a length of 3.
        let reversed = |code: u64, count: u32| code.reverse_bits() >> (64 - count);
        assert!(!ends(3 | reversed(0xc6, 8) << 3, 39));
        assert!(!ends(3 | reversed(1, 7) << 3 | reversed(30, 5) << 10, 39));
        assert!(ends(3 | reversed(1, 7) << 3 | reversed(29, 5) << 10, 39));
    }
}
