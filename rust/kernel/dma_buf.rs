// SPDX-License-Identifier: GPL-2.0

//! Buffers that are shared between devices, drivers and processes.
//!
//! A [`DmaBuf`] is a file whose descriptor one driver makes and another takes:
//! [`export`](mod@export) makes one of memory, [`import`] lets a device reach the memory of one.
//!
//! The functions of `dma-buf.c` are in a symbol namespace of their own. They are called from
//! functions here that are neither generic nor inlined, so that no other module needs it.
//!
//! C header: [`include/linux/dma-buf.h`](srctree/include/linux/dma-buf.h)

use crate::{
    bindings,
    dma::DataDirection,
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::{
        file::FileDescriptorReservation,
        File, //
    },
    page::volatile::Volatile,
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    types::Opaque, //
};
use core::ptr::NonNull;
use export::Exporter;
use resv::Resv;

pub mod dma_fence;
pub mod export;
pub mod import;
pub mod resv;
#[cfg(CONFIG_SYNC_FILE)]
pub mod sync_file;

/// A buffer that is shared.
///
/// # Examples
///
/// ```
/// use kernel::dma_buf::DmaBuf;
/// use kernel::prelude::*;
///
/// /// The first word of the buffer behind a descriptor.
/// fn first_word(fd: i32) -> Result<u32> {
///     DmaBuf::from_fd(fd)?.vmap()?.read(0)
/// }
///
/// assert_eq!(first_word(-1), Err(EBADF));
/// ```
///
/// # Invariants
///
/// References are to buffers that dma_buf_export() made and whose file has a nonzero count.
#[repr(transparent)]
pub struct DmaBuf(Opaque<bindings::dma_buf>);

// SAFETY: A buffer is counted by its file, and may be put by any task.
unsafe impl Send for DmaBuf {}
// SAFETY: All that can be done with a shared reference takes the locks it needs.
unsafe impl Sync for DmaBuf {}

// SAFETY: The count of the file keeps the buffer.
unsafe impl AlwaysRefCounted for DmaBuf {
    fn inc_ref(&self) {
        // SAFETY: By the type invariant the count is not zero.
        unsafe { bindings::get_dma_buf(self.as_raw()) };
    }

    #[inline(never)]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference.
        unsafe { bindings::dma_buf_put(obj.cast().as_ptr()) };
    }
}

impl DmaBuf {
    /// # Safety
    ///
    /// `raw` must point to a buffer whose file has a nonzero count for `'a`.
    unsafe fn from_raw<'a>(raw: *mut bindings::dma_buf) -> &'a Self {
        // SAFETY: By the requirements of this function; the type is transparent.
        unsafe { &*raw.cast() }
    }

    /// # Safety
    ///
    /// `raw` must point to a buffer, and the caller gives up a reference to it.
    unsafe fn own(raw: *mut bindings::dma_buf) -> ARef<Self> {
        // SAFETY: By the requirements of this function.
        unsafe { ARef::from_raw(NonNull::new_unchecked(raw.cast())) }
    }

    /// The C buffer.
    pub(crate) fn as_raw(&self) -> *mut bindings::dma_buf {
        self.0.get()
    }

    /// What orders the accesses to the buffer.
    pub fn resv(&self) -> &Resv {
        // SAFETY: The field does not change after the export, and the buffer keeps its reservation.
        unsafe { Resv::from_raw((*self.as_raw()).resv) }
    }

    /// Takes a reference to the buffer behind a descriptor of the current process.
    ///
    /// Fails with [`EBADF`] if nothing is open there, with [`EINVAL`] if it is no buffer.
    #[inline(never)]
    pub fn from_fd(fd: i32) -> Result<ARef<Self>> {
        // SAFETY: Any number may be asked for.
        let raw = from_err_ptr(unsafe { bindings::dma_buf_get(fd) })?;
        // SAFETY: dma_buf_get() returned a reference.
        Ok(unsafe { Self::own(raw) })
    }

    /// Size in bytes. It never changes.
    pub fn size(&self) -> usize {
        // SAFETY: The field does not change after the export.
        unsafe { (*self.as_raw()).size }
    }

