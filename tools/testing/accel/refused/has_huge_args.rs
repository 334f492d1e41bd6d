// SPDX-License-Identifier: GPL-2.0
// refused: E0080 ARGS_MAX

//! Arguments of a queue that are longer than what the core copies.

include!("common.inc");

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!(queue = (), args = [u32; 64], context = ());

    fn context_create(_data: &(), _request: &accel::ContextRequest<'_>) -> Result {
        Ok(())
    }

    fn queue_create(
        _data: &(),
        _request: &accel::QueueRequest<'_, Self>,
    ) -> Result<accel::NewQueue<()>> {
        Err(EBUSY)
    }

    fn halt(_data: &()) {}
}
