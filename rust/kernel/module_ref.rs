// SPDX-License-Identifier: GPL-2.0

//! References that keep a module loaded.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use crate::{
    bindings,
    prelude::*,
    sync::rcu,
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

/// Fails with [`EINVAL`] unless `code` stays for as long as somebody holds `owner`, the module that
/// an implementation is in.
///
/// A trait knows the module that implements it for a type. If the type is generic, its code, that
/// of the `Drop` of its parameters among it, is in the module that has named them, and may be gone
/// before.
pub(crate) fn check_owner(owner: *mut bindings::module, code: *const ()) -> Result {
    let _guard = rcu::read_lock();
    // SAFETY: Any address may be asked for; the answer is only compared.
    let holder = unsafe { bindings::__module_address(code as usize) };
    if holds(owner, holder) {
        Ok(())
    } else {
        pr_err!("a generic type of one module has callbacks in another\n");
        Err(EINVAL)
    }
}

/// Whether to hold `owner` keeps `holder`, null for what is part of the kernel.
fn holds(owner: *mut bindings::module, holder: *mut bindings::module) -> bool {
    holder.is_null() || holder == owner
}

// SAFETY: Module references are counted atomically.
unsafe impl Send for ModuleRef {}
// SAFETY: There is nothing to do with a shared one.
unsafe impl Sync for ModuleRef {}

#[macros::kunit_tests(rust_module_ref)]
mod tests {
    use super::*;
    use core::ptr::null_mut;

    #[test]
    fn code_goes_with_its_module_alone() {
        let (one, other): (*mut bindings::module, _) = (8 as *mut _, 16 as *mut _);
        assert!(holds(one, one));
        assert!(holds(one, null_mut()) && holds(null_mut(), null_mut()));
        assert!(!holds(one, other) && !holds(null_mut(), other));
        // This is part of the kernel.
        assert_eq!(check_owner(null_mut(), holds as *const ()), Ok(()));
    }
}
