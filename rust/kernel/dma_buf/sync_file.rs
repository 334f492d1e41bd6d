// SPDX-License-Identifier: GPL-2.0

//! Fences as files, by which user space hands them on.
//!
//! C header: [`include/linux/sync_file.h`](srctree/include/linux/sync_file.h)

use super::dma_fence::Fence;
use crate::{
    bindings,
    fs::File,
    prelude::*,
    sync::aref::ARef, //
};
use core::ptr::NonNull;

/// Makes a file of a fence: it polls readable once the fence is signalled.
///
/// Fails with [`ENOMEM`]. Sleeps.
///
/// # Examples
///
/// ```
/// use kernel::dma_buf::{dma_fence::Fence, sync_file};
/// use kernel::fs::file::{flags, FileDescriptorReservation};
/// use kernel::prelude::*;
///
/// /// Gives the current process a descriptor of `fence`.
/// fn export(fence: &Fence) -> Result<u32> {
///     let reservation = FileDescriptorReservation::get_unused_fd_flags(flags::O_CLOEXEC)?;
///     let fd = reservation.reserved_fd();
///     reservation.fd_install(sync_file::create(fence)?);
///     Ok(fd)
/// }
/// ```
pub fn create(fence: &Fence) -> Result<ARef<File>> {
    // SAFETY: The fence is valid. The new object takes a reference of its own.
    let sync_file = unsafe { bindings::sync_file_create(fence.as_raw()) };
    if sync_file.is_null() {
        return Err(ENOMEM);
    }
    // SAFETY: `sync_file` is valid as long as its file, which it was made with.
    let file = NonNull::new(unsafe { (*sync_file).file }).ok_or(ENOMEM)?;
    // SAFETY: The reference to the file is ours. Nobody has it in a table of descriptors yet, so
    // there is no call of fdget_pos().
    Ok(unsafe { ARef::from_raw(file.cast()) })
}

/// The fence of a file that the current process has open as `fd`.
///
/// It may be one that stands for several others.
///
/// Fails with [`EINVAL`] if `fd` is not open, or is the descriptor of something else.
pub fn fence_from_fd(fd: i32) -> Result<ARef<Fence>> {
    // SAFETY: It takes any number.
    let fence = unsafe { bindings::sync_file_get_fence(fd) };
    let fence = NonNull::new(fence).ok_or(EINVAL)?;
    // SAFETY: The reference is ours. The type is transparent.
    Ok(unsafe { ARef::from_raw(fence.cast()) })
}

#[macros::kunit_tests(rust_sync_file)]
mod tests {
    use super::*;
    use crate::{
        dma_buf::dma_fence::{
            DriverFenceAllocation,
            FenceContext, //
        },
        fs::file::{
            flags,
            FileDescriptorReservation, //
        },
    };

    #[test]
    fn a_fence_comes_back_from_its_file() -> Result {
        let timeline = FenceContext::new(c"rust_sync_file", c"test", GFP_KERNEL)?;
        let pending = DriverFenceAllocation::new(&timeline, GFP_KERNEL)?.arm();
        let reservation = FileDescriptorReservation::get_unused_fd_flags(flags::O_CLOEXEC)?;
        let fd = reservation.reserved_fd();
        reservation.fd_install(create(&pending.fence())?);

        let found = fence_from_fd(i32::try_from(fd)?)?;
        assert!(core::ptr::eq(found.as_raw(), pending.fence().as_raw()));
        // SAFETY: The descriptor is ours.
        unsafe { bindings::close_fd(fd) };
        assert_eq!(fence_from_fd(i32::try_from(fd)?).err(), Some(EINVAL));

        pending.signal(Err(EIO));
        assert_eq!(found.result(), Some(Err(EIO)));
        Ok(())
    }

    #[test]
    fn refuses_what_is_no_fence() {
        for fd in [-1, i32::MIN, i32::MAX] {
            assert_eq!(fence_from_fd(fd).err(), Some(EINVAL));
        }
    }
}
