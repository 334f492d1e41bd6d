// SPDX-License-Identifier: GPL-2.0

//! One open of a compute node, and its address space.

use super::{
    device::{
        Access,
        Device, //
    },
    driver::AddressMode, //
};
use crate::{
    iommu::sva::Bond,
    mm::Mm,
    prelude::*,
    sync::{
        aref::ARef,
        new_mutex,
        Arc,
        Mutex, //
    },
    uaccess::UserPtr,
    uapi,
    ustruct, //
};

/// The address space that the device sees for a context.
enum Space {
    /// Not chosen yet.
    Unbound,
    /// The opener's.
    Shared(Arc<Bond>),
    /// The descriptor was closed or the device is gone.
    Gone,
}

/// One open of a compute node.
#[pin_data]
pub(super) struct Context {
    device: Arc<Device>,
    /// The opener's. Held, so that no other process can come to have the same pointer.
    mm: ARef<Mm>,
    #[pin]
    space: Mutex<Space>,
}

impl Context {
    /// Makes a context for the current process. Fails with [`ENODEV`] if the device is gone.
    pub(super) fn new(device: &Arc<Device>) -> Result<Arc<Self>> {
        let _access = device.enter()?;
        let context = Arc::pin_init(
            try_pin_init!(Self {
                device: device.clone(),
                mm: current!().mm().map(|mm| (&**mm).into()).ok_or(EINVAL)?,
                space <- new_mutex!(Space::Unbound),
            }),
            GFP_KERNEL,
        )?;
        device.add_context(context.as_arc_borrow())?;
        Ok(context)
    }

    pub(super) fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// Fails with [`EPERM`] if the current process has not the opener's address space: the device
    /// would work on memory that is not the caller's.
    pub(super) fn check_mm(&self) -> Result {
        match current!().mm() {
            Some(mm) if mm.as_raw() == self.mm.as_raw() => Ok(()),
            _ => Err(EPERM),
        }
    }

    /// `ACCEL_CONTEXT_BIND`.
    pub(super) fn bind(&self, arg: UserPtr) -> Result<isize> {
        let mut bind: uapi::accel_context_bind =
            ustruct::read(arg, size_of::<uapi::accel_context_bind>())?;
        if bind.flags != 0 {
            return Err(EINVAL);
        }
        let mode = AddressMode::try_from(bind.mode)?;
        let access = self.device.enter()?;
        self.check_mm()?;
        bind.pasid = self.bind_mode(&access, mode)?;
        // User memory is not touched with the device entered: it could keep a removal waiting.
        drop(access);

        ustruct::write(arg, bind.size, &bind)
            .inspect_err(|_| self.undo_bind())
            .map(|()| 0)
    }

    /// The caller could not be told what it was bound to.
    fn undo_bind(&self) {
        let mut space = self.space.lock();
        if let Space::Shared(_) = *space {
            *space = Space::Unbound;
        }
    }

    fn bind_mode(&self, access: &Access<'_>, mode: AddressMode) -> Result<u32> {
        let mut space = self.space.lock();
        match *space {
            Space::Unbound => {}
            Space::Shared(_) => return Err(EBUSY),
            Space::Gone => return Err(ENODEV),
        }
        if self.device.reason(mode) != uapi::accel_mode_reason_ACCEL_REASON_AVAILABLE {
            return Err(EOPNOTSUPP);
        }

        let bond = Arc::new(self.share(access)?, GFP_KERNEL)?;
        let pasid = bond.pasid();
        *space = Space::Shared(bond);
        Ok(pasid)
    }

    fn share(&self, access: &Access<'_>) -> Result<Bond> {
        let current = current!();
        let mm = current.mm().ok_or(EINVAL)?;
        // SAFETY: `Device::leave` unbinds every context before the parent is unbound; it waits for
        // `access`, so it finds what is stored in `space` here.
        unsafe { Bond::new(access.parent(), mm) }.map_err(|e| {
            // What IOMMU drivers answer if something is missing that `sva::missing` can't see.
            if e == ENODEV || e == EINVAL || e == EOPNOTSUPP {
                self.device.no_sva();
                return EOPNOTSUPP;
            }
            e
        })
    }

    /// The bond that a new queue works under. Fails with [`ENOTCONN`] if there is none yet.
    pub(super) fn bond(&self) -> Result<Arc<Bond>> {
        match &*self.space.lock() {
            Space::Unbound => Err(ENOTCONN),
            Space::Shared(bond) => Ok(bond.clone()),
            Space::Gone => Err(ENODEV),
        }
    }

    /// Gives up the context's own hold on its address space; that of its queues stays.
    pub(super) fn unbind(&self) {
        *self.space.lock() = Space::Gone;
    }
}
