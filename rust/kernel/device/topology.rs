// SPDX-License-Identifier: GPL-2.0

//! Where a device is.
//!
//! C header: [`include/linux/device.h`](srctree/include/linux/device.h)

use super::{
    Bound,
    Device,
    DeviceContext, //
};
use crate::{
    prelude::*,
    str::CStr, //
};

impl<Ctx: DeviceContext> Device<Ctx> {
    /// The NUMA node that the device is near, -1 if that is not known. User space can change it, by
    /// `numa_node` of a PCI device in sysfs.
    pub fn numa_node(&self) -> i32 {
        #[cfg(CONFIG_NUMA)]
        // SAFETY: The device is valid. Its node is a word that may be written meanwhile.
        return unsafe { (&raw const (*self.as_raw()).numa_node).read_volatile() };

        #[cfg(not(CONFIG_NUMA))]
        -1
    }
}

impl Device<Bound> {
    /// Name of the bus that the device is on, `pci` for example; empty if it is on none.
    pub fn bus_name(&self) -> &CStr {
        // SAFETY: The bus of a bound device stays, and so does its name.
        unsafe {
            let bus = (*self.as_raw()).bus;
            if bus.is_null() || (*bus).name.is_null() {
                return c"";
            }
            CStr::from_char_ptr((*bus).name)
        }
    }
}
