// SPDX-License-Identifier: GPL-2.0

//! Scatter lists of the hardware, for buffers that are in pieces for the device.
//!
//! Their layout is that of `drivers/crypto/hisilicon/sgl.c`.

use kernel::{
    alloc::Flags,
    device::{
        Bound,
        Device, //
    },
    dma::{
        pages::CoherentPages,
        scatter::Segment,
        DmaAddress, //
    },
    prelude::*, //
};
use zerocopy::little_endian::{
    U16,
    U32,
    U64, //
};

/// Entries of a list at most.
const ENTRIES_MAX: usize = 255;
/// Lists of a chain at most.
const LISTS_MAX: usize = 256;
/// Bytes of an entry: one at least.
const BYTES_MAX: u64 = 8 << 20;
/// What the address of a list is a multiple of.
const ALIGNMENT: usize = 64;

/// Head of a list, `struct hisi_acc_hw_sgl`.
#[repr(C)]
#[derive(Copy, Clone, IntoBytes)]
struct Header {
    /// Address of the next list of the chain, 0 if it is the last.
    next: U64,
    /// Entries of the whole chain in its first list; in those behind it, that they have room for.
    entries_in_chain: U16,
    entries: U16,
    /// Entries that the list has room for.
    room: U16,
    rsvd: [u8; 50],
}

/// A piece, `struct acc_hw_sge`.
#[repr(C)]
#[derive(Copy, Clone, IntoBytes)]
struct Entry {
    address: U64,
    rsvd0: U64,
    length: U32,
    rsvd1: [U32; 3],
}

const _: () = assert!(size_of::<Header>() == 64 && size_of::<Entry>() == 32);

/// Bytes from a full list to the next.
const LIST_SIZE: usize =
    (size_of::<Header>() + ENTRIES_MAX * size_of::<Entry>()).next_multiple_of(ALIGNMENT);

/// Bytes of a chain of `entries` entries, of which the last list has no more room than it needs.
const fn chain_size(entries: usize) -> usize {
    let rest = match entries % ENTRIES_MAX {
        0 => 0,
        rest => size_of::<Header>() + rest * size_of::<Entry>(),
    };
    entries / ENTRIES_MAX * LIST_SIZE + rest.next_multiple_of(ALIGNMENT)
}

/// Whether a chain can have these pieces.
fn check(segments: &[Segment]) -> Result {
    let fits = |&(_, bytes): &Segment| (1..=BYTES_MAX).contains(&bytes);
    let count = 1..=LISTS_MAX * ENTRIES_MAX;
    match count.contains(&segments.len()) && segments.iter().all(fits) {
        true => Ok(()),
        false => Err(EINVAL),
    }
}

/// Two chains of lists, one for the input of a job and one for its output.
pub(crate) struct Chains {
    memory: CoherentPages,
    dest: usize,
}

impl Chains {
    /// Writes the lists, in memory that is allocated with `flags`.
    ///
    /// Fails with [`EINVAL`] if there are no pieces, or more than a chain can have, or one is
    /// shorter or longer than an entry can be.
    pub(crate) fn new(
        dev: &Device<Bound>,
        source: &[Segment],
        dest: &[Segment],
        flags: Flags,
    ) -> Result<Self> {
        check(source)?;
        check(dest)?;
        let behind = chain_size(source.len());
        let chains = Self {
            memory: CoherentPages::with_flags(dev, behind + chain_size(dest.len()), flags)?,
            dest: behind,
        };
        chains.write(0, source)?;
        chains.write(behind, dest)?;
        Ok(chains)
    }

    /// Address of the input's first list.
    pub(crate) fn source(&self) -> DmaAddress {
        self.memory.dma_address()
    }

    /// Address of the output's first list.
    pub(crate) fn dest(&self) -> DmaAddress {
        self.memory.dma_address() + self.dest as u64
    }

    /// Writes a chain to `offset`.
    fn write(&self, mut offset: usize, segments: &[Segment]) -> Result {
        let mut in_chain = U16::new(u16::try_from(segments.len())?);
        let mut lists = segments.chunks(ENTRIES_MAX).peekable();
        while let Some(list) = lists.next() {
            let behind = offset + LIST_SIZE;
            let next = match lists.peek() {
                Some(_) => self.memory.dma_address() + behind as u64,
                None => 0,
            };
            self.write_list(offset, in_chain, next, list)?;
            // Nobody knows whether this is looked at; so it stands in the chains of UADK.
            in_chain = U16::new(ENTRIES_MAX as u16);
            offset = behind;
        }
        Ok(())
    }

    fn write_list(
        &self,
        offset: usize,
        in_chain: U16,
        next: DmaAddress,
        segments: &[Segment],
    ) -> Result {
        let entries = U16::new(u16::try_from(segments.len())?);
        let header = Header {
            next: U64::new(next),
            entries_in_chain: in_chain,
            entries,
            room: entries,
            rsvd: [0; 50],
        };
        self.memory.write(offset, header)?;
        for (i, &(address, length)) in segments.iter().enumerate() {
            let entry = Entry {
                address: U64::new(address),
                rsvd0: U64::ZERO,
                length: U32::new(u32::try_from(length)?),
                rsvd1: [U32::ZERO; 3],
            };
            let at = offset + size_of::<Header>() + i * size_of::<Entry>();
            self.memory.write(at, entry)?;
        }
        Ok(())
    }
}
