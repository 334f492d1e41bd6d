// SPDX-License-Identifier: GPL-2.0

//! Structs that user space and the kernel may know in different lengths.
//!
//! Such a struct begins with its size as a `u32`. What the kernel does not know must be zero; what
//! user space does not know reads as zero.
//!
//! C counterpart: `copy_struct_from_user()` in
//! [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)

use crate::{
    bindings,
    page::PAGE_SIZE,
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

/// Reads the size that a struct says it has.
pub fn size(from: UserPtr) -> Result<u32> {
    UserSlice::new(from, size_of::<u32>())
        .reader()
        .read::<u32>()
}

/// Reads a struct of at least `min` bytes into `to`, which has room for them and for a size.
///
/// Fails with [`EINVAL`] if it is shorter than `min`, or if `to` is, [`E2BIG`] if it is longer than
/// a page or not zero behind the length of `to`, [`EFAULT`] if it can't be read.
pub fn read_bytes(from: UserPtr, min: usize, to: &mut [u8]) -> Result {
    // The size is read together with all that must be there, which mostly is all there is.
    let min = min.max(size_of::<u32>());
    let (first, rest) = to.split_at_mut_checked(min).ok_or(EINVAL)?;
    if let Err(e) = UserSlice::new(from, min).reader().read_slice(first) {
        // It may be shorter than that.
        let shorter = (size(from)? as usize) < min;
        return Err(if shorter { EINVAL } else { e });
    }
    let size = u32::from_ne_bytes(*first.first_chunk().ok_or(EINVAL)?) as usize;
    if size < min {
        return Err(EINVAL);
    }
    if size > PAGE_SIZE {
        return Err(E2BIG);
    }

    let more = (size - min).min(rest.len());
    let behind = from.wrapping_byte_add(min);
    if more != 0 {
        UserSlice::new(behind, more)
            .reader()
            .read_slice(&mut rest[..more])?;
    }
    if more != rest.len() {
        rest[more..].fill(0);
    }
    check_zeroed(behind.wrapping_byte_add(more), size - min - more)
}

fn check_zeroed(from: UserPtr, len: usize) -> Result {
    if len == 0 {
        return Ok(());
    }
    // SAFETY: check_zeroed_user() takes any user address.
    match unsafe { bindings::check_zeroed_user(from.as_const_ptr(), len) } {
        1 => Ok(()),
        0 => Err(E2BIG),
        _ => Err(EFAULT),
    }
}

/// Reads a struct that was `min` bytes long in its first version. See [`read_bytes`].
///
/// # Examples
///
/// ```
/// use kernel::prelude::*;
/// use kernel::uaccess::UserPtr;
/// use kernel::ustruct;
///
/// fn sum(arg: UserPtr) -> Result<u32> {
///     let values: [u32; 4] = ustruct::read(arg, 8)?;
///     Ok(values[1..].iter().sum())
/// }
/// ```
pub fn read<T: FromBytes + AsBytes>(from: UserPtr, min: usize) -> Result<T> {
    // SAFETY: Any bytes are a `T`, zeroes among them.
    let mut value: T = unsafe { core::mem::zeroed() };
    read_bytes(from, min, value.as_bytes_mut())?;
    Ok(value)
}

/// Writes back as much of `value` as fits into the `size` bytes that the caller's struct has.
pub fn write<T: AsBytes>(to: UserPtr, size: u32, value: &T) -> Result {
    write_bytes(to, size, value.as_bytes())
}

/// The same for a struct whose type is not known.
pub fn write_bytes(to: UserPtr, size: u32, bytes: &[u8]) -> Result {
    let len = bytes.len().min(size as usize);
    UserSlice::new(to, len).writer().write_slice(&bytes[..len])
}

/// Fills `room` bytes of user memory with `value`, and zeroes behind it. May sleep.
///
/// Fails with [`EFAULT`] if they can't be written, [`EINTR`] if the task is killed meanwhile.
pub fn fill<T: AsBytes + ?Sized>(to: UserPtr, room: usize, value: &T) -> Result {
    const ZEROES: [u8; 256] = [0; 256];

    let bytes = value.as_bytes();
    let len = bytes.len().min(room);
    let mut writer = UserSlice::new(to, room).writer();
    writer.write_slice(&bytes[..len])?;
    while !writer.is_empty() {
        // The room is whatever user space says that it is.
        if current!().fatal_signal_pending() {
            return Err(EINTR);
        }
        let len = writer.len().min(ZEROES.len());
        writer.write_slice(&ZEROES[..len])?;
    }
    Ok(())
}

#[macros::kunit_tests(rust_ustruct)]
mod tests {
    use super::*;

    #[test]
    fn a_struct_has_room_for_its_size_and_its_first_version() {
        let nowhere = UserPtr::from_addr(0);
        assert_eq!(read::<u16>(nowhere, 0), Err(EINVAL));
        assert_eq!(read::<u16>(nowhere, 2), Err(EINVAL));
        assert_eq!(read::<u64>(nowhere, 9), Err(EINVAL));
        assert_eq!(read_bytes(nowhere, 0, &mut []), Err(EINVAL));
    }
}
