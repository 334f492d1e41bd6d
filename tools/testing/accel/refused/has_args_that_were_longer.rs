// SPDX-License-Identifier: GPL-2.0
// refused: E0080 QueueArgs

//! Arguments of a queue that were longer in their first version than they are.

include!("common.inc");

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!();

    const QUEUE_ARGS_MIN: usize = 64;
}
