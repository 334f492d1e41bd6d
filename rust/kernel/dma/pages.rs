// SPDX-License-Identifier: GPL-2.0

//! Coherent memory in whole pages, which user space may map.
//!
//! C header: [`include/linux/dma-mapping.h`](srctree/include/linux/dma-mapping.h)

use crate::{
    alloc::Flags,
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
    sync::{
        aref::ARef,
        new_mutex,
        Arc,
        Mutex, //
    }, //
};
use core::mem::ManuallyDrop;

/// Zeroed memory, coherent between the CPU and a device, whose pages can be mapped into a process.
///
/// It must be dropped before the driver is unbound: architectures where the DMA operations of a
/// device go with its driver could not free it afterwards.
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
    /// Not dropped before `self` is.
    memory: ManuallyDrop<Coherent<[u64]>>,
    dev: ARef<Device>,
    /// Where the memory goes at the end.
    reserve: Option<Arc<Reserve>>,
}

impl CoherentPages {
    /// Allocates at least `size` bytes, rounded up to whole pages. May sleep.
    ///
    /// They are charged to the memory control group of the current task, but for what comes from an
    /// area that is set aside for the device.
    pub fn new(dev: &Device<Bound>, size: usize) -> Result<Self> {
        Self::with_flags(dev, size, GFP_KERNEL_ACCOUNT)
    }

    /// The same with these flags: may sleep if they let it.
    pub fn with_flags(dev: &Device<Bound>, size: usize, flags: Flags) -> Result<Self> {
        let size = page_align(size).ok_or(EOVERFLOW)?;
        let memory = Coherent::<u64>::zeroed_slice(dev, size / size_of::<u64>(), flags)?;
        Ok(Self::with_memory(memory, dev))
    }

    fn with_memory(memory: Coherent<[u64]>, dev: &Device) -> Self {
        Self {
            memory: ManuallyDrop::new(memory),
            dev: dev.into(),
            reserve: None,
        }
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
    #[cfg(CONFIG_HAS_DMA)]
    pub(crate) fn pgprot(&self, prot: bindings::pgprot_t) -> bindings::pgprot_t {
        // SAFETY: The device is valid; the memory was allocated without attributes.
        unsafe { bindings::dma_pgprot(self.dev.as_raw(), prot, 0) }
    }

    /// Without this option no such memory can be allocated.
    #[cfg(not(CONFIG_HAS_DMA))]
    pub(crate) fn pgprot(&self, prot: bindings::pgprot_t) -> bindings::pgprot_t {
        prot
    }
}

impl Drop for CoherentPages {
    fn drop(&mut self) {
        // SAFETY: `memory` is not used any more.
        let memory = unsafe { ManuallyDrop::take(&mut self.memory) };
        if let Some(reserve) = &self.reserve {
            reserve.keep(memory);
        }
    }
}

/// Memory of a device that is not used, for whoever needs some of the same size next.
///
/// To allocate coherent memory takes page tables of the device and of the kernel beside the pages
/// themselves; what is here already only has to be cleared.
///
/// It is for memory that the device is certain not to use any more when it comes back. What is kept
/// stays mapped for the device: an access that comes late hits what somebody else has there by
/// then, where it would have been a fault of the IOMMU.
///
/// It goes with the last of its memory, and so must, too, before the driver is unbound.
///
/// # Examples
///
/// ```
/// use kernel::device::{Bound, Device};
/// use kernel::dma::pages::Reserve;
/// use kernel::prelude::*;
///
/// fn rings(dev: &Device<Bound>) -> Result {
///     let reserve = Reserve::new(dev, 4)?;
///     drop(reserve.pages(dev, 64 * 128)?);
///     let second = reserve.pages(dev, 64 * 128)?;
///     assert_eq!(second.read::<u32>(0)?, 0);
///     Ok(())
/// }
/// ```
#[pin_data]
pub struct Reserve {
    dev: ARef<Device>,
    /// The oldest first.
    #[pin]
    kept: Mutex<KVec<Coherent<[u64]>>>,
}

impl Reserve {
    /// Makes a reserve that keeps at most `count` allocations.
    pub fn new(dev: &Device<Bound>, count: usize) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                dev: dev.into(),
                kept <- new_mutex!(KVec::with_capacity(count, GFP_KERNEL)?),
            }),
            GFP_KERNEL,
        )
    }

    /// As [`CoherentPages::new`]; the memory comes back when the result is dropped. May sleep.
    ///
    /// What is kept stays charged to who had it first.
    ///
    /// Fails with [`EINVAL`] if `dev` is not the device that this is the reserve of.
    pub fn pages(self: &Arc<Self>, dev: &Device<Bound>, size: usize) -> Result<CoherentPages> {
        if self.dev.as_raw() != dev.as_raw() {
            return Err(EINVAL);
        }
        let size = page_align(size).ok_or(EOVERFLOW)?;
        let mut pages = match self.take(size) {
            Some(memory) => {
                // SAFETY: What was given back is used by nobody; a device that is not done with
                // it could as well write to what it was never given.
                unsafe { memory.as_mut_ptr().cast::<u8>().write_bytes(0, size) };
                CoherentPages::with_memory(memory, dev)
            }
            None => CoherentPages::new(dev, size)?,
        };
        pages.reserve = Some(self.clone());
        Ok(pages)
    }

    fn take(&self, size: usize) -> Option<Coherent<[u64]>> {
        let mut kept = self.kept.lock();
        let found = kept.iter().position(|memory| memory.size() == size)?;
        kept.remove(found).ok()
    }

    fn keep(&self, memory: Coherent<[u64]>) {
        let mut kept = self.kept.lock();
        let oldest = if kept.len() == kept.capacity() {
            kept.remove(0).ok()
        } else {
            None
        };
        let refused = kept.push_within_capacity(memory);
        // What there is no room for is freed without the lock.
        drop(kept);
        drop((oldest, refused));
    }
}

const _: () = assert!(PAGE_SIZE % size_of::<u64>() == 0);
