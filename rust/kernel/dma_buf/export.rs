// SPDX-License-Identifier: GPL-2.0

//! Memory, made a buffer that others can share.
//!
//! An [`Exporter`] has a list of pages; [`export()`] makes a [`DmaBuf`] of it. What processes and
//! devices do with the buffer is done here, for all exporters in the same way:
//!
//! - A device gets the pages by the DMA API, as long as its driver holds its mapping; several of
//!   one device share one if they can.
//! - A process gets a page when it touches it. A child inherits the mapping, as it inherits the
//!   descriptor.
//! - Memory that may not be written is mapped nowhere in a way that could be: not into a process,
//!   even by a later `mprotect()`, not for a device that writes, and not into the kernel.
//!   [`DmaBuf::vmap`] maps it to be read; C code can't ask for that.
//! - The memory stays until the last of the descriptors, mappings and attachments is gone.
//!
//! An exporter can change its mind: see [`Exporter::check_map`].
//!
//! C header: [`include/linux/dma-buf.h`](srctree/include/linux/dma-buf.h)

use super::{
    resv::{
        Resv,
        Usage, //
    },
    DmaBuf, //
};
use crate::{
    bindings,
    device::Device,
    error::{
        from_err_ptr,
        from_result, //
    },
    mm::{
        fault::{
            Fault,
            FaultResult,
            Kind,
            NewMapping,
            Sigbus, //
        },
        virt::flags,
    },
    module::this_module,
    module_ref,
    page::{
        list::{
            self,
            PageList, //
        },
        PAGE_SHIFT, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};
use core::{
    any::Any,
    cell::UnsafeCell,
    ptr::{
        null_mut,
        NonNull, //
    },
};

mod mapped;

use self::mapped::Mapped;

/// Who has memory to share.
///
/// # Examples
///
/// ```
/// use kernel::dma_buf::export::{export, Exporter};
/// use kernel::page::{SharedPages, PAGE_SIZE};
/// use kernel::prelude::*;
/// use kernel::sync::Arc;
///
/// /// A page for everybody.
/// struct Board(SharedPages);
///
/// #[vtable]
/// impl Exporter for Board {
///     type Memory = SharedPages;
///     const NAME: &'static CStr = c"board";
///
///     fn memory(&self) -> &SharedPages {
///         &self.0
///     }
/// }
///
/// let board = Arc::new(Board(SharedPages::new(PAGE_SIZE)?), GFP_KERNEL)?;
/// let buffer = export(board.clone())?;
///
/// buffer.vmap()?.write::<u32>(8, 5)?;
/// assert_eq!(board.0.read::<u32>(8)?, 5);
/// assert!(core::ptr::eq(buffer.exporter::<Board>().ok_or(EINVAL)?, &*board));
/// # Ok::<(), Error>(())
/// ```
#[vtable]
pub trait Exporter: Send + Sync + 'static {
    /// The memory.
    type Memory: PageList;

    /// Name of the exporter, for those who look for who holds memory.
    const NAME: &'static CStr;

    /// The memory.
    fn memory(&self) -> &Self::Memory;

    /// Whether `dev` may be attached. Process context, may sleep.
    fn check_attach(&self, dev: &Device) -> Result {
        let _ = dev;
        Ok(())
    }

    /// Whether the memory may be mapped, into a process or for a device: asked at `mmap()`, at each
    /// touch of a page that is not mapped, which ends in `SIGBUS` if not, and when a driver maps
    /// the buffer, for its device or into the kernel.
    ///
    /// Let it fail for good, then call [`DmaBuf::zap_mappings`], to take the memory from processes:
    /// a touch that was allowed before is over when that returns. Drivers can only be asked to give
    /// it back, by [`DmaBuf::invalidate_mappings`].
    ///
    /// Process context, may sleep, but must not touch user memory or lock a reservation: the one of
    /// the buffer is locked at some of the calls, and so may be the address space of a process.
    fn check_map(&self) -> Result {
        Ok(())
    }
}

/// An [`Exporter`], whatever its type.
trait Object: Send + Sync {
    fn owner(&self) -> *mut bindings::module;
    fn as_any(&self) -> &dyn Any;
    fn memory(&self) -> &dyn PageList;
    fn check_attach(&self, dev: &Device) -> Result;
    fn check_map(&self) -> Result;
}

