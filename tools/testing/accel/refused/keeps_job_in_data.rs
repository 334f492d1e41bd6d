// SPDX-License-Identifier: GPL-2.0
// refused: lifetime may not live long enough

//! Data keeps a reference to the buffers of a job, and not the buffers.

include!("common.inc");

#[vtable]
impl accel::Driver for Rogue {
    common!();

    type Data<'a> = Keeper<&'a Arc<accel::Buffers>>;

    const SUBMISSION: Option<accel::Submission<Self>> = Some(accel::Submission::of_driver());

    fn probe<'a>(_: &'a faux::Device<Bound>) -> impl PinInit<Self::Data<'a>, Error> + 'a {
        nothing_kept()
    }
}

impl accel::Submit for Rogue {
    type Job = u64;
    const JOB_MIN: usize = 8;
    type Record = [u64; 2];
    type Prepared = ();

    fn prepare(
        data: &Self::Data<'_>,
        _queue: &(),
        _job: &u64,
        buffers: &Arc<accel::Buffers>,
    ) -> Result {
        *data.it.lock() = Some(buffers);
        Ok(())
    }

    fn submit(
        _data: &Self::Data<'_>,
        _queue: &(),
        _job: &(),
        ticket: accel::Ticket<Self>,
    ) -> Result<(), accel::Ticket<Self>> {
        Err(ticket)
    }
}