    /// Gives the buffer to the current process, as the descriptor that was reserved.
    ///
    /// It is there when this returns; nothing that can fail should come behind.
    pub fn install(this: ARef<Self>, fd: FileDescriptorReservation) {
        // SAFETY: The file of a buffer is there as long as the buffer, and its position is never
        // looked at under a lock of its own.
        let file = unsafe { (*this.as_raw()).file };
        // SAFETY: A reference to a buffer is one to its file. It is handed on.
        let file = unsafe { ARef::<File>::from_raw(NonNull::new_unchecked(file.cast())) };
        core::mem::forget(this);
        fd.fd_install(file);
    }

    /// Waits for the devices that have announced accesses, and makes what they wrote visible to the
    /// CPU. May sleep.
    ///
    /// The direction is that of the devices' accesses that the CPU's have to do with: from the
    /// device to read what it wrote, to the device to write what it shall read. Devices that
    /// announce nothing are not waited for.
    ///
    /// Fails with [`ERESTARTSYS`] if a signal comes, or as the exporter pleases.
    #[inline(never)]
    pub fn begin_cpu_access(&self, direction: DataDirection) -> Result {
        // SAFETY: The buffer is valid.
        to_result(unsafe { bindings::dma_buf_begin_cpu_access(self.as_raw(), direction.into()) })
    }

    /// Makes what the CPU wrote since [`begin_cpu_access`](Self::begin_cpu_access) visible to
    /// devices. May sleep.
    ///
    /// Fails as the exporter pleases.
    #[inline(never)]
    pub fn end_cpu_access(&self, direction: DataDirection) -> Result {
        // SAFETY: The buffer is valid.
        to_result(unsafe { bindings::dma_buf_end_cpu_access(self.as_raw(), direction.into()) })
    }

    /// Maps the buffer into the kernel. May sleep.
    ///
    /// What [is not writable](Self::writable) can be read then.
    ///
    /// Fails with [`EINVAL`] if its exporter has no way to do this, with [`EOPNOTSUPP`] if it is
    /// the memory of a device behind a bus, with [`ENOMEM`], or as the exporter pleases.
    #[inline(never)]
    pub fn vmap(&self) -> Result<Vmap> {
        // Without the C function, which takes failures of an exporter for bugs, and would have to
        // let the kernel write all that is mapped.
        if let Some(own) = export::OwnVmap::new(self)? {
            return Ok(Vmap {
                buf: self.into(),
                kind: Kind::Own(own),
            });
        }

        let mut map = pin_init::zeroed();
        // SAFETY: The buffer is valid and its reservation is not locked by us.
        to_result(unsafe { bindings::dma_buf_vmap_unlocked(self.as_raw(), &mut map) })?;

        // INVARIANT: Mapped just now.
        let vmap = Vmap {
            buf: self.into(),
            kind: Kind::Shared(map),
        };
        if map.is_iomem {
            return Err(EOPNOTSUPP);
        }
        Ok(vmap)
    }

    /// Takes away all pages that processes have mapped of the buffer. May sleep.
    ///
    /// This is for its exporter, after [`Exporter::check_map`] has begun to refuse: when it
    /// returns, no process can reach the memory through the buffer any more. The reservation must
    /// not be locked by the caller. An exporter that has no reference to its buffer takes
    /// [`Mappings`](export::Mappings).
    ///
    /// Fails with [`EPERM`] if the buffer is not one of `E`, which is how an exporter shows that it
    /// is its own.
    ///
    /// [`Exporter::check_map`]: export::Exporter::check_map
    pub fn zap_mappings<E: Exporter>(&self) -> Result {
        let mappings = self.mappings::<E>().ok_or(EPERM)?;
        // SAFETY: The exporter stays as long as the buffer has references.
        unsafe { mappings.zap() };
        Ok(())
    }