impl<E: Exporter> Object for E {
    fn owner(&self) -> *mut bindings::module {
        owner_of::<E>()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn memory(&self) -> &dyn PageList {
        Exporter::memory(self)
    }

    fn check_attach(&self, dev: &Device) -> Result {
        Exporter::check_attach(self, dev)
    }

    fn check_map(&self) -> Result {
        Exporter::check_map(self)
    }
}

/// The module that the implementation is in.
fn owner_of<E: Exporter>() -> *mut bindings::module {
    this_module::<E::OwnerModule>().as_ptr()
}

/// Makes a buffer of the memory of `exporter`, which is kept until the buffer is gone, together
/// with the module that it is in. May sleep.
///
/// The file is open for reading and, if the memory may be written, writing.
///
/// Fails with [`EINVAL`] if the memory is empty, or if `E` is generic and the module that names its
/// parameters is not the one that implements [`Exporter`] for it; with [`ENOENT`] while the module
/// is being removed, with [`ENOMEM`], [`ENFILE`].
pub fn export<E: Exporter>(exporter: Arc<E>) -> Result<ARef<DmaBuf>> {
    let code = <E as Object>::check_map as *const ();
    module_ref::check_owner(owner_of::<E>(), code)?;
    export_object(exporter, E::NAME)
}

#[inline(never)]
fn export_object(object: Arc<dyn Object>, name: &'static CStr) -> Result<ARef<DmaBuf>> {
    let owner = object.owner();
    let memory = object.memory();
    let (count, writable) = (memory.count(), memory.writable());
    if count == 0 {
        return Err(EINVAL);
    }

    let private = Private {
        object,
        count,
        writable,
        mapped: UnsafeCell::new(KVec::new()),
    };
    let private = KBox::into_raw(KBox::new(private, GFP_KERNEL_ACCOUNT)?);
    let info = bindings::dma_buf_export_info {
        exp_name: name.as_char_ptr(),
        owner,
        ops: if writable { &OPS } else { &READ_ONLY_OPS },
        size: count << PAGE_SHIFT,
        flags: if writable {
            bindings::O_RDWR as c_int
        } else {
            bindings::O_RDONLY as c_int
        },
        resv: null_mut(),
        priv_: private.cast(),
    };

    // SAFETY: All is valid; `name` and the operations stay as long as the module, which the buffer
    // holds. `release` frees the private data.
    let raw = from_err_ptr(unsafe { bindings::dma_buf_export(&info) }).inspect_err(|_| {
        // SAFETY: Nobody has seen the private data.
        drop(unsafe { KBox::from_raw(private) });
    })?;
    // SAFETY: dma_buf_export() returned a reference.
    Ok(unsafe { DmaBuf::own(raw) })
}

/// What the buffers that are made here carry.
///
/// An exporter lends its memory for as long as it could be borrowed. It could be for as long as we
/// have it: nobody can get exclusive access to it before. So the pages stay, too, until this is
/// dropped, which is when all that could reach them through the buffer is gone.
struct Private {
    object: Arc<dyn Object>,
    count: usize,
    writable: bool,
    /// What is mapped for devices. The lock of the reservation protects it.
    mapped: UnsafeCell<KVec<KBox<Mapped>>>,
}

impl Private {
    /// The private data of `buf`, if it was made here.
    fn of(buf: &DmaBuf) -> Option<&Self> {
        // SAFETY: The fields do not change after the export.
        let (ops, private) = unsafe { ((*buf.as_raw()).ops, (*buf.as_raw()).priv_) };
        if !core::ptr::eq(ops, &OPS) && !core::ptr::eq(ops, &READ_ONLY_OPS) {
            return None;
        }
        // SAFETY: Buffers with these operations carry a `Private` until they are released.
        Some(unsafe { &*private.cast() })
    }

    /// # Safety
    ///
    /// `buf` must be a buffer that was made here, and valid for `'a`.
    unsafe fn from_raw<'a>(buf: *mut bindings::dma_buf) -> &'a Self {
        // SAFETY: Such a buffer carries a `Private` until it is released.
        unsafe { &*(*buf).priv_.cast() }
    }

    /// The memory.
    ///
    /// Fails with [`EIO`] if the exporter has come to lend another list.
    fn memory(&self) -> Result<&dyn PageList> {
        let memory = self.object.memory();
        if memory.count() != self.count || memory.writable() != self.writable {
            return Err(EIO);
        }
        Ok(memory)
    }

