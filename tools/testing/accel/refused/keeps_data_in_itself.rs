// SPDX-License-Identifier: GPL-2.0
// refused: lifetime may not live long enough

//! Data keeps a reference to itself, which would be there when it is dropped.

include!("common.inc");

use kernel::{
    new_mutex,
    sync::Mutex, //
};

#[pin_data]
struct Data<'a> {
    number: u64,
    #[pin]
    kept: Mutex<Option<&'a u64>>,
}

#[vtable]
impl accel::Driver for Rogue {
    common!();

    type Data<'a> = Data<'a>;

    fn probe<'a>(_parent: &'a faux::Device<Bound>) -> impl PinInit<Data<'a>, Error> + 'a {
        try_pin_init!(Data {
            number: 1,
            kept <- new_mutex!(None),
        })
    }

    fn start(data: &Data<'_>, _device: &Arc<accel::Device>) -> Result {
        *data.kept.lock() = Some(&data.number);
        Ok(())
    }
}
