// SPDX-License-Identifier: GPL-2.0

//! Address spaces of a device's own, beside the one of its driver.
//!
//! C header: [`include/linux/iommu.h`](srctree/include/linux/iommu.h)

use super::{
    pgtable::prot,
    sva::{
        lacks_memory,
        Missing, //
    }, //
};
use crate::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    bindings,
    container_of,
    device::{
        Bound,
        Device, //
    },
    error::{
        from_err_ptr,
        to_result, //
    },
    io::PhysAddr,
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::ARef, //
};
use core::{
    ops::RangeInclusive,
    ptr::{
        null_mut,
        NonNull, //
    },
};

/// A page table.
///
/// # Invariants
///
/// Owns a paging domain that no device is attached to when this is dropped.
struct Domain(NonNull<bindings::iommu_domain>);

impl Domain {
    fn new(dev: &Device<Bound>) -> Result<Self> {
        // SAFETY: `dev` is bound, so that its IOMMU stays.
        let domain = from_err_ptr(unsafe {
            bindings::iommu_paging_domain_alloc_flags(
                dev.as_raw(),
                bindings::iommufd_hwpt_alloc_flags_IOMMU_HWPT_ALLOC_PASID,
            )
        })?;
        // INVARIANT: The domain was made just now.
        Ok(Self(NonNull::new(domain).ok_or(ENODEV)?))
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::iommu_domain_free(self.0.as_ptr()) };
    }
}

/// A PASID that nobody else uses, whatever the device.
///
/// # Invariants
///
/// It was allocated by `iommu_alloc_global_pasid()`.
struct Pasid(u32);

impl Pasid {
    /// # Safety
    ///
    /// `dev` must have an IOMMU.
    unsafe fn new(dev: &Device<Bound>) -> Result<Self> {
        // SAFETY: By the requirements of this function.
        let pasid = unsafe { bindings::iommu_alloc_global_pasid(dev.as_raw()) };
        // CAST: The constant is `-1U` in C.
        if pasid == bindings::IOMMU_PASID_INVALID as u32 {
            return Err(ENOSPC);
        }

        // INVARIANT: Allocated just now.
        Ok(Self(pasid))
    }
}

impl Drop for Pasid {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::iommu_free_global_pasid(self.0) };
    }
}

/// An address space that a device reaches under a PASID, and that has only the memory in it that
/// was put there by [`map`](Self::map).
///
/// An access to anything else fails, and so does a page request: nobody is there to fetch pages.
///
/// Dropping it takes the address space from the device, with all that is mapped; later accesses
/// under the PASID are refused by the IOMMU. The device should be quiet by then. May sleep.
///
/// # Examples
///
/// ```
/// use kernel::device::{Bound, Device};
/// use kernel::io::PhysAddr;
/// use kernel::iommu::{paging::PasidDomain, pgtable::prot};
/// use kernel::page::PAGE_SIZE;
/// use kernel::prelude::*;
///
/// /// Lets the device read one page at address 0x10000.
/// ///
/// /// # Safety
/// ///
/// /// The result must be dropped before `dev` is unbound, and before the page is freed.
/// unsafe fn show(dev: &Device<Bound>, page: PhysAddr) -> Result<PasidDomain> {
///     // SAFETY: By the requirements of this function.
///     let mut space = unsafe { PasidDomain::new(dev)? };
///     // SAFETY: As above.
///     unsafe { space.map(0x10000, page, PAGE_SIZE, prot::READ)? };
///     dev_info!(dev, "the page is there under PASID {}\n", space.pasid());
///     Ok(space)
/// }
/// ```
///
/// # Invariants
///
/// `domain` is attached to `pasid` of `dev`.
// The fields are dropped in this order, after the domain has been detached.
pub struct PasidDomain {
    pasid: Pasid,
    domain: Domain,
    dev: ARef<Device>,
}

impl PasidDomain {
    /// Makes an empty address space and attaches it to a free PASID of `dev`. May sleep.
    ///
    /// Fails with [`ENODEV`] if no IOMMU translates for the device, [`EOPNOTSUPP`] if the IOMMU
    /// can't do this with PASIDs, [`ENOSPC`] if the device has no PASIDs or no more of them,
    /// [`EBUSY`] while the device is being reset, [`ENOMEM`], or with another error of the IOMMU's
    /// driver.
    ///
    /// # Safety
    ///
    /// It must be dropped before `dev` is unbound.
    pub unsafe fn new(dev: &Device<Bound>) -> Result<Self> {
        let domain = Domain::new(dev)?;
        // SAFETY: A domain was allocated for `dev`, so it has an IOMMU.
        let pasid = unsafe { Pasid::new(dev)? };
        // SAFETY: `dev` is bound, the domain was made for it, and nobody else uses the PASID.
        to_result(unsafe {
            bindings::iommu_attach_device_pasid(
                domain.0.as_ptr(),
                dev.as_raw(),
                pasid.0,
                null_mut(),
            )
        })?;

        // INVARIANT: Attached just now.
        Ok(Self {
            pasid,
            domain,
            dev: dev.into(),
        })
    }

    /// The PASID under which the device reaches the address space.
    pub fn pasid(&self) -> u32 {
        self.pasid.0
    }

    /// The last address that can be mapped.
    pub fn last_address(&self) -> u64 {
        // SAFETY: The domain is valid, and its geometry does not change.
        unsafe { self.domain.0.as_ref().geometry.aperture_end }
    }

