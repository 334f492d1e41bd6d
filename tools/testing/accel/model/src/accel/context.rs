// SPDX-License-Identifier: GPL-2.0

//! A context that is bound from the beginning.

use super::{
    client::Inbox,
    device::{Access, Device},
    driver::{AddressMode, DeviceInfo, Progress},
    table::{Data, DriverContext},
};
use crate::{
    prelude::*,
    sync::{atomic::Atomic, Arc, Mutex},
    workqueue::WorkItem,
};
use core::{mem::ManuallyDrop, ops::Deref};

pub struct Space {
    pub mode: AddressMode,
    driver: DriverContext,
}

impl Space {
    pub(super) fn driver(&self) -> &DriverContext {
        &self.driver
    }

    pub fn pasid(&self) -> u32 {
        1
    }

    /// # Safety
    ///
    /// `data` must be live.
    pub(super) unsafe fn put(this: Arc<Self>, data: Data) {
        if Arc::into_inner(this).is_some() {
            data.hardware().unbind();
        }
    }

    pub(super) fn waits_for_memory(&self, _info: &DeviceInfo) -> bool {
        false
    }
}

pub(super) const PARTING: u64 = 4;

/// Nothing is left to a worker.
pub(super) struct Parting;

impl Parting {
    pub(super) fn new() -> impl PinInit<Self, Error> {
        || -> Result<Self> { Ok(Self) }
    }
}

impl Device {
    /// # Safety
    ///
    /// As for [`Space::put`].
    pub(super) unsafe fn part(&self, space: Arc<Space>, data: Data) {
        // SAFETY: By the requirement of this function.
        unsafe { Space::put(space, data) };
    }

    /// # Safety
    ///
    /// None.
    pub(super) unsafe fn end_parted(&self, _data: Data) {}
}

impl WorkItem<PARTING> for Device {
    type Pointer = Arc<Device>;

    fn run(_device: Arc<Device>) {}
}

pub(super) struct SpaceUse<'a> {
    space: ManuallyDrop<Arc<Space>>,
    access: &'a Access<'a>,
}

impl SpaceUse<'_> {
    pub(super) fn keep(&self) -> Arc<Space> {
        Arc::clone(&self.space)
    }
}

impl Deref for SpaceUse<'_> {
    type Target = Space;

    fn deref(&self) -> &Space {
        &self.space
    }
}

impl Drop for SpaceUse<'_> {
    fn drop(&mut self) {
        // SAFETY: It is taken once; `access` keeps the data.
        unsafe { Space::put(ManuallyDrop::take(&mut self.space), self.access.data()) };
    }
}

pub struct Context {
    device: Arc<Device>,
    space: Mutex<Option<Arc<Space>>>,
    pub queues: Atomic<u32>,
    pub completions: Atomic<u64>,
}

impl Context {
    pub fn is_abandoned(&self) -> bool {
        false
    }

    pub(super) fn new(device: &Arc<Device>, mode: AddressMode) -> Arc<Self> {
        let driver = DriverContext;
        let space = Arc::new(Space { mode, driver }, GFP_KERNEL).unwrap();
        let context = Self {
            device: device.clone(),
            space: Mutex::new(Some(space)),
            queues: Atomic::new(0),
            completions: Atomic::new(0),
        };
        let context = Arc::new(context, GFP_KERNEL).unwrap();
        device.add_context(&context).unwrap();
        context
    }

    pub(super) fn client(&self) -> Option<&Arc<Inbox>> {
        None
    }

    pub(super) fn device(&self) -> &Arc<Device> {
        &self.device
    }

    pub fn id(&self) -> u64 {
        1
    }

    pub fn pid(&self) -> i32 {
        1
    }

    pub fn check_caller(&self, _mode: AddressMode) -> Result {
        Ok(())
    }

    pub(super) fn space<'a>(&self, access: &'a Access<'_>) -> Result<SpaceUse<'a>> {
        let space = self.space.lock().clone().ok_or(ENODEV)?;
        Ok(SpaceUse {
            space: ManuallyDrop::new(space),
            access,
        })
    }

    pub fn count(&self, _before: &Progress, _now: &Progress) {}

    /// # Safety
    ///
    /// `data` must be live.
    pub(super) unsafe fn unbind(&self, data: Data) {
        let space = self.space.lock().take();
        if let Some(space) = space {
            // SAFETY: By the requirement of this function.
            unsafe { Space::put(space, data) };
        }
    }
}
