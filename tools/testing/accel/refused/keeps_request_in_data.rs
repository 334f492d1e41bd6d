// SPDX-License-Identifier: GPL-2.0
// refused: lifetime may not live long enough

//! Keeps the device that is lent with the request of a queue.

include!("common.inc");

#[vtable]
impl accel::Driver for Rogue {
    common!(queue = ());

    type Data<'a> = Keeper<&'a Arc<accel::Device>>;

    fn probe<'a>(_: &'a faux::Device<Bound>) -> impl PinInit<Self::Data<'a>, Error> + 'a {
        nothing_kept()
    }

    fn queue_create(
        data: &Self::Data<'_>,
        request: &accel::QueueRequest<'_, Self>,
    ) -> Result<accel::NewQueue<()>> {
        *data.it.lock() = Some(request.device);
        Err(EBUSY)
    }
}
