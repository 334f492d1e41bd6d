// SPDX-License-Identifier: GPL-2.0

//! Buffers of others, mapped for a device.
//!
//! C header: [`include/linux/dma-buf.h`](srctree/include/linux/dma-buf.h)

use super::DmaBuf;
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
    error::{
        from_err_ptr,
        to_result, //
    },
    io::PhysAddr,
    page::PAGE_SIZE,
    prelude::*,
    scatterlist::SGTable,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};
use core::ptr::{
    null_mut,
    NonNull, //
};

/// A driver that can give a buffer back when its exporter asks.
pub trait Importer: Send + Sync {
    /// The exporter wants the memory back: let the device stop using it, then drop the [`Mapping`],
    /// soon. Mapping it again fails, most likely for ever.
    ///
    /// The memory stays until the mapping is dropped, which can't be done here: the reservation of
    /// the buffer is locked by the caller. Process context, may sleep.
    fn invalidated(&self);
}

/// What the C operations of an attachment find the importer by.
struct Callback(Arc<dyn Importer>);

static IMPORTER_OPS: bindings::dma_buf_attach_ops = bindings::dma_buf_attach_ops {
    allow_peer2peer: false,
    invalidate_mappings: Some(invalidate_mappings),
};

extern "C" fn invalidate_mappings(attachment: *mut bindings::dma_buf_attachment) {
    // SAFETY: `Attachment::attach` has set a `Callback`, which is freed after the attachment.
    let callback: &Callback = unsafe { &*(*attachment).importer_priv.cast() };
    callback.0.invalidated();
}

/// A device that is attached to a buffer.
///
/// # Examples
///
/// ```
/// use kernel::device::{Bound, Device};
/// use kernel::dma::DataDirection;
/// use kernel::dma_buf::import::Attachment;
/// use kernel::dma_buf::DmaBuf;
/// use kernel::prelude::*;
///
/// /// Shows the device's view of a buffer.
/// fn show(dev: &Device<Bound>, fd: i32) -> Result {
///     // SAFETY: It is dropped before we return, and so before `dev` is unbound.
///     let attachment = unsafe { Attachment::new(DmaBuf::from_fd(fd)?, dev)? };
///     let mapping = attachment.map(DataDirection::ToDevice)?;
///     for (address, len) in mapping.segments() {
///         dev_info!(dev, "{} bytes at {:#x}\n", len, address);
///     }
///     Ok(())
/// }
/// ```
///
/// # Invariants
///
/// `raw` is an attachment of `dev` to `buf`. If `callback` is there, it is the attachment's private
/// data, boxed and owned by us.
pub struct Attachment {
    raw: NonNull<bindings::dma_buf_attachment>,
    callback: Option<NonNull<Callback>>,
    buf: ARef<DmaBuf>,
    dev: ARef<Device>,
}

impl Attachment {
    /// Attaches `dev` to `buf`. May sleep.
    ///
    /// What is mapped by the attachment stays where it is until it is unmapped.
    ///
    /// Fails with [`EBUSY`] if the memory is where the device can't reach it, with [`ENOMEM`], or
    /// as the exporter pleases.
    ///
    /// # Safety
    ///
    /// The attachment, and the mapping that becomes of it, must be dropped before `dev` is unbound.
    pub unsafe fn new(buf: ARef<DmaBuf>, dev: &Device<Bound>) -> Result<Self> {
        Self::attach(buf, dev, None)
    }

    /// Attaches `dev` to `buf`, and lets the exporter ask for the memory back. May sleep.
    ///
    /// Some exporters, those of the registers of a device, let only such importers attach.
    ///
    /// Fails as [`new`](Self::new) does.
    ///
    /// # Safety
    ///
    /// As for [`new`](Self::new).
    pub unsafe fn with_importer(
        buf: ARef<DmaBuf>,
        dev: &Device<Bound>,
        importer: Arc<dyn Importer>,
    ) -> Result<Self> {
        let callback = KBox::into_raw(KBox::new(Callback(importer), GFP_KERNEL_ACCOUNT)?);
        Self::attach(buf, dev, NonNull::new(callback)).inspect_err(|_| {
            // SAFETY: There is no attachment that could use it.
            drop(unsafe { KBox::from_raw(callback) });
        })
    }

