// SPDX-License-Identifier: GPL-2.0

//! How queues of revision 0x21 access data: all by PASIDs, or all by the function's own id.

use crate::{
    hardware,
    mailbox::Bar, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

/// How many queues there are, and which of the two they need, or the last of them did.
struct Users {
    queues: u32,
    pasids: bool,
}

/// The one switch that there is for all queues. Revision 0x30 has one for each.
#[pin_data]
pub(crate) struct PasidSwitch {
    #[pin]
    users: Mutex<Users>,
}

impl PasidSwitch {
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                users <- new_mutex!(Users {
                    queues: 0,
                    pasids: false,
                }),
            }),
            GFP_KERNEL,
        )
    }

    /// The device was reset: nothing of before goes on.
    pub(crate) fn forget(&self) {
        self.users.lock().pasids = false;
    }

    /// Keeps the switch in one position for as long as the result lives.
    ///
    /// Fails with [`EBUSY`] if there are queues that need the other. After queues with PASIDs, also
    /// if there are none, until the device is reset: a job that somebody has rung for in the last
    /// moment would go on by the function's own id, with addresses that a process has chosen.
    pub(crate) fn hold(self: &Arc<Self>, bar: &Bar<'_>, pasids: bool) -> Result<PasidUse> {
        let mut users = self.users.lock();
        if (users.queues != 0 || users.pasids) && users.pasids != pasids {
            return Err(EBUSY);
        }
        if users.queues == 0 {
            users.pasids = pasids;
            hardware::use_pasids(bar, pasids);
        }
        users.queues += 1;
        Ok(PasidUse(self.clone()))
    }
}

/// A queue's hold on the switch.
pub(crate) struct PasidUse(Arc<PasidSwitch>);

impl Drop for PasidUse {
    fn drop(&mut self) {
        self.0.users.lock().queues -= 1;
    }
}
