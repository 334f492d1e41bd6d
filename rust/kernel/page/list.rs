// SPDX-License-Identifier: GPL-2.0

//! Lists of pages, wherever they come from, that processes and devices may reach.
//!
//! [`PageList`] is what an owner of memory promises to whoever maps the memory somewhere: into a
//! process, into a device, into the kernel. Here are also the lists that the kernel allocates by
//! itself; [`PinnedPages`](crate::mm::pin::PinnedPages) are those of a process.
//!
//! C header: [`include/linux/gfp.h`](srctree/include/linux/gfp.h)

use super::{
    page_align,
    BorrowedPage,
    Page,
    PAGE_SHIFT,
    PAGE_SIZE, //
};
use crate::{
    alloc::{
        flags::{
            __GFP_NOWARN,
            __GFP_RETRY_MAYFAIL,
            __GFP_ZERO, //
        },
        Flags, //
    },
    bindings,
    device::{
        Bound,
        Device, //
    },
    prelude::*,
    sync::Arc, //
};
use core::{
    ops::Range,
    ptr::NonNull, //
};

pub(crate) mod raw;

/// A list of pages that somebody keeps.
///
/// The memory may be accessed by others at any time, by processes and by devices, so nobody makes
/// references to its content.
///
/// # Safety
///
/// For as long as the value lives, wherever it is moved, and for as long as anybody could borrow
/// it:
///
/// - [`count`](Self::count), [`writable`](Self::writable) and
///   [`write_combined`](Self::write_combined) return the same, and [`page`](Self::page) the same
///   page for the same index, one for each index below the count, and none for the others;
/// - these pages are not freed and not used for anything else, and whoever is given them may read
///   them at any time, and write them if the list is writable;
/// - the kernel's own mapping of the pages has the memory type that `write_combined` says.
pub unsafe trait PageList: Send + Sync {
    /// Number of pages.
    fn count(&self) -> usize;

    /// The page at `index`, counted from 0, if there are that many.
    fn page(&self, index: usize) -> Option<BorrowedPage<'_>>;

    /// Whether the memory may be written by those that map it.
    fn writable(&self) -> bool {
        true
    }

    /// Whether the memory is write-combined, rather than cached, in all mappings.
    fn write_combined(&self) -> bool {
        false
    }
}

// SAFETY: What holds for the list holds for as long as a reference to it is held.
unsafe impl<T: PageList + ?Sized> PageList for Arc<T> {
    fn count(&self) -> usize {
        (**self).count()
    }

    fn page(&self, index: usize) -> Option<BorrowedPage<'_>> {
        (**self).page(index)
    }

    fn writable(&self) -> bool {
        (**self).writable()
    }

    fn write_combined(&self) -> bool {
        (**self).write_combined()
    }
}

/// Where pages may lie.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Zone {
    /// Anywhere the kernel has a mapping of.
    #[default]
    Normal,
    /// Below 4 GiB, on architectures that know of such a zone.
    Dma32,
    /// Where the narrowest devices of the machine reach, on architectures that know of such a zone:
    /// below 16 MiB on x86. There is little of it.
    Dma,
}

impl Zone {
    /// The zone for pages that the DMA of `dev` reaches, without a copy in between. That is
    /// anywhere, unless its mask, or the bus, is too narrow for the memory of this machine, and no
    /// IOMMU translates.
    ///
    /// To be asked when the mask has been set.
    pub fn reached_by(dev: &Device<Bound>) -> Self {
        let dev = dev.as_raw();
        // SAFETY: The device is valid, and bound, so nobody changes its mask or its bus.
        let (translated, limited, mask, bus) = unsafe {
            (
                bindings::use_dma_iommu(dev),
                bindings::dma_addressing_limited(dev),
                bindings::dma_get_mask(dev),
                (*dev).bus_dma_limit,
            )
        };
        let mask = if bus == 0 { mask } else { mask.min(bus) };
        Self::within(limited && !translated, mask)
    }

