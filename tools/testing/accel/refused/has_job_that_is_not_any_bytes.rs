// SPDX-License-Identifier: GPL-2.0
// refused: E0277 FromBytes

//! A job of which user space could make what does not exist.

include!("common.inc");

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!();
}

impl accel::Submit for Rogue {
    type Job = bool;
    const JOB_MIN: usize = 1;
    type Record = [u64; 2];
    type Prepared = ();

    fn prepare(_data: &(), _queue: &(), _job: &bool, _buffers: &Arc<accel::Buffers>) -> Result {
        Ok(())
    }

    fn submit(
        _data: &(),
        _queue: &(),
        _job: &(),
        ticket: accel::Ticket<Self>,
    ) -> Result<(), accel::Ticket<Self>> {
        Err(ticket)
    }
}
