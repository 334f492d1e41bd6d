// SPDX-License-Identifier: GPL-2.0

//! Mappings whose pages are inserted when they are touched, and can be taken away again.
//!
//! A page that is inserted while `mmap()` still sets the mapping up can escape a revocation that
//! runs at the same time, because the mapping is not in the file's tree yet. So nothing is inserted
//! there: [`Operations::fault`] inserts the page that was touched, under whatever lock makes sure
//! that the page still may be given out, and [`Inode::zap_mappings`] takes back all pages of a file
//! after that lock has been used to forbid new ones. Only files that
//! [`create_file`](crate::anon_inode::create_file) makes have such an inode: that of a device node
//! is on a file system that can be unmounted, and is shared by all who open the node.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)
//!
//! [`Inode::zap_mappings`]: crate::anon_inode::Inode::zap_mappings
//! [`Operations::fault`]: crate::fs::operations::Operations::fault

use crate::{
    bindings,
    dma::pages::CoherentPages,
    io::PhysAddr,
    mm::virt::{
        flags,
        VmaNew, //
    },
    page::{
        list::PageList,
        SharedPage,
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    types::NotThreadSafe, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// Of a PCI device, without its ROM and what lies behind it if it is a bridge.
#[cfg(CONFIG_PCI)]
const BARS: u32 = 6;

/// Bytes of memory that are given out at once, if they are there and inside the mapping.
const AROUND: usize = 64 * PAGE_SIZE;

/// What a mapping consists of.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Pages with a `struct page` that the mapping holds references to.
    Pages,
    /// Page frames that the mapping holds no reference to: device registers, DMA memory. They must
    /// be zapped before what they are goes away.
    Frames,
}

/// A request of `mmap()` that is being checked.
pub struct NewMapping<'a> {
    vma: &'a VmaNew,
    _not_send: NotThreadSafe,
}

impl NewMapping<'_> {
    /// # Safety
    ///
    /// `vma` must be undergoing its initial set-up by `mmap()` for as long as the result lives.
    pub(crate) unsafe fn from_raw(vma: *mut bindings::vm_area_struct) -> Self {
        Self {
            // SAFETY: By the requirements of this function.
            vma: unsafe { VmaNew::from_raw(vma) },
            _not_send: NotThreadSafe,
        }
    }

    /// Offset in the file, in bytes.
    pub fn offset(&self) -> u64 {
        // SAFETY: The VMA is valid and not shared during its set-up.
        let pages = unsafe { (*self.vma.as_ptr()).vm_pgoff };
        (pages as u64) << PAGE_SHIFT
    }

    /// Length in bytes, a multiple of the page size.
    pub fn size(&self) -> u64 {
        (self.vma.end() - self.vma.start()) as u64
    }

    /// Whether writes go to the file (`MAP_SHARED`).
    pub fn shared(&self) -> bool {
        self.vma.flags() & flags::SHARED != 0
    }

    /// Forbids writing, now and by a later `mprotect()`.
    ///
    /// Fails with [`EPERM`] if the request is to write.
    pub fn forbid_write(&self) -> Result {
        self.vma.try_clear_maywrite().map_err(|_| EPERM)
    }

    /// Forbids execution, now and by a later `mprotect()`.
    ///
    /// Fails with [`EPERM`] if the request is to execute.
    pub fn forbid_exec(&self) -> Result {
        self.vma.try_clear_mayexec().map_err(|_| EPERM)
    }

    /// The processor caches nothing of the mapping: it is of [`Registers`].
    ///
    /// This has to be said here, and not when a page is touched: `mprotect()` makes protections
    /// from what the VMA has.
    pub fn set_uncached(&self) {
        self.change_prot(uncached);
    }

    /// Writes to the mapping are combined on their way to memory: it is of a [`PageList`] that is
    /// [`write_combined`](PageList::write_combined).
    pub fn set_write_combined(&self) {
        self.change_prot(write_combined);
    }

    /// The mapping is cached as `memory` must be, for its device to see the same.
    pub fn set_coherent(&self, memory: &CoherentPages) {
        self.change_prot(|prot| memory.pgprot(prot));
    }

    fn change_prot(&self, change: impl FnOnce(bindings::pgprot_t) -> bindings::pgprot_t) {
        let vma = self.vma.as_ptr();
        // SAFETY: The VMA is valid and not shared during its set-up.
        unsafe { (*vma).vm_page_prot = change((*vma).vm_page_prot) };
    }

    /// Completes the set-up of the VMA.
    ///
    /// The mapping is not inherited by `fork()` and can't grow, so that all its users are known to
    /// whoever allowed it.
    pub(crate) fn set_up(&self, kind: Kind, ops: &'static bindings::vm_operations_struct) {
        self.vma.set_dontcopy();
        self.set_up_inherited(kind, ops);
    }

    /// Completes the set-up of a VMA that a child process may inherit. It can't grow.
    pub(crate) fn set_up_inherited(
        &self,
        kind: Kind,
        ops: &'static bindings::vm_operations_struct,
    ) {
        self.vma.set_dontexpand();
        if kind == Kind::Frames {
            self.vma.set_io();
            self.vma.set_dontdump();
        }

        let vma = self.vma.as_ptr();
        // SAFETY: The VMA is not shared during its set-up. Of the two flags, which exclude each
        // other, none is set: whoever checks a `NewMapping` has no way to, and nobody has its
        // `VmaNew`, whose `set_mixedmap()` counts on it that Rust code sets no `VM_PFNMAP`.
        unsafe {
            (*vma).__bindgen_anon_2.vm_flags |= match kind {
                Kind::Pages => flags::MIXEDMAP,
                Kind::Frames => flags::PFNMAP,
            };
            (*vma).vm_ops = ops;
        }
    }
}

