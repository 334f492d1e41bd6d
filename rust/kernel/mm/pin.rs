// SPDX-License-Identifier: GPL-2.0

//! Pages of a process that stay where they are.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use crate::{
    bindings,
    capability::{
        capable,
        Cap, //
    },
    error::to_result,
    mm::Mm,
    page::{
        list::{
            merciful,
            PageList, //
        },
        BorrowedPage,
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
    },
    task::Task, //
};
use core::ptr::NonNull;

/// What pinned pages are for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// They are read and written.
    ReadWrite,
    /// They are read. The process needs no right to write them; it goes on seeing the same pages.
    ReadOnly,
}

impl Access {
    fn gup_flags(self) -> u32 {
        match self {
            Self::ReadWrite => bindings::FOLL_LONGTERM | bindings::FOLL_WRITE,
            Self::ReadOnly => bindings::FOLL_LONGTERM,
        }
    }
}

/// Pages that a user has locked, of the number that all processes of the user may lock.
///
/// They are the user's and not those of an address space: that may end while the pages stay, and
/// would take the count with it.
///
/// # Invariants
///
/// Owns a reference to `user`, whose `locked_vm` contains `pages`.
struct Locked {
    user: NonNull<bindings::user_struct>,
    pages: usize,
}

impl Locked {
    /// Returns `None` if the user of the current task would have more than `limit`, or if this is a
    /// kernel that has no such number, having nobody else who would count.
    fn new(pages: usize, limit: usize) -> Option<Self> {
        // SAFETY: A task always has a user.
        let user = unsafe { NonNull::new_unchecked(bindings::get_current_user()) };
        // INVARIANT: The reference was taken just now, and there are no pages yet.
        let mut this = Self { user, pages: 0 };
        let locked = this.locked()?;
        let mut before = locked.load(Relaxed);
        loop {
            let after = before.checked_add(pages).filter(|after| *after <= limit)?;
            match locked.cmpxchg(before, after, Relaxed) {
                Ok(_) => break,
                Err(now) => before = now,
            }
        }
        // INVARIANT: Added above.
        this.pages = pages;
        Some(this)
    }

    /// What the user has locked. The options are those in `include/linux/sched/user.h`.
    fn locked(&self) -> Option<&Atomic<usize>> {
        #[cfg(any(
            CONFIG_NET,
            CONFIG_IO_URING,
            CONFIG_VFIO_PCI_ZDEV_KVM,
            CONFIG_IOMMUFD,
            CONFIG_SECRETMEM
        ))]
        // SAFETY: By the type invariant the user is there. C code treats the number as an atomic
        // one as well.
        return Some(unsafe {
            Atomic::from_ptr((&raw mut (*self.user.as_ptr()).locked_vm).cast())
        });

        #[cfg(not(any(
            CONFIG_NET,
            CONFIG_IO_URING,
            CONFIG_VFIO_PCI_ZDEV_KVM,
            CONFIG_IOMMUFD,
            CONFIG_SECRETMEM
        )))]
        None
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if let Some(locked) = self.locked() {
            locked.fetch_add(self.pages.wrapping_neg(), Relaxed);
        }
        // SAFETY: By the type invariant the reference is ours.
        unsafe { bindings::free_uid(self.user.as_ptr()) };
    }
}

/// Pages that a process is said to have pinned, in `/proc/PID/status`.
///
/// # Invariants
///
/// `pages` are contained in the `pinned_vm` of `mm`.
struct Counted {
    mm: ARef<Mm>,
    pages: i64,
}

impl Counted {
    fn new(mm: &Mm, pages: i64) -> Self {
        // INVARIANT: As many are added.
        let this = Self {
            mm: mm.into(),
            pages,
        };
        this.add(pages);
        this
    }

    fn add(&self, pages: i64) {
        // SAFETY: The `mm_struct` is there for as long as we hold a reference to it, whatever
        // became of the process.
        unsafe { bindings::mm_add_pinned(self.mm.as_raw(), pages) };
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.add(-self.pages);
    }
}

