// SPDX-License-Identifier: GPL-2.0

//! Scatter lists that somebody else has made, mapped for a device.
//!
//! C header: [`include/linux/scatterlist.h`](srctree/include/linux/scatterlist.h)

use crate::{
    bindings,
    device::{
        Bound,
        Device, //
    },
    dma::{
        DataDirection,
        DmaAddress, //
    },
    error::to_result,
    prelude::*,
    sync::aref::ARef, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// The first bytes of the memory that a `struct scatterlist` leads to.
///
/// # Invariants
///
/// For `'a` the list is valid, nobody changes it, and its memory is there.
#[derive(Copy, Clone)]
pub struct ScatterList<'a> {
    first: NonNull<bindings::scatterlist>,
    bytes: usize,
    _list: PhantomData<&'a bindings::scatterlist>,
}

impl ScatterList<'_> {
    /// The first `bytes` bytes of a list, which may be shorter.
    ///
    /// # Safety
    ///
    /// `first` must begin a valid list, which nobody changes, and that and its memory must stay for
    /// the lifetime that the caller chooses. Where it is to be written to, it must be memory that
    /// may be written.
    pub unsafe fn from_raw(first: NonNull<bindings::scatterlist>, bytes: usize) -> Self {
        // INVARIANT: By the requirement of this function.
        Self {
            first,
            bytes,
            _list: PhantomData,
        }
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The entries, without those that are empty, and as much of the last one as belongs to it.
    fn entries(&self) -> impl Iterator<Item = (*mut bindings::scatterlist, u32)> + '_ {
        let mut next = self.first.as_ptr();
        let mut left = self.bytes;
        core::iter::from_fn(move || {
            while left != 0 && !next.is_null() {
                let entry = next;
                // SAFETY: By the type invariant.
                let length = unsafe {
                    next = bindings::sg_next(entry);
                    (*entry).length
                };
                let length = length.min(left.try_into().unwrap_or(u32::MAX));
                left -= length as usize;
                if length != 0 {
                    return Some((entry, length));
                }
            }
            None
        })
    }
}

/// A piece of memory: its address for the device, and its bytes.
pub type Segment = (DmaAddress, u64);

/// A scatter list that is mapped for a device, until this is dropped.
///
/// It has entries of its own, in which its addresses are: the same list can be mapped more than
/// once.
///
/// # Invariants
///
/// `table` was allocated, and is mapped for `dev` in this direction.
pub struct MappedList {
    dev: ARef<Device>,
    table: bindings::sg_table,
    direction: DataDirection,
}

impl MappedList {
    /// Maps a list. Does not sleep.
    ///
    /// Fails with [`EINVAL`] if the list is empty, or shorter than it is said to be, with
    /// [`ENOMEM`] if there is no memory that can be had at once, and as `dma_map_sgtable()` does if
    /// it can't be mapped, or not now.
    ///
    /// # Safety
    ///
    /// The memory of the list must stay until the result is dropped, and `dev` be bound until then.
    pub unsafe fn new(
        dev: &Device<Bound>,
        list: ScatterList<'_>,
        direction: DataDirection,
    ) -> Result<Self> {
        let (count, bytes) = list.entries().fold((0, 0), |(count, sum), (_, len)| {
            (count + 1, sum + len as usize)
        });
        if count == 0 || bytes != list.bytes {
            return Err(EINVAL);
        }
        let mut table = bindings::sg_table::default();
        // SAFETY: It is a table, which nobody else knows.
        to_result(unsafe { bindings::sg_alloc_table(&mut table, count, GFP_NOWAIT.as_raw()) })?;
        let mut entry = table.sgl;
        for (from, length) in list.entries() {
            // SAFETY: `from` is valid by the invariant of `list`; `entry` is one of as many.
            unsafe {
                let page = bindings::sg_page(from);
                bindings::sg_set_page(entry, page, length, (*from).offset);
                entry = bindings::sg_next(entry);
            }
        }
        // SAFETY: `dev` is bound, and the table was filled.
        let mapped = to_result(unsafe {
            bindings::dma_map_sgtable(dev.as_raw(), &mut table, direction.into(), 0)
        });
        if let Err(e) = mapped {
            // SAFETY: It was allocated above, and is not used any more.
            unsafe { bindings::sg_free_table(&mut table) };
            return Err(e);
        }
        // INVARIANT: It was allocated and mapped just now.
        Ok(Self {
            dev: dev.into(),
            table,
            direction,
        })
    }

    /// The pieces that it consists of for the device, as many bytes as the list had.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        let mut entry = self.table.sgl;
        (0..self.table.nents).map(move |index| {
            if index != 0 {
                // SAFETY: By the type invariant there is another.
                entry = unsafe { bindings::sg_next(entry) };
            }
            // SAFETY: As above: it is valid, and mapped.
            unsafe {
                (
                    bindings::sg_dma_address(entry),
                    bindings::sg_dma_len(entry).into(),
                )
            }
        })
    }
}

impl Drop for MappedList {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, and the requirement of `new`, for which the device is
        // bound.
        unsafe {
            bindings::dma_unmap_sgtable(
                self.dev.as_raw(),
                &mut self.table,
                self.direction.into(),
                0,
            );
            bindings::sg_free_table(&mut self.table);
        };
    }
}

// SAFETY: It may be unmapped by any task.
unsafe impl Send for MappedList {}
// SAFETY: It is only read.
unsafe impl Sync for MappedList {}
