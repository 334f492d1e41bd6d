// SPDX-License-Identifier: GPL-2.0
// refused: lifetime may not live long enough

//! Takes the data out of the function that it is lent to.

include!("common.inc");

#[vtable]
impl accel::Driver for Rogue {
    common!();

    type Data<'a> = u64;

    fn probe<'a>(_parent: &'a faux::Device<Bound>) -> impl PinInit<u64, Error> + 'a {
        Ok(1)
    }

    fn start(_data: &u64, device: &Arc<accel::Device>) -> Result {
        let kept: &u64 = device.with_data::<Rogue, _>(|data| Ok(data))?;
        if *kept == 1 {
            return Ok(());
        }
        Err(EIO)
    }
}
