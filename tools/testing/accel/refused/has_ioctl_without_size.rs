// SPDX-License-Identifier: GPL-2.0
// refused: E0080 begins with its size

//! Has an ioctl whose struct does not begin with its size.

include!("common.inc");

#[repr(C)]
#[derive(FromBytes, IntoBytes)]
struct Ask {
    answer: u32,
    size: u32,
}

fn ask(_data: &(), _queue: &(), _ask: &mut Ask) -> Result {
    Ok(())
}

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!();

    const QUEUE_IOCTLS: &'static [accel::QueueIoctl<Self>] = accel::declare_ioctls! {
        QueueIoctl: (0x40, Ask, 8, ask),
    };
}