    #[inline(never)]
    fn attach(
        buf: ARef<DmaBuf>,
        dev: &Device<Bound>,
        callback: Option<NonNull<Callback>>,
    ) -> Result<Self> {
        let (ops, private) = match callback {
            Some(callback) => (&raw const IMPORTER_OPS, callback.as_ptr().cast()),
            None => (core::ptr::null(), null_mut()),
        };
        // SAFETY: All is valid, the operations and their private data until the attachment ends.
        let raw = from_err_ptr(unsafe {
            bindings::dma_buf_dynamic_attach(buf.as_raw(), dev.as_raw(), ops, private)
        })?;
        // INVARIANT: Attached just now.
        Ok(Self {
            raw: NonNull::new(raw).ok_or(ENOMEM)?,
            callback,
            buf,
            dev: dev.into(),
        })
    }

    /// The buffer.
    pub fn buffer(&self) -> &DmaBuf {
        &self.buf
    }

    /// Maps the buffer for accesses of the device in one direction. May sleep.
    ///
    /// The memory is the device's then: see [`DmaBuf::begin_cpu_access`]. When this returns, the
    /// exporter has done with the memory what it had to; fences of others in the reservation are
    /// not waited for.
    ///
    /// Fails with [`EINVAL`] for [`DataDirection::None`], with [`EACCES`] or [`EPERM`] if the
    /// device may not write the memory, with [`EINTR`] or [`ERESTARTSYS`] if a signal came, with
    /// [`ENOMEM`], or as the exporter pleases.
    #[inline(never)]
    pub fn map(self, direction: DataDirection) -> Result<Mapping> {
        if direction == DataDirection::None {
            return Err(EINVAL);
        }

        let table = if self.callback.is_some() {
            self.map_pinned(direction)?
        } else {
            // SAFETY: The attachment is valid and the reservation not locked by us.
            from_err_ptr(unsafe {
                bindings::dma_buf_map_attachment_unlocked(self.raw.as_ptr(), direction.into())
            })?
        };
        // INVARIANT: Mapped just now.
        Ok(Mapping {
            table: NonNull::new(table).ok_or(ENOMEM)?,
            direction,
            attachment: self,
        })
    }

    /// Maps what would be allowed to move meanwhile if it were not pinned.
    fn map_pinned(&self, direction: DataDirection) -> Result<*mut bindings::sg_table> {
        let locked = self.buf.resv().lock();
        // SAFETY: The attachment is valid, a dynamic one, and the reservation is locked.
        to_result(unsafe { bindings::dma_buf_pin(self.raw.as_ptr()) })?;
        // SAFETY: As above.
        let table = from_err_ptr(unsafe {
            bindings::dma_buf_map_attachment(self.raw.as_ptr(), direction.into())
        })
        .and_then(|table| self.wait_until_moved(table, direction))
        .inspect_err(|_| {
            // SAFETY: It was pinned above.
            unsafe { bindings::dma_buf_unpin(self.raw.as_ptr()) };
        });
        drop(locked);
        table
    }

    /// Waits for what the exporter still does with the memory; unmaps it if a signal comes.
    fn wait_until_moved(
        &self,
        table: *mut bindings::sg_table,
        direction: DataDirection,
    ) -> Result<*mut bindings::sg_table> {
        // SAFETY: The reservation is valid, and locked, which lets one wait.
        let left = unsafe {
            bindings::dma_resv_wait_timeout(
                self.buf.resv().as_raw(),
                bindings::dma_resv_usage_DMA_RESV_USAGE_KERNEL,
                true,
                c_long::MAX as usize,
            )
        };
        if left < 0 {
            // SAFETY: `table` was mapped just now; the reservation is locked.
            unsafe {
                bindings::dma_buf_unmap_attachment(self.raw.as_ptr(), table, direction.into())
            };
            return Err(Error::from_errno(left.try_into()?));
        }
        Ok(table)
    }
}

