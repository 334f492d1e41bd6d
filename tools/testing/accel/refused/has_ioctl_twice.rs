// SPDX-License-Identifier: GPL-2.0
// refused: E0080 the same number

//! Has two ioctls with one number.

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
        QueueIoctl: (0x40, Ask, 8, ask), (0x40, Ask, 4, ask),
    };
}
