// SPDX-License-Identifier: GPL-2.0

//! The contexts that configure queues: 32 bytes each, little-endian.

/// Bytes of a context.
pub const CONTEXT_SIZE: usize = 32;

/// A context as it lies in memory.
pub type Raw = [u8; CONTEXT_SIZE];

fn half(raw: &Raw, at: usize) -> u16 {
    u16::from_le_bytes([raw[at], raw[at + 1]])
}

fn word(raw: &Raw, at: usize) -> u32 {
    u32::from(half(raw, at)) | u32::from(half(raw, at + 2)) << 16
}

fn base(raw: &Raw) -> u64 {
    u64::from(word(raw, 4)) | u64::from(word(raw, 8)) << 32
}

/// Puts a ring's position into a context that is read back.
///
/// `wrapped` flips whenever the tail begins anew at entry 0.
pub fn put_position(raw: &mut Raw, head: u16, tail: u16, wrapped: bool) {
    const WRAPPED: u8 = 1 << 6;
    raw[0..2].copy_from_slice(&head.to_le_bytes());
    raw[2..4].copy_from_slice(&tail.to_le_bytes());
    raw[22] = raw[22] & !WRAPPED | if wrapped { WRAPPED } else { 0 };
}

/// Whether an SQC is that of a queue which no doorbell begins again.
pub fn is_closed(raw: &Raw) -> bool {
    const CLOSED: u16 = 1 << 6;
    half(raw, 26) & CLOSED != 0
}

/// What a doorbell has to bring, in bits 31:16, to begin the queue of this context again.
pub fn tag(raw: &Raw) -> u16 {
    half(raw, 16)
}

/// Which way a queue works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Plain data in, compressed data out.
    Compress,
    /// Compressed data in, plain data out.
    Decompress,
}

/// What an SQC says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sqc {
    /// I/O address of the ring.
    pub base: u64,
    /// Entries.
    pub depth: u16,
    /// Address space of the data, if not the function's own.
    pub pasid: Option<u32>,
    /// PASID field, used or not.
    pub pasid_field: u16,
    /// Number of the CQ.
    pub cq: u16,
    /// `None` for a type that the engine does not know.
    pub direction: Option<Direction>,
}

impl Sqc {
    /// Takes an SQC apart; `None` if the device can't work with it.
    pub fn parse(raw: &Raw) -> Option<Self> {
        const PASID_ENABLE: u16 = 1 << 7;
        const ENTRY_SIZE_LOG2: u32 = 7;
        let layout = word(raw, 12);
        let depth = depth(layout & 0xfff)?;
        if layout >> 12 & 0xf != ENTRY_SIZE_LOG2 {
            return None;
        }
        let pasid_field = half(raw, 20);
        Some(Self {
            base: base(raw),
            depth,
            pasid: (half(raw, 22) & PASID_ENABLE != 0).then_some(u32::from(pasid_field)),
            pasid_field,
            cq: half(raw, 24),
            direction: match half(raw, 26) >> 8 & 0xf {
                0 => Some(Direction::Compress),
                1 => Some(Direction::Decompress),
                _ => None,
            },
        })
    }
}

/// What a CQC says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cqc {
    /// I/O address of the ring.
    pub base: u64,
    /// Entries.
    pub depth: u16,
    /// Phase bit of the first pass.
    pub phase: bool,
    /// Whether the next completion raises an event.
    pub armed: bool,
}

impl Cqc {
    /// Takes a CQC apart; `None` if the device can't work with it.
    pub fn parse(raw: &Raw) -> Option<Self> {
        const ENTRY_SIZE_LOG2: u32 = 4;
        let layout = word(raw, 12);
        let flags = word(raw, 24);
        if layout >> 12 & 0xf != ENTRY_SIZE_LOG2 {
            return None;
        }
        Some(Self {
            base: base(raw),
            depth: depth(layout & 0xfff)?,
            phase: flags & 1 != 0,
            armed: flags & 2 != 0,
        })
    }
}

/// What an EQC or an AEQC says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eqc {
    /// I/O address of the ring.
    pub base: u64,
    /// Entries.
    pub depth: u16,
    /// Phase bit of the first pass.
    pub phase: bool,
}

impl Eqc {
    /// Takes an EQC or AEQC apart; `None` if the device can't work with it.
    pub fn parse(raw: &Raw) -> Option<Self> {
        let layout = word(raw, 24);
        Some(Self {
            base: base(raw),
            depth: depth(layout & 0xffff)?,
            phase: layout & 1 << 16 != 0,
        })
    }
}

/// A ring of one entry could never hold anything: it is always full or always empty.
fn depth(minus_one: u32) -> Option<u16> {
    u16::try_from(minus_one + 1)
        .ok()
        .filter(|depth| *depth >= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(words: [u32; 8]) -> Raw {
        let mut raw = [0; CONTEXT_SIZE];
        for (bytes, word) in raw.chunks_exact_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        raw
    }

    #[test]
    fn sqc_of_the_mainline_driver() {
        let sqc = Sqc::parse(&raw([
            0,
            0x1000,
            0x2,
            7 << 12 | 1023,
            0,
            9 | 0x80 << 16,
            5 | 0x110 << 16,
            0,
        ]));
        let expected = Sqc {
            base: 0x2_0000_1000,
            depth: 1024,
            pasid: Some(9),
            pasid_field: 9,
            cq: 5,
            direction: Some(Direction::Decompress),
        };
        assert_eq!(sqc, Some(expected));
    }

    #[test]
    fn bad_contexts() {
        let sqe_of_64 = raw([0, 0, 0, 6 << 12 | 1023, 0, 0, 0, 0]);
        let one_entry = raw([0, 0, 0, 7 << 12, 0, 0, 0, 0]);
        assert_eq!(Sqc::parse(&sqe_of_64), None);
        assert_eq!(Sqc::parse(&one_entry), None);
        assert_eq!(Cqc::parse(&sqe_of_64), None);
        assert_eq!(Eqc::parse(&raw([0, 0, 0, 0, 0, 0, 0xffff, 0])), None);
    }

    #[test]
    fn unknown_type_is_kept_for_the_job_to_report() {
        let sqc = Sqc::parse(&raw([0, 0, 0, 7 << 12 | 63, 0, 0, 0x210 << 16, 0])).unwrap();
        assert_eq!(sqc.direction, None);
        assert_eq!(sqc.pasid, None);
    }

    #[test]
    fn position_is_read_back() {
        let mut bytes = raw([0, 0, 0, 0, 0, 0x80 << 16, 0, 0]);
        put_position(&mut bytes, 3, 4, true);
        assert_eq!(bytes[0..4], [3, 0, 4, 0]);
        assert_eq!(bytes[22], 0xc0);
        put_position(&mut bytes, 3, 4, false);
        assert_eq!(bytes[22], 0x80);
    }
}
