// SPDX-License-Identifier: GPL-2.0
// refused: E0277 between threads safely

//! A queue with a pointer that belongs to one thread.

include!("common.inc");

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!(queue = *mut u64);

    fn queue_create(
        _data: &(),
        _request: &accel::QueueRequest<'_, Self>,
    ) -> Result<accel::NewQueue<*mut u64>> {
        Err(EBUSY)
    }
}
