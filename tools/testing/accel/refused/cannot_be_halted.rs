// SPDX-License-Identifier: GPL-2.0
// refused: E0046 halt

//! A device that can't be kept from memory.

include!("common.inc");

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!(queue = (), args = accel::NoArgs, context = ());

    fn context_create(_data: &(), _request: &accel::ContextRequest<'_>) -> Result {
        Ok(())
    }

    fn queue_create(
        _data: &(),
        _request: &accel::QueueRequest<'_, Self>,
    ) -> Result<accel::NewQueue<()>> {
        Err(EBUSY)
    }
}
