// SPDX-License-Identifier: GPL-2.0
// refused: E0080 not the driver's

//! Takes the number of an ioctl that is the core's.

include!("common.inc");

#[repr(C)]
#[derive(FromBytes, IntoBytes)]
struct Ask {
    size: u32,
    answer: u32,
}

fn ask(_data: &(), _queue: &(), _ask: &mut Ask) -> Result {
    Ok(())
}

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!();

    const QUEUE_IOCTLS: &'static [accel::QueueIoctl<Self>] = accel::declare_ioctls! {
        QueueIoctl: (0x02, Ask, 8, ask),
    };
}