fn write_combined(prot: bindings::pgprot_t) -> bindings::pgprot_t {
    // SAFETY: This only computes a value.
    unsafe { bindings::pgprot_writecombine(prot) }
}

fn uncached(prot: bindings::pgprot_t) -> bindings::pgprot_t {
    // SAFETY: As above.
    unsafe { bindings::pgprot_noncached(prot) }
}

/// Whether `prot` is no less cached than `cached` is, as far as the architecture has a difference.
fn cached_like(prot: bindings::pgprot_t, cached: bindings::pgprot_t) -> bool {
    [uncached, write_combined].into_iter().all(|change| {
        let (was_changed, can_be) = (
            change(prot).pgprot == prot.pgprot,
            change(cached).pgprot != cached.pgprot,
        );
        !(was_changed && can_be)
    })
}

/// The page can't be given out: the access ends in `SIGBUS`.
#[derive(Debug)]
pub struct Sigbus;

/// A fault was answered with a page.
#[derive(Debug)]
pub struct Handled(bindings::vm_fault_t);

/// How a fault was answered.
pub type FaultResult = core::result::Result<Handled, Sigbus>;

/// A touch of a page that is not there.
pub struct Fault<'a> {
    vmf: NonNull<bindings::vm_fault>,
    _vmf: PhantomData<&'a bindings::vm_fault>,
}