    /// A mask of less than 32 bits is accepted only where `Dma` lies within, or all memory does.
    fn within(limited: bool, mask: u64) -> Self {
        match limited {
            false => Self::Normal,
            true if mask >= u64::from(u32::MAX) => Self::Dma32,
            true => Self::Dma,
        }
    }

    fn gfp(self) -> bindings::gfp_t {
        match self {
            Self::Normal => 0,
            Self::Dma32 => 1 << bindings::___GFP_DMA32_BIT,
            Self::Dma => 1 << bindings::___GFP_DMA_BIT,
        }
    }
}

/// What [`SystemPages`] should be like.
///
/// Without more said they are cached and lie anywhere.
///
/// # Examples
///
/// ```
/// use kernel::page::list::{Layout, PageList, SystemPages};
/// use kernel::page::PAGE_SIZE;
///
/// // What the engine reads as one piece, at an address that is a multiple of 16 KiB.
/// let layout = Layout::new().contiguous(0x4000);
/// let pages = SystemPages::new(3 * PAGE_SIZE, layout)?;
/// assert_eq!(pages.count(), 3);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout {
    align: Option<usize>,
    write_combined: bool,
    zone: Zone,
}

impl Layout {
    /// Cached pages, anywhere.
    pub const fn new() -> Self {
        Self {
            align: None,
            write_combined: false,
            zone: Zone::Normal,
        }
    }

    /// One piece of physical memory, at a multiple of `align` bytes, which is a power of two.
    pub const fn contiguous(self, align: usize) -> Self {
        Self {
            align: Some(align),
            ..self
        }
    }

    /// Writes are combined on their way to memory, and nothing is cached, on x86. Others have no
    /// way to change the kernel's own mapping, which must not differ: there the pages are cached.
    ///
    /// This suits memory that a device reads and the CPU hardly ever.
    pub const fn write_combined(self) -> Self {
        Self {
            write_combined: true,
            ..self
        }
    }

    /// Only pages of `zone`.
    pub const fn zone(self, zone: Zone) -> Self {
        Self { zone, ..self }
    }
}

/// Largest pieces that scattered memory is made of: 2 MiB where a page has 4 KiB. An IOMMU maps
/// these by one entry.
const LARGEST_PIECE: u32 = if bindings::MAX_PAGE_ORDER < 9 {
    bindings::MAX_PAGE_ORDER
} else {
    9
};

/// Zeroed pages of the kernel's.
///
/// # Invariants
///
/// Owns each of `pages`. The kernel has them mapped write-combined if `write_combined`, at the end
/// of [`SystemPages::new`].
pub struct SystemPages {
    pages: KVVec<NonNull<bindings::page>>,
    write_combined: bool,
}

impl SystemPages {
    /// Allocates at least `size` bytes, rounded up to whole pages, charged to the memory cgroup of
    /// the current task. May sleep.
    ///
    /// Fails with [`EINVAL`] if `size` is zero or the alignment is no power of two, [`EOVERFLOW`]
    /// or [`ENOMEM`] if it is too large, [`EINTR`] if the task is killed. Contiguous memory that is
    /// larger than what the page allocator keeps together, often 4 MiB, or than what it has left,
    /// is [`ENOMEM`], too.
    pub fn new(size: usize, layout: Layout) -> Result<Self> {
        let count = count(size)?;
        // INVARIANT: No pages yet.
        let mut this = Self {
            pages: KVVec::with_capacity(count, GFP_KERNEL_ACCOUNT | merciful())?,
            write_combined: false,
        };
        let gfp = (GFP_KERNEL_ACCOUNT | __GFP_ZERO).as_raw() | layout.zone.gfp();
        match layout.align {
            Some(align) => this.fill_contiguous(count, align, gfp)?,
            None => this.fill_scattered(count, gfp)?,
        }
        if layout.write_combined {
            this.set_write_combined()?;
        }
        Ok(this)
    }

