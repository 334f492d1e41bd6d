// SPDX-License-Identifier: GPL-2.0

//! Memory of the kernel that user space may map, page by page.
//!
//! C header: [`include/linux/vmalloc.h`](srctree/include/linux/vmalloc.h)

use super::{
    list::{
        check_killed,
        count,
        merciful,
        PageList, //
    },
    volatile::Volatile,
    BorrowedPage,
    Page,
    PAGE_SHIFT, //
};
use crate::{
    alloc::{
        flags::__GFP_ZERO,
        Flags, //
    },
    bindings,
    prelude::*, //
};
use core::{
    ops::Deref,
    ptr::NonNull, //
};

/// A zeroed page that user space may map and write: cached, and the kernel's own.
///
/// [`Fault::insert_page`](crate::mm::fault::Fault::insert_page) gives it out. A process that has
/// mapped it holds a reference, so it may be dropped at any time.
///
/// # Invariants
///
/// The page is none of a larger allocation, of a file or of a process, and the kernel maps it
/// cached.
#[repr(transparent)]
pub struct SharedPage(Page);

impl SharedPage {
    /// Allocates a page, charged to the memory cgroup of the current task. May sleep.
    ///
    /// Fails with [`ENOMEM`].
    pub fn new() -> Result<Self> {
        Self::with(GFP_KERNEL_ACCOUNT)
    }

    fn with(flags: Flags) -> Result<Self> {
        // INVARIANT: It is a page by itself, made just now.
        Ok(Self(Page::alloc_page(flags | __GFP_ZERO)?))
    }
}

impl Deref for SharedPage {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.0
    }
}

/// Zeroed memory made of single pages, which the kernel sees as one piece.
///
/// A fault handler can give out its [`page`](Self::page)s by
/// [`Fault::insert_page`](crate::mm::fault::Fault::insert_page). A process that has mapped a page
/// holds a reference to it, so the memory may be dropped at any time: what is mapped stays as it
/// was until the last mapping goes.
///
/// # Examples
///
/// ```
/// use kernel::page::{SharedPages, PAGE_SIZE};
///
/// let memory = SharedPages::new(PAGE_SIZE + 1)?;
/// assert_eq!(memory.size(), 2 * PAGE_SIZE);
///
/// memory.write::<u32>(PAGE_SIZE, 1)?;
/// assert_eq!(memory.read::<u32>(PAGE_SIZE)?, 1);
/// assert_eq!(memory.read::<u32>(2 * PAGE_SIZE), Err(EINVAL));
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// `pages` are mapped one after the other at `base`, by a mapping that this owns.
pub struct SharedPages {
    base: NonNull<u8>,
    pages: KVVec<SharedPage>,
}

impl SharedPages {
    /// Allocates at least `size` bytes, rounded up to whole pages, charged to the memory cgroup of
    /// the current task. May sleep.
    ///
    /// Fails with [`EINVAL`] if `size` is zero, [`EOVERFLOW`] or [`ENOMEM`] if it is too large,
    /// [`EINTR`] if the task is killed.
    pub fn new(size: usize) -> Result<Self> {
        let count = count(size)?;
        let mut pages = KVVec::with_capacity(count, GFP_KERNEL_ACCOUNT | merciful())?;
        for _ in 0..count {
            check_killed()?;
            let page = SharedPage::with(GFP_KERNEL_ACCOUNT | merciful())?;
            pages.push(page, GFP_KERNEL)?;
        }

        // INVARIANT: `map` returns a mapping of these pages, which nobody else knows.
        Ok(Self {
            base: Self::map(&pages)?,
            pages,
        })
    }

    fn map(pages: &[SharedPage]) -> Result<NonNull<u8>> {
        let mut raw = KVVec::with_capacity(pages.len(), GFP_KERNEL | merciful())?;
        for page in pages {
            raw.push(page.as_ptr(), GFP_KERNEL)?;
        }

        // SAFETY: `raw` are as many valid pages.
        let base = unsafe {
            bindings::vmap(
                raw.as_mut_ptr(),
                raw.len().try_into()?,
                bindings::VM_MAP as usize,
                bindings::page_kernel(),
            )
        };
        NonNull::new(base.cast()).ok_or(ENOMEM)
    }