impl Fault<'_> {
    /// # Safety
    ///
    /// `vmf` must be the argument of a fault handler that is running.
    pub(crate) unsafe fn from_raw(vmf: *mut bindings::vm_fault) -> Self {
        Self {
            // SAFETY: A fault handler's argument is never null.
            vmf: unsafe { NonNull::new_unchecked(vmf) },
            _vmf: PhantomData,
        }
    }

    fn vma(&self) -> *mut bindings::vm_area_struct {
        // SAFETY: `vmf` is valid while the handler runs.
        unsafe { (*self.vmf.as_ptr()).__bindgen_anon_1.vma }
    }

    /// The file that is mapped.
    pub(crate) fn file(&self) -> *mut bindings::file {
        // SAFETY: The VMA is locked against changes while the handler runs.
        unsafe { (*self.vma()).vm_file }
    }

    pub(crate) fn answer(&self, result: FaultResult) -> bindings::vm_fault_t {
        match result {
            Ok(Handled(code)) => code,
            Err(Sigbus) => bindings::vm_fault_reason_VM_FAULT_SIGBUS,
        }
    }

    /// Offset in the file of the page that was touched, in bytes.
    pub fn offset(&self) -> u64 {
        // SAFETY: `vmf` is valid while the handler runs.
        let pages = unsafe { (*self.vmf.as_ptr()).__bindgen_anon_1.pgoff };
        (pages as u64) << PAGE_SHIFT
    }

    /// The protection of the mapping, if `change` is what was done to it at its set-up.
    fn prot(
        &self,
        change: impl FnOnce(bindings::pgprot_t) -> bindings::pgprot_t,
    ) -> core::result::Result<bindings::pgprot_t, Sigbus> {
        let prot = self.page_prot();
        // This is how `pgprot_modify()` tells, too.
        if change(prot).pgprot == prot.pgprot {
            Ok(prot)
        } else {
            Err(Sigbus)
        }
    }

    /// The protection of the mapping, if it is cached.
    fn cached_prot(&self) -> core::result::Result<bindings::pgprot_t, Sigbus> {
        let prot = self.page_prot();
        // SAFETY: This only computes a value.
        let as_new = unsafe { bindings::vm_get_page_prot(self.flags()) };
        if cached_like(prot, as_new) {
            Ok(prot)
        } else {
            Err(Sigbus)
        }
    }

    fn page_prot(&self) -> bindings::pgprot_t {
        // SAFETY: The VMA is locked against changes while the handler runs.
        unsafe { (*self.vma()).vm_page_prot }
    }

    fn flags(&self) -> bindings::vm_flags_t {
        // SAFETY: The VMA is locked against changes while the handler runs.
        unsafe { (*self.vma()).__bindgen_anon_2.vm_flags }
    }

    fn is_frames(&self) -> bool {
        self.flags() & flags::PFNMAP != 0
    }

    /// Gives out `page`, if the mapping is cached; it holds a reference to the page until it goes.
    ///
    /// Other pages may have to be kept from being written or from being cached, or belong to a
    /// file that would miss them: they are given out, not counted, by
    /// [`insert_listed`](Self::insert_listed).
    pub fn insert_page(&self, page: &SharedPage) -> FaultResult {
        if self.is_frames() {
            return Err(Sigbus);
        }
        self.cached_prot()?;

        // Were the page left in `vmf`, it would be unlocked after it is mapped, by when a
        // revocation may have taken the mapping's reference, and whoever revokes the last one.
        //
        // SAFETY: `vmf` is valid while the handler runs, its VMA is a `VM_MIXEDMAP` one, and the
        // page is there at least until this returns; by its type invariant it may be mapped so.
        let code =
            unsafe { bindings::vmf_insert_page_mkwrite(self.vmf.as_ptr(), page.as_ptr(), false) };
        Ok(Handled(code))
    }

    /// Gives out the page at `offset` bytes into `memory`, and the pages around it, if the mapping
    /// is [`set_coherent`](NewMapping::set_coherent).
    ///
    /// What lies behind and before the page in the mapping must be what does in `memory`, as far as
    /// both reach.
    ///
    /// # Safety
    ///
    /// The mapping must be zapped, and no page of `memory` given out again, before `memory` is
    /// dropped.
    pub unsafe fn insert_coherent(&self, memory: &CoherentPages, offset: usize) -> FaultResult {
        let pfn = memory.frame(offset).ok_or(Sigbus)?;
        let prot = self.prot(|prot| memory.pgprot(prot))?;
        let answer = self.insert_frame(pfn, prot)?;
        for (address, offset) in self.around(offset) {
            let Some(pfn) = memory.frame(offset) else {
                break;
            };
            // A page that is not inserted now is when it is touched.
            let _ = self.insert_frame_at(address, pfn, prot);
        }
        Ok(answer)
    }

    /// Addresses of the pages around the one that was touched, as far as they are in the mapping,
    /// and their offsets in what the touched one has `offset` in.
    fn around(&self, offset: usize) -> impl Iterator<Item = (usize, usize)> {
        // SAFETY: The VMA is locked against changes while the handler runs.
        let (start, end) = unsafe {
            let range = (*self.vma()).__bindgen_anon_1.__bindgen_anon_1;
            (range.vm_start, range.vm_end)
        };
        let touched = self.address();
        let base = offset & !(PAGE_SIZE - 1);
        let first = base & !(AROUND - 1);
        (first..first + AROUND)
            .step_by(PAGE_SIZE)
            .map(move |offset| (touched.wrapping_add(offset).wrapping_sub(base), offset))
            .filter(move |(address, _)| *address != touched && (start..end).contains(address))
    }

    /// Gives out the page at `offset` bytes into `registers`, if the mapping is
    /// [`set_uncached`](NewMapping::set_uncached).
    ///
    /// # Safety
    ///
    /// The mapping must be zapped, and none of `registers` given out again, before the driver of
    /// their device is unbound.
    pub unsafe fn insert_registers(&self, registers: &Registers, offset: u64) -> FaultResult {
        if offset >= registers.size {
            return Err(Sigbus);
        }

        let prot = self.prot(uncached)?;
        self.insert_frame(((registers.start + offset) >> PAGE_SHIFT) as usize, prot)
    }

    /// Gives out the page at `index` of `pages`, counted from 0, if the mapping is
    /// [`set_write_combined`](NewMapping::set_write_combined) where the list is, and cached where
    /// it is not.
    ///
    /// A list that may not be written gets no page into a mapping that could be.
    ///
    /// # Safety
    ///
    /// `pages` must not be dropped before the mapping is gone, or has been zapped and no page is
    /// given out again.
    pub unsafe fn insert_listed(&self, pages: &dyn PageList, index: usize) -> FaultResult {
        let page = pages.page(index).ok_or(Sigbus)?;
        if !pages.writable() && self.flags() & (flags::WRITE | flags::MAYWRITE) != 0 {
            return Err(Sigbus);
        }
        let prot = if pages.write_combined() {
            self.prot(write_combined)?
        } else {
            self.cached_prot()?
        };

        // SAFETY: The page is valid.
        self.insert_frame(unsafe { bindings::page_to_pfn(page.as_ptr()) }, prot)
    }

    /// Address of the page that was touched.
    fn address(&self) -> usize {
        // SAFETY: `vmf` is valid while the handler runs.
        unsafe { (*self.vmf.as_ptr()).__bindgen_anon_1.address }
    }

    fn insert_frame(&self, pfn: usize, prot: bindings::pgprot_t) -> FaultResult {
        self.insert_frame_at(self.address(), pfn, prot)
    }

    fn insert_frame_at(&self, address: usize, pfn: usize, prot: bindings::pgprot_t) -> FaultResult {
        if !self.is_frames() {
            return Err(Sigbus);
        }

        // SAFETY: The VMA is locked and is a `VM_PFNMAP` one; an address outside of it is refused.
        let code = unsafe { bindings::vmf_insert_pfn_prot(self.vma(), address, pfn, prot) };
        Ok(Handled(code))
    }
}