    fn fill_contiguous(&mut self, count: usize, align: usize, gfp: bindings::gfp_t) -> Result {
        if !align.is_power_of_two() {
            return Err(EINVAL);
        }

        // A piece is aligned to its own size.
        let pages = count.max(align >> PAGE_SHIFT).checked_next_power_of_two();
        let order = pages.ok_or(ENOMEM)?.ilog2();
        self.fill(order, count, gfp | merciful().as_raw())
    }

    fn fill_scattered(&mut self, count: usize, gfp: bindings::gfp_t) -> Result {
        let mut order = LARGEST_PIECE;
        while self.pages.len() < count {
            check_killed()?;
            let left = count - self.pages.len();
            order = order.min(left.ilog2());
            if order == 0 {
                self.fill(0, 1, gfp | merciful().as_raw())?;
            } else if self.fill(order, 1 << order, gfp | opportunistic()).is_err() {
                order -= 1;
            }
        }
        Ok(())
    }

    /// Allocates `2^order` contiguous pages and keeps the first `keep` of them.
    fn fill(&mut self, order: u32, keep: usize, gfp: bindings::gfp_t) -> Result {
        if order > bindings::MAX_PAGE_ORDER {
            return Err(ENOMEM);
        }

        // SAFETY: The flags let it sleep, as the caller may.
        let first = unsafe { bindings::alloc_pages(gfp, order) };
        let first = NonNull::new(first).ok_or(ENOMEM)?;
        if order > 0 {
            // SAFETY: The pages are of one allocation of that order, not a compound one.
            unsafe { bindings::split_page(first.as_ptr(), order) };
        }

        for index in 0..1 << order {
            // SAFETY: The `struct page`s of one allocation lie side by side. INVARIANT: After the
            // split each page is owned by itself.
            let page = unsafe { first.add(index) };
            if index >= keep || self.pages.push_within_capacity(page).is_err() {
                drop(Page { page });
            }
        }
        Ok(())
    }

    #[cfg(CONFIG_X86)]
    fn as_mut_ptr(&mut self) -> *mut *mut bindings::page {
        // CAST: `NonNull` has the layout of a pointer.
        self.pages.as_mut_ptr().cast()
    }

    #[cfg(CONFIG_X86)]
    fn set_write_combined(&mut self) -> Result {
        let count = self.pages.len().try_into()?;
        // If this fails, some of the pages may be, and `drop` must undo it.
        self.write_combined = true;
        // SAFETY: These are as many pages, ours alone, and nothing has been mapped elsewhere yet.
        crate::error::to_result(unsafe { bindings::set_pages_array_wc(self.as_mut_ptr(), count) })
    }

    #[cfg(not(CONFIG_X86))]
    fn set_write_combined(&mut self) -> Result {
        Ok(())
    }
}

/// The number of pages that `size` bytes are, if that is not more than there could be.
///
/// Fails with [`EINVAL`] if there are none, with [`EOVERFLOW`] or [`ENOMEM`] if it is too large.
pub(super) fn count(size: usize) -> Result<usize> {
    let count = page_align(size).ok_or(EOVERFLOW)? >> PAGE_SHIFT;
    if count == 0 {
        return Err(EINVAL);
    }
    // SAFETY: It can always be asked.
    if count as c_ulong > unsafe { bindings::totalram_pages() } {
        return Err(ENOMEM);
    }
    Ok(count)
}

/// Lets others run, and fails with [`EINTR`] if the task is killed: what takes as long as user
/// space wants it to asks this now and then. May sleep.
pub(super) fn check_killed() -> Result {
    // SAFETY: The caller may sleep.
    unsafe { bindings::cond_resched() };
    if current!().fatal_signal_pending() {
        return Err(EINTR);
    }
    Ok(())
}

