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
pub fn create_file<T: Operations>(
    name: &'static CStr,
    private: T::Private,
    flags: u32,
) -> Result<ARef<File>> {
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

    // SAFETY: The file is valid, its one reference is ours, and no thread has called fdget_pos().
    Ok(unsafe { ARef::from_raw(NonNull::new_unchecked(file.cast::<File>())) })
}