impl Drop for Attachment {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: By the type invariant; nothing is mapped any more, and the reservation is not
        // locked by us.
        unsafe { bindings::dma_buf_detach(self.buf.as_raw(), self.raw.as_ptr()) };
        if let Some(callback) = self.callback {
            // SAFETY: By the type invariant we own it. It is not called after the detaching, which
            // takes the lock that is held during calls.
            drop(unsafe { KBox::from_raw(callback.as_ptr()) });
        }
    }
}

// SAFETY: An attachment may be used and ended by any task.
unsafe impl Send for Attachment {}
// SAFETY: With a shared reference only the buffer can be reached.
unsafe impl Sync for Attachment {}

/// A buffer that is mapped for a device. Dropping it unmaps and detaches; may sleep.
///
/// The device must be quiet by then: what it accesses later may be somebody else's.
///
/// # Invariants
///
/// `table` is what mapping `attachment` in `direction` returned. The buffer is pinned by us if the
/// attachment has a callback.
pub struct Mapping {
    table: NonNull<bindings::sg_table>,
    direction: DataDirection,
    attachment: Attachment,
}

impl Mapping {
    /// The buffer.
    pub fn buffer(&self) -> &DmaBuf {
        self.attachment.buffer()
    }

    /// Size in bytes.
    pub fn size(&self) -> usize {
        self.buffer().size()
    }

    /// The direction of the device's accesses.
    pub fn direction(&self) -> DataDirection {
        self.direction
    }

    /// The addresses and lengths, in bytes, by which the device reaches the buffer, in the order of
    /// the buffer.
    pub fn segments(&self) -> impl Iterator<Item = (DmaAddress, usize)> + '_ {
        // SAFETY: The table is valid, and does not change while it is mapped.
        let table = unsafe { SGTable::from_raw(self.table.as_ptr()) };
        table.iter().map(|entry| {
            // CAST: A segment has less than 4 GiB.
            (entry.dma_address(), entry.dma_len() as usize)
        })
    }

    /// The physical addresses and lengths, in bytes, of the buffer, in its order, neighbours taken
    /// together: what another page table of the device's IOMMU must contain, so that the device
    /// reaches the buffer by it, too.
    ///
    /// They are those of the memory that the device's addresses lead to, which is not asked what it
    /// is. They are good until the mapping is dropped. May sleep.
    ///
    /// Fails with [`EOPNOTSUPP`] if the addresses lead to no memory that is known, or are not whole
    /// pages, with [`ENOMEM`].
    pub fn frames(&self) -> Result<KVVec<(PhysAddr, usize)>> {
        let dev = &*self.attachment.dev;
        let mut runs = Runs(KVVec::new());
        for (address, len) in self.segments() {
            if (address | len as DmaAddress) % PAGE_SIZE as DmaAddress != 0 {
                return Err(EOPNOTSUPP);
            }
            for offset in (0..len).step_by(PAGE_SIZE) {
                runs.push(translate(dev, address + offset as DmaAddress)?)?;
            }
        }
        Ok(runs.0)
    }
}

impl Drop for Mapping {
    #[inline(never)]
    fn drop(&mut self) {
        let (raw, table) = (self.attachment.raw.as_ptr(), self.table.as_ptr());
        let locked = self.attachment.buf.resv().lock();
        // SAFETY: By the type invariant; the reservation is locked.
        unsafe { bindings::dma_buf_unmap_attachment(raw, table, self.direction.into()) };
        if self.attachment.callback.is_some() {
            // SAFETY: By the type invariant; the reservation is locked.
            unsafe { bindings::dma_buf_unpin(raw) };
        }
        drop(locked);
    }
}

// SAFETY: A mapping may be used and undone by any task.
unsafe impl Send for Mapping {}
// SAFETY: With a shared reference only what does not change can be read.
unsafe impl Sync for Mapping {}

/// Memory of which pages that follow each other are one.
struct Runs(KVVec<(PhysAddr, usize)>);

impl Runs {
    fn push(&mut self, page: PhysAddr) -> Result {
        if let Some((start, len)) = self.0.last_mut() {
            if *start + *len as PhysAddr == page {
                *len += PAGE_SIZE;
                return Ok(());
            }
        }
        Ok(self.0.push((page, PAGE_SIZE), GFP_KERNEL)?)
    }
}

