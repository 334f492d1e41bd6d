// SPDX-License-Identifier: GPL-2.0

//! PCI functions that are switched off by themselves, and what they can do.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use super::Device;
use crate::{
    bindings,
    device,
    error::to_result,
    prelude::*, //
};

impl Device<device::Core<'_>> {
    /// Enables the function until the driver is unbound, when, after all that was registered later
    /// is gone, it is switched off again, and bus mastering with it. Calls `pcim_enable_device()`.
    ///
    /// Bus mastering is left to the driver, which calls [`set_master`](Self::set_master), or
    /// [`try_set_master`](Device::try_set_master), when it knows that the function is at
    /// rest: firmware, or another kernel, may have left it at work.
    pub fn enable_managed(&self) -> Result {
        // SAFETY: `self` is a valid device inside its probe.
        to_result(unsafe { bindings::pcim_enable_device(self.as_raw()) })
    }
}

impl Device<device::Bound> {
    /// Whether `bar` is memory, and not I/O ports.
    pub fn is_memory(&self, bar: u32) -> bool {
        // SAFETY: `self` is valid, and resources do not change while it is bound.
        let resources = unsafe { &(*self.as_raw()).resource };
        resources
            .get(bar as usize)
            .is_some_and(|resource| resource.flags & bindings::IORESOURCE_MEM as usize != 0)
    }

    /// Switches bus mastering off: the function can't access memory any more. For when nothing
    /// milder helps. May sleep. Calls `pci_clear_master()`.
    ///
    /// The command register, and what the bus knows of it, are read, changed and written. So this
    /// holds the lock of the configuration space, which a reset of the function holds as well: what
    /// one of them has switched off the other can't switch on again.
    ///
    /// Fails with [`EAGAIN`] if that lock is taken, most often by a reset of the function, which
    /// switches bus mastering off and then on again, if it was. In the callbacks of a reset,
    /// [`reset_prepare`](super::ErrorHandler::reset_prepare) and
    /// [`reset_done`](super::ErrorHandler::reset_done), it always is.
    pub fn try_clear_master(&self) -> Result {
        let _locked = ConfigLock::try_new(self)?;
        // SAFETY: `self` is a valid device.
        unsafe { bindings::pci_clear_master(self.as_raw()) };
        Ok(())
    }

    /// Switches bus mastering on, for the first time or after
    /// [`try_clear_master`](Self::try_clear_master). May sleep. Calls `pci_set_master()`.
    ///
    /// Fails with [`EAGAIN`] as that does. In the callbacks of a reset it is
    /// [`set_master`](Self::set_master) that does it.
    pub fn try_set_master(&self) -> Result {
        let _locked = ConfigLock::try_new(self)?;
        // SAFETY: `self` is a valid device.
        unsafe { bindings::pci_set_master(self.as_raw()) };
        Ok(())
    }
}

/// The lock of a function's configuration space: user space and resets stay out of it.
///
/// # Invariants
///
/// The lock is held.
pub(super) struct ConfigLock<'a>(&'a Device<device::Bound>);

impl<'a> ConfigLock<'a> {
    pub(super) fn try_new(pdev: &'a Device<device::Bound>) -> Result<Self> {
        // SAFETY: `pdev` is a valid device.
        if unsafe { bindings::pci_cfg_access_trylock(pdev.as_raw()) } {
            // INVARIANT: Taken above.
            Ok(Self(pdev))
        } else {
            Err(EAGAIN)
        }
    }
}

impl Drop for ConfigLock<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::pci_cfg_access_unlock(self.0.as_raw()) };
    }
}

#[cfg(all(CONFIG_PCI_ATS, CONFIG_PCI_PRI))]
impl Device<device::Bound> {
    /// Whether the function can't ask for pages: no ATS or no PRI capability.
    pub fn lacks_page_requests(&self) -> bool {
        // SAFETY: Both are set when the device is found and do not change.
        unsafe { (*self.as_raw()).ats_cap == 0 || (*self.as_raw()).pri_cap == 0 }
    }
}
