// SPDX-License-Identifier: GPL-2.0
// refused: lifetime may not live long enough

//! Data keeps a reference to a queue, which goes before it.

include!("common.inc");

#[vtable]
impl accel::Driver for Rogue {
    common!(queue = u64);

    type Data<'a> = Keeper<&'a u64>;

    const SUBMISSION: Option<accel::Submission<Self>> = Some(accel::Submission::of_driver());

    fn probe<'a>(_: &'a faux::Device<Bound>) -> impl PinInit<Self::Data<'a>, Error> + 'a {
        nothing_kept()
    }

    fn queue_create(
        _data: &Self::Data<'_>,
        _request: &accel::QueueRequest<'_, Self>,
    ) -> Result<accel::NewQueue<u64>> {
        Err(EBUSY)
    }
}

impl accel::Submit for Rogue {
    type Job = u64;
    const JOB_MIN: usize = 8;
    type Record = [u64; 2];
    type Prepared = u64;

    fn prepare(
        _data: &Self::Data<'_>,
        _queue: &u64,
        job: &u64,
        _buffers: &Arc<accel::Buffers>,
    ) -> Result<u64> {
        Ok(*job)
    }

    fn submit(
        data: &Self::Data<'_>,
        queue: &u64,
        _job: &u64,
        ticket: accel::Ticket<Self>,
    ) -> Result<(), accel::Ticket<Self>> {
        *data.it.lock() = Some(queue);
        Err(ticket)
    }
}
