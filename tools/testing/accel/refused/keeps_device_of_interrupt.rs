// SPDX-License-Identifier: GPL-2.0
// refused: lifetime may not live long enough

//! Keeps the device that is lent to interrupt() in data, which lives for longer.

include!("common.inc");

#[vtable]
impl accel::Driver for Rogue {
    common!();

    type Data<'a> = Keeper<&'a Arc<accel::Device>>;

    fn probe<'a>(_: &'a faux::Device<Bound>) -> impl PinInit<Self::Data<'a>, Error> + 'a {
        nothing_kept()
    }

    fn interrupt(
        data: &Self::Data<'_>,
        device: &Arc<accel::Device>,
        _index: usize,
    ) -> kernel::irq::IrqReturn {
        *data.it.lock() = Some(device);
        kernel::irq::IrqReturn::None
    }
}
