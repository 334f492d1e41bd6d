// SPDX-License-Identifier: GPL-2.0

//! File operations in Rust.
//!
//! A type that implements [`Operations`] says what the system calls on a file do; [`Table`] turns
//! it into a C table that a character device or an anonymous file can carry.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use crate::{
    bindings,
    error::VTABLE_DEFAULT_ERROR,
    fs::File,
    mm::fault::{
        Fault,
        FaultResult,
        Kind,
        NewMapping, //
    },
    module::this_module,
    module_ref,
    prelude::*,
    seq_file::SeqFile,
    sync::poll::PollTable,
    types::ForeignOwnable,
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceWriter, //
    }, //
};
use core::marker::PhantomData;

/// The private data of a file, as an operation sees it.
pub type Borrowed<'a, T> = <<T as Operations>::Private as ForeignOwnable>::Borrowed<'a>;

/// What the system calls on a file do.
///
/// All operations run in process context without locks held by the caller, and may sleep, but for
/// [`fault`](Self::fault).
///
/// # Examples
///
/// ```
/// use kernel::fs::operations::{Borrowed, Operations};
/// use kernel::fs::File;
/// use kernel::prelude::*;
/// use kernel::sync::Arc;
/// use kernel::uaccess::UserSliceWriter;
///
/// /// A file that reads as one endless line.
/// struct Line;
///
/// #[vtable]
/// impl Operations for Line {
///     type Private = Arc<u8>;
///
///     fn read(this: Borrowed<'_, Self>, _file: &File, mut to: UserSliceWriter) -> Result<usize> {
///         let n = to.len().min(16);
///         to.write_slice(&[*this; 16][..n])?;
///         Ok(n)
///     }
/// }
/// ```
#[vtable]
pub trait Operations: Sized + 'static {
    /// What the file's `private_data` points to.
    type Private: ForeignOwnable + Send + Sync + 'static;

    /// The last reference to the file is gone.
    fn release(private: Self::Private) {
        drop(private);
    }

    /// `read(2)`: writes to the caller's buffer and returns the number of bytes.
    fn read(_this: Borrowed<'_, Self>, _file: &File, _to: UserSliceWriter) -> Result<usize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// `poll(2)`: registers with `table` and returns a mask of `EPOLL*` bits.
    fn poll(_this: Borrowed<'_, Self>, _file: &File, _table: &PollTable<'_>) -> u32 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// `ioctl(2)`, from 64-bit and from 32-bit processes.
    fn ioctl(_this: Borrowed<'_, Self>, _file: &File, _cmd: u32, _arg: UserPtr) -> Result<isize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// `mmap(2)`: checks the request and says what kind of mapping it becomes.
    ///
    /// No page can be inserted here; [`fault`](Self::fault) does that.
    fn mmap(_this: Borrowed<'_, Self>, _file: &File, _mapping: &NewMapping<'_>) -> Result<Kind> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A page of a mapping was touched that is not there.
    ///
    /// Runs with the mmap lock or the lock of the VMA held: it must not touch user memory.
    fn fault(_this: Borrowed<'_, Self>, _fault: &Fault<'_>) -> FaultResult {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// `/proc/PID/fdinfo/FD`.
    fn show_fdinfo(_this: Borrowed<'_, Self>, _file: &File, _seq: &SeqFile) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The C tables of an implementation of [`Operations`].
pub struct Table<T>(PhantomData<T>);

impl<T: Operations> Table<T> {
    const VM_OPS: bindings::vm_operations_struct = bindings::vm_operations_struct {
        fault: Some(Self::fault),
        ..pin_init::zeroed()
    };

    /// The table for files. Each file holds the module that `T` is in.
    ///
    /// A file that carries it must have a `private_data` that came from
    /// [`ForeignOwnable::into_foreign`] of [`Operations::Private`].
    pub(crate) const FILE_OPS: bindings::file_operations = bindings::file_operations {
        release: Some(Self::release),
        read: if T::HAS_READ { Some(Self::read) } else { None },
        poll: if T::HAS_POLL { Some(Self::poll) } else { None },
        unlocked_ioctl: if T::HAS_IOCTL {
            Some(Self::ioctl)
        } else {
            None
        },
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl: if T::HAS_IOCTL {
            bindings::compat_ptr_ioctl
        } else {
            None
        },
        mmap: if T::HAS_MMAP { Some(Self::mmap) } else { None },
        show_fdinfo: if T::HAS_SHOW_FDINFO {
            Some(Self::show_fdinfo)
        } else {
            None
        },
        owner: this_module::<T::OwnerModule>().as_ptr(),
        ..pin_init::zeroed()
    };

    /// Fails with [`EINVAL`] unless a file that holds the module that `T` is in keeps the table's
    /// functions.
    pub(crate) fn check_owner() -> Result {
        let owner = this_module::<T::OwnerModule>().as_ptr();
        module_ref::check_owner(owner, Self::release as *const ())
    }

    /// Borrows the private data of `file`.
    ///
    /// # Safety
    ///
    /// `file` must carry [`Self::FILE_OPS`] and stay open for `'a`.
    unsafe fn private<'a>(file: *mut bindings::file) -> Borrowed<'a, T> {
        // SAFETY: `private_data` came from `into_foreign()` and is taken back by `release` only,
        // which runs after every other operation.
        unsafe { T::Private::borrow((*file).private_data) }
    }

    extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `release` runs once, as the last operation, and so owns the private data.
        T::release(unsafe { T::Private::from_foreign((*file).private_data) });
        0
    }

    extern "C" fn read(
        file: *mut bindings::file,
        buf: *mut c_char,
        len: usize,
        _pos: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: The VFS keeps `file` open during the call. The files that carry the table, those
        // of devices and anonymous ones, are such that `fdget_pos()` locks no position, and no
        // operation here looks at one.
        let (this, file) = unsafe { (Self::private(file), File::from_raw_file(file)) };
        let to = UserSlice::new(UserPtr::from_ptr(buf.cast()), len).writer();

        match T::read(this, file, to) {
            // The VFS believes whatever it is told.
            Ok(n) => n.min(len) as isize,
            Err(e) => e.to_errno() as isize,
        }
    }

    extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t {
        // SAFETY: The VFS keeps `file` open and `table` valid during the call.
        let (this, file, table) = unsafe {
            (
                Self::private(file),
                File::from_raw_file(file),
                PollTable::from_raw(table),
            )
        };

        T::poll(this, file, &table)
    }

    extern "C" fn ioctl(file: *mut bindings::file, cmd: c_uint, arg: c_ulong) -> c_long {
        // SAFETY: The VFS keeps `file` open during the call.
        let (this, file) = unsafe { (Self::private(file), File::from_raw_file(file)) };

        match T::ioctl(this, file, cmd, UserPtr::from_addr(arg)) {
            Ok(n) => n as c_long,
            Err(e) => e.to_errno() as c_long,
        }
    }

    extern "C" fn mmap(file: *mut bindings::file, vma: *mut bindings::vm_area_struct) -> c_int {
        // SAFETY: The VFS keeps `file` open during the call.
        let (this, file) = unsafe { (Self::private(file), File::from_raw_file(file)) };
        // SAFETY: `vma` is being set up by mmap() and is not shared yet.
        let mapping = unsafe { NewMapping::from_raw(vma) };

        match T::mmap(this, file, &mapping) {
            // Frames can't be copied on write.
            Ok(Kind::Frames) if !mapping.shared() => EINVAL.to_errno(),
            Ok(kind) => {
                mapping.set_up(kind, const { &Self::VM_OPS });
                0
            }
            Err(e) => e.to_errno(),
        }
    }

    extern "C" fn fault(vmf: *mut bindings::vm_fault) -> bindings::vm_fault_t {
        // SAFETY: `vmf` is valid during the call.
        let fault = unsafe { Fault::from_raw(vmf) };
        if !T::HAS_FAULT {
            return fault.answer(Err(crate::mm::fault::Sigbus));
        }

        // SAFETY: `VM_OPS` is set by `Self::mmap` alone, so the VMA's file carries `FILE_OPS`; the
        // VMA holds a reference to it.
        let this = unsafe { Self::private(fault.file()) };
        fault.answer(T::fault(this, &fault))
    }

    extern "C" fn show_fdinfo(seq: *mut bindings::seq_file, file: *mut bindings::file) {
        // SAFETY: The VFS keeps `file` open, and `seq` valid and ours alone, during the call.
        let (this, file, seq) = unsafe {
            (
                Self::private(file),
                File::from_raw_file(file),
                SeqFile::from_raw(seq),
            )
        };

        T::show_fdinfo(this, file, seq);
    }
}