/// Registers of a device that user space may map: whole pages of bus memory.
///
/// # Invariants
///
/// `start` and `size` are multiples of the page size, and the range belongs to a device.
#[derive(Copy, Clone, Debug)]
pub struct Registers {
    start: PhysAddr,
    size: u64,
}

impl Registers {
    /// Takes `size` bytes at `offset` of a BAR.
    ///
    /// What user space can do through these registers is for the driver to judge.
    ///
    /// Fails with [`EINVAL`] if this is not whole pages inside the BAR.
    #[cfg(CONFIG_PCI)]
    pub fn from_bar(
        pdev: &crate::pci::Device<crate::device::Bound>,
        bar: u32,
        offset: u64,
        size: u64,
    ) -> Result<Self> {
        if !pdev.is_memory(bar) {
            return Err(EINVAL);
        }
        // INVARIANT: A BAR belongs to its device.
        Self::part(
            pdev.resource_start(bar)?,
            pdev.resource_len(bar)?,
            offset,
            size,
        )
    }

    /// The registers at `offset` of those that begin at `start` and have `len` bytes.
    #[cfg_attr(not(CONFIG_PCI), allow(dead_code))]
    fn part(start: PhysAddr, len: u64, offset: u64, size: u64) -> Result<Self> {
        let end = offset.checked_add(size).ok_or(EINVAL)?;
        if size == 0 || end > len {
            return Err(EINVAL);
        }
        let start = start.checked_add(offset).ok_or(EINVAL)?;
        if (start | size) % PAGE_SIZE as u64 != 0 {
            return Err(EINVAL);
        }
        // INVARIANT: Checked above.
        Ok(Self { start, size })
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether they lie in `dev` or in the device that it is a part of, where these are now.
    ///
    /// Registers are numbers, and can be kept for longer than the driver is bound, or be given to
    /// another device.
    #[cfg(CONFIG_PCI)]
    pub(crate) fn are_of(&self, dev: &crate::device::Device) -> bool {
        // SAFETY: `dev` is valid, and holds its parent.
        let above = unsafe { (*dev.as_raw()).parent };
        let above = (!above.is_null()).then(|| {
            // SAFETY: As above.
            unsafe { crate::device::Device::<crate::device::Normal>::from_raw(above) }
        });
        self.lie_in(dev) || above.is_some_and(|above| self.lie_in(above))
    }

    #[cfg(CONFIG_PCI)]
    fn lie_in(&self, dev: &crate::device::Device) -> bool {
        let Ok(pdev) = <&crate::pci::Device>::try_from(dev) else {
            return false;
        };
        (0..BARS).any(|bar| {
            let (Ok(start), Ok(len)) = (pdev.resource_start(bar), pdev.resource_len(bar)) else {
                return false;
            };
            let inside = self.start.checked_sub(start);
            inside.is_some_and(|inside| inside <= len && self.size <= len - inside)
        })
    }

    /// There is no bus that they could lie on.
    #[cfg(not(CONFIG_PCI))]
    pub(crate) fn are_of(&self, _dev: &crate::device::Device) -> bool {
        false
    }
}

#[macros::kunit_tests(rust_mm_fault)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_whole_pages_of_their_bar() {
        let (page, bar) = (PAGE_SIZE as u64, 4 * PAGE_SIZE as u64);
        let start = !0 - (bar - 1);
        for (offset, size, is) in [
            (0, bar, true),
            (3 * page, page, true),
            (page, bar, false),
            (0, 0, false),
            (1, page, false),
            (0, page - 1, false),
            (bar, page, false),
            (!0 - (page - 1), page, false),
            (!0 - (2 * page - 1), page, false),
        ] {
            assert_eq!(Registers::part(start, bar, offset, size).is_ok(), is);
        }
    }

    #[test]
    fn what_is_cached_is_told_from_what_is_not() {
        // SAFETY: This only computes a value.
        let cached = unsafe { bindings::vm_get_page_prot(flags::READ | flags::SHARED) };
        assert!(cached_like(cached, cached));
        for change in [uncached, write_combined] {
            let changed = change(cached);
            assert_eq!(
                cached_like(changed, cached),
                changed.pgprot == cached.pgprot
            );
        }
    }
}
