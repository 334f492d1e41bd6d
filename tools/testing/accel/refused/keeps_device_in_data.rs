// SPDX-License-Identifier: GPL-2.0
// refused: lifetime may not live long enough

//! Keeps the device that is lent to debugfs() in data, which lives for longer.

include!("common.inc");

use kernel::{
    debugfs,
    new_mutex,
    sync::Mutex, //
};

#[vtable]
impl accel::Driver for Rogue {
    common!();

    type Data<'a> = Mutex<Option<&'a Arc<accel::Device>>>;

    fn probe<'a>(_: &'a faux::Device<Bound>) -> impl PinInit<Self::Data<'a>, Error> + 'a {
        new_mutex!(None)
    }

    fn debugfs<'a>(
        data: &'a Self::Data<'_>,
        device: &'a Arc<accel::Device>,
        _dir: &debugfs::ScopedDir<'a, '_>,
    ) {
        *data.lock() = Some(device);
    }
}