/// The page that the device reaches as `address`.
fn translate(dev: &Device, address: DmaAddress) -> Result<PhysAddr> {
    // SAFETY: The device is valid, and by the contract of `Attachment::new` still bound, so its
    // IOMMU's domain stays.
    let page = unsafe {
        let domain = bindings::iommu_get_domain_for_dev(dev.as_raw());
        if !domain.is_null() && (*domain).type_ & bindings::__IOMMU_DOMAIN_PAGING != 0 {
            bindings::iommu_iova_to_phys(domain, address)
        } else if bindings::get_dma_ops(dev.as_raw()).is_null() {
            bindings::dma_to_phys(dev.as_raw(), address)
        } else {
            0
        }
    };
    if page == 0 {
        return Err(EOPNOTSUPP);
    }
    Ok(page)
}

#[macros::kunit_tests(rust_dma_buf_import)]
mod tests {
    use super::*;
    use crate::{
        dma_buf::export::{
            export,
            Exporter, //
        },
        faux,
        page::{
            list::{
                Layout,
                PageList,
                SystemPages, //
            },
            SharedPages, //
        },
        sync::atomic::{
            Atomic,
            Relaxed, //
        },
    };

    struct Test<M>(M);

    #[vtable]
    impl<M: PageList + 'static> Exporter for Test<M> {
        type Memory = M;
        const NAME: &'static CStr = c"rust_dma_buf_import";

        fn memory(&self) -> &M {
            &self.0
        }