    /// What is mapped for devices.
    ///
    /// # Safety
    ///
    /// The reservation must be locked for as long as the result is used, and there be one only.
    #[allow(clippy::mut_from_ref)]
    unsafe fn mapped(&self) -> &mut KVec<KBox<Mapped>> {
        // SAFETY: By the requirements of this function.
        unsafe { &mut *self.mapped.get() }
    }
}

impl DmaBuf {
    /// The exporter, if the buffer was made by [`export()`] of one of this type.
    pub fn exporter<E: Exporter>(&self) -> Option<&E> {
        let object = &Private::of(self)?.object;
        // Two modules may have crates, and types in them, that the compiler can't tell apart.
        if object.owner() != owner_of::<E>() {
            return None;
        }
        object.as_any().downcast_ref()
    }

    /// Whether the buffer may be written, as far as is known: those made by other means than
    /// [`export()`] are taken to be writable.
    pub fn writable(&self) -> bool {
        Private::of(self).is_none_or(|private| private.writable)
    }
}

/// What processes have mapped of a buffer. It does not keep the buffer.
///
/// Made by [`DmaBuf::mappings`].
///
/// # Invariants
///
/// `inode` is that of `buf`, and a reference to it is ours: the file may be gone before the
/// exporter is released, and the inode, too.
pub struct Mappings {
    buf: NonNull<bindings::dma_buf>,
    inode: NonNull<bindings::inode>,
}

impl DmaBuf {
    /// What processes have mapped of it, for those who know its exporter by its type.
    pub fn mappings<E: Exporter>(&self) -> Option<Mappings> {
        self.exporter::<E>()?;
        // SAFETY: The file is there as long as the buffer has references, and has an inode.
        let inode = unsafe {
            let inode = (*(*self.as_raw()).file).f_inode;
            bindings::ihold(inode);
            NonNull::new_unchecked(inode)
        };
        // INVARIANT: The reference was taken just now.
        Some(Mappings {
            // CAST: The type is transparent.
            buf: NonNull::from(self).cast(),
            inode,
        })
    }
}

impl Mappings {
    /// Takes away all pages. See [`DmaBuf::zap_mappings`].
    ///
    /// # Safety
    ///
    /// The exporter of the buffer must not have been dropped, and not be before this returns.
    pub unsafe fn zap(&self) {
        // SAFETY: The buffer is freed after its exporter, and so is its reservation.
        let resv = unsafe { Resv::from_raw((*self.buf.as_ptr()).resv) };
        let locked = resv.lock();
        // SAFETY: By the type invariant; a length of 0 means all. Each buffer has an inode of its
        // own.
        unsafe { bindings::unmap_mapping_range((*self.inode.as_ptr()).i_mapping, 0, 0, 1) };
        drop(locked);
    }
}

impl Drop for Mappings {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours.
        unsafe { bindings::iput(self.inode.as_ptr()) };
    }
}

// SAFETY: An inode may be put by any task.
unsafe impl Send for Mappings {}
// SAFETY: What `zap` does is done under locks.
unsafe impl Sync for Mappings {}

/// The memory of a buffer that was made here, mapped into the kernel, for one user; to be read, if
/// it may not be written.
///
/// # Invariants
///
/// `base` is what `list::raw::vmap` returned.
pub(super) struct OwnVmap {
    base: NonNull<c_void>,
    writable: bool,
}

impl OwnVmap {
    /// Returns `None` for a buffer that was made elsewhere. The result must be dropped before the
    /// last reference to the buffer. May sleep.
    #[inline(never)]
    pub(super) fn new(buf: &DmaBuf) -> Result<Option<Self>> {
        let Some(private) = Private::of(buf) else {
            return Ok(None);
        };
        private.object.check_map()?;
        // INVARIANT: Mapped just now.
        Ok(Some(Self {
            base: list::raw::vmap(private.memory()?)?,
            writable: private.writable,
        }))
    }

    pub(super) fn base(&self) -> *mut c_void {
        self.base.as_ptr()
    }

    pub(super) fn writable(&self) -> bool {
        self.writable
    }
}

impl Drop for OwnVmap {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::vunmap(self.base.as_ptr()) };
    }
}

// SAFETY: The mapping is the same in all tasks.
unsafe impl Send for OwnVmap {}
// SAFETY: With a shared reference only its place can be read.
unsafe impl Sync for OwnVmap {}

/// The operations on memory that may be written.
static OPS: bindings::dma_buf_ops = bindings::dma_buf_ops {
    vmap: Some(vmap),
    vunmap: Some(vunmap),
    ..READ_ONLY_OPS_VALUE
};