/// Who pays for pinned pages. A task with `CAP_IPC_LOCK` may have more than the limit, and its
/// user does not pay for those.
struct Charge {
    _user: Option<Locked>,
    _process: Counted,
}

impl Charge {
    /// Fails with [`ENOMEM`] if these are more than the current task may pin.
    fn new(mm: &Mm, pages: usize) -> Result<Self> {
        let process = pages.try_into()?;
        // SAFETY: There is such a limit.
        let limit = unsafe { bindings::rlimit(bindings::RLIMIT_MEMLOCK) } >> PAGE_SHIFT;
        let user = Locked::new(pages, limit);
        if user.is_none() && !capable(Cap::IpcLock) {
            return Err(ENOMEM);
        }
        Ok(Self {
            _user: user,
            _process: Counted::new(mm, process),
        })
    }
}

/// Pages of a process, pinned: they stay in memory, and stay those that the process sees, until
/// this is dropped, even if the process ends before.
///
/// The process may write them at any time. What it maps at the same address later is not what is
/// pinned. Dropping it marks the pages as written, if that was asked for; it may sleep.
///
/// # Examples
///
/// ```
/// use kernel::mm::pin::{Access, PinnedPages};
/// use kernel::page::list::PageList;
/// use kernel::prelude::*;
///
/// /// Number of pages that a device will read.
/// fn pin(addr: usize, len: usize) -> Result<usize> {
///     Ok(PinnedPages::new(addr, len, Access::ReadOnly)?.count())
/// }
///
/// assert_eq!(pin(1, 2), Err(EINVAL));
/// ```
///
/// # Invariants
///
/// Each of `pages` is pinned once, in the way that `access` says.
pub struct PinnedPages {
    pages: KVVec<NonNull<bindings::page>>,
    access: Access,
    _charge: Charge,
}

impl PinnedPages {
    /// Pages that are pinned or unpinned between two looks at whether somebody waits.
    const BATCH: usize = PAGE_SIZE / size_of::<usize>();

    /// Pins `len` bytes at `addr` of the current process. May sleep.
    ///
    /// They count against `RLIMIT_MEMLOCK`, beside what other processes of the same user have
    /// locked by such means, until they are unpinned.
    ///
    /// All is pinned or nothing. Fails with
    ///
    /// - [`EINVAL`] if `addr` and `len` are not whole pages, at least one, that end in the range of
    ///   addresses;
    /// - [`EFAULT`] if there is a hole, something that can't be pinned such as the registers of a
    ///   device, or something that the process may not access in this way; or if the current task
    ///   is no process, even if it [uses the memory](crate::mm::MmWithUser::use_in_kthread) of one:
    ///   nobody would have to pay;
    /// - [`EOPNOTSUPP`] for files of some file systems, those in persistent memory;
    /// - [`ENOMEM`] if the limit is exceeded and the task lacks `CAP_IPC_LOCK`, or there is no
    ///   memory;
    /// - [`ERESTARTSYS`], [`EINTR`] or [`EAGAIN`] if a signal came.
    pub fn new(addr: usize, len: usize, access: Access) -> Result<Self> {
        let count = check_pages(addr, len)?;
        // SAFETY: A task's flags are written by itself.
        if unsafe { (*Task::current_raw()).flags } & bindings::PF_KTHREAD != 0 {
            return Err(EFAULT);
        }
        Self::pin(addr, count, access)
    }

    fn pin(addr: usize, count: usize, access: Access) -> Result<Self> {
        let task = current!();
        let mm = task.mm().ok_or(EFAULT)?;

        let charge = Charge::new(mm, count)?;
        // INVARIANT: No pages yet.
        let mut this = Self {
            pages: KVVec::with_capacity(count, GFP_KERNEL_ACCOUNT | merciful())?,
            access,
            _charge: charge,
        };
        while this.pages.len() < count {
            this.check_signals(task)?;
            let at = addr + (this.pages.len() << PAGE_SHIFT);
            this.pin_more(at, Self::BATCH.min(count - this.pages.len()))?;
        }
        Ok(this)
    }

