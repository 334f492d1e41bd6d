// SPDX-License-Identifier: GPL-2.0
// refused: lifetime may not live long enough

//! Keeps the device that is lent to interrupt() in data, which lives for longer.

include!("common.inc");

use kernel::{
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

    fn interrupt(
        data: &Self::Data<'_>,
        device: &Arc<accel::Device>,
        _index: usize,
    ) -> kernel::irq::IrqReturn {
        *data.lock() = Some(device);
        kernel::irq::IrqReturn::None
    }
}