/// The operations on memory that may not: the kernel has no way to be kept from writing what it has
/// mapped, but by a crash.
static READ_ONLY_OPS: bindings::dma_buf_ops = READ_ONLY_OPS_VALUE;

const READ_ONLY_OPS_VALUE: bindings::dma_buf_ops = bindings::dma_buf_ops {
    attach: Some(attach),
    map_dma_buf: Some(map_dma_buf),
    unmap_dma_buf: Some(unmap_dma_buf),
    release: Some(release),
    begin_cpu_access: Some(begin_cpu_access),
    end_cpu_access: Some(end_cpu_access),
    mmap: Some(mmap),
    ..pin_init::zeroed()
};

const VM_OPS: bindings::vm_operations_struct = bindings::vm_operations_struct {
    fault: Some(fault),
    ..pin_init::zeroed()
};

extern "C" fn release(buf: *mut bindings::dma_buf) {
    // SAFETY: `export_object` made it, and this is the last operation.
    drop(unsafe { KBox::<Private>::from_raw((*buf).priv_.cast()) });
}

extern "C" fn attach(
    buf: *mut bindings::dma_buf,
    attachment: *mut bindings::dma_buf_attachment,
) -> c_int {
    from_result(|| {
        // SAFETY: Both are valid during the call, and the importer keeps the device.
        let (private, dev) =
            unsafe { (Private::from_raw(buf), Device::from_raw((*attachment).dev)) };
        private.object.check_attach(dev)?;
        Ok(0)
    })
}

/// Fails unless a device may access memory in this direction.
fn check_direction(writable: bool, direction: bindings::dma_data_direction) -> Result {
    match direction {
        bindings::dma_data_direction::DMA_TO_DEVICE => Ok(()),
        bindings::dma_data_direction::DMA_FROM_DEVICE
        | bindings::dma_data_direction::DMA_BIDIRECTIONAL => {
            if writable {
                Ok(())
            } else {
                Err(EACCES)
            }
        }
        _ => Err(EINVAL),
    }
}

/// # Safety
///
/// `attachment` must be one of a buffer that was made here, whose reservation is locked.
unsafe fn map(
    attachment: *mut bindings::dma_buf_attachment,
    direction: bindings::dma_data_direction,
) -> Result<*mut bindings::sg_table> {
    // SAFETY: By the requirements of this function; the importer keeps the buffer and the device.
    let (private, dev) = unsafe { (Private::from_raw((*attachment).dmabuf), (*attachment).dev) };
    private.object.check_map()?;
    check_direction(private.writable, direction)?;

    // SAFETY: The device is valid.
    let wide = unsafe { wide(dev, private.writable, direction) };
    // SAFETY: By the requirements of this function.
    let all = unsafe { private.mapped() };
    if let Some(mapped) = all
        .iter_mut()
        .find(|mapped| mapped.dev == dev && mapped.direction == wide)
    {
        return Ok(mapped.lend(direction));
    }
    // SAFETY: The importers unmap before their device is unbound, and before they give up their
    // references to the buffer, which keeps the memory.
    let mapped = unsafe { Mapped::new(private.memory()?, dev, wide)? };
    let mut mapped = KBox::new(mapped, GFP_KERNEL_ACCOUNT)?;
    let table = mapped.lend(direction);
    all.push(mapped, GFP_KERNEL_ACCOUNT)?;
    Ok(table)
}

/// The direction in which memory is mapped for accesses in the direction `asked`.
///
/// Where no IOMMU enforces it, it is one for all accesses, so that they share a mapping: behind
/// bounce buffers each mapping has a copy of its own, and what one job wrote the next must find.
///
/// # Safety
///
/// `dev` must be valid.
unsafe fn wide(
    dev: *mut bindings::device,
    writable: bool,
    asked: bindings::dma_data_direction,
) -> bindings::dma_data_direction {
    // SAFETY: By the requirements of this function.
    let enforced = unsafe { bindings::use_dma_iommu(dev) || !bindings::get_dma_ops(dev).is_null() };
    if enforced {
        asked
    } else if writable {
        bindings::dma_data_direction::DMA_BIDIRECTIONAL
    } else {
        bindings::dma_data_direction::DMA_TO_DEVICE
    }
}

