// SPDX-License-Identifier: GPL-2.0
// refused: E0599 clone

//! Makes two tickets of one.

include!("common.inc");

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!();

    const SUBMISSION: Option<accel::Submission<Self>> = Some(accel::Submission::of_driver());
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
        ticket.clone().end(Ok(()), &[0; 2]);
        Err(ticket)
    }
}