    /// Lets the device reach `len` bytes of memory at the physical address `phys` as `iova`, in the
    /// way that `prot` says, a combination of what is in [`prot`]. May sleep.
    ///
    /// `&mut self` keeps others from changing the same range, which the page tables do not check.
    ///
    /// Fails with [`EINVAL`] if these are not whole pages (of the IOMMU, too), leave the range of
    /// addresses, or `prot` allows nothing; with [`EADDRINUSE`] or [`EEXIST`] if some of it is
    /// mapped already, with [`ERANGE`] or [`EOVERFLOW`] if the IOMMU can't translate addresses as
    /// large as these, with [`ENOMEM`]. Nothing is mapped then.
    ///
    /// # Safety
    ///
    /// Until the range is unmapped or `self` is dropped, the memory must not be freed or used for
    /// something else, and must be such that the device may access it at any time in this way.
    pub unsafe fn map(&mut self, iova: usize, phys: PhysAddr, len: usize, prot: u32) -> Result {
        check_pages(iova, len)?;
        check_pages(phys.try_into()?, len)?;
        if prot & (prot::READ | prot::WRITE) == 0 {
            return Err(EINVAL);
        }

        // SAFETY: The domain is valid. What the device can do with the memory is up to the caller.
        to_result(unsafe {
            bindings::iommu_map(
                self.domain.0.as_ptr(),
                iova,
                phys,
                len,
                prot.try_into()?,
                GFP_KERNEL_ACCOUNT.as_raw(),
            )
        })
    }

    /// Takes `len` bytes at `iova` from the device, and returns how many were taken; the device
    /// can't reach them any more when this returns.
    ///
    /// The range must be one or more that were mapped, as wholes: a part of one may be taken with
    /// all of it, which gives more than `len`, or not at all. It ends at the first gap.
    ///
    /// Fails with [`EINVAL`] if these are not whole pages.
    pub fn unmap(&mut self, iova: usize, len: usize) -> Result<usize> {
        check_pages(iova, len)?;
        // SAFETY: The domain is valid, and `self` is borrowed exclusively.
        Ok(unsafe { bindings::iommu_unmap(self.domain.0.as_ptr(), iova, len) })
    }
}

impl Drop for PasidDomain {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; by the contract of `new` the device is still bound.
        unsafe {
            bindings::iommu_detach_device_pasid(
                self.domain.0.as_ptr(),
                self.dev.as_raw(),
                self.pasid.0,
            );
        }
    }
}

// SAFETY: A domain may be changed and dropped by any task.
unsafe impl Send for PasidDomain {}
// SAFETY: Without exclusive access only the PASID can be read, which does not change.
unsafe impl Sync for PasidDomain {}

/// Tells what `dev` visibly lacks for a [`PasidDomain`]; never page requests.
///
/// Nothing missing is no promise: only [`PasidDomain::new`] tells whether the IOMMU can really do
/// it.
pub fn missing(dev: &Device<Bound>) -> Option<Missing> {
    lacks_memory(dev)
}

/// The ranges of addresses that mean something else to `dev` or to its IOMMU than memory that is
/// mapped there, interrupts for example. See `iommu_get_resv_regions()`.
///
/// Fails with [`ENOMEM`].
pub fn reserved_regions(dev: &Device<Bound>) -> Result<KVec<RangeInclusive<u64>>> {
    let mut list = bindings::list_head::default();
    let head = &raw mut list;
    // SAFETY: The list is initialised before it is used, stays where it is, and is emptied again.
    unsafe {
        bindings::INIT_LIST_HEAD(head);
        bindings::iommu_get_resv_regions(dev.as_raw(), head);
    }

    let mut regions = KVec::new();
    let mut result = Ok(());
    let mut at = list.next;
    while at != head && result.is_ok() {
        // SAFETY: All entries of the list are members of that name of regions.
        let region = unsafe { &*container_of!(at, bindings::iommu_resv_region, list) };
        let last = region.start + (region.length as u64).saturating_sub(1);
        result = regions.push(region.start..=last, GFP_KERNEL);
        at = region.list.next;
    }
    // SAFETY: The list is that of `iommu_get_resv_regions()`.
    unsafe { bindings::iommu_put_resv_regions(dev.as_raw(), head) };
    result?;
    Ok(regions)
}

/// Fails unless these are whole pages, at least one, that end in the range of addresses.
fn check_pages(start: usize, len: usize) -> Result {
    let last = len.checked_sub(1).and_then(|rest| start.checked_add(rest));
    if last.is_none() || (start | len) % PAGE_SIZE != 0 {
        return Err(EINVAL);
    }
    Ok(())
}

#[macros::kunit_tests(rust_iommu_paging)]
mod tests {
    use super::*;

    const LAST_PAGE: usize = usize::MAX - (PAGE_SIZE - 1);

    #[test]
    fn takes_whole_pages_only() {
        for (start, len, good) in [
            (0, PAGE_SIZE, true),
            (LAST_PAGE, PAGE_SIZE, true),
            (PAGE_SIZE, 3 * PAGE_SIZE, true),
            (0, 0, false),
            (0, 1, false),
            (1, PAGE_SIZE, false),
            (PAGE_SIZE, PAGE_SIZE + 1, false),
            (LAST_PAGE, 2 * PAGE_SIZE, false),
            (PAGE_SIZE, LAST_PAGE + (PAGE_SIZE - 1), false),
        ] {
            assert_eq!(check_pages(start, len).is_ok(), good);
        }
    }

    #[test]
    fn needs_an_iommu() -> Result {
        let faux = crate::faux::Registration::new(c"rust_iommu_paging", None)?;
        let faux: &crate::faux::Device<Bound> = faux.as_ref();
        let dev = faux.as_ref();
        assert_eq!(missing(dev), Some(Missing::Iommu));
        // SAFETY: It is dropped here.
        assert_eq!(unsafe { PasidDomain::new(dev) }.err(), Some(ENODEV));
        Ok(())
    }
}