    fn check_signals(&self, task: &Task) -> Result {
        // SAFETY: `new` may sleep.
        unsafe { bindings::cond_resched() };
        if task.signal_pending() {
            return Err(ERESTARTSYS);
        }
        Ok(())
    }

    /// Pins the next pages, at least one and at most `count`, for which there is capacity.
    fn pin_more(&mut self, addr: usize, count: usize) -> Result {
        let count = count.min(self.pages.spare_capacity_mut().len());
        // CAST: `NonNull` has the layout of a pointer.
        let to = self.pages.spare_capacity_mut().as_mut_ptr().cast();
        // SAFETY: There is room for as many pages at `to`.
        let pinned = unsafe {
            bindings::pin_user_pages_fast(addr, count.try_into()?, self.access.gup_flags(), to)
        };
        to_result(pinned)?;

        let pinned = usize::try_from(pinned)?;
        if pinned == 0 {
            return Err(EFAULT);
        }
        // SAFETY: As many pages, none null, were written. INVARIANT: They are pinned once.
        unsafe { self.pages.inc_len(pinned) };
        Ok(())
    }
}

impl Drop for PinnedPages {
    fn drop(&mut self) {
        let dirty = self.access == Access::ReadWrite;
        for batch in self.pages.chunks_mut(Self::BATCH) {
            // SAFETY: By the type invariant these are pinned, and we may sleep. `NonNull` has the
            // layout of a pointer.
            unsafe {
                bindings::unpin_user_pages_dirty_lock(
                    batch.as_mut_ptr().cast(),
                    batch.len(),
                    dirty,
                );
                bindings::cond_resched();
            }
        }
    }
}

// SAFETY: Pages may be unpinned by any task.
unsafe impl Send for PinnedPages {}
// SAFETY: A shared list can only be asked for what does not change.
unsafe impl Sync for PinnedPages {}

// SAFETY: Pinned pages are not freed or moved until we unpin them, and no page is added or removed
// after `new`. The kernel maps pages of processes cached.
unsafe impl PageList for PinnedPages {
    fn count(&self) -> usize {
        self.pages.len()
    }

    fn page(&self, index: usize) -> Option<BorrowedPage<'_>> {
        let page = self.pages.get(index)?;
        // SAFETY: The page is pinned for as long as we are borrowed.
        Some(unsafe { BorrowedPage::from_raw(*page) })
    }

    fn writable(&self) -> bool {
        self.access == Access::ReadWrite
    }
}

/// The number of pages, if these are whole ones, at least one, that end in the range of addresses.
fn check_pages(addr: usize, len: usize) -> Result<usize> {
    if len == 0 || (addr | len) % PAGE_SIZE != 0 || addr.checked_add(len).is_none() {
        return Err(EINVAL);
    }
    Ok(len >> PAGE_SHIFT)
}

#[macros::kunit_tests(rust_mm_pin)]
mod tests {
    use super::*;

    /// Anonymous memory of the test's own process, with a page behind it that is not there.
    struct Memory {
        addr: usize,
        count: usize,
    }

    impl Memory {
        fn new(count: usize, prot: u32) -> Result<Self> {
            // SAFETY: A test runs in a task of its own, which may take an address space.
            to_result(unsafe { bindings::kunit_attach_mm() })?;
            let flags = bindings::MAP_PRIVATE | bindings::MAP_ANONYMOUS;
            // SAFETY: The task has an address space.
            let addr = unsafe {
                bindings::vm_mmap(
                    core::ptr::null_mut(),
                    0,
                    (count + 1) * PAGE_SIZE,
                    prot as usize,
                    flags as usize,
                    0,
                )
            };
            if addr % PAGE_SIZE != 0 {
                return Err(ENOMEM);
            }
            // SAFETY: As above.
            to_result(unsafe { bindings::vm_munmap(addr + count * PAGE_SIZE, PAGE_SIZE) })?;
            Ok(Self { addr, count })
        }

        fn pin(&self, access: Access) -> Result<PinnedPages> {
            PinnedPages::pin(self.addr, self.count, access)
        }

