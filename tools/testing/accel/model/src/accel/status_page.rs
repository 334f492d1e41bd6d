// SPDX-License-Identifier: GPL-2.0

//! What a process reads of its queue without a system call.

use crate::{
    page::Page,
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};

pub struct StatusPage {
    state: Atomic<u32>,
    completions: Atomic<u64>,
}

impl StatusPage {
    pub fn new(_generation: u32) -> Result<Self> {
        Ok(Self {
            state: Atomic::new(crate::uapi::accel_queue_state_ACCEL_QUEUE_LIVE),
            completions: Atomic::new(0),
        })
    }

    pub fn page(&self) -> &Page {
        &Page
    }

    pub fn set_state(&self, state: u32) {
        self.state.store(state, Relaxed);
    }

    pub fn set_completions(&self, count: u64) {
        self.completions.store(count, Relaxed);
    }

    pub fn state(&self) -> u32 {
        self.state.load(Relaxed)
    }
}
