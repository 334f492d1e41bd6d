// SPDX-License-Identifier: GPL-2.0

//! References that keep a module loaded.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use crate::{
    bindings,
    prelude::*,
    ThisModule, //
};

/// Keeps a module loaded.
///
/// Nothing else does, but the owner of an open file, of a buffer and of a bound driver: a module
/// whose references are gone is unloaded with its code, that of its closures, of the `Drop` of its
/// types and of its tables among it. All that can lead there has to be gone before, which dropping
/// it does. What is never dropped is not: what was given to [`core::mem::forget`], an
/// [`Arc`](crate::sync::Arc) that leads back to itself, and what lies in a `static`. Safe code can
/// do that, so whoever hands such a value to the kernel holds one of these beside it, or sees to it
/// that the last of its users drops it.
///
/// # Invariants
///
/// Owns a reference to the module, which is null for built-in code.
pub struct ModuleRef(*mut bindings::module);

impl ModuleRef {
    /// Takes a reference. Fails with [`ENODEV`] if the module is being unloaded.
    pub fn new(module: &'static ThisModule) -> Result<Self> {
        // SAFETY: `module` is valid, since its `ThisModule` is, or null.
        if unsafe { bindings::try_module_get(module.as_ptr()) } {
            // INVARIANT: Taken above.
            Ok(Self(module.as_ptr()))
        } else {
            Err(ENODEV)
        }
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: By the type invariant we own a reference.
        unsafe { bindings::module_put(self.0) };
    }
}

// SAFETY: Module references are counted atomically.
unsafe impl Send for ModuleRef {}
// SAFETY: There is nothing to do with a shared one.
unsafe impl Sync for ModuleRef {}
