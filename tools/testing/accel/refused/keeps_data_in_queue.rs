// SPDX-License-Identifier: GPL-2.0
// refused: lifetime may not live long enough

//! A queue keeps a reference to the data of its device.

include!("common.inc");

#[vtable]
impl accel::Driver for Rogue {
    common!(queue = &'static u64);

    type Data<'a> = u64;

    fn probe<'a>(_parent: &'a faux::Device<Bound>) -> impl PinInit<u64, Error> + 'a {
        Ok(1)
    }

    fn queue_create(
        data: &u64,
        _request: &accel::QueueRequest<'_, Self>,
    ) -> Result<accel::NewQueue<&'static u64>> {
        Ok(accel::NewQueue {
            queue: data,
            depth: 1,
            regions: KVec::new(),
        })
    }
}
