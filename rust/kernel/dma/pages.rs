// SPDX-License-Identifier: GPL-2.0

//! Coherent memory in whole pages, which user space may map.
//!
//! C header: [`include/linux/dma-mapping.h`](srctree/include/linux/dma-mapping.h)

use crate::{
    bindings,
    device::{
        Bound,
        Device, //
    },
    dma::{
        Coherent,
        DmaAddress, //
    },
    page::{
        page_align,
        volatile::Volatile,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::aref::ARef, //
};

/// Zeroed memory, coherent between the CPU and a device, whose pages can be mapped into a process.
///
/// # Examples
///
/// ```
/// use kernel::device::{Bound, Device};
/// use kernel::dma::pages::CoherentPages;
/// use kernel::prelude::*;
///
/// fn ring(dev: &Device<Bound>) -> Result<CoherentPages> {
///     let ring = CoherentPages::new(dev, 64 * 128)?;
///     ring.write::<u32>(0, 1)?;
///     assert_eq!(ring.read::<u32>(0)?, 1);
///     Ok(ring)
/// }
/// ```
pub struct CoherentPages {
    memory: Coherent<[u64]>,
    dev: ARef<Device>,
}

impl CoherentPages {
    /// Allocates at least `size` bytes, rounded up to whole pages. May sleep.
    pub fn new(dev: &Device<Bound>, size: usize) -> Result<Self> {
        let size = page_align(size).ok_or(EOVERFLOW)?;
        Ok(Self {
            memory: Coherent::<u64>::zeroed_slice(dev, size / size_of::<u64>(), GFP_KERNEL)?,
            dev: dev.into(),
        })
    }

    /// Size in bytes.
    pub fn size(&self) -> usize {
        self.memory.size()
    }

    /// Address of the memory for the device.
    pub fn dma_address(&self) -> DmaAddress {
        self.memory.dma_address()
    }

    fn memory(&self) -> Volatile<'_> {
        // SAFETY: The allocation stays as long as `self`, and no reference to it is ever made.
        unsafe { Volatile::new(self.memory.as_mut_ptr().cast(), self.size()) }
    }

    /// Reads a value once; the device may be writing it.
    ///
    /// Fails with [`EINVAL`] if it does not lie in the memory, aligned.
    pub fn read<T: zerocopy::FromBytes + Copy>(&self, offset: usize) -> Result<T> {
        self.memory().read(offset)
    }

    /// Writes a value once; the device may be reading it.
    ///
    /// Fails with [`EINVAL`] if it does not lie in the memory, aligned.
    pub fn write<T: zerocopy::IntoBytes + Copy>(&self, offset: usize, value: T) -> Result {
        self.memory().write(offset, value)
    }

    /// The page frame that holds the byte at `offset`.
    pub(crate) fn frame(&self, offset: usize) -> Option<usize> {
        if offset >= self.size() {
            return None;
        }

        let addr = self
            .memory
            .as_ptr()
            .cast::<c_void>()
            .wrapping_byte_add(offset);
        // SAFETY: `addr` lies in an allocation of dma_alloc_attrs(), which is in the linear map
        // unless it is in vmalloc space.
        Some(unsafe {
            if bindings::is_vmalloc_addr(addr) {
                bindings::vmalloc_to_pfn(addr)
            } else {
                bindings::virt_to_pfn(addr)
            }
        })
    }

    /// The protection that a mapping of the memory must have, from the one it would have had.
    pub(crate) fn pgprot(&self, prot: bindings::pgprot_t) -> bindings::pgprot_t {
        // SAFETY: The device is valid; the memory was allocated without attributes.
        unsafe { bindings::dma_pgprot(self.dev.as_raw(), prot, 0) }
    }
}

const _: () = assert!(PAGE_SIZE % size_of::<u64>() == 0);