    /// Tells the devices whose drivers can do without that they must give the memory back, now or
    /// soon. May sleep.
    ///
    /// This is for its exporter. Drivers that did not say that they can keep the memory, and even
    /// those that did may go on using it when this returns, until they have unmapped it. The
    /// reservation must not be locked by the caller.
    ///
    /// Fails with [`EPERM`] if the buffer is not one of `E`.
    pub fn invalidate_mappings<E: Exporter>(&self) -> Result {
        self.exporter::<E>().ok_or(EPERM)?;
        self.invalidate();
        Ok(())
    }

    #[inline(never)]
    fn invalidate(&self) {
        let locked = self.resv().lock();
        // SAFETY: The buffer is valid and its reservation is locked.
        unsafe { bindings::dma_buf_invalidate_mappings(self.as_raw()) };
        drop(locked);
    }
}

/// A buffer that is mapped into the kernel, until this is dropped.
///
/// Processes and devices may access the memory at the same time. Accesses go between
/// [`DmaBuf::begin_cpu_access`] and [`DmaBuf::end_cpu_access`].
///
/// # Invariants
///
/// `kind` is a mapping of all of `buf`.
pub struct Vmap {
    // Before the buffer, which keeps what is mapped.
    kind: Kind,
    buf: ARef<DmaBuf>,
}

/// How a buffer is mapped.
enum Kind {
    /// By its exporter; one of the users of the mapping is ours.
    Shared(bindings::iosys_map),
    /// Memory that was exported by [`export::export`], for us alone.
    Own(export::OwnVmap),
}

impl Vmap {
    /// The buffer.
    pub fn buffer(&self) -> &DmaBuf {
        &self.buf
    }

    /// Size in bytes.
    pub fn size(&self) -> usize {
        self.buf.size()
    }

    fn memory(&self) -> Volatile<'_> {
        let base = match &self.kind {
            // SAFETY: It is not I/O memory, which `vmap` has refused.
            Kind::Shared(map) => unsafe { map.__bindgen_anon_1.vaddr },
            Kind::Own(own) => own.base(),
        };
        // SAFETY: By the type invariant the buffer is mapped there, and `writable_memory` keeps
        // from writing what is mapped to be read. No reference to its content is ever made.
        unsafe { Volatile::new(base.cast(), self.size()) }
    }

    fn writable_memory(&self) -> Result<Volatile<'_>> {
        match &self.kind {
            Kind::Own(own) if !own.writable() => Err(EACCES),
            _ => Ok(self.memory()),
        }
    }

    /// Reads a value once.
    ///
    /// Fails with [`EINVAL`] if it does not lie in the buffer, aligned.
    pub fn read<T: zerocopy::FromBytes + Copy>(&self, offset: usize) -> Result<T> {
        self.memory().read(offset)
    }

    /// Writes a value once.
    ///
    /// Fails with [`EINVAL`] if it does not lie in the buffer, aligned, with [`EACCES`] if the
    /// buffer is not writable.
    pub fn write<T: zerocopy::IntoBytes + Copy>(&self, offset: usize, value: T) -> Result {
        self.writable_memory()?.write(offset, value)
    }

    /// Copies what is at `offset` to `to`; what others write meanwhile may arrive in part.
    ///
    /// Fails with [`EINVAL`] if it does not lie in the buffer.
    pub fn read_slice(&self, offset: usize, to: &mut [u8]) -> Result {
        self.memory().read_slice(offset, to)
    }

    /// Copies `from` to `offset`; others may see it in part meanwhile.
    ///
    /// Fails with [`EINVAL`] if it does not lie in the buffer, with [`EACCES`] if the buffer is not
    /// writable.
    pub fn write_slice(&self, offset: usize, from: &[u8]) -> Result {
        self.writable_memory()?.write_slice(offset, from)
    }
}

impl Drop for Vmap {
    #[inline(never)]
    fn drop(&mut self) {
        if let Kind::Shared(map) = &mut self.kind {
            // SAFETY: By the type invariant; the reservation is not locked by us.
            unsafe { bindings::dma_buf_vunmap_unlocked(self.buf.as_raw(), map) };
        }
    }
}

// SAFETY: The mapping is the same in all tasks.
unsafe impl Send for Vmap {}
// SAFETY: Volatile accesses may race with each other.
unsafe impl Sync for Vmap {}
