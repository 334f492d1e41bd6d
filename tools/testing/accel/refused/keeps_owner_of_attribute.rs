// SPDX-License-Identifier: GPL-2.0
// refused: E0521 borrowed data escapes

//! An attribute keeps the owner that it was asked about.

include!("common.inc");

use kernel::{
    sync::SetOnce,
    sysfs, //
};

static DEVICE: SetOnce<&'static Arc<accel::Device>> = SetOnce::new();

struct Name;

#[vtable]
impl sysfs::Attribute<Arc<accel::Device>> for Name {
    const NAME: &'static CStr = c"rogue";

    fn show(device: &Arc<accel::Device>, _out: &mut sysfs::Output<'_>) -> Result {
        DEVICE.populate(device);
        Ok(())
    }
}

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!();

    const ATTRIBUTES: Option<&'static sysfs::Group<Arc<accel::Device>>> = Some(sysfs::group![Name]);
}
