// SPDX-License-Identifier: GPL-2.0
// refused: E0521 escapes

//! Has something dropped at the unbinding that borrows from the probe.

include!("common.inc");

struct Kept<'a>(&'a device::Device<Bound>);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        dev_info!(self.0, "gone\n");
    }
}

fn keep(parent: &device::Device<Bound>) -> Result {
    device::keep_until_unbind(parent, Kept(parent))
}

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!();
}
