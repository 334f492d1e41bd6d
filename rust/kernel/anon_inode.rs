// SPDX-License-Identifier: GPL-2.0

//! Files without a name, each with an inode of its own.
//!
//! C header: [`include/linux/anon_inodes.h`](srctree/include/linux/anon_inodes.h)

use crate::{
    bindings,
    error::from_err_ptr,
    fs::{
        operations::{
            Operations,
            Table, //
        },
        File, //
    },
    prelude::*,
    sync::aref::ARef,
    types::ForeignOwnable, //
};
use core::ptr::NonNull;

/// Creates a file that `T` operates, with an inode, and so an address space, that no other file
/// has. `flags` are those of `open(2)`: `O_RDWR`, `O_NONBLOCK`.
///
/// The file holds the module that `T` is in. On failure `private` is dropped, without
/// [`Operations::release`].
///
/// Fails with [`EINVAL`] if `T` is generic and the module that names its parameters is not the one
/// that implements [`Operations`] for it.
///
/// The inode can be kept apart from the file, to take the pages of its mappings away.
pub fn create_file<T: Operations>(
    name: &'static CStr,
    private: T::Private,
    flags: u32,
) -> Result<(ARef<File>, Inode)> {
    Table::<T>::check_owner()?;
    let private = private.into_foreign();
    // SAFETY: `name` and the table are static, and `private_data` is what the table expects.
    let file = from_err_ptr(unsafe {
        bindings::anon_inode_create_getfile(
            name.as_char_ptr(),
            const { &Table::<T>::FILE_OPS },
            private,
            flags as c_int,
            core::ptr::null(),
        )
    })
    .inspect_err(|_| {
        // SAFETY: No file took it over, so it is still ours.
        drop(unsafe { T::Private::from_foreign(private) });
    })?;

    // SAFETY: The file was made just now, with an inode.
    let inode = unsafe { Inode::of(file) };
    // SAFETY: The file is valid, and its one reference is ours. It has no position, so that
    // fdget_pos() never has to lock one, and nobody looks at one.
    let file = unsafe { ARef::from_raw(NonNull::new_unchecked(file.cast::<File>())) };
    Ok((file, inode))
}

/// The inode of a file that [`create_file`] made, held to zap the file's mappings at a time when
/// the file itself may be going.
///
/// # Invariants
///
/// Owns a reference to the inode, which is on the file system of anonymous inodes: that is never
/// unmounted, so that the inode can be kept for as long as one likes.
pub struct Inode(NonNull<bindings::inode>);

impl Inode {
    /// # Safety
    ///
    /// `file` must be one that anon_inode_create_getfile() has made.
    unsafe fn of(file: *mut bindings::file) -> Self {
        // SAFETY: By the requirements of this function; the file's reference keeps the inode.
        unsafe {
            let inode = (*file).f_inode;
            bindings::ihold(inode);
            // INVARIANT: The reference was taken above.
            Self(NonNull::new_unchecked(inode))
        }
    }

    /// Takes away all pages of all mappings of the inode, in all processes.
    ///
    /// Returns when no processor can reach them any more. May sleep. A page that
    /// [`Operations::fault`] inserts after this call stays: forbid that first.
    pub fn zap_mappings(&self) {
        // SAFETY: The inode and so its mapping are valid; a length of 0 means all.
        unsafe { bindings::unmap_mapping_range((*self.0.as_ptr()).i_mapping, 0, 0, 1) };
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, we own a reference.
        unsafe { bindings::iput(self.0.as_ptr()) };
    }
}

// SAFETY: An inode is counted atomically and may be zapped and put by any task.
unsafe impl Send for Inode {}
// SAFETY: `unmap_mapping_range()` takes the locks it needs.
unsafe impl Sync for Inode {}

#[macros::kunit_tests(rust_anon_inode)]
mod tests {
    use super::*;
    use crate::{
        bindings::O_RDWR,
        sync::Arc, //
    };

    struct Empty;

    #[vtable]
    impl Operations for Empty {
        type Private = Arc<()>;
    }

    #[test]
    fn each_file_has_an_inode_that_may_outlive_it() -> Result {
        let make = || create_file::<Empty>(c"[rust]", Arc::new((), GFP_KERNEL)?, O_RDWR);
        let ((first, one), (second, other)) = (make()?, make()?);
        assert!(one.0 != other.0);
        drop((first, second));
        // SAFETY: No file that is waited for needs this task.
        unsafe { bindings::flush_delayed_fput() };
        one.zap_mappings();
        Ok(())
    }
}
