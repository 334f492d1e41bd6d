// SPDX-License-Identifier: GPL-2.0

//! Reset of a single function.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use super::Device;
use crate::{
    bindings,
    device,
    error::to_result,
    prelude::*, //
};

impl Device<device::Bound> {
    /// Whether there is a way to reset this function alone. User space can change it
    /// (`reset_method` in sysfs).
    pub fn can_reset_function(&self) -> bool {
        // SAFETY: `self` is a valid device; the list of methods is part of it, and is written while
        // others read it.
        unsafe { (&raw const (*self.as_raw()).reset_methods[0]).read_volatile() != 0 }
    }

    /// Resets the function, if its device lock is free.
    ///
    /// The device lock and the one for accesses of its configuration space are held meanwhile, so
    /// that the driver can't be unbound. The driver's own
    /// [`reset_prepare`](super::ErrorHandler::reset_prepare) is called first, then the
    /// configuration is saved, bus mastering and decoding of addresses are switched off, the
    /// function is reset, the configuration restored, and the driver's
    /// [`reset_done`](super::ErrorHandler::reset_done) called, even if the reset has failed.
    ///
    /// If the function has ATS, the IOMMU blocks all its accesses during the reset, and gives it
    /// its address spaces back afterwards; none can be bound meanwhile.
    ///
    /// The caller must not hold a lock that these callbacks take. May sleep: a second or longer.
    /// Calls `pci_try_reset_function()`.
    ///
    /// Fails with [`EAGAIN`] if the device lock is taken, as in every callback of the bus, or
    /// accesses of the configuration space are blocked; with [`ENOTTY`] if the function has no way
    /// to be reset alone; or with another error of the method that was tried.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::device::Bound;
    /// use kernel::pci;
    /// use kernel::prelude::*;
    ///
    /// /// Resets the function from a worker, which comes again later if this was not the time.
    /// fn recover(pdev: &pci::Device<Bound>) -> Result<bool> {
    ///     match pdev.try_reset_function() {
    ///         Err(EAGAIN) => Ok(false),
    ///         result => result.map(|()| true),
    ///     }
    /// }
    /// ```
    pub fn try_reset_function(&self) -> Result {
        // SAFETY: `self` is a valid device.
        to_result(unsafe { bindings::pci_try_reset_function(self.as_raw()) })
    }
}

impl Device<device::Core<'_>> {
    /// Resets the function, whose device lock is held, as in every callback of the bus.
    ///
    /// For a driver that finds in its probe that nothing less helps: the callbacks that
    /// [`try_reset_function`](Device::try_reset_function) calls are not called before the driver
    /// has its data. May sleep: a second or longer. Calls `pci_reset_function_locked()`.
    ///
    /// Fails with [`ENOTTY`] if the function has no way to be reset alone, or with another error of
    /// the method that was tried.
    pub fn reset_function_locked(&self) -> Result {
        // SAFETY: `self` is a valid device whose lock is held.
        to_result(unsafe { bindings::pci_reset_function_locked(self.as_raw()) })
    }
}
