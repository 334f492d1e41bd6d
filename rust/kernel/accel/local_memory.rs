// SPDX-License-Identifier: GPL-2.0

//! Memory that a device has of its own, and gives to buffers.

use crate::{
    cgroup_dmem::{
        Charge,
        Region, //
    },
    dma_buf::export::Mappings,
    gpu::buddy::{
        AllocatedBlocks,
        GpuBuddy,
        GpuBuddyAllocFlag,
        GpuBuddyAllocFlags,
        GpuBuddyAllocMode,
        GpuBuddyParams, //
    },
    page::{
        list::Slice,
        SharedPages,
        PAGE_SIZE, //
    },
    prelude::*,
    ptr::Alignment,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        new_mutex,
        Arc,
        Mutex, //
    }, //
};
use core::ops::Range;

/// The buffers that are in the memory, by numbers that are never used again.
///
/// # Invariants
///
/// None of these buffers has been released, for as long as this is locked: one whose last reference
/// goes takes itself out before.
struct Residents {
    next: u64,
    all: KVec<(u64, Mappings)>,
}

/// The memory of a device. Kept by the device and by each buffer that is in it.
#[pin_data]
pub(super) struct LocalMemory {
    pages: Arc<SharedPages>,
    buddy: GpuBuddy,
    cgroup: Region,
    /// No page is given out any more.
    closed: Atomic<bool>,
    #[pin]
    residents: Mutex<Residents>,
}

impl LocalMemory {
    /// Takes `pages` as the memory of device `id`.
    pub(super) fn new(pages: Arc<SharedPages>, id: u32) -> Result<Arc<Self>> {
        let size = pages.size() as u64;
        let name = CString::try_from_fmt(fmt!("accel/accel{id}"))?;
        Arc::pin_init(
            try_pin_init!(Self {
                buddy: GpuBuddy::new(GpuBuddyParams {
                    base_offset: 0,
                    size,
                    chunk_size: Alignment::new::<PAGE_SIZE>(),
                })?,
                cgroup: Region::new(&name, size)?,
                pages,
                closed: Atomic::new(false),
                residents <- new_mutex!(Residents { next: 0, all: KVec::new() }),
            }),
            GFP_KERNEL,
        )
    }

    pub(super) fn size(&self) -> u64 {
        self.buddy.size()
    }

    pub(super) fn used(&self) -> u64 {
        self.buddy.size() - self.buddy.avail()
    }

    pub(super) fn buffers(&self) -> u64 {
        self.residents.lock().all.len() as u64
    }

    /// Takes `size` bytes, whole pages, zeroed.
    ///
    /// Fails with [`ENOSPC`] if there are not as many, or not in one piece, or not so aligned; with
    /// [`EDQUOT`] if the cgroup of the current task may not have as many.
    pub(super) fn allocate(
        self: &Arc<Self>,
        size: usize,
        alignment: usize,
        contiguous: bool,
    ) -> Result<Block> {
        if size.max(alignment) as u64 > self.size() {
            return Err(ENOSPC);
        }
        let charge = self.cgroup.charge(size as u64).map_err(|e| match e {
            EAGAIN => EDQUOT,
            e => e,
        })?;
        // The allocator forgets the alignment of what is to be contiguous and is smaller than that;
        // without being asked to it takes that from one block.
        let flags = match contiguous && alignment <= size.next_power_of_two() {
            true => GpuBuddyAllocFlag::Contiguous.into(),
            false => GpuBuddyAllocFlags::default(),
        };
        let alignment = Alignment::new_checked(alignment).ok_or(EINVAL)?;
        let mode = GpuBuddyAllocMode::Simple;
        let blocks = self.buddy.alloc_blocks(mode, size as u64, alignment, flags);
        let blocks = KBox::pin_init(blocks, GFP_KERNEL_ACCOUNT).map_err(|e| match e {
            // That is what it says if its largest block is too small.
            EINVAL => ENOSPC,
            e => e,
        })?;

        let mut ranges = KVec::new();
        for block in blocks.iter() {
            let first = (block.offset() / PAGE_SIZE as u64) as usize;
            let count = (block.size() / PAGE_SIZE as u64) as usize;
            ranges.push(first..first + count, GFP_KERNEL_ACCOUNT)?;
        }
        for range in &ranges {
            self.clear(range)?;
        }
        Ok(Block {
            pages: Slice::new(self.pages.clone(), &ranges)?,
            _blocks: blocks,
            _charge: charge,
        })
    }

    fn clear(&self, pages: &Range<usize>) -> Result {
        let bytes = pages.start * PAGE_SIZE..pages.end * PAGE_SIZE;
        for at in bytes.step_by(size_of::<u64>()) {
            self.pages.write(at, 0u64)?;
        }
        Ok(())
    }

    /// Makes it known how a buffer that is in the memory is mapped, for [`close`](Self::close).
    ///
    /// # Safety
    ///
    /// The exporter of the buffer must keep the result, and drop it with itself.
    pub(super) unsafe fn add_buffer(self: &Arc<Self>, mappings: Mappings) -> Result<Resident> {
        let mut residents = self.residents.lock();
        let number = residents.next;
        residents.next += 1;
        // INVARIANT: The result takes it out when the exporter is dropped.
        let buffer = (number, mappings);
        residents.all.push(buffer, GFP_KERNEL)?;
        Ok(Resident {
            memory: self.clone(),
            number,
        })
    }

    /// Takes the pages of all buffers from all processes, for good.
    pub(super) fn close(&self) {
        // The reservation of a buffer orders this with a touch of it: see `Exporter::check_map`.
        self.closed.store(true, Relaxed);
        for (_, mappings) in &self.residents.lock().all {
            // SAFETY: By the invariant of `Residents`, which is locked.
            unsafe { mappings.zap() };
        }
    }

    /// Whether [`close`](Self::close) was called: then no process may come to have a page.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }
}

/// A part of a device's memory.
pub(super) struct Block {
    pages: Slice<SharedPages>,
    /// Given back after `pages`.
    _blocks: Pin<KBox<AllocatedBlocks>>,
    _charge: Charge,
}

impl Block {
    pub(super) fn pages(&self) -> &Slice<SharedPages> {
        &self.pages
    }
}

/// A buffer is known to be in the memory, until this is dropped.
pub(super) struct Resident {
    memory: Arc<LocalMemory>,
    number: u64,
}

impl Drop for Resident {
    fn drop(&mut self) {
        let mut residents = self.memory.residents.lock();
        let place = residents.all.iter().position(|(n, _)| *n == self.number);
        let gone = place.map(|i| residents.all.remove(i));
        drop(residents);
        // What it holds may go for good, which needs no lock of ours.
        drop(gone);
    }
}