    /// Size in bytes.
    pub fn size(&self) -> usize {
        self.pages.len() << PAGE_SHIFT
    }

    /// The page at `index`, counted from 0, if there are that many.
    pub fn page(&self, index: usize) -> Option<&SharedPage> {
        self.pages.get(index)
    }

    fn memory(&self) -> Volatile<'_> {
        // SAFETY: By the type invariant the pages are mapped at `base` for as long as `self` lives.
        // No reference to their content is ever made.
        unsafe { Volatile::new(self.base.as_ptr(), self.size()) }
    }

    /// Reads a value once; user space may be writing it.
    ///
    /// Fails with [`EINVAL`] if it does not lie in the memory, aligned.
    pub fn read<T: zerocopy::FromBytes + Copy>(&self, offset: usize) -> Result<T> {
        self.memory().read(offset)
    }

    /// Writes a value once; user space may be reading it.
    ///
    /// Fails with [`EINVAL`] if it does not lie in the memory, aligned.
    pub fn write<T: zerocopy::IntoBytes + Copy>(&self, offset: usize, value: T) -> Result {
        self.memory().write(offset, value)
    }
}

// SAFETY: The pages and their mapping are the same in all tasks.
unsafe impl Send for SharedPages {}
// SAFETY: Volatile accesses may race with each other.
unsafe impl Sync for SharedPages {}

// SAFETY: The pages are ours until we are dropped, and no page is added or removed after `new`.
unsafe impl PageList for SharedPages {
    fn count(&self) -> usize {
        self.pages.len()
    }

    fn page(&self, index: usize) -> Option<BorrowedPage<'_>> {
        let page = self.pages.get(index)?;
        // SAFETY: We own the page for as long as we are borrowed.
        Some(unsafe { BorrowedPage::from_raw(page.page) })
    }
}

impl Drop for SharedPages {
    fn drop(&mut self) {
        // SAFETY: By the type invariant we own the mapping; its pages go after it.
        unsafe { bindings::vunmap(self.base.as_ptr().cast()) };
    }
}

#[macros::kunit_tests(rust_page_shared)]
mod tests {
    use super::*;
    use crate::page::PAGE_SIZE;

    #[test]
    fn is_zeroed_whole_pages() -> Result {
        for (asked, size) in [
            (1, PAGE_SIZE),
            (PAGE_SIZE, PAGE_SIZE),
            (3 * PAGE_SIZE - 7, 3 * PAGE_SIZE),
        ] {
            let memory = SharedPages::new(asked)?;
            assert_eq!(memory.size(), size);
            for offset in (0..size).step_by(size_of::<u64>()) {
                assert_eq!(memory.read::<u64>(offset)?, 0);
            }
        }
        Ok(())
    }

    #[test]
    fn refuses_sizes() {
        for (size, err) in [
            (0, EINVAL),
            (usize::MAX, EOVERFLOW),
            (usize::MAX - PAGE_SIZE, ENOMEM),
            (1 << 40, ENOMEM),
        ] {
            assert_eq!(SharedPages::new(size).err(), Some(err));
        }
    }

    #[test]
    fn refuses_what_is_outside_or_unaligned() -> Result {
        let memory = SharedPages::new(PAGE_SIZE)?;
        for offset in [1, 2, PAGE_SIZE - 2, PAGE_SIZE, usize::MAX - 3, usize::MAX] {
            assert_eq!(memory.read::<u32>(offset), Err(EINVAL));
            assert_eq!(memory.write::<u32>(offset, 0), Err(EINVAL));
        }
        memory.write::<u32>(PAGE_SIZE - 4, 5)?;
        assert_eq!(memory.read::<u32>(PAGE_SIZE - 4)?, 5);
        Ok(())
    }

    #[test]
    fn pages_are_those_of_the_memory() -> Result {
        let memory = SharedPages::new(2 * PAGE_SIZE)?;
        memory.write::<u8>(PAGE_SIZE + 3, 9)?;
        let mut byte = 0;
        let page = memory.page(1).ok_or(EINVAL)?;
        // SAFETY: `byte` is a byte, and nobody writes the page.
        unsafe { page.read_raw(&raw mut byte, 3, 1)? };
        assert_eq!(byte, 9);
        assert!(memory.page(2).is_none());
        Ok(())
    }
}