extern "C" fn map_dma_buf(
    attachment: *mut bindings::dma_buf_attachment,
    direction: bindings::dma_data_direction,
) -> *mut bindings::sg_table {
    // SAFETY: The operation is called with the reservation locked.
    unsafe { map(attachment, direction) }.unwrap_or_else(|err| err.to_ptr())
}

extern "C" fn unmap_dma_buf(
    attachment: *mut bindings::dma_buf_attachment,
    table: *mut bindings::sg_table,
    direction: bindings::dma_data_direction,
) {
    // SAFETY: The operation is called with the reservation locked.
    let all = unsafe { Private::from_raw((*attachment).dmabuf).mapped() };
    let found = all
        .iter()
        .position(|mapped| core::ptr::eq(mapped.table(), table));
    if let Some(index) = found {
        all[index].take_back(direction);
        if all[index].users == 0 {
            let _ = all.remove(index);
        }
    }
}

/// # Safety
///
/// `buf` must be a buffer that was made here.
unsafe fn begin(buf: &DmaBuf, direction: bindings::dma_data_direction) -> Result {
    // What devices write after this would not be seen, and dma-buf waits for them only afterwards.
    let usage = match direction {
        bindings::dma_data_direction::DMA_FROM_DEVICE => Usage::Write,
        _ => Usage::Read,
    };
    loop {
        buf.resv().wait(usage)?;
        let locked = buf.resv().lock();
        // Others may have come before we had the lock.
        if locked.is_signaled(usage) {
            // SAFETY: By the requirements of this function, and the reservation is locked.
            let all = unsafe { Private::from_raw(buf.as_raw()).mapped() };
            all.iter_mut()
                .for_each(|mapped| mapped.begin_cpu_access(direction));
            return Ok(());
        }
    }
}

extern "C" fn begin_cpu_access(
    buf: *mut bindings::dma_buf,
    direction: bindings::dma_data_direction,
) -> c_int {
    // SAFETY: The buffer is valid during the call, and one that was made here.
    from_result(|| unsafe { begin(DmaBuf::from_raw(buf), direction) }.map(|()| 0))
}

extern "C" fn end_cpu_access(
    buf: *mut bindings::dma_buf,
    direction: bindings::dma_data_direction,
) -> c_int {
    // SAFETY: The buffer is valid during the call.
    let locked = unsafe { DmaBuf::from_raw(buf) }.resv().lock();
    // SAFETY: The buffer was made here, and its reservation is locked.
    let all = unsafe { Private::from_raw(buf).mapped() };
    all.iter_mut()
        .for_each(|mapped| mapped.end_cpu_access(direction));
    drop(locked);
    0
}

extern "C" fn vmap(buf: *mut bindings::dma_buf, map: *mut bindings::iosys_map) -> c_int {
    from_result(|| {
        // SAFETY: The buffer is valid during the call, and keeps the memory while it is mapped.
        let private = unsafe { Private::from_raw(buf) };
        // dma-buf warns of a failure, once, and passes it on.
        private.object.check_map()?;
        let base = list::raw::vmap(private.memory()?)?;
        // SAFETY: `map` is ours to write.
        unsafe {
            (*map).__bindgen_anon_1.vaddr = base.as_ptr();
            (*map).is_iomem = false;
        }
        Ok(0)
    })
}

extern "C" fn vunmap(_buf: *mut bindings::dma_buf, map: *mut bindings::iosys_map) {
    // SAFETY: This is what `vmap` has written.
    unsafe { bindings::vunmap((*map).__bindgen_anon_1.vaddr) };
}

extern "C" fn mmap(buf: *mut bindings::dma_buf, vma: *mut bindings::vm_area_struct) -> c_int {
    from_result(|| {
        // SAFETY: The buffer is valid during the call; the VMA is not shared during its set-up.
        let (private, mapping, vm_flags) = unsafe {
            (
                Private::from_raw(buf),
                NewMapping::from_raw(vma),
                (*vma).__bindgen_anon_2.vm_flags,
            )
        };
        private.object.check_map()?;

        // `VM_SHARED` alone would exclude those who may only read.
        if vm_flags & (flags::SHARED | flags::MAYSHARE) == 0 {
            return Err(EINVAL);
        }
        let end = mapping.offset().checked_add(mapping.size()).ok_or(EINVAL)?;
        if usize::try_from(end)? > private.count << PAGE_SHIFT {
            return Err(EINVAL);
        }
        if !private.writable {
            mapping.forbid_write()?;
        }
        if private.memory()?.write_combined() {
            mapping.set_write_combined();
        }
        mapping.set_up_inherited(Kind::Frames, &VM_OPS);
        Ok(0)
    })
}

