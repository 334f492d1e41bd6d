// SPDX-License-Identifier: GPL-2.0
// refused: E0308 mismatched types

//! Gives back the ticket of another driver.

include!("common.inc");

fn swap<T: accel::Submit>(ticket: accel::Ticket<T>) -> Result<(), accel::Ticket<Rogue>> {
    Err(ticket)
}

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!();
}

impl accel::Submit for Rogue {
    type Job = u64;
    const JOB_MIN: usize = 8;
    type Record = [u64; 2];
    type Prepared = ();

    fn prepare(_data: &(), _queue: &(), _job: &u64, _buffers: &Arc<accel::Buffers>) -> Result {
        Ok(())
    }

    fn submit(
        _data: &(),
        _queue: &(),
        _job: &(),
        ticket: accel::Ticket<Self>,
    ) -> Result<(), accel::Ticket<Self>> {
        swap(ticket)
    }
}
