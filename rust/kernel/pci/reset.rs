// SPDX-License-Identifier: GPL-2.0

//! Reset of a single function.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use super::{
    managed::ConfigLock,
    Device, //
};
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
    /// Resets the function by a function-level reset, and gives it its configuration back. No
    /// callback is called.
    ///
    /// For a driver that finds in its probe, or when it resumes, that nothing less helps. May
    /// sleep: a second or longer. Calls `pcie_reset_flr()`.
    ///
    /// What [`save_state`](Self::save_state) has saved before is no longer there.
    ///
    /// Fails with [`EAGAIN`] if accesses of the configuration space are blocked, as they are in
    /// another reset; with [`ENOTTY`] if the function has no such reset, or does not come back;
    /// with [`ENOMEM`] if its configuration can't be saved; or as the IOMMU does.
    pub fn reset_alone(&self) -> Result {
        let _locked = ConfigLock::try_new(self)?;
        self.save_state()?;
        // SAFETY: `self` is a valid device in a callback of its bus, whose driver does nothing else
        // with it meanwhile; user space is kept from its configuration.
        let result = to_result(unsafe { bindings::pcie_reset_flr(self.as_raw(), false) });
        self.restore_state();
        result
    }
}
