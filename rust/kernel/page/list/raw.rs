// SPDX-License-Identifier: GPL-2.0

//! Lists of pages for C code.

use super::{
    merciful,
    PageList, //
};
use crate::{
    bindings,
    prelude::*, //
};
use core::ptr::NonNull;

/// The pages of `list`, as C takes them. They are valid as long as `list`.
///
/// Fails with [`ENOMEM`].
pub(crate) fn pages(list: &dyn PageList) -> Result<KVVec<*mut bindings::page>> {
    let mut raw = KVVec::with_capacity(list.count(), GFP_KERNEL | merciful())?;
    for page in (0..list.count()).map_while(|index| list.page(index)) {
        raw.push(page.as_ptr(), GFP_KERNEL)?;
    }
    Ok(raw)
}

/// Maps `list` into the kernel, as one piece, and returns where; vunmap() undoes it. May sleep.
///
/// If the list may not be written, a write there stops the machine.
///
/// Fails with [`ENOMEM`].
pub(crate) fn vmap(list: &dyn PageList) -> Result<NonNull<c_void>> {
    let mut raw = pages(list)?;
    // SAFETY: These only compute a value.
    let mut prot = unsafe {
        if list.writable() {
            bindings::page_kernel()
        } else {
            bindings::page_kernel_ro()
        }
    };
    if list.write_combined() {
        // SAFETY: As above.
        prot = unsafe { bindings::pgprot_writecombine(prot) };
    }

    // SAFETY: `raw` are as many valid pages.
    let base = unsafe {
        bindings::vmap(
            raw.as_mut_ptr(),
            raw.len().try_into()?,
            bindings::VM_MAP as usize,
            prot,
        )
    };
    NonNull::new(base).ok_or(ENOMEM)
}
