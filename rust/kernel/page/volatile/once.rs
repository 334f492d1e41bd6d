// SPDX-License-Identifier: GPL-2.0

//! Accesses to a page that is not mapped otherwise.

use super::{
    super::SharedPage,
    Volatile, //
};
use crate::prelude::*;

impl SharedPage {
    /// Writes a value once; others may be reading it.
    ///
    /// Fails with [`EINVAL`] if it does not lie in the page, aligned.
    pub(crate) fn write_once<T: zerocopy::IntoBytes + Copy>(
        &self,
        offset: usize,
        value: T,
    ) -> Result {
        self.with_pointer_into_page(offset, size_of::<T>(), |at| {
            // SAFETY: As many bytes are mapped there until this returns, and whoever else accesses
            // them uses no references.
            unsafe { Volatile::new(at, size_of::<T>()) }.write(0, value)
        })
    }
}
