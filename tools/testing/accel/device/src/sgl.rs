// SPDX-License-Identifier: GPL-2.0

//! Hardware scatter lists: buffers in pieces.
//!
//! A list is a header of 64 bytes, then entries of 32. Lists make a chain; the first says how many entries
//! its chain has room for, and each says how many it has. Their layout is that of mainline's
//! `drivers/crypto/hisilicon/sgl.c`.

use crate::transfer::Progress;
use crate::transfer::Segment;
use crate::transfer::Transfer;
use crate::transfer::Turn;

const HEADER_SIZE: usize = 64;
const ENTRY_SIZE: usize = 32;
/// Most entries of one list. Those of a chain are counted in 16 bits.
const MAX_ENTRIES: u16 = 255;
/// What the address of a list is a multiple of.
const ALIGNMENT: u64 = 64;

/// What a chain may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Lists of a chain.
    lists: u32,
    /// Bytes of an entry, at least and at most.
    bytes: (u32, u32),
}

impl Limits {
    /// What UADK knows of.
    pub const KNOWN: Self = Self {
        lists: 256,
        bytes: (1, 8 << 20),
    };
    /// As much as there are bits for.
    pub const NONE: Self = Self {
        lists: u16::MAX as u32,
        bytes: (0, u32::MAX),
    };
}

/// A list that the device can't work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// What the header of a list says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    /// Address of the next list of the chain, 0 if there is none.
    next: u64,
    /// Entries that the chain has room for.
    chain: u16,
    /// Entries of this list.
    entries: u16,
    /// Entries that this list has room for.
    room: u16,
}

impl Header {
    fn parse(bytes: &[u8]) -> Self {
        Self {
            next: long(bytes, 0),
            chain: half(bytes, 8),
            entries: half(bytes, 10),
            room: half(bytes, 12),
        }
    }

    /// Only a list behind the first may have no entries.
    fn is_valid(&self, first: bool) -> bool {
        (u16::from(first)..=self.room).contains(&self.entries) && self.room <= MAX_ENTRIES
    }
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from(half(bytes, at)) | u32::from(half(bytes, at + 2)) << 16
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

enum Stage {
    /// Of the list at this address.
    Header(Transfer, u64),
    /// This is the address of the next list.
    Entries(Transfer, u64),
}

/// A chain of lists that is being read.
///
/// There may be so many lists and no more: a chain that loops ends.
pub struct Reader {
    pasid: Option<u32>,
    /// The lists are those that may still come.
    limits: Limits,
    stage: Stage,
    /// Entries that may still come, once the first header was read.
    left: Option<u16>,
    segments: Vec<Segment>,
}

impl Reader {
    /// Will read the chain that begins at `address` of the address space `pasid` (`None`: the
    /// function's own).
    pub fn new(pasid: Option<u32>, limits: Limits, address: u64) -> Result<Self, Malformed> {
        Ok(Self {
            pasid,
            limits,
            stage: header(pasid, address)?,
            left: None,
            segments: Vec::new(),
        })
    }

    /// The pieces, once [`Self::advance`] has said that all is done.
    pub fn into_segments(self) -> Vec<Segment> {
        self.segments
    }

    /// Notes the answer to the request for page number `page` of the transfer under way.
    pub fn answer(&mut self, page: usize, granted: bool) {
        match &mut self.stage {
            Stage::Header(transfer, _) | Stage::Entries(transfer, _) => {
                transfer.answer(page, granted)
            }
        }
    }

    /// Reads as far as it goes.
    pub fn advance(&mut self, turn: &mut Turn<'_>) -> Result<Progress, Malformed> {
        loop {
            let transfer = match &mut self.stage {
                Stage::Header(transfer, _) | Stage::Entries(transfer, _) => transfer,
            };
            match transfer.advance(turn) {
                Progress::Done => {}
                progress => return Ok(progress),
            }
            let Some(next) = self.read(turn)? else {
                return Ok(Progress::Done);
            };
            self.stage = next;
        }
    }

