// SPDX-License-Identifier: GPL-2.0
// refused: E0521 borrowed data escapes

//! An exporter keeps the device that wants to be attached.

include!("common.inc");

use kernel::{
    dma_buf::export::Exporter,
    page::SharedPages,
    sync::SetOnce, //
};

static KEPT: SetOnce<&'static device::Device> = SetOnce::new();

struct Board(SharedPages);

#[vtable]
impl Exporter for Board {
    type Memory = SharedPages;
    const NAME: &'static CStr = c"rogue";

    fn memory(&self) -> &SharedPages {
        &self.0
    }

    fn check_attach(&self, dev: &device::Device) -> Result {
        KEPT.populate(dev);
        Ok(())
    }
}

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!();
}