/// Flags for an allocation that is only tried: there is another way.
fn opportunistic() -> bindings::gfp_t {
    __GFP_NOWARN.as_raw() | 1 << bindings::___GFP_NORETRY_BIT
}

/// Flags for an allocation that grows with what user space asks for: it is to fail rather than end
/// a process to get memory.
pub(crate) fn merciful() -> Flags {
    __GFP_NOWARN | __GFP_RETRY_MAYFAIL
}

impl Drop for SystemPages {
    fn drop(&mut self) {
        #[cfg(CONFIG_X86)]
        if self.write_combined {
            // A larger count was refused by `set_write_combined`.
            let count = self.pages.len().try_into().unwrap_or(c_int::MAX);
            // SAFETY: By the type invariant; nobody uses the pages any more.
            unsafe { bindings::set_pages_array_wb(self.as_mut_ptr(), count) };
        }
        for &page in &self.pages {
            drop(Page { page });
        }
    }
}

// SAFETY: Pages are owned by whoever owns the list, in any task.
unsafe impl Send for SystemPages {}
// SAFETY: A shared list can only be asked for what does not change.
unsafe impl Sync for SystemPages {}

// SAFETY: The pages are ours until we are dropped, and no page is added or removed after `new`.
unsafe impl PageList for SystemPages {
    fn count(&self) -> usize {
        self.pages.len()
    }

    fn page(&self, index: usize) -> Option<BorrowedPage<'_>> {
        let page = self.pages.get(index)?;
        // SAFETY: We own the page for as long as we are borrowed.
        Some(unsafe { BorrowedPage::from_raw(*page) })
    }

    fn write_combined(&self) -> bool {
        self.write_combined
    }
}

/// A part of a [`Slice`].
struct Run {
    /// Index in the slice behind the last page of the run.
    end: usize,
    /// Indices in the memory.
    pages: Range<usize>,
}

/// Some pages of a larger memory, in an order of their own: what an allocator of device memory
/// hands out.
///
/// It keeps the memory, but not its parts from being handed out twice: that is up to the allocator.
///
/// # Examples
///
/// ```
/// use kernel::page::list::{PageList, Slice};
/// use kernel::page::{SharedPages, PAGE_SIZE};
/// use kernel::sync::Arc;
///
/// let memory = Arc::new(SharedPages::new(8 * PAGE_SIZE)?, GFP_KERNEL)?;
/// let slice = Slice::new(memory.clone(), &[6..8, 1..2])?;
/// assert_eq!(slice.count(), 3);
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// `runs` are ranges of `memory`, none empty, with ascending ends.
pub struct Slice<M: PageList> {
    memory: Arc<M>,
    runs: KVVec<Run>,
}

impl<M: PageList> Slice<M> {
    /// Takes `ranges` of pages of `memory`, one after the other, counted from 0.
    ///
    /// Fails with [`EINVAL`] if there are none, one is empty or lies outside the memory, with
    /// [`ENOMEM`].
    pub fn new(memory: Arc<M>, ranges: &[Range<usize>]) -> Result<Self> {
        let mut runs = KVVec::with_capacity(ranges.len(), GFP_KERNEL_ACCOUNT)?;
        let mut end = 0usize;
        for pages in ranges {
            if pages.is_empty() || pages.end > memory.count() {
                return Err(EINVAL);
            }
            end = end.checked_add(pages.len()).ok_or(EINVAL)?;
            let pages = pages.clone();
            runs.push(Run { end, pages }, GFP_KERNEL_ACCOUNT)?;
        }
        if end == 0 || end > usize::MAX / PAGE_SIZE {
            return Err(EINVAL);
        }

        // INVARIANT: Checked above.
        Ok(Self { memory, runs })
    }

    /// The memory that this is a part of.
    pub fn memory(&self) -> &Arc<M> {
        &self.memory
    }

