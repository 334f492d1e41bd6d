// SPDX-License-Identifier: GPL-2.0
// refused: lifetime may not live long enough

//! Keeps the device that is lent to debugfs() in data, which lives for longer.

include!("common.inc");

use kernel::debugfs;

#[vtable]
impl accel::Driver for Rogue {
    common!();

    type Data<'a> = Keeper<&'a Arc<accel::Device>>;

    fn probe<'a>(_: &'a faux::Device<Bound>) -> impl PinInit<Self::Data<'a>, Error> + 'a {
        nothing_kept()
    }

    fn debugfs<'a>(
        data: &'a Self::Data<'_>,
        device: &'a Arc<accel::Device>,
        _dir: &debugfs::ScopedDir<'a, '_>,
    ) {
        *data.it.lock() = Some(device);
    }
}
