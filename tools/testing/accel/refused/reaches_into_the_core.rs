// SPDX-License-Identifier: GPL-2.0
// refused: E0624 private

//! Enters the sections of the core, to keep a removal waiting.

include!("common.inc");

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!();

    fn start(_data: &(), device: &Arc<accel::Device>) -> Result {
        core::mem::forget(device.enter()?);
        core::mem::forget(device.operate()?);
        Ok(())
    }
}