extern "C" fn fault(vmf: *mut bindings::vm_fault) -> bindings::vm_fault_t {
    // SAFETY: `vmf` is valid during the call. Only `mmap` sets these operations, so the file of the
    // VMA is that of a buffer that was made here; the VMA keeps it.
    let (fault, buf) = unsafe {
        let fault = Fault::from_raw(vmf);
        let buf = (*fault.file()).private_data.cast();
        (fault, buf)
    };
    // SAFETY: As above.
    let (private, buf) = unsafe { (Private::from_raw(buf), DmaBuf::from_raw(buf)) };

    // Whoever zaps takes this lock: afterwards, what was allowed here before has been zapped.
    let locked = buf.resv().lock();
    let result = give_out(private, &fault);
    drop(locked);
    fault.answer(result)
}

fn give_out(private: &Private, fault: &Fault<'_>) -> FaultResult {
    private.object.check_map().map_err(|_| Sigbus)?;
    let memory = private.memory().map_err(|_| Sigbus)?;
    let index = usize::try_from(fault.offset() >> PAGE_SHIFT).map_err(|_| Sigbus)?;
    // SAFETY: The mapping keeps the file, which keeps the buffer, which keeps the memory.
    unsafe { fault.insert_listed(memory, index) }
}

#[macros::kunit_tests(rust_dma_buf_export)]
mod tests {
    use super::*;
    use crate::{
        error::to_result,
        page::{
            list::{
                Layout,
                Slice,
                SystemPages, //
            },
            BorrowedPage,
            SharedPages,
            PAGE_SIZE, //
        },
        sync::atomic::{
            Atomic,
            Relaxed, //
        },
        uaccess::{
            UserPtr,
            UserSlice, //
        },
    };

    /// A list that may not be written.
    struct ReadOnly(SystemPages);

    // SAFETY: As for the list inside.
    unsafe impl PageList for ReadOnly {
        fn count(&self) -> usize {
            self.0.count()
        }

        fn page(&self, index: usize) -> Option<BorrowedPage<'_>> {
            self.0.page(index)
        }

