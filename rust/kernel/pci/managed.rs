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
    /// Enables the function and bus mastering until the driver is unbound, when, after all that was
    /// registered later is gone, both are switched off again. Calls `pcim_enable_device()`.
    pub fn enable_managed(&self) -> Result {
        // SAFETY: `self` is a valid device inside its probe.
        to_result(unsafe { bindings::pcim_enable_device(self.as_raw()) })?;
        self.set_master();
        Ok(())
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
    /// milder helps. Calls `pci_clear_master()`.
    pub fn clear_master(&self) {
        // SAFETY: `self` is a valid device.
        unsafe { bindings::pci_clear_master(self.as_raw()) };
    }

    /// Switches bus mastering on again, after [`clear_master`](Self::clear_master) or a reset.
    /// Calls `pci_set_master()`.
    pub fn restore_master(&self) {
        // SAFETY: `self` is a valid device.
        unsafe { bindings::pci_set_master(self.as_raw()) };
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