    /// The index in the memory of what has `index` in the slice.
    fn find(&self, index: usize) -> Option<usize> {
        let at = self.runs.partition_point(|run| run.end <= index);
        let run = self.runs.get(at)?;
        Some(run.pages.end - (run.end - index))
    }
}

// SAFETY: The memory is kept, and the runs do not change.
unsafe impl<M: PageList> PageList for Slice<M> {
    fn count(&self) -> usize {
        self.runs.last().map_or(0, |run| run.end)
    }

    fn page(&self, index: usize) -> Option<BorrowedPage<'_>> {
        self.memory.page(self.find(index)?)
    }

    fn writable(&self) -> bool {
        self.memory.writable()
    }

    fn write_combined(&self) -> bool {
        self.memory.write_combined()
    }
}

#[macros::kunit_tests(rust_page_list)]
mod tests {
    use super::*;
    use crate::{
        page::SharedPages,
        task::Task, //
    };

    fn frames(list: &dyn PageList) -> Result<KVVec<usize>> {
        let mut frames = KVVec::new();
        for index in 0..list.count() {
            let page = list.page(index).ok_or(EINVAL)?;
            // SAFETY: The page is valid.
            let frame = unsafe { bindings::page_to_pfn(page.as_ptr()) };
            frames.push(frame, GFP_KERNEL)?;
        }
        Ok(frames)
    }

