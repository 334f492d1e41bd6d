// SPDX-License-Identifier: GPL-2.0

//! Bottom halves: what runs behind interrupts, on the processor that had them.
//!
//! C header: [`include/linux/bottom_half.h`](srctree/include/linux/bottom_half.h)

use crate::bindings;

/// Calls `f` while no bottom half runs on this processor. It must not sleep.
///
/// Not from hard interrupts. A lock that bottom halves take, too, is taken in it elsewhere.
///
/// # Examples
///
/// ```
/// use kernel::bottom_half;
///
/// assert_eq!(bottom_half::with_disabled(|| 1 + 1), 2);
/// ```
pub fn with_disabled<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: It is enabled below, on the same processor, since nobody sleeps meanwhile.
    unsafe { bindings::local_bh_disable() };
    let result = f();
    // SAFETY: It was disabled above.
    unsafe { bindings::local_bh_enable() };
    result
}
