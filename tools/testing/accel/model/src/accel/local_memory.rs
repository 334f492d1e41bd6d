// SPDX-License-Identifier: GPL-2.0

//! The device has no memory of its own.

use crate::{page::SharedPages, prelude::*, sync::Arc};

pub struct LocalMemory;

impl LocalMemory {
    pub fn new(_pages: Arc<SharedPages>, _id: u32) -> Result<Arc<Self>> {
        Arc::new(Self, GFP_KERNEL)
    }

    pub fn close(&self) {}
}
