// SPDX-License-Identifier: GPL-2.0

//! What a driver does when the machine goes off, or another kernel takes over.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use super::{
    callback::bound,
    Driver, //
};
use crate::bindings;

/// What C calls for the driver `T`.
///
/// # Safety
///
/// `pdev` must be bound to the driver `T`, and its device lock be held, as by `device_shutdown()`.
pub(super) unsafe extern "C" fn shutdown<T: Driver>(pdev: *mut bindings::pci_dev) {
    // SAFETY: By the requirements of this function.
    if let Some((pdev, data)) = unsafe { bound::<T>(pdev) } {
        T::shutdown(pdev, data);
    }
}
