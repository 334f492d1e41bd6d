// SPDX-License-Identifier: GPL-2.0

//! The page in which a process reads the state of its queue without a system call.

use crate::{
    page::SharedPage,
    prelude::*,
    sync::barrier::{
        smp_mb,
        Write, //
    },
    uapi, //
};
use core::mem::offset_of;

/// A page that begins with `struct accel_queue_status`. It outlives the device.
pub(super) struct StatusPage(SharedPage);

impl StatusPage {
    pub(super) fn new(generation: u32) -> Result<Self> {
        let page = Self(SharedPage::new()?);
        page.write(offset_of!(uapi::accel_queue_status, generation), generation);
        page.set_state(uapi::accel_queue_state_ACCEL_QUEUE_LIVE);
        Ok(page)
    }

    pub(super) fn page(&self) -> &SharedPage {
        &self.0
    }

    pub(super) fn set_state(&self, state: uapi::accel_queue_state) {
        self.write(offset_of!(uapi::accel_queue_status, state), state);
    }

    pub(super) fn set_completions(&self, count: u64) {
        self.write(offset_of!(uapi::accel_queue_status, completions), count);
    }

    /// User space reads the page at any time, and sees an old or a new value of each field; in the
    /// kernel, `Notices::told` is held for every write.
    fn write<T: zerocopy::IntoBytes + Copy>(&self, offset: usize, value: T) {
        // Who reads the value finds what was written before.
        smp_mb(Write);
        let written = self.0.write_once(offset, value);
        debug_assert!(written.is_ok());
    }
}
