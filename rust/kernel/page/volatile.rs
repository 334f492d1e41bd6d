// SPDX-License-Identifier: GPL-2.0

//! Memory that somebody else may access at any time.

use crate::prelude::*;
use core::marker::PhantomData;

mod once;
mod slice;

/// Memory that a device or user space reads and writes while the kernel does, so that each access
/// is a volatile one.
///
/// # Invariants
///
/// `base` is valid for volatile reads and writes of `size` bytes for `'a`.
pub(crate) struct Volatile<'a> {
    base: *mut u8,
    size: usize,
    _memory: PhantomData<&'a ()>,
}

impl Volatile<'_> {
    /// # Safety
    ///
    /// `base` must be valid for volatile reads and writes of `size` bytes for as long as the result
    /// lives. Nobody may have a reference to the memory.
    pub(crate) unsafe fn new(base: *mut u8, size: usize) -> Self {
        // INVARIANT: By the requirements of this function.
        Self {
            base,
            size,
            _memory: PhantomData,
        }
    }

    fn at<T>(&self, offset: usize) -> Result<*mut T> {
        let end = offset.checked_add(size_of::<T>()).ok_or(EINVAL)?;
        let ptr = self.base.wrapping_add(offset).cast::<T>();
        if end > self.size || !ptr.is_aligned() {
            return Err(EINVAL);
        }
        Ok(ptr)
    }

    /// Reads a value once; one that is larger than a word, or less aligned, in pieces.
    ///
    /// Fails with [`EINVAL`] if it does not lie in the memory, aligned.
    pub(crate) fn read<T: zerocopy::FromBytes + Copy>(&self, offset: usize) -> Result<T> {
        let ptr = self.at::<T>(offset)?;
        // SAFETY: `at` has checked bounds and alignment, any bits are a `T`, and by the type
        // invariant the memory is there; a volatile access of it may race with others.
        Ok(unsafe { ptr.read_volatile() })
    }

    /// Writes a value once; one that is larger than a word, or less aligned, in pieces.
    ///
    /// Fails with [`EINVAL`] if it does not lie in the memory, aligned.
    pub(crate) fn write<T: zerocopy::IntoBytes + Copy>(&self, offset: usize, value: T) -> Result {
        let ptr = self.at::<T>(offset)?;
        // SAFETY: As for `read`; a `T` has no padding that would stay unset.
        unsafe { ptr.write_volatile(value) };
        Ok(())
    }
}