        fn writable(&self) -> bool {
            false
        }
    }

    /// What an exporter under test was told and has told.
    struct State {
        closed: Atomic<u32>,
        gone: Atomic<u32>,
    }

    impl State {
        fn new() -> Result<Arc<Self>> {
            let state = Self {
                closed: Atomic::new(0),
                gone: Atomic::new(0),
            };
            Ok(Arc::new(state, GFP_KERNEL)?)
        }
    }

    struct Test<M> {
        memory: M,
        state: Arc<State>,
    }

    #[vtable]
    impl<M: PageList + 'static> Exporter for Test<M> {
        type Memory = M;
        const NAME: &'static CStr = c"rust_dma_buf_export";

        fn memory(&self) -> &M {
            &self.memory
        }

        fn check_map(&self) -> Result {
            if self.state.closed.load(Relaxed) == 0 {
                Ok(())
            } else {
                Err(ENODEV)
            }
        }
    }

    impl<M> Drop for Test<M> {
        fn drop(&mut self) {
            self.state.gone.store(1, Relaxed);
        }
    }

    fn make<M: PageList + 'static>(memory: M, state: &Arc<State>) -> Result<ARef<DmaBuf>> {
        let state = state.clone();
        export(Arc::new(Test { memory, state }, GFP_KERNEL)?)
    }

    fn shared(count: usize, state: &Arc<State>) -> Result<ARef<DmaBuf>> {
        make(SharedPages::new(count * PAGE_SIZE)?, state)
    }

    #[test]
    fn an_exporter_knows_its_own() -> Result {
        let buf = shared(2, &State::new()?)?;
        assert_eq!(buf.size(), 2 * PAGE_SIZE);
        assert!(buf.writable());
        assert!(buf.exporter::<Test<SharedPages>>().is_some());
        assert!(buf.exporter::<Test<SystemPages>>().is_none());
        Ok(())
    }

    #[test]
    fn the_memory_goes_with_the_buffer() -> Result {
        let state = State::new()?;
        let buf = shared(1, &state)?;
        let map = buf.vmap()?;
        drop(buf);
        map.write::<u8>(0, 1)?;
        // SAFETY: No file that is waited for needs this task.
        unsafe { bindings::flush_delayed_fput() };
        assert_eq!(state.gone.load(Relaxed), 0);

        drop(map);
        // SAFETY: As above.
        unsafe { bindings::flush_delayed_fput() };
        assert_eq!(state.gone.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn the_kernel_reads_and_writes_all() -> Result {
        let memory = Arc::new(SharedPages::new(4 * PAGE_SIZE)?, GFP_KERNEL)?;
        let slice = Slice::new(memory.clone(), &[3..4, 1..2])?;
        let buf = make(slice, &State::new()?)?;
        let map = buf.vmap()?;
        assert_eq!(map.size(), 2 * PAGE_SIZE);

        map.write_slice(PAGE_SIZE - 2, &[1, 2, 3, 4])?;
        assert_eq!(
            memory.read::<u16>(4 * PAGE_SIZE - 2)?,
            u16::from_ne_bytes([1, 2])
        );
        assert_eq!(memory.read::<u16>(PAGE_SIZE)?, u16::from_ne_bytes([3, 4]));

        memory.write::<u32>(PAGE_SIZE, 9)?;
        assert_eq!(map.read::<u32>(PAGE_SIZE)?, 9);
        let mut two = [1; 2];
        map.read_slice(2 * PAGE_SIZE - 2, &mut two)?;
        assert_eq!(two, [0; 2]);

        assert_eq!(map.read_slice(2 * PAGE_SIZE - 1, &mut two), Err(EINVAL));
        assert_eq!(map.write_slice(usize::MAX, &two), Err(EINVAL));
        assert_eq!(map.read::<u32>(1), Err(EINVAL));
        Ok(())
    }

    #[test]
    fn what_is_read_only_is_not_written_by_the_kernel() -> Result {
        let memory = ReadOnly(SystemPages::new(PAGE_SIZE, Layout::new())?);
        let buf = make(memory, &State::new()?)?;
        assert!(!buf.writable());
        let memory = buf.vmap()?;
        assert_eq!(memory.read::<u32>(0), Ok(0));
        assert_eq!(memory.write(0, 1u32), Err(EACCES));
        assert_eq!(memory.write_slice(0, &[1]), Err(EACCES));
        Ok(())
    }

    #[test]
    fn directions_that_write_need_leave_to_write() {
        use bindings::dma_data_direction as dir;
        for (direction, read_only, writable) in [
            (dir::DMA_TO_DEVICE, Ok(()), Ok(())),
            (dir::DMA_FROM_DEVICE, Err(EACCES), Ok(())),
            (dir::DMA_BIDIRECTIONAL, Err(EACCES), Ok(())),
            (dir::DMA_NONE, Err(EINVAL), Err(EINVAL)),
        ] {
            assert_eq!(check_direction(false, direction), read_only);
            assert_eq!(check_direction(true, direction), writable);
        }
    }

    /// A buffer as a process has it.
    struct Process {
        addr: usize,
        size: usize,
    }

    impl Process {
        fn map(buf: &DmaBuf, offset: usize, size: usize, prot: u32, kind: u32) -> Result<Self> {
            // SAFETY: A test runs in a task of its own, which may take an address space.
            to_result(unsafe { bindings::kunit_attach_mm() })?;
            // SAFETY: The task has an address space, and the file is open.
            let addr = unsafe {
                bindings::vm_mmap(
                    (*buf.as_raw()).file,
                    0,
                    size,
                    prot as usize,
                    kind as usize,
                    offset,
                )
            };
            if addr % PAGE_SIZE != 0 {
                // CAST: This is how errors are returned.
                return Err(Error::from_errno(addr as i32));
            }
            Ok(Self { addr, size })
        }

        fn byte(&self, offset: usize) -> Result<u8> {
            let mut byte = [0];
            let at = UserPtr::from_addr(self.addr + offset);
            UserSlice::new(at, 1).reader().read_slice(&mut byte)?;
            Ok(byte[0])
        }

        fn set_byte(&self, offset: usize, byte: u8) -> Result {
            let at = UserPtr::from_addr(self.addr + offset);
            UserSlice::new(at, 1).writer().write_slice(&[byte])
        }
    }

    impl Drop for Process {
        fn drop(&mut self) {
            // SAFETY: The task has an address space, and this range was mapped by us.
            unsafe { bindings::vm_munmap(self.addr, self.size) };
        }
    }

    const READ: u32 = bindings::PROT_READ;
    const WRITE: u32 = bindings::PROT_READ | bindings::PROT_WRITE;
    const SHARED: u32 = bindings::MAP_SHARED;
    const PRIVATE: u32 = bindings::MAP_PRIVATE;

    #[test]
    fn a_process_sees_the_memory() -> Result {
        for layout in [
            Layout::new(),
            Layout::new().contiguous(1),
            Layout::new().write_combined(),
        ] {
            let memory = SystemPages::new(3 * PAGE_SIZE, layout)?;
            let buf = make(memory, &State::new()?)?;
            let map = buf.vmap()?;
            let process = Process::map(&buf, PAGE_SIZE, 2 * PAGE_SIZE, WRITE, SHARED)?;
            map.write::<u8>(PAGE_SIZE, 7)?;
            assert_eq!(process.byte(0), Ok(7));
            process.set_byte(2 * PAGE_SIZE - 1, 8)?;
            assert_eq!(map.read::<u8>(3 * PAGE_SIZE - 1), Ok(8));
        }
        Ok(())
    }

    #[test]
    fn a_process_maps_what_is_there_and_shared() -> Result {
        let buf = shared(3, &State::new()?)?;
        for (offset, count, kind) in [
            (0, 4, SHARED),
            (1, 3, SHARED),
            (3, 1, SHARED),
            (0, 1, PRIVATE),
        ] {
            let (offset, size) = (offset * PAGE_SIZE, count * PAGE_SIZE);
            let process = Process::map(&buf, offset, size, READ, kind);
            assert_eq!(process.err(), Some(EINVAL));
        }
        Ok(())
    }

    #[test]
    fn a_process_does_not_write_what_is_read_only() -> Result {
        let memory = ReadOnly(SystemPages::new(PAGE_SIZE, Layout::new())?);
        let buf = make(memory, &State::new()?)?;
        let process = Process::map(&buf, 0, PAGE_SIZE, WRITE, SHARED);
        assert_eq!(process.err(), Some(EACCES));

        let process = Process::map(&buf, 0, PAGE_SIZE, READ, SHARED)?;
        assert_eq!(process.byte(5), Ok(0));
        assert_eq!(process.set_byte(5, 1), Err(EFAULT));
        Ok(())
    }

    /// Of `include/linux/fs.h`, which has it in a form that bindings can't be made of.
    const FMODE_WRITE: bindings::fmode_t = 1 << 1;

    #[test]
    fn whatever_its_file_says() -> Result {
        let memory = ReadOnly(SystemPages::new(PAGE_SIZE, Layout::new())?);
        let buf = make(memory, &State::new()?)?;
        // SAFETY: Nobody else uses the file.
        unsafe { (*(*buf.as_raw()).file).f_mode |= FMODE_WRITE };
        let process = Process::map(&buf, 0, PAGE_SIZE, WRITE, SHARED);
        assert_eq!(process.err(), Some(EPERM));

        let process = Process::map(&buf, 0, PAGE_SIZE, READ, SHARED)?;
        assert_eq!(process.byte(5), Ok(0));
        assert_eq!(process.set_byte(5, 1), Err(EFAULT));
        // SAFETY: As above; this undoes it.
        unsafe { (*(*buf.as_raw()).file).f_mode &= !FMODE_WRITE };
        Ok(())
    }

    #[test]
    fn an_exporter_takes_the_memory_back() -> Result {
        let state = State::new()?;
        let buf = shared(2, &state)?;
        let process = Process::map(&buf, 0, 2 * PAGE_SIZE, WRITE, SHARED)?;
        process.set_byte(0, 1)?;

        assert_eq!(buf.zap_mappings::<Test<SystemPages>>(), Err(EPERM));
        assert_eq!(buf.invalidate_mappings::<Test<SystemPages>>(), Err(EPERM));
        assert_eq!(process.byte(0), Ok(1));
        state.closed.store(1, Relaxed);
        buf.zap_mappings::<Test<SharedPages>>()?;
        for offset in [0, PAGE_SIZE] {
            assert_eq!(process.byte(offset), Err(EFAULT));
        }
        let another = Process::map(&buf, 0, PAGE_SIZE, READ, SHARED);
        assert_eq!(another.err(), Some(ENODEV));
        assert_eq!(buf.vmap().err(), Some(ENODEV));
        let mut map = pin_init::zeroed();
        assert_eq!(vmap(buf.as_raw(), &mut map), ENODEV.to_errno());

        state.closed.store(0, Relaxed);
        assert_eq!(process.byte(0), Ok(1));
        Ok(())
    }
}
