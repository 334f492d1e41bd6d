// SPDX-License-Identifier: GPL-2.0

//! Copies of many bytes.

use super::Volatile;
use crate::{
    bindings,
    prelude::*, //
};

impl Volatile<'_> {
    fn range(&self, offset: usize, len: usize) -> Result<*mut c_void> {
        let end = offset.checked_add(len).ok_or(EINVAL)?;
        if end > self.size {
            return Err(EINVAL);
        }
        Ok(self.base.wrapping_add(offset).cast())
    }

    /// Copies the memory at `offset` to `to`, in pieces of any size and order.
    ///
    /// Fails with [`EINVAL`] if it does not lie in the memory.
    pub(crate) fn read_slice(&self, offset: usize, to: &mut [u8]) -> Result {
        let from = self.range(offset, to.len())?;
        // SAFETY: `range` has checked the bounds, and by the type invariant the memory is there.
        // Rust can't see the copy, so others may write the memory meanwhile.
        unsafe { bindings::memcpy(to.as_mut_ptr().cast(), from, to.len()) };
        Ok(())
    }

    /// Copies `from` to the memory at `offset`, in pieces of any size and order.
    ///
    /// Fails with [`EINVAL`] if it does not lie in the memory.
    pub(crate) fn write_slice(&self, offset: usize, from: &[u8]) -> Result {
        let to = self.range(offset, from.len())?;
        // SAFETY: As for `read_slice`.
        unsafe { bindings::memcpy(to, from.as_ptr().cast(), from.len()) };
        Ok(())
    }
}