        fn check_attach(&self, dev: &Device) -> Result {
            if dev.name() == c"stranger" {
                return Err(EBUSY);
            }
            Ok(())
        }
    }

    fn make<M: PageList + 'static>(memory: M) -> Result<ARef<DmaBuf>> {
        export(Arc::new(Test(memory), GFP_KERNEL)?)
    }

    fn device(name: &CStr) -> Result<faux::Registration> {
        let faux = faux::Registration::new(name, None)?;
        let dev: &faux::Device<Bound> = faux.as_ref();
        let dev: &Device<Bound> = dev.as_ref();
        // SAFETY: Nobody else uses the device. Whatever mask it has lives as long as it does.
        to_result(unsafe {
            (*dev.as_raw()).dma_mask = &raw mut (*dev.as_raw()).coherent_dma_mask;
            bindings::dma_set_mask_and_coherent(dev.as_raw(), u64::MAX)
        })?;
        Ok(faux)
    }

    fn attach(faux: &faux::Registration, buf: &DmaBuf) -> Result<Attachment> {
        let dev: &faux::Device<Bound> = faux.as_ref();
        // SAFETY: The callers drop it before the device.
        unsafe { Attachment::new(buf.into(), dev.as_ref()) }
    }

    #[test]
    fn segments_cover_the_buffer() -> Result {
        let faux = device(c"rust_dma_buf_import")?;
        for count in [1, 3, 70] {
            let buf = make(SharedPages::new(count * PAGE_SIZE)?)?;
            let mapping = attach(&faux, &buf)?.map(DataDirection::Bidirectional)?;
            assert_eq!(mapping.size(), count * PAGE_SIZE);
            let sum: usize = mapping.segments().map(|(_, len)| len).sum();
            assert_eq!(sum, mapping.size());
        }
        Ok(())
    }

    #[test]
    fn frames_are_those_of_the_memory() -> Result {
        let faux = device(c"rust_dma_buf_import")?;
        let memory = Arc::new(SharedPages::new(9 * PAGE_SIZE)?, GFP_KERNEL)?;
        let buf = make(memory.clone())?;
        let mapping = attach(&faux, &buf)?.map(DataDirection::FromDevice)?;

        let mut index = 0;
        for (start, len) in mapping.frames()? {
            for offset in (0..len).step_by(PAGE_SIZE) {
                let page = PageList::page(&*memory, index).ok_or(EINVAL)?;
                // SAFETY: The page is valid.
                let frame = unsafe { bindings::page_to_pfn(page.as_ptr()) };
                assert_eq!(start + offset as PhysAddr, (frame * PAGE_SIZE) as PhysAddr);
                index += 1;
            }
        }
        assert_eq!(index, 9);
        Ok(())
    }

    #[test]
    fn contiguous_memory_is_one_run() -> Result {
        let faux = device(c"rust_dma_buf_import")?;
        let layout = Layout::new().contiguous(8 * PAGE_SIZE);
        let buf = make(SystemPages::new(40 * PAGE_SIZE, layout)?)?;
        let mapping = attach(&faux, &buf)?.map(DataDirection::ToDevice)?;
        let frames = mapping.frames()?;
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].1, 40 * PAGE_SIZE);
        assert_eq!(frames[0].0 % (8 * PAGE_SIZE) as PhysAddr, 0);
        Ok(())
    }

    #[test]
    fn a_buffer_can_be_mapped_twice_and_synced() -> Result {
        let faux = device(c"rust_dma_buf_import")?;
        let buf = make(SharedPages::new(3 * PAGE_SIZE)?)?;
        let first = attach(&faux, &buf)?.map(DataDirection::FromDevice)?;
        let second = attach(&faux, &buf)?.map(DataDirection::Bidirectional)?;
        for direction in [
            DataDirection::FromDevice,
            DataDirection::ToDevice,
            DataDirection::Bidirectional,
        ] {
            buf.begin_cpu_access(direction)?;
            buf.end_cpu_access(direction)?;
        }
        drop(first);
        drop(second);
        buf.begin_cpu_access(DataDirection::Bidirectional)?;
        buf.end_cpu_access(DataDirection::Bidirectional)
    }

    #[test]
    fn an_exporter_can_refuse_a_device() -> Result {
        let buf = make(SharedPages::new(PAGE_SIZE)?)?;
        let faux = device(c"stranger")?;
        assert_eq!(attach(&faux, &buf).err(), Some(EBUSY));
        Ok(())
    }

    #[test]
    fn a_device_must_do_dma_in_a_direction() -> Result {
        let buf = make(SharedPages::new(PAGE_SIZE)?)?;
        let faux = device(c"rust_dma_buf_import")?;
        let mapping = attach(&faux, &buf)?.map(DataDirection::None);
        assert_eq!(mapping.err(), Some(EINVAL));

        let faux = faux::Registration::new(c"rust_dma_buf_import2", None)?;
        let mapping = attach(&faux, &buf)?.map(DataDirection::ToDevice);
        assert_eq!(mapping.err(), Some(ENODEV));
        Ok(())
    }

    struct Count(Atomic<u32>);

    impl Importer for Count {
        fn invalidated(&self) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn an_importer_is_asked_to_give_back() -> Result {
        let faux = device(c"rust_dma_buf_import")?;
        let dev: &faux::Device<Bound> = faux.as_ref();
        let buf = make(SharedPages::new(PAGE_SIZE)?)?;
        let count = Arc::new(Count(Atomic::new(0)), GFP_KERNEL)?;
        // SAFETY: It is dropped before the device.
        let attachment =
            unsafe { Attachment::with_importer(buf.clone(), dev.as_ref(), count.clone())? };
        let mapping = attachment.map(DataDirection::ToDevice)?;
        buf.invalidate_mappings::<Test<SharedPages>>()?;
        assert_eq!(count.0.load(Relaxed), 1);

        drop(mapping);
        buf.invalidate_mappings::<Test<SharedPages>>()?;
        assert_eq!(count.0.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn pages_that_follow_each_other_are_one_run() -> Result {
        let page = PAGE_SIZE as PhysAddr;
        let mut runs = Runs(KVVec::new());
        for start in [4, 5, 6, 8, 7, 6] {
            runs.push(start * page)?;
        }
        let lengths = [(4, 3), (8, 1), (7, 1), (6, 1)];
        assert_eq!(runs.0.len(), lengths.len());
        for (run, (start, count)) in runs.0.iter().zip(lengths) {
            assert_eq!(*run, (start * page, count * PAGE_SIZE));
        }
        Ok(())
    }
}
