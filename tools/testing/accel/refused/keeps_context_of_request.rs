// SPDX-License-Identifier: GPL-2.0
// refused: lifetime may not live long enough

//! Keeps the context, which lives no longer than its descriptor and its queues, with a queue of
//! another life.

include!("common.inc");

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!(queue = &'static u64, args = accel::NoArgs, context = u64);

    fn context_create(_: &(), _: &accel::ContextRequest<'_>) -> Result<u64> {
        Ok(1)
    }

    fn queue_create(
        _data: &(),
        request: &accel::QueueRequest<'_, Self>,
    ) -> Result<accel::NewQueue<&'static u64>> {
        Ok(accel::NewQueue {
            queue: request.context,
            depth: 1,
            regions: KVec::new(),
        })
    }

    fn halt(_data: &()) {}
}
