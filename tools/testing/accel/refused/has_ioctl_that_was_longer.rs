// SPDX-License-Identifier: GPL-2.0
// refused: E0080 min <= size

//! Has an ioctl whose struct was longer in its first version than it is.

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
        QueueIoctl: (0x40, Ask, 16, ask),
    };
}