        /// What the task's user has locked.
        fn locked() -> Result<usize> {
            let nothing = Locked::new(0, usize::MAX).ok_or(EINVAL)?;
            Ok(nothing.locked().ok_or(EINVAL)?.load(Relaxed))
        }

        fn pinned() -> i64 {
            let task = current!();
            // SAFETY: The task has an address space.
            task.mm()
                .map_or(-1, |mm| unsafe { bindings::mm_add_pinned(mm.as_raw(), 0) })
        }
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            // SAFETY: The task has an address space, and this range was mapped by us.
            unsafe { bindings::vm_munmap(self.addr, self.count * PAGE_SIZE) };
        }
    }

    const RW: u32 = bindings::PROT_READ | bindings::PROT_WRITE;

    #[test]
    fn takes_whole_pages_only() {
        for (addr, len, count) in [
            (0, PAGE_SIZE, Ok(1)),
            (PAGE_SIZE, 3 * PAGE_SIZE, Ok(3)),
            (0, 0, Err(EINVAL)),
            (1, PAGE_SIZE, Err(EINVAL)),
            (PAGE_SIZE, PAGE_SIZE - 1, Err(EINVAL)),
            (usize::MAX - (PAGE_SIZE - 1), 2 * PAGE_SIZE, Err(EINVAL)),
        ] {
            assert_eq!(check_pages(addr, len), count);
        }
    }

    #[test]
    fn pins_and_counts() -> Result {
        let memory = Memory::new(PinnedPages::BATCH + 3, RW)?;
        let before = Memory::pinned();
        let locked = Memory::locked()?;
        let pages = memory.pin(Access::ReadWrite)?;
        assert_eq!(pages.count(), memory.count);
        assert!(pages.writable());
        assert!(pages.page(memory.count).is_none());
        assert_eq!(Memory::pinned() - before, i64::try_from(memory.count)?);
        assert_eq!(Memory::locked()? - locked, memory.count);

        drop(pages);
        assert_eq!(Memory::pinned(), before);
        assert_eq!(Memory::locked()?, locked);
        Ok(())
    }

    #[test]
    fn a_user_has_a_limit() -> Result {
        let limit = Memory::locked()? + 10;
        let most = Locked::new(7, limit).ok_or(ENOMEM)?;
        for (pages, fits) in [(3, true), (4, false), (usize::MAX, false)] {
            assert_eq!(Locked::new(pages, limit).is_some(), fits);
        }
        drop(most);
        assert!(Locked::new(10, limit).is_some());
        assert_eq!(Memory::locked()? + 10, limit);
        Ok(())
    }

    #[test]
    fn a_kernel_thread_pays_for_nothing_and_pins_nothing() -> Result {
        // The thread of a test is one, with an address space.
        let memory = Memory::new(1, RW)?;
        let pages = PinnedPages::new(memory.addr, PAGE_SIZE, Access::ReadWrite);
        assert_eq!(pages.err(), Some(EFAULT));
        Ok(())
    }

    #[test]
    fn what_is_read_only_is_pinned_to_be_read() -> Result {
        let memory = Memory::new(2, bindings::PROT_READ)?;
        assert_eq!(memory.pin(Access::ReadWrite).err(), Some(EFAULT));
        assert!(!memory.pin(Access::ReadOnly)?.writable());
        Ok(())
    }

    #[test]
    fn a_hole_undoes_all() -> Result {
        let memory = Memory::new(2, RW)?;
        let before = Memory::pinned();
        let pages = PinnedPages::pin(memory.addr, 3, Access::ReadWrite);
        assert_eq!(pages.err(), Some(EFAULT));
        assert_eq!(Memory::pinned(), before);
        Ok(())
    }

    #[test]
    fn pages_outlive_their_mapping() -> Result {
        let memory = Memory::new(1, RW)?;
        let pages = memory.pin(Access::ReadWrite)?;
        drop(memory);
        let (mut byte, page) = (1, pages.page(0).ok_or(EINVAL)?);
        // SAFETY: `byte` is a byte, and nobody writes the page.
        unsafe { page.read_raw(&raw mut byte, 0, 1)? };
        assert_eq!(byte, 0);
        Ok(())
    }
}
