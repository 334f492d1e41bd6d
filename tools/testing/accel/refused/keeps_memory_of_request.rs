// SPDX-License-Identifier: GPL-2.0
// refused: lifetime may not live long enough

//! Keeps the reference to an address space, and not the space.

include!("common.inc");

#[vtable]
impl accel::Driver for Rogue {
    no_data!();
    common!(
        queue = (),
        args = accel::NoArgs,
        context = Option<&'static Arc<accel::AddressSpace>>
    );

    fn context_create(
        _data: &(),
        request: &accel::ContextRequest<'_>,
    ) -> Result<Option<&'static Arc<accel::AddressSpace>>> {
        Ok(request.space)
    }

    fn queue_create(
        _data: &(),
        _request: &accel::QueueRequest<'_, Self>,
    ) -> Result<accel::NewQueue<()>> {
        Err(EBUSY)
    }

    fn halt(_data: &()) {}
}
