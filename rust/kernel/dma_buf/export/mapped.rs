// SPDX-License-Identifier: GPL-2.0

//! A buffer as a device has it: the pages, mapped by the DMA API, and kept in step with the caches.

use crate::{
    bindings,
    dma::attrs,
    error::to_result,
    page::{
        list::{
            self,
            PageList, //
        },
        PAGE_SHIFT, //
    },
    prelude::*,
    types::Opaque, //
};

/// A table of the pages of a buffer.
///
/// # Invariants
///
/// It is allocated.
struct Table(Opaque<bindings::sg_table>);

impl Table {
    fn new(memory: &dyn PageList, max_segment: u32) -> Result<Self> {
        let mut pages = list::raw::pages(memory)?;
        let count = pages.len().try_into()?;
        let mut table = pin_init::zeroed();
        // SAFETY: `pages` are as many valid pages, not none: an empty list is not exported.
        to_result(unsafe {
            bindings::sg_alloc_table_from_pages_segment(
                &mut table,
                pages.as_mut_ptr(),
                count,
                0,
                pages.len() << PAGE_SHIFT,
                max_segment,
                (GFP_KERNEL_ACCOUNT | list::merciful()).as_raw(),
            )
        })?;
        // INVARIANT: Allocated just now.
        Ok(Self(Opaque::new(table)))
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::sg_free_table(self.0.get()) };
    }
}

/// Several devices may have the same memory mapped, which the DMA API understands only of mappings
/// that are synced explicitly.
fn explicitly_synced() -> c_ulong {
    attrs::DMA_ATTR_SKIP_CPU_SYNC.as_raw()
}

/// The pages of a buffer, mapped for a device.
///
/// # Invariants
///
/// `table` is mapped for `dev` in `direction`.
pub(super) struct Mapped {
    table: Table,
    pub(super) dev: *mut bindings::device,
    pub(super) direction: bindings::dma_data_direction,
    /// Importers that have it, and those of them for whom the device writes.
    pub(super) users: usize,
    writers: usize,
    /// Accesses of the CPU that may write, and have not ended.
    cpu_writers: usize,
}

impl Mapped {
    /// # Safety
    ///
    /// Until the result is dropped `dev` must be bound, and the pages of `memory` be there.
    pub(super) unsafe fn new(
        memory: &dyn PageList,
        dev: *mut bindings::device,
        direction: bindings::dma_data_direction,
    ) -> Result<Self> {
        // SAFETY: The device is valid.
        if unsafe { (*dev).dma_mask.is_null() } {
            return Err(ENODEV);
        }

        // SAFETY: The device is valid.
        let table = Table::new(memory, unsafe { max_segment(dev) })?;
        // SAFETY: The device is bound, the table valid, and the direction was checked.
        to_result(unsafe {
            bindings::dma_map_sgtable(dev, table.0.get(), direction, explicitly_synced())
        })?;
        // INVARIANT: Mapped just now.
        let mut this = Self {
            table,
            dev,
            direction,
            users: 0,
            writers: 0,
            cpu_writers: 0,
        };
        this.sync_for_device(direction);
        Ok(this)
    }

    /// The table that importers have.
    pub(super) fn table(&self) -> *mut bindings::sg_table {
        self.table.0.get()
    }

    /// One importer more has it, for accesses in the direction `asked`. Whoever was writing by the
    /// CPU has left it to the device.
    pub(super) fn lend(&mut self, asked: bindings::dma_data_direction) -> *mut bindings::sg_table {
        self.users += 1;
        if asked != bindings::dma_data_direction::DMA_TO_DEVICE {
            self.writers += 1;
            self.cpu_writers = 0;
        }
        self.table.0.get()
    }

    /// An importer gives it back, which had it for accesses in the direction `asked`.
    pub(super) fn take_back(&mut self, asked: bindings::dma_data_direction) {
        self.users -= 1;
        if asked != bindings::dma_data_direction::DMA_TO_DEVICE {
            self.writers -= 1;
            // The CPU has all from before its access, and what it wrote must not be replaced by it.
            if self.writers == 0 && self.cpu_writers == 0 {
                self.sync_for_cpu();
            }
        }
    }

    /// The CPU is about to access the memory, in the direction `asked` as a device would see it.
    pub(super) fn begin_cpu_access(&mut self, asked: bindings::dma_data_direction) {
        let only_writes = asked == bindings::dma_data_direction::DMA_TO_DEVICE;
        // Of two who only write, the second must not undo what the first did.
        if self.writers != 0 && !(only_writes && self.cpu_writers != 0) {
            self.sync_for_cpu();
        }
        if asked != bindings::dma_data_direction::DMA_FROM_DEVICE {
            self.cpu_writers += 1;
        }
    }

    /// The CPU has accessed the memory in the direction `asked`.
    pub(super) fn end_cpu_access(&mut self, asked: bindings::dma_data_direction) {
        if asked != bindings::dma_data_direction::DMA_FROM_DEVICE {
            self.cpu_writers = self.cpu_writers.saturating_sub(1);
        }
        let direction = if self.direction == bindings::dma_data_direction::DMA_BIDIRECTIONAL {
            asked
        } else {
            self.direction
        };
        self.sync_for_device(direction);
    }

    /// Brings all that the device wrote, even if the CPU only writes: what it leaves alone must be
    /// what the device wrote.
    fn sync_for_cpu(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_sync_sgtable_for_cpu(self.dev, self.table.0.get(), self.direction) };
    }

    fn sync_for_device(&mut self, direction: bindings::dma_data_direction) {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_sync_sgtable_for_device(self.dev, self.table.0.get(), direction) };
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, and the device is still bound.
        unsafe {
            bindings::dma_unmap_sgtable(
                self.dev,
                self.table.0.get(),
                self.direction,
                explicitly_synced(),
            )
        };
    }
}

/// The largest segment that a device, and what is between it and the memory, can take.
///
/// # Safety
///
/// `dev` must be valid.
unsafe fn max_segment(dev: *mut bindings::device) -> u32 {
    // SAFETY: By the requirements of this function.
    let (segment, mapping) = unsafe {
        (
            bindings::dma_get_max_seg_size(dev),
            bindings::dma_max_mapping_size(dev),
        )
    };
    u32::try_from(mapping).map_or(segment, |mapping| segment.min(mapping))
}
