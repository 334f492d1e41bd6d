// SPDX-License-Identifier: GPL-2.0

//! What all accelerators share: the class, the device numbers, the ids.

use super::client::Directory;
use crate::{
    bitmap::BitmapVec,
    chrdev,
    debugfs,
    new_mutex,
    prelude::*,
    sync::{
        Mutex,
        SetOnce, //
    },
    workqueue::owned::{
        Flags,
        OwnedQueue, //
    }, //
};

/// Devices that can exist at once. Each has two minor numbers.
const DEVICES_MAX: usize = 1024;

/// `accel` is the name of DRM's class for accelerators; a second one of that name would keep DRM
/// from starting.
const CLASS_NAME: &CStr = c"accelerator";

pub(super) struct Shared {
    pub(super) class: chrdev::Class,
    pub(super) numbers: chrdev::Numbers,
    /// The directory of all devices in debugfs.
    pub(super) debugfs: debugfs::Dir,
    /// Whether the administrator lets processes map doorbells that others share.
    pub(super) allow_shared_doorbells: bool,
    /// What fences of jobs in `KERNEL` mode depend on. Nothing in it waits for memory, or takes a
    /// lock under which others wait for fences.
    pub(super) signalling: OwnedQueue,
    /// The kernel's own clients, and the devices for them.
    pub(super) directory: Pin<KBox<Mutex<Directory>>>,
    /// Ids in use.
    ids: Pin<KBox<Mutex<BitmapVec>>>,
}

static SHARED: SetOnce<Shared> = SetOnce::new();

/// Starts the subsystem: registers the class and the device numbers.
///
/// Called once, by `drivers/accel/core/`, before any driver starts. Fails with [`EEXIST`] or
/// [`EBUSY`] the second time.
pub fn start(allow_shared_doorbells: bool) -> Result {
    let ids = BitmapVec::new(DEVICES_MAX, GFP_KERNEL)?;
    let shared = Shared {
        class: chrdev::Class::new(CLASS_NAME)?,
        numbers: chrdev::Numbers::new(CLASS_NAME, 2 * DEVICES_MAX as u32)?,
        debugfs: debugfs::Dir::new(CLASS_NAME),
        allow_shared_doorbells,
        // Those who reclaim memory may wait for the fence of a job.
        signalling: OwnedQueue::new(c"accel", Flags::UNBOUND | Flags::MEM_RECLAIM)?,
        directory: KBox::pin_init(new_mutex!(Directory::EMPTY), GFP_KERNEL)?,
        ids: KBox::pin_init(new_mutex!(ids), GFP_KERNEL)?,
    };
    if SHARED.populate(shared) {
        Ok(())
    } else {
        Err(EBUSY)
    }
}

/// What `start` has registered. Fails with [`EPROBE_DEFER`] before that.
pub(super) fn shared() -> Result<&'static Shared> {
    SHARED.as_ref().ok_or(EPROBE_DEFER)
}

/// The N of `/dev/accelN`; free for another device when it is dropped.
pub(super) struct Id(u32);

impl Id {
    /// Takes the lowest free id. Fails with [`ENOSPC`] if there is none.
    pub(super) fn new() -> Result<Self> {
        let mut ids = shared()?.ids.lock();
        let id = ids.next_zero_bit(0).ok_or(ENOSPC)?;
        ids.set_bit(id);
        Ok(Self(id as u32))
    }

    pub(super) fn get(&self) -> u32 {
        self.0
    }
}

impl Drop for Id {
    fn drop(&mut self) {
        if let Ok(shared) = shared() {
            shared.ids.lock().clear_bit(self.0 as usize);
        }
    }
}