    fn is_zeroed(list: &dyn PageList) -> Result<bool> {
        for index in 0..list.count() {
            let page = list.page(index).ok_or(EINVAL)?;
            for offset in (0..PAGE_SIZE).step_by(64) {
                let mut word = u64::MAX;
                // SAFETY: `word` has as many bytes, and nobody writes the page.
                unsafe { page.read_raw((&raw mut word).cast(), offset, 8)? };
                if word != 0 {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    #[test]
    fn scattered_pages_are_as_many_as_asked_for() -> Result {
        for (size, count) in [
            (1, 1),
            (PAGE_SIZE, 1),
            (3 * PAGE_SIZE - 7, 3),
            (600 * PAGE_SIZE, 600),
        ] {
            let pages = SystemPages::new(size, Layout::new())?;
            assert_eq!(pages.count(), count);
            assert_eq!(frames(&pages)?.len(), count);
            assert!(pages.page(count).is_none());
            assert!(pages.writable() && !pages.write_combined());
            assert!(is_zeroed(&pages)?);
        }
        Ok(())
    }

    #[test]
    fn contiguous_pages_follow_each_other_and_are_aligned() -> Result {
        for (count, align) in [(1, 1), (1, 4), (3, 1), (5, 16), (16, 2), (33, 1)] {
            let layout = Layout::new().contiguous(align * PAGE_SIZE);
            let pages = SystemPages::new(count * PAGE_SIZE, layout)?;
            let frames = frames(&pages)?;
            assert_eq!(frames.len(), count);
            assert_eq!(frames[0] % align, 0);
            assert!(frames.windows(2).all(|two| two[0] + 1 == two[1]));
            assert!(is_zeroed(&pages)?);
        }
        Ok(())
    }

    #[test]
    fn sizes_and_alignments_are_checked() {
        let one = Layout::new().contiguous(1);
        for (size, layout, err) in [
            (0, Layout::new(), EINVAL),
            (usize::MAX, Layout::new(), EOVERFLOW),
            (usize::MAX - PAGE_SIZE, Layout::new(), ENOMEM),
            (PAGE_SIZE, one.contiguous(0), EINVAL),
            (PAGE_SIZE, one.contiguous(3 * PAGE_SIZE), EINVAL),
            (PAGE_SIZE << (bindings::MAX_PAGE_ORDER + 1), one, ENOMEM),
            (PAGE_SIZE, one.contiguous(1 << 40), ENOMEM),
        ] {
            assert_eq!(SystemPages::new(size, layout).err(), Some(err));
        }
    }

    /// Calls `f` as a task that is killed.
    fn killed<T>(f: impl FnOnce() -> T) -> T {
        /// What a kernel thread has as the handler of a signal that it is not deaf to.
        const HEARD: usize = 2;

        let kill = bindings::SIGKILL as c_int;
        // SAFETY: The thread of a test is its own, and can be told which signals it hears.
        unsafe {
            let heard = core::mem::transmute::<usize, bindings::__sighandler_t>(HEARD);
            bindings::kernel_sigaction(kill, heard);
            bindings::send_sig(kill, Task::current_raw(), 1);
        }
        let result = f();
        // SAFETY: As above.
        unsafe { bindings::flush_signals(Task::current_raw()) };
        result
    }

    #[test]
    fn a_task_that_is_killed_waits_for_no_memory() -> Result {
        let size = 3 * PAGE_SIZE;
        let (system, shared) = killed(|| {
            (
                SystemPages::new(size, Layout::new()).err(),
                SharedPages::new(size).err(),
            )
        });
        assert_eq!((system, shared), (Some(EINTR), Some(EINTR)));
        SystemPages::new(size, Layout::new())?;
        Ok(())
    }

    #[test]
    fn a_zone_is_kept_to() -> Result {
        for (zone, bits) in [
            (Zone::Dma32, cfg!(CONFIG_ZONE_DMA32).then_some(32)),
            (
                Zone::Dma,
                cfg!(all(CONFIG_X86, CONFIG_ZONE_DMA)).then_some(24),
            ),
        ] {
            let pages = SystemPages::new(20 * PAGE_SIZE, Layout::new().zone(zone))?;
            if let Some(bits) = bits {
                let behind = 1 << (bits - PAGE_SHIFT);
                assert!(frames(&pages)?.iter().all(|&pfn| pfn < behind));
            }
        }
        Ok(())
    }

    #[test]
    fn a_narrow_mask_needs_a_low_zone() {
        for (bits, limited, zone) in [
            (64, false, Zone::Normal),
            (28, false, Zone::Normal),
            (40, true, Zone::Dma32),
            (32, true, Zone::Dma32),
            (31, true, Zone::Dma),
            (28, true, Zone::Dma),
        ] {
            assert_eq!(Zone::within(limited, u64::MAX >> (64 - bits)), zone);
        }
    }

    #[test]
    fn write_combined_pages_can_be_given_back() -> Result {
        for layout in [Layout::new(), Layout::new().contiguous(1)] {
            let pages = SystemPages::new(5 * PAGE_SIZE, layout.write_combined())?;
            assert_eq!(pages.write_combined(), cfg!(CONFIG_X86));
            assert!(is_zeroed(&pages)?);
        }
        Ok(())
    }

    #[test]
    fn a_slice_is_in_its_own_order() -> Result {
        let memory = Arc::new(SharedPages::new(10 * PAGE_SIZE)?, GFP_KERNEL)?;
        let all = frames(&memory)?;
        let slice = Slice::new(memory.clone(), &[7..10, 2..3, 0..2])?;
        let order = [7, 8, 9, 2, 0, 1];
        assert_eq!(slice.count(), order.len());
        for (index, &frame) in frames(&slice)?.iter().enumerate() {
            assert_eq!(frame, all[order[index]]);
        }
        assert!(slice.page(order.len()).is_none());
        assert!(Arc::ptr_eq(slice.memory(), &memory));
        Ok(())
    }

    #[test]
    fn a_slice_lies_in_its_memory() -> Result {
        let memory = Arc::new(SharedPages::new(4 * PAGE_SIZE)?, GFP_KERNEL)?;
        for range in [1..1, 3..5, 4..5, 9..usize::MAX] {
            let slice = Slice::new(memory.clone(), &[0..1, range]);
            assert_eq!(slice.err(), Some(EINVAL));
        }
        assert_eq!(Slice::new(memory, &[]).err(), Some(EINVAL));
        Ok(())
    }
}