    /// Takes in what has come; `None` if the chain ends with it.
    fn read(&mut self, turn: &mut Turn<'_>) -> Result<Option<Stage>, Malformed> {
        match &self.stage {
            Stage::Header(transfer, address) => {
                let header = Header::parse(transfer.data());
                let first = self.left.is_none();
                let left = self.left.unwrap_or(header.chain);
                if !header.is_valid(first) || self.limits.lists == 0 {
                    return Err(Malformed);
                }
                self.limits.lists -= 1;
                self.left = Some(left.checked_sub(header.entries).ok_or(Malformed)?);
                let bytes = usize::from(header.entries) * ENTRY_SIZE;
                let entries = Segment::new(address + HEADER_SIZE as u64, bytes);
                let transfer = Transfer::fetch(self.pasid, vec![entries]);
                Ok(Some(Stage::Entries(transfer, header.next)))
            }
            Stage::Entries(transfer, next) => {
                for entry in transfer.data().chunks_exact(ENTRY_SIZE) {
                    self.segments.push(segment(entry, self.limits)?);
                }
                *turn.scatter_lists += 1;
                match *next {
                    0 => Ok(None),
                    next => header(self.pasid, next).map(Some),
                }
            }
        }
    }
}

fn header(pasid: Option<u32>, address: u64) -> Result<Stage, Malformed> {
    if address % ALIGNMENT != 0 {
        return Err(Malformed);
    }
    let header = Segment::new(address, HEADER_SIZE);
    Ok(Stage::Header(Transfer::fetch(pasid, vec![header]), address))
}

fn segment(entry: &[u8], limits: Limits) -> Result<Segment, Malformed> {
    let (least, most) = limits.bytes;
    let length = word(entry, 16);
    let segment = Segment::new(long(entry, 0), length as usize);
    if !(least..=most).contains(&length) || segment.overflows() {
        return Err(Malformed);
    }
    Ok(segment)
}

/// The `length` bytes behind the first `skip` of a chain.
pub fn cut(
    segments: Vec<Segment>,
    mut skip: usize,
    mut length: usize,
) -> Result<Vec<Segment>, Malformed> {
    let mut part = Vec::new();
    for Segment {
        address,
        length: has,
    } in segments
    {
        let skipped = skip.min(has);
        skip -= skipped;
        let taken = length.min(has - skipped);
        length -= taken;
        if taken != 0 {
            part.push(Segment::new(address + skipped as u64, taken));
        }
    }
    if length != 0 {
        return Err(Malformed);
    }
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_of_the_mainline_driver() {
        // Ten entries of room, three in use; the chain's number is the room as well.
        let mut bytes = [0; HEADER_SIZE];
        bytes[8..14].copy_from_slice(&[10, 0, 3, 0, 10, 0]);
        bytes[56..].fill(0xff);
        let header = Header::parse(&bytes);
        let expected = Header {
            next: 0,
            chain: 10,
            entries: 3,
            room: 10,
        };
        assert_eq!(header, expected);
        assert!(header.is_valid(true));
    }

    #[test]
    fn numbers_of_entries() {
        // (entries, room, whether it may come first, and behind others)
        for (entries, room, first, behind) in [
            (0, 10, false, true),
            (1, 10, true, true),
            (10, 10, true, true),
            (11, 10, false, false),
            (255, 255, true, true),
            (1, 256, false, false),
        ] {
            let header = Header {
                next: 0,
                chain: 10,
                entries,
                room,
            };
            assert_eq!(header.is_valid(true), first, "{entries} of {room}");
            assert_eq!(header.is_valid(false), behind, "{entries} of {room}");
        }
    }

    #[test]
    fn parts_of_a_chain() {
        let all = || {
            vec![
                Segment::new(0x1000, 10),
                Segment::new(0x2000, 0),
                Segment::new(0x3000, 20),
            ]
        };
        let table = [
            (0, 30, Ok(vec![(0x1000, 10), (0x3000, 20)])),
            (0, 10, Ok(vec![(0x1000, 10)])),
            (4, 8, Ok(vec![(0x1004, 6), (0x3000, 2)])),
            (10, 20, Ok(vec![(0x3000, 20)])),
            (29, 1, Ok(vec![(0x3013, 1)])),
            (0, 31, Err(Malformed)),
            (30, 1, Err(Malformed)),
            (100, 0, Ok(vec![])),
        ];
        for (skip, length, expected) in table {
            let part = cut(all(), skip, length)
                .map(|part| part.iter().map(|s| (s.address, s.length)).collect());
            assert_eq!(part, expected, "{length} behind {skip}");
        }
    }
}
