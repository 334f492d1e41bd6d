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

#[cfg(all(CONFIG_PCI_ATS, CONFIG_PCI_PRI))]
impl Device<device::Bound> {
    /// Whether the function can't ask for pages: no ATS or no PRI capability.
    pub(crate) fn lacks_page_requests(&self) -> bool {
        // SAFETY: Both are set when the device is found and do not change.
        unsafe { (*self.as_raw()).ats_cap == 0 || (*self.as_raw()).pri_cap == 0 }
    }
}
