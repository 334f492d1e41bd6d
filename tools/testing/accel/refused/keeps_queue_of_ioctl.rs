// SPDX-License-Identifier: GPL-2.0
// refused: lifetime may not live long enough

//! An ioctl keeps the queue that it was called on.

include!("common.inc");

#[repr(C)]
#[derive(FromBytes, IntoBytes)]
struct Ask {
    size: u32,
}

fn ask(data: &Keeper<&u64>, queue: &u64, _ask: &mut Ask) -> Result {
    *data.it.lock() = Some(queue);
    Ok(())
}

#[vtable]
impl accel::Driver for Rogue {
    common!(queue = u64);

    type Data<'a> = Keeper<&'a u64>;

    const QUEUE_IOCTLS: &'static [accel::QueueIoctl<Self>] = accel::declare_ioctls! {
        QueueIoctl: (0x40, Ask, 4, ask),
    };

    fn probe<'a>(_: &'a faux::Device<Bound>) -> impl PinInit<Self::Data<'a>, Error> + 'a {
        nothing_kept()
    }

    fn queue_create(
        _data: &Self::Data<'_>,
        _request: &accel::QueueRequest<'_, Self>,
    ) -> Result<accel::NewQueue<u64>> {
        Err(EBUSY)
    }
}
