// SPDX-License-Identifier: GPL-2.0

//! Sharing the address space of a process with a device (SVA).
//!
//! C header: [`include/linux/iommu.h`](srctree/include/linux/iommu.h)

use crate::{
    bindings,
    device::{
        self,
        Bound, //
    },
    error::from_err_ptr,
    mm::MmWithUser,
    prelude::*, //
};
use core::ptr::NonNull;

/// A bond between a device and an address space: the device reaches it under
/// [`pasid`](Self::pasid).
///
/// Dropping it takes the address space from the device: page requests that are under way are
/// drained, and later accesses are refused by the IOMMU. The device should be quiet by then. May
/// sleep.
///
/// # Invariants
///
/// Owns a reference to a bond made by `iommu_sva_bind_device()`.
pub struct Bond(NonNull<bindings::iommu_sva>);

impl Bond {
    /// Binds `mm` to `dev`. May sleep.
    ///
    /// Fails with [`ENODEV`] if the device or its IOMMU can't share page tables, [`ENOSPC`] if no
    /// PASID is free, [`EOVERFLOW`] if the process has one that is too large for this device,
    /// [`EBUSY`] if the page tables of the process are of a kind that can't be shared.
    ///
    /// # Safety
    ///
    /// The bond must be dropped before `dev` is unbound.
    pub unsafe fn new(dev: &device::Device<Bound>, mm: &MmWithUser) -> Result<Self> {
        // SAFETY: `dev` is bound, and an `MmWithUser` has a positive `mm_users`.
        let handle =
            from_err_ptr(unsafe { bindings::iommu_sva_bind_device(dev.as_raw(), mm.as_raw()) })?;

        // INVARIANT: The reference that was returned is kept.
        // CAST: Success is never null.
        Ok(Self(NonNull::new(handle).ok_or(ENODEV)?))
    }

    /// The PASID under which the device reaches the address space.
    pub fn pasid(&self) -> u32 {
        // SAFETY: By the type invariant the bond exists.
        unsafe { bindings::iommu_sva_get_pasid(self.0.as_ptr()) }
    }

    /// Whether the device waits for a page of the address space: it has asked for one, and was not
    /// answered. May sleep.
    #[cfg(CONFIG_IOMMU_IOPF)]
    pub fn has_page_requests(&self) -> bool {
        // SAFETY: By the type invariant the bond exists, whose device is bound to the PASID and
        // does not go before it.
        unsafe { bindings::iopf_is_pending((*self.0.as_ptr()).dev, self.pasid()) }
    }

    /// Without that option no device can ask for pages.
    #[cfg(not(CONFIG_IOMMU_IOPF))]
    pub fn has_page_requests(&self) -> bool {
        false
    }
}

/// Whether a device waits for a page of any address space: it has asked for one, and was not
/// answered. May sleep.
///
/// A reset of a function with ATS waits for that, with its device locked.
#[cfg(CONFIG_IOMMU_IOPF)]
pub fn has_page_requests(dev: &device::Device<Bound>) -> bool {
    /// `IOMMU_PASID_INVALID`.
    const ANY: u32 = u32::MAX;
    let dev = dev.as_raw();
    // SAFETY: `dev` is bound, and keeps its IOMMU, if it has one, for as long.
    unsafe { !(*dev).iommu.is_null() && bindings::iopf_is_pending(dev, ANY) }
}

/// Without that option no device can ask for pages.
#[cfg(not(CONFIG_IOMMU_IOPF))]
pub fn has_page_requests(_dev: &device::Device<Bound>) -> bool {
    false
}

impl Drop for Bond {
    fn drop(&mut self) {
        // SAFETY: By the type invariant we own a reference; by the contract of `new` the device is
        // still bound.
        unsafe { bindings::iommu_sva_unbind_device(self.0.as_ptr()) };
    }
}

// SAFETY: A bond may be used and dropped by any task.
unsafe impl Send for Bond {}
// SAFETY: `pasid` only reads what does not change.
unsafe impl Sync for Bond {}

/// What a device lacks for SVA.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Missing {
    /// An IOMMU that translates for it.
    Iommu,
    /// PASIDs: in the device, on its bus, or in its IOMMU.
    Pasid,
    /// That it sees what processors have cached.
    Coherency,
    /// Page requests: PCI ATS or PRI, or an IOMMU that stalls instead.
    PageRequests,
}

/// Tells what `dev` visibly lacks for SVA.
///
/// Nothing missing is no promise: only [`Bond::new`] tells whether the IOMMU can really do it.
pub fn missing(dev: &device::Device<Bound>) -> Option<Missing> {
    let lacks_pages = || !can_stall(dev) && lacks_page_requests(dev);
    lacks_memory(dev).or_else(|| lacks_pages().then_some(Missing::PageRequests))
}

/// Tells what the device lacks to reach memory under a PASID: an IOMMU, PASIDs there, or that what
/// it reads and writes there is what processors do.
pub(super) fn lacks_memory(dev: &device::Device<Bound>) -> Option<Missing> {
    match max_pasids(dev) {
        None => Some(Missing::Iommu),
        Some(0) => Some(Missing::Pasid),
        // SAFETY: `dev` is valid.
        Some(_) if !unsafe { bindings::dev_is_dma_coherent(dev.as_raw()) } => {
            Some(Missing::Coherency)
        }
        Some(_) => None,
    }
}

/// Whether the IOMMU stalls the device's access until the page is there, as SMMUv3 does for devices
/// on the chip: these have no page requests.
fn can_stall(dev: &device::Device<Bound>) -> bool {
    dev.fwnode()
        .is_some_and(|node| node.property_present(c"dma-can-stall"))
}

/// How many PASIDs the device can have, if an IOMMU translates for it.
#[cfg(CONFIG_IOMMU_API)]
fn max_pasids(dev: &device::Device<Bound>) -> Option<u32> {
    // SAFETY: The group and the IOMMU data of a bound device do not change.
    unsafe {
        let (group, iommu) = ((*dev.as_raw()).iommu_group, (*dev.as_raw()).iommu);
        (!group.is_null() && !iommu.is_null()).then(|| (*iommu).max_pasids)
    }
}

#[cfg(not(CONFIG_IOMMU_API))]
fn max_pasids(_dev: &device::Device<Bound>) -> Option<u32> {
    None
}

#[cfg(all(CONFIG_PCI_ATS, CONFIG_PCI_PRI))]
fn lacks_page_requests(dev: &device::Device<Bound>) -> bool {
    let Ok(pdev) = <&crate::pci::Device<Bound>>::try_from(dev) else {
        return false;
    };
    pdev.lacks_page_requests()
}

/// Without these options no PCI device has page requests; on other buses the IOMMU stalls instead.
#[cfg(not(all(CONFIG_PCI_ATS, CONFIG_PCI_PRI)))]
fn lacks_page_requests(dev: &device::Device<Bound>) -> bool {
    // SAFETY: `dev` is valid.
    cfg!(CONFIG_PCI) && unsafe { bindings::dev_is_pci(dev.as_raw()) }
}
