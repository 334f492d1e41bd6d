// SPDX-License-Identifier: GPL-2.0

//! Structs that user space and the kernel may know in different lengths.
//!
//! Such a struct begins with its size as a `u32`; an [`Array`] of them has the size of an element
//! beside it. What the kernel does not know must be zero; what user space does not know reads as
//! zero.
//!
//! C counterpart: `copy_struct_from_user()` in
//! [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)

use crate::{
    alloc::Flags,
    bindings,
    page::PAGE_SIZE,
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceWriter, //
    }, //
};

/// A struct that the kernel reads, and that may grow.
pub trait Growing: FromBytes + AsBytes {
    /// Bytes that it had in its first version, the least that a caller has to know.
    const MIN: usize;
}

/// A pointer as structs have it, in 64 bits. Fails with [`EFAULT`] if the kernel has less.
pub fn pointer(address: u64) -> Result<UserPtr> {
    let address = usize::try_from(address).map_err(|_| EFAULT)?;
    Ok(UserPtr::from_addr(address))
}

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
    check_size(size, min)?;
    read_sized(from.wrapping_byte_add(min), size - min, rest)
}

fn check_size(size: usize, min: usize) -> Result {
    if size < min {
        return Err(EINVAL);
    }
    if size > PAGE_SIZE {
        return Err(E2BIG);
    }
    Ok(())
}

/// Reads what user space knows in `size` bytes.
fn read_sized(from: UserPtr, size: usize, to: &mut [u8]) -> Result {
    let known = size.min(to.len());
    let (first, rest) = to.split_at_mut(known);
    if known != 0 {
        UserSlice::new(from, known).reader().read_slice(first)?;
    }
    if !rest.is_empty() {
        rest.fill(0);
    }
    check_zeroed(from.wrapping_byte_add(known), size - known)
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

/// Reads a struct. See [`read_bytes`].
///
/// # Examples
///
/// ```
/// use kernel::prelude::*;
/// use kernel::uaccess::UserPtr;
/// use kernel::ustruct::{self, Growing};
///
/// fn read<T: Growing>(arg: UserPtr) -> Result<T> {
///     ustruct::read(arg)
/// }
/// ```
pub fn read<T: Growing>(from: UserPtr) -> Result<T> {
    const { assert!(T::MIN <= size_of::<T>()) };
    let mut value = zeroed::<T>();
    read_bytes(from, T::MIN, value.as_bytes_mut())?;
    Ok(value)
}

fn zeroed<T: FromBytes>() -> T {
    // SAFETY: Any bytes are a `T`, zeroes among them.
    unsafe { core::mem::zeroed() }
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

/// Writes as much of `value` as fits into `size` bytes, and zeroes behind it.
pub fn fill<T: AsBytes>(writer: &mut UserSliceWriter, size: usize, value: &T) -> Result {
    const ZEROES: [u8; 256] = [0; 256];

    let bytes = value.as_bytes();
    let known = bytes.len().min(size);
    writer.write_slice(&bytes[..known])?;
    let mut left = size - known;
    while left != 0 {
        let len = left.min(ZEROES.len());
        writer.write_slice(&ZEROES[..len])?;
        left -= len;
    }
    Ok(())
}

/// An array in user memory, of elements that user space and the kernel may know in different
/// lengths.
pub struct Array {
    at: UserPtr,
    count: usize,
    /// Bytes of an element, as user space knows it.
    size: usize,
}

impl Array {
    /// An array as structs tell of it. If it has no element, neither `at` nor `size` matters.
    ///
    /// Fails with [`EFAULT`] if the kernel has no such addresses.
    pub fn new(at: u64, count: u32, size: u32) -> Result<Self> {
        Ok(match count {
            0 => Self {
                at: UserPtr::from_addr(0),
                count: 0,
                size: 0,
            },
            _ => Self {
                at: pointer(at)?,
                count: count as usize,
                size: size as usize,
            },
        })
    }

    /// Reads all elements, one behind the other as the kernel knows them, in `known` bytes each;
    /// in the first version they had `min`.
    ///
    /// Fails with [`EINVAL`] if they are shorter than `min`, [`E2BIG`] if they are longer than a
    /// page or not zero behind `known`, [`EFAULT`] if they can't be read, [`ENOMEM`].
    pub fn read_bytes(&self, min: usize, known: usize, flags: Flags) -> Result<KVVec<u8>> {
        let mut bytes = KVVec::new();
        if self.count == 0 {
            return Ok(bytes);
        }
        check_size(self.size, min)?;
        let total = self.count.checked_mul(known).ok_or(EOVERFLOW)?;
        if self.size == known {
            UserSlice::new(self.at, total).read_all(&mut bytes, flags)?;
            return Ok(bytes);
        }
        bytes.resize(total, 0, flags)?;
        for (index, to) in bytes.chunks_exact_mut(known).enumerate() {
            read_sized(self.element(index), self.size, to)?;
        }
        Ok(bytes)
    }

    /// Reads all elements. See [`read_bytes`](Self::read_bytes).
    pub fn read<T: Growing>(&self, flags: Flags) -> Result<KVec<T>> {
        let mut values = KVec::with_capacity(self.count, flags)?;
        if self.count != 0 {
            check_size(self.size, T::MIN)?;
        }
        for index in 0..self.count {
            let mut value = zeroed::<T>();
            read_sized(self.element(index), self.size, value.as_bytes_mut())?;
            values.push_within_capacity(value)?;
        }
        Ok(values)
    }

    /// Writes as many of `values` as there is room for, each cut or filled with zeroes to the size
    /// that user space knows.
    ///
    /// Fails with [`EINVAL`] if that is 0, [`E2BIG`] if it is more than a page, [`EFAULT`],
    /// [`EINTR`] if the task is killed meanwhile.
    pub fn write<T: AsBytes>(&self, values: &[T]) -> Result {
        if self.count == 0 {
            return Ok(());
        }
        check_size(self.size, 1)?;
        let count = self.count.min(values.len());
        let total = count.checked_mul(self.size).ok_or(EOVERFLOW)?;
        let mut writer = UserSlice::new(self.at, total).writer();
        for value in &values[..count] {
            // The elements may be many, and as long as user space says.
            if current!().fatal_signal_pending() {
                return Err(EINTR);
            }
            fill(&mut writer, self.size, value)?;
        }
        Ok(())
    }

    fn element(&self, index: usize) -> UserPtr {
        self.at.wrapping_byte_add(index.wrapping_mul(self.size))
    }
}

#[macros::kunit_tests(rust_ustruct)]
mod tests {
    use super::*;

    #[test]
    fn a_struct_has_room_for_its_size_and_its_first_version() {
        let nowhere = UserPtr::from_addr(0);
        assert_eq!(read_bytes(nowhere, 0, &mut [0; 2]), Err(EINVAL));
        assert_eq!(read_bytes(nowhere, 9, &mut [0; 8]), Err(EINVAL));
        assert_eq!(read_bytes(nowhere, 0, &mut []), Err(EINVAL));
    }
}
